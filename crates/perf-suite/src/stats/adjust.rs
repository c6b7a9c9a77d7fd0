//! Many tests at once: what is left of their p. All tests that were made belong in, not only those that look good.
//! Sources: Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", Journal of the Royal Statistical Society B 57
//! (1995); S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6 (1979).

/// Returns for each p the least rate of false discoveries at which it is one, in the order given.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, index) in order.iter().enumerate().rev() {
        least = least.min(p[*index] * p.len() as f64 / (rank + 1) as f64);
        adjusted[*index] = least;
    }
    adjusted
}

/// Returns for each p the least probability of any false alarm at which it is one, in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![1.0; p.len()];
    let mut greatest = 0.0_f64;
    for (rank, index) in order.iter().enumerate() {
        greatest = greatest.max((p[*index] * (p.len() - rank) as f64).min(1.0));
        adjusted[*index] = greatest;
    }
    adjusted
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::golden::{assert_close, cases, numbers};

    #[test]
    fn benjamini_hochberg_agrees_with_scipy() {
        for case in cases("benjamini_hochberg") {
            let adjusted = benjamini_hochberg(&numbers(&case["in"]["p"]));
            for (found, expected) in adjusted.iter().zip(case["out"]["adjusted"].as_array().unwrap()) {
                assert_close(*found, expected, "adjusted p");
            }
        }
    }

    #[test]
    fn holm_steps_down() {
        // Worked by hand: 0.01 * 4, 0.02 * 3, then 0.03 * 2 and 0.5 * 1, never below what came before.
        let adjusted = holm(&[0.03, 0.01, 0.5, 0.02]);
        for (found, expected) in adjusted.iter().zip([0.06, 0.04, 0.5, 0.06]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
    }

    proptest! {
        #[test]
        fn adjusting_keeps_the_order_and_never_lowers(p in prop::collection::vec(0.0..1.0_f64, 1..30)) {
            for adjusted in [benjamini_hochberg(&p), holm(&p)] {
                for (a, b) in p.iter().zip(&adjusted).flat_map(|one| p.iter().zip(&adjusted).map(move |two| (one, two))) {
                    prop_assert!(a.0 > b.0 || a.1 <= b.1);
                }
                prop_assert!(p.iter().zip(&adjusted).all(|(p, q)| *q >= *p - 1e-15 && *q <= 1.0));
            }
            prop_assert!(benjamini_hochberg(&p).iter().zip(holm(&p)).all(|(bh, holm)| *bh <= holm + 1e-12));
        }
    }
}
