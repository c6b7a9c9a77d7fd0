//! A run of programs under the shim.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::control::Control;
use crate::trace::{Trace, TraceError};
use crate::wire::{CONTROL_VARIABLE, ROOT_VARIABLE, TRACE_VARIABLE};
use crate::{shim, workload};

/// The files of one run: the folder that the shim acts below, its control page, its trace.
///
/// Several programs, one after the other or at once, may belong to one session. Those that they start belong to it too.
#[derive(Debug)]
pub struct Session {
    root: PathBuf,
    shim: PathBuf,
    control: Control,
    /// Holds the control page and the trace; in memory where there is such a folder, because nothing of it must last.
    files: TempDir,
    is_recording: bool,
}

impl Session {
    /// Returns a session that counts and fails what is done below a folder.
    pub fn counting(root: &Path) -> io::Result<Self> {
        Self::new(root, false)
    }

    /// Returns a session that records what is done below a folder, too. Flushes do not reach the real disk in it.
    pub fn recording(root: &Path) -> io::Result<Self> {
        Self::new(root, true)
    }

    fn new(root: &Path, is_recording: bool) -> io::Result<Self> {
        let files = temporary_folder()?;
        let control = Control::create(&files.path().join("control"))?;
        if is_recording {
            File::create_new(files.path().join("trace"))?;
        }
        Ok(Self { root: root.canonicalize()?, shim: shim::path()?, control, files, is_recording })
    }

    /// Puts a command that has not been started into this session.
    pub fn apply(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.shim);
        command.env(ROOT_VARIABLE, &self.root);
        command.env(CONTROL_VARIABLE, self.files.path().join("control"));
        command.env(workload::FOLDER_VARIABLE, &self.root);
        if self.is_recording {
            command.env(TRACE_VARIABLE, self.files.path().join("trace"));
        }
    }

    /// Runs a command in this session to its end.
    pub fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        self.apply(command);
        command.status()
    }

    /// Returns the control page.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Reads what has been recorded so far.
    ///
    /// # Errors
    /// Also where the session records nothing, and where the programs did what the shim cannot follow.
    pub fn trace(&self) -> Result<Trace, TraceError> {
        Trace::read(&self.files.path().join("trace"))
    }
}

/// Returns a folder for what is thrown away: in memory where there is such a place.
pub fn temporary_folder() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }
}
