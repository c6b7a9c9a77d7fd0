//! Checking what a branch is about to become, before it does: the files after each commit, not those of a result alone.
//!
//! A batch is checked as a whole, at its last commit. Only where that fails are commits in between looked at, by halves:
//! one bad result among n costs about log2(n) further runs, and those before it land all the same.

use crate::id::CommitId;
use crate::landing::{Preparation, Prepared};

/// What a check says of the files of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckVerdict {
    /// They are as they should be.
    Passes,
    /// They are not, for this reason.
    Fails(String),
}

/// What a check came to for commits that are ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The branch may become all of it.
    All(Prepared),
    /// The branch may become what is before one commit, and that one it must not become.
    UpTo {
        /// What is before it; it may be nothing.
        before: Prepared,
        /// Which of the items the commit is.
        culprit: usize,
        /// Why it must not land.
        reason: String,
    },
    /// The branch as it is does not pass, with nothing landed.
    Base {
        /// Why.
        reason: String,
    },
}

impl Prepared {
    /// Has a check look at the files of commits, and returns what of this the branch may become.
    ///
    /// It is taken for granted that files stay bad once they are; a later result that mends an earlier one lands with it.
    /// An error of the check, which is no verdict, ends the search.
    pub fn checked<E>(
        self,
        mut check: impl FnMut(CommitId) -> Result<CheckVerdict, E>,
    ) -> Result<Checked, E> {
        let is_commit = |(at, item): (usize, &Preparation)| Some((at, item.commit()?));
        let commits: Vec<(usize, CommitId)> = self.items.iter().enumerate().filter_map(is_commit).collect();
        let Some((_, last)) = commits.last() else { return Ok(Checked::All(self)) };
        let CheckVerdict::Fails(mut reason) = check(*last)? else { return Ok(Checked::All(self)) };
        // The commits before `good` pass, and `bad` does not.
        let (mut good, mut bad) = (0, commits.len() - 1);
        while good < bad {
            let middle = good + (bad - good) / 2;
            match check(commits[middle].1)? {
                CheckVerdict::Passes => good = middle + 1,
                CheckVerdict::Fails(found) => (bad, reason) = (middle, found),
            }
        }
        if bad == 0
            && let CheckVerdict::Fails(reason) = check(self.expected_tip)?
        {
            return Ok(Checked::Base { reason });
        }
        let (culprit, _) = commits[bad];
        Ok(Checked::UpTo { before: self.before(culprit), culprit, reason })
    }

    /// Returns what is ready before one of the items.
    fn before(mut self, item: usize) -> Self {
        self.items.truncate(item);
        let last = self.items.iter().rev().find_map(Preparation::commit);
        self.new_tip = last.unwrap_or(self.expected_tip);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;
    use crate::testing::*;

    /// Returns results that each make a file; those whose number is listed make a bad one.
    fn prepared(test: &TestRepository, count: usize, bad: &[usize]) -> Prepared {
        let content = |n| if bad.contains(&n) { "bad" } else { "good" };
        let requests: Vec<_> = (0..count)
            .map(|n| land_request(test.pin(test.first, &[write(&format!("file{n}"), content(n))])))
            .collect();
        test.writer().prepare(&work(), &requests).unwrap()
    }

    /// A check that looks at the exact files of a commit.
    fn verdict(test: &TestRepository, commit: CommitId) -> CheckVerdict {
        let snapshot = test.repository.snapshot(commit).unwrap();
        let bad = snapshot
            .list()
            .unwrap()
            .files
            .into_iter()
            .find(|(path, _)| snapshot.read(path).unwrap().unwrap() == b"bad");
        bad.map_or(CheckVerdict::Passes, |(path, _)| CheckVerdict::Fails(path.to_string()))
    }

    #[test]
    fn one_bad_result_is_found_with_few_runs_and_those_before_it_land() {
        for (count, bad) in [(1, 0), (2, 0), (2, 1), (16, 0), (16, 7), (16, 15)] {
            let test = TestRepository::new(&[("a", "a")]);
            let runs = Cell::new(0);
            let prepared = prepared(&test, count, &[bad]);
            let checked = prepared.clone().checked(|commit| {
                runs.set(runs.get() + 1);
                Ok::<_, Infallible>(verdict(&test, commit))
            });
            let Ok(Checked::UpTo { before, culprit, reason }) = checked else { panic!("{checked:?}") };
            assert_eq!((culprit, &*reason), (bad, &*format!("file{bad}")));
            assert_eq!(before.items[..], prepared.items[..bad]);
            let Preparation::Commit { parent, .. } = prepared.items[bad] else { panic!() };
            assert_eq!(before.new_tip, parent);
            assert!(runs.get() <= 6, "{} runs for {count}", runs.get());
            test.writer().publish(&before).unwrap();
            assert_eq!(verdict(&test, test.repository.tip(&work()).unwrap().unwrap()), CheckVerdict::Passes);
        }
    }

    #[test]
    fn what_passes_as_a_whole_is_checked_once() {
        let test = TestRepository::new(&[("a", "a")]);
        let runs = Cell::new(0);
        let prepared = prepared(&test, 9, &[]);
        let checked = prepared.clone().checked(|commit| {
            runs.set(runs.get() + 1);
            Ok::<_, Infallible>(verdict(&test, commit))
        });
        assert_eq!((checked, runs.get()), (Ok(Checked::All(prepared)), 1));
        let nothing = test.writer().prepare(&work(), &[]).unwrap();
        let never = |_| -> Result<CheckVerdict, ()> { Err(()) };
        assert_eq!(nothing.clone().checked(never), Ok(Checked::All(nothing)));
    }

    #[test]
    fn a_branch_that_is_bad_already_is_no_fault_of_a_result_and_one_that_mends_it_lands() {
        let test = TestRepository::new(&[("a", "bad")]);
        let check = |commit| Ok::<_, Infallible>(verdict(&test, commit));
        let harmless = prepared(&test, 3, &[]);
        assert!(matches!(harmless.checked(check), Ok(Checked::Base { reason }) if reason == "a"));
        let results = [write("b", "good"), write("a", "mended")].map(|edit| test.pin(test.first, &[edit]));
        let mending = test.writer().prepare(&work(), &results.map(land_request)).unwrap();
        assert!(matches!(mending.checked(check), Ok(Checked::All(_))));
    }

    #[test]
    fn a_check_that_cannot_be_run_is_no_verdict() {
        let test = TestRepository::new(&[("a", "a")]);
        let failed = prepared(&test, 3, &[]).checked(|_| Err::<CheckVerdict, _>("no such program"));
        assert_eq!(failed, Err("no such program"));
    }
}
