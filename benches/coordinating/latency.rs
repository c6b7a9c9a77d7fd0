//! How long a task waits for a free agent to begin, in an open loop: tasks become ready by the clock, whatever happens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_coordinator::engine::Command;
use agent_coordinator::executor::{InProcess, Job, Outcome as Work};
use planner_core::{Plan, Standing};
use state_store::task::TaskKey;
use state_store::{MemoryStore, SystemClock};
use tokio::runtime::Runtime;

use crate::figures::{show, show_ratio};
use crate::workspace::{agents, end, enter, plan, start};
use crate::{Effort, Outcome};

/// How many tasks become ready a second, however many agents there are.
const RATE: u32 = 500;

/// When each task began.
type Begun = Arc<Mutex<HashMap<u32, Instant>>>;

/// Shows the latency for different numbers of agents.
pub(crate) fn by_agents(effort: Effort) -> Outcome<()> {
    println!("from ready to at work, {RATE} tasks a second in all, in memory");
    let tasks = (effort.tasks / 25).clamp(100, 4_000);
    let counts = [2, 10, 100, 1_000];
    let (mut medians, mut tails) = (vec![Vec::new(); counts.len()], vec![Vec::new(); counts.len()]);
    for _ in 0..effort.rounds {
        for (place, count) in counts.into_iter().enumerate() {
            let mut latencies = latencies(count, tasks)?;
            latencies.sort_unstable();
            let at =
                |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            medians[place].push(at(0.5));
            tails[place].push(at(0.99));
        }
    }
    for (place, count) in counts.into_iter().enumerate() {
        show(&format!("{count} agents, p50"), &medians[place], "ms");
        show(&format!("{count} agents, p99"), &tails[place], "ms");
    }
    show_ratio("p99 of 1000 agents / of 2", &tails[counts.len() - 1], &tails[0], "less than 2");
    println!();
    Ok(())
}

fn latencies(count: usize, tasks: usize) -> Outcome<Vec<Duration>> {
    let mut plan = plan(tasks);
    for task in &mut plan.tasks {
        task.dependencies.clear();
        task.standing = Standing::OnHold;
    }
    let runtime = Runtime::new()?;
    let begun = Begun::default();
    let noted = Arc::clone(&begun);
    let executor = InProcess::new(move |job: Job| {
        if let Ok(mut begun) = noted.lock() {
            begun.insert(job.key.task, Instant::now());
        }
        async { Work::Done(Vec::new()) }
    });
    let folder = tempfile::tempdir()?;
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let running = start(store, executor, folder.path(), &runtime)?;
    runtime.block_on(async {
        let due = become_ready(&running.handle, plan, count).await?;
        end(running).await?;
        let begun = begun.lock().map_err(|_| "an agent panicked")?;
        let late = |(task, due): (u32, Instant)| Some(begun.get(&task)?.saturating_duration_since(due));
        Ok((0..).zip(due).filter_map(late).collect())
    })
}

/// Lets one task after the other become ready, and returns when each was due.
async fn become_ready(handle: &agent_coordinator::Handle, plan: Plan, count: usize) -> Outcome<Vec<Instant>> {
    let tasks = plan.tasks.len() as u32;
    let project = enter(handle, plan).await?;
    handle.submit(Command::RegisterAgents(agents(count))).await?;
    let first = Instant::now() + Duration::from_millis(50);
    let mut due = Vec::new();
    let mut asked = Vec::new();
    for task in 0..tasks {
        let moment = first + Duration::from_secs(task.into()) / RATE;
        tokio::time::sleep_until(moment.into()).await;
        due.push(moment);
        let handle = handle.clone();
        // Nobody waits for the answer before the next one is due.
        asked.push(tokio::spawn(
            async move { handle.submit(Command::Resume(TaskKey { project, task })).await },
        ));
    }
    for answer in asked {
        answer.await??;
    }
    handle.settled(project).await?;
    Ok(due)
}
