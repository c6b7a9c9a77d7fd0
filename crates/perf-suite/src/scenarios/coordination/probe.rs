//! Probes that run beside a load: how long a flush of the same disk takes, and how late the runtime polls.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::pause::{Pause, PauseKind};
use crate::scenario::ScenarioFailed;

const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How many flushes there is room for from the beginning: what the probe keeps is not to be taken for growth.
const FLUSHES: usize = 20_000;
/// A flush as long as this is a pause.
const FLUSH_STALL: Duration = Duration::from_millis(50);
const POLL_EVERY: Duration = Duration::from_millis(10);
/// A poll as late as this is a pause.
const POLL_STALL: Duration = Duration::from_millis(20);

/// Flushes a small file again and again, as any other program on the disk would.
pub(super) struct FlushProbe {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<std::io::Result<Vec<(Instant, Duration)>>>,
}

impl FlushProbe {
    pub(super) fn start(folder: &Path) -> Result<Self, ScenarioFailed> {
        let file = File::create(folder.join("flush-probe"))
            .map_err(ScenarioFailed::during("making a file to flush"))?;
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("flush-probe".to_owned())
            .spawn(move || flush_again_and_again(file, &stopped))
            .map_err(ScenarioFailed::during("starting a thread"))?;
        Ok(Self { stop, thread })
    }

    /// Returns when each flush began and how long it took.
    pub(super) fn finish(self) -> Result<Vec<(Instant, Duration)>, ScenarioFailed> {
        // A thread that has ended by itself says why when it is joined.
        let _ = self.stop.send(());
        let flushed = self.thread.join().map_err(|_| "it panicked");
        flushed
            .map_err(ScenarioFailed::during("joining the probe of the disk"))?
            .map_err(ScenarioFailed::during("flushing a file"))
    }
}

fn flush_again_and_again(
    mut file: File,
    stopped: &mpsc::Receiver<()>,
) -> std::io::Result<Vec<(Instant, Duration)>> {
    let mut flushes = vec![(Instant::now(), FLUSH_EVERY); FLUSHES];
    flushes.clear();
    loop {
        let begun = Instant::now();
        file.write_all(&[0; 512])?;
        file.sync_data()?;
        flushes.push((begun, begun.elapsed()));
        if stopped.recv_timeout(FLUSH_EVERY) != Err(mpsc::RecvTimeoutError::Timeout) {
            return Ok(flushes);
        }
    }
}

/// Returns the flushes that were pauses.
pub(super) fn flush_pauses(flushes: &[(Instant, Duration)], begun: Instant) -> impl Iterator<Item = Pause> {
    let stalls = flushes.iter().filter(|(_, length)| *length >= FLUSH_STALL);
    stalls.map(move |(from, length)| Pause::new(PauseKind::Flush, begun, *from, *length))
}

/// Watches how late a task of the runtime is polled.
pub(super) struct PollProbe {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Vec<(Instant, Duration)>>,
}

impl PollProbe {
    pub(super) fn start(runtime: &Runtime) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = runtime.spawn(async move {
            let mut late = Vec::new();
            while !stopped.is_cancelled() {
                let due = Instant::now() + POLL_EVERY;
                tokio::time::sleep(POLL_EVERY).await;
                let length = Instant::now().saturating_duration_since(due);
                if length >= POLL_STALL {
                    late.push((due, length));
                }
            }
            late
        });
        Self { stop, task }
    }

    /// Returns the pauses that were seen.
    pub(super) fn finish(self, runtime: &Runtime, begun: Instant) -> Result<Vec<Pause>, ScenarioFailed> {
        self.stop.cancel();
        let late = runtime.block_on(self.task).map_err(ScenarioFailed::during("watching the runtime"))?;
        let pause = |(from, length)| Pause::new(PauseKind::Runtime, begun, from, length);
        Ok(late.into_iter().map(pause).collect())
    }
}
