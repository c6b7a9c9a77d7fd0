//! What the crate promises, put to the test by power cuts, failing disks, kills and rivals.
//!
//! One run finds every fault that is planted (`src/planted.rs`) without being told which is on; with the feature
//! `planted-bugs` the test `planted::every_planted_bug_is_found` shows it.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod crashes;
#[cfg(feature = "planted-bugs")]
mod planted;
mod rivals;
mod store;

/// All of it, in one test, so that it can be run again as a whole.
#[test]
fn general_run() {
    if let Some(folder) = faults::workload_folder() {
        return store::workload(&folder);
    }
    rivals::a_branch_that_git_moved_is_left_alone();
    rivals::a_rename_is_not_guessed();
    crashes::every_operation_can_be_the_last();
    crashes::every_operation_can_fail();
    crashes::power_can_fail_at_every_moment();
}
