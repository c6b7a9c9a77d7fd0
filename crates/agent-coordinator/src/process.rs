//! Programs that somebody else's text asked for, kept within bounds: a cleared environment, a process group of their
//! own, no input but what they are told, a time limit, and only the end of what they print.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// The environment variables that are handed on.
const ENVIRONMENT_KEPT: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TERM"];

/// How long the output of a program that has ended may stay open: a child of it may hold it.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// What a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimits {
    /// How long it may take.
    pub time: Duration,
    /// How many bytes of the end of its output are kept.
    pub output: usize,
    /// How long it may go on after it was asked to end (`SIGTERM`); then it is killed.
    pub grace: Duration,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(600), output: 64 * 1024, grace: Duration::from_secs(5) }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) end: End,
    /// The end of what it printed, on either stream.
    pub(crate) output: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended by itself, with this code; `None` after a signal.
    Exit(Option<i32>),
    /// It was ended when its time was over.
    TimedOut,
    /// It was ended because nobody wanted it any more.
    Stopped,
}

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Program<'a> {
    /// The program, found on the path, and its arguments; there is no shell.
    pub(crate) command: &'a [String],
    /// Where it runs.
    pub(crate) folder: &'a Path,
    /// Variables of its environment, beside those that are always handed on.
    pub(crate) variables: Vec<(String, String)>,
    /// What it reads from its standard input.
    pub(crate) input: Vec<u8>,
}

/// One of the two streams that a program prints on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// Returns its short name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Err => "err",
        }
    }
}

/// A piece of what a program prints.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) stream: Stream,
    pub(crate) bytes: Vec<u8>,
}

/// Runs a program until it ends, its time is over, or `stop` comes, which tells how long it may go on; then it is asked to end, and
/// killed if it does not. Whatever it has started goes with it when it ends, and all of it at once when the future is dropped. All that it prints is sent on as it
/// comes, if somebody wants to see it; the program waits where that one is slow.
pub(crate) async fn run(
    program: Program<'_>,
    limits: ProcessLimits,
    watcher: Option<mpsc::Sender<Chunk>>,
    stop: impl Future<Output = Duration>,
) -> std::io::Result<Finished> {
    let (name, arguments) =
        program.command.split_first().ok_or_else(|| std::io::Error::other("the command is empty"))?;
    let mut child = tokio::process::Command::new(located(name))
        .arg0(name)
        .args(arguments)
        .current_dir(program.folder)
        .env_clear()
        .envs(ENVIRONMENT_KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs(program.variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).map(Group);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = tokio::spawn(async move {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is told.
            let _ = stdin.write_all(&program.input).await;
        }
    });
    // Neither reading goes on when this is over: a child that has the stream still open is nobody's any more.
    let output = AbortOnDropHandle::new(tokio::spawn(async move {
        let bytes_max = limits.output;
        let out = tail(stdout, Stream::Out, bytes_max, watcher.clone());
        let err = tail(stderr, Stream::Err, bytes_max, watcher);
        let (out, err) = tokio::join!(out, err);
        [out, err].concat()
    }));
    let (end, grace) = tokio::select! {
        status = child.wait() => (End::Exit(status?.code()), Duration::ZERO),
        () = tokio::time::sleep(limits.time) => (End::TimedOut, limits.grace),
        grace = stop => (End::Stopped, grace),
    };
    if !matches!(end, End::Exit(_)) {
        group.iter().for_each(Group::ask_to_end);
        // Whether it has heeded that is seen by killing what is left.
        let _ = tokio::time::timeout(grace, child.wait()).await;
    }
    // Also after a good end: nobody looks after what it has left running.
    drop(group);
    input.abort();
    let _ = child.wait().await;
    let output = match tokio::time::timeout(OUTPUT_GRACE, output).await {
        Ok(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    };
    Ok(Finished { end, output })
}

/// Returns where a program is that is to be found on the path; where it is not found, its name, which then cannot be started.
///
/// The system can start a program of which that is known without copying what this process has in memory. The standard library
/// cannot search the path for one whose environment is another, and copies.
fn located(name: &str) -> PathBuf {
    let is_there = |path: &PathBuf| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let folders = std::env::var_os("PATH").filter(|_| !name.contains('/')).unwrap_or_default();
    let mut found =
        std::env::split_paths(&folders).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    found.find(is_there).unwrap_or_else(|| PathBuf::from(name))
}

/// A process group, killed when it is dropped.
struct Group(Pid);

impl Group {
    fn ask_to_end(&self) {
        // It may have ended by itself.
        let _ = kill_process_group(self.0, Signal::TERM);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// Reads everything, sends it on, and keeps the end.
async fn tail(
    pipe: Option<impl tokio::io::AsyncRead + Unpin>,
    stream: Stream,
    bytes_max: usize,
    watcher: Option<mpsc::Sender<Chunk>>,
) -> Vec<u8> {
    let Some(mut pipe) = pipe else { return Vec::new() };
    let mut kept = Vec::new();
    let mut buffer = vec![0; 8192];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        if let Some(watcher) = &watcher {
            // Where nobody looks any more, the end is kept all the same.
            let _ = watcher.send(Chunk { stream, bytes: buffer[..read].to_vec() }).await;
        }
        if kept.len() > 2 * bytes_max {
            kept.drain(..kept.len() - bytes_max);
        }
    }
    let excess = kept.len().saturating_sub(bytes_max);
    kept.split_off(excess)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    async fn finish(script: &str, limits: ProcessLimits) -> Finished {
        run_with(script, "", limits).await
    }

    async fn run_with(script: &str, input: &str, limits: ProcessLimits) -> Finished {
        let (command, folder) = (shell(script), std::env::temp_dir());
        let program =
            Program { command: &command, folder: &folder, variables: Vec::new(), input: input.into() };
        run(program, limits, None, std::future::pending()).await.unwrap()
    }

    #[tokio::test]
    async fn input_is_handed_on_and_need_not_be_read() {
        let finished = run_with("cat", "hello", ProcessLimits::default()).await;
        assert_eq!(finished.output, "hello");
        let finished = run_with("true", &"x".repeat(10_000_000), ProcessLimits::default()).await;
        assert_eq!(finished.end, End::Exit(Some(0)));
    }

    #[tokio::test]
    async fn the_end_of_the_output_is_kept_and_the_code_told() {
        let limits = ProcessLimits { output: 10, ..ProcessLimits::default() };
        let finished = finish("yes | head -c 1000000; printf '0123456789'; exit 3", limits).await;
        assert_eq!(finished, Finished { end: End::Exit(Some(3)), output: "0123456789".to_owned() });
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_with_its_children() {
        let limits = ProcessLimits { time: Duration::from_millis(300), ..ProcessLimits::default() };
        let finished = finish("sleep 600 & echo $!; wait", limits).await;
        assert_eq!(finished.end, End::TimedOut);
        let stat = format!("/proc/{}/stat", finished.output.trim());
        let is_alive = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        let gone = async {
            // The kill is sent; it takes effect when the child is next scheduled.
            while is_alive() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the child is killed too");
    }

    #[tokio::test]
    async fn a_program_is_asked_to_end_before_it_is_killed() {
        let limits = ProcessLimits { time: Duration::from_millis(300), ..ProcessLimits::default() };
        // What else is there is the shell's own word on it.
        let first = |finished: Finished| (finished.end, finished.output.lines().next().map(str::to_owned));
        let orderly = "trap 'echo in order; exit 0' TERM; while :; do sleep 0.05; done";
        let told = Some("in order".to_owned());
        assert_eq!(first(finish(orderly, limits).await), (End::TimedOut, told));
        let limits = ProcessLimits { grace: Duration::from_millis(200), ..limits };
        let stubborn = "trap 'echo no' TERM; while :; do sleep 0.05; done";
        assert_eq!(first(finish(stubborn, limits).await), (End::TimedOut, Some("no".to_owned())));
        let (command, folder) = (shell("sleep 600"), std::env::temp_dir());
        let program =
            Program { command: &command, folder: &folder, variables: Vec::new(), input: Vec::new() };
        let finished =
            run(program, ProcessLimits::default(), None, std::future::ready(limits.grace)).await.unwrap();
        assert_eq!(finished.end, End::Stopped);
    }

    #[tokio::test]
    async fn a_child_that_keeps_the_output_open_does_not_keep_us() {
        let finished = finish("setsid sleep 600 & echo done", ProcessLimits::default()).await;
        assert_eq!(finished.end, End::Exit(Some(0)));
    }

    #[tokio::test]
    async fn a_program_is_found_on_the_path_and_keeps_its_name() {
        assert!(located("sh").is_absolute());
        assert_eq!(located("./sh"), PathBuf::from("./sh"));
        assert_eq!(located("there is no such program"), PathBuf::from("there is no such program"));
        assert_eq!(finish("echo $0", ProcessLimits::default()).await.output, "sh\n");
    }

    #[tokio::test]
    async fn secrets_of_the_environment_are_not_handed_on() {
        let finished = finish("env | cut -d= -f1 | sort", ProcessLimits::default()).await;
        for name in finished.output.lines() {
            let is_shells_own = ["PWD", "SHLVL", "_", "OLDPWD"].contains(&name);
            assert!(is_shells_own || ENVIRONMENT_KEPT.contains(&name), "{name} was handed on");
        }
    }
}
