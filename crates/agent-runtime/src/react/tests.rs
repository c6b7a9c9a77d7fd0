use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use serde_json::json;
use state_store::log::{Snapshot, SnapshotError, StreamEnd};
use state_store::{
    MemoryStore, Recorded, Seq, SqliteStore, StateStore, StoreError, StreamName, SystemClock, Timestamp,
    Transaction,
};
use tokio::sync::Barrier;

use super::*;
use crate::BoxFuture;
use crate::budget::MicroDollars;
use crate::event::{EventReceiver, Told, channel};
use crate::model::{ModelError, Question, Reply, Scripted, Simulated, SimulatedProfile, TokenUsage};
use crate::session::{SessionError, SessionName};
use crate::skill::ACTIVATE_SKILL;
use crate::tool::files::{FilePath, LIST_FILES, READ_FILE, WRITE_FILE, WorkingSet, tools};
use crate::tool::{
    Access, Arguments, Kind, Schema, Tool, ToolCall, ToolError, ToolLimits, ToolResult, ToolSpec, ToolStatus,
};
use crate::window::Instead;

fn memory() -> Arc<dyn StateStore> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock)))
}

fn sqlite(folder: &Path) -> Arc<dyn StateStore> {
    Arc::new(SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock)).unwrap())
}

async fn open(store: &Arc<dyn StateStore>) -> Session {
    Session::open(Arc::clone(store), SessionName::new("s").unwrap()).await.unwrap()
}

fn request(text: &str) -> Request {
    Request { instructions: "be brief".to_owned(), text: text.to_owned(), ..Request::default() }
}

fn call(id: &str, name: &str, arguments: &serde_json::Value) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_string() }
}

fn calls(calls: &[ToolCall]) -> Result<Reply, ModelError> {
    Ok(Reply { calls: calls.to_vec(), ..Reply::default() })
}

fn answer(text: &str) -> Result<Reply, ModelError> {
    Ok(Reply::answer(text))
}

const OVERLOADED: Result<Reply, ModelError> = Err(ModelError::Overloaded { retry_after: None });

fn answered(text: &str) -> Outcome {
    Outcome::Answered(text.to_owned())
}

/// A tool that does what a function does.
struct Custom<F> {
    name: &'static str,
    work: F,
}

impl<F, R> Tool for Custom<F>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<String, ToolError>> + Send + 'static,
{
    fn spec(&self) -> ToolSpec {
        let arguments = Schema::new().optional("note", Kind::Text, "anything");
        ToolSpec { name: self.name.to_owned(), description: "for a test".to_owned(), arguments }
    }

    fn access(&self) -> Access {
        Access::Reads
    }

    fn call(&self, _: Arguments, _: CancellationToken) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin((self.work)())
    }
}

fn custom<F, R>(name: &'static str, work: F) -> Arc<dyn Tool>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<String, ToolError>> + Send + 'static,
{
    Arc::new(Custom { name, work })
}

fn hangs() -> Arc<dyn Tool> {
    custom("hangs", std::future::pending)
}

struct Bench {
    agent: ReAct,
    files: Arc<WorkingSet>,
    events: EventSender,
    cancel: CancellationToken,
}

impl Bench {
    fn new(model: impl LanguageModel) -> Self {
        Self::with_tools(Arc::new(model), [])
    }

    fn with_tools(model: Arc<dyn LanguageModel>, more: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        let base: BTreeMap<String, Vec<u8>> = [("a.txt".to_owned(), b"old".to_vec())].into();
        let files = Arc::new(WorkingSet::new(base));
        let tools = tools(&files).into_iter().chain(more);
        let tools = Arc::new(Registry::new(tools, ToolLimits::default()).unwrap());
        let agent = ReAct::new(model, tools);
        Self { agent, files, events: EventSender::unheard(), cancel: CancellationToken::new() }
    }

    async fn run(&self, session: &mut Session, text: &str) -> Result<Run, RunError> {
        self.agent.run(session, &request(text), &self.events, &self.cancel).await
    }

    async fn resume(&self, session: &mut Session) -> Result<Run, RunError> {
        self.agent.resume(session, &self.events, &self.cancel).await
    }

    async fn resume_or_run(&self, session: &mut Session) -> Result<Run, RunError> {
        if session.messages().is_empty() { self.run(session, "go").await } else { self.resume(session).await }
    }

    fn written(&self) -> Vec<(String, String)> {
        let text = |(path, content): (FilePath, Vec<u8>)| {
            (path.as_str().to_owned(), String::from_utf8(content).unwrap())
        };
        self.files.changes().into_iter().map(text).collect()
    }
}

async fn heard(mut events: EventReceiver) -> Vec<Told> {
    let mut told = Vec::new();
    while let Some(next) = events.next().await {
        told.push(next);
    }
    told
}

fn results(messages: &[Message]) -> Vec<&ToolResult> {
    messages
        .iter()
        .filter_map(|message| if let Message::Tool(result) = message { Some(result) } else { None })
        .collect()
}

#[tokio::test]
async fn a_request_is_worked_on_until_it_is_answered() {
    let write = json!({ "path": "b.txt", "content": "new" });
    let model = Arc::new(Scripted::new([
        calls(&[call("1", READ_FILE, &json!({ "path": "a.txt" })), call("2", WRITE_FILE, &write)]),
        calls(&[call("3", LIST_FILES, &json!({}))]),
        answer("done"),
        answer("again"),
    ]));
    let mut bench = Bench::with_tools(Arc::clone(&model) as _, []);
    let (sender, receiver) = channel(64);
    bench.events = sender;
    let store = memory();
    let mut session = open(&store).await;

    let run = bench.run(&mut session, "  do it \n").await.unwrap();
    assert_eq!((run.outcome, run.iterations), (answered("done"), 3));
    assert_eq!(bench.written(), [("b.txt".to_owned(), "new".to_owned())]);
    let texts: Vec<&str> = results(session.messages()).iter().map(|result| result.text.as_str()).collect();
    assert_eq!(texts, ["old", "wrote 3 bytes to `b.txt`", "a.txt\nb.txt"]);
    let opening = [Message::System("be brief".to_owned()), Message::User("do it".to_owned())];
    assert_eq!(session.messages()[..2], opening);
    // What the model was shown is what the session held.
    for question in model.questions() {
        assert_eq!(session.messages()[..question.len()], question);
    }
    assert_eq!(open(&store).await.messages(), session.messages());
    // An answer is not asked for twice, and the next request goes on in the same conversation.
    assert_eq!(bench.resume(&mut session).await.unwrap().outcome, answered("done"));
    let run = bench.run(&mut session, "and again").await.unwrap();
    assert_eq!((run.outcome, run.iterations), (answered("again"), 1));
    let systems = session.messages().iter().filter(|message| matches!(message, Message::System(_)));
    assert_eq!(systems.count(), 1);

    drop(bench);
    let names: Vec<&str> = heard(receiver)
        .await
        .iter()
        .map(|told| match told {
            Told::Event(Event::Started { .. }) => "started",
            Told::Event(Event::Preprocessed { .. }) => "ready",
            Told::Event(Event::Text(_)) => "text",
            Told::Event(Event::Replied { .. }) => "replied",
            Told::Event(Event::ToolCalled { name, .. } | Event::ToolReturned { name, .. }) => {
                if name == WRITE_FILE { "write" } else { "look" }
            }
            Told::Event(Event::Finished(_)) => "finished",
            told => panic!("{told:?}"),
        })
        .collect();
    let first = [
        "started", "ready", "replied", "look", "look", "write", "write", "replied", "look", "look", "text",
        "replied",
    ];
    let rest =
        ["finished", "started", "ready", "finished", "started", "ready", "text", "replied", "finished"];
    assert_eq!(names, [&first[..], &rest[..]].concat());
}

#[tokio::test(start_paused = true)]
async fn independent_calls_run_at_the_same_time() {
    let together = Arc::new(Barrier::new(8));
    let meet = custom("meet", move || {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Ok("met".to_owned())
        }
    });
    let eight: Vec<ToolCall> = (0..8).map(|id| call(&id.to_string(), "meet", &json!({}))).collect();
    let model = Scripted::new([calls(&eight), answer("done")]);
    let bench = Bench::with_tools(Arc::new(model), [meet]);
    let mut session = open(&memory()).await;
    assert_eq!(bench.run(&mut session, "meet").await.unwrap().outcome, answered("done"));
    let ids: Vec<_> = results(session.messages()).iter().map(|result| result.call_id.clone()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test(start_paused = true)]
async fn whatever_the_model_and_its_tools_do_the_loop_goes_on() {
    let tools = [
        hangs(),
        custom("panics", || async { panic!("as told") }),
        custom("talks", || async { Ok("x".repeat(10 << 20)) }),
    ];
    let bad = |id: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: READ_FILE.to_owned(),
        arguments: arguments.to_owned(),
    };
    let reply = calls(&[
        call("same", "hangs", &json!({})),
        call("same", "panics", &json!({})),
        call("", "talks", &json!({})),
        call("4", "rm -rf /", &json!({})),
        bad("5", "{\"path\": "),
        bad("6", "{\"path\": 7}"),
        bad("7", "{\"path\": \"../../etc/passwd\"}"),
    ]);
    let bench = Bench::with_tools(Arc::new(Scripted::new([reply, answer("well")])), tools);
    let mut session = open(&memory()).await;
    let run = bench.run(&mut session, "go").await.unwrap();
    assert_eq!(run.outcome, answered("well"));
    assert_eq!(run.elapsed, ToolLimits::default().time_max);
    let results = results(session.messages());
    let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
    let expected = [
        ToolStatus::TimedOut,
        ToolStatus::Panicked,
        ToolStatus::Succeeded,
        ToolStatus::UnknownTool,
        ToolStatus::InvalidArguments,
        ToolStatus::InvalidArguments,
        ToolStatus::Failed,
    ];
    assert_eq!(statuses, expected);
    assert!(results.iter().all(|result| result.text.len() < 70_000));
    let ids: std::collections::BTreeSet<_> = results.iter().map(|result| &result.call_id).collect();
    assert_eq!(ids.len(), 7, "each call has an id of its own");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_and_leave_no_trace() {
    let bench = Bench::new(Scripted::new([Err(ModelError::Cancelled)]));
    let store = memory();
    let mut session = open(&store).await;
    assert!(matches!(bench.resume(&mut session).await, Err(RunError::NothingToResume)));
    assert!(matches!(bench.run(&mut session, " \n").await, Err(RunError::EmptyRequest)));
    assert_eq!(session.messages(), []);
    assert!(matches!(bench.run(&mut session, "one").await, Err(RunError::Model { .. })));
    assert_eq!(session.messages().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_cut_off_does_not_stand_in_the_way_of_the_next() {
    let reply = || calls(&[call("1", LIST_FILES, &json!({})), call("2", "hangs", &json!({}))]);
    let model = Arc::new(Scripted::new([reply(), Err(ModelError::Cancelled), answer("done")]));
    let mut bench = Bench::with_tools(Arc::clone(&model) as _, [hangs()]);
    let mut session = open(&memory()).await;
    let cancel = bench.cancel.clone();
    let (run, ()) = tokio::join!(bench.run(&mut session, "one"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    });
    assert_eq!(run.unwrap().outcome, Outcome::Cancelled);
    bench.cancel = CancellationToken::new();
    assert!(matches!(bench.run(&mut session, "two").await, Err(RunError::Model { .. })));
    assert_eq!(bench.run(&mut session, "three").await.unwrap().outcome, answered("done"));
    let asked = model.questions().pop().unwrap();
    // Each call has its result, right after the reply, and a result is never made up as a success.
    let results: Vec<(&str, ToolStatus)> =
        results(&asked).iter().map(|result| (result.call_id.as_str(), result.status)).collect();
    assert_eq!(results, [("1", ToolStatus::Failed), ("2", ToolStatus::Failed)]);
    assert!(matches!(
        asked[2..],
        [Message::Assistant(_), Message::Tool(_), Message::Tool(_), Message::User(_), Message::User(_)]
    ));
}

#[tokio::test(start_paused = true)]
async fn iterations_are_limited_and_a_higher_limit_lets_it_go_on() {
    let look = || calls(&[call("1", LIST_FILES, &json!({}))]);
    let model = Scripted::new([look(), look(), look(), answer("done")]);
    let mut bench = Bench::new(model);
    bench.agent.options.iterations_max = NonZeroU32::new(3).unwrap();
    let mut receiver = bench.events.subscribe();
    let mut session = open(&memory()).await;
    let limited = Outcome::LimitReached(Limit::Iterations);
    let run = bench.run(&mut session, "look").await.unwrap();
    assert_eq!((run.outcome, run.iterations), (limited.clone(), 3));
    assert!(
        matches!(receiver.next().await, Some(Told::Missed(_))),
        "the channel of the bench keeps one event"
    );
    assert_eq!(receiver.next().await, Some(Told::Event(Event::Finished(limited.clone()))));
    assert_eq!(results(session.messages()).len(), 3, "the last calls are made");
    assert_eq!(bench.resume(&mut session).await.unwrap().outcome, limited);
    bench.agent.options.iterations_max = NonZeroU32::new(4).unwrap();
    assert_eq!(bench.resume(&mut session).await.unwrap().outcome, answered("done"));
}

#[tokio::test(start_paused = true)]
async fn time_is_limited_wherever_it_is_spent() {
    let slow = SimulatedProfile::steady(Duration::from_secs(3600));
    let long_wait = Err(ModelError::Overloaded { retry_after: Some(Duration::from_secs(3600)) });
    let models: [Arc<dyn LanguageModel>; 3] = [
        Arc::new(Simulated::new(slow)),
        Arc::new(Scripted::new([long_wait])),
        Arc::new(Scripted::new([calls(&[call("1", "hangs", &json!({}))])])),
    ];
    for (spent_in, model) in models.into_iter().enumerate() {
        let mut bench = Bench::with_tools(model, [hangs()]);
        bench.agent.options.time_max = Duration::from_secs(10);
        let mut session = open(&memory()).await;
        let run = bench.run(&mut session, "go").await.unwrap();
        assert_eq!(run.outcome, Outcome::LimitReached(Limit::Time), "model {spent_in}");
        assert_eq!(run.elapsed, Duration::from_secs(10), "model {spent_in}");
    }
    let mut bench = Bench::new(Scripted::new([answer("done")]));
    bench.agent.options.time_max = Duration::MAX;
    let mut session = open(&memory()).await;
    assert_eq!(bench.run(&mut session, "go").await.unwrap().outcome, answered("done"));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_is_asked_again_with_waits_in_between() {
    let bench = Bench::new(Scripted::new([OVERLOADED, OVERLOADED, answer("done")]));
    let mut session = open(&memory()).await;
    let run = bench.run(&mut session, "go").await.unwrap();
    assert_eq!((run.outcome, run.iterations), (answered("done"), 1));
    let bound = Duration::from_millis(500 + 1000);
    assert!(
        run.elapsed > Duration::ZERO && run.elapsed <= bound + Duration::from_millis(2),
        "{:?}",
        run.elapsed
    );

    let replies = (0..6).map(|_| OVERLOADED).chain([answer("at last")]);
    let bench = Bench::new(Scripted::new(replies));
    let mut events = bench.events.subscribe();
    let mut session = open(&memory()).await;
    let error = bench.run(&mut session, "go").await.unwrap_err();
    let text = "the model failed at attempt 6 and is not asked again: the model is overloaded";
    let failed = Event::Failed { error: text.to_owned() };
    assert!(matches!(events.next().await, Some(Told::Missed(_))), "{error}");
    assert_eq!(events.next().await, Some(Told::Event(failed)));
    assert_eq!(bench.resume(&mut session).await.unwrap().outcome, answered("at last"));
}

#[tokio::test(start_paused = true)]
async fn agents_that_were_turned_away_together_do_not_come_back_together() {
    let store = memory();
    let mut waits = std::collections::BTreeSet::new();
    for number in 0..20 {
        let bench = Bench::new(Scripted::new([OVERLOADED, answer("done")]));
        let name = SessionName::new(&format!("s{number}")).unwrap();
        let mut session = Session::open(Arc::clone(&store), name).await.unwrap();
        let run = bench.run(&mut session, "go").await.unwrap();
        waits.insert(run.elapsed);
    }
    assert!(waits.len() > 15, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_a_run_at_any_moment_and_it_can_be_resumed() {
    const REQUEST: &str = "write b.txt with new\nwrite c/d.txt with more\nread a.txt";
    let model = |seed| {
        Simulated::new(SimulatedProfile {
            seed,
            overloaded_rate: 0.3,
            unavailable_rate: 0.2,
            ..SimulatedProfile::default()
        })
    };
    let mut cancelled = 0;
    for (seed, after) in (0..150).map(|seed| (seed, Duration::from_millis(20 * seed))) {
        let mut bench = Bench::new(model(seed));
        let mut session = open(&memory()).await;
        let cancel = bench.cancel.clone();
        let canceller = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            cancel.cancel();
        });
        let begun = Instant::now();
        let outcome = match bench.run(&mut session, REQUEST).await {
            Ok(run) => run.outcome,
            // Six failures in a row do happen.
            Err(error) => {
                assert!(matches!(error, RunError::Model { .. }), "seed {seed}: {error}");
                continue;
            }
        };
        if outcome == Outcome::Cancelled {
            cancelled += 1;
            assert!(begun.elapsed() <= after + Duration::from_millis(2), "seed {seed}");
        }
        canceller.abort();
        bench.cancel = CancellationToken::new();
        bench.agent.model = Arc::new(Simulated::new(SimulatedProfile {
            overloaded_rate: 0.0,
            unavailable_rate: 0.0,
            ..SimulatedProfile::default()
        }));
        let ended = if session.messages().is_empty() {
            bench.run(&mut session, REQUEST).await
        } else {
            bench.resume(&mut session).await
        };
        let text = "Done: 4 calls of tools succeeded.";
        assert_eq!(ended.unwrap().outcome, answered(text), "seed {seed}");
        let expected = [("b.txt", "new"), ("c/d.txt", "more")];
        assert_eq!(bench.written(), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }
    assert!((20..150).contains(&cancelled), "{cancelled} of 150 were cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_before_it_begins_adds_nothing() {
    let bench = Bench::new(Scripted::new([]));
    bench.cancel.cancel();
    let mut session = open(&memory()).await;
    assert_eq!(bench.run(&mut session, "go").await.unwrap().outcome, Outcome::Cancelled);
    assert_eq!(session.messages(), []);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_run_stops_its_tools() {
    struct Running(Arc<Mutex<i32>>);
    impl Drop for Running {
        fn drop(&mut self) {
            *self.0.lock().unwrap() -= 1;
        }
    }
    let running = Arc::new(Mutex::new(0));
    let count = Arc::clone(&running);
    let counted = custom("counted", move || {
        *count.lock().unwrap() += 1;
        let guard = Running(Arc::clone(&count));
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let three: Vec<ToolCall> = ["1", "2", "3"].map(|id| call(id, "counted", &json!({}))).into();
    let bench = Bench::with_tools(Arc::new(Scripted::new([calls(&three)])), [counted]);
    let mut session = open(&memory()).await;
    let run = tokio::time::timeout(Duration::from_secs(1), bench.run(&mut session, "go")).await;
    assert!(run.is_err());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(*running.lock().unwrap(), 0);
    assert_eq!(bench.agent.tools.records().iter().map(|(_, record)| record.calls).sum::<u64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_holds_up_nobody_and_is_told() {
    let look = || calls(&[call("1", LIST_FILES, &json!({}))]);
    let replies = (0..40).map(|_| look()).chain([answer("done")]);
    let mut bench = Bench::new(Scripted::new(replies));
    let (sender, receiver) = channel(4);
    bench.events = sender;
    let mut session = open(&memory()).await;
    assert_eq!(bench.run(&mut session, "look").await.unwrap().outcome, answered("done"));
    drop(bench);
    let told = heard(receiver).await;
    // Started, made ready, 40 times replied, called and returned, the text of the last reply, that reply, finished: all but four.
    assert_eq!(told[0], Told::Missed(2 + 40 * 3 + 3 - 4));
    assert_eq!(told[4], Told::Event(Event::Finished(answered("done"))));
}

#[tokio::test(start_paused = true)]
async fn simulated_models_do_what_they_are_told_despite_their_failures() {
    for seed in 0..40 {
        let profile = SimulatedProfile {
            seed,
            overloaded_rate: 0.1,
            unavailable_rate: 0.1,
            ..SimulatedProfile::default()
        };
        let bench = Bench::new(Simulated::new(profile));
        let mut session = open(&memory()).await;
        let text = "Please\nWrite docs/x.md with # X\n  write a.txt with with\nlist docs";
        let run = bench.run(&mut session, text).await.unwrap();
        assert_eq!(run.outcome, answered("Done: 4 calls of tools succeeded."), "seed {seed}");
        assert_eq!(run.iterations, 3);
        assert!(run.usage.input > 0 && run.usage.output > 0);
        let expected = [("a.txt", "with"), ("docs/x.md", "# X")];
        assert_eq!(bench.written(), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }
    let bench = Bench::new(Simulated::new(SimulatedProfile::default()));
    let mut session = open(&memory()).await;
    let run = bench.run(&mut session, "write ../x with y").await.unwrap();
    assert!(matches!(&run.outcome, Outcome::Answered(text) if text.starts_with("I could not do all of it:")));
}

#[tokio::test(start_paused = true)]
async fn a_model_is_shown_no_more_than_it_takes_and_all_that_matters() {
    let look = |id: usize| calls(&[call(&id.to_string(), "talks", &json!({}))]);
    let skill = custom(ACTIVATE_SKILL, || async { Ok("SKILL BODY".to_owned()) });
    let talks = custom("talks", || async { Ok("x".repeat(4000)) });
    let replies = std::iter::once(calls(&[call("s", ACTIVATE_SKILL, &json!({}))]))
        .chain((0..40).map(look))
        .chain([answer("done")]);
    let model = Arc::new(Scripted::new(replies));
    let mut bench = Bench::with_tools(Arc::clone(&model) as _, [skill, talks]);
    bench.agent.options.window = WindowLimits { tokens_max: 12_000, tokens_kept: 8000 };
    let (sender, receiver) = channel(1000);
    bench.events = sender;
    let mut session = open(&memory()).await;
    let request = Request { facts: vec!["the key is 7".to_owned()], ..request("look around") };
    let run = bench.agent.run(&mut session, &request, &bench.events, &bench.cancel).await.unwrap();
    assert_eq!(run.outcome, answered("done"));
    assert_eq!(session.messages().len(), 3 + 2 * 41 + 1, "the session loses nothing");
    for question in model.questions() {
        let tokens: u64 = question.iter().map(crate::token::estimate).sum();
        assert!(tokens <= 12_000, "{tokens}");
        let holds = |text: &str| question.iter().any(|message| message.texts().any(|part| part == text));
        assert!(holds("be brief") && holds("the key is 7") && holds("look around"));
        assert!(question.len() == 3 || holds("SKILL BODY"), "{question:?}");
    }
    drop(bench);
    let compactions =
        heard(receiver).await.iter().filter(|told| matches!(told, Told::Event(Event::Compacted(_)))).count();
    assert!((5..15).contains(&compactions), "{compactions}");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_is_summed_up_where_somebody_can() {
    let look = |id: usize| calls(&[call(&id.to_string(), "talks", &json!({}))]);
    let usage = TokenUsage { input: 100, output: 10 };
    let summary = || Ok(Reply { usage, ..Reply::answer("it looked around") });
    let too_long = || Ok(Reply { usage, ..Reply::answer("x".repeat(100_000)) });
    let failed = || Err(ModelError::Unavailable { reason: "gone".to_owned() });
    for (summaries, instead, cost) in [
        ((0..40).map(|_| summary()).collect::<Vec<_>>(), Instead::Summary, 100),
        ((0..40).map(|_| failed()).collect(), Instead::Note, 0),
        ((0..40).map(|_| too_long()).collect(), Instead::Note, 100),
        ((0..40).map(look).collect(), Instead::Note, 0),
    ] {
        let talks = custom("talks", || async { Ok("x".repeat(4000)) });
        let model = Arc::new(Scripted::new((0..40).map(look).chain([answer("done")])));
        let summariser = Arc::new(Scripted::new(summaries));
        let mut bench = Bench::with_tools(Arc::clone(&model) as _, [talks]);
        bench.agent.summariser = Some(Arc::clone(&summariser) as _);
        bench.agent.options.window = WindowLimits { tokens_max: 12_000, tokens_kept: 8000 };
        let (sender, receiver) = channel(1000);
        bench.events = sender;
        let store = memory();
        let mut session = open(&store).await;
        assert_eq!(bench.run(&mut session, "look around").await.unwrap().outcome, answered("done"));
        let shown = |question: &Vec<Message>| {
            question.iter().any(|message| message.texts().any(|text| text.ends_with("it looked around")))
        };
        let is_summed_up = instead == Instead::Summary;
        assert_eq!(model.questions().iter().any(shown), is_summed_up);
        let again = open(&store).await;
        assert_eq!(again.summary(), session.summary());
        assert_eq!((again.messages(), again.spent()), (session.messages(), session.spent()));
        assert_eq!(session.summary().is_some(), is_summed_up);
        let asked = summariser.questions().len() as u64;
        assert!(asked > 3, "{asked}");
        assert_eq!(session.spent().usage.input, cost * asked, "what came to nothing has to be paid for too");
        drop(bench);
        let told = heard(receiver).await;
        let compactions = told.iter().filter_map(|told| match told {
            Told::Event(Event::Compacted(compaction)) => Some(compaction),
            _ => None,
        });
        assert!(compactions.clone().count() > 3);
        for compaction in compactions {
            assert_eq!(compaction.instead, instead);
            assert!(compaction.tokens_after <= 12_000);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn later_runs_begin_at_the_summary_and_add_to_it() {
    let talks = custom("talks", || async { Ok("x".repeat(4000)) });
    let look = |id: usize| calls(&[call(&id.to_string(), "talks", &json!({}))]);
    let replies = (0..6).flat_map(|run| (0..5).map(move |id| look(5 * run + id)).chain([answer("done")]));
    let summariser = Arc::new(Scripted::new((0..40).map(|number| answer(&format!("summary {number}")))));
    let mut bench = Bench::with_tools(Arc::new(Scripted::new(replies)), [talks]);
    bench.agent.summariser = Some(Arc::clone(&summariser) as _);
    bench.agent.options.window = WindowLimits { tokens_max: 12_000, tokens_kept: 8000 };
    let store = memory();
    let mut summed_up = Vec::new();
    for _ in 0..6 {
        let mut session = open(&store).await;
        assert_eq!(bench.run(&mut session, "look").await.unwrap().outcome, answered("done"));
        summed_up.push(session.summary().map_or(0, |summary| summary.messages));
    }
    assert!(summed_up.is_sorted(), "{summed_up:?}");
    // Six runs of 5000 tokens each, of which 4000 go at a time.
    let asked = summariser.questions();
    assert!((4..=6).contains(&asked.len()), "{} summaries", asked.len());
    for (number, question) in asked.iter().enumerate().skip(1) {
        let text = question[1].texts().next().unwrap();
        assert!(text.starts_with(&format!("Earlier: summary {}", number - 1)), "{text:.40}");
        assert!(text.matches("Returned: ").count() <= 6, "what was summed up is not told again: {text:.400}");
    }
}

#[tokio::test(start_paused = true)]
async fn results_that_are_too_much_together_are_shown_in_part() {
    let talks = custom("talks", || async { Ok("x".repeat(60_000)) });
    let seven: Vec<ToolCall> = (0..7).map(|id| call(&id.to_string(), "talks", &json!({}))).collect();
    let model = Arc::new(Scripted::new([calls(&seven), answer("done"), answer("again")]));
    let bench = Bench::with_tools(Arc::clone(&model) as _, [talks]);
    let store = memory();
    let mut session = open(&store).await;
    assert_eq!(bench.run(&mut session, "look").await.unwrap().outcome, answered("done"));
    assert!(results(session.messages()).iter().all(|result| result.text.len() == 60_000));
    let asked = model.questions().pop().unwrap();
    let shown = results(&asked);
    assert_eq!(shown.len(), 7);
    for result in shown {
        assert!(
            result.text.len() > 30_000 && result.text.contains("[cut: the first "),
            "{}",
            result.text.len()
        );
    }
    assert_eq!(bench.run(&mut open(&store).await, "again").await.unwrap().outcome, answered("again"));
}

#[tokio::test(start_paused = true)]
async fn what_a_model_is_told_of_its_tools_counts() {
    /// Tells what a real provider would: its tools are counted too.
    struct Counting;
    impl LanguageModel for Counting {
        fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
            let messages: u64 = question.messages.iter().map(|message| crate::token::estimate(message)).sum();
            let tools = crate::token::count_tools(&Estimate::default(), question.tools);
            let usage = TokenUsage { input: messages + tools, output: 1 };
            Box::pin(async move { Ok(Reply { usage, ..Reply::answer("done") }) })
        }
    }
    let bench = Bench::new(Counting);
    let mut session = open(&memory()).await;
    let before = bench.agent.counter.count(&"x".repeat(40_000));
    for _ in 0..8 {
        bench.run(&mut session, "go").await.unwrap();
    }
    assert_eq!(bench.agent.counter.count(&"x".repeat(40_000)), before, "the estimate was right");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_used_up_its_budget_ends_and_takes_nothing_more() {
    let usage = TokenUsage { input: 900, output: 100 };
    let look = || Ok(Reply { calls: vec![call("", LIST_FILES, &json!({}))], usage, ..Reply::default() });
    let unlimited = Budget::default();
    let prices = crate::budget::Prices {
        input_per_million: MicroDollars(1_000_000),
        output_per_million: MicroDollars(1_000_000),
    };
    for (budget, limit) in [
        (Budget { tokens_max: 5000, ..unlimited.clone() }, Limit::Tokens),
        (Budget { prices, cost_max: MicroDollars(5000), ..unlimited.clone() }, Limit::Cost),
        (Budget { bytes_max: 1000, ..unlimited.clone() }, Limit::Memory),
        (Budget { age_max: Duration::ZERO, ..unlimited }, Limit::Age),
    ] {
        let mut bench = Bench::new(Scripted::new((0..20).map(|_| look())));
        bench.agent.options.budget = budget;
        let mut session = open(&memory()).await;
        let run = bench.run(&mut session, "go").await.unwrap();
        assert_eq!(run.outcome, Outcome::LimitReached(limit));
        if matches!(limit, Limit::Tokens | Limit::Cost) {
            assert_eq!(run.iterations, 5);
        }
        let before = session.messages().len();
        assert_eq!(bench.resume_or_run(&mut session).await.unwrap().outcome, Outcome::LimitReached(limit));
        assert_eq!(session.messages().len(), before);
    }
    let mut bench = Bench::new(Scripted::new([]));
    bench.agent.options.window = WindowLimits { tokens_max: 100, tokens_kept: 50 };
    let mut session = open(&memory()).await;
    let run = bench.run(&mut session, &"long ".repeat(200)).await.unwrap();
    assert_eq!(run.outcome, Outcome::LimitReached(Limit::Window));
}

/// Checks, whenever it is asked, that everything that it is shown is durable.
struct Auditor {
    store: Arc<dyn StateStore>,
    model: Simulated,
}

impl LanguageModel for Auditor {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        let stream = StreamName::new("sessions/s").unwrap();
        assert_eq!(self.store.head(&stream).unwrap(), Seq::new(question.messages.len() as u64));
        self.model.respond(question)
    }
}

fn auditor(store: &Arc<dyn StateStore>) -> Bench {
    let profile = SimulatedProfile {
        latency: Duration::ZERO,
        overloaded_rate: 0.0,
        unavailable_rate: 0.0,
        ..SimulatedProfile::default()
    };
    Bench::new(Auditor { store: Arc::clone(store), model: Simulated::new(profile) })
}

/// Polls a future so often at most; `None` where it was not ready by then.
async fn polled<T>(work: impl Future<Output = T>, polls_max: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if polls >= polls_max => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A process of its own, as far as the store can tell: when it ends, nothing of it is left running.
fn process<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

#[test]
fn a_run_that_is_torn_anywhere_goes_on_in_the_next_process() {
    const REQUEST: &str = "write b.txt with new\nwrite c.txt with more";
    let mut torn = 0;
    for polls in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let (acknowledged, ended) = process(async {
            let store = sqlite(folder.path());
            let (bench, mut session) = (auditor(&store), open(&store).await);
            let run = polled(bench.run(&mut session, REQUEST), polls).await;
            (session.messages().to_vec(), run.is_some())
        });
        process(async {
            let store = sqlite(folder.path());
            let (bench, mut session) = (auditor(&store), open(&store).await);
            let found = session.messages();
            assert!(found.starts_with(&acknowledged), "torn after {polls} polls: {found:?}");
            bench.files.restore(found).unwrap();
            let run = if found.is_empty() {
                bench.run(&mut session, REQUEST).await
            } else {
                bench.resume(&mut session).await
            };
            let text = "Done: 3 calls of tools succeeded.";
            assert_eq!(run.unwrap().outcome, answered(text), "torn after {polls} polls");
            assert_eq!(results(session.messages()).len(), 3);
            let expected = [("b.txt", "new"), ("c.txt", "more")];
            assert_eq!(bench.written(), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
        });
        if ended {
            break;
        }
        torn += 1;
    }
    assert!(torn >= 5, "the run was torn in {torn} places");
}

/// A store whose disk is full after some appends, and has no room for a snapshot at all.
#[derive(Debug)]
struct Filling {
    store: MemoryStore,
    begins_left: Mutex<usize>,
}

impl StateStore for Filling {
    fn begin<'a>(&'a self, stream: &StreamName, after: Seq) -> Result<Box<dyn Transaction + 'a>, StoreError> {
        let mut left = self.begins_left.lock().unwrap();
        *left = left.checked_sub(1).ok_or(StoreError::Full)?;
        self.store.begin(stream, after)
    }

    fn read(
        &self,
        stream: &StreamName,
        after: Seq,
        visit: &mut dyn FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.store.read(stream, after, visit)
    }

    fn end(&self, stream: &StreamName) -> Result<StreamEnd, StoreError> {
        self.store.end(stream)
    }

    fn wait(&self, stream: &StreamName, after: Seq, patience: Duration) -> Result<StreamEnd, StoreError> {
        self.store.wait(stream, after, patience)
    }

    fn save_snapshot(&self, _: &StreamName, _: &Snapshot) -> Result<(), SnapshotError> {
        Err(SnapshotError::Store(StoreError::Full))
    }

    fn load_snapshot(&self, stream: &StreamName) -> Result<Option<Snapshot>, StoreError> {
        self.store.load_snapshot(stream)
    }

    fn load_base(&self, stream: &StreamName) -> Result<Option<state_store::log::Base>, StoreError> {
        self.store.load_base(stream)
    }

    fn start_after(
        &self,
        stream: &StreamName,
        base: &state_store::log::Base,
    ) -> Result<(), state_store::CommitError> {
        self.store.start_after(stream, base)
    }

    fn compact(&self, stream: &StreamName) -> Result<Seq, StoreError> {
        self.store.compact(stream)
    }

    fn streams(&self) -> Result<Vec<StreamName>, StoreError> {
        self.store.streams()
    }

    fn now(&self) -> Timestamp {
        self.store.now()
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acted_on_that_could_not_be_kept() {
    // The request, looking, its result, the change, its result, the answer.
    for appends in 0..6 {
        let store = MemoryStore::new(Arc::new(SystemClock));
        let filling: Arc<dyn StateStore> = Arc::new(Filling { store, begins_left: Mutex::new(appends) });
        let bench = auditor(&filling);
        let mut session = open(&filling).await;
        let error = bench.run(&mut session, "write b.txt with new").await.unwrap_err();
        assert!(matches!(error, RunError::Session(SessionError::Store { .. })), "{error}");
        assert_eq!(bench.written().len(), usize::from(appends >= 4), "after {appends} appends");
        assert_eq!(open(&filling).await.messages(), session.messages());
    }
}

#[tokio::test]
async fn messages_that_are_durable_are_so_without_a_snapshot() {
    let store = MemoryStore::new(Arc::new(SystemClock));
    let filling: Arc<dyn StateStore> = Arc::new(Filling { store, begins_left: Mutex::new(250) });
    let mut session = open(&filling).await;
    for number in 0..250 {
        session.append(vec![Message::User(number.to_string())]).await.unwrap();
    }
    assert_eq!(open(&filling).await.messages().len(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_simulated_model_writes_back_no_file_that_it_has_seen_only_in_part() {
    let long = "line\n".repeat(20_000);
    let files = [("long.md", long.as_str()), ("windows.md", "one\r\ntwo\r\n")];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let mut bench = auditor(&memory());
    let files = Arc::new(WorkingSet::new(BTreeMap::from(files)));
    bench.agent.tools = Arc::new(Registry::new(tools(&files), ToolLimits::default()).unwrap());
    bench.agent.model = Arc::new(Simulated::new(SimulatedProfile::default()));
    let mut session = open(&memory()).await;
    let run = bench.run(&mut session, "append long.md with end\nappend windows.md with end").await.unwrap();
    assert!(matches!(&run.outcome, Outcome::Answered(text) if text.contains("too long")), "{run:?}");
    let changes: Vec<Vec<u8>> = files.changes().into_values().collect();
    assert_eq!(changes, [b"one\r\ntwo\r\nend\n".to_vec()]);
}
