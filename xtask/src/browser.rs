//! A performance report in a real browser.

use crate::step::{Step, StepFailed};
use crate::test;

pub(crate) fn run() -> Result<(), StepFailed> {
    if !test::is_there("chromium") {
        test::install("Chromium", "chromium")?;
    }
    Step::cargo().words("test -p perf-suite --features browser --test page").run()
}
