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

/// Returns the files of an archive, with their paths below its one folder.
pub(crate) fn unpacked(folder: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let path = folder.join(name);
    let tar = |arguments: &[&str]| {
        let output = Command::new("tar").args(arguments).arg("-f").arg(&path).output().expect("tar runs");
        assert!(output.status.success(), "{name}");
        output.stdout
    };
    let list = String::from_utf8(tar(&["-tz"])).expect("names are texts");
    let to = std::env::temp_dir().join(format!("super-planner-corpus-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&to).expect("a temporary folder can be made");
    tar(&["-xz", "-C", &to.to_string_lossy()]);
    let files = list.lines().filter(|line| !line.ends_with('/'));
    let files = files.map(|line| {
        let bytes = std::fs::read(to.join(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
        (line.split_once('/').map_or(line, |(_, path)| path).to_owned(), bytes)
    });
    let files = files.collect();
    std::fs::remove_dir_all(&to).expect("the temporary folder can be removed");
    files
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
