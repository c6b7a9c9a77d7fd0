//! How throughput follows from concurrency: the Universal Scalability Law. Source: N. J. Gunther, *Guerrilla Capacity
//! Planning*, Springer 2007, chapters 4 to 6: `X(n) = rate * n / (1 + contention * (n - 1) + coherence * n * (n - 1))`.

/// The law's three figures, and where it peaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalability {
    /// The throughput of one.
    pub rate: f64,
    /// The share that cannot go on at the same time: what waits for one another.
    pub contention: f64,
    /// What it costs to keep each informed of every other.
    pub coherence: f64,
    /// The share of the variation that the law explains, up to 1.
    pub r_squared: f64,
}

impl Scalability {
    /// Returns the throughput that the law gives for that many at once.
    pub fn throughput(&self, n: f64) -> f64 {
        self.rate * n / (1.0 + self.contention * (n - 1.0) + self.coherence * n * (n - 1.0))
    }

    /// Returns the concurrency with the most throughput; `None` where more is always better.
    pub fn peak(&self) -> Option<f64> {
        (self.coherence > 0.0).then(|| ((1.0 - self.contention).max(0.0) / self.coherence).sqrt().max(1.0))
    }
}

/// Returns the law through points of concurrency and throughput; `None` for fewer than three different concurrencies or
/// values that are not positive.
///
/// The law is linear in its shares once it is turned over: `n / X = a + b (n - 1) + c n (n - 1)`. Least squares of the relative
/// errors, with shares that are not negative: of the fits with both, one or none of them, the best that is allowed.
pub fn fit_scalability(points: &[(f64, f64)]) -> Option<Scalability> {
    let mut concurrencies: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
    concurrencies.sort_by(f64::total_cmp);
    concurrencies.dedup();
    let usable = |(n, x): &(f64, f64)| n.is_finite() && x.is_finite() && *n > 0.0 && *x > 0.0;
    if concurrencies.len() < 3 || !points.iter().all(usable) {
        return None;
    }
    let fits = [[true, true], [true, false], [false, true], [false, false]];
    let allowed = fits.into_iter().filter_map(|shares| fit(points, shares));
    let (_, best) = allowed.min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(Scalability { r_squared: explained(points, &best), ..best })
}

/// Returns the fit with these shares, the others being zero, and its error; `None` where one is negative or not determined.
fn fit(points: &[(f64, f64)], [contends, coheres]: [bool; 2]) -> Option<(f64, Scalability)> {
    // Each row is divided by n / X, so that what is squared is a relative error.
    let row = |(n, x): &(f64, f64)| {
        let weight = x / n;
        [
            weight,
            if contends { weight * (n - 1.0) } else { 0.0 },
            if coheres { weight * n * (n - 1.0) } else { 0.0 },
        ]
    };
    let mut equations = [[0.0; 4]; 3];
    for row in points.iter().map(row) {
        for (equation, left) in equations.iter_mut().zip(row) {
            for (sum, right) in equation.iter_mut().zip(row.into_iter().chain([1.0])) {
                *sum += left * right;
            }
        }
    }
    let present = [true, contends, coheres];
    let [a, b, c] = solve(equations, present)?;
    if a <= 0.0 || b < 0.0 || c < 0.0 {
        return None;
    }
    let error = points
        .iter()
        .map(|point| (row(point).iter().zip([a, b, c]).map(|(x, y)| x * y).sum::<f64>() - 1.0).powi(2));
    Some((error.sum(), Scalability { rate: 1.0 / a, contention: b / a, coherence: c / a, r_squared: 0.0 }))
}

/// Returns the solution of three equations in those unknowns that are present, by elimination; the others are zero.
fn solve(mut equations: [[f64; 4]; 3], present: [bool; 3]) -> Option<[f64; 3]> {
    let unknowns: Vec<usize> = (0..3).filter(|index| present[*index]).collect();
    for &pivot in &unknowns {
        let size = equations[pivot][pivot];
        if size.abs() < f64::MIN_POSITIVE {
            return None;
        }
        equations[pivot].iter_mut().for_each(|value| *value /= size);
        for &other in unknowns.iter().filter(|other| **other != pivot) {
            let factor = equations[other][pivot];
            let subtracted = equations[pivot].map(|value| value * factor);
            equations[other].iter_mut().zip(subtracted).for_each(|(value, less)| *value -= less);
        }
    }
    Some([0, 1, 2].map(|index| if present[index] { equations[index][3] } else { 0.0 }))
}

fn explained(points: &[(f64, f64)], law: &Scalability) -> f64 {
    let mean = points.iter().map(|(_, x)| x).sum::<f64>() / points.len() as f64;
    let left: f64 = points.iter().map(|(n, x)| (x - law.throughput(*n)).powi(2)).sum();
    let all: f64 = points.iter().map(|(_, x)| (x - mean).powi(2)).sum();
    if all > 0.0 { 1.0 - left / all } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COUNTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0];

    #[test]
    fn what_scales_without_limit_has_no_peak() {
        let law = fit_scalability(&COUNTS.map(|n| (n, 3.0 * n))).unwrap();
        assert!((law.rate - 3.0).abs() < 1e-6 && law.contention < 1e-6, "{law:?}");
        assert_eq!(fit_scalability(&[(1.0, 1.0), (2.0, 2.0)]), None);
        assert_eq!(fit_scalability(&[(1.0, 1.0), (2.0, 2.0), (3.0, 0.0)]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_shares_that_made_the_points_are_found(
            rate in 1.0..1e4_f64, contention in 0.005..0.5_f64, coherence in 1e-5..1e-2_f64
        ) {
            let law = Scalability { rate, contention, coherence, r_squared: 1.0 };
            let found = fit_scalability(&COUNTS.map(|n| (n, law.throughput(n)))).unwrap();
            for n in COUNTS {
                prop_assert!((found.throughput(n) / law.throughput(n) - 1.0).abs() < 0.02, "{:?} {:?}", law, found);
            }
            prop_assert!(found.r_squared > 0.99);
            // Below this the peak is far beyond what was measured, and any that far is as good.
            if coherence > 1e-4 {
                prop_assert!((found.peak().unwrap() / law.peak().unwrap() - 1.0).abs() < 0.2, "{:?} {:?}", law, found);
            }
        }
    }
}
