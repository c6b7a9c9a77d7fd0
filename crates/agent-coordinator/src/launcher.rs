//! How attempts are begun: those of a turn one after the other, each as far as it comes without waiting.
//!
//! Many attempts need no more than that, and a task of the runtime, two messages and a wake-up for each of them would take
//! longer than they do. Their reports are piled up, and the coordinator is woken once for all. One that waits for something goes
//! on as a task of its own. One that keeps its thread busy holds up those behind it until the coordinator looks
//! after them, which it does every [`PATIENCE`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use state_store::task::FailureReason;
use tokio_util::sync::CancellationToken;

use crate::attempt::{Attempt, AttemptWithFiles, FirstStep, Frame, Report, first_step};
use crate::executor::AgentExecutor;
use crate::handle::{Handle, Input};

/// How long attempts wait at the most behind one that keeps its thread busy.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1);

/// Begins attempts.
pub(crate) struct Launcher<E> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    executor: Arc<E>,
    runtime: tokio::runtime::Handle,
    handle: Handle,
    queue: Mutex<Queue>,
    pile: Mutex<Vec<Input>>,
}

/// The attempts that are to be begun.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Attempt>,
    /// Whether somebody is beginning them.
    is_served: bool,
    /// How many were at it before: each has a number, and only the latest takes from the queue.
    number: u64,
    /// What the latest is at, and since when.
    at_hand: Option<(Frame, Instant)>,
    /// What holds up those that are not the latest any more.
    watched: HashMap<u64, Arc<Watch>>,
}

/// An attempt whose first step takes long: whoever claims it first reports how it has ended.
#[derive(Debug, Default)]
struct Watch {
    is_claimed: AtomicBool,
    is_over: CancellationToken,
}

impl Watch {
    fn claim(&self) -> bool {
        self.is_over.cancel();
        !self.is_claimed.swap(true, Ordering::Relaxed)
    }
}

impl<E: AgentExecutor> Launcher<E> {
    /// Returns what begins attempts on the runtime, and reports by the handle.
    pub(crate) fn new(executor: E, runtime: tokio::runtime::Handle, handle: Handle) -> Self {
        let (executor, queue, pile) = (Arc::new(executor), Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { executor, runtime, handle, queue, pile }) }
    }

    /// Begins attempts, soon.
    pub(crate) fn launch(&self, attempts: Vec<Attempt>) {
        if attempts.is_empty() {
            return;
        }
        let mut queue = self.shared.queue.lock();
        queue.waiting.extend(attempts);
        if !queue.is_served {
            self.serve(&mut queue);
        }
    }

    /// Returns the reports that are piled up, in order. What a handle was told after one of them comes after it.
    pub(crate) fn take_pile(&self) -> Vec<Input> {
        std::mem::take(&mut *self.shared.pile.lock())
    }

    /// Returns whether attempts are being begun.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.queue.lock().is_served
    }

    /// Has those begun that have waited for [`PATIENCE`] behind one that keeps its thread busy, and has its limits looked after.
    pub(crate) fn look_after(&self) {
        let mut queue = self.shared.queue.lock();
        let Some((frame, _)) = queue.at_hand.take_if(|(_, since)| since.elapsed() >= PATIENCE) else {
            return;
        };
        let (number, watch) = (queue.number, Arc::new(Watch::default()));
        queue.watched.insert(number, Arc::clone(&watch));
        self.shared.runtime.spawn(Arc::clone(&self.shared).watch(frame, watch));
        self.serve(&mut queue);
    }

    fn serve(&self, queue: &mut Queue) {
        queue.is_served = true;
        queue.number += 1;
        let (shared, number) = (Arc::clone(&self.shared), queue.number);
        self.shared.runtime.spawn(shared.begin_all(number));
    }
}

impl<E: AgentExecutor> Shared<E> {
    /// Begins what waits, until there is nothing or somebody else has taken over.
    async fn begin_all(self: Arc<Self>, number: u64) {
        while let Some(attempt) = self.next(number) {
            if self.begin(attempt, number) {
                // A task that is begun here may be kept for this very thread, which the next attempt may keep busy.
                tokio::task::yield_now().await;
            }
        }
        // The coordinator may be gone.
        self.handle.tell(Input::Piled);
    }

    /// Begins an attempt. Returns whether it goes on as a task of its own.
    fn begin(self: &Arc<Self>, attempt: Attempt, number: u64) -> bool {
        let Attempt { job, frame, files } = attempt;
        if let Some(files) = files {
            let attempt = AttemptWithFiles::new(job, frame, files, self.handle.clone());
            self.runtime.spawn(attempt.run(Arc::clone(&self.executor)));
            return true;
        }
        let step = (!frame.stop.is_cancelled()).then(|| {
            self.pile.lock().push(frame.start());
            first_step(&*self.executor, job)
        });
        // Where it has been reported meanwhile that it took too long, nobody wants to know any more.
        if self.step_is_over(number).is_some_and(|watch| !watch.claim()) {
            return false;
        }
        match step {
            Some(FirstStep::Waiting(work)) => {
                self.runtime.spawn(frame.go_on(work, self.handle.clone()));
                return true;
            }
            Some(FirstStep::Over(outcome)) => self.report(&frame, Report::without_files(outcome)),
            None => self.report(&frame, Report::Nothing),
        }
        false
    }

    fn report(&self, frame: &Frame, report: Report) {
        let mut pile = self.pile.lock();
        frame.tell(report, &mut |input| pile.push(input));
    }

    /// Records that a step has ended. Returns what has watched it, if it took long.
    fn step_is_over(&self, number: u64) -> Option<Arc<Watch>> {
        let mut queue = self.queue.lock();
        if queue.number == number {
            queue.at_hand = None;
        }
        queue.watched.remove(&number)
    }

    fn next(&self, number: u64) -> Option<Attempt> {
        let mut queue = self.queue.lock();
        if queue.number != number {
            return None;
        }
        let attempt = queue.waiting.pop_front();
        let steps_here = attempt.as_ref().filter(|attempt| attempt.files.is_none());
        queue.at_hand = steps_here.map(|attempt| (attempt.frame.clone(), Instant::now()));
        queue.is_served = attempt.is_some();
        attempt
    }

    /// Keeps the limits of an attempt whose first step does not end.
    async fn watch(self: Arc<Self>, frame: Frame, watch: Arc<Watch>) {
        let report = tokio::select! {
            () = watch.is_over.cancelled() => return,
            () = frame.stop.cancelled() => Report::Nothing,
            () = tokio::time::sleep(frame.time_max) => Report::Fail(FailureReason::Timeout),
        };
        if watch.claim() {
            // Where its time is over it has not been told to stop yet.
            frame.stop.cancel();
            frame.tell(report, &mut |input| self.handle.tell(input));
        }
    }
}
