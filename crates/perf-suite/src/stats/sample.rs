//! The numbers that a method works on.

/// One or more finite numbers in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Returns the values in order, or `None` where there is none or one is not finite.
    pub fn new(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        Some(Self(values))
    }

    /// Returns the values in ascending order; there is at least one.
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_sorted_and_holds_only_numbers() {
        assert_eq!(Sample::new(vec![2.0, -1.0, 0.5]).unwrap().sorted(), [-1.0, 0.5, 2.0]);
        for values in [vec![], vec![f64::NAN], vec![1.0, f64::INFINITY]] {
            assert_eq!(Sample::new(values), None);
        }
    }
}
