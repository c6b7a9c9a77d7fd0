//! The driver where the world does not play along: a store that fails, a branch that others move, coordinators that meet.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use agent_coordinator::engine::{Command, Engine, Policy, Reach, Request};
use agent_coordinator::executor::{InProcess, Job, Outcome};
use agent_coordinator::{CommandError, DriverError, load, turn};
use state_store::log::{CommitError, Snapshot, SnapshotError, StreamEnd};
use state_store::task::{
    CancelReason, Completion, Event, Host, InstanceKey, Landed, ProjectKey, StateName, TaskKey, TaskState,
    Transition,
};
use state_store::{
    Entry, MemoryStore, Recorded, Seq, StateStore, StoreError, StreamName, SystemClock, Timestamp,
    Transaction,
};

use crate::world::{World, add, agents, end, file_of, plan, settle, states, task};

/// A store that asks somebody before each commit, who may look on or say that it fails.
struct Watched {
    inner: MemoryStore,
    watch: Watch,
}

type Watch = Arc<dyn Fn(&[Event]) -> ControlFlow<()> + Send + Sync>;

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

impl Watched {
    fn new(watch: impl Fn(&[Event]) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        Self { inner: MemoryStore::new(Arc::new(SystemClock)), watch: Arc::new(watch) }
    }
}

impl StateStore for Watched {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        let inner = self.inner.begin(stream, after)?;
        Ok(Box::new(WatchedTransaction { inner, watch: Arc::clone(&self.watch) }))
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.inner.read(stream, after, visit)
    }

    fn end(&self, stream: &StreamName) -> Result<StreamEnd, StoreError> {
        self.inner.end(stream)
    }

    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError> {
        self.inner.wait(stream, after, patience)
    }

    fn save_snapshot(&self, stream: &StreamName, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.inner.save_snapshot(stream, snapshot)
    }

    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError> {
        self.inner.load_snapshot(stream)
    }

    fn load_base(&self, stream: &StreamName) -> Result<Option<state_store::log::Base>, StoreError> {
        self.inner.load_base(stream)
    }

    fn start_after(&self, stream: &StreamName, base: &state_store::log::Base) -> Result<(), CommitError> {
        self.inner.start_after(stream, base)
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        self.inner.compact(stream)
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        self.inner.streams()
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }
}

struct WatchedTransaction<'a> {
    inner: Box<dyn Transaction + 'a>,
    watch: Watch,
}

impl Transaction for WatchedTransaction<'_> {
    fn news(&self) -> &[Recorded] {
        self.inner.news()
    }

    fn head(&self) -> Seq {
        self.inner.head()
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn record_at(&mut self, at: Timestamp) {
        self.inner.record_at(at);
    }

    fn commit(self: Box<Self>, entries: Vec<Entry>) -> Result<Seq, CommitError> {
        let events: Vec<_> = entries.iter().map(|entry| Event::from_entry(entry).unwrap()).collect();
        match (self.watch)(&events) {
            ControlFlow::Continue(()) => self.inner.commit(entries),
            ControlFlow::Break(()) => Err(CommitError::Unknown(StoreError::Poisoned)),
        }
    }
}

fn requests(commands: &[Command]) -> Vec<Request> {
    commands.iter().cloned().map(Request::from).collect()
}

fn is_step(event: &Event, wanted: fn(&Transition) -> bool) -> bool {
    matches!(event, Event::Task { transition, .. } if wanted(transition))
}

#[tokio::test]
async fn where_a_commit_fails_nobody_is_told_of_success_and_nothing_is_begun() {
    let store =
        Watched::new(|events| match events.iter().any(|event| matches!(event, Event::ProjectAdded { .. })) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
    let world = World::with_store(|_| Arc::new(store));
    let begun = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&begun);
    let running = world.start(
        1,
        InProcess::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Outcome::Done(Vec::new()) }
        }),
    );
    running.handle.submit(agents(2)).await.unwrap();
    let enter = Command::Enter { plan: plan(vec![task("a", &[])]), settings: world.settings() };
    assert_eq!(running.handle.submit(enter).await, Err(CommandError::Unknown));
    assert!(matches!(running.ended().await, Err(DriverError::Store(_))));
    assert_eq!(begun.load(Ordering::SeqCst), 0);
    assert_eq!(world.commits(), [""; 0]);
}

/// The process ends when the branch is moved and that is not recorded: the next one finds the commit, and makes no other.
#[tokio::test]
async fn a_landing_whose_end_was_not_recorded_is_found_on_the_branch() {
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let store = Arc::new(Watched::new(move |events| {
        let lands = events.iter().any(|event| is_step(event, |step| matches!(step, Transition::Land { .. })));
        if lands && failing.load(Ordering::SeqCst) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }));
    let world = World::with_store(|_| Arc::clone(&store) as Arc<_>);
    let tasks = || plan(vec![task("a", &[]), task("b", &[])]);
    let running = world.start(1, InProcess::new(file_of));
    add(&running, tasks(), world.settings(), 2).await;
    assert!(matches!(running.ended().await, Err(DriverError::Store(_))));
    let landed = world.commits();
    assert!(!landed.is_empty(), "the branch has moved");

    fails.store(false, Ordering::SeqCst);
    let running = world.start(2, InProcess::new(file_of));
    let project = add(&running, tasks(), world.settings(), 2).await;
    settle(&running, project).await;
    let recorded = running.handle.inspect(move |engine, _| {
        let tasks = &engine.state().project(project).unwrap().tasks;
        let commit = |record: &state_store::task::TaskRecord| match record.state {
            TaskState::Completed(Completion::Attempt { landed: Landed::Commit { commit, .. }, .. }) => {
                commit.to_string()
            }
            ref other => panic!("{other:?}"),
        };
        let mut commits: Vec<_> = tasks.iter().map(commit).collect();
        commits.sort();
        commits
    });
    let recorded = recorded.await.unwrap();
    end(running).await;
    let mut on_branch: Vec<_> =
        world.git(&["rev-list", &format!("main..{}", world.branch)]).lines().map(str::to_owned).collect();
    on_branch.sort();
    assert_eq!(recorded, on_branch);
    assert_eq!(on_branch.len(), 2);
}

#[tokio::test]
async fn a_commit_of_somebody_else_between_the_two_steps_is_kept() {
    let folder = Arc::new(std::sync::OnceLock::<std::path::PathBuf>::new());
    let moved = Arc::new(AtomicBool::new(false));
    let (in_watch, at) = (Arc::clone(&moved), Arc::clone(&folder));
    let store = Watched::new(move |events| {
        let intends =
            events.iter().any(|event| is_step(event, |step| matches!(step, Transition::Intend { .. })));
        if intends && !in_watch.swap(true, Ordering::SeqCst) {
            let script = "git update-ref refs/heads/planner/test $(git -c user.name=x -c user.email=x@example.org \
                          commit-tree planner/test^{tree} -p planner/test -m foreign)";
            let status =
                std::process::Command::new("sh").args(["-c", script]).current_dir(at.get().unwrap()).status();
            assert!(status.unwrap().success());
        }
        ControlFlow::Continue(())
    });
    let world = World::with_store(|root| {
        folder.set(root.join("repo")).unwrap();
        Arc::new(store)
    });
    let running = world.start(1, InProcess::new(file_of));
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    settle(&running, project).await;
    assert_eq!(states(&running, project).await, [StateName::Completed]);
    end(running).await;
    assert!(moved.load(Ordering::SeqCst));
    assert_eq!(world.commits(), ["a: a", "foreign"]);
}

#[tokio::test]
async fn an_attempt_that_takes_longer_than_its_lease_keeps_it() {
    let world = World::new();
    let policy = Policy { lease: Duration::from_secs(2), ..Policy::default() };
    let slow = InProcess::new(|job: Job| async move {
        tokio::time::sleep(Duration::from_millis(4_500)).await;
        file_of(job).await
    });
    let running = world.start_with(1, slow, policy);
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    settle(&running, project).await;
    let glance = running.handle.view().get(TaskKey { project, task: 0 }).unwrap();
    assert_eq!((glance.state, glance.attempts), (StateName::Completed, 1));
    end(running).await;
}

#[tokio::test]
async fn two_living_coordinators_share_a_project_and_leave_each_other_alone() {
    let world = World::new();
    let policy = Policy { instance_lease: Duration::from_secs(3), ..Policy::default() };
    let slow = || {
        InProcess::new(|job: Job| async move {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            file_of(job).await
        })
    };
    let tasks: Vec<_> = (0..16).map(|number| task(&format!("t{number}"), &[])).collect();
    let first = world.start_with(1, slow(), policy.clone());
    let project = add(&first, plan(tasks.clone()), world.settings(), 2).await;
    let second = world.start_with(2, slow(), policy);
    assert_eq!(add(&second, plan(tasks), world.settings(), 2).await, project);
    settle(&first, project).await;
    settle(&second, project).await;
    assert_eq!(states(&first, project).await, [StateName::Completed; 16]);
    let mine = first.handle.inspect(move |engine, _| {
        let tasks = &engine.state().project(project).unwrap().tasks;
        let by = |record: &state_store::task::TaskRecord| match &record.state {
            TaskState::Completed(Completion::Attempt { lease, .. }) => lease.instance,
            other => panic!("{other:?}"),
        };
        tasks.iter().filter(|record| by(record) == InstanceKey(0)).count()
    });
    let mine = mine.await.unwrap();
    assert!(mine > 0 && mine < 16, "each has done some: {mine}");
    end(first).await;
    end(second).await;
    assert_eq!(world.commits().len(), 16);
}

#[tokio::test]
async fn a_coordinator_that_was_taken_over_from_stops() {
    let world = World::new();
    let running = world.start(1, InProcess::new(|_| std::future::pending::<Outcome>()));
    add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    let stream = StreamName::workspace();
    let mut other = Engine::new([9; 16], Policy::default());
    load(&mut other, &*world.store, &stream).unwrap();
    let host = Host { boot: String::new(), pid: 1, started: 1 };
    turn(&mut other, &*world.store, &stream, &requests(&[Command::Begin { host }])).unwrap();
    let take_over = other.take_overs(|_| false);
    turn(&mut other, &*world.store, &stream, &requests(&take_over)).unwrap();
    assert!(matches!(running.ended().await, Err(DriverError::Deposed)));
}

#[tokio::test]
async fn an_attempt_of_a_task_that_is_called_off_is_stopped() {
    let world = World::new();
    let (told, mut stopped) = tokio::sync::mpsc::unbounded_channel();
    let running = world.start(
        1,
        InProcess::new(move |job: Job| {
            let told = told.clone();
            async move {
                told.send("begun").unwrap();
                job.stop.cancelled().await;
                told.send("stopped").unwrap();
                Outcome::Failed(String::new())
            }
        }),
    );
    let project = add(&running, plan(vec![task("a", &[])]), world.settings(), 1).await;
    assert_eq!(stopped.recv().await, Some("begun"));
    let reason = "enough".to_owned();
    let cancel = Command::Cancel { task: TaskKey { project, task: 0 }, reason, reach: Reach::Task };
    running.handle.submit(cancel).await.unwrap();
    assert_eq!(stopped.recv().await, Some("stopped"));
    let reason = running
        .handle
        .inspect(|engine, _| engine.state().project(ProjectKey(0)).unwrap().tasks[0].state.clone());
    assert_eq!(reason.await.unwrap(), TaskState::Cancelled(CancelReason::Operator("enough".to_owned())));
    end(running).await;
}

/// What cannot be done by anybody stops the coordinator when the agents at work have ended, and fails no task.
#[tokio::test]
async fn a_hindrance_lets_agents_end_and_fails_no_task() {
    let world = World::new();
    let agent = InProcess::new(|job: Job| async move {
        match job.task().id.as_str() {
            "hindered" => Outcome::Unable("there is no room".to_owned()),
            _ => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                file_of(job).await
            }
        }
    });
    let running = world.start(1, agent);
    let tasks = vec![task("hindered", &[]), task("slow", &[]), task("later", &["slow"])];
    add(&running, plan(tasks), world.settings(), 2).await;
    let error = running.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "attempts cannot be made: there is no room");
    let mut engine = Engine::observer(Policy::default());
    load(&mut engine, &*world.store, &StreamName::workspace()).unwrap();
    let records = &engine.state().projects()[0].tasks;
    let failures: Vec<_> = records.iter().map(|record| (record.state.name(), record.failures)).collect();
    assert_eq!(failures[0], (StateName::Pending, 0));
    assert!(matches!(failures[1].0, StateName::Completed | StateName::Landing), "{failures:?}");
    assert_eq!(failures[2], (StateName::Pending, 0));
}
