//! Conversations that outlive the process: a session is a stream of messages in the log.
//!
//! A message is durable before it is acted on, so a session that is opened again holds everything that was acted on. Now and
//! then a snapshot is kept beside the stream, so that opening a long session is quick.

mod conversation;
mod name;
mod shelf;
mod stored;

pub use conversation::Standing;
pub use name::{InvalidSessionName, SessionName};
pub use shelf::{Held, Shelf};

use std::io;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use state_store::log::SnapshotError;
use state_store::{CommitError, Entry, Seq, StateStore, StoreError, StreamName, Timestamp};

use crate::budget::Spent;
use crate::model::{Message, TokenUsage};
use crate::planted::{self, Bug};
use crate::summary::Summary;

use conversation::{Change, Conversation};

/// After how many entries a new snapshot is kept.
const SNAPSHOT_EVERY: u64 = 200;

/// A conversation, and the place in the log where it is kept.
#[derive(Debug)]
pub struct Session {
    store: Arc<dyn StateStore>,
    name: SessionName,
    head: Seq,
    snapshot_at: Seq,
    conversation: Conversation,
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
    /// The log is not as it was left: open the session again.
    #[error("no snapshot of session `{session}` can be kept")]
    Snapshot {
        /// The session.
        session: SessionName,
        /// What the store says.
        #[source]
        source: SnapshotError,
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
    /// It has been closed.
    #[error("session `{session}` is closed: fork it to go on")]
    Closed {
        /// The session.
        session: SessionName,
    },
    /// There is another of that name.
    #[error("there is a session `{session}` already")]
    Exists {
        /// The session.
        session: SessionName,
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
        off_the_runtime(&session, move || Self::load(store, name)).await
    }

    fn load(store: Arc<dyn StateStore>, name: SessionName) -> Result<Self, SessionError> {
        let (snapshot_at, conversation) = load_snapshot(&*store, &name)?;
        let mut session = Self { store, name, head: snapshot_at, snapshot_at, conversation };
        session.read_on()?;
        if planted::is_on(Bug::LostMessage) {
            session.conversation.messages.pop();
        }
        Ok(session)
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
        &self.conversation.messages
    }

    /// Returns how it stands.
    pub fn standing(&self) -> Standing {
        self.conversation.standing
    }

    /// Returns what it has used up.
    pub fn spent(&self) -> &Spent {
        &self.conversation.spent
    }

    /// Returns how long it was from its first message to the latest.
    pub fn age(&self) -> Duration {
        self.conversation.age()
    }

    /// Returns how long nothing has been added to it.
    pub fn idle(&self, now: Timestamp) -> Duration {
        self.conversation.touched_at.map_or(Duration::ZERO, |touched_at| now.since(touched_at))
    }

    /// Adds messages, all of them or none, and returns once they are durable.
    ///
    /// Where the future is dropped before that, they may have been added or not; the next call finds out and fails with
    /// [`SessionError::Moved`] if they were.
    pub async fn append(&mut self, messages: Vec<Message>) -> Result<(), SessionError> {
        self.change(messages.into_iter().map(Change::Message).collect()).await?;
        if self.head.get() - self.snapshot_at.get() >= SNAPSHOT_EVERY {
            // The messages are durable. A snapshot only saves time: where none can be kept, the next message tries again.
            let _ = self.save_snapshot(Compact::No).await;
        }
        Ok(())
    }

    /// Returns what a model has said of its beginning, if one has.
    pub fn summary(&self) -> Option<&Summary> {
        self.conversation.summary.as_ref().filter(|summary| summary.messages > 0)
    }

    /// Returns what all summaries have cost, those that came to nothing among them.
    pub(crate) fn spent_on_summaries(&self) -> TokenUsage {
        self.conversation.summary.as_ref().map(|summary| summary.usage).unwrap_or_default()
    }

    /// Keeps what a model says of its beginning, in place of what was said before; all messages stay.
    pub async fn keep_summary(&mut self, summary: Summary) -> Result<(), SessionError> {
        self.change(vec![Change::Summary(summary)]).await
    }

    /// Ends it for good: nothing can be added any more.
    pub async fn close(&mut self) -> Result<(), SessionError> {
        self.change(vec![Change::Standing(Standing::Closed)]).await
    }

    /// Puts it away: all of it stays, in the least room. The next message opens it again.
    pub async fn archive(&mut self) -> Result<(), SessionError> {
        self.change(vec![Change::Standing(Standing::Archived)]).await?;
        self.save_snapshot(Compact::Yes).await
    }

    /// Returns a new session of that name with the messages of this one; from here on they go their own ways.
    pub async fn fork(&self, name: SessionName) -> Result<Self, SessionError> {
        let mut fork = Self::open(Arc::clone(&self.store), name).await?;
        if fork.head > Seq::START {
            return Err(SessionError::Exists { session: fork.name });
        }
        fork.append(self.messages().to_vec()).await?;
        if let Some(summary) = &self.conversation.summary {
            fork.keep_summary(summary.clone()).await?;
        }
        Ok(fork)
    }

    /// Writes its messages, one a line, each as the JSON in which it is kept.
    pub fn export(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.messages().iter().try_for_each(|message| out.write_all(&stored::line(message)))
    }

    async fn change(&mut self, changes: Vec<Change>) -> Result<(), SessionError> {
        if self.standing() == Standing::Closed {
            return Err(SessionError::Closed { session: self.name.clone() });
        }
        let (store, name, expected) = (Arc::clone(&self.store), self.name.clone(), self.head);
        let entries = changes.iter().map(stored::encode).collect();
        let work = move || append_at(&*store, &name, expected, entries);
        let (head, at) = off_the_runtime(&self.name, work).await?;
        self.head = head;
        changes.into_iter().for_each(|change| self.conversation.apply(change, at));
        Ok(())
    }

    async fn save_snapshot(&mut self, compact: Compact) -> Result<(), SessionError> {
        let (store, name) = (Arc::clone(&self.store), self.name.clone());
        let snapshot = stored::snapshot(&self.conversation, self.head);
        let work = move || {
            let failed = |source| SessionError::Store { session: name.clone(), source };
            let stream = name.stream();
            match store.save_snapshot(&stream, &snapshot) {
                Ok(()) => {}
                Err(SnapshotError::Store(source)) => return Err(failed(source)),
                Err(source @ SnapshotError::NoBoundary { .. }) => {
                    return Err(SessionError::Snapshot { session: name.clone(), source });
                }
            }
            if compact == Compact::Yes {
                store.compact(&stream).map_err(failed)?;
            }
            Ok(())
        };
        off_the_runtime(&self.name, work).await?;
        self.snapshot_at = self.head;
        Ok(())
    }

    /// Takes in what the log has after the head.
    fn read_on(&mut self) -> Result<(), SessionError> {
        let mut unreadable = None;
        let Self { store, name, head, conversation, .. } = self;
        let mut visit = |recorded: state_store::Recorded| match stored::decode(&recorded.entry) {
            Ok(change) => {
                conversation.apply(change, recorded.at);
                *head = recorded.seq;
                ControlFlow::Continue(())
            }
            Err(reason) => {
                unreadable = Some((recorded.seq, reason));
                ControlFlow::Break(())
            }
        };
        let after = self.snapshot_at;
        store
            .read(&name.stream(), after, &mut visit)
            .map_err(|source| SessionError::Store { session: name.clone(), source })?;
        match unreadable {
            Some((seq, reason)) => Err(SessionError::Unreadable { session: name.clone(), seq, reason }),
            None => Ok(()),
        }
    }
}

/// Whether the entries that a snapshot covers are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compact {
    Yes,
    No,
}

/// Returns what the last snapshot says; one that this program cannot read is as good as none.
fn load_snapshot(store: &dyn StateStore, name: &SessionName) -> Result<(Seq, Conversation), SessionError> {
    let snapshot = store
        .load_snapshot(&name.stream())
        .map_err(|source| SessionError::Store { session: name.clone(), source })?;
    let restored = snapshot.and_then(|snapshot| Some((snapshot.seq, stored::restore(&snapshot).ok()?)));
    Ok(restored.unwrap_or_default())
}

/// Appends and returns the new head and the moment that it was recorded with.
fn append_at(
    store: &dyn StateStore,
    name: &SessionName,
    expected: Seq,
    entries: Vec<Entry>,
) -> Result<(Seq, Timestamp), SessionError> {
    let session = || name.clone();
    let stream: StreamName = name.stream();
    let transaction = store
        .begin(&stream, expected)
        .map_err(|source| SessionError::Store { session: session(), source })?;
    let (found, at) = (transaction.head(), transaction.now());
    if found != expected {
        return Err(SessionError::Moved { session: session(), expected, found });
    }
    match transaction.commit(entries) {
        Ok(head) => Ok((head, at)),
        Err(CommitError::Conflict { expected, found }) => {
            Err(SessionError::Moved { session: session(), expected, found })
        }
        Err(CommitError::Refused(source)) => Err(SessionError::Store { session: session(), source }),
        Err(CommitError::Unknown(source)) => Err(SessionError::InDoubt { session: session(), source }),
    }
}

/// Does work that waits for a disk where it holds up nobody.
///
/// A store lets one write after the other. A process with thousands of sessions therefore does best with a runtime of few
/// blocking threads: those that only wait for their turn are in the way of the others.
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
        let good = stored::encode(&Change::Message(user("hello")));
        let newer = Entry { version: good.version + 1, ..good.clone() };
        let foreign = Entry { kind: good.kind + 7, ..good.clone() };
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

    #[tokio::test]
    async fn a_long_session_is_opened_from_its_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = Session::open(sqlite(folder.path()), name("s")).await.unwrap();
        let texts: Vec<Message> = (0..450).map(|number| user(&number.to_string())).collect();
        for batch in texts.chunks(90) {
            session.append(batch.to_vec()).await.unwrap();
        }
        let opened = Session::open(sqlite(folder.path()), name("s")).await.unwrap();
        assert_eq!(opened.messages(), texts);
        assert_eq!(opened.snapshot_at, Seq::new(270));
        assert_eq!((opened.spent(), opened.age()), (session.spent(), session.age()));
        let now = session.conversation.touched_at.unwrap() + Duration::from_secs(9);
        assert_eq!(opened.idle(now), Duration::from_secs(9));
        // One that cannot be read is as good as none.
        let newer =
            state_store::log::Snapshot { version: 99, ..stored::snapshot(&opened.conversation, opened.head) };
        sqlite(folder.path()).save_snapshot(&name("s").stream(), &newer).unwrap();
        let opened = Session::open(sqlite(folder.path()), name("s")).await.unwrap();
        assert_eq!((opened.messages(), opened.snapshot_at), (&texts[..], Seq::START));
    }

    #[tokio::test]
    async fn an_archived_session_keeps_everything_and_goes_on_with_the_next_message() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = Session::open(sqlite(folder.path()), name("s")).await.unwrap();
        let mut messages = one_of_each();
        session.append(messages.clone()).await.unwrap();
        session.archive().await.unwrap();
        let mut opened = Session::open(sqlite(folder.path()), name("s")).await.unwrap();
        assert_eq!((opened.messages(), opened.standing()), (&messages[..], Standing::Archived));
        opened.append(vec![user("more")]).await.unwrap();
        messages.push(user("more"));
        let opened = Session::open(sqlite(folder.path()), name("s")).await.unwrap();
        assert_eq!((opened.messages(), opened.standing()), (&messages[..], Standing::Open));
    }

    #[tokio::test]
    async fn a_closed_session_takes_nothing_and_can_be_forked() {
        let store = memory();
        let mut session = Session::open(Arc::clone(&store), name("s")).await.unwrap();
        session.append(one_of_each()).await.unwrap();
        session.close().await.unwrap();
        let mut opened = Session::open(Arc::clone(&store), name("s")).await.unwrap();
        let refused = opened.append(vec![user("more")]).await.unwrap_err();
        assert_eq!(refused.to_string(), "session `s` is closed: fork it to go on");
        assert!(matches!(opened.archive().await, Err(SessionError::Closed { .. })));
        let mut fork = opened.fork(name("t")).await.unwrap();
        assert_eq!(fork.messages(), one_of_each());
        fork.append(vec![user("more")]).await.unwrap();
        assert!(matches!(opened.fork(name("t")).await, Err(SessionError::Exists { .. })));
        let again = Session::open(store, name("s")).await.unwrap();
        assert_eq!(again.messages(), one_of_each());
    }

    #[tokio::test]
    async fn an_export_is_one_line_a_message() {
        let mut session = Session::open(memory(), name("s")).await.unwrap();
        session.append(vec![user("a\nb"), Message::Fact("7".to_owned())]).await.unwrap();
        let mut out = Vec::new();
        session.export(&mut out).unwrap();
        let expected = "{\"role\":\"user\",\"text\":\"a\\nb\"}\n{\"role\":\"fact\",\"text\":\"7\"}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
