//! Faults that are planted on purpose, to show that the tests find them. None exists in an ordinary build.
//!
//! With the feature `planted-bugs` the environment variable `GIT_OPS_PLANTED_BUG` names the one that is on.

/// A fault that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Files are not flushed.
    SkippedFlush,
    /// Refs are moved before the objects are written that they point to.
    RefBeforePack,
    /// Refs are set without looking where they are.
    PlainSet,
    /// Renames are guessed in merges.
    #[cfg(feature = "planted-bugs")]
    GuessedRenames,
    /// The locks of dead writers stay.
    UnsweptLocks,
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
        let name = std::env::var("GIT_OPS_PLANTED_BUG").ok()?;
        let bug = match &*name {
            "skipped-flush" => Bug::SkippedFlush,
            "ref-before-pack" => Bug::RefBeforePack,
            "plain-set" => Bug::PlainSet,
            "guessed-renames" => Bug::GuessedRenames,
            "unswept-locks" => Bug::UnsweptLocks,
            _ => panic!("{name} is not the name of a planted bug"),
        };
        Some(bug)
    });
    *CHOSEN == Some(bug)
}
