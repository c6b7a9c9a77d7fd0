//! Group commit: many append, one thread writes; what waits while a flush is under way goes into the next one together.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use crate::log::{CommitError, Entry, Seq, StateStore, StoreError, StreamName};

/// How many requests go into one segment at the most.
const BATCH_MAX: usize = 1000;

/// From this size on, a segment takes no further request.
const BATCH_BYTES: usize = 4 << 20;

/// Appends to one stream for any number of threads. Dropping it waits until what was asked for is written.
///
/// For those who append what they know. Whoever has to decide by what others have appended takes the stream's lock with
/// [`StateStore::begin`] instead.
#[derive(Debug)]
pub struct GroupCommit {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

/// Why entries were not appended, as far as that is known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written.
    #[error("the entries were refused")]
    Refused(#[source] Arc<StoreError>),
    /// Somebody appended despite the lock; nothing was written.
    #[error("the stream is at {found}, not at {expected}")]
    Conflict {
        /// Where the stream was expected to be.
        expected: Seq,
        /// Where it is.
        found: Seq,
    },
    /// They may be in the log or not: open the store again and look.
    #[error("it is not known whether the entries were appended")]
    Unknown(#[source] Arc<StoreError>),
    /// The thread that writes has ended.
    #[error("the thread that writes has ended")]
    Ended,
}

struct Request {
    entries: Vec<Entry>,
    done: Done,
}

type Done = Box<dyn FnOnce(Result<Seq, AppendError>) + Send>;

impl GroupCommit {
    /// Starts the thread that writes to a stream.
    pub fn start(store: Arc<dyn StateStore>, stream: StreamName) -> std::io::Result<Self> {
        let (requests, incoming) = mpsc::channel();
        let work = move || {
            // What is in the stream already is of no interest. Where it cannot be read, the first append says so.
            let mut head = store.head(&stream).unwrap_or(Seq::START);
            while let Some(batch) = drain(&incoming) {
                head = write(&*store, &stream, head, batch);
            }
        };
        let thread = std::thread::Builder::new().name("group-commit".to_owned()).spawn(work)?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Appends the entries, next to one another, and returns the place of the last once they are durable.
    pub fn append(&self, entries: Vec<Entry>) -> Result<Seq, AppendError> {
        let (answer, answered) = mpsc::sync_channel(1);
        // Whoever asked is waiting for it.
        self.submit(entries, move |outcome| drop(answer.send(outcome)));
        answered.recv().unwrap_or(Err(AppendError::Ended))
    }

    /// Has the entries appended, and `done` called on the thread that writes once they are durable or refused.
    pub fn submit(&self, entries: Vec<Entry>, done: impl FnOnce(Result<Seq, AppendError>) + Send + 'static) {
        let request = Request { entries, done: Box::new(done) };
        if let Some(requests) = &self.requests
            && let Err(mpsc::SendError(request)) = requests.send(request)
        {
            (request.done)(Err(AppendError::Ended));
        }
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say but its panic, which has been printed.
            let _ = thread.join();
        }
    }
}

/// Waits for a request and returns it with all that wait behind it, or `None` where there will be none.
fn drain(incoming: &mpsc::Receiver<Request>) -> Option<Vec<Request>> {
    let mut batch = vec![incoming.recv().ok()?];
    let mut bytes = size(&batch[0]);
    while batch.len() < BATCH_MAX && bytes < BATCH_BYTES {
        let Ok(request) = incoming.try_recv() else { break };
        bytes += size(&request);
        batch.push(request);
    }
    Some(batch)
}

fn size(request: &Request) -> usize {
    request.entries.iter().map(|entry| entry.body.len()).sum()
}

/// Appends a batch as one segment, answers everybody, and returns how far the stream is known.
fn write(store: &dyn StateStore, stream: &StreamName, known: Seq, batch: Vec<Request>) -> Seq {
    let mut entries = Vec::with_capacity(batch.iter().map(|request| request.entries.len()).sum());
    let mut waiting = Vec::with_capacity(batch.len());
    for request in batch {
        entries.extend(request.entries);
        waiting.push((entries.len() as u64, request.done));
    }
    let begun = match store.begin(stream, known) {
        // Others have appended and dropped what came after.
        Err(StoreError::Compacted { until, .. }) => store.begin(stream, until),
        begun => begun,
    };
    let committed = begun.map_err(CommitError::Refused).and_then(|transaction| {
        let head = transaction.head();
        transaction.commit(entries).map(|end| (head, end))
    });
    match committed {
        Ok((head, end)) => {
            waiting.into_iter().for_each(|(count, done)| answer(done, Ok(head.plus(count))));
            end
        }
        Err(error) => {
            let error = append_error(error);
            waiting.into_iter().for_each(|(_, done)| answer(done, Err(error.clone())));
            known
        }
    }
}

/// Tells one who asked. Should they panic, the others are told all the same.
fn answer(done: Done, outcome: Result<Seq, AppendError>) {
    // The panic has been printed.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| done(outcome)));
}

fn append_error(error: CommitError) -> AppendError {
    match error {
        CommitError::Refused(source) => AppendError::Refused(Arc::new(source)),
        CommitError::Unknown(source) => AppendError::Unknown(Arc::new(source)),
        CommitError::Conflict { expected, found } => AppendError::Conflict { expected, found },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, SystemClock};

    #[test]
    fn what_many_append_is_all_there_and_each_is_told_its_place() {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let stream = StreamName::workspace();
        let group = GroupCommit::start(store.clone(), stream.clone()).unwrap();
        let append = |producer: u64| {
            let text = |number: u64| format!("{producer} {number}").into_bytes();
            (0..100).map(move |number| (number, text(number))).collect::<Vec<_>>()
        };
        let told: Vec<_> = std::thread::scope(|scope| {
            let producers: Vec<_> = (0..8)
                .map(|producer| {
                    let group = &group;
                    scope.spawn(move || {
                        let one = |(_, body): (u64, Vec<u8>)| {
                            let entry = Entry { kind: 1, version: 1, body: body.clone() };
                            (group.append(vec![entry]).unwrap(), body)
                        };
                        append(producer).into_iter().map(one).collect::<Vec<_>>()
                    })
                })
                .collect();
            producers.into_iter().flat_map(|producer| producer.join().unwrap()).collect()
        });
        let mut found = std::collections::BTreeMap::new();
        store
            .read(&stream, Seq::START, &mut |recorded| {
                found.insert(recorded.seq, recorded.entry.body);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(found.len(), 800);
        assert!(told.iter().all(|(seq, body)| found[seq] == *body));
    }
}
