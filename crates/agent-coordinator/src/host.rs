//! Which process this is, and whether another one is still there.

use state_store::Timestamp;
use state_store::task::{Host, InstanceRecord, InstanceStatus};

/// Returns the process that this is.
///
/// Off Linux boot and start are not known; a coordinator that died there is taken over when its lease ends.
pub(crate) fn current() -> Host {
    let pid = std::process::id();
    Host { boot: boot_id(), pid, started: started(pid).unwrap_or(0) }
}

/// Returns whether a coordinator is there: it has not ended, its lease lasts, and its process is not known to be gone.
pub fn is_at_work(coordinator: &InstanceRecord, now: Timestamp) -> bool {
    match coordinator.status {
        InstanceStatus::Active { expires_at } => expires_at > now && !is_gone(&coordinator.host),
        InstanceStatus::Ended => false,
    }
}

/// Returns whether it is certain that a process of this machine is gone.
fn is_gone(host: &Host) -> bool {
    let boot = boot_id();
    if boot.is_empty() || host.boot.is_empty() {
        return false;
    }
    // Another boot id is another machine, or this one before it was started again; the two look alike from here.
    boot == host.boot && started(host.pid) != Some(host.started)
}

/// Returns what tells one boot of one machine, and within it one container, from all others; process ids mean the same
/// only within it. Empty where that is not known.
fn boot_id() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// Returns when a process began, in clock ticks since the boot; `None` where there is no such process, or only the
/// remains of one that its parent has not asked after.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets and may hold anything; state is the third, the start the 22nd.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_one_that_has_ended_is_not() {
        assert!(!is_gone(&current()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let host = Host { pid: child.id(), started: started(child.id()).unwrap_or(1), ..current() };
        child.wait().unwrap();
        assert!(is_gone(&host));
        let reused = Host { started: current().started + 1, ..current() };
        assert!(is_gone(&reused));
        let elsewhere = Host { boot: "another".to_owned(), ..host };
        assert!(!is_gone(&elsewhere));
    }
}
