use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::Timestamp;
use crate::task::{
    AgentKey, Event, FencingToken, Host, InstanceKey, Lease, Lost, ProjectSettings, Transition,
};

const TASKS: u32 = 100;
const PROJECT: ProjectKey = ProjectKey(0);

fn apply(state: &mut State, event: &Event) {
    state.apply(event, Timestamp::default()).unwrap();
}

/// A workspace with an agent and a project of many tasks.
fn workspace() -> State {
    let mut state = State::default();
    let host = Host { boot: "b".to_owned(), pid: 1, started: 1 };
    apply(&mut state, &Event::InstanceStarted { id: [1; 16], host, expires_at: Timestamp::default() });
    let (capabilities, instance) = (Vec::new().into(), InstanceKey(0));
    apply(
        &mut state,
        &Event::AgentRegistered {
            name: "a".to_owned(),
            capabilities,
            slots: 1,
            lease: None,
            instance,
            labels: Vec::new(),
        },
    );
    let tasks: Vec<_> = (0..TASKS).map(|task| format!("{{\"id\":\"T{task}\",\"title\":\"t\"}}")).collect();
    let plan = format!("{{\"name\":\"p\",\"tasks\":[{}]}}", tasks.join(",")).into_bytes();
    let settings = ProjectSettings { branch: None, checks: false };
    apply(&mut state, &Event::ProjectAdded { name: "p".to_owned(), plan, settings });
    state
}

fn all_tasks() -> impl Iterator<Item = TaskKey> {
    (0..TASKS).map(|task| TaskKey { project: PROJECT, task })
}

/// Gives each of the tasks one more attempt.
fn attempt(state: &mut State, tasks: impl Iterator<Item = TaskKey>) {
    for task in tasks {
        let record = state.task(task).unwrap();
        let (token, attempt) = (record.last_token.next(), record.attempts + 1);
        let (agent, instance, expires_at) = (AgentKey(0), InstanceKey(0), Timestamp::default());
        let lease = Lease { agent, instance, token, attempt, expires_at };
        apply(state, &Event::Task { task, transition: Transition::Assign(lease) });
        let lose = Transition::Lose { token: FencingToken::new(token.get()), why: Lost::LeaseExpired };
        apply(state, &Event::Task { task, transition: lose });
    }
}

#[test]
fn what_is_shown_is_the_last_state_and_never_an_older_one() {
    let (mut state, view) = (workspace(), TaskView::default());
    let task = TaskKey { project: PROJECT, task: 70 };
    assert_eq!((view.get(task), view.all().get(task), view.all().seq()), (None, None, Seq::START));
    view.show(&state, []);
    let glance = |seq, attempts| Some(TaskGlance { seq, state: StateName::Pending, attempts });
    assert_eq!((view.get(task), view.all().get(task)), (glance(Seq::new(3), 0), glance(Seq::new(3), 0)));

    let (old, kept) = (state.clone(), view.all());
    attempt(&mut state, std::iter::once(task));
    view.show(&state, [task]);
    assert_eq!((view.get(task), view.all().get(task)), (glance(Seq::new(5), 1), glance(Seq::new(5), 1)));
    assert_eq!(kept.get(task), glance(Seq::new(3), 0), "a look that was taken does not change");
    view.show(&old, [task]);
    assert_eq!((view.get(task), view.all().seq()), (glance(Seq::new(5), 1), Seq::new(5)));
    assert_eq!(view.all().tasks(PROJECT).count(), TASKS as usize);
    assert_eq!(view.all().tasks(ProjectKey(1)).count(), 0);
}

#[test]
fn tasks_that_come_into_a_plan_are_shown_whichever_moves_first() {
    let (mut state, view) = (workspace(), TaskView::default());
    view.show(&state, []);
    let added = br#"[{"id":"N0","title":"t"},{"id":"N1","title":"t"}]"#.to_vec();
    apply(&mut state, &Event::TasksSet { project: PROJECT, tasks: added });
    let last = TaskKey { project: PROJECT, task: TASKS + 1 };
    attempt(&mut state, std::iter::once(last));
    view.show(&state, [last]);
    assert_eq!(view.all().tasks(PROJECT).count(), TASKS as usize + 2);
    let attempts = |task| (view.get(task).unwrap().attempts, view.all().get(task).unwrap().attempts);
    assert_eq!(attempts(last), (1, 1));
    assert_eq!(attempts(TaskKey { project: PROJECT, task: TASKS }), (0, 0));
}

/// The writer gives every task one more attempt with each batch, so tasks of two batches together show at once.
#[test]
fn no_reader_ever_sees_a_mixture() {
    const BATCHES: u64 = 300;
    const READERS: usize = 8;
    let (mut state, view) = (workspace(), TaskView::default());
    let first = state.seq().get();
    view.show(&state, []);
    let is_over = AtomicBool::new(false);
    let look = || {
        let (mut last, mut looks) = (Seq::START, 0_u64);
        while !is_over.load(Ordering::Relaxed) || looks == 0 {
            let all = view.all();
            let batch = (all.seq().get() - first) / (2 * u64::from(TASKS));
            assert_eq!(all.seq().get(), first + batch * 2 * u64::from(TASKS), "the end of a batch");
            for (place, task) in (0_u32..).zip(all.tasks(PROJECT)) {
                assert_eq!(u64::from(task.attempts), batch, "task {place} as of {}", all.seq());
            }
            assert!(last <= all.seq(), "time does not go back");
            (last, looks) = (all.seq(), looks + 1);
        }
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(look)).collect();
        for _ in 0..BATCHES {
            attempt(&mut state, all_tasks());
            view.show(&state, all_tasks());
        }
        is_over.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(view.all().tasks(PROJECT).all(|task| u64::from(task.attempts) == BATCHES));
}
