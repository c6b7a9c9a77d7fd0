//! Formatting, lints and documentation.

use crate::step::{Step, StepFailed};

/// What is compiled only while the tests look for planted bugs.
const PLANTED_BUGS: &str = "clippy -p state-store -p git-ops -p agent-coordinator --all-targets \
     --features state-store/planted-bugs,git-ops/planted-bugs,agent-coordinator/planted-bugs -- -D warnings";

pub(crate) fn run() -> Result<(), StepFailed> {
    Step::cargo().words("fmt --all -- --check").run()?;
    Step::cargo().words("clippy --workspace --all-targets -- -D warnings").run()?;
    Step::cargo().words(PLANTED_BUGS).run()?;
    Step::cargo()
        .words("clippy -p agent-runtime -p super-planner --all-features --all-targets -- -D warnings")
        .run()?;
    Step::cargo().words("doc --workspace --no-deps").variable("RUSTDOCFLAGS", "-D warnings").run()
}
