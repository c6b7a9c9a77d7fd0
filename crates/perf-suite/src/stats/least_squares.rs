//! The straight line with the least squared error, and how much of the variation it explains. Source: N. R. Draper,
//! H. Smith, *Applied Regression Analysis*, third edition, Wiley 1998, chapter 1.

/// A line `y = intercept + slope * x` through points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// What one more of x adds to y.
    pub slope: f64,
    /// y where x is zero.
    pub intercept: f64,
    /// The share of the variation of y that the line explains, from 0 to 1.
    pub r_squared: f64,
}

/// Returns the line through points `(x, y)`, or `None` where they do not have at least two different x and two
/// different y, all finite.
pub fn least_squares(points: &[(f64, f64)]) -> Option<Line> {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    // Deviations first, then products: the textbook's shortcut loses all digits on large values that differ little.
    let mut sum_xx = 0.0;
    let mut sum_yy = 0.0;
    let mut sum_xy = 0.0;
    for (x, y) in points {
        let (dx, dy) = (x - mean_x, y - mean_y);
        sum_xx += dx * dx;
        sum_yy += dy * dy;
        sum_xy += dx * dy;
    }
    let usable = |sum: f64| sum.is_finite() && sum > 0.0;
    if !usable(sum_xx) || !usable(sum_yy) {
        return None;
    }
    let slope = sum_xy / sum_xx;
    Some(Line {
        slope,
        intercept: mean_y - slope * mean_x,
        r_squared: (sum_xy * sum_xy / (sum_xx * sum_yy)).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn anscombes_first_set_has_its_published_line() {
        // F. J. Anscombe, Graphs in Statistical Analysis, The American Statistician 27 (1973).
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let points: Vec<_> = x.into_iter().zip(y).collect();
        let line = least_squares(&points).unwrap();
        assert!((line.slope - 0.500).abs() < 0.001, "{line:?}");
        assert!((line.intercept - 3.00).abs() < 0.01, "{line:?}");
        assert!((line.r_squared - 0.667).abs() < 0.001, "{line:?}");
    }

    #[test]
    fn points_without_a_line_have_none() {
        for points in [
            vec![],
            vec![(1.0, 1.0)],
            vec![(1.0, 1.0), (1.0, 2.0)],
            vec![(1.0, 2.0), (2.0, 2.0)],
            vec![(1.0, f64::NAN), (2.0, 3.0)],
        ] {
            assert_eq!(least_squares(&points), None, "{points:?}");
        }
    }

    proptest! {
        #[test]
        fn points_on_a_line_give_it_back(slope in 0.1..1e3_f64, intercept in -1e3..1e3_f64, n in 2..30_i32) {
            let points: Vec<_> = (0..n).map(|x| (f64::from(x), intercept + slope * f64::from(x))).collect();
            let line = least_squares(&points).unwrap();
            prop_assert!((line.slope - slope).abs() < 1e-6 * slope.max(1.0));
            prop_assert!((line.intercept - intercept).abs() < 1e-6 * intercept.abs().max(slope * 30.0));
            prop_assert!(line.r_squared > 0.999_999);
        }
    }
}
