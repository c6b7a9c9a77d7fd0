//! An interval for any figure of a sample, by drawing from it again and again. Source: B. Efron, R. J. Tibshirani, *An
//! Introduction to the Bootstrap*, Chapman & Hall 1993, chapter 13 (the percentile interval). It is too narrow for fewer
//! than twenty values; for medians and paired shifts there are exact intervals.

use planner_core::random::Random;

use super::{Interval, Sample};

/// Returns the interval between the percentiles of the figure over that many samples drawn with replacement; `None` where
/// a figure is not finite. `draws` is 1,000 at least.
pub fn bootstrap_interval(
    values: &Sample,
    figure: impl Fn(&Sample) -> f64,
    confidence: f64,
    draws: usize,
    random: &mut Random,
) -> Option<Interval> {
    let values = values.sorted();
    let mut drawn = || {
        let again = (0..values.len()).map(|_| values[random.below(values.len())]).collect();
        Sample::new(again).map(|sample| figure(&sample))
    };
    let figures = (0..draws.max(1_000)).map(|_| drawn()).collect::<Option<Vec<_>>>()?;
    let figures = Sample::new(figures)?;
    let sorted = figures.sorted();
    let outside = ((1.0 - confidence) / 2.0 * sorted.len() as f64).floor() as usize;
    let (low, high) = (sorted[outside], sorted[sorted.len() - 1 - outside]);
    Some(Interval { low, high, confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(sample: &Sample) -> f64 {
        sample.sorted().iter().sum::<f64>() / sample.sorted().len() as f64
    }

    #[test]
    fn it_holds_the_mean_about_as_often_as_it_says() {
        const TRIALS: usize = 300;
        let mut random = Random::new(5);
        let covered = (0..TRIALS)
            .filter(|_| {
                let values = Sample::new((0..40).map(|_| random.unit()).collect()).unwrap();
                let interval = bootstrap_interval(&values, mean, 0.95, 1_000, &mut random).unwrap();
                interval.low <= 0.5 && 0.5 <= interval.high
            })
            .count();
        assert!((0.89..=0.985).contains(&(covered as f64 / TRIALS as f64)), "{covered}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values = Sample::new((0..30).map(f64::from).collect()).unwrap();
        let of = |seed| bootstrap_interval(&values, mean, 0.9, 1_000, &mut Random::new(seed));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(bootstrap_interval(&values, |_| f64::NAN, 0.9, 1_000, &mut Random::new(1)), None);
    }
}
