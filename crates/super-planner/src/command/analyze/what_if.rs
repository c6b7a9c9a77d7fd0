//! What a plan would amount to if some of its tasks took another time, or were done.

use planner_core::analysis::{BoundReason, Supposition, makespan_lower_bound, suppose};
use planner_core::{Analysis, Effort, TaskIndex};
use serde_json::{Value, json};

use super::Picture;
use crate::cli::AnalyzeArgs;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;
use crate::nearest::nearest;
use crate::table::{Cell, Table};
use crate::terminal::HEADING;

/// A plan beside what it would be.
pub(super) struct WhatIf {
    suppositions: Vec<(TaskIndex, Supposition)>,
    critical_path: [Effort; 2],
    work: [Effort; 2],
    /// None where it never ends.
    least_time: [Option<Effort>; 2],
    critical_tasks: Vec<String>,
}

impl WhatIf {
    /// Returns the comparison that was asked for, if one was.
    pub(super) fn of(picture: &Picture<'_>, args: &AnalyzeArgs) -> Result<Option<Self>, CliError> {
        let takes = args.takes.iter().map(|(id, effort)| (id, Supposition::Takes(*effort)));
        let done = args.without.iter().map(|id| (id, Supposition::IsDone));
        let suppositions: Vec<(TaskIndex, Supposition)> = takes
            .chain(done)
            .map(|(id, supposition)| Ok((find(picture, id)?, supposition)))
            .collect::<Result<_, CliError>>()?;
        if suppositions.is_empty() {
            return Ok(None);
        }
        let supposed = suppose(picture.plan, &suppositions);
        let analysis = Analysis::of(&supposed, picture.graph);
        let bound = makespan_lower_bound(&supposed, picture.graph, &picture.agents.profiles);
        let least = |bound: &planner_core::analysis::Bound| {
            let is_possible = !matches!(bound.reason, BoundReason::Impossible { .. });
            is_possible.then_some(bound.makespan)
        };
        Ok(Some(Self {
            critical_path: [picture.analysis.critical_path.effort, analysis.critical_path.effort],
            work: [picture.analysis.work, analysis.work],
            least_time: [least(picture.bound()), least(&bound)],
            critical_tasks: analysis
                .critical_path
                .tasks
                .iter()
                .map(|task| picture.id(*task).to_owned())
                .collect(),
            suppositions,
        }))
    }

    pub(super) fn text(&self, picture: &Picture<'_>, width: usize) -> String {
        let supposed: Vec<String> = self
            .suppositions
            .iter()
            .map(|(task, supposition)| match supposition {
                Supposition::Takes(effort) => format!("{} takes {effort}", escaped(picture.id(*task))),
                Supposition::IsDone => format!("{} is done", escaped(picture.id(*task))),
            })
            .collect();
        let effort = |effort: Effort| effort.to_string();
        let time = |time: Option<Effort>| time.map_or_else(|| "never".to_owned(), effort);
        let mut table = Table::default();
        for (what, [before, after]) in [
            ("  critical path", self.critical_path.map(effort)),
            ("  work to do", self.work.map(effort)),
            ("  least time", self.least_time.map(time)),
        ] {
            table.row([Cell::plain(what), Cell::number(before), Cell::plain("→"), Cell::number(after)]);
        }
        format!("\n{HEADING}What if{HEADING:#}  {}\n{}", supposed.join(", "), table.draw(width))
    }

    pub(super) fn json(&self, picture: &Picture<'_>) -> Value {
        let suppositions: Vec<Value> = self
            .suppositions
            .iter()
            .map(|(task, supposition)| match supposition {
                Supposition::Takes(effort) => {
                    json!({ "id": picture.id(*task), "effort_hours": effort.as_hours() })
                }
                Supposition::IsDone => json!({ "id": picture.id(*task), "is_done": true }),
            })
            .collect();
        json!({
            "suppositions": suppositions,
            "critical_hours": self.critical_path[1].as_hours(),
            "critical_path": self.critical_tasks,
            "work_hours": self.work[1].as_hours(),
            "least_hours": self.least_time[1].map(Effort::as_hours),
        })
    }
}

fn find(picture: &Picture<'_>, id: &str) -> Result<TaskIndex, CliError> {
    picture.graph.task_index(id).ok_or_else(|| {
        let error = CliError::new(ErrorKind::NotFound, format!("the plan has no task `{}`", escaped(id)));
        let ids = picture.plan.tasks.iter().map(|task| task.id.as_str());
        match nearest(id, ids, 1).first() {
            Some(near) => error.hint(format!("did you mean `{}`?", escaped(near))),
            None => error,
        }
    })
}
