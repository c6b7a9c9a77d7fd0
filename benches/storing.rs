//! Durable transitions a second, beside a plain file that the same bytes are appended to and flushed; the stalls of
//! checkpoints, beside SQLite's own way; and opening a large workspace, beside reading the same events from a plain file.
//!
//! `PERF_PROFILE=smoke|quick|full cargo bench -p perf-suite --bench storing`, quick by default (100,000 tasks; full:
//! 1,000,000). Every round runs each store once, so that a busy moment strikes both. The same producers hand the same
//! entries to one writer, which takes what waits, writes it together and flushes once before it answers. What is printed
//! is the median of the rounds, with their least and most.
//!
//! The parts `appending`, `stalls`, `news` and `opening` can be asked for by name, behind `--`.
//!
//! The files lie in the folder for temporary files. Where that is in memory, flushes cost nothing and the figures mean
//! little; the file system is printed.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::alloc::System;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use cap::Cap;
use perf_suite::{Machine, Profile};
use planner_core::generate::{LayeredShape, layered};
use state_store::log::GroupCommit;
use state_store::task::{
    AgentKey, CheckRecord, Deliverable, Event, FencingToken, Host, InstanceKey, Landed, Lease, ProjectKey,
    ProjectSettings, State, TaskKey, Transition, snapshot,
};
use state_store::{Entry, SqliteStore, StateStore, StreamName, SystemClock, Timestamp};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Counts what is allocated, so that a loaded workspace is weighed without what loading it took for a moment.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// How many appends go into one write at the most; the same for both.
const BATCH_MAX: usize = 1000;

/// The way of working of those who append.
#[derive(Debug, Clone, Copy)]
struct Load {
    producers: usize,
    /// How many transitions each append holds.
    entries: usize,
    appends: usize,
}

/// What one store did in one round.
struct Sample {
    transitions_per_second: f64,
    p50: Duration,
    p99: Duration,
    checkpoints: u64,
}

/// Somebody who makes entries durable for several threads.
trait Appender: Sync {
    fn append(&self, entries: Vec<Entry>) -> Outcome<()>;

    fn checkpoints(&self) -> u64 {
        0
    }
}

/// The store, as programs use it.
struct Stored {
    store: Arc<SqliteStore>,
    group: GroupCommit,
}

impl Appender for Stored {
    fn append(&self, entries: Vec<Entry>) -> Outcome<()> {
        self.group.append(entries)?;
        Ok(())
    }

    fn checkpoints(&self) -> u64 {
        self.store.checkpoints()
    }
}

/// A file that entries are appended to and flushed: as little as a log can do.
struct PlainFile {
    requests: mpsc::Sender<(Vec<Entry>, mpsc::SyncSender<()>)>,
}

impl PlainFile {
    fn create(path: &Path) -> Outcome<Self> {
        let mut file = File::create_new(path)?;
        let (requests, incoming) = mpsc::channel::<(Vec<Entry>, mpsc::SyncSender<()>)>();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while let Ok(first) = incoming.recv() {
                let batch: Vec<_> =
                    std::iter::once(first).chain(incoming.try_iter()).take(BATCH_MAX).collect();
                bytes.clear();
                batch.iter().flat_map(|(entries, _)| entries).for_each(|entry| frame(&mut bytes, entry));
                if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
                    return;
                }
                for (_, done) in batch {
                    // Whoever asked is waiting.
                    let _ = done.send(());
                }
            }
        });
        Ok(Self { requests })
    }
}

impl Appender for PlainFile {
    fn append(&self, entries: Vec<Entry>) -> Outcome<()> {
        let (done, answered) = mpsc::sync_channel(1);
        self.requests.send((entries, done)).map_err(|_| "the plain file could not be written")?;
        Ok(answered.recv()?)
    }
}

fn frame(bytes: &mut Vec<u8>, entry: &Entry) {
    bytes.extend_from_slice(&(entry.body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&entry.body);
}

/// Returns the steps of a task from hand-out to completion.
fn steps(task: u32) -> [Event; 5] {
    let task = TaskKey { project: ProjectKey(0), task };
    let token = FencingToken::new(1);
    let expires_at = Timestamp::from_millis(1_800_000_060_000);
    let lease = Lease { agent: AgentKey(0), instance: InstanceKey(0), token, attempt: 1, expires_at };
    [
        Transition::Assign(lease),
        Transition::Start(token),
        Transition::Deliver { token, deliverable: Deliverable::NoFiles },
        Transition::Verify { token, check: CheckRecord::NotNamed },
        Transition::Land { token, landed: Landed::NotAsked },
    ]
    .map(|transition| Event::Task { task, transition })
}

fn append_all(appender: &dyn Appender, load: Load) -> Outcome<Sample> {
    let produce = |producer: usize| -> Outcome<Vec<Duration>> {
        let own = load.appends / load.producers;
        let mut events = (0..).flat_map(|task: u32| steps(task * 64 + producer as u32));
        let mut latencies = Vec::with_capacity(own);
        for _ in 0..own {
            let entries = events.by_ref().take(load.entries).map(|event| event.to_entry()).collect();
            let begun = Instant::now();
            appender.append(entries)?;
            latencies.push(begun.elapsed());
        }
        Ok(latencies)
    };
    let begun = Instant::now();
    let parts: Vec<Outcome<Vec<Duration>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.producers).map(|one| scope.spawn(move || produce(one))).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|joined| joined.unwrap_or_else(|_| Err("a producer panicked".into()))).collect()
    });
    let elapsed = begun.elapsed();
    let mut latencies = parts.into_iter().collect::<Outcome<Vec<_>>>()?.concat();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Ok(Sample {
        transitions_per_second: (latencies.len() * load.entries) as f64 / elapsed.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        checkpoints: appender.checkpoints(),
    })
}

/// One round: the store and the plain file, the one that goes first in turn.
fn round(number: usize, load: Load) -> Outcome<[Sample; 2]> {
    let folder = tempfile::tempdir()?;
    let stored = || -> Outcome<Sample> {
        let store = Arc::new(SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock))?);
        let group = GroupCommit::start(store.clone(), StreamName::workspace())?;
        append_all(&Stored { store, group }, load)
    };
    let plain = || append_all(&PlainFile::create(&folder.path().join("plain.log"))?, load);
    if number.is_multiple_of(2) {
        let first = stored()?;
        Ok([first, plain()?])
    } else {
        let first = plain()?;
        Ok([stored()?, first])
    }
}

fn median(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [values[values.len() / 2], values[0], values[values.len() - 1]]
}

fn compare(load: Load, rounds: usize) -> Outcome<()> {
    let samples = (0..rounds).map(|number| round(number, load)).collect::<Outcome<Vec<_>>>()?;
    let of = |which: usize, what: &dyn Fn(&Sample) -> f64| {
        median(samples.iter().map(|pair| what(&pair[which])).collect())
    };
    let ratio = |what: &dyn Fn(&Sample) -> f64| {
        median(samples.iter().map(|[stored, plain]| what(stored) / what(plain)).collect())
    };
    println!("{} producers, {} transitions an append", load.producers, load.entries);
    for (which, name) in [(0, "store"), (1, "plain file")] {
        let [rate, least, most] = of(which, &|sample| sample.transitions_per_second);
        let [p50, ..] = of(which, &|sample| sample.p50.as_secs_f64() * 1e6);
        let [p99, ..] = of(which, &|sample| sample.p99.as_secs_f64() * 1e6);
        println!("  {name:<10} {rate:>9.0}/s [{least:.0}, {most:.0}]  p50 {p50:>6.0} us  p99 {p99:>6.0} us");
    }
    let [rate, least, most] = ratio(&|sample| sample.transitions_per_second);
    let [p50, p50_least, p50_most] = ratio(&|sample| sample.p50.as_secs_f64());
    let checkpoints: u64 = samples.iter().map(|[stored, _]| stored.checkpoints).sum();
    println!(
        "  store / plain: rate {rate:.2} [{least:.2}, {most:.2}], p50 {p50:.2} [{p50_least:.2}, {p50_most:.2}]; {checkpoints} checkpoints in {rounds} rounds\n"
    );
    Ok(())
}

/// How large each commit is where the stalls of checkpoints are looked for: some 16 pages.
const STALLING_BYTES: usize = 64 << 10;

/// A table in SQLite with our settings, but checkpoints within the commits, as SQLite makes them by itself.
struct InlineCheckpoints {
    connection: rusqlite::Connection,
}

impl InlineCheckpoints {
    fn create(path: &Path) -> Outcome<Self> {
        let connection = rusqlite::Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch("CREATE TABLE segments (key INTEGER PRIMARY KEY, body BLOB NOT NULL)")?;
        Ok(Self { connection })
    }

    fn commit(&self, body: &[u8]) -> Outcome<()> {
        self.connection.prepare_cached("INSERT INTO segments (body) VALUES (?1)")?.execute([body])?;
        Ok(())
    }
}

/// Compares how long commits take at the worst where checkpoints are made beside them and where they are made within.
fn stalls(commits: usize, rounds: usize) -> Outcome<()> {
    let mut beside: Vec<[f64; 4]> = Vec::new();
    let mut within: Vec<[f64; 4]> = Vec::new();
    let mut checkpoints = 0;
    for _ in 0..rounds {
        let folder = tempfile::tempdir()?;
        let store = SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock))?;
        let inline = InlineCheckpoints::create(&folder.path().join("inline.db"))?;
        let (mut ours, mut theirs) = (Vec::with_capacity(commits), Vec::with_capacity(commits));
        let mut head = store.head(&StreamName::workspace())?;
        for number in 0..commits {
            let body = vec![number as u8; STALLING_BYTES];
            let entry = Entry { kind: 1, version: 1, body: body.clone() };
            let begun = Instant::now();
            inline.commit(&body)?;
            theirs.push(begun.elapsed());
            let begun = Instant::now();
            head = store.begin(&StreamName::workspace(), head)?.commit(vec![entry])?;
            ours.push(begun.elapsed());
        }
        checkpoints += store.checkpoints();
        beside.push(worst(ours));
        within.push(worst(theirs));
    }
    println!(
        "commits of {} KiB, one at a time; {checkpoints} checkpoints in {rounds} rounds",
        STALLING_BYTES >> 10
    );
    for (name, samples) in
        [("checkpoints beside (store)", &beside), ("checkpoints within (plain SQLite)", &within)]
    {
        let of = |which: usize| median(samples.iter().map(|sample| sample[which]).collect());
        let [[p50, ..], [p99, p99_least, p99_most], [p999, ..], [most, ..]] = [of(0), of(1), of(2), of(3)];
        println!(
            "  {name:<34} p50 {p50:>6.2} ms  p99 {p99:>6.2} ms [{p99_least:.2}, {p99_most:.2}]  p99.9 {p999:>6.2} ms  longest {most:>6.2} ms"
        );
    }
    println!();
    Ok(())
}

/// Measures how long an append by one process takes until another, which waits, has seen it.
fn news(rounds: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let open = || SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock));
    let (writing, waiting, stream) = (open()?, open()?, StreamName::workspace());
    let mut delays = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let head = writing.head(&stream)?;
        let (seen, appended) = std::thread::scope(|scope| -> Outcome<_> {
            let seen =
                scope.spawn(|| waiting.wait(&stream, head, Duration::from_secs(60)).map(|_| Instant::now()));
            writing.begin(&stream, head)?.commit(vec![Entry { kind: 1, version: 1, body: Vec::new() }])?;
            let appended = Instant::now();
            Ok((seen.join().map_err(|_| "the thread that waits panicked")??, appended))
        })?;
        delays.push(seen.saturating_duration_since(appended));
    }
    let [p50, p99, _, longest] = worst(delays);
    println!(
        "an append of another handle, which shares nothing but the file, is seen after p50 {p50:.1} ms, p99 {p99:.1} ms, at the longest {longest:.1} ms (goal: 100 ms)\n"
    );
    Ok(())
}

/// Returns the median, the 99th and the 99.9th percentile and the longest, in milliseconds.
fn worst(mut latencies: Vec<Duration>) -> [f64; 4] {
    latencies.sort_unstable();
    [0.5, 0.99, 0.999, 1.0]
        .map(|share| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3)
}

/// Returns everything that happens in a workspace of so many tasks of which each has been handed out and delivered.
fn history(tasks: usize) -> Vec<Event> {
    let count = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    let shape = LayeredShape { tasks: count(tasks), layers: count(tasks / 100), dependencies_max: 3 };
    let plan = layered(shape, 7);
    let settings = ProjectSettings { branch: None, checks: false };
    let host = Host { boot: "b".to_owned(), pid: 1, started: 1 };
    let agent = Event::AgentRegistered {
        name: "agent".to_owned(),
        capabilities: planner_core::CapabilitySet::default(),
        slots: 1,
        lease: None,
        instance: InstanceKey(0),
        labels: Vec::new(),
    };
    let begin = [
        Event::InstanceStarted { id: [1; 16], host, expires_at: Timestamp::from_millis(1) },
        agent,
        Event::ProjectAdded { name: plan.name.clone(), plan: plan.to_json().into_bytes(), settings },
    ];
    begin.into_iter().chain((0..tasks as u32).flat_map(|task| steps(task).into_iter().take(3))).collect()
}

/// Writes the same events into a store and into a plain file, and copies the store as a killed process leaves it.
fn write_history(folder: &Path, tasks: usize) -> Outcome<()> {
    let events = history(tasks);
    let mut plain = std::io::BufWriter::new(File::create(folder.join("plain.log"))?);
    let store = SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock))?;
    let stream = StreamName::workspace();
    for batch in events.chunks(BATCH_MAX) {
        let entries: Vec<Entry> = batch.iter().map(Event::to_entry).collect();
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| frame(&mut bytes, entry));
        plain.write_all(&bytes)?;
        let head = store.head(&stream)?;
        store.begin(&stream, head)?.commit(entries)?;
    }
    plain.flush()?;
    for ending in ["", "-wal", "-tip"] {
        std::fs::copy(folder.join(format!("state.db{ending}")), folder.join(format!("killed.db{ending}")))?;
    }
    drop(store);
    for ending in ["", "-tip"] {
        std::fs::copy(folder.join(format!("state.db{ending}")), folder.join(format!("snapshot.db{ending}")))?;
    }
    let store = SqliteStore::open(&folder.join("snapshot.db"), Arc::new(SystemClock))?;
    snapshot::keep(&store, &stream, &State::load(&store, &stream)?.state)?;
    Ok(())
}

/// What a process of its own says of one way to open the workspace: milliseconds, resident bytes, live bytes, and how many
/// of them are the tasks' text.
fn open_once(way: &str, path: &Path) -> Outcome<()> {
    let (before, live_before) = (resident_bytes()?, ALLOCATOR.allocated());
    let begun = Instant::now();
    let state = match way {
        "plain" => read_plain(path)?,
        _ => State::load(&SqliteStore::open(path, Arc::new(SystemClock))?, &StreamName::workspace())?.state,
    };
    let elapsed = begun.elapsed();
    let resident = resident_bytes()?.saturating_sub(before);
    let live = ALLOCATOR.allocated().saturating_sub(live_before);
    let text: usize = state.projects().iter().flat_map(|project| &project.plan.tasks).map(text_bytes).sum();
    println!("{} {resident} {live} {text}", elapsed.as_secs_f64() * 1e3);
    Ok(())
}

fn text_bytes(task: &planner_core::Task) -> usize {
    task.id.as_str().len() + task.title.len() + task.description.len()
}

fn read_plain(path: &Path) -> Outcome<State> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut state = State::default();
    let mut length = [0; 4];
    while file.read_exact(&mut length).is_ok() {
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut body)?;
        let entry = Entry { kind: 1, version: 1, body };
        state.apply(&Event::from_entry(&entry)?, Timestamp::from_millis(1))?;
    }
    Ok(state)
}

fn resident_bytes() -> Outcome<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).ok_or("the size of this process cannot be read")?;
    Ok(pages.parse::<usize>()? * 4096)
}

fn opening(tasks: usize, rounds: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    write_history(folder.path(), tasks)?;
    let ways = [
        ("plain", "plain.log", "plain file, read and folded"),
        ("store", "state.db", "store, closed cleanly"),
        ("store", "killed.db", "store, killed"),
        ("store", "snapshot.db", "store, through a snapshot"),
    ];
    let mut times = vec![Vec::new(); ways.len()];
    let mut memory = vec![[0; 3]; ways.len()];
    for _ in 0..rounds {
        for (place, (way, file, _)) in ways.iter().enumerate() {
            // A store that was killed is one only once: each time a new copy is opened.
            let copy = copy_of(folder.path(), file)?;
            let output = Command::new(std::env::current_exe()?).args(["--open", way]).arg(&copy).output()?;
            let said = String::from_utf8(output.stdout)?;
            let said: Vec<&str> = said.split_whitespace().collect();
            let [time, bytes @ ..] = &said[..] else {
                return Err(format!("{way}: {}", String::from_utf8_lossy(&output.stderr)).into());
            };
            times[place].push(time.parse::<f64>()?);
            for (kept, bytes) in memory[place].iter_mut().zip(bytes) {
                *kept = bytes.parse::<usize>()?;
            }
        }
    }
    println!("{tasks} tasks, {} events", 3 * tasks + 3);
    for (place, (_, file, name)) in ways.iter().enumerate() {
        let [time, least, most] = median(times[place].clone());
        let [resident, live, text] = memory[place].map(|bytes| bytes / tasks);
        println!(
            "  {name:<28} {time:>7.0} ms [{least:.0}, {most:.0}]  {:.2} of the plain file  {:>4.0} MB on disk  a task beyond its text: {:>4} bytes live, {:>4} resident",
            time / median(times[0].clone())[0],
            std::fs::metadata(folder.path().join(file))?.len() as f64 / 1e6,
            live.saturating_sub(text),
            resident.saturating_sub(text),
        );
    }
    Ok(())
}

/// Copies a file, and what a killed store has beside it, and returns the path of the copy.
fn copy_of(folder: &Path, file: &str) -> Outcome<PathBuf> {
    let copy = folder.join(format!("copy-{file}"));
    for ending in ["", "-wal", "-shm", "-tip"] {
        let [from, to] = [file.to_owned(), format!("copy-{file}")].map(|name| folder.join(name + ending));
        match (from.exists(), to.exists()) {
            (true, _) => drop(std::fs::copy(from, to)?),
            (false, true) => std::fs::remove_file(to)?,
            (false, false) => {}
        }
    }
    Ok(copy)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, way, path] = &arguments[..]
        && flag == "--open"
    {
        return open_once(way, Path::new(path));
    }
    // Without `--bench` cargo only wants to know that the program starts.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let profile = Profile::from_environment()?;
    let (rounds, scale, tasks) = match profile {
        Profile::Smoke => (1, 1, 5_000),
        Profile::Quick | Profile::Standard => (5, 4, 100_000),
        Profile::Full | Profile::Soak => (11, 20, 1_000_000),
    };
    let machine = Machine::inspect();
    println!(
        "{}, {}, {}, load {:?}; SQLite with synchronous=FULL\n",
        machine.cpu, machine.system, machine.file_system, machine.load_average
    );
    let named: Vec<&str> =
        arguments.iter().skip(1).map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |part: &str| named.is_empty() || named.contains(&part);
    if is_wanted("appending") {
        for (producers, entries, appends) in [(1, 1, 500), (8, 1, 4_000), (64, 1, 16_000), (1, 1000, 50)] {
            compare(Load { producers, entries, appends: appends * scale }, rounds)?;
        }
    }
    if is_wanted("stalls") {
        stalls(500 * scale, rounds)?;
    }
    if is_wanted("news") {
        news(100 * scale)?;
    }
    if is_wanted("opening") {
        opening(tasks, rounds.min(5))?;
    }
    Ok(())
}
