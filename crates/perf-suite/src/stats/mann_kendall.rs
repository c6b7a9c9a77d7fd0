//! Whether a series goes up or down as it goes on. Sources: H. B. Mann, "Nonparametric Tests Against Trend", Econometrica 13
//! (1945); M. G. Kendall, *Rank Correlation Methods*, fourth edition, Griffin 1975, with its correction for ties.

use super::normal_cdf;
use super::rank::tie_sizes;

/// What the order of a series says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The share of pairs that go up less that of pairs that go down: from -1 to 1.
    pub tau: f64,
    /// How likely a series without a trend would look at least as much like one.
    pub p_two_sided: f64,
    /// How likely it would go up at least as much.
    pub p_up: f64,
}

/// Returns the test of a series in the order of its time, by the normal approximation, which is good from ten values on;
/// `None` for fewer than three values or where one is not finite.
///
/// The values must not depend on one another: samples that are taken quickly after another do. Medians of blocks are better.
pub fn mann_kendall(series: &[f64]) -> Option<Trend> {
    let n = series.len();
    if n < 3 || series.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let pairs = series.iter().enumerate().flat_map(|(at, a)| series[at + 1..].iter().map(move |b| b - a));
    let score: f64 = pairs.map(|step| if step == 0.0 { 0.0 } else { step.signum() }).sum();
    let weight = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let tied: f64 = tie_sizes(series).iter().map(|size| weight(*size as f64)).sum();
    let variance = (weight(n as f64) - tied) / 18.0;
    let z = if variance > 0.0 { score / variance.sqrt() } else { 0.0 };
    Some(Trend {
        tau: score / (n * (n - 1) / 2) as f64,
        p_two_sided: (2.0 * normal_cdf(-z.abs())).min(1.0),
        p_up: normal_cdf(-z),
    })
}

#[cfg(test)]
mod tests {
    use planner_core::random::Random;

    use super::*;
    use crate::stats::golden::{assert_close, cases, numbers};

    #[test]
    fn it_agrees_with_scipy() {
        for case in cases("mann_kendall_normal_no_cc") {
            let trend = mann_kendall(&numbers(&case["in"]["y"])).unwrap();
            assert_close(trend.tau, &case["out"]["tau"], "tau");
            assert_close(trend.p_two_sided, &case["out"]["p_two_sided"], "p");
        }
    }

    #[test]
    fn alarms_are_as_rare_as_the_level_says() {
        let mut random = Random::new(9);
        let mut series = || (0..24).map(|_| random.unit()).collect::<Vec<_>>();
        let alarms = (0..1000).filter(|_| mann_kendall(&series()).unwrap().p_two_sided < 0.05).count();
        assert!((25..=75).contains(&alarms), "{alarms}");
    }

    #[test]
    fn a_constant_series_has_no_trend() {
        let trend = mann_kendall(&[1.0; 10]).unwrap();
        assert_eq!((trend.tau, trend.p_two_sided), (0.0, 1.0));
        assert_eq!(mann_kendall(&[1.0, 2.0]), None);
    }
}
