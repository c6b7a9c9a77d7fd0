//! `doctor`: whether everything that a run needs is there, with what to do where it is not.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use git_ops::Repository;
use perf_suite::Mount;
use serde::Serialize;
use serde_json::json;
use state_store::log::{PostgresAddress, PostgresOpenError, PostgresOptions, PostgresStore};

use crate::cli::{DoctorArgs, PlaceArgs};
use crate::config::{Config, ConfigFile};
use crate::error::{CliError, Exit};
use crate::escape::{clipped, escaped};
use crate::program_agent::is_program;
use crate::project_view::ProjectView;
use crate::state_location::StateLocation;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, GOOD, Terminal, WARN};

const FLUSHES: usize = 20;
const FLUSHED_BYTES: usize = 4096;
/// No disk that keeps what it is told to flush is faster.
const FLUSH_PLAUSIBLE_MIN: Duration = Duration::from_micros(15);
/// A coordinator flushes once a batch; slower than this is felt.
const FLUSH_FAST_MAX: Duration = Duration::from_millis(50);
const FREE_BYTES_WARN: u64 = 1 << 30;
const FREE_BYTES_FAIL: u64 = 100 << 20;
const DETAIL_CHARS_MAX: usize = 200;

/// The programs of coding agents.
const AGENTS: [&str; 6] = ["claude", "codex", "gemini", "opencode", "goose", "aider"];
/// The variables that hold keys; only whether they are set is ever looked at.
const KEYS: [&str; 7] = [
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "MISTRAL_API_KEY",
    "OPENROUTER_API_KEY",
    "XAI_API_KEY",
];

/// Looks at everything and tells it.
pub fn run(args: &DoctorArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let findings = findings(&args.place, config);
    if args.json {
        terminal.json(&json!({ "version": 1, "findings": findings }))?;
    } else {
        let mut table = Table::default();
        for finding in &findings {
            let (mark, style) = match finding.level {
                Level::Ok => ("ok", GOOD),
                Level::Warn => ("warn", WARN),
                Level::Fail => ("fail", BAD),
            };
            table.row([
                Cell::styled(mark, style),
                Cell::plain(finding.about),
                Cell::plain(clipped(&finding.found, DETAIL_CHARS_MAX)),
            ]);
            if let Some(advice) = &finding.advice {
                table.row([Cell::plain(""), Cell::plain(""), Cell::dim(format!("→ {advice}"))]);
            }
        }
        terminal.print(table.draw(usize::MAX))?;
    }
    Ok(Exit::problems_if(findings.iter().any(|finding| finding.level == Level::Fail)))
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
struct Finding {
    about: &'static str,
    level: Level,
    found: String,
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn ok(about: &'static str, found: impl Into<String>) -> Self {
        Self { about, level: Level::Ok, found: found.into(), advice: None }
    }

    fn warn(about: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { about, level: Level::Warn, found: found.into(), advice: Some(advice.to_owned()) }
    }

    fn fail(about: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self { about, level: Level::Fail, found: found.into(), advice: Some(advice.to_owned()) }
    }
}

fn findings(place: &PlaceArgs, config: &Config) -> Vec<Finding> {
    let mut findings = vec![configuration(config), git()];
    let location = StateLocation::find(place, config);
    findings.push(repository(place, location.is_ok()));
    findings.push(sqlite());
    match location {
        Err(error) => {
            findings.push(Finding::fail("state", told(&error), "--state or --repo says where it is"));
        }
        Ok(StateLocation::Memory) => {
            let advice = "it ends with its process; --state FILE keeps it";
            findings.push(Finding::warn("state", "in memory", advice));
        }
        Ok(StateLocation::Postgres(address, options)) => {
            findings.push(database(place, config, &address, options));
        }
        Ok(StateLocation::File(file)) => {
            findings.push(state(place, config, &file));
            let folder = nearest_folder(&file);
            findings.push(file_system(&folder));
            findings.push(flush(&folder));
            findings.push(free_space(&folder));
        }
    }
    findings.push(agents());
    findings.push(keys());
    findings
}

fn configuration(config: &Config) -> Finding {
    let about = "configuration";
    match &config.file {
        ConfigFile::Read(path) => Finding::ok(about, escaped(&path.to_string_lossy())),
        ConfigFile::Missing(path) => {
            Finding::ok(about, format!("no file at {}: the defaults hold", escaped(&path.to_string_lossy())))
        }
        ConfigFile::Nowhere => Finding::warn(
            about,
            "neither XDG_CONFIG_HOME nor HOME is set",
            "set one of them, or name a file with --config",
        ),
    }
}

fn git() -> Finding {
    let about = "git";
    let advice = "install git: results land without it, but agents and people need it";
    let output = Command::new("git").arg("--version").stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            Finding::ok(about, escaped(String::from_utf8_lossy(&output.stdout).trim()))
        }
        Ok(output) => Finding::warn(about, format!("`git --version` ends with {}", output.status), advice),
        Err(error) => Finding::warn(about, format!("cannot be started: {error}"), advice),
    }
}

fn repository(place: &PlaceArgs, has_state: bool) -> Finding {
    let about = "repository";
    let folder = place.repo.as_deref().unwrap_or(Path::new("."));
    match Repository::open(folder) {
        Ok(repository) => Finding::ok(about, escaped(&repository.git_dir().to_string_lossy())),
        Err(error) => {
            let found = told(&error.into());
            let advice = "`git init` makes one, --repo names another; a run with --landing none needs none";
            // Whoever names a state may have no repository in mind, unless one is named too.
            if has_state && place.repo.is_none() {
                Finding::warn(about, found, advice)
            } else {
                Finding::fail(about, found, advice)
            }
        }
    }
}

fn sqlite() -> Finding {
    Finding::ok(
        "sqlite",
        format!(
            "{}, built in; write-ahead log, every commit flushed (synchronous=FULL)",
            rusqlite::version()
        ),
    )
}

fn state(place: &PlaceArgs, config: &Config, file: &Path) -> Finding {
    let about = "state";
    let shown = escaped(&file.to_string_lossy());
    if !file.exists() {
        return Finding::ok(about, format!("none yet; a run makes {shown}"));
    }
    entries(place, config, &shown, "keep the file as it is, and restore the state from a backup")
}

/// Says whether the database can be reached and its settings keep what they acknowledge.
fn database(
    place: &PlaceArgs,
    config: &Config,
    address: &PostgresAddress,
    options: PostgresOptions,
) -> Finding {
    let shown = escaped(&address.to_string());
    match PostgresStore::open_existing(address, options) {
        Err(PostgresOpenError::Missing { .. }) => {
            Finding::ok("state", format!("none yet; a run makes one in {shown}"))
        }
        Ok(_) | Err(_) => entries(place, config, &shown, "see that the server runs and lets you in"),
    }
}

/// Reads all of the state that is there.
fn entries(place: &PlaceArgs, config: &Config, shown: &str, advice: &str) -> Finding {
    let about = "state";
    match ProjectView::open(place, config) {
        Ok(view) => {
            let entries = view.engine().seq();
            let projects = view.projects().count();
            Finding::ok(about, format!("{shown}: all checksums fit ({projects} projects, {entries} entries)"))
        }
        Err(error) => {
            Finding::fail(about, format!("{shown}: {}", told(&error)), error.advice().unwrap_or(advice))
        }
    }
}

/// Returns the folder of the file, or the nearest one above it that exists.
fn nearest_folder(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folders = file.ancestors().skip(1).find(|folder| folder.is_dir());
    folders.unwrap_or(Path::new("/")).to_owned()
}

fn file_system(folder: &Path) -> Finding {
    let about = "file system";
    let Some(mount) = Mount::of(folder) else {
        return Finding::ok(about, "not known on this system");
    };
    let found = format!("{} at {}", escaped(&mount.kind), escaped(&mount.at.to_string_lossy()));
    match mount.kind.as_str() {
        "tmpfs" | "ramfs" => Finding::warn(
            about,
            found,
            "it is memory: the state is lost with the machine; --state names a file on a disk",
        ),
        "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "9p" | "afs" | "ceph" | "fuse.sshfs"
        | "fuse.glusterfs" => Finding::fail(
            about,
            found,
            "SQLite's locks do not hold over a network; --state names a file on a local disk",
        ),
        _ => Finding::ok(about, found),
    }
}

/// Measures what it takes to make something durable; too fast means that it is not.
fn flush(folder: &Path) -> Finding {
    let about = "flush";
    match median_flush(folder) {
        Err(error) => Finding::fail(
            about,
            format!("{} cannot be written to: {error}", escaped(&folder.to_string_lossy())),
            "make the folder writable, or name another place with --state",
        ),
        Ok(median) => {
            let found = format!("{:.3} ms, the median of {FLUSHES}", median.as_secs_f64() * 1000.0);
            if median < FLUSH_PLAUSIBLE_MIN {
                let advice = "no disk is that fast: flushes are probably ignored, and a power cut can lose what was recorded";
                Finding::warn(about, found, advice)
            } else if median > FLUSH_FAST_MAX {
                let advice = "every batch of events waits that long; --state names a file on a faster disk";
                Finding::warn(about, found, advice)
            } else {
                Finding::ok(about, found)
            }
        }
    }
}

fn median_flush(folder: &Path) -> std::io::Result<Duration> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    let block = [0x5a; FLUSHED_BYTES];
    let mut took = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let begun = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok(took[FLUSHES / 2])
}

fn free_space(folder: &Path) -> Finding {
    let about = "disk space";
    let free = match rustix::fs::statvfs(folder) {
        Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
        Err(error) => return Finding::warn(about, format!("not known: {error}"), "look with `df`"),
    };
    let found = format!("{:.1} GiB free", free as f64 / f64::from(1 << 30));
    let advice = "free some room: without it runs stop, though nothing is lost";
    match free {
        ..FREE_BYTES_FAIL => Finding::fail(about, found, advice),
        FREE_BYTES_FAIL..FREE_BYTES_WARN => Finding::warn(about, found, advice),
        FREE_BYTES_WARN.. => Finding::ok(about, found),
    }
}

fn agents() -> Finding {
    let about = "agents";
    let found: Vec<&str> = AGENTS.into_iter().filter(|name| is_program(name)).collect();
    if found.is_empty() {
        let advice = "simulated agents run all the same; install one of them to have real work done";
        Finding::warn(about, format!("none of {} is on the path", AGENTS.join(", ")), advice)
    } else {
        Finding::ok(about, found.join(", "))
    }
}

fn keys() -> Finding {
    let set: Vec<&str> = KEYS
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect();
    if set.is_empty() {
        Finding::ok("keys", "none in the environment; agents that sign in by themselves need none")
    } else {
        Finding::ok("keys", format!("{} (values are not looked at)", set.join(", ")))
    }
}

/// Returns the error and its causes on one line.
fn told(error: &CliError) -> String {
    let causes = error.causes();
    if causes.is_empty() { error.to_string() } else { escaped(&causes.join(": ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_takes_time_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert!(median_flush(folder.path()).unwrap() > Duration::ZERO);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(nearest_folder(&folder.path().join("a/b/state.db")), folder.path());
    }
}
