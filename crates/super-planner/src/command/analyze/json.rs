//! What a plan amounts to, as JSON.

use std::collections::HashMap;

use planner_core::analysis::{BoundReason, Counts, critical_effort_if, remaining_effort, width_profile};
use planner_core::{Effort, TaskIndex};
use serde_json::{Value, json};

use super::Picture;

impl Picture<'_> {
    /// Returns everything, for programs.
    pub(super) fn json(&self) -> Value {
        let hours = |effort: &Effort| effort.as_hours();
        let task = |task: &TaskIndex| {
            let (index, task) = (*task, &self.plan.tasks[task.index()]);
            json!({
                "id": task.id,
                "title": task.title,
                "effort_hours": task.effort_or_default().as_hours(),
                "slack_hours": self.analysis.timing.slack_of(self.graph, index).as_hours(),
            })
        };
        let Counts { pending, on_hold, completed, groups, excluded } = self.analysis.counts;
        let chains: Vec<Value> = self
            .chains
            .iter()
            .map(|chain| {
                let ids: Vec<&str> = chain.tasks.iter().map(|task| self.id(*task)).collect();
                json!({ "effort_hours": hours(&chain.effort), "tasks": ids })
            })
            .collect();
        let waves: Vec<Vec<&str>> =
            self.analysis.waves.iter().map(|wave| wave.iter().map(|task| self.id(*task)).collect()).collect();
        let bound = self.bound();
        let is_possible = !matches!(bound.reason, BoundReason::Impossible { .. });
        let bounds: Vec<Value> = self
            .bounds
            .iter()
            .map(|bound| json!({ "hours": hours(&bound.makespan), "reason": reason(&bound.reason) }))
            .collect();
        let without = self.without_slack();
        json!({
            "version": 1,
            "plan": self.plan.name,
            "counts": {
                "entries": self.analysis.counts.total(),
                "groups": groups,
                "pending": pending,
                "on_hold": on_hold,
                "completed": completed,
                "excluded": excluded,
                "excluded_by_reason": self.excluded,
            },
            "dependencies": self.dependencies,
            "work_hours": hours(&self.analysis.work),
            "waves": { "count": waves.len(), "widest": self.analysis.waves.widest().map(|(number, size)| {
                json!({ "number": number + 1, "tasks": size })
            }), "tasks": waves },
            "critical_path": {
                "effort_hours": hours(&self.analysis.critical_path.effort),
                "tasks": self.analysis.critical_path.tasks.iter().map(task).collect::<Vec<_>>(),
            },
            "slack": {
                "tasks_without": without,
                "others": self.by_slack[without..]
                    .iter()
                    .map(|(_, index)| task(index))
                    .collect::<Vec<_>>(),
            },
            "tasks": self.open_tasks(),
            "longest_chains": chains,
            "bottlenecks": self.bottlenecks.iter().map(|found| json!({
                "id": self.id(found.task),
                "share_of_long_ways": found.share,
                "critical_hours_without": critical_effort_if(self.plan, self.graph, found.task, Effort::ZERO).as_hours(),
            })).collect::<Vec<_>>(),
            "width": width_profile(self.plan, self.graph, &self.analysis.timing).iter().map(|step| json!({
                "from_hours": step.from.as_hours(),
                "tasks": step.tasks,
            })).collect::<Vec<_>>(),
            "least_time": {
                "hours": is_possible.then(|| hours(&bound.makespan)),
                "agents": self.agents.profiles.len(),
                "agents_from": if self.agents.are_the_plans { "plan" } else { "number" },
                "reason": reason(&bound.reason),
                "because": self.reason_text(&bound.reason),
                "bounds": bounds,
            },
        })
    }

    /// Returns when each task that is still to be done can and must begin.
    fn open_tasks(&self) -> Vec<Value> {
        let timing = &self.analysis.timing;
        let waves = self.analysis.waves.iter().enumerate();
        let mut wave_of: HashMap<TaskIndex, usize> =
            waves.flat_map(|(number, wave)| wave.iter().map(move |task| (*task, number + 1))).collect();
        let mut tasks: Vec<TaskIndex> = self.by_slack.iter().map(|(_, task)| *task).collect();
        tasks.sort_unstable();
        let told = tasks.into_iter().map(|task| {
            let node = self.graph.start_of(task);
            json!({
                "id": self.id(task),
                "wave": wave_of.remove(&task),
                "effort_hours": remaining_effort(self.plan, self.graph, node).as_hours(),
                "earliest_start_hours": timing.earliest_start(node).as_hours(),
                "latest_start_hours": timing.latest_start(node).as_hours(),
                "slack_hours": timing.slack(node).as_hours(),
                "bottom_level_hours": timing.bottom_level(node).as_hours(),
            })
        });
        told.collect()
    }
}

fn reason(reason: &BoundReason) -> Value {
    match reason {
        BoundReason::CriticalPath => json!({ "kind": "critical_path" }),
        BoundReason::Work { slots } => json!({ "kind": "work", "slots": slots }),
        BoundReason::Capabilities { required, slots } => {
            json!({ "kind": "capabilities", "required": required, "slots": slots })
        }
        BoundReason::Impossible { required } => json!({ "kind": "impossible", "required": required }),
    }
}
