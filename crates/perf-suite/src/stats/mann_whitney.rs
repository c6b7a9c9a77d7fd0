//! Whether one of two unpaired samples tends to be larger. Source: H. B. Mann, D. R. Whitney, "On a Test of Whether one of
//! Two Random Variables is Stochastically Larger than the Other", Annals of Mathematical Statistics 18 (1947); with ties
//! the normal approximation with continuity as in M. Hollander, D. A. Wolfe, E. Chicken, *Nonparametric Statistical
//! Methods*, third edition, Wiley 2014, section 4.1.

use super::rank::{doubled_ranks, tie_sizes};
use super::{Sample, normal_cdf};

/// Up to this product of the two sizes the distribution is counted; beyond, it is as good as normal.
const EXACT_MAX: usize = 2_500;

/// What the ranks of two samples say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankSum {
    /// In how many pairs the value of the first sample is the larger one; equal ones count one half.
    pub first_above: f64,
    /// How likely samples of one distribution would look at least as different.
    pub p_two_sided: f64,
    /// Whether the p is exact: small samples without ties.
    pub is_exact: bool,
}

/// Returns the test of two samples: exact where there are no ties and not many values.
pub fn mann_whitney(first: &Sample, second: &Sample) -> RankSum {
    let (n, m) = (first.sorted().len(), second.sorted().len());
    let all: Vec<f64> = first.sorted().iter().chain(second.sorted()).copied().collect();
    let doubled: usize = doubled_ranks(&all)[..n].iter().sum();
    let first_above = (doubled - n * (n + 1)) as f64 / 2.0;
    let ties = tie_sizes(&all);
    let is_exact = n * m <= EXACT_MAX && ties.iter().all(|size| *size == 1);
    let p_two_sided =
        if is_exact { exact(first_above as usize, n, m) } else { approximate(first_above, n, m, &ties) };
    RankSum { first_above, p_two_sided, is_exact }
}

fn exact(first_above: usize, n: usize, m: usize) -> f64 {
    let distribution = statistic_distribution(n, m);
    let lesser = first_above.min(n * m - first_above);
    (2.0 * distribution[..=lesser].iter().sum::<f64>()).min(1.0)
}

fn approximate(first_above: f64, n: usize, m: usize, ties: &[usize]) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let all = n + m;
    let tied: f64 = ties.iter().map(|size| (size * size * size - size) as f64).sum();
    let variance = n * m / 12.0 * (all + 1.0 - tied / (all * (all - 1.0)));
    let distance = (first_above - n * m / 2.0).abs();
    if variance <= 0.0 {
        return 1.0;
    }
    // The statistic moves in steps; half a step towards the middle makes up for it.
    let z = (distance - 0.5) / variance.sqrt();
    (2.0 * normal_cdf(-z)).min(1.0)
}

/// Returns the probability of each value of the statistic for two samples of one continuous distribution.
pub(super) fn statistic_distribution(n: usize, m: usize) -> Vec<f64> {
    // The number of ways is that of partitions into at most n parts of at most m: multiply by (1 - x^(m+i)) and divide
    // by (1 - x^i), for each i up to n. Divided by the number of all ways as it goes, so that it stays small.
    let mut ways = vec![0.0; n * m + 1];
    ways[0] = 1.0;
    for part in 1..=n {
        for sum in (m + part..=n * m).rev() {
            ways[sum] -= ways[sum - m - part];
        }
        for sum in part..=n * m {
            ways[sum] += ways[sum - part];
        }
        let scale = part as f64 / (m + part) as f64;
        ways.iter_mut().for_each(|ways| *ways *= scale);
    }
    ways
}

#[cfg(test)]
mod tests {
    use planner_core::random::Random;
    use proptest::prelude::*;

    use super::*;
    use crate::stats::golden::{assert_close, cases, numbers};

    fn pair(case: &serde_json::Value) -> (Sample, Sample) {
        let sample = |name: &str| Sample::new(numbers(&case["in"][name])).unwrap();
        (sample("x"), sample("y"))
    }

    #[test]
    fn it_agrees_with_scipy() {
        for case in cases("mann_whitney_exact") {
            let (x, y) = pair(&case);
            let test = mann_whitney(&x, &y);
            assert!(test.is_exact);
            assert_close(test.first_above, &case["out"]["U1"], "U");
            assert_close(test.p_two_sided, &case["out"]["p"], "p");
        }
        for case in cases("mann_whitney_asymptotic") {
            let (x, y) = pair(&case);
            let all: Vec<f64> = x.sorted().iter().chain(y.sorted()).copied().collect();
            let test = mann_whitney(&x, &y);
            let p = approximate(test.first_above, x.sorted().len(), y.sorted().len(), &tie_sizes(&all));
            assert_close(p, &case["out"]["p"], "p");
        }
    }

    #[test]
    fn the_distribution_is_that_of_the_definition() {
        // Two of the first and three of the second: ten orders, counted by hand.
        let counts: Vec<f64> = statistic_distribution(2, 3).iter().map(|p| (p * 10.0).round()).collect();
        assert_eq!(counts, [1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0]);
        assert!((statistic_distribution(20, 30).iter().sum::<f64>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn alarms_are_as_rare_as_the_level_says() {
        const TRIALS: usize = 1000;
        let mut random = Random::new(3);
        let mut draw = || Sample::new((0..10).map(|_| random.unit()).collect()).unwrap();
        let alarms = (0..TRIALS).filter(|_| mann_whitney(&draw(), &draw()).p_two_sided < 0.05).count();
        assert!((20..=65).contains(&alarms), "{alarms}");
    }

    proptest! {
        #[test]
        fn which_comes_first_does_not_matter(
            x in prop::collection::vec(-50..50_i32, 1..15), y in prop::collection::vec(-50..50_i32, 1..15)
        ) {
            let sample = |values: &[i32]| Sample::new(values.iter().map(|v| f64::from(*v)).collect()).unwrap();
            let (x, y) = (sample(&x), sample(&y));
            let (there, back) = (mann_whitney(&x, &y), mann_whitney(&y, &x));
            prop_assert!((there.p_two_sided - back.p_two_sided).abs() < 1e-9);
            prop_assert!(there.p_two_sided > 0.0 && there.p_two_sided <= 1.0);
            let pairs = (x.sorted().len() * y.sorted().len()) as f64;
            prop_assert!((there.first_above + back.first_above - pairs).abs() < 1e-9);
        }
    }
}
