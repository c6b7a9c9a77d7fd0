//! Memory that is given back: after a warm-up, a thousand executions more leave nothing behind.
//!
//! Every byte that is allocated and not freed is counted, so this is a program of its own with one test.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::alloc::System;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_runtime::event::channel;
use agent_runtime::model::{Message, Simulated, SimulatedProfile};
use agent_runtime::react::{ReAct, Request};
use agent_runtime::session::{Session, SessionName, Shelf};
use agent_runtime::tool::files::{WorkingSet, tools};
use agent_runtime::tool::{Registry, ToolLimits};
use cap::Cap;
use state_store::{MemoryStore, SqliteStore, StateStore, SystemClock};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const EXECUTIONS: usize = 1000;
const TOGETHER: usize = 50;
const GROWTH_MAX: usize = 1 << 20;
const IDLE_MAX: usize = 100 * 1000;

/// Runs agents, some at a time, each in a session of its own that ends with it.
async fn execute(store: &Arc<dyn StateStore>, cycle: usize) {
    for group in 0..EXECUTIONS / TOGETHER {
        let mut running = tokio::task::JoinSet::new();
        for number in 0..TOGETHER {
            let store = Arc::clone(store);
            running.spawn(async move {
                let files = Arc::new(WorkingSet::new(BTreeMap::new()));
                let tools = Arc::new(Registry::new(tools(&files), ToolLimits::default()).unwrap());
                let model = Simulated::new(SimulatedProfile::steady(Duration::ZERO));
                let agent = ReAct::new(Arc::new(model), tools);
                let name = SessionName::new(&format!("{cycle}/{group}/{number}")).unwrap();
                let mut session = Session::open(store, name).await.unwrap();
                let (events, _unread) = channel(16);
                let request = Request { text: "write a.txt with some text".to_owned(), ..Request::default() };
                let run = agent.run(&mut session, &request, &events, &CancellationToken::new()).await;
                assert_eq!(run.unwrap().iterations, 3);
            });
        }
        running.join_all().await;
    }
}

#[test]
fn a_thousand_executions_more_leave_nothing_behind_and_an_idle_session_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut live = Vec::new();
    for cycle in 0..3 {
        // What a store in memory keeps goes with it.
        let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        runtime.block_on(execute(&store, cycle));
        drop(store);
        live.push(ALLOCATOR.allocated());
    }
    let growth = live[2].saturating_sub(live[1]);
    println!("live after each thousand executions: {live:?}");
    assert!(growth <= GROWTH_MAX, "{growth} bytes more after the third thousand: {live:?}");

    let store: Arc<dyn StateStore> =
        Arc::new(SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock)).unwrap());
    let text = "x".repeat(1000);
    let shelf = Arc::new(Shelf::new(Arc::clone(&store), Duration::ZERO));
    let name = |number| SessionName::new(&format!("idle/{number}")).unwrap();
    let before = ALLOCATOR.allocated();
    runtime.block_on(async {
        for number in 0..200 {
            let mut held = shelf.hold(&name(number)).await.unwrap();
            held.append(vec![Message::User(text.clone())]).await.unwrap();
        }
    });
    let each = ALLOCATOR.allocated().saturating_sub(before) / 200;
    println!("an idle session with a kilobyte of text takes {each} bytes");
    assert!(each < IDLE_MAX + text.len(), "{each} bytes by idle session");
    runtime.block_on(shelf.sweep());
    let after = ALLOCATOR.allocated().saturating_sub(before);
    assert!(after < 200 * text.len(), "{after} bytes stay after the sessions were put away");
}
