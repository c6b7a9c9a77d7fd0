//! Conversations that outlive the process: a session is a stream of messages in the log.
//!
//! A message is durable before it is acted on, so a session that is opened again holds everything that was acted on.

mod name;
mod stored;

pub use name::{InvalidSessionName, SessionName};

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;

use state_store::{CommitError, Entry, Seq, StateStore, StoreError, StreamName};

use crate::model::Message;

/// A conversation, and the place in the log where it is kept.
#[derive(Debug)]
pub struct Session {
    store: Arc<dyn StateStore>,
    name: SessionName,
    head: Seq,
    messages: Vec<Message>,
}

/// Why a session could not be opened or added to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store failed; nothing was added.
    #[error("the store failed on session `{session}`")]
    Store {
        /// The session.
        session: SessionName,
        /// What the store says.
        #[source]
        source: StoreError,
    },
    /// The store failed, and it is not known whether the messages were added: open the store and the session again.
    #[error("it is not known whether the messages were added to session `{session}`")]
    InDoubt {
        /// The session.
        session: SessionName,
        /// What the store says.
        #[source]
        source: StoreError,
    },
    /// Messages were added through another handle, or by a call that was dropped halfway; nothing was added now. Open the
    /// session again.
    #[error("session `{session}` is at message {found}, not at {expected}: open it again")]
    Moved {
        /// The session.
        session: SessionName,
        /// Where this handle left it.
        expected: Seq,
        /// Where it is.
        found: Seq,
    },
    /// An entry is not one that this program can read.
    #[error("message {seq} of session `{session}` cannot be read: {reason}")]
    Unreadable {
        /// The session.
        session: SessionName,
        /// The place of the entry.
        seq: Seq,
        /// What is wrong with it.
        reason: String,
    },
    /// The runtime is shutting down.
    #[error("session `{session}` cannot be reached: the runtime is shutting down")]
    ShuttingDown {
        /// The session.
        session: SessionName,
    },
}

impl Session {
    /// Returns the session of that name with all messages that were ever acknowledged; a name that is new has none.
    pub async fn open(store: Arc<dyn StateStore>, name: SessionName) -> Result<Self, SessionError> {
        let session = name.clone();
        off_the_runtime(&session, move || {
            let (head, messages) = read_all(&*store, &name)?;
            Ok(Self { store, name, head, messages })
        })
        .await
    }

    /// Returns the names of all sessions in a store, sorted.
    ///
    /// It reads the store on the calling thread.
    pub fn list(store: &dyn StateStore) -> Result<Vec<SessionName>, StoreError> {
        Ok(store.streams()?.iter().filter_map(SessionName::of_stream).collect())
    }

    /// Returns its name.
    pub fn name(&self) -> &SessionName {
        &self.name
    }

    /// Returns its messages, the first one first.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Adds messages, all of them or none, and returns once they are durable.
    ///
    /// Where the future is dropped before that, they may have been added or not; the next call finds out and fails with
    /// [`SessionError::Moved`] if they were.
    pub async fn append(&mut self, messages: Vec<Message>) -> Result<(), SessionError> {
        let (store, name, expected) = (Arc::clone(&self.store), self.name.clone(), self.head);
        let entries = messages.iter().map(stored::encode).collect();
        self.head = off_the_runtime(&self.name, move || append_at(&*store, &name, expected, entries)).await?;
        self.messages.extend(messages);
        assert_eq!(self.head, Seq::new(self.messages.len() as u64), "every entry of the stream is a message");
        Ok(())
    }
}

fn read_all(store: &dyn StateStore, name: &SessionName) -> Result<(Seq, Vec<Message>), SessionError> {
    let mut messages = Vec::new();
    let mut unreadable = None;
    let mut visit = |recorded: state_store::Recorded| match stored::decode(&recorded.entry) {
        Ok(message) => {
            messages.push(message);
            ControlFlow::Continue(())
        }
        Err(reason) => {
            unreadable = Some((recorded.seq, reason));
            ControlFlow::Break(())
        }
    };
    store
        .read(&name.stream(), Seq::START, &mut visit)
        .map_err(|source| SessionError::Store { session: name.clone(), source })?;
    match unreadable {
        Some((seq, reason)) => Err(SessionError::Unreadable { session: name.clone(), seq, reason }),
        None => Ok((Seq::new(messages.len() as u64), messages)),
    }
}

fn append_at(
    store: &dyn StateStore,
    name: &SessionName,
    expected: Seq,
    entries: Vec<Entry>,
) -> Result<Seq, SessionError> {
    let session = || name.clone();
    let stream: StreamName = name.stream();
    let transaction = store
        .begin(&stream, expected)
        .map_err(|source| SessionError::Store { session: session(), source })?;
    let found = transaction.head();
    if found != expected {
        return Err(SessionError::Moved { session: session(), expected, found });
    }
    transaction.commit(entries).map_err(|error| match error {
        CommitError::Conflict { expected, found } => {
            SessionError::Moved { session: session(), expected, found }
        }
        CommitError::Refused(source) => SessionError::Store { session: session(), source },
        CommitError::Unknown(source) => SessionError::InDoubt { session: session(), source },
    })
}

/// Does work that waits for a disk where it holds up nobody.
async fn off_the_runtime<T: Send + 'static>(
    session: &SessionName,
    work: impl FnOnce() -> Result<T, SessionError> + Send + 'static,
) -> Result<T, SessionError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(SessionError::ShuttingDown { session: session.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use state_store::{MemoryStore, SqliteStore, SystemClock};

    use super::*;
    use crate::model::{Reply, TokenUsage};
    use crate::tool::{ToolCall, ToolResult, ToolStatus};

    fn memory() -> Arc<dyn StateStore> {
        Arc::new(MemoryStore::new(Arc::new(SystemClock)))
    }

    fn sqlite(folder: &Path) -> Arc<dyn StateStore> {
        Arc::new(SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock)).unwrap())
    }

    fn name(text: &str) -> SessionName {
        SessionName::new(text).unwrap()
    }

    fn user(text: &str) -> Message {
        Message::User(text.to_owned())
    }

    fn one_of_each() -> Vec<Message> {
        let call = |id: &str| ToolCall { id: id.to_owned(), name: "x".to_owned(), arguments: "{".to_owned() };
        let reply = Reply {
            text: "é\0\u{1f600}".to_owned(),
            calls: vec![call("1"), call("2")],
            usage: TokenUsage { input: u64::MAX, output: 3 },
        };
        let result =
            |status| Message::Tool(ToolResult { call_id: "1".to_owned(), status, text: "x".repeat(100_000) });
        let mut messages = vec![Message::System("rules".to_owned()), user(""), Message::Assistant(reply)];
        messages.extend(
            [
                ToolStatus::Succeeded,
                ToolStatus::Failed,
                ToolStatus::InvalidArguments,
                ToolStatus::UnknownTool,
                ToolStatus::TimedOut,
                ToolStatus::Panicked,
            ]
            .map(result),
        );
        messages
    }

    #[tokio::test]
    async fn a_session_that_is_opened_again_holds_every_message() {
        let folder = tempfile::tempdir().unwrap();
        let messages = one_of_each();
        for (so_far, message) in messages.iter().enumerate() {
            let mut session = Session::open(sqlite(folder.path()), name("a/1")).await.unwrap();
            assert_eq!(session.messages(), &messages[..so_far]);
            session.append(vec![message.clone()]).await.unwrap();
        }
        let mut session = Session::open(sqlite(folder.path()), name("a/1")).await.unwrap();
        session.append(messages.clone()).await.unwrap();
        let session = Session::open(sqlite(folder.path()), name("a/1")).await.unwrap();
        assert_eq!(session.messages(), [messages.clone(), messages].concat());
    }

    #[tokio::test]
    async fn sessions_are_listed_and_other_streams_are_not() {
        let store = memory();
        for text in ["b", "a/2", "a/1"] {
            let mut session = Session::open(Arc::clone(&store), name(text)).await.unwrap();
            session.append(vec![user("hello")]).await.unwrap();
        }
        let never_written = Session::open(Arc::clone(&store), name("empty")).await.unwrap();
        assert_eq!(never_written.messages(), []);
        let entry = Entry { kind: 1, version: 1, body: Vec::new() };
        store.begin(&StreamName::workspace(), Seq::START).unwrap().commit(vec![entry]).unwrap();
        assert_eq!(Session::list(&*store).unwrap(), ["a/1", "a/2", "b"].map(name));
    }

    #[tokio::test]
    async fn of_two_handles_the_one_that_is_behind_is_refused() {
        let store = memory();
        let mut first = Session::open(Arc::clone(&store), name("s")).await.unwrap();
        let mut second = Session::open(Arc::clone(&store), name("s")).await.unwrap();
        first.append(vec![user("one"), user("two")]).await.unwrap();
        let error = second.append(vec![user("three")]).await.unwrap_err();
        assert_eq!(error.to_string(), "session `s` is at message 2, not at 0: open it again");
        assert_eq!(second.messages(), []);
        first.append(vec![user("four")]).await.unwrap();
        let session = Session::open(store, name("s")).await.unwrap();
        assert_eq!(session.messages(), ["one", "two", "four"].map(user));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error_and_never_left_out() {
        let good = stored::encode(&user("hello"));
        let newer = Entry { version: good.version + 1, ..good.clone() };
        let foreign = Entry { kind: good.kind + 1, ..good.clone() };
        let torn = Entry { body: good.body[..good.body.len() - 1].to_vec(), ..good.clone() };
        let unknown = Entry { body: br#"{"role":"oracle","text":""}"#.to_vec(), ..good.clone() };
        for bad in [newer, foreign, torn, unknown] {
            let store = memory();
            let stream = name("s").stream();
            let entries = vec![good.clone(), bad.clone(), good.clone()];
            store.begin(&stream, Seq::START).unwrap().commit(entries).unwrap();
            let error = Session::open(store, name("s")).await.unwrap_err();
            assert!(
                matches!(error, SessionError::Unreadable { seq, .. } if seq == Seq::new(2)),
                "{bad:?}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn an_append_that_was_dropped_halfway_is_noticed() {
        let store = memory();
        let mut session = Session::open(Arc::clone(&store), name("s")).await.unwrap();
        // While another holds the lock of the stream, the write is under way and cannot end.
        let lock = store.begin(&name("s").stream(), Seq::START).unwrap();
        tokio::select! {
            biased;
            _ = session.append(vec![user("one")]) => panic!("the lock is held"),
            () = std::future::ready(()) => {}
        }
        drop(lock);
        while store.head(&name("s").stream()).unwrap() == Seq::START {
            tokio::task::yield_now().await;
        }
        let error = session.append(vec![user("two")]).await.unwrap_err();
        assert!(matches!(error, SessionError::Moved { .. }), "{error}");
        let session = Session::open(store, name("s")).await.unwrap();
        assert_eq!(session.messages(), [user("one")]);
    }
}
