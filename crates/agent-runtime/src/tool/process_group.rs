//! A program and all that it starts: ended together.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// The process group of a program that was started as the first of one; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct ProcessGroup(Pid);

impl ProcessGroup {
    /// Starts a program as the first of a group of its own; a program that has ended already has none.
    pub(crate) fn start(command: &mut Command) -> std::io::Result<(Child, Option<Self>)> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).map(Self);
        Ok((child, group))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}
