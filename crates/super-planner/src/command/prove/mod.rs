//! `prove`: tries a promise on this machine, before the eyes of whoever doubts it.
//!
//! `prove crash` starts this program again as a victim that appends to a store, kills it (SIGKILL) at a moment that nobody
//! foresees, opens the store again and compares what is in it with what the victim had acknowledged. The store grows from
//! round to round, on a real disk.
//!
//! `prove races` starts this program as processes that race over tasks, and judges what each of them was told.

mod production;
mod racer;
mod races;
mod rounds;
mod victim;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::{ProveArgs, ProveCommand, ProveCrashArgs};
use crate::command::prove::rounds::{Findings, Rounds};
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::terminal::{BAD, GOOD, Terminal};

/// Proves what was asked for; anything lost is a problem.
pub fn run(args: &ProveArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        ProveCommand::Crash(args) => crash(args, terminal),
        ProveCommand::CrashVictim(args) => victim::run(args),
        ProveCommand::Races(args) => races::run(args, terminal),
        ProveCommand::Racer(args) => racer::run(args, config, terminal),
    }
}

/// The answer of `prove crash`.
#[derive(Serialize)]
struct Answer<'a> {
    version: u32,
    seed: u64,
    producers: u32,
    store: String,
    store_bytes: u64,
    #[serde(flatten)]
    findings: &'a Findings,
}

fn crash(args: &ProveCrashArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let folder = Folder::of(args.dir.as_deref())?;
    let place = new_place(folder.path())?;
    let progress = Progress::begin(args.rounds.get().into());
    let mut rounds = Rounds::begin(&place, args.seed, args.producers)?;
    for round in 0..args.rounds.get() {
        rounds.play(round)?;
        progress.tell(rounds.findings(), terminal);
    }
    let findings = rounds.finish()?;
    progress.bar.finish_and_clear();
    let store_bytes = place.metadata().map_or(0, |found| found.len());
    if args.json {
        terminal.json(&Answer {
            version: 1,
            seed: args.seed,
            producers: args.producers.get(),
            store: place.display().to_string(),
            store_bytes,
            findings: &findings,
        })?;
    } else {
        terminal.print(text(&findings, args, store_bytes))?;
    }
    Ok(Exit::problems_if(!findings.are_fine()))
}

/// The folder of a store: the one that was named, or a temporary one that goes with this.
enum Folder {
    Named(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn of(named: Option<&Path>) -> Result<Self, CliError> {
        if let Some(named) = named {
            return Ok(Self::Named(named.to_owned()));
        }
        let made = tempfile::Builder::new().prefix("super-planner-prove-").tempdir();
        made.map(Self::Temporary).map_err(|error| {
            CliError::new(ErrorKind::Usage, "no temporary folder can be made").caused_by(error)
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// Returns where the store is to be; there must be none.
fn new_place(folder: &Path) -> Result<PathBuf, CliError> {
    let place = folder.join("state.db");
    if place.exists() {
        let message = format!("there is a store in {} already", escaped(&folder.to_string_lossy()));
        return Err(CliError::new(ErrorKind::Usage, message).hint("--dir names a folder without one"));
    }
    Ok(place)
}

fn text(findings: &Findings, args: &ProveCrashArgs, store_bytes: u64) -> String {
    let mut text = format!(
        "rounds            {} of kill -9, with {} producers each, seed {}\n\
         acknowledged      {} transactions of 1 to 3 entries\n\
         found             {}; {} of them were not yet acknowledged when the kill came\n\
         lost              {}\n\
         half there        {}\n\
         out of order      {}\n\
         longest reopening {:.1} ms, of a store that has {:.1} MB in the end\n",
        findings.rounds,
        args.producers,
        args.seed,
        findings.acknowledged,
        findings.found,
        findings.found - (findings.acknowledged - findings.lost).min(findings.found),
        count(findings.lost),
        count(findings.half),
        count(findings.out_of_order),
        findings.reopening_longest_ms,
        store_bytes as f64 / 1e6,
    );
    if let Some(first) = &findings.first_problem {
        text.push_str(&format!("first problem     {}\n", escaped(first)));
    }
    text
}

/// Returns how often something happened that must not, in the colour that this deserves.
fn count(number: u64) -> String {
    let style = if number == 0 { GOOD } else { BAD };
    format!("{style}{number}{style:#}")
}

/// How far it is: a bar on a terminal, else a line from time to time.
struct Progress {
    bar: ProgressBar,
    lines_every: u64,
}

impl Progress {
    fn begin(rounds: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rounds, {msg}")
            .expect("the template is a constant");
        let bar = ProgressBar::with_draw_target(Some(rounds), ProgressDrawTarget::stderr()).with_style(style);
        Self { bar, lines_every: rounds.div_ceil(10) }
    }

    fn tell(&self, findings: &Findings, terminal: &Terminal) {
        self.bar.set_position(findings.rounds);
        let told = format!("{} acknowledged, {} lost", findings.acknowledged, findings.lost);
        if self.bar.is_hidden() && findings.rounds.is_multiple_of(self.lines_every) {
            terminal.note(format_args!("{} rounds, {told}", findings.rounds));
        }
        self.bar.set_message(told);
    }
}
