//! Bugs that are there only while the tests look for them.
//!
//! A harness that finds nothing proves nothing until it has found something. With the feature `planted-bugs`, which no
//! program turns on, the environment variable `SUPER_PLANNER_PLANTED_BUG` names one of these; without it none of them
//! is even compiled.

/// What can be wrong with the store in SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlantedBug {
    /// Nothing is ever flushed.
    NoFlush,
    /// A commit is acknowledged before the flush that makes it durable.
    EarlyAcknowledgement,
    /// A transaction begins without the lock.
    LockNotTaken,
    /// A segment is written where the writer last saw the stream end, whatever is there by now.
    ExpectedSeqIgnored,
    /// A segment is read without a look at its hash.
    TornTailAccepted,
    /// A snapshot may be of a moment that the log has not come to.
    SnapshotNewerThanLog,
    /// A flush that failed is answered as success.
    FailedFlushAnsweredAsSuccess,
    /// A full disk is answered as success.
    FullDiskSwallowed,
    /// After a flush that failed the store goes on.
    MissingPoison,
}

/// Returns whether a bug is there.
#[cfg(not(feature = "planted-bugs"))]
pub(super) const fn is_planted(_bug: PlantedBug) -> bool {
    false
}

/// Returns whether a bug is there.
#[cfg(feature = "planted-bugs")]
pub(super) fn is_planted(bug: PlantedBug) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let name = NAME.get_or_init(|| std::env::var("SUPER_PLANNER_PLANTED_BUG").ok());
    name.as_ref().is_some_and(|name| *name == format!("{bug:?}"))
}

/// The names of all of them.
#[cfg(feature = "planted-bugs")]
pub const PLANTED_BUGS: [&str; 9] = [
    "NoFlush",
    "EarlyAcknowledgement",
    "LockNotTaken",
    "ExpectedSeqIgnored",
    "TornTailAccepted",
    "SnapshotNewerThanLog",
    "FailedFlushAnsweredAsSuccess",
    "FullDiskSwallowed",
    "MissingPoison",
];
