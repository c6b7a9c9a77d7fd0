//! How a run is told which program does its work, and how much that may use up.

use std::time::Duration;

use agent_coordinator::executor::Budget;
use clap::Args;

/// Which program does the work of a run.
#[derive(Debug, Clone, Args)]
pub struct ProgramAgentArgs {
    /// The program that does the work, with its arguments split at white space; without it, agents are simulated.
    /// It reads the task from its standard input and changes files in the folder that it is started in
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["agent", "time_scale", "failure_rate", "shared_rate"])]
    pub agent_command: Option<String>,
    /// Let that program find a repository of its own in its folder, with one commit of the files; what it does in there is thrown
    /// away, and how the files differ in the end is its result
    #[arg(long, requires = "agent_command")]
    pub agent_git: bool,
    /// The agent that does the work, by the name of its preset; `super-planner agent presets` lists them
    #[arg(long, value_name = "NAME", conflicts_with_all = ["agent_command", "agent", "time_scale", "failure_rate", "shared_rate"])]
    pub agent_preset: Option<String>,
    /// One more argument for that agent, such as --agent-argument=--model --agent-argument=NAME
    #[arg(long, value_name = "ARGUMENT", requires = "agent_preset", allow_hyphen_values = true)]
    pub agent_argument: Vec<String>,
    /// For how long such an agent may print nothing, where the task does not say (`silence_seconds`); then its lease is not renewed any more, unless it renews it itself by
    /// `super-planner task heartbeat`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30m")]
    pub agent_silence: Duration,
    /// How long such an agent may take until it prints anything, where the task does not say (`start_seconds`) [default: as --agent-silence]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub agent_start: Option<Duration>,
    /// How much may be used up: by a task, by an agent or in all, as in task=2.50usd, agent=500000tokens, run=40usd
    #[arg(long, value_name = "SCOPE=AMOUNT", value_parser = Budget::parse)]
    pub budget: Vec<Budget>,
}
