//! Agents that are programs, as a run is told them: which, what of theirs is kept, and what they have used up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_coordinator::executor::{AgentProgram, Budget, Ledger, Transcripts, Usage};
use serde::Serialize;

use crate::agent_presets::AgentPresets;
use crate::cli::ProgramAgentArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;
use crate::state_location::StateLocation;

/// How much of what an attempt prints is kept.
const ATTEMPT_BYTES_MAX: u64 = 8 << 20;

/// How much of what all attempts print is kept.
const BYTES_MAX: u64 = 512 << 20;

/// The file beside the transcripts that holds what was used up.
const USAGE_FILE: &str = "usage.jsonl";

/// Returns the program that does the work; none where it is no program.
pub(crate) fn choose(args: &ProgramAgentArgs, config: &Config) -> Result<Option<AgentProgram>, CliError> {
    let program = match (&args.agent_preset, &args.agent_command) {
        (Some(name), _) => {
            let presets = AgentPresets::load(config)?;
            presets.named(name)?.program.clone().with_more(&args.agent_argument)
        }
        (None, Some(command)) => {
            let mut words = command.split_whitespace().map(str::to_owned);
            let program = words.next();
            let program =
                program.ok_or_else(|| CliError::new(ErrorKind::Usage, "--agent-command names no program"))?;
            AgentProgram { git: args.agent_git, ..AgentProgram::plain(program, words.collect()) }
        }
        (None, None) if args.budget.is_empty() => return Ok(None),
        (None, None) => {
            let message = "--budget is for agents that are programs and tell what they use up";
            return Err(CliError::new(ErrorKind::Usage, message).hint("--agent-preset names one"));
        }
    };
    if !is_program(&program.program) {
        let message = format!("the agent `{}` cannot be run", escaped(&program.program));
        return Err(CliError::new(ErrorKind::Usage, message).hint(
            "an agent is a program on the path, or one by a path from the root: agents work in folders of their own",
        ));
    }
    Ok(Some(program))
}

/// Returns whether a program can be started from any folder: it is on the path, or its own path begins at the root.
pub(crate) fn is_program(name: &str) -> bool {
    let is_executable =
        |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
    if name.contains('/') {
        return Path::new(name).is_absolute() && is_executable(Path::new(name));
    }
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| is_executable(&folder.join(name))))
}

/// Returns the transcripts of a folder, within their bounds.
pub(crate) fn transcripts(folder: PathBuf) -> Transcripts {
    Transcripts::new(folder, ATTEMPT_BYTES_MAX, BYTES_MAX)
}

/// Returns the ledger of what agents have used up, earlier runs on the same state included.
pub(crate) fn ledger(budgets: &[Budget], place: &StateLocation) -> Result<Arc<Ledger>, CliError> {
    let unusable = |error: std::io::Error| {
        CliError::new(ErrorKind::Store, "what agents have used up cannot be read").caused_by(error)
    };
    let folder = place.transcripts_folder();
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).map_err(unusable)?;
    }
    let file = folder.map(|folder| folder.join(USAGE_FILE));
    Ledger::open(budgets.to_vec(), file).map(Arc::new).map_err(unusable)
}

/// What the agents of a project have told that they used up, in all runs on this machine.
#[derive(Debug, Serialize)]
pub(crate) struct AgentsUsage {
    all: Usage,
    agents: Vec<AgentUsage>,
}

#[derive(Debug, Serialize)]
struct AgentUsage {
    agent: String,
    #[serde(flatten)]
    usage: Usage,
}

impl AgentsUsage {
    pub(crate) fn of(ledger: &Ledger, project: &str) -> Self {
        let agents = ledger.by_agent(project);
        let all = agents.iter().fold(Usage::default(), |sum, (_, usage)| sum.plus(usage));
        let agents = agents.into_iter().map(|(agent, usage)| AgentUsage { agent, usage }).collect();
        Self { all, agents }
    }

    /// Returns it as lines for people; nothing where nothing is known.
    pub(crate) fn text(&self) -> String {
        if self.all.is_nothing() {
            return String::new();
        }
        let mut text = format!("used up     {}\n", self.all);
        for AgentUsage { agent, usage } in &self.agents {
            text += &format!("            {}: {usage}\n", escaped(agent));
        }
        text
    }
}
