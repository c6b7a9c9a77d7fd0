//! Where the corpus is, and reading from it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns a folder of the corpus, or says that the test was left out.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SUPER_PLANNER_CORPUS").map(|folder| PathBuf::from(folder).join(name));
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
