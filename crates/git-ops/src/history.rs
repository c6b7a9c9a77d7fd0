//! The history of a branch as its commits tell it, with the trailers that programs read back.

use crate::branch;
use crate::id::CommitId;
use crate::message::Message;
use crate::name::BranchName;
use crate::object::{ObjectError, Objects};
use crate::object_cache::ObjectCache;
use crate::printable;
use crate::repository::{ReadError, Repository};

/// What a commit says of itself. Text that is not UTF-8 is replaced; nothing here is fit for a terminal as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCommit {
    /// Its id.
    pub id: CommitId,
    /// What it was made from, the first parent first.
    pub parents: Vec<CommitId>,
    /// When it was first written, in seconds since 1970. A rebase keeps it.
    pub time: i64,
    /// The first line of its message.
    pub subject: String,
    /// What is between that and the trailers; may be empty.
    pub body: String,
    /// The keys and values of its last block, if every line of that is one.
    pub trailers: Vec<(String, String)>,
}

impl LoggedCommit {
    /// Returns its message in parts, for a commit that says the same.
    #[must_use]
    pub fn message(&self) -> Message {
        let Self { subject, body, trailers, .. } = self;
        Message { subject: subject.clone(), body: body.clone(), trailers: trailers.clone() }
    }

    /// Returns the last value of a trailer.
    #[must_use]
    pub fn trailer(&self, key: &str) -> Option<&str> {
        self.trailers.iter().rev().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// Returns whether a trailer has the value that a message with that value would have been given.
    #[must_use]
    pub fn has_trailer(&self, key: &str, value: &str) -> bool {
        self.trailer(key) == Some(&*printable::trailer_value(value))
    }
}

impl Repository {
    /// Returns the commits of a branch from its tip along the first parents, at most so many; none if there is no branch.
    pub fn history(&self, branch: &BranchName, commits_max: usize) -> Result<Vec<LoggedCommit>, ReadError> {
        let (repository, known) = (self.open_raw()?, ObjectCache::default());
        let objects = Objects::open(&repository, &known)?;
        let mut next = branch::tip(self.git_dir(), branch)?;
        let mut history = Vec::new();
        while let Some(id) = next.filter(|_| history.len() < commits_max) {
            let commit = logged(&objects, id)?;
            next = commit.parents.first().copied();
            history.push(commit);
        }
        Ok(history)
    }

    /// Returns the commits that can be reached from one commit, along all parents, and not from another, at most so many.
    pub fn commits_beyond(
        &self,
        from: CommitId,
        to: CommitId,
        commits_max: usize,
    ) -> Result<Vec<LoggedCommit>, ReadError> {
        let (repository, known) = (self.open_raw()?, ObjectCache::default());
        let objects = Objects::open(&repository, &known)?;
        let unreadable = |source| ReadError::History { from: to, source };
        let mut walk = repository.revwalk().map_err(unreadable)?;
        walk.push(to.oid()).and_then(|()| walk.hide(from.oid())).map_err(unreadable)?;
        let logged = |id: Result<git2::Oid, git2::Error>| {
            Ok(logged(&objects, CommitId::from_oid(id.map_err(unreadable)?))?)
        };
        walk.take(commits_max).map(logged).collect()
    }
}

fn logged(objects: &Objects<'_>, id: CommitId) -> Result<LoggedCommit, ObjectError> {
    let parents = objects.commit(id)?.parents;
    let Said { time, message } = read_message(&objects.commit_bytes(id)?);
    let Message { subject, body, trailers } = message;
    Ok(LoggedCommit { id, parents, time, subject, body, trailers })
}

/// When a commit was written, and its message in parts.
struct Said {
    time: i64,
    message: Message,
}

fn read_message(bytes: &[u8]) -> Said {
    let text = String::from_utf8_lossy(bytes);
    let (header, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let author = header.lines().find_map(|line| line.strip_prefix("author ")).unwrap_or_default();
    let time = author.rsplit(' ').nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let (subject, rest) =
        message.trim_matches('\n').split_once('\n').unwrap_or((message.trim_matches('\n'), ""));
    let (body, last) = rest.rsplit_once("\n\n").unwrap_or(("", rest.trim_start_matches('\n')));
    let trailers = last.lines().map(as_trailer).collect::<Option<Vec<_>>>().unwrap_or_default();
    let body = if trailers.is_empty() { rest } else { body };
    let body = body.trim_matches('\n').to_owned();
    Said { time, message: Message { subject: subject.to_owned(), body, trailers } }
}

fn as_trailer(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_key.then(|| (key.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use crate::{CommitRequest, Preparation};

    #[test]
    fn what_was_said_is_read_back() {
        let test = TestRepository::new(&[("a", "a")]);
        let message = Message {
            subject: "t1: add\nthe parser".to_owned(),
            body: "Task: forged\n\nAgent: forged".to_owned(),
            trailers: vec![("Task".to_owned(), "t1".to_owned()), ("Agent".to_owned(), "a\n b".to_owned())],
        };
        let request_message = message.clone();
        let request = CommitRequest { message, ..commit_request(test.first, &[write("a", "1")]) };
        let Ok(Preparation::Commit { id, .. }) = test.writer().commit(&[request]).unwrap()[0] else {
            panic!()
        };
        let history = test.repository.history(&work(), 10).unwrap();
        let [landed, first] = &history[..] else { panic!("{history:?}") };
        assert_eq!((landed.id, &landed.parents[..], landed.time), (id, &[test.first][..], TIME));
        assert_eq!(landed.subject, "t1: add the parser");
        assert!(landed.has_trailer("Task", "t1") && landed.has_trailer("Agent", "a\n b"));
        assert_eq!(landed.body, " Task: forged\n\n Agent: forged");
        assert_eq!(landed.message().render(), request_message.render(), "it can be said again");
        assert!(!landed.has_trailer("Task", "forged") && landed.trailer("Attempt").is_none());
        assert_eq!((first.id, &first.trailers[..]), (test.first, &[][..]));
        assert_eq!(test.repository.history(&work(), 1).unwrap().len(), 1);
        assert_eq!(test.repository.history(&BranchName::new("absent").unwrap(), 1).unwrap(), []);
    }

    #[test]
    fn odd_commits_are_read_as_far_as_they_go() {
        for (bytes, time, subject, trailers) in [
            (&b""[..], 0, "", 0),
            (b"tree x\nauthor A <a> 12 +0000\ncommitter A <a> 13 +0000\n\n\nsubject", 12, "subject", 0),
            (b"author A <a> x\n\nTask: t1\n", 0, "Task: t1", 0),
            (b"author A <a> 1 +0000\n\ns\n\nTask: t1\nno trailer", 1, "s", 0),
            (b"author A <a> 1 +0000\n\ns\n\nTask: t1\nAgent: \xff\n", 1, "s", 2),
        ] {
            let Said { time: read, message } = read_message(bytes);
            assert_eq!((read, &*message.subject, message.trailers.len()), (time, subject, trailers));
        }
    }
}
