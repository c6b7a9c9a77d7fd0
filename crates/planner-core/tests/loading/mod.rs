//! Where the corpus is, and reading from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use planner_core::{Limits, Reading, Validated, read, validate};

/// Returns the folder of plans, or says that the test was left out.
pub(crate) fn plans() -> Option<PathBuf> {
    let folder = std::env::var_os("SUPER_PLANNER_CORPUS").map(|folder| PathBuf::from(folder).join("plans"));
    if folder.is_none() {
        println!("left out: SUPER_PLANNER_CORPUS is not set");
    }
    folder
}

pub(crate) fn bytes_of(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(name);
    if name.ends_with(".gz") {
        let output = Command::new("gzip").arg("-dc").arg("--").arg(&path).output().expect("gzip runs");
        assert!(output.status.success(), "{name}");
        output.stdout
    } else {
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

pub(crate) fn load(folder: &Path, name: &str) -> (Reading, Validated) {
    let reading = read(name, &bytes_of(folder, name), None, &Limits::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let validated = validate(&reading);
    println!("{name}: {} tasks, {} diagnostics", reading.plan.tasks.len(), validated.diagnostics.len());
    for diagnostic in validated.diagnostics.iter().take(12) {
        println!("  {diagnostic}");
    }
    (reading, validated)
}
