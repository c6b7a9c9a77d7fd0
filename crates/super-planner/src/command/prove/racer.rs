//! A process that races: it asks, and tells its history in the end, a line for each question.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use agent_coordinator::ScriptAgent;
use agent_coordinator::engine::Policy;
use agent_coordinator::race::{Asked, Counter, LibraryCounter, Racer, Told};
use planner_core::random::Random;
use serde_json::Value;
use state_store::StreamName;

use crate::cli::{PlaceArgs, ProveRacerArgs, Through};
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::state_location::StateLocation;
use crate::terminal::Terminal;

/// Races.
pub(super) fn run(args: &ProveRacerArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let lease = config.lease.value;
    let racer = Racer { agent: args.agent.clone(), random: Random::new(args.seed), pause: lease + lease / 4 };
    let operations = args.operations as usize;
    let history = match args.through {
        Through::Shell => {
            let program = std::env::current_exe().map_err(|error| {
                CliError::new(ErrorKind::Internal, "this program has no path").caused_by(error)
            })?;
            let (agent, project) = (args.agent.clone(), args.project.clone());
            racer.race(&mut ShellCounter { program, agent, project }, operations)?
        }
        Through::Library | Through::Both => {
            let place = PlaceArgs { repo: None, state: None, unsafe_durability: false };
            let store = StateLocation::find(&place, config)?.open_existing()?;
            let policy = Policy { lease, ..Policy::default() };
            let agent = ScriptAgent::open(store, StreamName::workspace(), &args.agent, policy)?;
            racer.race(&mut LibraryCounter::new(agent, &args.project), operations)?
        }
    };
    history.iter().try_for_each(|operation| terminal.json_line(operation))?;
    Ok(Exit::Fine)
}

/// Asks as a script does: each question is a command.
struct ShellCounter {
    program: PathBuf,
    agent: String,
    project: String,
}

impl Counter for ShellCounter {
    type Error = CliError;

    fn ask(&mut self, asked: &Asked) -> Result<Told, CliError> {
        let (verb, held) = match asked {
            Asked::Acquire => ("acquire", None),
            Asked::Heartbeat { task, token } => ("heartbeat", Some((task, token))),
            Asked::Complete { task, token } => ("complete", Some((task, token))),
            Asked::Release { task, token } => ("release", Some((task, token))),
        };
        let mut command = Command::new(&self.program);
        command.args(["task", verb, "--json", "--agent", &self.agent, "--project", &self.project]);
        if let Some((task, token)) = held {
            command.args([task, "--token", &token.to_string()]);
        }
        let output = command.stdin(Stdio::null()).output().map_err(|error| {
            CliError::new(ErrorKind::Internal, "this program cannot be started").caused_by(error)
        })?;
        let is_refused = || {
            let said = serde_json::from_slice::<Value>(&output.stderr).unwrap_or_default();
            said["error"]["kind"] == ErrorKind::Refused.as_str()
        };
        let told = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        match (asked, output.status.success()) {
            (Asked::Acquire, true) if told["task"].is_string() && told["token"].is_u64() => Ok(Told::Task {
                task: told["task"].as_str().unwrap_or_default().to_owned(),
                token: told["token"].as_u64().unwrap_or_default(),
            }),
            (Asked::Acquire, false) if told.get("task").is_some_and(Value::is_null) => Ok(Told::NoTask),
            (Asked::Heartbeat { .. } | Asked::Complete { .. } | Asked::Release { .. }, true) => Ok(Told::Yes),
            (_, false) if is_refused() => Ok(Told::Refused),
            _ => {
                let said = [output.stdout, output.stderr].concat();
                let message =
                    format!("`task {verb}` did not answer: {}", String::from_utf8_lossy(&said).trim());
                Err(CliError::new(ErrorKind::Store, message))
            }
        }
    }
}
