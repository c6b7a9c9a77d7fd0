//! How results come to their branch: what is checked before, who decides conflicts, and what the commits say.
//!
//! The rules are the operator's. Nothing that a repository contains changes them.

use git_ops::{MergePolicy, Message};
use planner_core::{Check, Task};

use crate::message_style::MessageStyle;

/// How results come to their branch. By default nothing is checked there, and every conflict goes back to an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LandingRules {
    /// What the files of the branch must pass with a result, before it lands.
    pub check: Option<Check>,
    /// What becomes of conflicts, by path.
    pub conflicts: MergePolicy,
    /// What the first line of a commit looks like.
    pub message: MessageStyle,
}

/// The attempt that a commit is of.
pub(crate) struct Origin<'a> {
    pub(crate) project: &'a str,
    pub(crate) task: &'a Task,
    pub(crate) agent: &'a str,
    pub(crate) attempt: u32,
    /// Whether its own check was run.
    pub(crate) is_checked: bool,
}

impl LandingRules {
    /// Returns what the commit of an accepted result says: its task, and in trailers where it comes from and what it passed.
    pub(crate) fn message(&self, origin: &Origin<'_>) -> Message {
        let trailer = |key: &str, value: String| (key.to_owned(), value);
        let mut trailers = vec![
            trailer("Task", origin.task.id.to_string()),
            trailer("Project", origin.project.to_owned()),
            trailer("Agent", origin.agent.to_owned()),
            trailer("Attempt", origin.attempt.to_string()),
        ];
        let own = origin.task.check.as_ref().filter(|_| origin.is_checked);
        trailers.extend(own.map(|check| trailer("Check", check.command.join(" "))));
        trailers.extend(self.check.as_ref().map(|check| trailer("Landing-Check", check.command.join(" "))));
        let body = origin.task.description.clone();
        Message { subject: self.message.subject(origin), body, trailers }
    }
}
