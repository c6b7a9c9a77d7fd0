//! A PostgreSQL server of the tests' own: made in a temporary folder, reached over a socket in it, gone with the tests.

mod programs;

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const MISSING: &str = "PostgreSQL's server programs (initdb, pg_ctl, postgres, psql) are missing: \
     `cargo xtask test` installs them and then runs every test";

/// A running server. It is stopped and its folder removed when this is dropped or the process ends, however it ends.
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    keeper: Child,
    databases: AtomicU32,
}

impl Cluster {
    /// Returns the server that the tests of one binary share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a server.
    pub(crate) fn start() -> Self {
        let programs = programs::find().expect(MISSING);
        let folder = tempfile::Builder::new().prefix("pg-").tempdir().unwrap().keep();
        let server = |program: &str| program_of_server(&programs, program);
        // Ends with its standard input, which is this process's to close.
        let mut stop = server("pg_ctl");
        stop.args(["stop", "--mode=immediate", "-D"]).arg(folder.join("data"));
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", r#"cat > /dev/null; folder=$1; shift; "$@"; rm -rf "$folder""#, "sh"])
            .arg(&folder);
        keeper.arg(stop.get_program()).args(stop.get_args()).process_group(0);
        let keeper =
            keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if is_root() {
            output(Command::new("chown").arg("postgres").arg(&folder));
        }
        output(
            server("initdb")
                .args([
                    "--auth=trust",
                    "--username=planner",
                    "--encoding=UTF8",
                    "--no-locale",
                    "--no-sync",
                    "-D",
                ])
                .arg(folder.join("data")),
        );
        let cluster = Self { folder, programs, keeper, databases: AtomicU32::new(0) };
        cluster.resume();
        cluster
    }

    /// Starts the server again after it was stopped or killed.
    pub(crate) fn resume(&self) {
        self.resume_with("-c fsync=on");
    }

    /// Starts the server again with other options.
    pub(crate) fn resume_with(&self, options: &str) {
        let options = format!("-c listen_addresses= -k {} {options}", self.folder.display());
        let mut start = program_of_server(&self.programs, "pg_ctl");
        start.args(["start", "--wait", "--silent", "-o", &options, "-D"]).arg(self.folder.join("data"));
        start.arg("-l").arg(self.folder.join("log")).stdout(Stdio::null()).stderr(Stdio::null());
        // A server that was killed leaves children that notice within moments; until then it does not start again.
        let started = (0..50).any(|_| start.status().unwrap().success());
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(started, "the server does not start:\n{log}");
    }

    /// Kills the server with SIGKILL, so that it writes nothing more.
    pub(crate) fn kill(&self) {
        let process = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        output(Command::new("kill").args(["-KILL", process.lines().next().unwrap()]));
    }

    /// Stops the server in good order.
    pub(crate) fn stop(&self) {
        let mut stop = program_of_server(&self.programs, "pg_ctl");
        output(stop.args(["stop", "--mode=fast", "--silent", "-D"]).arg(self.folder.join("data")));
    }

    /// Makes an empty database and returns its name.
    pub(crate) fn fresh_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Returns the address of a database, for the user that owns everything.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_as("planner", database)
    }

    /// Returns the address of a database for a user.
    pub(crate) fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgres:///{database}?user={user}&host={}", self.folder.display())
    }

    /// Runs statements in a database and returns what they print, without frames.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "planner", "-d", database, "-h"]);
        output(psql.arg(&self.folder).args(["-c", statements])).trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Returns the command that runs a program of the server; as the user `postgres` where this is root, whom it refuses.
fn program_of_server(programs: &Path, program: &str) -> Command {
    let program = programs.join(program);
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {error}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
