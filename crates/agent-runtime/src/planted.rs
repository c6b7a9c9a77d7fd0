//! Faults that are planted on purpose, to show that the tests find them. None exists in an ordinary build.
//!
//! With the feature `planted-bugs` the environment variable `AGENT_RUNTIME_PLANTED_BUG` names the one that is on.

/// A fault that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A conversation that is too long may be cut between a call and its result.
    SplitResult,
    /// A pinned fact goes with the oldest part of a conversation.
    DroppedFact,
    /// The text of a skill goes with the oldest part of a conversation.
    DroppedSkill,
    /// The latest message is not there when a session is opened again.
    LostMessage,
    /// Text joins the text before it, whatever came between.
    ReorderedUpdate,
    /// A model that asks to be left alone is not.
    RetryAfterIgnored,
    /// A provider that fails is asked as often as before.
    BreakerNeverOpens,
    /// Paths may lead up.
    PathUnchecked,
    /// Arguments reach a tool whatever its schema says.
    ArgumentsUnchecked,
    /// Output is shown whole.
    OutputUncut,
    /// Output is shown with its control characters.
    OutputUnescaped,
    /// A session may use up more than its budget.
    BudgetIgnored,
    /// Who cancels a run waits for its tools.
    CancelIgnored,
    /// A key stands in what is told of a failure.
    #[cfg(feature = "http-models")]
    KeyTold,
}

/// Returns whether a fault is switched on.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is_on(_: Bug) -> bool {
    false
}

/// Returns whether a fault is switched on.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is_on(bug: Bug) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<Bug>> = std::sync::LazyLock::new(|| {
        let name = std::env::var("AGENT_RUNTIME_PLANTED_BUG").ok()?;
        let bug = match &*name {
            "split-result" => Bug::SplitResult,
            "dropped-fact" => Bug::DroppedFact,
            "dropped-skill" => Bug::DroppedSkill,
            "lost-message" => Bug::LostMessage,
            "reordered-update" => Bug::ReorderedUpdate,
            "retry-after-ignored" => Bug::RetryAfterIgnored,
            "breaker-never-opens" => Bug::BreakerNeverOpens,
            "path-unchecked" => Bug::PathUnchecked,
            "arguments-unchecked" => Bug::ArgumentsUnchecked,
            "output-uncut" => Bug::OutputUncut,
            "output-unescaped" => Bug::OutputUnescaped,
            "budget-ignored" => Bug::BudgetIgnored,
            "cancel-ignored" => Bug::CancelIgnored,
            #[cfg(feature = "http-models")]
            "key-told" => Bug::KeyTold,
            _ => panic!("{name} is not the name of a planted bug"),
        };
        Some(bug)
    });
    *CHOSEN == Some(bug)
}

/// One run of all unit tests finds what is planted, without being told which it is.
#[cfg(all(test, feature = "planted-bugs", feature = "http-models"))]
mod tests {
    use std::process::{Command, Stdio};

    const BUGS: [&str; 14] = [
        "split-result",
        "dropped-fact",
        "dropped-skill",
        "lost-message",
        "reordered-update",
        "retry-after-ignored",
        "breaker-never-opens",
        "path-unchecked",
        "arguments-unchecked",
        "output-uncut",
        "output-unescaped",
        "budget-ignored",
        "cancel-ignored",
        "key-told",
    ];

    /// The name of this module: a run within the run would have no end.
    const SKIPPED: &str = "planted::";

    #[test]
    fn every_planted_bug_is_found() {
        let passes = |bug: Option<&str>| {
            let mut run = Command::new(std::env::current_exe().unwrap());
            run.args(["--quiet", "--skip", SKIPPED]).envs(bug.map(|bug| ("AGENT_RUNTIME_PLANTED_BUG", bug)));
            run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        };
        assert!(passes(None), "without a planted bug the tests pass");
        let missed: Vec<&str> = BUGS.into_iter().filter(|bug| passes(Some(bug))).collect();
        assert_eq!(missed, [""; 0], "the tests have not found these");
    }
}
