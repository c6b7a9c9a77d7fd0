//! Copying the write-ahead log into the file, beside the commits and not within them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::opening::{self, Absent};
use crate::log::patience::until;

/// How much may be written between two checkpoints.
const BYTES_BETWEEN: u64 = 4 << 20;

/// From this length on, a log is begun anew, which keeps writers waiting for a moment; up to it, they only copy.
const LOG_PAGES_MAX: i64 = 16_384;

/// How long a checkpoint waits for others.
const PATIENCE: Duration = Duration::from_millis(20);

/// Copies the log of one store, from time to time, on a thread and a connection of its own.
#[derive(Debug)]
pub(super) struct Checkpointer {
    path: PathBuf,
    written: AtomicU64,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    connection: Mutex<Option<Connection>>,
    is_running: AtomicBool,
    done: AtomicU64,
}

impl Checkpointer {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, written: AtomicU64::new(0), shared: Arc::default(), thread: Mutex::default() }
    }

    /// Takes note of a commit of that size, and begins a checkpoint where it is time for one.
    pub(super) fn note(&self, bytes: u64) {
        let written = self.written.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if written < BYTES_BETWEEN || self.shared.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        self.written.store(0, Ordering::Relaxed);
        let (path, shared) = (self.path.clone(), Arc::clone(&self.shared));
        let work = move || {
            shared.copy(&path);
            shared.is_running.store(false, Ordering::Release);
        };
        match std::thread::Builder::new().name("checkpoint".to_owned()).spawn(work) {
            Ok(thread) => *self.thread.lock() = Some(thread),
            // The log grows until a thread can be had.
            Err(_) => self.shared.is_running.store(false, Ordering::Release),
        }
    }

    /// Returns how many checkpoints there have been.
    pub(super) fn count(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get_mut().take() {
            // It has nothing to say but its panic, which has been printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// What fails here is no loss: the log stays as it is, and the next checkpoint tries again.
    fn copy(&self, path: &std::path::Path) {
        let mut connection = self.connection.lock();
        if connection.is_none() {
            // It holds the lock of the writers while it waits for readers, so it hardly waits.
            let is_patient = |connection: &Connection| connection.busy_timeout(PATIENCE).is_ok();
            *connection = opening::connect(path, Absent::Refuse).ok().filter(is_patient);
        }
        let Some(connection) = connection.as_ref() else { return };
        let copied = run(connection, Mode::Passive);
        self.done.fetch_add(1, Ordering::Relaxed);
        if copied.is_ok_and(|copied| copied.pages > LOG_PAGES_MAX) {
            // What is left to copy now is only what was written in the meantime.
            let _ = run(connection, Mode::Restart);
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How far a checkpoint goes.
#[derive(Clone, Copy)]
enum Mode {
    /// Copies what nobody reads any more in an older version.
    Passive,
    /// Copies all, and begins the log anew.
    Restart,
}

/// What a checkpoint came to.
#[derive(Clone, Copy)]
struct Copied {
    /// How many pages the log has; none where somebody else was making a checkpoint.
    pages: i64,
    /// How many of them are in the file.
    copied: i64,
}

fn run(connection: &Connection, mode: Mode) -> rusqlite::Result<Copied> {
    let pragma = match mode {
        Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Mode::Restart => "PRAGMA wal_checkpoint(RESTART)",
    };
    connection.query_row(pragma, [], |row| Ok(Copied { pages: row.get(1)?, copied: row.get(2)? }))
}

/// How long to wait for somebody who reads an older version, before the next look.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Copies everything that is in the log now; returns whether that was possible in the time.
pub(super) fn settle(connection: &Connection, patience: Duration) -> rusqlite::Result<bool> {
    let until = until(patience);
    let mut first = None;
    loop {
        // A connection that has not read since its log was begun anew, or since something failed, does not know its log.
        connection.pragma_query_value(None, "user_version", |_| Ok(()))?;
        let now = run(connection, Mode::Passive)?;
        if now.pages >= 0 {
            let wanted = *first.get_or_insert(now.pages);
            // A log that is shorter now was begun anew, and so copied whole before.
            if now.copied >= wanted || now.pages < wanted {
                return Ok(true);
            }
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}
