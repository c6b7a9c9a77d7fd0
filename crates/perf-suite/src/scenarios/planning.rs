//! PLANNING: a goal broken down into 500 tasks, checked, scheduled.

use std::time::Instant;

use planner_core::planning::{Ask, Bounds, Decomposer, Part, propose};
use planner_core::{Analysis, TaskGraph};

use super::by_profile;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// Breaking a goal down.
#[derive(Debug, Clone, Copy)]
pub struct Planning;

/// Parts of the goal, and of each of them; the parts of those are the tasks.
const PARTS: [usize; 3] = [5, 10, 10];

impl Scenario for Planning {
    fn id(&self) -> &str {
        "PLANNING"
    }

    fn statement(&self) -> &str {
        "breaking a goal down into 500 tasks in groups, with dependencies, and analysing the plan"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let mut times = Vec::new();
        for round in 0..by_profile(profile, [2, 12, 40, 100]) {
            if round > 0 && recorder.out_of_time() {
                break;
            }
            let begun = Instant::now();
            let proposal = propose("Build the parcel service", &mut InParts, Bounds::default())
                .map_err(ScenarioFailed::during("breaking a goal down"))?;
            let plan = proposal.approve();
            let graph = TaskGraph::new(&plan).map_err(|defects| format!("{defects:?}"));
            let graph = graph.map_err(ScenarioFailed::during("building a graph"))?;
            std::hint::black_box(Analysis::of(&plan, &graph));
            times.push(begun.elapsed().as_secs_f64());
            let leaves = graph.tasks().filter(|task| !graph.is_group(*task)).count();
            if leaves < 500 {
                return Err(format!("{leaves} tasks")).map_err(ScenarioFailed::during("counting the tasks"));
            }
        }
        recorder.record("plan/500", "from the goal to an analysed plan", Unit::Seconds, times);
        recorder.note("whoever breaks down answers at once; a language model's own time comes on top");
        Ok(())
    }
}

/// Breaks everything down into the same parts.
struct InParts;

impl Decomposer for InParts {
    fn parts(&mut self, ask: &Ask<'_>) -> Result<Vec<Part>, String> {
        let level = ask.keys.len();
        let Some(count) = PARTS.get(level) else { return Ok(Vec::new()) };
        let place = ask.keys.join("-");
        let part = |number: usize| Part {
            key: format!("p{number}"),
            title: format!("Part {number} of {place}"),
            after: if number % 3 == 2 { vec![format!("p{}", number - 1)] } else { Vec::new() },
            effort_hours: Some(2.0),
            acceptance: vec!["It is done".to_owned()],
            compound: level + 1 < PARTS.len(),
            ..Part::default()
        };
        Ok((0..*count).map(part).collect())
    }
}
