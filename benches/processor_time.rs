//! Time that the processor spent on something: others who are busy on the machine count less than in time that passed.

use std::time::Instant;

/// Returns the milliseconds that this thread was on a processor while something ran, where Linux tells, else those that passed.
pub(crate) fn millis(run: &mut dyn FnMut() -> usize) -> f64 {
    let (start, spent) = (Instant::now(), processor_millis());
    std::hint::black_box(run());
    let passed = start.elapsed().as_secs_f64() * 1000.0;
    processor_millis().zip(spent).map_or(passed, |(now, before)| now - before)
}

/// Returns how long this thread has been on a processor: the first number of proc_pid_schedstat(5), in nanoseconds.
fn processor_millis() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = told.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}
