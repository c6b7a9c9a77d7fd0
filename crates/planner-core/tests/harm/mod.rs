//! Doing with a file what every command does with files, and what that may cost at most.

use std::time::{Duration, Instant};

use planner_core::{
    Analysis, Format, InputFile, Progress, ReadError, ReadOptions, isolate, read_files, repair, sync,
    validate,
};

/// A build without optimisation on a machine at work is many times slower than what people run.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });
const MEMORY_MAX: u64 = 16 << 20;
const MEMORY_MAX_TIMES_INPUT: u64 = 20;

/// Uses a file within the bounds of time and memory, and returns in a word what came of it. Panics where it costs more; no other test
/// may run beside, because the memory is that of the process.
pub(crate) fn use_within_bounds(name: &str, bytes: &[u8], format: Option<Format>, about: &str) -> String {
    let before = watch_memory();
    let start = Instant::now();
    let outcome = use_it(name, bytes, format);
    let time = start.elapsed();
    let grown = before.and_then(|before| Some(status_bytes("VmHWM:")?.saturating_sub(before)));
    assert!(time <= TIME_MAX, "{name} {about}, {} bytes: {time:?}", bytes.len());
    let allowed = MEMORY_MAX + MEMORY_MAX_TIMES_INPUT * bytes.len() as u64;
    assert!(
        grown.is_none_or(|grown| grown <= allowed),
        "{name} {about}, {} bytes: {grown:?} bytes",
        bytes.len()
    );
    outcome
}

/// Does with the file what every command does with files, and returns in a word what came of it: the kinds of what was told.
pub(crate) fn use_it(name: &str, bytes: &[u8], format: Option<Format>) -> String {
    let options = ReadOptions { format, ..ReadOptions::default() };
    let reading = match read_files(name, &[InputFile { path: name, bytes }], &options) {
        Ok(reading) => reading,
        Err(error) => return kind_of(&error),
    };
    let validated = validate(&reading);
    let mut told: Vec<&str> = validated.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    for diagnostic in &validated.diagnostics {
        let has_control = diagnostic.message.chars().any(char::is_control);
        assert!(!has_control, "{name}: {:?}", diagnostic.message);
    }
    match validated.graph {
        Some(graph) => drop(Analysis::of(&reading.plan, &graph)),
        None => {
            drop(repair(&reading.plan));
            drop(isolate(&reading.plan, &reading.broken));
        }
    }
    // What cannot be written in place is refused; that it is never written wrongly, it makes sure itself.
    drop(sync(&reading, |_| Some(Progress::Completed)));
    told.sort_unstable();
    told.dedup();
    format!(
        "{} {} {told:?}",
        reading.format,
        reading.plan.tasks.len().checked_ilog2().map_or(0, |log| log + 1)
    )
}

fn kind_of(error: &ReadError) -> String {
    let message = error.to_string();
    let words = message.split_whitespace().filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
    words.take(6).collect::<Vec<_>>().join(" ")
}

/// Sets back the peak of the memory of this process, and returns what it holds.
fn watch_memory() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    status_bytes("VmRSS:")
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
