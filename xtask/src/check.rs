//! Formatting, lints and documentation.

use crate::step::{Step, StepFailed};

pub(crate) fn run() -> Result<(), StepFailed> {
    Step::cargo().words("fmt --all -- --check").run()?;
    Step::cargo().words("clippy --workspace --all-targets -- -D warnings").run()?;
    Step::cargo().words("doc --workspace --no-deps").variable("RUSTDOCFLAGS", "-D warnings").run()
}
