//! The value that a share of a sample does not exceed. Source: R. J. Hyndman, Y. Fan, "Sample Quantiles in Statistical
//! Packages", The American Statistician 50 (1996), definition 1: always a value that was measured.

use super::Sample;

/// Returns the smallest value that at least this share (0 to 1) of the sample does not exceed.
pub fn quantile(sample: &Sample, share: f64) -> f64 {
    let values = sample.sorted();
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len());
    values[at - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_so_many_do_not_exceed() {
        let hundred = Sample::new((1..=100).map(f64::from).collect()).unwrap();
        assert_eq!((quantile(&hundred, 0.99), quantile(&hundred, 0.5)), (99.0, 50.0));
        assert_eq!((quantile(&hundred, 0.0), quantile(&hundred, 1.0)), (1.0, 100.0));
    }
}
