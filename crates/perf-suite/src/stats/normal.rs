//! The normal distribution. Sources: M. Abramowitz, I. A. Stegun, *Handbook of Mathematical Functions*, 1964, 7.1.6 (the
//! series of the error function) and 7.1.14 (the continued fraction of its complement); the quantile is found by
//! bisection, which needs no table of coefficients.

use std::f64::consts::{PI, SQRT_2};

/// Returns how likely a standard normal value is at most `z`.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * complementary_error(-z / SQRT_2)
}

/// Returns the value that a standard normal one stays at or below with that probability, between 0 and 1.
pub fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    // Each step halves the range; after 200 the two ends are neighbouring numbers.
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if normal_cdf(middle) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Returns one minus the error function.
fn complementary_error(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - complementary_error(-x);
    }
    if x < 2.5 { 1.0 - error_series(x) } else { complement_fraction(x) }
}

fn error_series(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    let mut n = 0.0;
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

fn complement_fraction(x: f64) -> f64 {
    // From the innermost level outwards; at 2.5 and above 120 levels are more than the digits of a number.
    let fraction = (1..=120).rev().fold(x, |below, level| x + f64::from(level) / 2.0 / below);
    (-x * x).exp() / (PI.sqrt() * fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_has_the_tabled_values() {
        // Abramowitz and Stegun, table 26.1.
        for (z, p) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (1.96, 0.975_002_104_851_780),
            (3.0, 0.998_650_101_968_370),
            (4.0, 0.999_968_328_758_167),
        ] {
            assert!((normal_cdf(z) - p).abs() < 1e-14, "{z}");
            assert!((normal_cdf(-z) - (1.0 - p)).abs() < 1e-14, "-{z}");
        }
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn quantile_and_distribution_undo_one_another(z in -5.0..5.0_f64) {
            prop_assert!((normal_quantile(normal_cdf(z)) - z).abs() < 1e-8);
        }
    }
}
