//! A program of the operator's that merges files of a kind: lock files, generated code, notebooks.
//!
//! It is named by the policy, never by a repository, and started without a shell. It works in a folder of its own, with a
//! cleared environment and a time limit, and knows nothing of the repository.

use std::cell::Cell;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long a driver may take. The lock of the repository is held meanwhile.
const TIME_MAX: Duration = Duration::from_secs(20);
/// How long the drivers of one batch may take together. Others who write wait for its lock, and give up after a minute.
const BATCH_TIME_MAX: Duration = Duration::from_secs(40);
/// The largest file that is taken from a driver.
const BYTES_MAX: u64 = 256 << 20;
/// The environment variables that are handed on.
const ENVIRONMENT_KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"];
/// The variable that tells the path of the file, which could begin with a dash and so is no argument.
const PATH_VARIABLE: &str = "SUPER_PLANNER_MERGED_PATH";

/// A program and its arguments, in which `{base}`, `{ours}` and `{theirs}` stand for three files.
///
/// It puts what it has merged into the file of ours, as git's drivers do, and ends with 0. If it ends with anything else,
/// or takes longer than 20 seconds, or leaves conflict markers, the conflict goes back to an agent. The drivers of one batch
/// take 40 seconds together at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeDriver {
    program: String,
    arguments: Vec<String>,
}

/// How long the drivers of one batch may still take. What is left to do then is left to agents.
pub(crate) struct DriverTime(Cell<Duration>);

impl Default for DriverTime {
    fn default() -> Self {
        Self(Cell::new(BATCH_TIME_MAX))
    }
}

/// Why words are not a merge driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a merge driver is a program with {{ours}} and {{theirs}} among its arguments")]
pub struct InvalidDriver;

impl MergeDriver {
    /// Returns the driver with this program and these arguments.
    pub fn new(command: Vec<String>) -> Result<Self, InvalidDriver> {
        let mut words = command.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).ok_or(InvalidDriver)?;
        let arguments: Vec<String> = words.collect();
        let names = |place: &str| arguments.iter().any(|argument| argument.contains(place));
        if !names("{ours}") || !names("{theirs}") {
            return Err(InvalidDriver);
        }
        Ok(Self { program, arguments })
    }

    /// Returns the words of its command.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.program).chain(self.arguments.iter().map(String::as_str))
    }

    /// Returns what the driver makes of three versions of a file, `None` if it cannot merge them in the time that is left.
    pub(crate) fn merge(
        &self,
        path: &[u8],
        versions: [&[u8]; 3],
        time: &DriverTime,
    ) -> io::Result<Option<Vec<u8>>> {
        let left = time.0.get();
        if left.is_zero() {
            return Ok(None);
        }
        let begun = Instant::now();
        let merged = self.merge_within(path, versions, left.min(TIME_MAX));
        time.0.set(left.saturating_sub(begun.elapsed()));
        merged
    }

    fn merge_within(
        &self,
        path: &[u8],
        versions: [&[u8]; 3],
        time_max: Duration,
    ) -> io::Result<Option<Vec<u8>>> {
        let folder = tempfile::Builder::new().prefix("super-planner-merge-").tempdir()?;
        for (name, content) in ["base", "ours", "theirs"].into_iter().zip(versions) {
            std::fs::write(folder.path().join(name), content)?;
        }
        if !self.run(path, folder.path(), time_max)? {
            return Ok(None);
        }
        let merged = read(&folder.path().join("ours"))?;
        Ok(merged.filter(|merged| !brings_markers(merged, versions)))
    }

    /// Returns whether the program says that it has merged.
    fn run(&self, path: &[u8], folder: &Path, time_max: Duration) -> io::Result<bool> {
        let argument = |argument: &String| {
            ["base", "ours", "theirs"].into_iter().fold(argument.clone(), |argument, name| {
                argument.replace(&format!("{{{name}}}"), &folder.join(name).to_string_lossy())
            })
        };
        let mut child = Command::new(&self.program)
            .args(self.arguments.iter().map(argument))
            .current_dir(folder)
            .env_clear()
            .envs(ENVIRONMENT_KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env(PATH_VARIABLE, &*String::from_utf8_lossy(path))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        wait(&child, time_max)?;
        Ok(child.wait()?.success())
    }
}

/// Waits until a program has ended, or ends it with all that it has started. Its number stays taken until it is asked after.
fn wait(child: &Child, time_max: Duration) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(child.id().cast_signed()) else {
        return Err(io::Error::other("a process has no number"));
    };
    let (over, is_over) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // It also ends by the other end being dropped, and then the group may still hold children.
            let _ = is_over.recv_timeout(time_max);
            // They may have ended by themselves.
            let _ = kill_process_group(pid, Signal::KILL);
        });
        let ended = loop {
            match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                ended => break ended,
            }
        };
        drop(over);
        ended.map(drop).map_err(io::Error::from)
    })
}

/// Returns what a file holds, `None` if it is none any more, or is too large.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let is_file =
        path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= BYTES_MAX);
    if !is_file {
        return Ok(None);
    }
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(BYTES_MAX).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Returns whether there are conflict markers in a text that none of the others has.
fn brings_markers(merged: &[u8], versions: [&[u8]; 3]) -> bool {
    [&b"<<<<<<< "[..], b">>>>>>> "].into_iter().any(|marker| {
        let has = |text: &[u8]| text.split(|&byte| byte == b'\n').any(|line| line.starts_with(marker));
        has(merged) && !versions.into_iter().any(has)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [&[u8]; 3] = [b"base\n", b"ours\n", b"theirs\n"];

    fn driver(script: &str) -> MergeDriver {
        let words = ["sh", "-c", script, "driver", "{base}", "{ours}", "{theirs}"];
        MergeDriver::new(words.map(str::to_owned).to_vec()).unwrap()
    }

    fn merged(script: &str) -> Option<Vec<u8>> {
        driver(script).merge(b"--dir/file", VERSIONS, &DriverTime::default()).unwrap()
    }

    #[test]
    fn what_a_driver_leaves_in_ours_is_the_outcome() {
        assert_eq!(merged("cat $1 $3 >> $2").unwrap(), b"ours\nbase\ntheirs\n");
        assert_eq!(merged("printf %s \"$SUPER_PLANNER_MERGED_PATH\" > $2").unwrap(), b"--dir/file");
        assert_eq!(merged(": > $2").unwrap(), b"");
    }

    #[test]
    fn what_is_no_clean_merge_is_a_conflict() {
        for script in [
            "exit 1",
            "kill -9 $$",
            "rm $2",
            "rm $2; ln -s /etc/passwd $2",
            "printf '<<<<<<< a\\n=======\\n>>>>>>> b\\n' > $2",
            "git merge-file $2 $1 $3",
        ] {
            assert_eq!(merged(script), None, "{script}");
        }
        let marked: [&[u8]; 3] = [b"<<<<<<< x\n", b"<<<<<<< x\n", b"<<<<<<< x\nmore\n"];
        let kept = driver("cat $3 > $2").merge(b"x", marked, &DriverTime::default()).unwrap();
        assert_eq!(kept.unwrap(), marked[2], "a text about markers may be merged");
    }

    #[test]
    fn a_driver_gets_no_secrets_and_leaves_no_process() {
        let variables = String::from_utf8(merged("env | cut -d= -f1 > $2").unwrap()).unwrap();
        let allowed = |name: &str| {
            ENVIRONMENT_KEPT.contains(&name) || [PATH_VARIABLE, "PWD", "OLDPWD", "SHLVL", "_"].contains(&name)
        };
        assert!(variables.lines().all(allowed), "{variables}");
        let child = String::from_utf8(merged("sleep 600 & echo $! > $2").unwrap()).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        let is_alive = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        let begun = Instant::now();
        while is_alive() && begun.elapsed() < TIME_MAX {
            std::thread::yield_now();
        }
        assert!(!is_alive());
    }

    #[test]
    fn the_drivers_of_a_batch_share_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let began = folder.path().join("began");
        let slow = driver(&format!("echo >> {}; exec sleep 600", began.display()));
        let time = DriverTime(Cell::new(Duration::from_millis(500)));
        for _ in 0..3 {
            assert_eq!(slow.merge(b"x", VERSIONS, &time).unwrap(), None);
        }
        assert_eq!(std::fs::read_to_string(began).unwrap(), "\n", "the first has used it up");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_and_words_that_make_no_driver_are_refused() {
        let absent = ["/absent/driver", "{ours}", "{theirs}"].map(str::to_owned).to_vec();
        assert!(MergeDriver::new(absent).unwrap().merge(b"x", VERSIONS, &DriverTime::default()).is_err());
        for words in [&[][..], &["", "{ours}", "{theirs}"], &["driver", "{ours}"], &["{ours}", "{theirs}"]] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(MergeDriver::new(words), Err(InvalidDriver));
        }
    }
}
