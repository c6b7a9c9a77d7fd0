//! `config show`: every setting and where it comes from.

use serde_json::{Value, json};

use crate::cli::{ConfigArgs, ConfigCommand};
use crate::config::{Config, ConfigFile};
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::table::{Cell, Table};
use crate::terminal::{DIM, HEADING, PLAIN, Terminal};

/// Shows the settings.
pub fn run(args: &ConfigArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let ConfigCommand::Show(show) = &args.command;
    let (path, state) = match &config.file {
        ConfigFile::Read(path) => (Some(path), "read"),
        ConfigFile::Missing(path) => (Some(path), "missing"),
        ConfigFile::Nowhere => (None, "nowhere"),
    };
    let path = path.map(|path| escaped(&path.to_string_lossy()));
    if show.json {
        let file = json!({ "path": path, "state": state });
        terminal.json(&json!({ "version": 1, "file": file, "settings": config.shown() }))?;
        return Ok(Exit::Fine);
    }
    terminal.line(match (path, &config.file) {
        (Some(path), ConfigFile::Read(_)) => format!("The file: {path}"),
        (Some(path), _) => format!("The file: {DIM}none at {path}{DIM:#}"),
        (None, _) => format!("The file: {DIM}none: neither XDG_CONFIG_HOME nor HOME is set{DIM:#}"),
    })?;
    let mut table = Table::new(["setting", "value", "from"].map(|title| Cell::styled(title, HEADING)));
    for setting in config.shown() {
        let style = if setting.origin == "default" { DIM } else { PLAIN };
        let value = match &setting.value {
            Value::String(text) => escaped(text),
            Value::Null => "-".to_owned(),
            other => escaped(&other.to_string()),
        };
        table.row([Cell::plain(setting.name), Cell::plain(value), Cell::styled(setting.origin, style)]);
    }
    terminal.print(table.draw(terminal.width()))?;
    Ok(Exit::Fine)
}
