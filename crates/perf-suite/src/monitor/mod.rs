//! What a process uses while it works: sampled every 100 ms by a thread of its own, whose own cost is measured too.
//!
//! The processor's time is that of the kernel's process clock: counters of ticks are too coarse for 100 ms, and what is
//! derived from them reads half. Child processes are included, git among them: the memory of those that are there when they
//! are looked for (once a second, with the switches of all threads), the processor's time of those that have ended. Network counters are those of the whole namespace,
//! because the kernel keeps none by process. Off Linux only the clocks are there.

mod burst;
mod hiccup;
mod process;

pub use burst::Burst;
pub use hiccup::{Hiccup, HiccupMeter, Stalls};
pub(crate) use process::{process_cpu, thread_cpu};

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::stats::{Sample, median};
use process::ProcessFiles;

/// How often a sample is taken.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// How many samples a log keeps; a longer one keeps the most memory of each stretch.
const KEPT_MAX: usize = 600;

/// What the process used up to one moment. Totals count from the beginning of the watch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// When, in seconds from the beginning.
    pub at: f64,
    /// Resident memory in bytes, with that of child processes.
    pub resident: u64,
    /// Virtual memory in bytes.
    pub virtual_memory: u64,
    /// Resident memory that no file is behind: the heap, above all.
    pub anonymous: u64,
    /// The processor's time so far, in seconds.
    pub cpu: f64,
    /// That of child processes that have ended.
    pub cpu_children: f64,
    /// Bytes read from storage so far.
    pub read: u64,
    /// Bytes written to storage so far.
    pub written: u64,
    /// How often the process gave the processor away so far.
    pub switches_voluntary: u64,
    /// How often it was taken away.
    pub switches_forced: u64,
    /// Threads.
    pub threads: u64,
    /// Open file handles.
    pub files: u64,
    /// Child processes.
    pub children: u64,
    /// Bytes received by the network namespace so far.
    pub received: u64,
    /// Bytes sent by it.
    pub sent: u64,
}

/// Returns what this process uses now; what the system does not tell is zero.
pub fn usage_now() -> Usage {
    ProcessFiles::open().sample(0.0)
}

/// Returns the resident memory that no file is behind, in bytes, where the system tells.
pub fn anonymous_memory() -> Option<u64> {
    Some(usage_now().anonymous).filter(|bytes| *bytes > 0)
}

/// What was seen while something ran.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UsageLog {
    /// The samples in order: all of them, or of a long watch those with the most memory of each stretch.
    pub samples: Vec<Usage>,
    /// How many were taken.
    pub taken: usize,
    /// How long it was watched, in seconds.
    pub seconds: f64,
    /// The processor's time that the watching itself took, in seconds.
    pub own_cpu: f64,
    /// The longest time between two samples, in seconds.
    pub interval_max: f64,
}

impl UsageLog {
    /// Returns the greatest resident memory in bytes.
    pub fn resident_peak(&self) -> u64 {
        self.samples.iter().map(|sample| sample.resident).max().unwrap_or(0)
    }

    /// Returns the median of the resident memory in bytes.
    pub fn resident_typical(&self) -> f64 {
        let values = self.samples.iter().map(|sample| sample.resident as f64).collect();
        Sample::new(values).map_or(0.0, |sample| median(&sample))
    }

    /// Returns the greatest virtual memory in bytes.
    pub fn virtual_peak(&self) -> u64 {
        self.samples.iter().map(|sample| sample.virtual_memory).max().unwrap_or(0)
    }

    /// Returns how much of one processor was used on average, child processes included: 2 is two of them.
    pub fn cpu_share(&self) -> f64 {
        let last = self.samples.last().copied().unwrap_or_default();
        if self.seconds > 0.0 { (last.cpu + last.cpu_children) / self.seconds } else { 0.0 }
    }

    /// Returns how much of one processor the watching took.
    pub fn own_share(&self) -> f64 {
        if self.seconds > 0.0 { self.own_cpu / self.seconds } else { 0.0 }
    }

    /// Returns what had been used at the end.
    pub fn totals(&self) -> Usage {
        self.samples.last().copied().unwrap_or_default()
    }
}

/// A watch on this process that has begun. Dropping it ends the watch.
#[derive(Debug)]
pub struct Monitor {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<UsageLog>>,
}

impl Monitor {
    /// Begins to watch, a sample each interval. `each` is shown every sample as it is taken, on the thread that watches.
    pub fn start(interval: Duration, mut each: impl FnMut(&Usage) + Send + 'static) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("monitor".to_owned());
        let thread = thread.spawn(move || watch(interval, &stopped, &mut each))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends the watch and returns what was seen.
    pub fn finish(mut self) -> UsageLog {
        // A thread that has ended by itself needs no telling.
        let _ = self.stop.send(());
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

fn watch(interval: Duration, stopped: &mpsc::Receiver<()>, each: &mut dyn FnMut(&Usage)) -> UsageLog {
    let mut files = ProcessFiles::open();
    let begun = Instant::now();
    let own_before = thread_cpu();
    let mut first = files.sample(0.0);
    let mut log = UsageLog::default();
    let mut kept = Kept::default();
    let mut due = begun;
    let mut before = begun;
    loop {
        let now = Instant::now();
        log.interval_max = log.interval_max.max((now - before).as_secs_f64());
        before = now;
        let usage = since(&files.sample((now - begun).as_secs_f64()), &mut first);
        each(&usage);
        log.taken += 1;
        kept.push(usage);
        due += interval;
        let wait = due.saturating_duration_since(Instant::now());
        if stopped.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout) {
            break;
        }
    }
    log.samples = kept.finish();
    log.samples.push(since(&files.sample(begun.elapsed().as_secs_f64()), &mut first));
    log.taken += 1;
    log.seconds = begun.elapsed().as_secs_f64();
    log.own_cpu = thread_cpu() - own_before;
    log
}

/// Returns the sample with its totals counted from the first one.
fn since(sample: &Usage, first: &mut Usage) -> Usage {
    Usage {
        cpu: sample.cpu - first.cpu,
        cpu_children: sample.cpu_children - first.cpu_children,
        read: sample.read.saturating_sub(first.read),
        written: sample.written.saturating_sub(first.written),
        switches_voluntary: sample.switches_voluntary.saturating_sub(first.switches_voluntary),
        switches_forced: sample.switches_forced.saturating_sub(first.switches_forced),
        received: sample.received.saturating_sub(first.received),
        sent: sample.sent.saturating_sub(first.sent),
        ..*sample
    }
}

/// Samples of which each stands for a stretch of the same length: the one with the most memory, so that no peak is lost.
#[derive(Debug)]
struct Kept {
    samples: Vec<Usage>,
    /// How many samples were taken in a stretch.
    stretch: usize,
    /// The greatest of the stretch that has begun, and how many it has.
    open: Option<(Usage, usize)>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { samples: Vec::new(), stretch: 1, open: None }
    }
}

impl Kept {
    fn push(&mut self, usage: Usage) {
        let (greatest, count) =
            self.open.map_or((usage, 1), |(greatest, count)| (greater(greatest, usage), count + 1));
        self.open = Some((greatest, count));
        if count < self.stretch {
            return;
        }
        self.samples.push(greatest);
        self.open = None;
        if self.samples.len() == 2 * KEPT_MAX {
            // Stretches become twice as long, those that are there too.
            self.samples = self.samples.chunks(2).map(|pair| greater(pair[0], pair[1])).collect();
            self.stretch *= 2;
        }
    }

    fn finish(mut self) -> Vec<Usage> {
        self.samples.extend(self.open.map(|(greatest, _)| greatest));
        self.samples
    }
}

fn greater(a: Usage, b: Usage) -> Usage {
    if b.resident > a.resident { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a processor busy for that much of its own time.
    fn work(seconds: f64) {
        let begun = thread_cpu();
        while thread_cpu() - begun < seconds {
            std::hint::black_box((0..1000).sum::<u64>());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_used_shows_and_the_watch_costs_little() {
        let (tell, told) = mpsc::channel();
        let monitor = Monitor::start(INTERVAL, move |usage| tell.send(*usage).unwrap()).unwrap();
        let held = std::hint::black_box(vec![1_u8; 48 << 20]);
        work(0.5);
        drop(held);
        let child = std::process::Command::new("git").arg("--version").output().unwrap();
        assert!(child.status.success());
        let log = monitor.finish();
        let totals = log.totals();
        assert!(log.resident_peak() > 48 << 20, "{log:?}");
        assert!(log.virtual_peak() > log.resident_peak());
        assert!(totals.cpu >= 0.5 && totals.threads >= 2 && totals.files >= 3, "{totals:?}");
        assert!(told.try_iter().count() >= 3);
        assert!(log.taken >= 4 && log.samples.len() == log.taken);
        // The claim is 10 % and the goal 1 %, both of an optimised build; this one is not.
        assert!(log.own_share() < 0.1, "{}", log.own_share());
    }

    #[test]
    fn a_long_log_is_even_and_keeps_its_peak() {
        let mut kept = Kept::default();
        for n in 0..18_000_u32 {
            let resident = if n == 777 { 9_000_000 } else { u64::from(n) };
            kept.push(Usage { at: f64::from(n), resident, ..Usage::default() });
        }
        let samples = kept.finish();
        assert!((KEPT_MAX..=2 * KEPT_MAX).contains(&samples.len()), "{}", samples.len());
        assert!(samples.iter().any(|sample| sample.resident == 9_000_000));
        let steps = samples.windows(2).map(|pair| pair[1].at - pair[0].at);
        assert!(steps.clone().fold(0.0, f64::max) <= 48.0, "no stretch is longer than the others");
    }
}
