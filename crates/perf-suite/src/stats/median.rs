//! The median. Source: D. C. Hoaglin, F. Mosteller, J. W. Tukey, *Understanding Robust and Exploratory Data Analysis*,
//! Wiley 1983, chapter 2.

use super::Sample;

/// Returns the middle value, or the mean of the two middle ones.
pub fn median(sample: &Sample) -> f64 {
    let values = sample.sorted();
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        // Halved before adding, so that the sum of two huge values does not overflow.
        values[middle - 1] / 2.0 + values[middle] / 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> f64 {
        median(&Sample::new(values.to_vec()).unwrap())
    }

    #[test]
    fn medians_of_few_values() {
        assert_eq!(of(&[3.0]), 3.0);
        assert_eq!(of(&[3.0, 1.0]), 2.0);
        assert_eq!(of(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(of(&[f64::MAX, f64::MAX]), f64::MAX);
    }

    proptest! {
        #[test]
        fn at_least_half_lie_on_each_side(values in prop::collection::vec(-1e6..1e6_f64, 1..40)) {
            let middle = of(&values);
            prop_assert!(values.iter().filter(|value| **value <= middle).count() * 2 >= values.len());
            prop_assert!(values.iter().filter(|value| **value >= middle).count() * 2 >= values.len());
        }

        #[test]
        fn it_moves_and_grows_with_the_values(values in prop::collection::vec(-1e3..1e3_f64, 1..40), shift in -1e3..1e3_f64) {
            let moved: Vec<f64> = values.iter().map(|value| value * 2.0 + shift).collect();
            prop_assert!((of(&moved) - (of(&values) * 2.0 + shift)).abs() < 1e-9);
        }
    }
}
