//! The report as people read it.

use std::time::Duration;

use planner_core::Effort;

use crate::escape::{clipped, escaped, gist};
use crate::report::Report;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, DIM, GOOD, HEADING, Terminal, WARN};

/// How many open tasks are named.
const OPEN_SHOWN: usize = 10;

/// With more agents than this, only their sum is told.
const AGENTS_SHOWN: usize = 32;

impl Report {
    /// Returns the report; `time_scale` is how many times faster than planned the agents worked; `None` where
    /// they were real.
    pub fn text(&self, terminal: &Terminal, time_scale: Option<f64>) -> String {
        let mut text = self.outcome();
        text += &self.times(time_scale);
        text += &self.counts();
        if let Some(transitions) = &self.transitions {
            text += &format!(
                "transitions {} commands in {} durable appends ({} events) of this process; command to durable answer p50 {}, p99 {}\n",
                transitions.commands,
                transitions.commits,
                transitions.events,
                micros(transitions.p50_us),
                micros(transitions.p99_us),
            );
        }
        text += &self.agents(terminal);
        text + &self.open()
    }

    fn outcome(&self) -> String {
        let tasks = &self.tasks;
        let (style, verdict) = if self.all_done() { (GOOD, "all done") } else { (BAD, "not all done") };
        let mut parts = vec![format!("{} completed", tasks.completed)];
        for (count, what) in [
            (tasks.failed, "failed"),
            (tasks.open, "open"),
            (tasks.on_hold, "put aside"),
            (tasks.cancelled, "called off"),
            (tasks.completed_before, "done before"),
            (tasks.excluded, "never to run"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        format!(
            "\n{HEADING}{}{HEADING:#}  {style}{verdict}{style:#}: {}\n",
            escaped(&self.project),
            parts.join(", ")
        )
    }

    fn times(&self, time_scale: Option<f64>) -> String {
        let makespan = Duration::from_millis(self.makespan_ms);
        let mut text = match time_scale {
            Some(scale) => format!(
                "makespan    {} of planned time {DIM}({makespan:.1?} at {scale:.0} times its speed){DIM:#}\n",
                planned(self.makespan_ms, scale),
            ),
            None => format!("makespan    {makespan:.1?}\n"),
        };
        let (by_plan, reason) = (rounded(self.bound.planned), self.bound.reason);
        text += &format!("bound       {by_plan} by the efforts of the plan {DIM}({reason}){DIM:#}\n");
        if let Some(turned_out) = self.bound.as_it_turned_out_ms.filter(|millis| *millis > 0) {
            let told = match time_scale {
                Some(scale) => planned(turned_out, scale),
                None => format!("{:.1?}", Duration::from_millis(turned_out)),
            };
            let ratio = self.makespan_ms as f64 / turned_out as f64;
            text += &format!(
                "            {told} by how long the work took in the end: the makespan is {ratio:.2} times that\n"
            );
        }
        if self.coordinators > 1 {
            text += &format!(
                "            {} coordinators have worked on it one after another or together\n",
                self.coordinators
            );
        }
        text
    }

    fn counts(&self) -> String {
        let (attempts, landings) = (&self.attempts, &self.landings);
        let late =
            if landings.late > 0 { format!(", {} late and kept", landings.late) } else { String::new() };
        let branch = self.branch.as_deref().map_or_else(String::new, |branch| format!(" on {branch}"));
        format!(
            "attempts    {}: {} retried after a failure, {} after a conflict, {} lost, {} failed for good\n\
             landed      {} commits{branch}, {} of them merged with others' changes; {} empty, {} without files{late}\n",
            attempts.begun,
            attempts.retried,
            attempts.conflicts,
            attempts.lost,
            attempts.failed,
            landings.commits,
            landings.merged,
            landings.empty,
            landings.without_files,
        )
    }

    fn agents(&self, terminal: &Terminal) -> String {
        let busy: u64 = self.agents.iter().map(|agent| agent.busy_ms).sum();
        if self.agents.len() > AGENTS_SHOWN {
            let mean =
                self.agents.iter().map(|agent| agent.utilisation).sum::<f64>() / self.agents.len() as f64;
            return format!(
                "agents      {}, {:.0} % of their time at work\n",
                self.agents.len(),
                mean * 100.0
            );
        }
        if busy == 0 {
            return String::new();
        }
        let header = ["agent", "tasks", "attempts", "at work", "", ""].map(Cell::dim);
        let mut table = Table::new(header);
        for agent in &self.agents {
            let percent = agent.utilisation * 100.0;
            table.row([
                Cell::plain(clipped(&agent.name, 24)),
                Cell::number(agent.completed),
                Cell::number(agent.attempts),
                Cell::number(format!("{:.1?}", Duration::from_millis(agent.busy_ms))),
                Cell::number(format!("{percent:.0} %")),
                Cell::plain("█".repeat((percent / 5.0).round() as usize)),
            ]);
        }
        format!("\n{}\n", table.draw(terminal.width()))
    }

    fn open(&self) -> String {
        let mut text = String::new();
        for task in self.open.iter().take(OPEN_SHOWN) {
            let why = gist(&task.why, 120);
            text += &format!("{WARN}{}{WARN:#} is {}: {why}\n", escaped(&task.id), task.state);
        }
        let more = self.open.len().saturating_sub(OPEN_SHOWN);
        if more > 0 {
            text += &format!("{DIM}and {more} more; `super-planner status --all` names them{DIM:#}\n");
        }
        text
    }
}

/// Returns a length of the run in planned time.
fn planned(millis: u64, time_scale: f64) -> String {
    rounded(Effort::from_millis((millis as f64 * time_scale) as u64))
}

/// Returns an effort to a tenth of an hour.
fn rounded(effort: Effort) -> String {
    format!("{:.1}h", effort.as_hours())
}

fn micros(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}
