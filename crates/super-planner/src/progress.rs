//! What is going on, while it goes on: a bar, a line for each agent, and a line that stays for whatever went wrong.

use std::time::Duration;

use agent_coordinator::engine::{Engine, IdleReason};
use agent_coordinator::{Handle, RecordedEvent};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use state_store::task::{AfterFailure, AgentKey, AgentStatus, Event, ProjectKey, StateName, Transition};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::escape::{clipped, gist};

/// How often the picture is drawn again.
const REDRAW: Duration = Duration::from_millis(100);

/// How often the bar is told as a line where it cannot be drawn.
const LINES: Duration = Duration::from_secs(5);

/// With more agents than this, only the bar is drawn.
const AGENTS_DRAWN: usize = 16;

/// The progress of a run, drawn to standard error until it is cleared.
#[derive(Debug)]
pub(crate) struct Progress {
    stop: CancellationToken,
    drawing: tokio::task::JoinHandle<()>,
}

/// How far a run is.
struct Glimpse {
    total: u64,
    settled: u64,
    under_way: usize,
    failed: usize,
    agents: Vec<(String, String)>,
}

impl Progress {
    /// Begins to draw.
    pub(crate) fn show(handle: Handle, project: ProjectKey) -> Self {
        let stop = CancellationToken::new();
        let drawing = tokio::spawn(draw(handle, project, stop.clone()));
        Self { stop, drawing }
    }

    /// Ends the drawing and takes it away.
    pub(crate) async fn clear(self) {
        self.stop.cancel();
        // It only draws; if it has failed, the report tells the rest.
        let _ = self.drawing.await;
    }
}

async fn draw(handle: Handle, project: ProjectKey, stop: CancellationToken) {
    let mut events = handle.events();
    let canvas = Canvas::new();
    let every = if canvas.is_drawn() { REDRAW } else { LINES };
    let mut redraw = tokio::time::interval(every);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = redraw.tick() => {
                let Ok(glimpse) = handle.inspect(move |engine, _| Glimpse::of(engine, project)).await else { break };
                canvas.redraw(&glimpse);
            }
            event = events.recv() => match event {
                Ok(event) => {
                    if let Some(line) = remarkable(&handle, event).await {
                        canvas.say(&line);
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    }
    canvas.clear();
}

struct Canvas {
    all: MultiProgress,
    bar: ProgressBar,
    agents: std::cell::RefCell<Vec<ProgressBar>>,
}

impl Canvas {
    fn new() -> Self {
        let all = MultiProgress::new();
        let bar = all.add(ProgressBar::new(0));
        bar.set_style(style("{elapsed:>4} {bar:32.green/dim} {pos:>4}/{len} {msg}"));
        Self { all, bar, agents: std::cell::RefCell::default() }
    }

    fn is_drawn(&self) -> bool {
        !self.all.is_hidden()
    }

    fn redraw(&self, glimpse: &Glimpse) {
        let failed = if glimpse.failed > 0 { format!(", {} failed", glimpse.failed) } else { String::new() };
        let message = format!("{} under way{failed}", glimpse.under_way);
        if !self.is_drawn() {
            self.say(&format!("{}/{} done, {message}", glimpse.settled, glimpse.total));
            return;
        }
        self.bar.set_length(glimpse.total);
        self.bar.set_position(glimpse.settled);
        self.bar.set_message(message);
        let mut lines = self.agents.borrow_mut();
        for (place, (name, doing)) in glimpse.agents.iter().enumerate() {
            if place == lines.len() {
                let line = self.all.add(ProgressBar::new_spinner());
                line.set_style(style("     {prefix:12.dim} {msg}"));
                lines.push(line);
            }
            lines[place].set_prefix(clipped(name, 12));
            lines[place].set_message(clipped(doing, 70));
        }
    }

    fn say(&self, line: &str) {
        if self.is_drawn() {
            // Standard error may be gone; the run goes on.
            let _ = self.all.println(line);
        } else {
            let _ = std::io::Write::write_all(&mut anstream::stderr(), format!("{line}\n").as_bytes());
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
        self.agents.borrow().iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant").progress_chars("━╸─")
}

impl Glimpse {
    fn of(engine: &Engine, key: ProjectKey) -> Self {
        let state = engine.state();
        let mut glimpse = Self { total: 0, settled: 0, under_way: 0, failed: 0, agents: Vec::new() };
        let Some(project) = state.project(key) else { return glimpse };
        for task in project.graph.tasks().filter(|task| !project.graph.is_group(*task)) {
            let record = project.task(task);
            glimpse.total += 1;
            glimpse.settled += u64::from(record.state.is_settled());
            glimpse.under_way += usize::from(record.state.lease().is_some());
            glimpse.failed += usize::from(record.state.name() == StateName::Failed);
        }
        let agents = (0..).map(AgentKey).zip(state.agents());
        let active = agents.filter(|(_, agent)| agent.status == AgentStatus::Active);
        glimpse.agents = active.map(|(key, agent)| (agent.name.clone(), doing(engine, key))).collect();
        if glimpse.agents.len() > AGENTS_DRAWN {
            glimpse.agents.clear();
        }
        glimpse
    }
}

fn doing(engine: &Engine, agent: AgentKey) -> String {
    match engine.explain_agent(agent) {
        Some(IdleReason::Busy { tasks }) => tasks.join(", "),
        Some(IdleReason::NothingItCanDo) => "· nothing ready that it can do".to_owned(),
        _ => "·".to_owned(),
    }
}

/// Returns the line that an event is worth, if it is worth one.
async fn remarkable(handle: &Handle, recorded: RecordedEvent) -> Option<String> {
    if let Event::FailuresReached { .. } = recorded.event {
        return Some("  too many attempts have failed: the project is paused".to_owned());
    }
    let Event::Task { task, transition } = recorded.event else { return None };
    let what = match transition {
        Transition::Fail { reason, then: AfterFailure::Retry(until), .. } => {
            format!("failed, again in {:.1?}: {reason}", until.since(recorded.at))
        }
        Transition::Fail { reason, then: AfterFailure::GiveUp, .. } => format!("failed for good: {reason}"),
        Transition::Conflict { conflict, .. } => {
            format!("conflict in {}: back to an agent", conflict.paths.join(", "))
        }
        Transition::Lose { why, .. } => format!("given up: {why}"),
        _ => return None,
    };
    let id = handle.inspect(move |engine, _| engine.task_id(task)).await.ok()?;
    Some(format!("  {}", gist(&format!("{id}: {what}"), 160)))
}
