//! How long it takes from the start of a coordinator on the state of one that was killed until an agent is at work again.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use agent_coordinator::engine::{Command, Engine, Policy, Request};
use agent_coordinator::executor::{InProcess, Job, Outcome as Work};
use agent_coordinator::{ShutDown, turn};
use perf_suite::DiskFolder;
use planner_core::Plan;
use state_store::task::Host;
use state_store::{SqliteStore, StreamName, SystemClock};
use tokio::runtime::Runtime;

use crate::figures::show;
use crate::workspace::{agents, enter, handed_out, plan, settings, start};
use crate::{Effort, Outcome};

const AGENTS: usize = 100;

/// Measures it for 10,000 tasks of which half are done and a hundred under way.
pub(crate) fn to_first_assignment(effort: Effort) -> Outcome<()> {
    let tasks = (effort.tasks / 10).max(1_000);
    let plan = plan(tasks);
    let mut seconds = Vec::new();
    for _ in 0..effort.rounds {
        let folder = DiskFolder::new()?;
        let path = folder.path().join("state.db");
        leave_half_done(&plan, &path)?;
        seconds.push(recovered(&plan, &path, folder.path())?.as_secs_f64());
    }
    println!(
        "a coordinator was killed with half of {tasks} tasks done and {AGENTS} under way; on SQLite, flushed in full"
    );
    show("from the start of the next to a task at work", &seconds, "s");
    println!("  goal: less than 1 s\n");
    Ok(())
}

/// Leaves a state behind as a killed coordinator does.
fn leave_half_done(plan: &Plan, path: &Path) -> Outcome<()> {
    let (store, stream) = (SqliteStore::open(path, Arc::new(SystemClock))?, StreamName::workspace());
    // Its own lease is over at once, so that it is found gone without a process that could be looked for.
    let policy = Policy { instance_lease: Duration::from_millis(1), ..Policy::default() };
    let mut engine = Engine::new([1; 16], policy);
    let host = Host { boot: String::new(), pid: 0, started: 0 };
    let enter = Command::Enter { plan: plan.clone(), settings: settings() };
    let register = Command::RegisterAgents(agents(AGENTS));
    let mut requests: Vec<Request> = [Command::Begin { host }, enter, register].map(Request::from).to_vec();
    let mut done = 0;
    loop {
        let effects = turn(&mut engine, &store, &stream, &requests)?.effects;
        requests.clear();
        for (start, deliver) in effects.iter().filter_map(handed_out) {
            requests.push(start);
            if done < plan.tasks.len() / 2 {
                done += 1;
                requests.push(deliver);
            }
        }
        if requests.is_empty() {
            return Ok(());
        }
    }
}

fn recovered(plan: &Plan, path: &Path, folder: &Path) -> Outcome<Duration> {
    let runtime = Runtime::new()?;
    let (sender, first) = mpsc::channel();
    let executor = InProcess::new(move |job: Job| {
        // Only the first is waited for.
        let _ = sender.send(Instant::now());
        async move {
            job.stop.cancelled().await;
            Work::Failed("stopped".to_owned())
        }
    });
    let plan = plan.clone();
    let begun = Instant::now();
    let store = Arc::new(SqliteStore::open(path, Arc::new(SystemClock))?);
    let running = start(store, executor, folder, &runtime)?;
    runtime.block_on(async {
        enter(&running.handle, plan).await?;
        running.handle.submit(Command::RegisterAgents(agents(AGENTS))).await?;
        Outcome::Ok(())
    })?;
    let at_work = first.recv()?.saturating_duration_since(begun);
    running.handle.shut_down(ShutDown::Now);
    runtime.block_on(running.ended())?;
    Ok(at_work)
}
