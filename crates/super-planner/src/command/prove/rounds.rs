//! The rounds: start, kill, open again, compare.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use planner_core::random::Random;
use serde::Serialize;
use state_store::{Entry, Recorded, Seq, SqliteStore, StateStore, StreamName, SystemClock};

use super::production::Production;
use crate::error::{CliError, ErrorKind};

/// How long a victim lives after its first success, at the most.
const LIFE_MAX: Duration = Duration::from_millis(120);

/// How long the first success may take.
const FIRST_MAX: Duration = Duration::from_secs(60);

/// What the rounds have shown so far.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Findings {
    /// How many victims were killed.
    pub(super) rounds: u64,
    /// How many transactions the victims acknowledged.
    pub(super) acknowledged: u64,
    /// How many whole transactions are in the store.
    pub(super) found: u64,
    /// How many that were acknowledged are not there.
    pub(super) lost: u64,
    /// How many are there in part, or not as they were written.
    pub(super) half: u64,
    /// How many are twice there, or not in the order of their producer.
    pub(super) out_of_order: u64,
    /// The longest time from opening a store after a kill until its end was known.
    pub(super) reopening_longest_ms: f64,
    /// What was found wrong first.
    pub(super) first_problem: Option<String>,
}

impl Findings {
    /// Returns whether every promise was kept.
    pub(super) fn are_fine(&self) -> bool {
        self.lost == 0 && self.half == 0 && self.out_of_order == 0
    }

    fn problem(&mut self, what: impl FnOnce() -> String) {
        self.first_problem.get_or_insert_with(what);
    }
}

/// Rounds on one store.
pub(super) struct Rounds {
    program: PathBuf,
    place: PathBuf,
    producers: NonZeroU32,
    random: Random,
    /// How far the store has been compared.
    compared: Seq,
    findings: Findings,
}

impl Rounds {
    pub(super) fn begin(place: &Path, seed: u64, producers: NonZeroU32) -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(|error| {
            CliError::new(ErrorKind::Internal, "this program has no path").caused_by(error)
        })?;
        let (place, random) = (place.to_owned(), Random::new(seed));
        Ok(Self { program, place, producers, random, compared: Seq::START, findings: Findings::default() })
    }

    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Plays one round.
    pub(super) fn play(&mut self, round: u32) -> Result<(), CliError> {
        let life = LIFE_MAX.mul_f64(self.random.unit());
        let acknowledged = self.start_and_kill(round, life)?;
        self.findings.rounds += 1;
        self.findings.acknowledged += acknowledged.values().sum::<u64>();
        let began = Instant::now();
        let store = self.open()?;
        store.end(&StreamName::workspace()).map_err(unreadable)?;
        let reopening = began.elapsed().as_secs_f64() * 1e3;
        self.findings.reopening_longest_ms = self.findings.reopening_longest_ms.max(reopening);
        let found = self.read_on(&store)?;
        self.compare(round, &acknowledged, &found);
        Ok(())
    }

    /// Reads the whole store once more, all hashes from the first on, and returns what was found.
    pub(super) fn finish(self) -> Result<Findings, CliError> {
        let mut last = Seq::START;
        let mut visit = |recorded: Recorded| {
            last = recorded.seq;
            ControlFlow::Continue(())
        };
        self.open()?.read(&StreamName::workspace(), Seq::START, &mut visit).map_err(unreadable)?;
        let mut findings = self.findings;
        if last != self.compared {
            findings.lost += 1;
            findings.problem(|| format!("the store ended at {}, and now ends at {last}", self.compared));
        }
        Ok(findings)
    }

    fn open(&self) -> Result<SqliteStore, CliError> {
        SqliteStore::open_existing(&self.place, Arc::new(SystemClock)).map_err(unreadable)
    }

    /// Returns how many transactions each producer acknowledged before it was killed.
    fn start_and_kill(&self, round: u32, life: Duration) -> Result<BTreeMap<u32, u64>, CliError> {
        let mut victim = Command::new(&self.program)
            .args(["prove", "crash-victim", "--store"])
            .arg(&self.place)
            .args(["--round", &round.to_string(), "--producers", &self.producers.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                CliError::new(ErrorKind::Internal, "no victim can be started").caused_by(error)
            })?;
        let out = victim.stdout.take().expect("it is a pipe");
        let (first, alive) = mpsc::sync_channel(1);
        std::thread::scope(|scope| {
            let listener = scope.spawn(move || {
                let mut acknowledged = BTreeMap::new();
                let (mut out, mut line) = (BufReader::new(out), Vec::new());
                while out.read_until(b'\n', &mut line).is_ok() {
                    // A line without an end was not told whole, and so was not told.
                    let Some((producer, number)) = acknowledgement(&line) else { break };
                    acknowledged.insert(producer, number);
                    // Only the first is waited for.
                    let _ = first.try_send(());
                    line.clear();
                }
                acknowledged
            });
            let has_begun = alive.recv_timeout(FIRST_MAX).is_ok();
            // Nothing is sent any more: this waits for the end of its life, or for its end by itself.
            let ended_early = has_begun && wait(&mut victim, life)?;
            let killed = victim.kill();
            let output = victim.wait_with_output();
            let acknowledged = listener.join().expect("listening does not panic");
            if !has_begun || ended_early || killed.is_err() {
                let said = output.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
                let message =
                    format!("the victim of round {round} ended by itself: {}", said.unwrap_or_default());
                return Err(CliError::new(ErrorKind::Store, message));
            }
            Ok(acknowledged)
        })
    }

    fn read_on(&mut self, store: &SqliteStore) -> Result<Vec<Entry>, CliError> {
        let mut found = Vec::new();
        let mut last = self.compared;
        let mut visit = |recorded: Recorded| {
            last = recorded.seq;
            found.push(recorded.entry);
            ControlFlow::Continue(())
        };
        store.read(&StreamName::workspace(), self.compared, &mut visit).map_err(unreadable)?;
        self.compared = last;
        Ok(found)
    }

    /// Compares the entries of a round with what was acknowledged in it.
    fn compare(&mut self, round: u32, acknowledged: &BTreeMap<u32, u64>, found: &[Entry]) {
        let findings = &mut self.findings;
        let mut there: BTreeMap<u32, u64> = BTreeMap::new();
        let mut rest = found;
        while let Some(entry) = rest.first() {
            let whole = Production::of(entry).filter(|production| rest.starts_with(&production.entries()));
            let Some(production) = whole else {
                findings.half += 1;
                findings.problem(|| format!("round {round}: a transaction is not there as it was written"));
                rest = &rest[1..];
                continue;
            };
            rest = &rest[production.entries().len()..];
            findings.found += 1;
            let last = there.entry(production.producer).or_default();
            if production.round != round || production.number != *last + 1 {
                findings.out_of_order += 1;
                findings.problem(|| format!("round {round}: {production:?} comes after number {last}"));
            }
            *last = production.number;
        }
        for (producer, number) in acknowledged {
            let lost = number.saturating_sub(there.get(producer).copied().unwrap_or(0));
            if lost > 0 {
                findings.lost += lost;
                findings
                    .problem(|| format!("round {round}: producer {producer} has lost {lost} transactions"));
            }
        }
    }
}

fn acknowledgement(line: &[u8]) -> Option<(u32, u64)> {
    let (producer, number) = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.split_once(' ')?;
    Some((producer.parse().ok()?, number.parse().ok()?))
}

/// Waits until a process has ended or the time is up; returns whether it has ended.
fn wait(process: &mut Child, patience: Duration) -> Result<bool, CliError> {
    let until = Instant::now() + patience;
    loop {
        let ended = process.try_wait().map_err(|error| {
            CliError::new(ErrorKind::Internal, "the victim cannot be watched").caused_by(error)
        })?;
        let left = until.saturating_duration_since(Instant::now());
        if ended.is_some() || left.is_zero() {
            return Ok(ended.is_some());
        }
        std::thread::park_timeout(left.min(Duration::from_millis(5)));
    }
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::new(ErrorKind::Store, "the store cannot be read after the kill").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(acknowledged: &[(u32, u64)], productions: &[(u32, u64)], cut: usize) -> Findings {
        let mut rounds = Rounds::begin(Path::new("nowhere"), 1, NonZeroU32::MIN).unwrap();
        let production =
            |(producer, number): &(u32, u64)| Production { round: 4, producer: *producer, number: *number };
        let mut found: Vec<Entry> = productions.iter().flat_map(|pair| production(pair).entries()).collect();
        found.truncate(found.len() - cut);
        rounds.compare(4, &acknowledged.iter().copied().collect(), &found);
        rounds.findings
    }

    #[test]
    fn what_is_lost_half_there_or_out_of_order_is_counted() {
        let fine = compared(&[(0, 2), (1, 1)], &[(0, 1), (1, 1), (0, 2), (1, 2)], 0);
        assert!(fine.are_fine() && fine.found == 4, "{fine:?}");
        assert_eq!(compared(&[(0, 2), (1, 1)], &[(0, 1)], 0).lost, 2);
        assert_eq!(compared(&[], &[(0, 2), (0, 1)], 0).out_of_order, 2);
        assert_eq!(compared(&[], &[(0, 1), (0, 1)], 0).out_of_order, 1);
        let long =
            (1..).find(|number| Production { round: 4, producer: 0, number: *number }.entries().len() == 3);
        assert_eq!(compared(&[], &[(0, long.unwrap())], 1).half, 2, "each entry that is left of it");
    }
}
