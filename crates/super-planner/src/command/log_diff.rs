//! `log diff`: what differs between two points of the history, by meaning.

use serde::Serialize;
use serde_json::json;
use state_store::StreamName;
use state_store::task::{
    AgentStatus, Change, Completion, Difference, InstanceStatus, Landed, State, StateName, TaskKey,
    TaskRecord, TaskState,
};

use crate::cli::LogDiffArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::state_location::StateLocation;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, DIM, GOOD, HEADING, PLAIN, Terminal};

const COMMIT_CHARS_SHOWN: usize = 10;

/// Shows what differs.
pub(super) fn run(args: &LogDiffArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let store = StateLocation::find(&args.place, config)?.open_existing()?;
    let stream = StreamName::workspace();
    let before = State::as_of(&*store, &stream, args.before)?;
    let after = State::as_of(&*store, &stream, args.after)?;
    let difference = Difference::between(&before, &after);
    let told = Told::of(&difference, &before, &after);
    if args.json {
        terminal.json(&json!({
            "version": 1,
            "before": { "seq": before.seq() },
            "after": { "seq": after.seq() },
            "difference": told,
        }))?;
        return Ok(Exit::Fine);
    }
    terminal.line(format!("{DIM}from entry {} to entry {}{DIM:#}", before.seq(), after.seq()))?;
    if difference.is_empty() {
        return terminal.line("nothing differs").map(|()| Exit::Fine);
    }
    terminal.print(told.text(terminal.width()))?;
    Ok(Exit::Fine)
}

/// What differs, by the names that people know.
#[derive(Serialize)]
struct Told {
    projects: Vec<ToldChange>,
    tasks: Vec<ToldTask>,
    agents: Vec<ToldChange>,
    coordinators: Vec<ToldChange>,
    late_results: usize,
}

#[derive(Serialize)]
struct ToldChange {
    name: String,
    what: &'static str,
}

#[derive(Serialize)]
struct ToldTask {
    project: String,
    task: String,
    before: Option<ToldRecord>,
    after: Option<ToldRecord>,
}

#[derive(Serialize)]
struct ToldRecord {
    state: StateName,
    attempts: u32,
    failures: u32,
    agent: Option<String>,
    commit: Option<String>,
}

impl Told {
    fn of(difference: &Difference<'_>, before: &State, after: &State) -> Self {
        let projects = difference.projects.iter().map(|change| ToldChange {
            name: change.before.or(change.after).map(|project| project.name.clone()).unwrap_or_default(),
            what: what(change, "changed"),
        });
        let agents = difference.agents.iter().map(|change| ToldChange {
            name: change.before.or(change.after).map(|agent| agent.name.clone()).unwrap_or_default(),
            what: match (change.before, change.after.map(|agent| agent.status)) {
                (Some(_), Some(AgentStatus::Retired)) => "retired",
                (Some(_), Some(AgentStatus::Paused)) => "paused",
                _ => what(change, "registered anew"),
            },
        });
        let coordinators = difference.instances.iter().map(|change| ToldChange {
            name: change.key.to_string(),
            what: match (change.before, change.after.map(|instance| instance.status)) {
                (Some(_), Some(InstanceStatus::Ended)) => "ended",
                (None, Some(InstanceStatus::Ended)) => "came and ended",
                _ => what(change, "began again"),
            },
        });
        Self {
            projects: projects.collect(),
            tasks: difference.tasks.iter().map(|change| ToldTask::of(change, before, after)).collect(),
            agents: agents.collect(),
            coordinators: coordinators.collect(),
            late_results: difference.late_results.len(),
        }
    }

    fn text(&self, width: usize) -> String {
        let mut text = String::new();
        let lists = [("project", &self.projects), ("agent", &self.agents), ("", &self.coordinators)];
        for (kind, list) in lists {
            for change in list {
                let name = format!("{kind} {}", escaped(&change.name));
                text.push_str(&format!("{} {}\n", name.trim_start(), change.what));
            }
        }
        if self.late_results > 0 {
            text.push_str(&format!("{} late results kept\n", self.late_results));
        }
        let header = ["project", "task", "before", "after", "tries", "agent", "commit"];
        let mut table = Table::new(header.map(|title| Cell::styled(title, HEADING)));
        self.tasks.iter().for_each(|task| table.row(task.row()));
        if !table.is_empty() {
            text.push_str(&table.draw(width));
        }
        text
    }
}

impl ToldTask {
    fn of(change: &Change<'_, TaskKey, TaskRecord>, before: &State, after: &State) -> Self {
        let key = change.key;
        let project = after.project(key.project).or(before.project(key.project));
        let task = project.and_then(|project| project.plan.tasks.get(key.task as usize));
        Self {
            project: project.map(|project| project.name.clone()).unwrap_or_default(),
            task: task.map(|task| task.id.to_string()).unwrap_or_default(),
            before: change.before.map(|record| ToldRecord::of(record, before)),
            after: change.after.map(|record| ToldRecord::of(record, after)),
        }
    }

    fn row(&self) -> Vec<Cell> {
        let state = |record: &Option<ToldRecord>| record.as_ref().map(|record| record.state);
        let style = match state(&self.after) {
            Some(StateName::Completed) => GOOD,
            Some(StateName::Failed) => BAD,
            _ => PLAIN,
        };
        let named = |state: Option<StateName>| state.map_or("", StateName::as_str);
        let last = self.after.as_ref().or(self.before.as_ref());
        let text = |of: fn(&ToldRecord) -> Option<&String>| {
            last.and_then(of).map(|text| escaped(text)).unwrap_or_default()
        };
        vec![
            Cell::plain(escaped(&self.project)),
            Cell::plain(self.task.clone()),
            Cell::plain(named(state(&self.before))),
            Cell::styled(named(state(&self.after)), style),
            Cell::number(last.map_or(0, |record| record.attempts)),
            Cell::plain(text(|record| record.agent.as_ref())),
            Cell::plain(
                text(|record| record.commit.as_ref()).chars().take(COMMIT_CHARS_SHOWN).collect::<String>(),
            ),
        ]
    }
}

impl ToldRecord {
    fn of(record: &TaskRecord, state: &State) -> Self {
        let completion = match &record.state {
            TaskState::Completed(Completion::Attempt { lease, landed, .. }) => Some((lease, landed)),
            _ => None,
        };
        let lease = record.state.lease().or(completion.map(|(lease, _)| lease));
        let commit = completion.and_then(|(_, landed)| match landed {
            Landed::Commit { commit, .. } => Some(commit.to_string()),
            Landed::Empty | Landed::NotAsked => None,
        });
        Self {
            state: record.state.name(),
            attempts: record.attempts,
            failures: record.failures,
            agent: lease.and_then(|lease| state.agent(lease.agent)).map(|agent| agent.name.clone()),
            commit,
        }
    }
}

/// Returns what happened to something that is in one state, the other, or, then `both`, in both.
fn what<K, T>(change: &Change<'_, K, T>, both: &'static str) -> &'static str {
    match (change.before, change.after) {
        (None, _) => "is new",
        (Some(_), None) => "is not there",
        (Some(_), Some(_)) => both,
    }
}
