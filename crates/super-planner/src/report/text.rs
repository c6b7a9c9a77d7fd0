//! The report as people read it.

use std::time::Duration;

use planner_core::Effort;

use crate::escape::{clipped, escaped};
use crate::report::Report;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, DIM, GOOD, HEADING, Terminal, WARN};

/// How many open tasks are named.
const OPEN_SHOWN: usize = 10;

/// With more agents than this, only their sum is told.
const AGENTS_SHOWN: usize = 32;

impl Report {
    /// Returns the report; `time_scale` is how many times faster than planned the agents worked.
    pub fn text(&self, terminal: &Terminal, time_scale: f64) -> String {
        let mut text = self.outcome();
        text += &self.times(time_scale);
        text += &self.counts();
        if let Some(transitions) = &self.transitions {
            text += &format!(
                "transitions {} commands in {} durable appends ({} events); command to durable answer p50 {}, p99 {}\n",
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

    fn times(&self, time_scale: f64) -> String {
        let planned = |millis: u64| Effort::from_millis((millis as f64 * time_scale) as u64);
        let makespan = Duration::from_millis(self.makespan_ms);
        let turned_out = planned(self.bound.as_it_turned_out_ms);
        let mut text = format!(
            "makespan    {} of planned time {DIM}({makespan:.1?} at {time_scale:.0} times its speed){DIM:#}\n",
            rounded(planned(self.makespan_ms)),
        );
        text += &format!(
            "bound       {} by the efforts of the plan, {} by how long the work took in the end {DIM}({}){DIM:#}\n",
            rounded(self.bound.planned),
            rounded(turned_out),
            self.bound.reason,
        );
        if turned_out > Effort::ZERO {
            let ratio = self.makespan_ms as f64 / self.bound.as_it_turned_out_ms as f64;
            text += &format!("            the makespan is {ratio:.2} times the latter\n");
        }
        if self.coordinators > 1 {
            text += &format!(
                "            {} coordinators have worked on it, pauses between them included\n",
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
            let why = clipped(&task.why, 120);
            text += &format!("{WARN}{}{WARN:#} is {}: {why}\n", escaped(&task.id), task.state);
        }
        let more = self.open.len().saturating_sub(OPEN_SHOWN);
        if more > 0 {
            text += &format!("{DIM}and {more} more; `super-planner status --all` names them{DIM:#}\n");
        }
        text
    }
}

/// Returns an effort to a tenth of an hour.
fn rounded(effort: Effort) -> String {
    format!("{:.1}h", effort.as_hours())
}

fn micros(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}
