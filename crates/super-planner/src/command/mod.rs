//! What each subcommand does; one file each.

pub mod analyze;
pub mod bench;
pub mod compact;
pub mod completions;
pub mod config;
pub mod convert;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod import;
pub mod land;
pub mod log;
mod log_diff;
mod log_git;
pub mod plan;
pub mod plan_diff;
pub mod prove;
pub mod recover;
pub mod repair;
pub mod run;
pub mod schema;
pub mod skills;
pub mod snapshot;
pub mod status;
pub mod validate;
pub mod verify;
