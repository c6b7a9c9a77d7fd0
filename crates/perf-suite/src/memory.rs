//! The peak of the resident memory of this process, from `/proc` on Linux; elsewhere it is not measured.
//!
//! It counts whole pages, and does not see memory that the allocator held before and hands out again. A figure is thus
//! a growth that really happened and no exact count of bytes allocated; counting those would take an allocator of our
//! own, which `unsafe_code = "forbid"` rules out.

use std::fs;

/// A measurement that has begun.
#[derive(Debug)]
pub(crate) struct PeakMemory {
    resident_before: u64,
}

impl PeakMemory {
    /// Begins to watch, or returns `None` where the operating system does not tell or may not be asked to start over.
    pub(crate) fn watch() -> Option<Self> {
        // Writing 5 sets the peak back to what is resident now: proc_pid_clear_refs(5).
        fs::write("/proc/self/clear_refs", "5").ok()?;
        let resident_before = status_bytes("VmRSS:")?;
        Some(Self { resident_before })
    }

    /// Returns by how many bytes the peak since has exceeded what was resident at the beginning.
    pub(crate) fn growth_bytes(self) -> Option<u64> {
        Some(status_bytes("VmHWM:")?.saturating_sub(self.resident_before))
    }
}

fn status_bytes(field: &str) -> Option<u64> {
    parse_status_bytes(&fs::read_to_string("/proc/self/status").ok()?, field)
}

/// Returns the value of a line such as `VmHWM:     13536 kB`.
fn parse_status_bytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_file_is_read_and_nothing_else_taken_for_it() {
        let status = "Name:\tx\nVmHWM:\t   13536 kB\nVmRSS:\t 7 kB\n";
        assert_eq!(parse_status_bytes(status, "VmHWM:"), Some(13_860_864));
        assert_eq!(parse_status_bytes(status, "VmSwap:"), None);
        assert_eq!(parse_status_bytes("VmHWM: many", "VmHWM:"), None);
    }

    #[test]
    fn memory_in_use_shows_in_the_peak() {
        let Some(peak) = PeakMemory::watch() else {
            return;
        };
        let bytes = 64 << 20;
        // Held until after the reading: another test of this process may set the peak back at any time.
        let held = std::hint::black_box(vec![1_u8; bytes]);
        let growth = peak.growth_bytes().expect("the peak was there a moment ago");
        drop(held);
        assert!(growth >= bytes as u64 / 2, "{growth}");
    }
}
