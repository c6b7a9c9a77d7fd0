//! Whose processes are whose: every agent and every check carries a mark of its coordinator in its environment, and hands it on
//! to whatever it starts.
//!
//! So whoever finds a coordinator gone finds what it has left running, in whatever group or session, and ends it before the same
//! tasks are handed out again. On Linux only; elsewhere nothing is found.

use std::collections::HashSet;
use std::fmt::Write as _;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use state_store::task::{Event, Host, InstanceRecord, InstanceStatus, State};

use crate::host;
use crate::turn::RecordedEvent;

/// The variable that holds the mark.
const VARIABLE: &str = "SUPER_PLANNER_COORDINATOR";

/// How often it is looked again: what is being killed may just have started something.
const ROUNDS_MAX: usize = 100;

/// The coordinator that processes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessOwner([u8; 16]);

impl ProcessOwner {
    /// Returns the coordinator of that id.
    pub const fn new(id: [u8; 16]) -> Self {
        Self(id)
    }

    /// Returns the variable that a process has in its environment so that it can be found.
    pub fn variable(self) -> (String, String) {
        (VARIABLE.to_owned(), self.mark())
    }

    fn mark(self) -> String {
        self.0.iter().fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Kills what the coordinators have left running on this machine whose end is among the events.
pub(crate) fn kill_of_ended(events: &[RecordedEvent], state: &State, own: ProcessOwner) {
    let ended = events.iter().filter_map(|recorded| match &recorded.event {
        Event::InstanceEnded { instance } => state.instance(*instance),
        _ => None,
    });
    kill_of(ended, own);
}

/// Kills what coordinators have left running on this machine that have ended: another machine may have found them gone.
pub(crate) fn kill_of_all_ended(state: &State, own: ProcessOwner) {
    kill_of(state.instances().iter().filter(|instance| instance.status == InstanceStatus::Ended), own);
}

fn kill_of<'a>(coordinators: impl Iterator<Item = &'a InstanceRecord>, own: ProcessOwner) {
    // One for a single turn, as of a script, starts nothing that outlives it.
    let starts_processes = |host: &Host| host.pid != 0;
    let mut coordinators =
        coordinators.filter(|gone| starts_processes(&gone.host) && ProcessOwner(gone.id) != own);
    let Some(first) = coordinators.next() else { return };
    let here = host::current().boot;
    let marks: HashSet<String> = std::iter::once(first)
        .chain(coordinators)
        .filter(|gone| gone.host.boot == here)
        .map(|gone| ProcessOwner(gone.id).mark())
        .collect();
    if marks.is_empty() {
        return;
    }
    let killed = kill_marked(&marks);
    if killed > 0 {
        tracing::warn!(processes = killed, "what a coordinator that is gone had left running was killed");
    }
}

/// Kills every process that carries one of the marks, and returns how many there were.
fn kill_marked(marks: &HashSet<String>) -> usize {
    let mut killed = HashSet::new();
    for _ in 0..ROUNDS_MAX {
        let found: Vec<Pid> = processes().filter(|pid| is_marked(*pid, marks)).collect();
        if found.is_empty() {
            break;
        }
        for pid in found {
            // The handle is of one process; what is looked at afterwards is not another of the same number.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            if is_marked(pid, marks) && pidfd_send_signal(&process, Signal::KILL).is_ok() {
                killed.insert(pid);
            }
        }
        std::thread::yield_now();
    }
    killed.len()
}

/// Returns all processes of this machine but this one.
fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = rustix::process::getpid();
    pids.filter_map(Pid::from_raw).filter(move |pid| *pid != own)
}

/// Returns whether the environment that a process was started with has one of the marks; one that has ended has none.
fn is_marked(pid: Pid, marks: &HashSet<String>) -> bool {
    let environment = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
    let mut variables =
        environment.split(|byte| *byte == 0).filter_map(|variable| std::str::from_utf8(variable).ok());
    variables.any(|variable| {
        let mark = variable.strip_prefix(VARIABLE).and_then(|rest| rest.strip_prefix('='));
        mark.is_some_and(|mark| marks.contains(mark))
    })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn start(owner: ProcessOwner, script: &str) -> Child {
        let (name, value) = owner.variable();
        let mut command = Command::new("sh");
        command.args(["-c", script]).env(name, value).stdin(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn what_is_marked_is_killed_with_what_it_has_started_and_nothing_else_is() {
        let (gone, living) = (ProcessOwner::new([7; 16]), ProcessOwner::new([8; 16]));
        // One of them has left its group and its session.
        let mut orphan = start(gone, "setsid sleep 600 & sleep 600");
        let mut other = start(living, "sleep 600");
        let marks = HashSet::from([gone.mark()]);
        while processes().filter(|pid| is_marked(*pid, &marks)).count() < 3 {
            std::thread::yield_now();
        }
        assert!(kill_marked(&marks) >= 3);
        assert_eq!(orphan.wait().unwrap().code(), None, "it was killed");
        assert_eq!(processes().filter(|pid| is_marked(*pid, &marks)).count(), 0);
        assert!(other.try_wait().unwrap().is_none(), "it goes on");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
