//! The general run finds what is planted.

use std::process::Stdio;

const BUGS: [&str; 5] = ["skipped-flush", "ref-before-pack", "plain-set", "guessed-renames", "unswept-locks"];

#[test]
fn every_planted_bug_is_found() {
    let passes = |bug: Option<&str>| {
        let mut run = faults::this_test("general_run");
        run.envs(bug.map(|bug| ("GIT_OPS_PLANTED_BUG", bug)));
        run.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(passes(None), "without a planted bug the general run passes");
    let missed: Vec<&str> = BUGS.into_iter().filter(|bug| passes(Some(bug))).collect();
    assert_eq!(missed, [""; 0], "the general run has not found these");
}
