//! The tool that runs a program: one that the operator has named, with arguments that no shell looks at.
//!
//! It is not a sandbox: the program runs as the user, in the folder given, with a cleared environment and no input.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::BoxFuture;
use crate::tool::process_group::ProcessGroup;
use crate::tool::{Access, Arguments, Kind, Schema, Tool, ToolError, ToolSpec};

/// The name of the tool.
pub const RUN_COMMAND: &str = "run_command";

/// The environment variables that are handed on.
const ENVIRONMENT_KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"];
/// The most arguments, and bytes of all of them: below what every system takes.
const ARGUMENTS_MAX: usize = 1000;
const ARGUMENT_BYTES_MAX: usize = 64 * 1024;
/// How long the output of a program that has ended may stay open: a child of it may hold it.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// The programs that a model may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Their names, as they are found on the path, or their paths from the root; no other is run.
    pub programs: Vec<String>,
    /// Where they run.
    pub folder: PathBuf,
    /// How long each may take.
    pub time_max: Duration,
    /// How many bytes of the end of its output are kept.
    pub output_bytes_max: usize,
}

/// How long a program may take, and how much of its output is kept, where nobody says otherwise.
const TIME_MAX: Duration = Duration::from_secs(60);
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

impl Commands {
    /// Returns programs with the ordinary limits.
    pub fn of(programs: Vec<String>, folder: PathBuf) -> Self {
        Self { programs, folder, time_max: TIME_MAX, output_bytes_max: OUTPUT_BYTES_MAX }
    }

    /// Returns the tool.
    pub fn tool(self) -> Arc<dyn Tool> {
        Arc::new(RunCommand(Arc::new(self)))
    }

    async fn run(&self, program: &str, arguments: &[String]) -> Result<String, ToolError> {
        let bytes: usize = arguments.iter().map(String::len).sum();
        if arguments.len() > ARGUMENTS_MAX || bytes > ARGUMENT_BYTES_MAX {
            let count = arguments.len();
            return Err(ToolError::Failed(format!("{count} arguments of {bytes} bytes are too many")));
        }
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(ENVIRONMENT_KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (mut child, group) = ProcessGroup::start(&mut command)
            .map_err(|error| ToolError::Failed(format!("{program:?} cannot be run: {error}")))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let tails = [Tail::new(self.output_bytes_max), Tail::new(self.output_bytes_max)];
        let [of_out, of_err] = tails.clone();
        let reading = AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::join!(of_out.read(out), of_err.read(err));
        }));
        let ended = tokio::time::timeout(self.time_max, child.wait()).await;
        // Also after a good end: nobody looks after what it has left running.
        drop(group);
        // A child that has left the group may hold the streams open: what was said until now is told.
        let _ = tokio::time::timeout(OUTPUT_GRACE, reading).await;
        let output = String::from_utf8_lossy(&tails.map(|tail| tail.so_far()).concat()).into_owned();
        match ended {
            Ok(Ok(status)) if status.success() => Ok(output),
            Ok(Ok(status)) => Err(ToolError::Failed(format!("{status}\n{output}"))),
            Ok(Err(error)) => Err(ToolError::Failed(format!("{program:?} was lost: {error}"))),
            Err(_) => Err(ToolError::Failed(format!(
                "{program:?} took more than {:?} and was killed\n{output}",
                self.time_max
            ))),
        }
    }
}

struct RunCommand(Arc<Commands>);

impl Tool for RunCommand {
    fn spec(&self) -> ToolSpec {
        let programs = Kind::Choice(self.0.programs.clone());
        ToolSpec {
            name: RUN_COMMAND.to_owned(),
            description:
                "Runs a program and returns the end of what it prints. There is no shell: each argument is \
                          handed over as it stands."
                    .to_owned(),
            arguments: Schema::new().required("program", programs, "The program.").optional(
                "arguments",
                Kind::Texts,
                "Its arguments, one a text.",
            ),
        }
    }

    fn access(&self) -> Access {
        Access::Writes
    }

    fn call(
        &self,
        arguments: Arguments,
        _cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let program = arguments.text("program").expect("the schema requires it");
            let words: Vec<String> = arguments.texts("arguments").into_iter().map(str::to_owned).collect();
            self.0.run(program, &words).await
        })
    }
}

/// The end of what a stream has said so far.
#[derive(Clone)]
struct Tail {
    kept: Arc<Mutex<Vec<u8>>>,
    bytes_max: usize,
}

impl Tail {
    fn new(bytes_max: usize) -> Self {
        Self { kept: Arc::default(), bytes_max }
    }

    /// Reads everything and keeps the end.
    async fn read(self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 8192];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&buffer[..read]);
            if kept.len() > 2 * self.bytes_max {
                let excess = kept.len() - self.bytes_max;
                kept.drain(..excess);
            }
        }
    }

    fn so_far(&self) -> Vec<u8> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept[kept.len().saturating_sub(self.bytes_max)..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::tool::{Registry, ToolCall, ToolLimits, ToolResult, ToolStatus};

    fn commands(folder: &std::path::Path, programs: &[&str]) -> Commands {
        Commands {
            programs: programs.iter().map(|&program| program.to_owned()).collect(),
            folder: folder.to_owned(),
            time_max: Duration::from_secs(60),
            output_bytes_max: 1000,
        }
    }

    async fn call(commands: Commands, arguments: &Value) -> ToolResult {
        let registry = Registry::new([commands.tool()], ToolLimits::default()).unwrap();
        let arguments = arguments.to_string();
        let call = ToolCall { id: "1".to_owned(), name: RUN_COMMAND.to_owned(), arguments };
        registry.call(&call, &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn a_program_runs_in_its_folder_and_its_output_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "hello").unwrap();
        let result =
            call(commands(folder.path(), &["cat"]), &json!({ "program": "cat", "arguments": ["a.txt"] }))
                .await;
        assert_eq!((result.status, result.text.as_str()), (ToolStatus::Succeeded, "hello"));
        let result =
            call(commands(folder.path(), &["cat"]), &json!({ "program": "cat", "arguments": ["b"] })).await;
        assert_eq!(result.status, ToolStatus::Failed);
        assert!(result.text.starts_with("exit status: 1"), "{}", result.text);
    }

    #[tokio::test]
    async fn no_shell_looks_at_the_arguments() {
        let folder = tempfile::tempdir().unwrap();
        for word in [
            "; touch injected",
            "$(touch injected)",
            "`touch injected`",
            "| touch injected",
            "&& touch injected",
            "> injected",
            "\ntouch injected",
            "${IFS}touch${IFS}injected",
            "' ; touch injected ; '",
            "%0atouch%20injected",
        ] {
            let arguments = json!({ "program": "printf", "arguments": ["%s", word] });
            let result = call(commands(folder.path(), &["printf"]), &arguments).await;
            assert_eq!((result.status, result.text.as_str()), (ToolStatus::Succeeded, word));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_program_that_nobody_has_named_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        for program in ["sh", "/bin/cat", "cat ", "../cat", "", "cat\0sh"] {
            let result = call(commands(folder.path(), &["cat"]), &json!({ "program": program })).await;
            assert_eq!(result.status, ToolStatus::InvalidArguments, "{program:?}");
        }
        let many = json!({ "program": "cat", "arguments": vec!["x"; 2000] });
        let result = call(commands(folder.path(), &["cat"]), &many).await;
        assert_eq!(result.status, ToolStatus::Failed);
        let nul = json!({ "program": "cat", "arguments": ["a\0b"] });
        assert_eq!(call(commands(folder.path(), &["cat"]), &nul).await.status, ToolStatus::Failed);
    }

    #[tokio::test]
    async fn a_program_is_bounded_in_time_and_output_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let shell = |script: &str| json!({ "program": "sh", "arguments": ["-c", script] });
        let mut limited = commands(folder.path(), &["sh"]);
        limited.time_max = Duration::from_millis(300);
        // The child of the program holds a pipe: it closes only when that child is dead too.
        let fifo = folder.path().join("alive");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let reader = tokio::task::spawn_blocking(move || std::fs::read(fifo).unwrap());
        let result = call(limited, &shell("(exec 3>alive; sleep 600) & sleep 600")).await;
        assert!(result.text.contains("took more than 300ms"), "{}", result.text);
        assert_eq!(reader.await.unwrap(), b"");

        let noisy = commands(folder.path(), &["sh"]);
        let result = call(noisy, &shell("yes | head -c 10000000; printf 'end\\033[2J'")).await;
        assert_eq!(result.status, ToolStatus::Succeeded);
        assert!(result.text.len() < 1100 && result.text.ends_with("end\\u{1b}[2J"), "{}", result.text);
        // What a child leaves behind that holds the output does not take away what was said.
        let result = call(commands(folder.path(), &["sh"]), &shell("echo said; setsid sleep 20 &")).await;
        assert_eq!((result.status, result.text.as_str()), (ToolStatus::Succeeded, "said\n"));
        let secret = commands(folder.path(), &["env"]);
        let result = call(secret, &json!({ "program": "env" })).await;
        assert!(!result.text.contains("CARGO"), "{}", result.text);
    }
}
