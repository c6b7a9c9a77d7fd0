//! What the figures were measured on.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sysinfo::{Disks, System};

use crate::mount::Mount;

/// A machine, as far as it matters to a figure. What cannot be found out reads `unknown` or is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The name of the processor.
    pub cpu: String,
    /// Cores that are there.
    pub cores_physical: Option<usize>,
    /// Cores that the operating system shows.
    pub cores_logical: Option<usize>,
    /// Main memory in bytes.
    pub memory_bytes: Option<u64>,
    /// The operating system and its kernel.
    pub system: String,
    /// How many programs wanted to run, on average over the minute before; more than the cores means that timings are
    /// those of a busy machine.
    pub load_average: Option<f64>,
    /// The file system of the folder for temporary files, where scenarios keep theirs.
    pub file_system: String,
}

const UNKNOWN: &str = "unknown";

impl Machine {
    /// Returns what this machine tells of itself.
    pub fn inspect() -> Self {
        let system = System::new().ok().map(|mut system| {
            system.refresh_memory();
            system.refresh_cpu_all();
            system
        });
        let cpus = system.as_ref().map_or(&[][..], System::cpus);
        Self {
            cpu: cpus
                .first()
                .map(|cpu| cpu.brand().trim())
                .filter(|brand| !brand.is_empty())
                .unwrap_or(UNKNOWN)
                .to_owned(),
            cores_physical: System::physical_core_count().ok(),
            cores_logical: Some(cpus.len()).filter(|count| *count > 0),
            memory_bytes: system.as_ref().map(System::total_memory),
            system: operating_system(),
            load_average: System::load_average().ok().map(|load| load.one),
            file_system: file_system_of(&std::env::temp_dir()),
        }
    }
}

impl Machine {
    /// Returns what tells machines apart whose figures cannot be compared: processor, cores and file system, not what
    /// changes from hour to hour.
    pub fn key(&self) -> String {
        let cores = self.cores_logical.unwrap_or(0);
        format!("{}; {cores} cores; {}", self.cpu, self.file_system)
    }
}

fn operating_system() -> String {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    format!(
        "{}, kernel {}",
        or_unknown(System::long_os_version().ok()),
        or_unknown(System::kernel_version().ok())
    )
}

/// Returns the kind of the file system that the folder lies on.
pub(crate) fn file_system_of(folder: &Path) -> String {
    // The list of disks has no file systems that are in memory; that of Linux's mounts has.
    if let Some(mount) = Mount::of(folder) {
        return mount.kind;
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let Ok(disks) = Disks::new_with_refreshed_list() else {
        return UNKNOWN.to_owned();
    };
    let name = disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map_or(OsStr::new(UNKNOWN), |disk| disk.file_system());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_core_and_memory() {
        let machine = Machine::inspect();
        assert!(machine.cores_logical.is_none_or(|cores| cores > 0));
        assert!(machine.memory_bytes.is_none_or(|bytes| bytes > 1_000_000));
        assert!(!machine.cpu.is_empty() && !machine.file_system.is_empty());
    }
}
