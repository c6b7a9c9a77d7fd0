//! What agents are at, and how they and their tasks are stopped.

use agent_coordinator::engine::{AgentCondition, Command, Pausable};
use state_store::task::{AgentKey, Lease, StateName};

use crate::bench::{Bench, task};

const FIRST: AgentKey = AgentKey(0);

impl Bench {
    fn condition(&self) -> AgentCondition {
        self.engine.agent_condition(FIRST, &|_| true).unwrap()
    }
}

#[test]
fn an_agent_is_idle_busy_draining_paused_lost_or_retired() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &["a"])], 1);
    assert_eq!(bench.condition(), AgentCondition::Busy);
    bench.ask(Command::Pause(Pausable::Agent(FIRST))).unwrap();
    assert_eq!(bench.condition(), AgentCondition::Draining, "it goes on with what it has");
    bench.finish("a");
    assert_eq!([bench.state("a"), bench.state("b")], [StateName::Completed, StateName::Pending]);
    assert_eq!(bench.condition(), AgentCondition::Paused);
    bench.ask(Command::Continue(Pausable::Agent(FIRST))).unwrap();
    bench.finish("b");
    assert_eq!(bench.condition(), AgentCondition::Idle);
    assert_eq!(bench.engine.agent_condition(FIRST, &|_| false), Some(AgentCondition::Lost));
    bench.ask(Command::End).unwrap();
    assert_eq!(bench.condition(), AgentCondition::Retired);
}

#[test]
fn an_agent_that_is_stopped_loses_its_task_to_another() {
    let mut bench = Bench::new(vec![task("a", &[])], 2);
    let (task, Lease { token, agent, .. }) = bench.start("a");
    let text = "half".to_owned();
    bench.ask(Command::Checkpoint { task, token, text }).unwrap();
    bench.ask(Command::StopAgent(agent)).unwrap();
    let lease = bench.lease("a");
    assert!(lease.agent != agent && lease.token > token, "another agent has it now");
    let record = bench.engine.state().task(task).unwrap();
    assert_eq!((record.failures, record.checkpoint.as_deref()), (0, Some("half")), "it goes on from there");
}

#[test]
fn a_task_under_way_is_paused_and_goes_on_from_its_checkpoint() {
    let mut bench = Bench::new(vec![task("a", &[]), task("b", &[])], 1);
    let (task, Lease { token, .. }) = bench.start("a");
    let text = "half".to_owned();
    bench.ask(Command::Checkpoint { task, token, text: text.clone() }).unwrap();
    bench.ask(Command::Hold(task)).unwrap();
    assert_eq!([bench.state("a"), bench.state("b")], [StateName::OnHold, StateName::Assigned]);
    assert!(bench.ask(Command::Checkpoint { task, token, text }).is_err(), "its attempt is over");
    bench.ask(Command::Resume(task)).unwrap();
    bench.finish("b");
    assert_eq!(bench.lease("a").attempt, 2);
    let record = bench.engine.state().task(task).unwrap();
    assert_eq!((record.failures, record.checkpoint.as_deref()), (0, Some("half")));
}
