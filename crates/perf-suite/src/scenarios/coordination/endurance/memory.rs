//! What is seen of memory while operations go on, and whether it grows.

use std::time::Duration;

use parking_lot::Mutex;

use crate::leak::{GrowthVerdict, TimeGrowth, counted_live_bytes, growth_over_time};
use crate::monitor::{INTERVAL, Usage};
use crate::scenario::Recorder;
use crate::series::Unit;

/// What bounds the heaps that the GNU C library keeps, one for every few threads.
const ARENAS_VARIABLE: &str = "MALLOC_ARENA_MAX";

/// Samples of a time in seconds and a number of bytes.
type Samples = Vec<(f64, f64)>;

/// What was seen so far. Its own memory is there from the beginning, so that it is not what grows.
#[derive(Debug)]
pub(super) struct MemoryLog(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    /// The resident memory that no file is behind.
    anonymous: Samples,
    /// The same without what git's objects take that are kept on purpose, up to a bound.
    needed: Samples,
    /// Without those, what the program's allocator has handed out, where it counts.
    live: Samples,
}

impl MemoryLog {
    /// Returns an empty one for so long a time.
    pub(super) fn lasting(length: Duration) -> Self {
        let samples = 2 * (length.as_secs_f64() / INTERVAL.as_secs_f64()) as usize;
        Self(Mutex::new(Seen {
            anonymous: resident(samples),
            needed: resident(samples),
            live: resident(samples),
        }))
    }

    /// Adds what is there now.
    pub(super) fn add(&self, usage: &Usage) {
        let cached = git_ops::cached_bytes() as f64;
        let mut seen = self.0.lock();
        seen.anonymous.push((usage.at, usage.anonymous as f64));
        seen.needed.push((usage.at, usage.anonymous as f64 - cached));
        if let Some(live) = counted_live_bytes() {
            seen.live.push((usage.at, live as f64 - cached));
        }
    }

    /// Records what that says, where so many operations were made a second.
    pub(super) fn record(&self, operations_a_second: f64, recorder: &mut Recorder) {
        let seen = self.0.lock();
        let of = |samples: &Samples| growth_over_time(samples, operations_a_second);
        let (Some(all), Some(needed)) = (of(&seen.anonymous), of(&seen.needed)) else {
            recorder.note("the run was too short for a verdict on memory, or this system does not tell");
            return;
        };
        record_level(&all, recorder);
        record_growth("memory", "resident memory that no file is behind", &needed, recorder);
        let live = of(&seen.live);
        if let Some(live) = &live {
            record_growth("live", "bytes that are allocated and not freed", live, recorder);
        }
        let grows = [Some(&needed), live.as_ref()].into_iter().flatten();
        let is_leak = grows.into_iter().any(|growth| growth.verdict == GrowthVerdict::Grows);
        recorder.record(
            "leak",
            "whether memory grows for good after warming up: 1 where all tests say so, else 0 (the same six times, as a verdict has no spread)",
            Unit::Ratio,
            vec![f64::from(u8::from(is_leak)); 6],
        );
        let (cached, bound) = (git_ops::cached_bytes() as f64, git_ops::CACHED_BYTES_MAX as f64);
        recorder.note(format!(
            "git's objects that are kept for later are not counted as growth: {} at the end, {} at the most",
            Unit::Bytes.format(cached),
            Unit::Bytes.format(bound)
        ));
        if std::env::var_os(ARENAS_VARIABLE).is_none() {
            recorder.note(format!(
                "resident memory holds what the C library keeps for every thread, which grows until each has needed its most: \
                 {ARENAS_VARIABLE}=1 leaves that out"
            ));
        }
    }
}

/// Returns an empty vector whose memory is resident: zeroes would only be promised by the system.
fn resident(samples: usize) -> Samples {
    let mut filled = vec![(1.0, 1.0); samples];
    filled.clear();
    filled
}

fn record_level(growth: &TimeGrowth, recorder: &mut Recorder) {
    recorder.record(
        "memory/baseline",
        "resident memory that no file is behind, after warming up: the first quarter of the blocks",
        Unit::Bytes,
        growth.baseline.clone(),
    );
    let baseline = growth.baseline.iter().sum::<f64>() / growth.baseline.len() as f64;
    recorder.record(
        "memory/over-baseline",
        "the most of each block after warming up over the baseline",
        Unit::Ratio,
        growth.peaks.iter().map(|peak| peak / baseline).collect(),
    );
}

fn record_growth(name: &str, what: &str, growth: &TimeGrowth, recorder: &mut Recorder) {
    let line = &growth.slope;
    recorder.record(
        format!("{name}/growth-per-hour"),
        format!("{what}, Theil-Sen slope over blocks after warming up: its lower end, itself, its upper end"),
        Unit::Bytes,
        [line.interval.low, line.slope, line.interval.high].map(|slope| slope * 3600.0).to_vec(),
    );
    recorder.note(format!(
        "{what}: {}; {} an hour, in the later half {:.1} times what it was in the earlier one; the smallest steady growth \
         that this run could have told is {} an hour",
        growth.verdict.as_str(),
        Unit::Bytes.format(line.slope * 3600.0),
        growth.later_over_earlier,
        Unit::Bytes.format(growth.smallest_visible * 3600.0)
    ));
}
