//! Tools of `react` agents beside those over files: programs that were named, and those of MCP servers.
//!
//! A program works in a folder of the attempt's own, filled with the files that the attempt begins from and those that it has
//! written since. What it changes there is seen by the next program and is no part of the result, so that an attempt that goes on
//! after a crash comes to the same files again.

use std::sync::Arc;

use agent_coordinator::executor::Base;
use agent_runtime::BoxFuture;
use agent_runtime::tool::command::Commands;
use agent_runtime::tool::files::{Files, Folder, WorkingSet};
use agent_runtime::tool::{Access, Arguments, Tool, ToolError, ToolSpec};
use git_ops::{Worktree, WorktreeError, WorktreePool};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use crate::cli::ModelArgs;
use crate::error::CliError;
use crate::mcp_servers::Servers;
use crate::terminal::Terminal;

/// The tools that a run gives its agents.
pub(crate) struct AgentTools {
    programs: Vec<String>,
    servers_named: Vec<String>,
    /// Started by the first attempt, and shared by all.
    servers: OnceCell<Servers>,
    worktrees: WorktreePool,
    terminal: Terminal,
}

impl AgentTools {
    pub(crate) fn new(args: &ModelArgs, worktrees: WorktreePool, terminal: &Terminal) -> Self {
        Self {
            programs: args.programs.clone(),
            servers_named: args.mcp.clone(),
            servers: OnceCell::new(),
            worktrees,
            terminal: terminal.clone(),
        }
    }

    /// Returns the tools of an attempt that begins from these files.
    pub(crate) async fn of(
        &self,
        base: Option<Base>,
        files: &Arc<WorkingSet>,
    ) -> Result<Vec<Arc<dyn Tool>>, CliError> {
        let servers =
            self.servers.get_or_try_init(|| Servers::start(&self.servers_named, &self.terminal)).await?;
        let mut tools = servers.tools();
        if !self.programs.is_empty() {
            tools.push(Arc::new(Programs {
                commands: Commands::of(self.programs.clone(), std::path::PathBuf::new()),
                base,
                files: Arc::clone(files),
                worktrees: self.worktrees.clone(),
                folder: Mutex::default(),
            }));
        }
        Ok(tools)
    }
}

/// Programs over the files of an attempt.
struct Programs {
    /// What may be run; where is found out when it is.
    commands: Commands,
    base: Option<Base>,
    files: Arc<WorkingSet>,
    worktrees: WorktreePool,
    /// The folder of the attempt, once a program was run.
    folder: Mutex<Option<Arc<Worktree>>>,
}

impl Programs {
    /// Returns the folder with the files as they are now.
    async fn folder(&self) -> Result<Arc<Worktree>, ToolError> {
        let mut folder = self.folder.lock().await;
        let (lent, base) = (folder.clone(), self.base.clone());
        let (worktrees, files) = (self.worktrees.clone(), Arc::clone(&self.files));
        let prepare = move || {
            let worktree = match (lent, base) {
                (Some(worktree), _) => worktree,
                (None, Some(base)) => Arc::new(worktrees.lend(base.repository(), base.commit(), &[])?),
                (None, None) => Arc::new(worktrees.lend_empty()?),
            };
            Ok::<_, WorktreeError>((write_into(&worktree, &files), worktree))
        };
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let prepared = prepared.map_err(|panic| ToolError::Failed(panic.to_string()))?;
        let (written, worktree) = prepared.map_err(|error| match error {
            // Others give theirs back.
            WorktreeError::Full { .. } => ToolError::Passing(error.to_string()),
            error => ToolError::Failed(format!("there is no folder to run it in: {error}")),
        })?;
        *folder = Some(Arc::clone(&worktree));
        written.map(|()| worktree).map_err(|reason| {
            ToolError::Failed(format!("the files could not be put where it runs: {reason}"))
        })
    }
}

fn write_into(worktree: &Worktree, files: &WorkingSet) -> Result<(), String> {
    let folder = Folder::open(worktree.path()).map_err(|error| error.to_string())?;
    let mut changes = files.changes().into_iter();
    changes.try_for_each(|(path, content)| folder.write(&path, content).map_err(|error| error.to_string()))
}

impl Tool for Programs {
    fn spec(&self) -> ToolSpec {
        self.commands.clone().tool().spec()
    }

    fn access(&self) -> Access {
        self.commands.clone().tool().access()
    }

    fn call(
        &self,
        arguments: Arguments,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let worktree = self.folder().await?;
            let commands = Commands { folder: worktree.path().to_owned(), ..self.commands.clone() };
            commands.tool().call(arguments, cancel).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use agent_runtime::tool::files::FilePath;
    use agent_runtime::tool::{Registry, ToolCall, ToolLimits, ToolResult, ToolStatus};
    use git_ops::WorktreeOptions;
    use serde_json::json;

    use super::*;
    use crate::cli::ColorWhen;

    async fn run(registry: &Registry, program: &str, arguments: &[&str]) -> ToolResult {
        let arguments = json!({ "program": program, "arguments": arguments }).to_string();
        let call = ToolCall { id: "1".to_owned(), name: "run_command".to_owned(), arguments };
        registry.call(&call, &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn programs_see_what_was_written_and_change_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let worktrees = WorktreePool::new(WorktreeOptions {
            folder: folder.path().join("worktrees"),
            ..WorktreeOptions::default()
        });
        let programs = ["cat", "sh"].map(str::to_owned).to_vec();
        let args = ModelArgs { programs, ..ModelArgs::default() };
        let tools = AgentTools::new(&args, worktrees.clone(), &Terminal::detect(ColorWhen::Never));
        let files = Arc::new(WorkingSet::new(BTreeMap::new()));
        let path = FilePath::new("docs/a.md").unwrap();
        files.write(&path, b"one".to_vec()).unwrap();
        let registry = Registry::new(tools.of(None, &files).await.unwrap(), ToolLimits::default()).unwrap();
        assert_eq!(run(&registry, "cat", &["docs/a.md"]).await.text, "one");
        files.write(&path, b"two".to_vec()).unwrap();
        assert_eq!(run(&registry, "cat", &["docs/a.md"]).await.text, "two");
        let changed = run(&registry, "sh", &["-c", "echo three > docs/a.md; echo new > b.md"]).await;
        assert_eq!(changed.status, ToolStatus::Succeeded);
        assert_eq!(run(&registry, "cat", &["b.md"]).await.text, "new\n", "the next one sees it");
        assert_eq!(files.changes().len(), 1);
        assert_eq!(files.read(&path).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(run(&registry, "rm", &["docs/a.md"]).await.status, ToolStatus::InvalidArguments);
        assert_eq!(worktrees.lent(), 1);
        drop(registry);
        assert_eq!(worktrees.lent(), 0, "it is given back");
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_used_is_told() {
        let args = ModelArgs { mcp: vec!["t=/no/such/program".to_owned()], ..ModelArgs::default() };
        let tools = AgentTools::new(&args, WorktreePool::default(), &Terminal::detect(ColorWhen::Never));
        let error = tools.of(None, &Arc::new(WorkingSet::new(BTreeMap::new()))).await.err().unwrap();
        let expected =
            if cfg!(feature = "mcp") { "an MCP server cannot be used" } else { "was built without MCP" };
        assert!(error.to_string().contains(expected), "{error}");
    }
}
