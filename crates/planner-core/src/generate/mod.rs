//! Plans made up from a seed, for tests and measurements: the same seed always gives the same plan.

mod complex;
mod layered;

pub use complex::complex;
pub use layered::{LayeredShape, layered};

use crate::random::Random;
use crate::{Effort, Plan, Priority, Task};

/// What agents can do in made-up plans.
const CAPABILITIES: [&str; 8] = ["rust", "python", "web", "database", "security", "qa", "docs", "devops"];

fn plan(name: String, tasks: Vec<Task>) -> Plan {
    Plan { name, description: String::new(), agents: Vec::new(), tasks, extra: serde_json::Map::new() }
}

/// Returns a task of that id with made-up work.
fn task(random: &mut Random, id: &str) -> Task {
    let mut task = Task::new(id.parse().expect("made-up ids are valid"));
    task.title = format!("Do {id}");
    task.effort = Some(Effort::from_millis((1 + random.below(32)) as u64 * Effort::DEFAULT.as_millis() / 2));
    task.priority = match random.below(10) {
        0 => Priority::Critical,
        1 | 2 => Priority::High,
        3..=7 => Priority::Medium,
        _ => Priority::Low,
    };
    task.capabilities = [CAPABILITIES[random.below(CAPABILITIES.len())]].into_iter().collect();
    task
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::{Analysis, TaskGraph};

    #[test]
    fn a_complex_plan_is_sound_and_as_told() {
        let plan = complex(5_000, 42);
        assert_eq!(plan.tasks.len(), 5_000);
        assert_eq!(plan, complex(5_000, 42));
        assert_ne!(plan, complex(5_000, 43));
        let graph = TaskGraph::new(&plan).unwrap();
        assert_eq!(graph.ignored(), []);
        let depth = |mut task| {
            let mut depth = 1;
            while let Some(parent) = graph.parent_of(task) {
                (task, depth) = (parent, depth + 1);
            }
            depth
        };
        assert_eq!(graph.tasks().map(depth).max(), Some(5));
        assert_eq!(plan.tasks.iter().filter(|task| task.parent.is_none()).count(), 100, "services");
        let dependent = plan.tasks.iter().filter(|task| !task.dependencies.is_empty()).count();
        assert!((1_350..1_650).contains(&dependent), "{dependent}");
        assert!(Analysis::of(&plan, &graph).waves.len() > 5);
    }

    #[test]
    fn a_layered_plan_has_its_layers() {
        let shape = LayeredShape {
            tasks: NonZeroUsize::new(1_000).unwrap(),
            layers: NonZeroUsize::new(10).unwrap(),
            dependencies_max: 3,
        };
        let plan = layered(shape, 1);
        let graph = TaskGraph::new(&plan).unwrap();
        let analysis = Analysis::of(&plan, &graph);
        assert_eq!(plan.tasks.len(), 1_000);
        assert_eq!(analysis.waves.iter().map(<[_]>::len).collect::<Vec<_>>(), [100; 10]);
    }

    #[test]
    fn small_plans_can_be_made_too() {
        for tasks in 0..60 {
            let plan = complex(tasks, 7);
            assert_eq!(plan.tasks.len(), tasks);
            TaskGraph::new(&plan).unwrap();
        }
    }
}
