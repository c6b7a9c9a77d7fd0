//! A line through points that a few bad ones do not bend: the median of all slopes. Sources: H. Theil, "A Rank-Invariant
//! Method of Linear and Polynomial Regression Analysis", Proceedings of the Royal Netherlands Academy of Sciences 53 (1950);
//! the interval by P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", Journal of the American
//! Statistical Association 63 (1968).

use super::rank::tie_sizes;
use super::{Interval, Sample, median, normal_quantile};

/// A line `y = intercept + slope * x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustLine {
    /// What one more of x adds to y.
    pub slope: f64,
    /// The median of y less the slope times the median of x.
    pub intercept: f64,
    /// Where the true slope lies.
    pub interval: Interval,
}

/// Returns the line through points `(x, y)`; `None` where there are not at least two different x, or a value is not finite.
pub fn theil_sen(points: &[(f64, f64)], confidence: f64) -> Option<RobustLine> {
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (x, y) = (Sample::new(x)?, Sample::new(y)?);
    let mut slopes = Vec::new();
    for (at, (x1, y1)) in points.iter().enumerate() {
        let others = points[at + 1..].iter().filter(|(x2, _)| x2 != x1);
        slopes.extend(others.map(|(x2, y2)| (y2 - y1) / (x2 - x1)));
    }
    let slopes = Sample::new(slopes)?;
    let slope = median(&slopes);
    let interval = slope_interval(&slopes, &x, &y, confidence);
    Some(RobustLine { slope, intercept: median(&y) - slope * median(&x), interval })
}

fn slope_interval(slopes: &Sample, x: &Sample, y: &Sample, confidence: f64) -> Interval {
    let n = x.sorted().len() as f64;
    let weight = |k: f64| k * (k - 1.0) * (2.0 * k + 5.0);
    let tied =
        |sample: &Sample| -> f64 { tie_sizes(sample.sorted()).iter().map(|k| weight(*k as f64)).sum() };
    let deviation = ((weight(n) - tied(x) - tied(y)).max(0.0) / 18.0).sqrt();
    let reach = normal_quantile(f64::midpoint(1.0, confidence)) * deviation;
    let sorted = slopes.sorted();
    let count = sorted.len() as f64;
    let last = sorted.len() - 1;
    let low = (((count - reach) / 2.0).round().max(1.0) as usize - 1).min(last);
    let high = (((count + reach) / 2.0).round().max(0.0) as usize).min(last);
    Interval { low: sorted[low], high: sorted[high], confidence }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::golden::{assert_close, cases, numbers};

    #[test]
    fn it_agrees_with_scipy() {
        for case in cases("theil_sen") {
            let points: Vec<_> =
                numbers(&case["in"]["t"]).into_iter().zip(numbers(&case["in"]["y"])).collect();
            let line = theil_sen(&points, 0.95).unwrap();
            assert_close(line.slope, &case["out"]["slope"], "slope");
            assert_close(line.intercept, &case["out"]["intercept"], "intercept");
            assert_close(line.interval.low, &case["out"]["lo95"], "low");
            assert_close(line.interval.high, &case["out"]["hi95"], "high");
        }
    }

    proptest! {
        #[test]
        fn one_wild_point_does_not_bend_it(slope in -9.0..9.0_f64, wild in -1e6..1e6_f64, n in 8..30_i32) {
            let mut points: Vec<_> = (0..n).map(|x| (f64::from(x), 2.0 + slope * f64::from(x))).collect();
            points[3].1 = wild;
            let line = theil_sen(&points, 0.95).unwrap();
            prop_assert!((line.slope - slope).abs() < 1e-6);
            prop_assert!(line.interval.low <= line.slope && line.slope <= line.interval.high);
        }
    }
}
