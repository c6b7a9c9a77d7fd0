//! The facade for embedders, and the command line.
//!
//! Whoever embeds super-planner finds its crates here under one name: [`planner_core`] reads and analyses plans,
//! [`state_store`] keeps what happens, [`agent_coordinator`] hands out tasks, [`git_ops`] lands results,
//! [`agent_runtime`] is what an agent is made of.
//!
//! The rest is the program: [`cli`] says what can be typed, [`config`] what can be set, [`command`] does it, [`error`]
//! says what went wrong and which exit code that is.

pub use {agent_coordinator, agent_runtime, git_ops, planner_core, state_store};

mod agent_presets;
mod agent_tools;
mod agents;
mod asking;
mod check_trust;
pub mod cli;
pub mod command;
pub mod config;
pub mod error;
pub mod escape;
mod event_lines;
pub mod history;
pub mod landed;
pub mod landing_config;
mod local_time;
pub mod logging;
mod mcp_servers;
mod models;
pub mod moment;
pub mod nearest;
mod plan_change;
pub mod plan_file;
pub mod plan_output;
mod plan_summary;
pub mod program;
mod program_agent;
mod progress;
pub mod project_view;
mod react_agent;
pub mod report;
mod run;
pub mod session;
pub mod snippet;
pub mod state_location;
pub mod table;
mod target;
pub mod terminal;
