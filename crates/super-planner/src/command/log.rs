//! `log`: what has happened, as it was recorded.

use std::collections::VecDeque;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use state_store::task::Moment;

use crate::cli::{LogArgs, LogCommand};
use crate::command::{log_diff, log_git};
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::history::{History, HistoryLine};
use crate::project_view::ProjectView;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, DIM, GOOD, HEADING, PLAIN, Terminal, WARN};

const COMMIT_CHARS_SHOWN: usize = 10;

/// Shows the history, or what differs between two points of it.
pub fn run(args: &LogArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        Some(LogCommand::Diff(args)) => log_diff::run(args, config, terminal),
        None => list(args, config, terminal),
    }
}

fn list(args: &LogArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let view = ProjectView::open_as_of(&args.place, config, args.at)?;
    if args.git {
        return log_git::run(&view, args, terminal);
    }
    let lines = collect(&view, args)?;
    let zone = TimeZone::system();
    if args.json {
        for line in &lines {
            let at = moment(line).to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
            terminal.json_line(&JsonLine { at, line })?;
        }
        return Ok(Exit::Fine);
    }
    if lines.is_empty() {
        terminal.note(format!("{DIM}nothing has happened{DIM:#}"));
        return Ok(Exit::Fine);
    }
    terminal.print(draw(&lines, &zone, view.projects().count() > 1, terminal.width()))?;
    Ok(Exit::Fine)
}

/// A line with its time as people write it.
#[derive(Serialize)]
struct JsonLine<'l> {
    at: String,
    #[serde(flatten)]
    line: &'l HistoryLine,
}

/// Returns the entries that were asked for; people are spared the renewals.
fn collect(view: &ProjectView, args: &LogArgs) -> Result<VecDeque<HistoryLine>, CliError> {
    let task = match args.task.as_ref().or(args.task_named.as_ref()) {
        Some(id) => Some(view.find_task(id, args.project.as_deref())?),
        None => None,
    };
    if let Some(name) = &args.project {
        view.projects_named(Some(name))?;
    }
    let mut history = History::begin(view.store(), view.stream())?;
    let mut lines = VecDeque::new();
    let until = Moment::At(view.engine().seq());
    let first = history.state().seq();
    until.replay(view.store(), view.stream(), first, &mut |recorded| {
        let (about, line) = history.tell(recorded)?;
        let is_asked_for = (args.json || !line.is_renewal)
            && (task.is_none() || about == task)
            && (args.project.is_none() || line.project == args.project);
        if is_asked_for && args.limit != Some(0) {
            if args.limit == Some(lines.len()) {
                lines.pop_front();
            }
            lines.push_back(line);
        }
        Ok(())
    })?;
    Ok(lines)
}

fn draw(lines: &VecDeque<HistoryLine>, zone: &TimeZone, names_projects: bool, width: usize) -> String {
    let zone_name = moment(&lines[0]).to_zoned(zone.clone()).strftime("%Z").to_string();
    let mut header = vec![
        Cell::styled(format!("time ({zone_name})"), HEADING),
        Cell::styled("task", HEADING),
        Cell::styled("what", HEADING),
        Cell::styled("agent", HEADING),
        Cell::styled("try", HEADING),
        Cell::styled("commit", HEADING),
        Cell::styled("more", HEADING),
    ];
    if names_projects {
        header.insert(1, Cell::styled("project", HEADING));
    }
    let mut table = Table::new(header);
    for line in lines {
        let text = |text: &Option<String>| text.as_deref().map(escaped).unwrap_or_default();
        let style = match line.event {
            "completed" => GOOD,
            "failed for good" => BAD,
            "failed" | "given up" | "in conflict" | "late result kept" => WARN,
            _ => PLAIN,
        };
        let at = moment(line).to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        let commit: String = text(&line.commit).chars().take(COMMIT_CHARS_SHOWN).collect();
        let mut row = vec![
            Cell::dim(at),
            Cell::plain(text(&line.task)),
            Cell::styled(line.event, style),
            Cell::plain(text(&line.agent)),
            Cell::plain(line.attempt.map(|attempt| attempt.to_string()).unwrap_or_default()),
            Cell::plain(commit),
            Cell::plain(text(&line.detail)),
        ];
        if names_projects {
            row.insert(1, Cell::plain(text(&line.project)));
        }
        table.row(row);
    }
    table.draw(width)
}

fn moment(line: &HistoryLine) -> Timestamp {
    i64::try_from(line.at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
}
