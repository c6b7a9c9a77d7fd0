//! A test that is its own workload: it starts itself again, and the second one knows what it is.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use crate::control::Control;
use crate::wire::{CONTROL_VARIABLE, RecordKind, TRACE_VARIABLE, encode_record};

pub(crate) const FOLDER_VARIABLE: &str = "FAULTS_WORKLOAD_FOLDER";

/// Returns the command that runs one test of the running test program, by its full name, and no other.
///
/// Its output goes where this one's goes, uncaptured.
pub fn this_test(name: &str) -> Command {
    let program = std::env::current_exe().expect("a running program has a path");
    let mut command = Command::new(program);
    command.args([name, "--exact", "--nocapture", "--test-threads=1", "--quiet"]);
    command
}

/// Returns the folder of the session that this process is in; `None` where it is in none, and so not a workload.
pub fn workload_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from)
}

/// Writes into the trace, after everything that this process has done so far, and before what it does next.
///
/// Without effect where nothing is recorded.
pub fn mark(said: &[u8]) -> io::Result<()> {
    let Some(path) = std::env::var_os(TRACE_VARIABLE) else { return Ok(()) };
    let record = encode_record(RecordKind::Mark, 0, 0, &[], said);
    File::options().append(true).open(path)?.write_all(&record)
}

/// Returns the control page of the session that this process is in.
pub fn control_of_this_process() -> io::Result<Control> {
    let path = std::env::var_os(CONTROL_VARIABLE);
    Control::open(path.ok_or_else(|| io::Error::other("this process is under no fault shim"))?.as_ref())
}
