//! `worktrees`: the folders that agents and checks work in, whose they are, and what they take.

use git_ops::{WorktreeError, WorktreeFolder, WorktreePool};
use serde_json::{Value, json};

use crate::cli::WorktreesArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::table::{Cell, Table};
use crate::terminal::{DIM, HEADING, Terminal};

/// Shows the folders, after those of processes that are gone were removed if that is asked for.
pub fn run(args: &WorktreesArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let options = config.worktree_options();
    let removed = match args.clean {
        true => WorktreePool::remove_abandoned(&options).map_err(unusable)?,
        false => Vec::new(),
    };
    let folders = WorktreePool::folders(&options).map_err(unusable)?;
    if args.json {
        let removed: Vec<_> = removed.iter().map(|path| path.to_string_lossy()).collect();
        let shown: Vec<Value> = folders.iter().map(as_json).collect();
        terminal.json(&json!({ "version": 1, "removed": removed, "folders": shown }))?;
        return Ok(Exit::Fine);
    }
    for path in &removed {
        terminal.line(format_args!("removed {}", escaped(&path.to_string_lossy())))?;
    }
    if folders.is_empty() {
        terminal.note(format!(
            "{DIM}there are no worktrees in {}{DIM:#}",
            escaped(&options.folder.to_string_lossy())
        ));
        return Ok(Exit::Fine);
    }
    let mut table =
        Table::new(["folder", "process", "worktrees", "MiB"].map(|title| Cell::styled(title, HEADING)));
    for folder in &folders {
        let process = folder.process.map_or_else(|| "?".to_owned(), |process| process.to_string());
        let process = if folder.is_in_use { process } else { format!("{process}, gone") };
        let path = escaped(&folder.path.to_string_lossy());
        let bytes = format!("{:.1}", folder.bytes as f64 / f64::from(1 << 20));
        table.row([path, process, folder.worktrees.to_string(), bytes].map(Cell::plain));
    }
    terminal.print(table.draw(terminal.width()))?;
    Ok(Exit::Fine)
}

fn as_json(folder: &WorktreeFolder) -> Value {
    json!({
        "folder": folder.path.to_string_lossy(),
        "process": folder.process,
        "in_use": folder.is_in_use,
        "worktrees": folder.worktrees,
        "bytes": folder.bytes,
    })
}

fn unusable(error: WorktreeError) -> CliError {
    CliError::new(ErrorKind::Input, "the worktrees cannot be looked at").caused_by(error)
}
