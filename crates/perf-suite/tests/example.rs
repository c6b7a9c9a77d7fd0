//! The example that measures a service of somebody else does what it says, in few lines.

use std::process::Command;

#[test]
fn the_example_runs_and_stays_short() {
    // Cargo builds examples with the tests, beside the folder that this test is in.
    let deps = std::env::current_exe().unwrap();
    let example = deps.parent().unwrap().parent().unwrap().join("examples/measure");
    let output = Command::new(&example).output().expect("cargo test builds the examples of the package");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let expected = if cfg!(debug_assertions) { "--release" } else { "one answer, from when it was due" };
    assert!(text.contains(expected), "{text}");
    assert!(include_str!("../../../examples/measure.rs").lines().count() < 60);
}
