//! Plans without any work in them, and coordinators that hand them out.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::engine::{AgentSpec, Command, Effect, Policy, Request};
use agent_coordinator::executor::AgentExecutor;
use agent_coordinator::{Coordinator, Handle, LandingRules, ProcessLimits, Running, ShutDown};
use git_ops::{Signature, WorktreeOptions, WorktreePool};
use planner_core::generate::{LayeredShape, layered};
use planner_core::{CapabilitySet, Plan};
use state_store::task::{Accepted, Deliverable, ProjectKey, ProjectSettings};
use state_store::{StateStore, StreamName};
use tokio::runtime::Runtime;

use crate::Outcome;

/// Returns a plan of so many tasks, of which some hundred can be done at a time, and each of which waits for up to three.
pub(crate) fn plan(tasks: usize) -> Plan {
    let count = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    let shape = LayeredShape { tasks: count(tasks), layers: count(tasks / 100), dependencies_max: 3 };
    let mut plan = layered(shape, 7);
    plan.agents.clear();
    plan.tasks.iter_mut().for_each(|task| task.capabilities = CapabilitySet::default());
    plan
}

pub(crate) fn settings() -> ProjectSettings {
    ProjectSettings { branch: None, checks: false }
}

/// Returns the registration of agents that take one task at a time.
pub(crate) fn agents(count: usize) -> Vec<AgentSpec> {
    let capabilities = CapabilitySet::default();
    let agent = |number| AgentSpec {
        name: format!("agent-{number}"),
        capabilities: capabilities.clone(),
        slots: 1,
        lease: None,
        labels: Vec::new(),
    };
    (0..count).map(agent).collect()
}

/// Starts a coordinator that lands nothing; worktrees lie in the folder.
pub(crate) fn start<E: AgentExecutor>(
    store: Arc<dyn StateStore>,
    executor: E,
    folder: &Path,
    runtime: &Runtime,
) -> Outcome<Running> {
    let options = WorktreeOptions { folder: folder.join("worktrees"), ..WorktreeOptions::default() };
    let coordinator = Coordinator {
        store,
        stream: StreamName::workspace(),
        id: [9; 16],
        policy: Policy::default(),
        executor,
        repository: None,
        author: Signature { name: "bench".to_owned(), email: "bench@localhost".to_owned() },
        landing: LandingRules::default(),
        worktrees: WorktreePool::new(options),
        check_limits: ProcessLimits::default(),
        checks_at_once: 2,
        attempt_time: Duration::from_secs(600),
    };
    let _entered = runtime.enter();
    Ok(coordinator.start()?)
}

/// Returns the reports of an attempt that is handed out: that it begins, and that it is done.
pub(crate) fn handed_out(effect: &Effect) -> Option<(Request, Request)> {
    let Effect::StartAttempt { task, lease } = *effect else { return None };
    let (token, agent) = (lease.token, lease.agent);
    let deliver = Command::Deliver { task, token, agent, deliverable: Deliverable::NoFiles };
    Some((Command::Start { task, token }.into(), deliver.into()))
}

/// Enters a project without anybody to work on it.
pub(crate) async fn enter(handle: &Handle, plan: Plan) -> Outcome<ProjectKey> {
    match handle.submit(Command::Enter { plan, settings: settings() }).await? {
        Accepted::Project(project) => Ok(project),
        Accepted::Done => Err("entering a project is answered with its key".into()),
    }
}

/// Ends a coordinator that has nothing to do any more.
pub(crate) async fn end(running: Running) -> Outcome<()> {
    running.handle.shut_down(ShutDown::Drain);
    Ok(running.ended().await?)
}
