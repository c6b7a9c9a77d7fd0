//! How long one waits.

use std::time::{Duration, Instant};

/// Waiting for longer than this is waiting for ever.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long whoever begins waits for the lock of a stream, where nothing else is said.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Returns the moment at which the time is up; `patience` may be as long as it likes.
pub(super) fn until(patience: Duration) -> Instant {
    Instant::now() + patience.min(LONGEST)
}
