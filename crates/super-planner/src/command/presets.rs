//! `agent presets`: which presets for coding agents there are.

use std::collections::BTreeMap;

use agent_coordinator::executor::PromptBy;
use serde_json::json;

use crate::agent_presets::{AgentPreset, AgentPresets, user_file};
use crate::cli::PresetsArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::program_agent::is_program;
use crate::table::{Cell, Table};
use crate::terminal::{DIM, HEADING, Terminal};

/// Shows what was asked for.
pub fn run(args: &PresetsArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let presets = AgentPresets::load(config)?;
    match &args.name {
        Some(name) => show(name, presets.named(name)?, args, terminal)?,
        None => list(&presets, config, args, terminal)?,
    }
    Ok(Exit::Fine)
}

fn show(name: &str, preset: &AgentPreset, args: &PresetsArgs, terminal: &Terminal) -> Result<(), CliError> {
    let named = BTreeMap::from([(name, &preset.program)]);
    if args.json {
        return terminal.json(&json!({ "version": 1, "presets": named }));
    }
    let text = toml::to_string(&named).map_err(|error| {
        CliError::new(ErrorKind::Internal, "the preset cannot be written").caused_by(error)
    })?;
    terminal.print(text)
}

fn list(
    presets: &AgentPresets,
    config: &Config,
    args: &PresetsArgs,
    terminal: &Terminal,
) -> Result<(), CliError> {
    if args.json {
        let told = presets.iter().map(|(name, preset)| {
            json!({
                "name": name,
                "about": preset.program.about,
                "program": preset.program.program,
                "is_there": is_program(&preset.program.program),
                "prompt": preset.program.prompt,
                "file": preset.file,
            })
        });
        return terminal.json(&json!({ "version": 1, "presets": told.collect::<Vec<_>>() }));
    }
    let titles = ["preset", "program", "prompt by", "from", "what it is"];
    let mut table = Table::new(titles.map(|title| Cell::styled(title, HEADING)));
    for (name, preset) in presets.iter() {
        let program = &preset.program;
        let is_there = if is_program(&program.program) { "" } else { " (not found)" };
        let prompt = match program.prompt {
            PromptBy::Stdin => "standard input",
            PromptBy::File => "file",
            PromptBy::Argument => "argument",
        };
        let from = if preset.file.is_some() { "your file" } else { "this program" };
        let (name, about) = (escaped(name), escaped(&program.about));
        let program = escaped(&program.program) + is_there;
        table.row([name, program, prompt.to_owned(), from.to_owned(), about].map(Cell::plain));
    }
    terminal.print(table.draw(terminal.width()))?;
    if let Some(file) = user_file(config) {
        let (what, file) = (if file.exists() { "own ones" } else { "own ones go" }, file);
        terminal.note(format!("{DIM}{what} into {}{DIM:#}", escaped(&file.to_string_lossy())));
    }
    Ok(())
}
