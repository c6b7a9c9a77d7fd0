//! `status`: how far the projects are, once or until nothing moves any more.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_coordinator::engine::{AgentCondition, Explanation, IdleReason};
use serde::Serialize;
use state_store::Timestamp;
use state_store::task::{
    AgentKey, CancelReason, Completion, Project, ProjectKey, StateName, TaskKey, TaskState,
};

use crate::cli::StatusArgs;
use crate::command::explain::Told;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::{clipped, escaped};
use crate::local_time::local_time;
use crate::project_view::ProjectView;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, BUSY, DIM, GOOD, HEADING, PLAIN, Terminal, WARN};

const WAITING_SHOWN: usize = 20;
/// How many tasks that wait for others are looked at to find the ones that are listed: each look costs time.
const WAITS_EXPLAINED_MAX: usize = 200;
const BAR_CHARS: usize = 30;
const TITLE_CHARS_MAX: usize = 32;
/// How long nothing new is waited for before times are shown anew.
const PATIENCE: Duration = Duration::from_millis(500);

/// Shows how far the projects are.
pub fn run(args: &StatusArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut view = ProjectView::open_as_of(&args.place, config, args.at)?;
    let projects = view.projects_named(args.project.as_deref())?;
    if args.watch {
        watch(&mut view, args, terminal)?;
    } else {
        let status = Status::of(&view, &projects, args.all);
        if args.json {
            terminal.json(&status)?;
        } else {
            terminal.print(status.text(&view, terminal.width()))?;
        }
    }
    Ok(Exit::Fine)
}

/// Shows every change until nothing moves any more: on a terminal in place, elsewhere a line each.
fn watch(view: &mut ProjectView, args: &StatusArgs, terminal: &Terminal) -> Result<(), CliError> {
    let mut drawn_lines = 0;
    let mut shown = None;
    loop {
        view.read_on()?;
        let projects = view.projects_named(args.project.as_deref())?;
        let status = Status::of(view, &projects, args.all);
        if shown != Some(status.seq) || terminal.is_terminal() {
            shown = Some(status.seq);
            if args.json {
                terminal.json_line(&status)?;
            } else if terminal.is_terminal() {
                let text = status.text(view, terminal.width());
                let lines: Vec<&str> = text.lines().take(terminal.height().saturating_sub(1)).collect();
                let back = match drawn_lines {
                    0 => String::new(),
                    lines => format!("\u{1b}[{lines}A\u{1b}[J"),
                };
                terminal.line(format!("{back}{}", lines.join("\n")))?;
                drawn_lines = lines.len();
            } else {
                terminal.print(status.lines(view.now()))?;
            }
        }
        if !status.is_moving {
            return Ok(());
        }
        while !view.wait_for_news(PATIENCE)? && is_anybody_at_work(view) {
            if terminal.is_terminal() && !args.json {
                break;
            }
        }
    }
}

/// How far projects are.
#[derive(Debug, Serialize)]
struct Status {
    version: u32,
    seq: u64,
    state: String,
    is_moving: bool,
    projects: Vec<ProjectStatus>,
    agents: Vec<AgentStatus>,
}

#[derive(Debug, Serialize)]
struct ProjectStatus {
    name: String,
    branch: Option<String>,
    runs_checks: bool,
    tasks: usize,
    completed: usize,
    ready: usize,
    states: BTreeMap<StateName, usize>,
    running: Vec<RunningTask>,
    /// Those that are neither done nor under way, as many as were asked for.
    waiting: Vec<WaitingTask>,
    waiting_in_all: usize,
}

#[derive(Debug, Serialize)]
struct RunningTask {
    task: String,
    title: String,
    state: StateName,
    agent: String,
    attempt: u32,
    since_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct WaitingTask {
    task: String,
    title: String,
    state: StateName,
    explanation: Explanation,
    sentence: String,
}

#[derive(Debug, Serialize)]
struct AgentStatus {
    name: String,
    condition: Option<AgentCondition>,
    #[serde(flatten)]
    doing: Option<IdleReason>,
    completed: usize,
}

impl Status {
    fn of(view: &ProjectView, projects: &[ProjectKey], all: bool) -> Self {
        let now = view.now();
        let state = view.engine().state();
        let mut completed: BTreeMap<AgentKey, usize> = BTreeMap::new();
        for (_, project) in view.projects() {
            for record in &project.tasks {
                if let TaskState::Completed(Completion::Attempt { lease, .. }) = &record.state {
                    *completed.entry(lease.agent).or_default() += 1;
                }
            }
        }
        let agents = (0..).map(AgentKey).zip(state.agents()).map(|(key, agent)| AgentStatus {
            name: agent.name.clone(),
            condition: view.engine().agent_condition(key, &|coordinator| view.is_at_work(coordinator)),
            doing: view.engine().explain_agent(key),
            completed: completed.get(&key).copied().unwrap_or(0),
        });
        let projects: Vec<ProjectStatus> = projects
            .iter()
            .filter_map(|key| Some(ProjectStatus::of(view, *key, state.project(*key)?, now, all)))
            .collect();
        let is_left = |project: &ProjectStatus| {
            project.ready > 0 || !project.running.is_empty() || project.is_in_backoff()
        };
        Self {
            version: 1,
            seq: view.engine().seq().get(),
            state: view.location().to_string(),
            is_moving: is_anybody_at_work(view) && projects.iter().any(is_left),
            projects,
            agents: agents.collect(),
        }
    }

    fn text(&self, view: &ProjectView, width: usize) -> String {
        if self.projects.is_empty() {
            return format!("{DIM}no projects in {}{DIM:#}\n", self.state);
        }
        let mut text = match view.is_of_the_past() {
            true => format!("{DIM}as of entry {}, {}{DIM:#}\n", self.seq, local_time(view.now())),
            false => String::new(),
        };
        for project in &self.projects {
            text.push_str(&project.text(view.now(), width));
            text.push('\n');
        }
        text.push_str(&self.agents_text(width));
        let is_anybody_missed = !is_anybody_at_work(view) && !view.is_of_the_past();
        if is_anybody_missed && self.projects.iter().any(|project| project.completed < project.tasks) {
            text.push_str(&format!("{DIM}no coordinator is at work{DIM:#}\n"));
        }
        text
    }

    fn agents_text(&self, width: usize) -> String {
        if self.agents.is_empty() {
            return String::new();
        }
        let mut table = Table::new(["agent", "is", "done", "now"].map(|title| Cell::styled(title, HEADING)));
        for agent in &self.agents {
            let (text, style) = match &agent.doing {
                Some(IdleReason::Busy { tasks }) => {
                    (tasks.iter().map(|task| escaped(task)).collect::<Vec<_>>().join(", "), BUSY)
                }
                Some(reason) => (Told::of_agent(reason).sentence, DIM),
                None => (String::new(), PLAIN),
            };
            table.row([
                Cell::plain(escaped(&agent.name)),
                Cell::plain(agent.condition.map_or("", AgentCondition::as_str)),
                Cell::number(agent.completed),
                Cell::styled(text, style),
            ]);
        }
        table.draw(width)
    }

    /// Returns a line for each project, for output that is not drawn again.
    fn lines(&self, now: Timestamp) -> String {
        let at =
            i64::try_from(now.as_millis()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let at = at.map(|at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string());
        let lines = self.projects.iter().map(|project| {
            format!(
                "{} {}: {} of {} done, {} running, {} ready, {} failed\n",
                at.as_deref().unwrap_or(""),
                escaped(&project.name),
                project.completed,
                project.tasks,
                project.running.len(),
                project.ready,
                project.count(StateName::Failed)
            )
        });
        lines.collect()
    }
}

/// Returns whether a coordinator is there to move anything.
fn is_anybody_at_work(view: &ProjectView) -> bool {
    view.engine().state().instances().iter().any(|instance| view.is_at_work(instance))
}

impl ProjectStatus {
    fn of(view: &ProjectView, key: ProjectKey, project: &Project, now: Timestamp, all: bool) -> Self {
        let mut status = Self {
            name: project.name.clone(),
            branch: project.settings.branch.clone(),
            runs_checks: project.settings.checks,
            tasks: 0,
            completed: 0,
            ready: 0,
            states: BTreeMap::new(),
            running: Vec::new(),
            waiting: Vec::new(),
            waiting_in_all: 0,
        };
        let mut waits_explained = 0;
        for index in view.leaves(key) {
            let (task, key) = (&project.plan.tasks[index.index()], TaskKey::new(key, index));
            let state = &project.task(index).state;
            if matches!(state, TaskState::Cancelled(CancelReason::Excluded(_))) {
                continue;
            }
            status.tasks += 1;
            *status.states.entry(state.name()).or_default() += 1;
            let is_awaiting = matches!(state, TaskState::AwaitingApproval { .. });
            if let Some(lease) = state.lease().filter(|_| !is_awaiting) {
                let agent = view.engine().state().agent(lease.agent);
                status.running.push(RunningTask {
                    task: task.id.to_string(),
                    title: task.title.clone(),
                    state: state.name(),
                    agent: agent.map(|agent| agent.name.clone()).unwrap_or_default(),
                    attempt: lease.attempt,
                    since_ms: view.assigned_at(key).map(Timestamp::as_millis),
                });
                continue;
            }
            match state {
                TaskState::Completed(_) => status.completed += 1,
                TaskState::Cancelled(_) => {}
                _ => {
                    let is_ready = view.engine().is_ready(key);
                    status.ready += usize::from(is_ready);
                    status.waiting_in_all += 1;
                    let waits = !is_ready && matches!(state, TaskState::Pending | TaskState::InConflict(_));
                    if all || !waits || waits_explained < WAITS_EXPLAINED_MAX {
                        waits_explained += usize::from(waits);
                        status.waiting.extend(view.explain(key, now).map(|explanation| WaitingTask {
                            task: task.id.to_string(),
                            title: task.title.clone(),
                            state: state.name(),
                            sentence: Told::of(&explanation, now).sentence,
                            explanation,
                        }));
                    }
                }
            }
        }
        status.waiting.sort_by_key(|waiting| rank(&waiting.explanation));
        if !all {
            status.waiting.truncate(WAITING_SHOWN);
        }
        status
    }

    fn count(&self, state: StateName) -> usize {
        self.states.get(&state).copied().unwrap_or(0)
    }

    fn is_in_backoff(&self) -> bool {
        self.count(StateName::Backoff) > 0
    }

    fn text(&self, now: Timestamp, width: usize) -> String {
        let failed = self.count(StateName::Failed);
        let bar = bar(self.completed, failed, self.tasks);
        let percent = (self.completed * 100).checked_div(self.tasks).unwrap_or(100);
        let mut text = format!(
            "{HEADING}{}{HEADING:#}  {bar} {percent:>3} %  {} of {} done\n",
            escaped(&self.name),
            self.completed,
            self.tasks
        );
        let mut parts: Vec<String> = self
            .states
            .iter()
            .filter(|(state, _)| **state != StateName::Completed)
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        parts.push(format!("{} ready", self.ready));
        text.push_str(&format!("  {DIM}{}{DIM:#}\n", parts.join(", ")));
        if !self.running.is_empty() {
            let mut table = Table::new(
                ["  running", "state", "agent", "try", "since", ""].map(|title| Cell::styled(title, HEADING)),
            );
            for running in &self.running {
                let since = running.since_ms.map(|since| {
                    let length = now.since(Timestamp::from_millis(since));
                    humantime::format_duration(Duration::from_secs(length.as_secs())).to_string()
                });
                table.row([
                    Cell::styled(format!("  {}", running.task), BUSY),
                    Cell::plain(running.state.as_str()),
                    Cell::plain(escaped(&running.agent)),
                    Cell::number(running.attempt),
                    Cell::plain(since.unwrap_or_default()),
                    Cell::dim(clipped(&running.title, TITLE_CHARS_MAX)),
                ]);
            }
            text.push_str(&table.draw(width));
        }
        if !self.waiting.is_empty() {
            let mut table =
                Table::new(["  not running", "", "why"].map(|title| Cell::styled(title, HEADING)));
            for waiting in &self.waiting {
                let style = match rank(&waiting.explanation) {
                    0 => BAD,
                    1 => WARN,
                    2 => GOOD,
                    _ => PLAIN,
                };
                table.row([
                    Cell::styled(format!("  {}", waiting.task), style),
                    Cell::dim(clipped(&waiting.title, TITLE_CHARS_MAX)),
                    Cell::plain(waiting.sentence.clone()),
                ]);
            }
            text.push_str(&table.draw(width));
            let more = self.waiting_in_all - self.waiting.len();
            if more > 0 {
                text.push_str(&format!("  {DIM}and {more} more; --all lists them{DIM:#}\n"));
            }
        }
        text
    }
}

/// Returns how much a waiting task deserves to be seen: 0 needs somebody to act, 3 waits its turn.
fn rank(explanation: &Explanation) -> u8 {
    match explanation {
        Explanation::Failed { .. } | Explanation::NoAgent { .. } | Explanation::TooManyFailures { .. } => 0,
        Explanation::Waiting { blockers } if blockers.iter().any(|blocker| blocker.is_hopeless) => 0,
        Explanation::OnHold
        | Explanation::AwaitingStart
        | Explanation::AwaitingLanding { .. }
        | Explanation::Backoff { .. }
        | Explanation::ProjectPaused
        | Explanation::AgentsPaused { .. } => 1,
        Explanation::NoCoordinator
        | Explanation::WritesOverlap { .. }
        | Explanation::AgentsBusy { .. }
        | Explanation::Next => 2,
        Explanation::Waiting { .. }
        | Explanation::Orphaned { .. }
        | Explanation::DoneBefore
        | Explanation::CompletedByHand { .. }
        | Explanation::Completed { .. }
        | Explanation::UnderWay { .. }
        | Explanation::Cancelled { .. }
        | Explanation::Group { .. } => 3,
    }
}

fn bar(completed: usize, failed: usize, total: usize) -> String {
    let done = (completed * BAR_CHARS).checked_div(total).unwrap_or(BAR_CHARS);
    let bad = (failed * BAR_CHARS).checked_div(total).unwrap_or(0).min(BAR_CHARS - done);
    let rest = BAR_CHARS - done - bad;
    format!(
        "{GOOD}{}{GOOD:#}{BAD}{}{BAD:#}{DIM}{}{DIM:#}",
        "█".repeat(done),
        "█".repeat(bad),
        "░".repeat(rest)
    )
}
