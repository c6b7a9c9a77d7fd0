//! What is raced over: a project of tasks of which only a few can be done at a time.

use planner_core::{Dependency, Plan, Task, TaskId};
use state_store::task::{Host, ProjectSettings};
use state_store::{StateStore, StreamName};

use crate::engine::{Command, Engine, Policy, Request};
use crate::script_agent::ScriptAgentError;
use crate::turn::{load, turn};

/// Adds a project of that name, by a coordinator of that id, which ends at once. Each task waits for the one that stands so many
/// places before it, so that as many can be done at a time. Returns the engine that knows it.
pub fn add_project(
    store: &dyn StateStore,
    stream: &StreamName,
    id: [u8; 16],
    name: &str,
    tasks: usize,
    width: usize,
) -> Result<Engine, ScriptAgentError> {
    let task_id =
        |number: usize| TaskId::new(&format!("T{number}")).expect("a letter and a number are an id");
    let task = |number: usize| {
        let earlier = number.checked_sub(width.max(1)).map(task_id);
        let dependencies = earlier.map(Dependency::on_completion).into_iter().collect();
        Task { dependencies, ..Task::new(task_id(number)) }
    };
    let plan = Plan {
        name: name.to_owned(),
        description: String::new(),
        agents: Vec::new(),
        tasks: (0..tasks).map(task).collect(),
        extra: serde_json::Map::new(),
    };
    let mut engine = Engine::new(id, Policy::default());
    load(&mut engine, store, stream)?;
    let host = Host { boot: String::new(), pid: 0, started: 0 };
    let settings = ProjectSettings { branch: None, checks: false };
    let commands = [Command::Begin { host }, Command::Enter { plan, settings }, Command::End];
    for answer in turn(&mut engine, store, stream, &commands.map(Request::from))?.answers {
        answer?;
    }
    Ok(engine)
}
