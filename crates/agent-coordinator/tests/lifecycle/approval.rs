//! Tasks that somebody has to agree to.

use agent_coordinator::engine::{Command, Explanation, Gate, Policy, Refusal};
use planner_core::{Approval, Task};
use state_store::task::{
    CancelReason, CommitHash, Deliverable, FailureReason, Handover, Landed, Lease, Review, StateName,
    TaskState,
};

use crate::bench::{Bench, PROJECT, task};

fn gated(name: &str, after: &[&str], approval: Approval) -> Task {
    Task { approval, ..task(name, after) }
}

fn review(comment: &str) -> Review {
    Review { by: "ann".to_owned(), comment: comment.to_owned() }
}

impl Bench {
    fn approve(&mut self, id: &str) -> Result<(), Refusal> {
        let (task, review) = (self.key(id), review("fine"));
        self.ask(Command::Approve { task, review }).map(drop)
    }

    fn reject(&mut self, id: &str, comment: &str) {
        let (task, review) = (self.key(id), review(comment));
        self.ask(Command::Reject { task, review }).unwrap();
    }
}

#[test]
fn a_task_is_handed_out_only_after_somebody_has_agreed() {
    let tasks = vec![task("a", &[]), gated("b", &["a"], Approval::Start), gated("c", &[], Approval::Start)];
    let mut bench = Bench::new(tasks, 3);
    assert!(matches!(bench.explain("b"), Explanation::Waiting { .. }), "first what comes before it");
    assert_eq!(bench.explain("c"), Explanation::AwaitingStart);
    assert_eq!(bench.engine.closed_gate(bench.key("c")), Some(Gate::Start));
    bench.approve("b").unwrap();
    bench.finish("a");
    assert_eq!([bench.state("b"), bench.state("c")], [StateName::Assigned, StateName::Pending]);
    bench.finish("b");
    assert!(bench.engine.is_settled(PROJECT), "nothing happens until somebody agrees");
    bench.approve("c").unwrap();
    assert_eq!(bench.state("c"), StateName::Assigned);
    let (task, state) = (bench.key("c"), StateName::Assigned);
    assert_eq!(bench.approve("c"), Err(Refusal::NoGate { task, state }), "once is enough");
}

#[test]
fn what_is_rejected_before_its_start_is_called_off_and_may_be_asked_for_anew() {
    let mut bench = Bench::new(vec![gated("a", &[], Approval::Start), task("b", &["a"])], 1);
    bench.reject("a", "not now");
    let TaskState::Cancelled(CancelReason::Rejected(found)) =
        bench.engine.state().task(bench.key("a")).unwrap().state.clone()
    else {
        panic!("{:?}", bench.state("a"))
    };
    assert_eq!(found, review("not now"));
    let Explanation::Waiting { blockers } = bench.explain("b") else { panic!() };
    assert!(blockers[0].is_hopeless);
    let task = bench.key("a");
    bench.ask(Command::Reopen { task, reach: agent_coordinator::engine::Reach::Task }).unwrap();
    assert_eq!(bench.explain("a"), Explanation::AwaitingStart, "it is asked about again");
    bench.approve("a").unwrap();
    assert_eq!(bench.state("a"), StateName::Assigned);
}

#[test]
fn a_result_lands_only_after_somebody_has_agreed() {
    let mut bench = Bench::new(vec![gated("a", &[], Approval::Landing), task("b", &[])], 1);
    let (task, Lease { token, agent, .. }) = bench.start("a");
    let result = CommitHash([7; 20]);
    let deliverable = Deliverable::Commit { result, base: CommitHash([1; 20]) };
    bench.ask(Command::Deliver { task, token, agent, deliverable }).unwrap();
    assert_eq!(bench.state("a"), StateName::AwaitingApproval);
    assert_eq!(bench.state("b"), StateName::Assigned, "its agent goes on with something else");
    let Explanation::AwaitingLanding { result: told, .. } = bench.explain("a") else { panic!() };
    assert_eq!(told, Some(result.to_string()), "what is to be looked at is named");
    let landed = Landed::Commit { commit: result, merged: false };
    assert!(bench.ask(Command::Land { task, token, landed }).is_err(), "it does not land by itself");
    bench.approve("a").unwrap();
    assert_eq!(bench.state("a"), StateName::Landing);
    bench.ask(Command::Land { task, token, landed }).unwrap();
    assert_eq!(bench.state("a"), StateName::Completed);
}

#[test]
fn a_rejected_result_goes_back_with_the_comment_up_to_the_limit() {
    let policy = Policy { failures_max: 2, ..Policy::default() };
    let mut bench = Bench::with_policy(vec![gated("a", &[], Approval::Landing)], 1, policy);
    bench.finish("a");
    bench.reject("a", "no tests");
    assert_eq!(bench.state("a"), StateName::Backoff);
    let handover = bench.engine.state().task(bench.key("a")).unwrap().handover.as_deref().cloned();
    let expected = FailureReason::Rejected(review("no tests")).to_string();
    assert_eq!(handover, Some(Handover::Failure(expected)), "the next attempt is told why");
    let task = bench.key("a");
    bench.ask(Command::Resume(task)).unwrap();
    bench.finish("a");
    bench.reject("a", "still none");
    assert_eq!(bench.state("a"), StateName::Failed);
}

#[test]
fn a_result_without_files_is_completed_by_the_approval() {
    let mut bench = Bench::new(vec![gated("a", &[], Approval::Both), task("b", &["a"])], 1);
    bench.approve("a").unwrap();
    bench.finish("a");
    assert_eq!(bench.state("b"), StateName::Pending);
    bench.approve("a").unwrap();
    assert_eq!([bench.state("a"), bench.state("b")], [StateName::Completed, StateName::Assigned]);
    let (task, state) = (bench.key("b"), StateName::Assigned);
    assert_eq!(bench.approve("b"), Err(Refusal::NoGate { task, state }));
}
