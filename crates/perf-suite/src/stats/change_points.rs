//! Where a series changes its level or its spread: E-divisive. Source: D. S. Matteson, N. A. James, "A Nonparametric
//! Approach for Multiple Change Point Analysis of Multivariate Data", Journal of the American Statistical Association 109
//! (2014): the split with the greatest energy distance, kept if few shuffles of the series have a greater one, then the same
//! in both parts.

use planner_core::random::Random;

/// A place where a series changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// The index of the first value after the change.
    pub at: usize,
    /// The median before it, back to the change before.
    pub before: f64,
    /// The median after it, up to the next change.
    pub after: f64,
    /// How likely a series without a change would have looked at least as split.
    pub p: f64,
}

/// The fewest values on either side of a change.
const SEGMENT_MIN: usize = 4;

/// Returns the changes of a series, in order, at that level of significance. None where a value is not finite.
///
/// `shuffles` bounds how small a p can be; 199 or more. The time is that of the third power of the length in the worst case,
/// so series are of hundreds of values at the most.
pub fn change_points(series: &[f64], level: f64, shuffles: usize, random: &mut Random) -> Vec<ChangePoint> {
    if series.iter().any(|value| !value.is_finite()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    divide(series, 0, level, shuffles, random, &mut found);
    found.sort_by_key(|(at, _)| *at);
    let borders: Vec<usize> =
        [0].into_iter().chain(found.iter().map(|(at, _)| *at)).chain([series.len()]).collect();
    let level_of = |from: usize, to: usize| middle(&series[from..to]);
    found
        .iter()
        .zip(borders.windows(3))
        .map(|((at, p), around)| ChangePoint {
            at: *at,
            before: level_of(around[0], around[1]),
            after: level_of(around[1], around[2]),
            p: *p,
        })
        .collect()
}

fn divide(
    series: &[f64],
    offset: usize,
    level: f64,
    shuffles: usize,
    random: &mut Random,
    found: &mut Vec<(usize, f64)>,
) {
    let Some((at, energy)) = best_split(series) else { return };
    let mut shuffled = series.to_vec();
    let mut as_great = 0;
    for _ in 0..shuffles {
        shuffle(&mut shuffled, random);
        as_great += usize::from(best_split(&shuffled).is_some_and(|(_, other)| other >= energy));
    }
    let p = (as_great + 1) as f64 / (shuffles + 1) as f64;
    if p > level {
        return;
    }
    found.push((offset + at, p));
    divide(&series[..at], offset, level, shuffles, random, found);
    divide(&series[at..], offset + at, level, shuffles, random, found);
}

/// Returns the split with the greatest scaled energy distance between its sides, if the series is long enough for one.
fn best_split(series: &[f64]) -> Option<(usize, f64)> {
    let n = series.len();
    if n < 2 * SEGMENT_MIN {
        return None;
    }
    let distance = |a: usize, b: usize| (series[a] - series[b]).abs();
    let to_all = |from: usize, range: std::ops::Range<usize>| range.map(|to| distance(from, to)).sum::<f64>();
    // Sums over pairs within the left, within the right and across; moving the border by one changes each by one row.
    let mut left: f64 = (0..SEGMENT_MIN).map(|i| to_all(i, 0..i)).sum();
    let mut right: f64 = (SEGMENT_MIN..n).map(|i| to_all(i, SEGMENT_MIN..i)).sum();
    let mut across: f64 = (0..SEGMENT_MIN).map(|i| to_all(i, SEGMENT_MIN..n)).sum();
    let mut best: Option<(usize, f64)> = None;
    for at in SEGMENT_MIN..=n - SEGMENT_MIN {
        let (l, r) = (at as f64, (n - at) as f64);
        let energy = 2.0 * across / (l * r) - 2.0 * left / (l * (l - 1.0)) - 2.0 * right / (r * (r - 1.0));
        let scaled = l * r / n as f64 * energy;
        if best.is_none_or(|(_, greatest)| scaled > greatest) {
            best = Some((at, scaled));
        }
        let (to_left, to_right) = (to_all(at, 0..at), to_all(at, at + 1..n));
        left += to_left;
        right -= to_right;
        across += to_right - to_left;
    }
    best.filter(|(_, energy)| *energy > 0.0)
}

fn shuffle(values: &mut [f64], random: &mut Random) {
    for last in (1..values.len()).rev() {
        values.swap(last, random.below(last + 1));
    }
}

fn middle(values: &[f64]) -> f64 {
    super::Sample::new(values.to_vec()).map_or(f64::NAN, |sample| super::median(&sample))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(levels: &[(usize, f64)], random: &mut Random) -> Vec<f64> {
        let steps = levels.iter().flat_map(|(count, level)| std::iter::repeat_n(*level, *count));
        steps.map(|level| level + random.unit() - 0.5).collect()
    }

    #[test]
    fn steps_are_found_where_they_are() {
        let mut random = Random::new(1);
        let series = noisy(&[(20, 10.0), (25, 13.0), (15, 9.0)], &mut random);
        let found = change_points(&series, 0.01, 199, &mut random);
        assert_eq!(found.iter().map(|change| change.at).collect::<Vec<_>>(), [20, 45]);
        assert!((found[0].before - 10.0).abs() < 0.3 && (found[0].after - 13.0).abs() < 0.3, "{found:?}");
        assert!((found[1].after - 9.0).abs() < 0.3);
    }

    #[test]
    fn a_steady_series_rarely_has_one() {
        let mut random = Random::new(2);
        let alarms = (0..100)
            .filter(|_| {
                let series = noisy(&[(30, 5.0)], &mut random);
                !change_points(&series, 0.05, 199, &mut random).is_empty()
            })
            .count();
        assert!(alarms <= 11, "{alarms}");
    }

    #[test]
    fn the_energy_is_that_of_its_definition() {
        let mut random = Random::new(4);
        let series = noisy(&[(5, 0.0), (6, 2.0)], &mut random);
        let naive = |at: usize| {
            let mean = |a: std::ops::Range<usize>, b: std::ops::Range<usize>| {
                let pairs = a.clone().flat_map(|i| b.clone().map(move |j| (i, j))).filter(|(i, j)| i != j);
                let distances: Vec<f64> = pairs.map(|(i, j)| (series[i] - series[j]).abs()).collect();
                distances.iter().sum::<f64>() / distances.len() as f64
            };
            let n = series.len();
            let energy = 2.0 * mean(0..at, at..n) - mean(0..at, 0..at) - mean(at..n, at..n);
            (at * (n - at)) as f64 / n as f64 * energy
        };
        let (at, energy) = best_split(&series).unwrap();
        assert!((naive(at) - energy).abs() < 1e-9);
        assert!((4..=7).all(|other| naive(other) <= energy + 1e-9));
    }

    #[test]
    fn short_or_broken_series_have_none() {
        let mut random = Random::new(3);
        assert_eq!(change_points(&[1.0; 7], 0.05, 199, &mut random), []);
        assert_eq!(change_points(&[1.0; 30], 0.05, 199, &mut random), []);
        let mut broken = vec![1.0; 30];
        broken[3] = f64::NAN;
        assert_eq!(change_points(&broken, 0.05, 199, &mut random), []);
    }
}
