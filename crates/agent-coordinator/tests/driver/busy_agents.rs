//! Agents that keep their thread busy, end at once or panic: attempts without files are begun one after the other on one
//! thread, and none of them may be the others' misfortune.

use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use agent_coordinator::executor::{InProcess, Job, Outcome};
use state_store::StreamName;
use state_store::task::{Event, FailureReason, ProjectSettings, StateName, Transition};
use tokio_util::sync::CancellationToken;

use crate::world::{World, add, end, plan, settle, states, task};

fn without_files() -> ProjectSettings {
    ProjectSettings { branch: None, checks: false }
}

fn done() -> Outcome {
    Outcome::Done(Vec::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 5)]
async fn agents_that_keep_their_threads_busy_work_side_by_side() {
    let world = World::new();
    // Each blocks its thread until all three are at work.
    let all = Arc::new(Barrier::new(3));
    let work = move |_: Job| {
        let all = Arc::clone(&all);
        async move {
            all.wait();
            done()
        }
    };
    let running = world.start(1, InProcess::new(work));
    let tasks = ["a", "b", "c"].map(|name| task(name, &[])).to_vec();
    let project = add(&running, plan(tasks), without_files(), 3).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed; 3]);
    end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 5)]
async fn one_that_never_gives_its_thread_back_runs_out_of_time() {
    let world = World::new().with_attempt_time(Duration::from_millis(50));
    let released = Arc::new((Mutex::new(false), Condvar::new()));
    let stops = Arc::new(Mutex::new(Vec::new()));
    let (waited, seen) = (Arc::clone(&released), Arc::clone(&stops));
    let work = move |job: Job| {
        let waited = Arc::clone(&waited);
        seen.lock().unwrap().push(job.stop.clone());
        async move {
            if job.task().id.as_str() == "stuck" {
                let (is_released, signal) = &*waited;
                let held = signal.wait_while(is_released.lock().unwrap(), |is_released| !*is_released);
                drop(held.unwrap());
            }
            done()
        }
    };
    let running = world.start(1, InProcess::new(work));
    let project =
        add(&running, plan(vec![task("stuck", &[]), task("after", &["stuck"])]), without_files(), 2).await;
    settle(&running, project).await;
    let ends = states(&running, project).await;
    assert_eq!(ends, [StateName::Failed, StateName::Pending], "every attempt has run out of time");
    assert!(stops.lock().unwrap().iter().all(CancellationToken::is_cancelled), "each was told to stop");
    *released.0.lock().unwrap() = true;
    released.1.notify_all();
    end(running).await;

    let mut timeouts = 0;
    let mut visit = |recorded| {
        match Event::of(&recorded).unwrap() {
            Event::Task { transition: Transition::Fail { reason, .. }, .. } => {
                assert_eq!(reason, FailureReason::Timeout);
                timeouts += 1;
            }
            Event::LateResult { .. } => panic!("what came of it was told although it had been given up"),
            _ => {}
        }
        std::ops::ControlFlow::Continue(())
    };
    world.store.read(&StreamName::workspace(), state_store::Seq::START, &mut visit).unwrap();
    assert_eq!(timeouts, 3, "one for each attempt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 5)]
async fn one_that_waits_goes_on_beside_one_that_keeps_its_thread_busy() {
    let world = World::new();
    let gone_on = Arc::new((Mutex::new(false), Condvar::new()));
    let work = move |job: Job| {
        let gone_on = Arc::clone(&gone_on);
        async move {
            let (has_gone_on, signal) = &*gone_on;
            if job.task().id.as_str() == "waits" {
                tokio::task::yield_now().await;
                *has_gone_on.lock().unwrap() = true;
                signal.notify_all();
                return done();
            }
            let held = has_gone_on.lock().unwrap();
            let (held, late) =
                signal.wait_timeout_while(held, Duration::from_secs(30), |gone| !*gone).unwrap();
            drop(held);
            if late.timed_out() { Outcome::Failed("it has held the other up".to_owned()) } else { done() }
        }
    };
    let running = world.start(1, InProcess::new(work));
    let tasks = ["waits", "works"].map(|name| task(name, &[])).to_vec();
    let project = add(&running, plan(tasks), without_files(), 2).await;
    settle(&running, project).await;
    let failures = running.handle.inspect(move |engine, _| {
        engine.state().project(project).unwrap().tasks.iter().map(|record| record.failures).sum::<u32>()
    });
    assert_eq!(failures.await.unwrap(), 0);
    end(running).await;
}

#[tokio::test]
async fn some_end_at_once_some_wait_and_some_panic() {
    let world = World::new();
    let work = |job: Job| async move {
        let name = job.task().id.as_str();
        match name.as_bytes()[0] {
            b'w' => {
                tokio::task::yield_now().await;
                done()
            }
            b'p' if job.attempt == 1 => panic!("{name} on purpose"),
            b'p' => Outcome::Failed(job.briefing()),
            _ => done(),
        }
    };
    let running = world.start(1, InProcess::new(work));
    let names: Vec<String> =
        (0..60).map(|number| format!("{}{number}", ["e", "w", "p"][number % 3])).collect();
    let tasks = names.iter().map(|name| task(name, &[])).collect();
    let project = add(&running, plan(tasks), without_files(), 7).await;
    settle(&running, project).await;
    let ends = states(&running, project).await;
    for (name, state) in names.iter().zip(ends) {
        let expected = if name.starts_with('p') { StateName::Failed } else { StateName::Completed };
        assert_eq!(state, expected, "{name}");
    }
    let reason = running.handle.inspect(move |engine, _| {
        let record = &engine.state().project(project).unwrap().tasks[2];
        format!("{:?}", record.handover)
    });
    let reason = reason.await.unwrap();
    assert!(reason.contains("p2 on purpose"), "the second attempt was told how the first ended: {reason}");
    end(running).await;
}
