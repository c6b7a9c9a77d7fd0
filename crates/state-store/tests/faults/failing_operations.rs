//! The n-th operation fails: every call ends truthfully, and the store can be used again.

use std::path::Path;

use faults::{Action, Class, Control, Errno, Fault, Session};
use planner_core::random::Random;

use crate::effort::{Effort, share};
use crate::ledger::Outcome;
use crate::workload::{Producer, open};

pub(crate) const TEST: &str = "failing_operations::calls_end_truthfully_whatever_fails";

const PARAMETERS: &str = "STATE_STORE_FAILING_WORKLOAD";

/// What a number of runs came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) runs: usize,
    /// In how many of them the fault met an operation.
    pub(crate) spoilt: usize,
    /// In how many the disk was full, and had room again later.
    pub(crate) full: usize,
}

/// Runs stores on disks that fail, each in another way.
pub(crate) fn run(effort: Effort, test: &str) -> Result<Count, String> {
    const PIECES: usize = 8;
    let runs = effort.of(2000).div_ceil(PIECES);
    let counts = share(PIECES, |piece| {
        let folder = faults::temporary_folder().unwrap();
        let session = Session::counting(folder.path()).unwrap();
        let mut child = faults::this_test(test);
        child.env(PARAMETERS, format!("{} {} {runs}", effort.seed, piece * runs));
        session.apply(&mut child);
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers = said.lines().find_map(|line| line.strip_prefix("came to ")).map(str::to_owned);
        match numbers {
            Some(numbers) if output.status.success() => Ok(parse(&numbers)),
            _ => Err(format!("{}{said}", String::from_utf8_lossy(&output.stderr))),
        }
    })?;
    Ok(counts.into_iter().fold(Count::default(), |sum, count| Count {
        runs: sum.runs + count.runs,
        spoilt: sum.spoilt + count.spoilt,
        full: sum.full + count.full,
    }))
}

fn parse(numbers: &str) -> Count {
    let numbers: Vec<usize> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    Count { runs: numbers[0], spoilt: numbers[1], full: numbers[2] }
}

/// The workload: some of the runs.
fn work(folder: &Path) {
    let text = std::env::var(PARAMETERS).unwrap();
    let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
    let (seed, first, runs) = (numbers[0], numbers[1], numbers[2]);
    let mut count = Count::default();
    for run in first..first + runs {
        let folder = folder.join(run.to_string());
        let one = one_run(&folder, Random::of([seed, run]))
            .unwrap_or_else(|problem| panic!("run {run}: {problem}"));
        count.runs += 1;
        count.spoilt += usize::from(one.spoilt);
        count.full += usize::from(one.full);
        std::fs::remove_dir_all(folder).unwrap();
    }
    println!("\ncame to {} {} {}", count.runs, count.spoilt, count.full);
}

struct OneRun {
    spoilt: bool,
    full: bool,
}

fn one_run(folder: &Path, mut random: Random) -> Result<OneRun, String> {
    std::fs::create_dir(folder).unwrap();
    let path = folder.join("state.db");
    let control = faults::control_of_this_process().unwrap();
    let fault = draw(&mut random);
    let mut producer = Producer::new(&path, &["workspace", "sessions/1"], random.next_u64());
    if fault.classes == [Class::Sync] {
        producer.watch_flushes(faults::control_of_this_process().unwrap());
    }
    let problem = |problem: String| format!("{fault:?}: {problem}");
    // Some fail from the first opening on, most while the store is in use.
    let quiet_steps = if random.percent(15) { 0 } else { 1 + random.below(6) };
    for step in 0..quiet_steps + 14 {
        if step == quiet_steps {
            control.arm(&fault).unwrap();
        }
        producer.step().map_err(problem)?;
    }
    let spoilt = control.spoilt().unwrap() > 0;
    let full = spoilt && is_full_disk(&fault) && producer.store.is_some();
    if full {
        check_full_disk(&mut producer, &control).map_err(problem)?;
    }
    control.disarm().unwrap();
    drop(producer.store.take());
    let store = open(&path).map_err(|error| problem(format!("the store does not open again: {error:?}")))?;
    producer.ledger.check(&store).map_err(problem)?;
    producer.store = Some(store);
    let stream = producer.streams[0].clone();
    match producer.append(&stream).map_err(problem)? {
        Outcome::Accepted => Ok(OneRun { spoilt, full }),
        outcome => Err(problem(format!("a batch is {outcome:?} though nothing fails any more"))),
    }
}

fn is_full_disk(fault: &Fault) -> bool {
    fault.is_sticky && fault.action == Action::Fail(Errno::NOSPC) && fault.classes == [Class::Write]
}

/// While no write finds room: appending is refused, reading goes on. Once there is room: appending goes on, on the same
/// handle.
fn check_full_disk(producer: &mut Producer, control: &Control) -> Result<(), String> {
    let stream = producer.streams[0].clone();
    let outcome = producer.append(&stream)?;
    if outcome != Outcome::Refused {
        return Err(format!("on a full disk a batch is {outcome:?}"));
    }
    let store = producer.store.as_ref().expect("nothing ended in doubt");
    producer.ledger.check(store).map_err(|problem| format!("on a full disk: {problem}"))?;
    control.disarm().unwrap();
    match producer.append(&stream)? {
        Outcome::Accepted => Ok(()),
        outcome => Err(format!("there is room again, and a batch is {outcome:?}")),
    }
}

fn draw(random: &mut Random) -> Fault {
    const ALL: [Class; 6] =
        [Class::Open, Class::Read, Class::Write, Class::Sync, Class::Truncate, Class::Name];
    let (classes, nth_max) = match random.below(10) {
        0..3 => (vec![Class::Write], 120),
        3..6 => (vec![Class::Sync], 25),
        6 => (vec![Class::Read], 60),
        7 => (vec![Class::Open], 6),
        8 => (vec![Class::Truncate, Class::Name], 4),
        _ => (ALL.to_vec(), 250),
    };
    let action = match random.below(7) {
        0 | 1 => Action::Fail(Errno::IO),
        2 | 3 => Action::Fail(Errno::NOSPC),
        4 => Action::Fail(Errno::INTR),
        5 => Action::Short,
        _ => Action::Torn(if random.percent(50) { Errno::IO } else { Errno::NOSPC }),
    };
    // A call that is interrupted is made again, by anybody; no kernel interrupts it for ever.
    let is_sticky = action != Action::Fail(Errno::INTR) && random.percent(50);
    Fault { classes, nth: 1 + random.below(nth_max) as u64, action, is_sticky }
}

#[test]
fn calls_end_truthfully_whatever_fails() {
    if let Some(folder) = faults::workload_folder() {
        return work(&folder);
    }
    let effort = Effort::from_environment();
    let count = run(effort, TEST).unwrap();
    println!("{count:?}");
    assert!(count.spoilt * 10 >= count.runs * 6, "most faults meet an operation: {count:?}");
    assert!(count.full * 100 >= count.runs, "disks were full: {count:?}");
}
