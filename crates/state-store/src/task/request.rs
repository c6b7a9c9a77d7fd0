//! Requests that can be repeated: whoever was not told how one ended asks again, by the same id.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use crate::Timestamp;
use crate::task::{ProjectKey, TaskKey};

/// How long an answer is kept once the task that it is about has ended; where it is about none, once it was given.
pub const ANSWERS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells a request from every other; whoever makes it chooses it, at random or from what cannot occur twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// Returns the id that a text of any length stands for.
    pub fn from_text(text: &str) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
        Self(id)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A request was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It was.
    Done,
    /// It was, and the project has this key.
    Project(ProjectKey),
}

/// The answers that are kept, for those who ask again. Refusals are not among them: they change nothing, so asking
/// again is asking anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    by_request: HashMap<RequestId, Answer>,
    /// Answers about tasks that have not ended.
    open: HashMap<TaskKey, Vec<RequestId>>,
    /// The others, by the moment at which they are forgotten.
    due: BTreeSet<(Timestamp, RequestId)>,
}

/// An answer that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What it was.
    pub accepted: Accepted,
    /// The task that it was about, if it was about one.
    pub task: Option<TaskKey>,
    /// When it is forgotten; `None` while its task has not ended.
    pub forgotten_at: Option<Timestamp>,
}

impl Answers {
    /// Returns the answer that was given to a request.
    pub fn get(&self, request: RequestId) -> Option<Answer> {
        self.by_request.get(&request).copied()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.by_request.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_request.is_empty()
    }

    /// Returns each answer, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (RequestId, Answer)> + '_ {
        self.by_request.iter().map(|(request, answer)| (*request, *answer))
    }

    /// Keeps an answer. The first one to a request stays.
    pub(super) fn keep(&mut self, request: RequestId, answer: Answer) {
        if self.by_request.contains_key(&request) {
            return;
        }
        match (answer.forgotten_at, answer.task) {
            (None, Some(task)) => self.open.entry(task).or_default().push(request),
            (at, _) => drop(self.due.insert((at.unwrap_or_default(), request))),
        }
        self.by_request.insert(request, answer);
    }

    /// Begins to count the time for the answers about a task that has ended.
    pub(super) fn end(&mut self, task: TaskKey, at: Timestamp) {
        let forgotten_at = at + ANSWERS_KEPT;
        for request in self.open.remove(&task).unwrap_or_default() {
            if let Some(answer) = self.by_request.get_mut(&request) {
                answer.forgotten_at = Some(forgotten_at);
                self.due.insert((forgotten_at, request));
            }
        }
    }

    /// Forgets the answers whose time is over.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.due.first().is_some_and(|(at, _)| *at < now) {
            if let Some((_, request)) = self.due.pop_first() {
                self.by_request.remove(&request);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskKey = TaskKey { project: ProjectKey(0), task: 7 };

    fn at(hours: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(hours * 3600)
    }

    #[test]
    fn an_answer_is_kept_until_a_day_after_its_task_has_ended() {
        let mut answers = Answers::default();
        let request = RequestId::from_text("first");
        let answer = Answer { accepted: Accepted::Done, task: Some(TASK), forgotten_at: None };
        answers.keep(request, answer);
        answers.keep(request, Answer { accepted: Accepted::Project(ProjectKey(3)), ..answer });
        answers.forget(at(1000));
        assert_eq!(
            answers.get(request).map(|answer| answer.accepted),
            Some(Accepted::Done),
            "the first answer stays, while the task goes on"
        );
        answers.end(TASK, at(1000));
        answers.forget(at(1024));
        assert_eq!(answers.get(request).map(|answer| answer.accepted), Some(Accepted::Done));
        answers.forget(at(1025));
        assert!(answers.is_empty());
        assert_eq!(answers, Answers::default(), "nothing of it is left");
    }

    #[test]
    fn an_answer_about_no_task_is_kept_for_a_day() {
        let mut answers = Answers::default();
        let request = RequestId::from_text("second");
        let forgotten_at = Some(at(10) + ANSWERS_KEPT);
        answers.keep(request, Answer { accepted: Accepted::Done, task: None, forgotten_at });
        answers.forget(at(34));
        assert_eq!(answers.len(), 1);
        answers.forget(at(35));
        assert!(answers.is_empty());
    }
}
