//! The asynchronous runtime that the client needs, on a thread of its own.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread that carries out futures. It ends when this is dropped.
pub(super) struct Runtime {
    handle: Handle,
    answer_timeout: Duration,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The thread is gone, or what it was to do panicked.
#[derive(Debug, thiserror::Error)]
#[error("the thread of its client ended before it answered")]
pub(super) struct RuntimeEnded;

/// There is no answer to a question.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error(transparent)]
    Ended(#[from] RuntimeEnded),
    #[error("it did not answer within {} ms", .0.as_millis())]
    InTime(Duration),
}

impl Runtime {
    pub(super) fn start(answer_timeout: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("postgres-client".to_owned()).spawn(move || {
            // An error means that the sender was dropped: as good a reason to stop.
            let _: Result<(), _> = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, answer_timeout, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns what the future comes to.
    ///
    /// Waits on a channel and not in the runtime, so that a caller may be in a runtime of its own.
    pub(super) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, RuntimeEnded> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Nobody to answer to is no failure of the future's.
            let _ = sender.send(future.await);
        });
        receiver.recv().map_err(|_| RuntimeEnded)
    }

    /// Returns what the question comes to, or that it has no answer in its time.
    pub(super) fn answer<T: Send + 'static, E: From<NoAnswer> + Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let patience = self.answer_timeout;
        let in_time = async move { tokio::time::timeout(patience, question).await };
        match self.run(in_time) {
            Ok(Ok(answer)) => answer,
            Ok(Err(_elapsed)) => Err(NoAnswer::InTime(patience).into()),
            Err(ended) => Err(NoAnswer::from(ended).into()),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been answered by `RuntimeEnded`.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_may_be_in_a_runtime_and_a_panic_is_a_value() {
        let outer = Builder::new_current_thread().build().unwrap();
        outer.block_on(async {
            let runtime = Runtime::start(Duration::from_secs(60)).unwrap();
            assert_eq!(runtime.run(async { 7 }).unwrap(), 7);
            assert!(runtime.run(async { panic!("planted") }).is_err());
            assert_eq!(runtime.run(async { 8 }).unwrap(), 8);
        });
    }
}
