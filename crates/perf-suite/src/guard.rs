//! Assertions of time, memory and what is left behind, for anybody's tests.
//!
//! ```
//! use std::time::Duration;
//!
//! use perf_suite::Guard;
//!
//! let guard = Guard::begin();
//! let sum: u64 = (0..1000).sum();
//! assert_eq!(sum, 499_500);
//! guard.within(Duration::from_secs(5)).memory_below(64 << 20).no_new_threads().no_new_files().check().unwrap();
//! ```

use std::time::{Duration, Instant};

use crate::monitor::{Usage, usage_now};

/// How long what ends asynchronously is waited for: threads that were told to end, files that they hold.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look at this process before something is done, and what is allowed after it.
#[derive(Debug, Clone)]
#[must_use = "nothing is asserted until `check` is called"]
pub struct Guard {
    begun: Instant,
    before: Usage,
    time: Option<Duration>,
    memory: Option<u64>,
    threads: Option<u64>,
    files: Option<u64>,
}

/// What was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It took too long.
    #[error("it took {took:?}, and {allowed:?} were allowed")]
    Time {
        /// How long.
        took: Duration,
        /// What was allowed.
        allowed: Duration,
    },
    /// The memory that no file is behind has grown too much.
    #[error("{grown} bytes of memory more than before, and {allowed} were allowed")]
    Memory {
        /// By how much.
        grown: u64,
        /// What was allowed.
        allowed: u64,
    },
    /// Threads are left.
    #[error("{left} threads more than before, and {allowed} were allowed")]
    Threads {
        /// How many.
        left: u64,
        /// What was allowed.
        allowed: u64,
    },
    /// File handles are left.
    #[error("{left} open files more than before, and {allowed} were allowed")]
    Files {
        /// How many.
        left: u64,
        /// What was allowed.
        allowed: u64,
    },
    /// Tasks of a runtime are left.
    #[error("{left} tasks of the runtime are alive, and {allowed} were allowed")]
    Tasks {
        /// How many.
        left: usize,
        /// What was allowed.
        allowed: usize,
    },
}

impl Guard {
    /// Looks at the process as it is now.
    pub fn begin() -> Self {
        let (time, memory, threads, files) = (None, None, None, None);
        Self { before: usage_now(), begun: Instant::now(), time, memory, threads, files }
    }

    /// Allows so much time from the beginning to the check.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Allows so many bytes more of memory that no file is behind.
    pub fn memory_below(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Allows no thread to be left.
    pub fn no_new_threads(self) -> Self {
        self.new_threads_up_to(0)
    }

    /// Allows so many threads to be left, such as those of a pool that stays.
    pub fn new_threads_up_to(mut self, count: u64) -> Self {
        self.threads = Some(count);
        self
    }

    /// Allows no file handle to be left.
    pub fn no_new_files(self) -> Self {
        self.new_files_up_to(0)
    }

    /// Allows so many file handles to be left.
    pub fn new_files_up_to(mut self, count: u64) -> Self {
        self.files = Some(count);
        self
    }

    /// Returns what was not kept, if anything. Threads and files that are about to go are waited for, five seconds at the most; the
    /// time that was allowed does not include that.
    pub fn check(self) -> Result<(), Broken> {
        let took = self.begun.elapsed();
        if let Some(allowed) = self.time.filter(|allowed| took > *allowed) {
            return Err(Broken::Time { took, allowed });
        }
        let asked = Instant::now();
        loop {
            match self.left() {
                Err(_) if asked.elapsed() < PATIENCE => std::thread::park_timeout(Duration::from_millis(5)),
                settled => return settled,
            }
        }
    }

    fn left(&self) -> Result<(), Broken> {
        let now = usage_now();
        let more = |of: fn(&Usage) -> u64| of(&now).saturating_sub(of(&self.before));
        let over = |allowed: Option<u64>, more: u64| allowed.filter(|allowed| more > *allowed);
        let (left, files) = (more(|usage| usage.threads), more(|usage| usage.files));
        if let Some(allowed) = over(self.threads, left) {
            return Err(Broken::Threads { left, allowed });
        }
        if let Some(allowed) = over(self.files, files) {
            return Err(Broken::Files { left: files, allowed });
        }
        let grown = more(|usage| usage.anonymous);
        match over(self.memory, grown) {
            Some(allowed) => Err(Broken::Memory { grown, allowed }),
            None => Ok(()),
        }
    }
}

/// Returns whether more tasks of a runtime are alive than allowed. Whoever has told tasks to end waits for them first.
pub fn check_tasks(runtime: &tokio::runtime::Handle, allowed: usize) -> Result<(), Broken> {
    let left = runtime.metrics().num_alive_tasks();
    if left > allowed { Err(Broken::Tasks { left, allowed }) } else { Ok(()) }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    // Other tests of this process start threads and open files too, so only much is told from little here; the program that
    // has only one test, `tests/guard.rs`, is exact.
    #[test]
    fn much_is_told_from_little() {
        let guard = Guard::begin();
        let held = std::hint::black_box(vec![1_u8; 300 << 20]);
        let broken = guard.clone().memory_below(100 << 20).left().unwrap_err();
        assert!(matches!(broken, Broken::Memory { grown, .. } if grown > 200 << 20), "{broken}");
        drop(held);
        assert!(guard.within(Duration::ZERO).check().is_err());
    }

    #[test]
    fn tasks_that_live_on_are_found() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sleeping = runtime.spawn(std::future::pending::<()>());
        assert_eq!(check_tasks(runtime.handle(), 0), Err(Broken::Tasks { left: 1, allowed: 0 }));
        sleeping.abort();
        assert!(runtime.block_on(sleeping).is_err());
        assert_eq!(check_tasks(runtime.handle(), 0), Ok(()));
    }
}
