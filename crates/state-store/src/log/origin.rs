//! Where the contents of a store come from, if they did not grow in it: an import or a recovery.
//!
//! It is kept in a stream of its own, begun before the first entry is copied and finished after the last, so that a
//! store that holds only a part of what it was to hold is never taken for a whole one.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::log::{CommitError, Entry, Recorded, Seq, StateStore, StoreError, StreamName};

/// The kind of the entry that says what is copied; its body is an [`Origin`] in JSON.
const BEGUN_KIND: u16 = 1;

/// The kind of the entry that says that everything is there; it has no body.
const FINISHED_KIND: u16 = 2;

/// The version of the format of both.
const ORIGIN_VERSION: u16 = 1;

/// Where the contents of a store come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An archive.
    Import {
        /// What was in it.
        streams: Vec<Copied>,
    },
    /// What was left of a damaged store.
    Recovery {
        /// Which store.
        from: String,
        /// What was taken over.
        streams: Vec<Copied>,
        /// What is not in this store, in words.
        left_out: Vec<String>,
    },
}

/// A stream that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Its name.
    pub stream: String,
    /// Its last entry.
    pub head: u64,
}

/// How a store came by its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// They grew in it.
    Grown,
    /// They were copied, and are whole.
    Copied(Origin),
    /// They were to be copied, and that did not come to its end: the store must not be used.
    Unfinished(Origin),
}

/// Why copying into a store cannot begin or end.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// There is something in it.
    #[error("the store is not empty: it has stream `{stream}`")]
    NotEmpty {
        /// A stream that it has.
        stream: StreamName,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was to be noted could not be written.
    #[error("the origin of the store cannot be noted")]
    Commit(#[source] CommitError),
}

impl Origin {
    /// Returns the name of the stream that it is kept in. Archives and recoveries leave it out.
    pub fn stream() -> StreamName {
        StreamName::new("origin").expect("letters")
    }

    /// Notes that copying begins; only in an empty store.
    pub fn begin(&self, store: &dyn StateStore) -> Result<(), OriginError> {
        if let Some(stream) = store.streams()?.into_iter().next() {
            return Err(OriginError::NotEmpty { stream });
        }
        let body = serde_json::to_vec(self).expect("an origin is text and numbers");
        note(store, Seq::START, Entry { kind: BEGUN_KIND, version: ORIGIN_VERSION, body })
    }

    /// Notes that everything is there.
    pub fn finish(store: &dyn StateStore) -> Result<(), OriginError> {
        note(store, Seq::new(1), Entry { kind: FINISHED_KIND, version: ORIGIN_VERSION, body: Vec::new() })
    }
}

impl Provenance {
    /// Returns how a store came by its contents.
    pub fn of(store: &dyn StateStore) -> Result<Self, StoreError> {
        let stream = Origin::stream();
        let (mut origin, mut is_finished, mut unreadable) = (None, false, None);
        store.read(&stream, Seq::START, &mut |Recorded { seq, entry, .. }| {
            match (entry.kind, entry.version) {
                (BEGUN_KIND, ORIGIN_VERSION) => match serde_json::from_slice(&entry.body) {
                    Ok(found) => origin = Some(found),
                    Err(error) => unreadable = Some((seq, error.to_string())),
                },
                (FINISHED_KIND, ORIGIN_VERSION) => is_finished = true,
                (kind, version) => {
                    unreadable = Some((seq, format!("an entry of kind {kind}, version {version}")));
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some((at, reason)) = unreadable {
            return Err(StoreError::Corrupt { stream, at, reason });
        }
        Ok(match origin {
            None => Self::Grown,
            Some(origin) if is_finished => Self::Copied(origin),
            Some(origin) => Self::Unfinished(origin),
        })
    }
}

fn note(store: &dyn StateStore, after: Seq, entry: Entry) -> Result<(), OriginError> {
    let stream = Origin::stream();
    let transaction = store.begin(&stream, after)?;
    if transaction.head() != after {
        return Err(OriginError::NotEmpty { stream });
    }
    transaction.commit(vec![entry]).map(drop).map_err(OriginError::Commit)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{MemoryStore, SystemClock};

    #[test]
    fn a_copy_is_unfinished_until_it_is_said_to_be_whole() {
        let store = MemoryStore::new(Arc::new(SystemClock));
        assert_eq!(Provenance::of(&store).unwrap(), Provenance::Grown);
        let origin = Origin::Import { streams: vec![Copied { stream: "a".to_owned(), head: 7 }] };
        origin.begin(&store).unwrap();
        assert_eq!(Provenance::of(&store).unwrap(), Provenance::Unfinished(origin.clone()));
        assert!(matches!(origin.begin(&store), Err(OriginError::NotEmpty { .. })));
        Origin::finish(&store).unwrap();
        assert_eq!(Provenance::of(&store).unwrap(), Provenance::Copied(origin));
        assert!(matches!(Origin::finish(&store), Err(OriginError::NotEmpty { .. })), "only once");
    }
}
