//! Whether paired differences lean to one side: the signed-rank test, exact. Source: F. Wilcoxon, "Individual Comparisons
//! by Ranking Methods", Biometrics Bulletin 1 (1945); ties and zeros as in M. Hollander, D. A. Wolfe, E. Chicken,
//! *Nonparametric Statistical Methods*, third edition, Wiley 2014, section 3.1.

use super::rank::doubled_ranks;

/// What the signed ranks of differences say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// How many differences were not zero; the others say nothing.
    pub count: usize,
    /// The sum of the ranks of the positive differences.
    pub positive: f64,
    /// How likely differences that lean to neither side would look at least as one-sided.
    pub p_two_sided: f64,
    /// How likely they would be at least as positive.
    pub p_greater: f64,
}

/// Returns the exact test of differences that are all finite; `None` where there is none other than zero.
///
/// The distribution is counted sign by sign, given the ranks that there are, so it is exact with ties too. The time grows
/// with the third power of the count.
pub fn wilcoxon(differences: &[f64]) -> Option<SignedRank> {
    let differences: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    if differences.is_empty() || differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let ranks = doubled_ranks(&differences.iter().map(|difference| difference.abs()).collect::<Vec<_>>());
    let positive: usize = ranks
        .iter()
        .zip(&differences)
        .filter(|(_, difference)| **difference > 0.0)
        .map(|(rank, _)| rank)
        .sum();
    let distribution = sum_distribution(&ranks);
    let total = distribution.len() - 1;
    let at_least: f64 = distribution[positive..].iter().sum();
    let lesser = positive.min(total - positive);
    let tail: f64 = distribution[..=lesser].iter().sum();
    Some(SignedRank {
        count: differences.len(),
        positive: positive as f64 / 2.0,
        p_two_sided: (2.0 * tail).min(1.0),
        p_greater: at_least.min(1.0),
    })
}

/// Returns the least p, two-sided, that so many pairs can ever reach: what they cannot show, no effect however large will.
/// Source: as above; all signs are the same in two of the 2^n cases.
pub fn least_possible_p(pairs: usize) -> f64 {
    (1.0 - pairs as f64).exp2().min(1.0)
}

/// Returns the probability of each sum of a random choice of the ranks.
pub(super) fn sum_distribution(ranks: &[usize]) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    let mut probabilities = vec![0.0; total + 1];
    probabilities[0] = 1.0;
    let mut reached = 0;
    for rank in ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = sum.checked_sub(*rank).map_or(0.0, |before| probabilities[before]);
            probabilities[sum] = f64::midpoint(probabilities[sum], with);
        }
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::golden::{assert_close, cases, numbers};

    #[test]
    fn it_agrees_with_scipy() {
        for case in cases("wilcoxon_signed_rank_exact") {
            let differences = numbers(&case["in"]["d"]);
            let test = wilcoxon(&differences).unwrap();
            let total = (test.count * (test.count + 1) / 2) as f64;
            assert_close(test.positive.min(total - test.positive), &case["out"]["W_min"], "W");
            assert_close(test.p_two_sided, &case["out"]["p"], "p");
        }
        for case in cases("wilcoxon_min_p") {
            let n = case["in"]["n"].as_u64().unwrap() as usize;
            assert_close(least_possible_p(n), &case["out"]["p_min_two_sided"], "least p");
            let all_up: Vec<f64> = (1..=n).map(|rank| rank as f64).collect();
            assert_close(wilcoxon(&all_up).unwrap().p_two_sided, &case["out"]["p_min_two_sided"], "all up");
        }
    }

    #[test]
    fn nothing_but_zeros_says_nothing() {
        assert_eq!(wilcoxon(&[0.0, 0.0]), None);
        assert_eq!(wilcoxon(&[f64::NAN]), None);
        assert_eq!(wilcoxon(&[0.0, 1.0]).map(|test| (test.count, test.p_two_sided)), Some((1, 1.0)));
    }

    proptest! {
        #[test]
        fn the_other_sign_gives_the_other_side(d in prop::collection::vec(-9..9_i32, 1..25)) {
            let there: Vec<f64> = d.iter().map(|d| f64::from(*d)).collect();
            let back: Vec<f64> = there.iter().map(|d| -d).collect();
            if let (Some(there), Some(back)) = (wilcoxon(&there), wilcoxon(&back)) {
                prop_assert!((there.p_two_sided - back.p_two_sided).abs() < 1e-12);
                prop_assert!(there.p_two_sided > 0.0 && there.p_greater > 0.0);
                // Together the sides cover everything, and what was found twice.
                prop_assert!(there.p_greater + back.p_greater >= 1.0 - 1e-12);
            }
        }

        #[test]
        fn order_and_scale_do_not_matter(mut d in prop::collection::vec(-1e3..1e3_f64, 1..25), scale in 0.5..4.0_f64) {
            let before = wilcoxon(&d);
            d.reverse();
            d.iter_mut().for_each(|d| *d *= scale);
            let after = wilcoxon(&d);
            prop_assert_eq!(before.map(|test| test.positive), after.map(|test| test.positive));
        }
    }
}
