//! Which file system a folder lies on.

use std::path::{Path, PathBuf};

/// A file system at its place in the tree of folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its kind as the system calls it: `ext4`, `tmpfs`, `nfs4`.
    pub kind: String,
    /// The folder that it begins at.
    pub at: PathBuf,
}

impl Mount {
    /// Returns what a folder lies on; nothing where the system does not tell, as any but Linux does not.
    pub fn of(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
        Self::listed(&String::from_utf8_lossy(&mounts), &folder)
    }

    /// Returns the mount with the longest path above a folder, and of several at one place the last, which hides the others
    /// (`man 5 proc_pid_mountinfo`).
    fn listed(mounts: &str, folder: &Path) -> Option<Self> {
        let of_line = |line: &str| {
            let (before, after) = line.split_once(" - ")?;
            let at = PathBuf::from(unescape_octal(before.split(' ').nth(4)?));
            let kind = after.split(' ').next()?.to_owned();
            folder.starts_with(&at).then_some(Self { kind, at })
        };
        mounts.lines().filter_map(of_line).max_by_key(|mount| mount.at.components().count())
    }
}

/// Returns the text with the `\040` that stand for spaces and the like put back.
fn unescape_octal(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match byte {
            Some(byte) if byte.is_ascii() => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            _ => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_what_was_mounted_nearest_and_last() {
        let mounts = "\
21 1 254:0 / / rw,noatime - ext4 /dev/vda rw
24 21 0:22 / /dev/shm rw - tmpfs tmpfs rw,size=1k
30 21 0:40 / /home/a\\040b rw shared:1 - btrfs /dev/vdb rw
31 21 0:41 / /home/a\\040b rw shared:2 - xfs /dev/vdc rw
32 21 0:42 / /mnt rw - nfs4 srv:/x rw
broken line
";
        let at = |folder: &str| Mount::listed(mounts, Path::new(folder)).unwrap().kind;
        assert_eq!(at("/tmp/x"), "ext4");
        assert_eq!(at("/dev/shm/x"), "tmpfs");
        assert_eq!(at("/dev/shmooze"), "ext4");
        assert_eq!(at("/home/a b/c"), "xfs");
        assert_eq!(
            Mount::listed(mounts, Path::new("/mnt/x")),
            Some(Mount { kind: "nfs4".into(), at: "/mnt".into() })
        );
        assert_eq!(Mount::listed("", Path::new("/")), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_that_is_no_disk_is_known() {
        assert_eq!(Mount::of(Path::new("/proc/self")).unwrap().kind, "proc");
    }
}
