//! The transition table: what it allows, as a picture; and what holds along every path through it.

use proptest::prelude::*;
use state_store::Timestamp;
use state_store::task::{
    AfterFailure, AgentKey, CancelReason, CheckRecord, CommitHash, Completion, ConflictRecord, Deliverable,
    Delivery, FailureReason, FencingToken, IllegalTransition, InstanceKey, Intent, Landed, Lease, Review,
    TaskRecord, TaskState, Transition, transition,
};

fn lease(token: u64) -> Lease {
    Lease {
        agent: AgentKey(0),
        instance: InstanceKey(0),
        token: FencingToken::new(token),
        attempt: 1,
        expires_at: Timestamp::from_millis(60_000),
    }
}

fn conflict() -> ConflictRecord {
    let commit = CommitHash([1; 20]);
    ConflictRecord { theirs: commit, base: commit, ours: commit, paths: vec!["a".to_owned()] }
}

fn review() -> Review {
    Review { by: "ann".to_owned(), comment: "fine".to_owned() }
}

fn states() -> Vec<TaskState> {
    let delivery = Box::new(Delivery { deliverable: Deliverable::NoFiles, at: Timestamp::default() });
    let lease = lease(1);
    vec![
        TaskState::Pending,
        TaskState::Assigned(lease),
        TaskState::Running(lease),
        TaskState::Verifying { lease, delivery: delivery.clone() },
        TaskState::AwaitingApproval { lease, delivery: delivery.clone() },
        TaskState::Landing { lease, delivery, intents: Vec::new() },
        TaskState::Completed(Completion::Beforehand),
        TaskState::Backoff { until: Timestamp::default() },
        TaskState::InConflict(Box::new(conflict())),
        TaskState::OnHold,
        TaskState::Failed { reason: FailureReason::Timeout },
        TaskState::Cancelled(CancelReason::NotNeeded),
    ]
}

/// Every step that the table knows, about the attempt with that token.
fn steps(token: u64) -> Vec<Transition> {
    let (next, token) = (lease(token + 1), FencingToken::new(token));
    vec![
        Transition::Assign(next),
        Transition::Start(token),
        Transition::Renew { token, expires_at: Timestamp::from_millis(90_000) },
        Transition::Deliver { token, deliverable: Deliverable::NoFiles },
        Transition::Verify { token, check: CheckRecord::NotNamed },
        Transition::Intend { token, intent: Intent { commit: CommitHash([2; 20]), merged: false } },
        Transition::Land { token, landed: Landed::Empty },
        Transition::Conflict { token, conflict: conflict() },
        Transition::Fail {
            token,
            reason: FailureReason::Timeout,
            then: AfterFailure::Retry(Timestamp::from_millis(5)),
        },
        Transition::Fail { token, reason: FailureReason::Timeout, then: AfterFailure::GiveUp },
        Transition::Lose { token, why: transition::Lost::LeaseExpired },
        Transition::Hold,
        Transition::Resume,
        Transition::Cancel(CancelReason::NotNeeded),
        Transition::Adopt { token, instance: InstanceKey(1) },
        Transition::Reopen,
        Transition::CompleteByHand("done".to_owned()),
        Transition::Checkpoint { token, text: "half".to_owned() },
        Transition::Propose { token, check: CheckRecord::NotNamed },
        Transition::ApproveStart(review()),
        Transition::ApproveLanding { token, review: review() },
    ]
}

#[test]
fn the_whole_table() {
    let mut table = String::new();
    for state in states() {
        for step in steps(1) {
            if let Ok(next) = transition::next(&state, FencingToken::new(1), &step, Timestamp::default()) {
                table += &format!("{} -- {} -> {}\n", state.name(), step.name(), next.name());
            }
        }
    }
    assert_eq!(
        table,
        "\
pending -- assign -> assigned
pending -- hold -> on hold
pending -- cancel -> cancelled
pending -- complete by hand -> completed
pending -- approve -> pending
assigned -- start -> running
assigned -- renew -> assigned
assigned -- fail -> backoff
assigned -- fail -> failed
assigned -- lose -> pending
assigned -- cancel -> cancelled
running -- renew -> running
running -- deliver -> verifying
running -- fail -> backoff
running -- fail -> failed
running -- lose -> pending
running -- cancel -> cancelled
running -- checkpoint -> running
verifying -- verify -> landing
verifying -- fail -> backoff
verifying -- fail -> failed
verifying -- adopt -> verifying
verifying -- propose -> awaiting approval
awaiting approval -- fail -> backoff
awaiting approval -- fail -> failed
awaiting approval -- cancel -> cancelled
awaiting approval -- adopt -> awaiting approval
awaiting approval -- approve -> landing
landing -- intend to land -> landing
landing -- land -> completed
landing -- conflict -> in conflict
landing -- fail -> backoff
landing -- fail -> failed
landing -- adopt -> landing
completed -- reopen -> pending
backoff -- hold -> on hold
backoff -- resume -> pending
backoff -- cancel -> cancelled
backoff -- complete by hand -> completed
backoff -- approve -> backoff
in conflict -- assign -> assigned
in conflict -- hold -> on hold
in conflict -- cancel -> cancelled
in conflict -- complete by hand -> completed
in conflict -- approve -> in conflict
on hold -- resume -> pending
on hold -- cancel -> cancelled
on hold -- complete by hand -> completed
on hold -- approve -> on hold
failed -- reopen -> pending
failed -- complete by hand -> completed
cancelled -- reopen -> pending
"
    );
}

#[test]
fn an_old_token_moves_nothing_and_is_told_the_present_one() {
    let (old, new) = (FencingToken::new(1), FencingToken::new(2));
    for state in [TaskState::Assigned(lease(2)), TaskState::Running(lease(2))] {
        for step in steps(1).into_iter().filter(|step| step.token().is_some()) {
            let expected = IllegalTransition::StaleToken {
                state: state.name(),
                transition: step.name(),
                given: old,
                current: new,
            };
            assert_eq!(transition::next(&state, new, &step, Timestamp::default()), Err(expected));
        }
    }
}

#[test]
fn a_token_is_never_used_again() {
    let refused = transition::next(
        &TaskState::Pending,
        FencingToken::new(7),
        &Transition::Assign(lease(7)),
        Timestamp::default(),
    );
    let (given, last) = (FencingToken::new(7), FencingToken::new(7));
    assert_eq!(refused, Err(IllegalTransition::TokenNotAbove { given, last }));
}

proptest! {
    /// Any walk through the table: a refused step changes nothing, tokens only grow, and what is settled stays so.
    #[test]
    fn every_path_keeps_the_rules(walk in prop::collection::vec((0..21_usize, 0..3_u64), 1..60)) {
        let mut record = TaskRecord::new(&planner_core::Standing::Pending);
        for (step, age) in walk {
            let before = record.clone();
            let token = before.last_token.get().saturating_sub(age);
            let step = &steps(token)[step];
            let at = Timestamp::from_millis(1);
            match record.take(step, at) {
                Err(_) => prop_assert_eq!(&record, &before),
                Ok(()) => {
                    prop_assert!(record.last_token >= before.last_token);
                    let is_by_hand = matches!(step, Transition::Reopen | Transition::CompleteByHand(_));
                    prop_assert!(!before.state.is_settled() || is_by_hand, "{:?} was left by {:?}", before.state, step);
                    if let Some(given) = step.token() {
                        prop_assert_eq!(Some(given), before.state.lease().map(|lease| lease.token));
                    }
                    if matches!(step, Transition::Assign(_)) {
                        prop_assert!(record.last_token > before.last_token);
                        prop_assert_eq!(record.attempts, before.attempts + 1);
                    }
                    prop_assert!(record.failures <= record.attempts);
                }
            }
        }
    }
}
