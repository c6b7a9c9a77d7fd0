//! Tasks that are programs which do nothing, beside GNU make on the same graph.

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_coordinator::ProcessLimits;
use agent_coordinator::engine::Command;
use agent_coordinator::executor::{AgentProgram, CommandAgent, CommandAgentOptions, Ledger, Transcripts};
use git_ops::{WorktreeOptions, WorktreePool};
use perf_suite::DiskFolder;
use planner_core::Plan;
use state_store::{SqliteStore, SystemClock};
use tokio::runtime::Runtime;

use crate::figures::{show, show_ratio};
use crate::workspace::{agents, end, enter, plan, start};
use crate::{Effort, Outcome};

const SLOTS: usize = 16;

/// Compares the command executor, durable, with make.
pub(crate) fn beside_make(effort: Effort) -> Outcome<()> {
    let plan = plan(effort.programs);
    let (mut ours, mut make) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let folder = DiskFolder::new()?;
        ours.push(coordinator(&plan, folder.path())?.as_secs_f64());
        make.extend(by_make(&plan, folder.path())?.map(|took| took.as_secs_f64()));
    }
    println!("{} times `true`, with dependencies, {SLOTS} at once, without files", effort.programs);
    show("coordinator, on SQLite, flushed in full", &ours, "s");
    if make.is_empty() {
        println!("  there is no make: not compared with it");
    } else {
        show("make, which keeps nothing", &make, "s");
        show_ratio("coordinator / make", &ours, &make, "1 or less");
    }
    println!();
    Ok(())
}

fn coordinator(plan: &Plan, folder: &Path) -> Outcome<Duration> {
    let runtime = Runtime::new()?;
    let store = Arc::new(SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock))?);
    let options = WorktreeOptions { folder: folder.join("attempts"), ..WorktreeOptions::default() };
    let executor = CommandAgent::new(CommandAgentOptions {
        program: AgentProgram::plain("true".to_owned(), Vec::new()),
        limits: ProcessLimits::default(),
        start_max: None,
        silence_max: Duration::from_secs(600),
        worktrees: WorktreePool::new(options),
        transcripts: Some(Transcripts::new(folder.join("transcripts"), 1 << 20, 1 << 30)),
        ledger: Arc::new(Ledger::default()),
    });
    let running = start(store, executor, folder, &runtime)?;
    runtime.block_on(async {
        let project = enter(&running.handle, plan.clone()).await?;
        let begun = Instant::now();
        running.handle.submit(Command::RegisterAgents(agents(SLOTS))).await?;
        running.handle.settled(project).await?;
        let took = begun.elapsed();
        end(running).await?;
        Ok(took)
    })
}

/// Returns how long make takes; nothing where there is none.
fn by_make(plan: &Plan, folder: &Path) -> Outcome<Option<Duration>> {
    let named: String = plan.tasks.iter().map(|task| format!(" {}", task.id)).collect();
    let mut text = format!(".PHONY: all{named}\nall:{named}\n");
    for task in &plan.tasks {
        let on: String = task.dependencies.iter().map(|dependency| format!(" {}", dependency.on)).collect();
        text += &format!("{}:{on}\n\t@true\n", task.id);
    }
    std::fs::write(folder.join("Makefile"), text)?;
    let begun = Instant::now();
    let Ok(output) = Process::new("make").arg(format!("-j{SLOTS}")).current_dir(folder).output() else {
        return Ok(None);
    };
    if !output.status.success() {
        return Err(format!("make failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Some(begun.elapsed()))
}
