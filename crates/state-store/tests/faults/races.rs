//! Many processes on one stream: nothing is lost, doubled or out of order, and what each was told fits one order.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use planner_core::random::Random;
use state_store::{CommitError, Recorded, Seq, StateStore, StoreError, StreamName};

use crate::effort::Effort;
use crate::history::{self, End, Moment, Operation};
use crate::ledger::{self, Batch};
use crate::workload;

pub(crate) const SQLITE_TEST: &str = "races::processes_race_on_one_stream_in_sqlite";

const PROCESSES: u64 = 16;

const OPERATIONS_EACH: usize = 500;

const PARAMETERS: &str = "STATE_STORE_RACE";

/// Lets processes race on the store at an address; returns how many operations there were.
pub(crate) fn run(effort: Effort, test: &str, address: &str) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    // The format is the first one's to write.
    drop(open(address));
    let racers: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let mut child: Command = faults::this_test(test);
            let operations = effort.of(OPERATIONS_EACH);
            let file = folder.path().join(process.to_string());
            let parameters =
                format!("{address}\n{process}\n{operations}\n{}\n{}", effort.seed, file.display());
            child.env(PARAMETERS, parameters).stdout(Stdio::piped()).stderr(Stdio::piped());
            (child.spawn().unwrap(), file)
        })
        .collect();
    let mut history = Vec::new();
    let mut problem = None;
    for (child, file) in racers {
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            history.extend(read_history(&file));
        } else {
            problem.get_or_insert(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    if let Some(problem) = problem {
        return Err(format!("a racer failed: {problem}"));
    }
    let log = log_of(&*open(address))?;
    history::check(&history, &log).map(|()| history.len())
}

fn open(address: &str) -> Box<dyn StateStore> {
    #[cfg(feature = "postgres")]
    if address.starts_with("postgres:") {
        use state_store::log::{PostgresAddress, PostgresOptions, PostgresStore};
        let address = PostgresAddress::parse(address).unwrap();
        return Box::new(PostgresStore::open(&address, PostgresOptions::default()).unwrap());
    }
    Box::new(workload::open(Path::new(address)).unwrap())
}

fn stream() -> StreamName {
    StreamName::workspace()
}

/// Returns the batches of the stream and how many entries each has; every byte is checked.
fn log_of(store: &dyn StateStore) -> Result<Vec<(Batch, u64)>, String> {
    let content = ledger::content(store, &stream()).map_err(|unreadable| format!("{unreadable:?}"))?;
    let count = |batch: &Batch| ledger::entries(&stream(), *batch).len() as u64;
    Ok(content.batches.iter().map(|batch| (*batch, count(batch))).collect())
}

/// One of the processes. It appends and looks, mostly from where it has come to, and writes down what it was told.
fn race(parameters: &str) {
    let mut lines = parameters.lines();
    let address = lines.next().unwrap();
    let mut number = || lines.next().unwrap().parse::<u64>().unwrap();
    let (process, operations, seed) = (number(), number(), number());
    let file = Path::new(lines.next().unwrap());
    let store = open(address);
    let mut random = Random::of([seed, process]);
    let mut known = Seq::START;
    let mut told = String::new();
    for operation in 0..operations {
        let after = if random.percent(3) { Seq::START } else { known };
        let invoked = now();
        let (seen, end) = if random.percent(60) {
            append(&*store, after, (process + 1) * 1_000_000 + operation)
        } else {
            (look(&*store, after), End::Looked)
        };
        let returned = now();
        let (seen, head) = ledger::batches(&stream(), &seen, after).unwrap();
        known = match end {
            End::Appended(_, head) => Seq::new(head),
            End::Looked | End::Refused(_) | End::Unknown(_) => head,
        };
        let _ = write!(told, "{invoked} {returned} {}", after.get());
        let _ = match end {
            End::Looked => write!(told, " looked 0 0"),
            End::Appended(batch, head) => write!(told, " appended {batch} {head}"),
            End::Refused(batch) => write!(told, " refused {batch} 0"),
            End::Unknown(batch) => write!(told, " unknown {batch} 0"),
        };
        seen.iter().for_each(|batch| {
            let _ = write!(told, " {batch}");
        });
        told.push('\n');
    }
    std::fs::write(file, told).unwrap();
}

fn append(store: &dyn StateStore, after: Seq, batch: Batch) -> (Vec<Recorded>, End) {
    let transaction = match store.begin(&stream(), after) {
        Ok(transaction) => transaction,
        // The lock may be hard to come by; nothing else may stand in the way.
        Err(StoreError::Busy { .. }) => return (look(store, after), End::Refused(batch)),
        Err(error) => panic!("a transaction is refused though nothing fails: {error:?}"),
    };
    let seen = transaction.news().to_vec();
    let end = match transaction.commit(ledger::entries(&stream(), batch)) {
        Ok(head) => End::Appended(batch, head.get()),
        Err(CommitError::Unknown(_)) => End::Unknown(batch),
        Err(error) => panic!("a batch is refused under the lock though nothing fails: {error:?}"),
    };
    (seen, end)
}

fn look(store: &dyn StateStore, after: Seq) -> Vec<Recorded> {
    let mut seen = Vec::new();
    let mut visit = |recorded| {
        seen.push(recorded);
        ControlFlow::Continue(())
    };
    store.read(&stream(), after, &mut visit).unwrap();
    seen
}

fn read_history(file: &Path) -> Vec<Operation> {
    let text = std::fs::read_to_string(file).unwrap();
    let operation = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().unwrap();
        let (batch, head) = (number(words[4]), number(words[5]));
        let end = match words[3] {
            "looked" => End::Looked,
            "appended" => End::Appended(batch, head),
            "refused" => End::Refused(batch),
            _ => End::Unknown(batch),
        };
        let seen = words[6..].iter().map(|word| number(word)).collect();
        let (invoked, returned, after) = (number(words[0]), number(words[1]), number(words[2]));
        Operation { invoked, returned, after, seen, end }
    };
    text.lines().map(operation).collect()
}

/// Returns the present moment by the clock of the machine since it was started, which all its processes share.
fn now() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[test]
fn processes_race_on_one_stream_in_sqlite() {
    if let Ok(parameters) = std::env::var(PARAMETERS) {
        return race(&parameters);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    println!("{} operations", run(Effort::from_environment(), SQLITE_TEST, path.to_str().unwrap()).unwrap());
}

#[cfg(feature = "postgres")]
#[test]
fn processes_race_on_one_stream_in_postgresql() {
    if let Ok(parameters) = std::env::var(PARAMETERS) {
        return race(&parameters);
    }
    let cluster = crate::postgres_cluster::Cluster::start();
    let url = cluster.url(&cluster.fresh_database());
    let test = "races::processes_race_on_one_stream_in_postgresql";
    println!("{} operations", run(Effort::from_environment(), test, &url).unwrap());
}
