//! Made-up plans are what their kinds say.

use super::*;
use crate::{Analysis, Limits, PlanDiff, TaskGraph, read};

fn depth_of(graph: &TaskGraph) -> Option<usize> {
    let depth = |mut task| {
        let mut depth = 1;
        while let Some(parent) = graph.parent_of(task) {
            (task, depth) = (parent, depth + 1);
        }
        depth
    };
    graph.tasks().map(depth).max()
}

#[test]
fn a_complex_plan_is_sound_and_as_told() {
    let plan = complex(5_000, 42);
    assert_eq!(plan.tasks.len(), 5_000);
    assert_eq!(plan, complex(5_000, 42));
    assert_ne!(plan, complex(5_000, 43));
    let graph = TaskGraph::new(&plan).unwrap();
    assert_eq!(graph.ignored(), []);
    assert_eq!(depth_of(&graph), Some(5));
    assert_eq!(plan.tasks.iter().filter(|task| task.parent.is_none()).count(), 100, "services");
    let dependent = plan.tasks.iter().filter(|task| !task.dependencies.is_empty()).count();
    assert!((1_350..1_650).contains(&dependent), "{dependent}");
    assert!(Analysis::of(&plan, &graph).waves.len() > 5);
}

#[test]
fn an_extreme_plan_is_deeper_denser_and_says_more() {
    let plan = MadeUp::new(PlanKind::Extreme, 5_000, 42).plan();
    let graph = TaskGraph::new(&plan).unwrap();
    assert_eq!((graph.ignored(), depth_of(&graph)), ([].as_slice(), Some(8)));
    let dependent = plan.tasks.iter().filter(|task| !task.dependencies.is_empty()).count();
    assert!((1_850..2_100).contains(&dependent), "{dependent}");
    assert!(plan.tasks.iter().all(|task| task.extra.contains("metadata") && !task.description.is_empty()));
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
fn shapes_have_the_answers_that_are_known() {
    for kind in PlanKind::ALL {
        for tasks in (1..70).chain([1_000, 1_023, 1_024, 4_097]) {
            let made_up = MadeUp::new(kind, tasks, 7);
            let plan = made_up.plan();
            assert_eq!(plan.tasks.len(), tasks, "{kind:?}");
            let graph = TaskGraph::new(&plan).unwrap();
            let Some(answers) = made_up.answers() else { continue };
            let analysis = Analysis::of(&plan, &graph);
            let found = (graph.edge_count(), analysis.waves.len(), analysis.critical_path.effort);
            assert_eq!(found, (answers.edges, answers.waves, answers.critical_path), "{kind:?} of {tasks}");
        }
    }
}

#[test]
fn pieces_are_the_plan() {
    for kind in PlanKind::ALL {
        let made_up = MadeUp::new(kind, 120, 3);
        for format in [Format::Json, Format::Yaml, Format::Beads] {
            let text: String = made_up.pieces(format).unwrap().collect();
            let read = read(&made_up.name(), text.as_bytes(), None, &Limits::default()).unwrap();
            assert_eq!((read.format, read.diagnostics.len()), (format, 0), "{kind:?}");
            let written = crate::write(&made_up.plan(), format).unwrap().files.remove(0).1;
            let whole = crate::read(&made_up.name(), written.as_bytes(), None, &Limits::default()).unwrap();
            assert!(PlanDiff::between(&read.plan, &whole.plan).is_empty(), "{kind:?} as {format}");
        }
        assert!(made_up.pieces(Format::Toml).is_none());
    }
}
