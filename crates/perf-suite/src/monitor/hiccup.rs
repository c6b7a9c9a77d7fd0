//! Stalls of the platform: a thread that asks to be woken every few milliseconds and notes how late it is. Whatever makes
//! it late (other programs, the host of a virtual machine, a throttled group) makes everything else late too. Source:
//! G. Tene, *jHiccup*, 2012.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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

/// A meter that runs. Dropping it stops it.
#[derive(Debug)]
pub struct HiccupMeter {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<Vec<Hiccup>>>,
}

impl HiccupMeter {
    /// Begins to watch.
    pub fn start() -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("hiccups".to_owned());
        Ok(Self { stop, thread: Some(thread.spawn(move || watch(&stopped))?) })
    }

    /// Ends the watch; returns the stalls of 10 ms and more, in order.
    pub fn finish(mut self) -> Vec<Hiccup> {
        // A thread that has ended by itself needs no telling.
        let _ = self.stop.send(());
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

fn watch(stopped: &mpsc::Receiver<()>) -> Vec<Hiccup> {
    let mut hiccups = Vec::new();
    loop {
        let due = Instant::now() + TICK;
        if stopped.recv_timeout(TICK) != Err(mpsc::RecvTimeoutError::Timeout) {
            return hiccups;
        }
        let length = Instant::now().saturating_duration_since(due);
        if length >= STALL_MIN {
            hiccups.push(Hiccup { from: due, length });
        }
    }
}
