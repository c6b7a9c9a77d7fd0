//! The races: a project in the state, processes that race over its tasks, a judgement; round by round.

use std::io::BufRead;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_coordinator::race::{Findings, Operation, add_project, judge};
use planner_core::random::Random;
use serde::Serialize;
use state_store::task::snapshot;
use state_store::{Seq, StateStore, StreamName};

use super::{Folder, count, new_place};
use crate::cli::{ProveRacesArgs, Through};
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::state_location::{StateLocation, shown};
use crate::terminal::Terminal;

/// By how much the clock of the store and that of the racers may differ: one counts whole milliseconds.
const SLACK: Duration = Duration::from_millis(10);

/// How many questions are asked for each task of a round: more than a task takes, so that some tasks are never reached and
/// nobody runs out of them.
const OPERATIONS_PER_TASK: u64 = 3;

/// The answer of `prove races`.
#[derive(Serialize)]
struct Answer<'a> {
    version: u32,
    seed: u64,
    processes: u32,
    operations_each: u32,
    rounds: u64,
    state: String,
    seconds: f64,
    #[serde(flatten)]
    findings: &'a Findings,
}

/// Lets processes race until there were as many trials as asked for, or something is wrong.
pub(super) fn run(args: &ProveRacesArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let folder;
    let state = match &args.state {
        Some(url) => url.clone(),
        None => {
            folder = Folder::of(args.dir.as_deref())?;
            format!("sqlite:{}", new_place(folder.path())?.display())
        }
    };
    let store = StateLocation::parse(&state)?.open_durable()?;
    let stream = StreamName::workspace();
    if store.head(&stream)? > Seq::START {
        let message = format!("the state {} is not empty", escaped(&shown(&state)));
        return Err(
            CliError::new(ErrorKind::Usage, message).hint("races leave their tasks there: name a new one")
        );
    }
    let began = Instant::now();
    let mut races = Races { args, state, store, stream, round: 0 };
    let mut findings = Findings::default();
    while findings.trials < args.trials.get() && findings.are_fine() {
        let found = races.play()?;
        if found.trials == 0 {
            let message = "a round has come to its end without any accepted result";
            return Err(CliError::new(ErrorKind::Usage, message)
                .hint("--lease is too short, or --operations too few"));
        }
        findings.add(found);
        terminal.note(format_args!(
            "{} trials in {} rounds: {} operations, {} refused, {} leases ran out",
            findings.trials, races.round, findings.operations, findings.refused, findings.expired
        ));
    }
    let answer = Answer {
        version: 1,
        seed: args.seed,
        processes: args.processes.get(),
        operations_each: args.operations.get(),
        rounds: races.round,
        state: shown(&races.state),
        seconds: began.elapsed().as_secs_f64(),
        findings: &findings,
    };
    if args.json {
        terminal.json(&answer)?;
    } else {
        terminal.print(text(&answer))?;
    }
    Ok(Exit::problems_if(!findings.are_fine()))
}

fn text(answer: &Answer<'_>) -> String {
    let Answer { findings, .. } = answer;
    let mut text = format!(
        "trials             {} tasks, in {} rounds of {} processes with {} operations each, seed {}\n\
         operations         {} in {:.1} s on {}\n\
         handed out         {} times; {} times more time, {} given back, {} leases ran out\n\
         accepted           {} results\n\
         refused            {} late, or under an old token\n\
         no order explains  {}\n\
         accepted twice     {}\n\
         tokens not growing {}\n\
         not in the log     {}\n",
        findings.trials,
        answer.rounds,
        answer.processes,
        answer.operations_each,
        answer.seed,
        findings.operations,
        answer.seconds,
        escaped(&answer.state),
        findings.acquired,
        findings.prolonged,
        findings.released,
        findings.expired,
        findings.accepted,
        findings.refused,
        count(findings.unexplained),
        count(findings.accepted_twice),
        count(findings.tokens_not_growing),
        count(findings.not_recorded),
    );
    if let Some(first) = &findings.first_problem {
        text.push_str(&format!("first problem      {}\n", escaped(first)));
    }
    text
}

struct Races<'a> {
    args: &'a ProveRacesArgs,
    state: String,
    store: Arc<dyn StateStore>,
    stream: StreamName,
    round: u64,
}

impl Races<'_> {
    /// Plays one round, in a project of its own.
    fn play(&mut self) -> Result<Findings, CliError> {
        self.round += 1;
        let project = format!("race-{}", self.round);
        self.add_project(&project)?;
        let racers = (0..self.args.processes.get()).map(|racer| self.start(&project, racer));
        let racers = racers.collect::<std::io::Result<Vec<_>>>().map_err(|error| {
            CliError::new(ErrorKind::Internal, "no racer can be started").caused_by(error)
        })?;
        let mut history = Vec::new();
        let mut problem = None;
        for racer in racers {
            let output = racer.wait_with_output().map_err(|error| {
                CliError::new(ErrorKind::Internal, "a racer cannot be waited for").caused_by(error)
            })?;
            match operations(&output) {
                Ok(operations) => history.extend(operations),
                Err(error) => drop(problem.get_or_insert(error)),
            }
        }
        match problem {
            Some(problem) => Err(problem),
            None => Ok(judge(&history, &*self.store, &self.stream, &project, self.args.lease, SLACK)?),
        }
    }

    /// Adds a project in which half as many tasks as there are processes can be done at a time, and keeps a snapshot, so that
    /// commands need not read what earlier rounds have left.
    fn add_project(&self, name: &str) -> Result<(), CliError> {
        let (processes, operations) = (self.args.processes.get(), self.args.operations.get());
        let width = processes as usize / 2;
        let tasks = (u64::from(processes) * u64::from(operations)).div_ceil(OPERATIONS_PER_TASK) as usize;
        let id = *uuid::Uuid::now_v7().as_bytes();
        let engine = add_project(&*self.store, &self.stream, id, name, tasks, width)?;
        snapshot::keep(&*self.store, &self.stream, engine.state())
            .map_err(|error| CliError::new(ErrorKind::Store, "a snapshot cannot be kept").caused_by(error))?;
        Ok(())
    }

    /// Starts a racer. Some share their name, as two processes of one agent do that was started twice by mistake.
    fn start(&self, project: &str, racer: u32) -> std::io::Result<std::process::Child> {
        let names = self.args.processes.get() - self.args.processes.get() / 4;
        let through = match self.args.through {
            Through::Shell => "shell",
            Through::Library => "library",
            Through::Both if racer.is_multiple_of(2) => "shell",
            Through::Both => "library",
        };
        let seed = Random::of([self.args.seed, self.round, racer.into()]).next_u64();
        Command::new(std::env::current_exe()?)
            .args(["prove", "racer", "--project", project, "--through", through])
            // What an agent has left in an earlier round is no task of this one.
            .args(["--agent", &format!("racer-{}-{}", self.round, racer % names)])
            .args(["--operations", &self.args.operations.to_string(), "--seed", &seed.to_string()])
            .env("SUPER_PLANNER_STATE", &self.state)
            .env("SUPER_PLANNER_LEASE", humantime::format_duration(self.args.lease).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// Returns the history that a racer has told.
fn operations(output: &Output) -> Result<Vec<Operation>, CliError> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(CliError::new(ErrorKind::Store, format!("a racer failed: {}", said.trim())));
    }
    let lines = output.stdout.lines().map_while(Result::ok);
    let parsed = lines.map(|line| serde_json::from_str(&line));
    parsed.collect::<Result<_, _>>().map_err(|error| {
        CliError::new(ErrorKind::Internal, "a racer's history cannot be read").caused_by(error)
    })
}
