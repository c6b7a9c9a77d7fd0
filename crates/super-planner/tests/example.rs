//! The example for embedders does what it says.

use std::process::Command;

#[test]
fn the_example_runs_to_its_end() {
    // Cargo builds examples with the tests, beside the folder that this test is in.
    let deps = std::env::current_exe().unwrap();
    let example = deps.parent().unwrap().parent().unwrap().join("examples/embed");
    let output = Command::new(&example).output().expect("cargo test builds the examples of the package");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("does Lay the table (attempt 1)"), "{text}");
    assert!(text.contains("breakfast: 4 of 4 tasks done in "), "{text}");
}
