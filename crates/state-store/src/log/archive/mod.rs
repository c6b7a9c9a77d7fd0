//! An archive: the streams of a store as lines of JSON, to keep, to look through, and to move to another backend.
//!
//! A line says what it is, then one line for each segment, then the last line says how many entries each stream has and
//! what its hash is. Importing an archive gives streams with the same ends: the same entries, in the same segments, at
//! the same moments.

mod export;
mod import;
mod line;

pub use export::{ExportError, export};
pub use import::{ImportError, import};
pub use line::ARCHIVE_VERSION;

use crate::log::{StreamEnd, StreamName};

/// A stream of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its name.
    pub stream: StreamName,
    /// Its end.
    pub end: StreamEnd,
}

#[cfg(test)]
mod tests;
