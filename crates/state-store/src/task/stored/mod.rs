//! The stored forms, apart from the types that the program works with: each has a version, and stays as it is.
//!
//! All are written by [postcard](https://postcard.jamesmunns.com/wire-format). A variant may be appended to an enum.
//! Anything else (a field, an order) needs a new version beside the old one, which is still read; the golden bytes and
//! golden stores in the tests tell. Numbers are what they stand for: keys and tokens are bare integers, moments are
//! milliseconds since 1970.

mod allowances;
mod event;
mod guards;
mod parts;
mod plan;
mod state;

pub use event::{EVENT_KIND, EVENT_VERSION, UnreadableEvent};
pub use state::{SNAPSHOT_KIND, SNAPSHOT_VERSION, UnreadableSnapshot};

/// Returns a length of time as it is stored; one of more than 500 million years as that.
fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
