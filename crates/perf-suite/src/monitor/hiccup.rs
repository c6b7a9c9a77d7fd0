//! Stalls of the platform: a thread that asks to be woken every few milliseconds and notes how late it is. Whatever makes
//! it late (other programs, the host of a virtual machine, a throttled group) makes everything else late too. Source:
//! G. Tene, *jHiccup*, 2012. As it is awake that often, it also looks at how much was allocated since.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::burst::{Burst, BurstLog};
use super::thread_cpu;
use crate::leak::allocated_bytes;

/// How often it asks to be woken: often enough for stalls of 10 ms, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(5);

/// What counts as a stall.
const STALL_MIN: Duration = Duration::from_millis(10);

/// A stretch in which the thread should have been woken and was not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hiccup {
    /// When it should have been.
    pub from: Instant,
    /// How much later it was.
    pub length: Duration,
}

/// How many hiccups there is room for from the beginning, so that seldom ones are no growth.
const ROOM: usize = 4096;

/// What a meter has seen, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stalls {
    /// The stalls of 10 ms and more.
    pub hiccups: Vec<Hiccup>,
    /// The bursts of allocations, where the program's allocator counts.
    pub bursts: Vec<Burst>,
    /// The processor's time that the watching itself took, in seconds.
    pub own_cpu: f64,
}

/// A meter that runs. Dropping it stops it.
#[derive(Debug)]
pub struct HiccupMeter {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<Stalls>>,
}

impl HiccupMeter {
    /// Begins to watch.
    pub fn start() -> std::io::Result<Self> {
        Self::start_telling(|_| {})
    }

    /// Begins to watch, and tells how long each stall was as soon as it is over.
    pub fn start_telling(tell: impl Fn(Duration) + Send + 'static) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("hiccups".to_owned());
        Ok(Self { stop, thread: Some(thread.spawn(move || watch(&stopped, tell))?) })
    }

    /// Ends the watch; returns what was seen.
    pub fn finish(mut self) -> Stalls {
        // A thread that has ended by itself needs no telling.
        let _ = self.stop.send(());
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

fn watch(stopped: &mpsc::Receiver<()>, tell: impl Fn(Duration)) -> Stalls {
    let own_before = thread_cpu();
    let (mut hiccups, mut bursts) = (Vec::with_capacity(ROOM), BurstLog::new(TICK));
    loop {
        let due = Instant::now() + TICK;
        if stopped.recv_timeout(TICK) != Err(mpsc::RecvTimeoutError::Timeout) {
            return Stalls { hiccups, bursts: bursts.finish(), own_cpu: thread_cpu() - own_before };
        }
        let now = Instant::now();
        let length = now.saturating_duration_since(due);
        if length >= STALL_MIN {
            hiccups.push(Hiccup { from: due, length });
            tell(length);
        }
        if let Some(allocated) = allocated_bytes() {
            bursts.see(now, allocated);
        }
    }
}
