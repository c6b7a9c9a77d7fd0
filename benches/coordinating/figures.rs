//! Medians of rounds, with their least and most.

/// Prints a figure of all rounds under its name.
pub(crate) fn show(name: &str, values: &[f64], unit: &str) {
    let [median, least, most] = median(values);
    println!("  {name:<44} {:>11} {unit:<5} [{}, {}]", short(median), short(least), short(most));
}

/// Prints the ratios of single rounds.
pub(crate) fn show_ratio(name: &str, above: &[f64], below: &[f64], goal: &str) {
    let ratios: Vec<f64> = above.iter().zip(below).map(|(above, below)| above / below).collect();
    let [median, least, most] = median(&ratios);
    println!("  {name:<44} {median:>11.2}       [{least:.2}, {most:.2}]  goal: {goal}");
}

/// Returns the median, the least and the most.
fn median(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    [values[values.len() / 2], values[0], values[values.len() - 1]]
}

/// Returns a number with about three digits.
fn short(number: f64) -> String {
    match number {
        100.0.. => format!("{number:.0}"),
        1.0.. => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}
