//! What tasks that wait and agents that are idle weigh in memory.

use std::sync::Arc;

use agent_coordinator::engine::{Command, Engine, Policy};
use agent_coordinator::turn;
use planner_core::Task;
use state_store::task::Host;
use state_store::{MemoryStore, StreamName, SystemClock};

use crate::workspace::{agents, plan, settings};
use crate::{ALLOCATOR, Effort, Outcome};

const AGENTS: usize = 10_000;

/// Weighs the engine with a plan, and with agents. The log is none of it: its store has gone by then.
pub(crate) fn of_tasks_and_agents(effort: Effort) -> Outcome<()> {
    let empty = weighed(None, 0)?;
    let with_tasks = weighed(Some(effort.tasks), 0)?;
    let with_agents = weighed(None, AGENTS)?;
    let text: usize = plan(effort.tasks).tasks.iter().map(text_bytes).sum();
    let task = (with_tasks.saturating_sub(empty).saturating_sub(text)) as f64 / effort.tasks as f64;
    let agent = with_agents.saturating_sub(empty) as f64 / AGENTS as f64;
    println!("memory of the engine, as it is allocated");
    println!("  a task that waits, of {}, beyond its text   {task:>8.0} bytes  goal: 1000", effort.tasks);
    println!("  an idle agent, of {AGENTS}                      {agent:>8.0} bytes  goal: 20000\n");
    Ok(())
}

fn weighed(tasks: Option<usize>, idle: usize) -> Outcome<usize> {
    let before = ALLOCATOR.allocated();
    let mut engine = Engine::new([1; 16], Policy::default());
    {
        let (store, stream) = (MemoryStore::new(Arc::new(SystemClock)), StreamName::workspace());
        let host = Host { boot: String::new(), pid: 0, started: 0 };
        turn(&mut engine, &store, &stream, &[Command::Begin { host }.into()])?;
        if let Some(tasks) = tasks {
            let enter = Command::Enter { plan: plan(tasks), settings: settings() };
            turn(&mut engine, &store, &stream, &[enter.into()])?;
        }
        if idle > 0 {
            turn(&mut engine, &store, &stream, &[Command::RegisterAgents(agents(idle)).into()])?;
        }
    }
    let weight = ALLOCATOR.allocated().saturating_sub(before);
    drop(engine);
    Ok(weight)
}

fn text_bytes(task: &Task) -> usize {
    task.id.as_str().len() + task.title.len() + task.description.len()
}
