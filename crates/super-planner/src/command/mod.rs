//! What each subcommand does; one file each.

pub mod completions;
pub mod config;
pub mod demo;
pub mod run;
