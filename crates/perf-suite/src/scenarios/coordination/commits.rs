//! BENCH-004: results that land as commits: at 1 to 20 a minute, 1 to 12 at once, and of 100 to 1,000 tasks.
//!
//! One factor is changed at a time, around the middle of its table. Arrivals are compressed in time, in every profile, and the
//! notes say how much: what a commit takes does not depend on how long nothing happened before it. A commit counts from when
//! its agent was due to hand in, until it is on the branch and the log says so. Success: every task has exactly one commit,
//! `git fsck` finds nothing; otherwise the scenario has failed.

use std::path::Path;
use std::process::Command as Program;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agent_coordinator::ShutDown;
use agent_coordinator::executor::{AgentExecutor, InProcess, Job, Outcome};
use parking_lot::Mutex;
use state_store::task::{Event, TaskKey, Transition};

use super::agents::resolutions;
use super::by_profile;
use super::world::{Ended, STUCK_AFTER, Seen, World, plan, task, write};
use crate::pause::{Operation, Pause, PauseKind};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// Results that land as commits.
#[derive(Debug, Clone, Copy)]
pub struct Commits;

/// Of every so many commits, one also changes a file that others change.
const SHARED_EVERY: usize = 5;
/// How many lines that file has at the most.
const SHARED_LINES: usize = 20;
/// How many files there are from the beginning; each commit replaces one of them.
const FILES: usize = 400;
const SWITCHES: usize = 6;
/// How often the size of a repository is looked at that grows.
const SIZES: usize = 40;

/// One cell of the table.
#[derive(Debug, Clone)]
struct Cell {
    name: String,
    /// How many commits a minute are due.
    per_minute: f64,
    /// How many are due at the same moment.
    at_once: usize,
    /// How many tasks commit.
    tasks: usize,
    /// How many times faster than stated they come.
    compressed: f64,
    /// Whether git collects garbage beside them.
    collects: bool,
}

/// The middle of the table, as far as a profile goes.
fn cells(profile: Profile) -> Vec<Cell> {
    let (commits, compressed) = by_profile(profile, [(2, 6000.0), (6, 6000.0), (12, 600.0), (30, 12.0)]);
    let middle = |name: String| Cell {
        name,
        per_minute: 10.0,
        at_once: 4,
        tasks: commits,
        compressed,
        collects: false,
    };
    let rates: &[u32] = by_profile(profile, [&[10], &[1, 5, 10, 20], &[1, 5, 10, 20], &[1, 5, 10, 20]]);
    let at_once: &[usize] = by_profile(profile, [&[4], &[1, 4, 8, 12], &[1, 4, 8, 12], &[1, 4, 8, 12]]);
    let tasks: &[usize] = by_profile(profile, [&[], &[100], &[100, 500], &[100, 500, 1000]]);
    let mut cells = Vec::new();
    for rate in rates {
        cells.push(Cell { per_minute: f64::from(*rate), at_once: 1, ..middle(format!("rate-{rate}")) });
    }
    for count in at_once {
        let tasks = commits.next_multiple_of(*count);
        cells.push(Cell { at_once: *count, tasks, ..middle(format!("at-once-{count}")) });
    }
    for count in tasks {
        let cell =
            Cell { tasks: *count, compressed: compressed.max(60.0), ..middle(format!("tasks-{count}")) };
        cells.push(cell);
    }
    // As often as is due in the largest of the others, with git at work on the same files.
    cells.push(Cell { collects: true, ..middle("beside-gc".to_owned()) });
    cells
}

impl Scenario for Commits {
    fn id(&self) -> &str {
        "BENCH-004"
    }

    fn statement(&self) -> &str {
        "results landing as commits at 1 to 20 a minute, 1 to 12 at once, of 100 to 1,000 tasks"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let cells = cells(profile);
        let mut conflicts = Vec::new();
        let mut switches = Vec::new();
        let last_growing = cells.iter().rev().find(|cell| cell.name.starts_with("tasks-")).cloned();
        for cell in &cells {
            let landed = land(cell, recorder)?;
            recorder.record(
                format!("commit/{}", cell.name),
                "one commit, from when it was due until it is on the branch and in the log",
                Unit::Seconds,
                landed.commits,
            );
            conflicts.extend(landed.resolutions);
            // The working copies of all cells are alike, so the first one is enough, and the large ones.
            if switches.is_empty() || cell.tasks >= 100 {
                switches.extend(switch_branches(&landed.ended)?);
            }
            if last_growing.as_ref().is_some_and(|last| last.name == cell.name) {
                record_growth(&landed.sizes, recorder);
            }
        }
        if !conflicts.is_empty() {
            let what = "from a conflict to the landing of what resolved it";
            recorder.record("conflict", what, Unit::Seconds, conflicts);
        }
        let what = "switching a working copy to the branch and back, by git itself";
        recorder.record("switch", what, Unit::Seconds, switches);
        let (shortest, longest) = cells.iter().fold((f64::MAX, 0.0_f64), |(least, most), cell| {
            (least.min(cell.compressed), most.max(cell.compressed))
        });
        recorder.note(format!(
            "arrivals come {shortest:.0} to {longest:.0} times as fast as stated, so that a minute's commits take \
             {:.1} to {:.1} s; one factor is changed at a time",
            60.0 / longest,
            60.0 / shortest
        ));
        recorder
            .note("one commit in five also changes a file that others change; each cell ends with git fsck");
        Ok(())
    }
}

/// What came of a cell.
struct CellOutcome {
    commits: Vec<f64>,
    resolutions: Vec<f64>,
    ended: Ended,
    /// The size of the repository after so many commits.
    sizes: Vec<(usize, u64)>,
}

fn land(cell: &Cell, recorder: &mut Recorder) -> Result<CellOutcome, ScenarioFailed> {
    let dues = Arc::new(Mutex::new(Vec::new()));
    let begun = Arc::new(Mutex::new(None));
    let files = (0..FILES).map(|number| write(&file(number), format!("file {number}\n")));
    let files: Vec<_> = files.chain([write("shared.md", "first\n")]).collect();
    let world = World::begin(&files, committers(cell, Arc::clone(&dues), Arc::clone(&begun)))?;
    let observed = world.observe();
    let project =
        world.enter(plan("bench-004", (0..cell.tasks).map(|number| task(number, &[])).collect()))?;
    let start = Instant::now();
    *begun.lock() = Some(start);
    world.register(cell.at_once)?;
    let before = start.saturating_duration_since(recorder.begun()).as_secs_f64();
    if cell.collects {
        recorder.pauses([collect(&world.folder().join("repo"), recorder.begun())?]);
    }
    let sizes = follow_size(&world, cell, project)?;
    world.settle(project)?;
    let ended = world.end(ShutDown::Drain)?;
    let seen = ended.seen(observed)?;
    check(&ended, cell)?;
    let dues = std::mem::take(&mut *dues.lock());
    let commits = latencies(&seen, &dues);
    if commits.len() < cell.tasks {
        return Err(format!("{} of {} commits were seen to land", commits.len(), cell.tasks))
            .map_err(ScenarioFailed::during("watching commits land"));
    }
    let due_at = |due: Instant| before + due.saturating_duration_since(start).as_secs_f64();
    let operations = commits.iter().map(|(due, length)| Operation { at: due_at(*due), length: *length });
    recorder.operations(operations);
    Ok(CellOutcome {
        commits: commits.into_iter().map(|(_, length)| length).collect(),
        resolutions: resolutions(&seen),
        sizes,
        ended,
    })
}

/// Returns agents that hand in when they are due: so many at once, and that often.
fn committers(
    cell: &Cell,
    dues: Arc<Mutex<Vec<(TaskKey, Instant)>>>,
    begun: Arc<Mutex<Option<Instant>>>,
) -> impl AgentExecutor {
    let next = Arc::new(AtomicUsize::new(0));
    let interval = Duration::from_secs_f64(60.0 / cell.per_minute / cell.compressed * cell.at_once as f64);
    let at_once = cell.at_once;
    InProcess::new(move |job: Job| {
        let is_first = job.handover.is_none() && job.attempt == 1;
        let (dues, begun) = (Arc::clone(&dues), Arc::clone(&begun));
        // Only first attempts are due at a time; who has a conflict hands in again at once.
        let number = if is_first { next.fetch_add(1, Ordering::Relaxed) } else { 0 };
        async move {
            if is_first {
                let begun = begun.lock().unwrap_or_else(Instant::now);
                let due = begun + interval * (number / at_once) as u32;
                dues.lock().push((job.key, due));
                tokio::time::sleep_until(due.into()).await;
            }
            edits(&job)
        }
    })
}

/// Returns the file that a task replaces.
fn file(task: usize) -> String {
    let file = task % FILES;
    format!("dir-{}/file-{file}.md", file % 20)
}

fn edits(job: &Job) -> Outcome {
    let id = job.task().id.to_string();
    let mut edits = vec![write(&file(job.key.task as usize), format!("# {id}\n\nDone.\n"))];
    if (job.key.task as usize).is_multiple_of(SHARED_EVERY) {
        let Some(base) = &job.base else { return Outcome::Failed("no files to begin from".to_owned()) };
        let path = git_ops::RepoPath::new("shared.md").expect("the path is plain");
        match base.files().and_then(|files| files.read(&path)) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
                // Of bounded length, so that a later commit is no larger than an earlier one.
                let kept: Vec<&str> = text.lines().rev().take(SHARED_LINES).collect();
                let kept: String = kept.into_iter().rev().map(|line| format!("{line}\n")).collect();
                edits.push(write("shared.md", format!("{kept}{id}\n")));
            }
            Err(error) => return Outcome::Unable(error.to_string()),
        }
    }
    Outcome::Done(edits)
}

/// Lets git collect its garbage beside the commits.
fn collect(repository: &Path, zero: Instant) -> Result<Pause, ScenarioFailed> {
    let from = Instant::now();
    git(repository, &["gc", "--quiet"])?;
    Ok(Pause::new(PauseKind::Git, zero, from, from.elapsed()))
}

/// Looks at the size of the repository as the commits come in.
fn follow_size(
    world: &World,
    cell: &Cell,
    project: state_store::task::ProjectKey,
) -> Result<Vec<(usize, u64)>, ScenarioFailed> {
    let mut sizes = Vec::new();
    if cell.tasks < 100 {
        return Ok(sizes);
    }
    let step = (cell.tasks / SIZES).max(1);
    let (mut before, mut moved) = (0, Instant::now());
    loop {
        let done = world.completed(project)?;
        if sizes.last().is_none_or(|(before, _)| done >= before + step) {
            sizes.push((done, size_of(world.repository.git_dir())));
        }
        if done == cell.tasks {
            return Ok(sizes);
        }
        if done > before {
            (before, moved) = (done, Instant::now());
        } else if moved.elapsed() > STUCK_AFTER {
            return Err(format!("{done} of {} have landed, and no more", cell.tasks))
                .map_err(ScenarioFailed::during("waiting for commits"));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Returns the bytes of all files below a folder; files that vanish meanwhile count nothing.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Returns for each task when it was due and how long its commit took.
fn latencies(seen: &[Seen], dues: &[(TaskKey, Instant)]) -> Vec<(Instant, f64)> {
    let landed = seen.iter().filter_map(|(at, recorded)| match &recorded.event {
        Event::Task { task, transition: Transition::Land { .. } } => Some((*task, *at)),
        _ => None,
    });
    let of = |task: TaskKey| dues.iter().find(|(due, _)| *due == task).map(|(_, due)| *due);
    landed
        .filter_map(|(task, at)| Some((of(task)?, at)))
        .map(|(due, at)| (due, (at - due).as_secs_f64()))
        .collect()
}

/// Checks that every task has its one commit and that git finds the repository whole.
fn check(ended: &Ended, cell: &Cell) -> Result<(), ScenarioFailed> {
    let folder = ended.repository_folder();
    let count = git(&folder, &["rev-list", "--count", &format!("main..{}", ended.branch)])?;
    if count.trim() != cell.tasks.to_string() {
        return Err(format!("{} commits of {} tasks", count.trim(), cell.tasks))
            .map_err(ScenarioFailed::during("counting commits"));
    }
    git(&folder, &["fsck", "--full", "--strict", "--no-dangling"]).map(drop)
}

/// Switches a working copy between the branch and where it began.
fn switch_branches(ended: &Ended) -> Result<Vec<f64>, ScenarioFailed> {
    let folder = ended.repository_folder();
    let copy = folder.with_file_name("copy");
    let branch = ended.branch.as_str();
    git(&folder, &["worktree", "add", "--quiet", "--detach", &copy.to_string_lossy(), "main"])?;
    let mut times = Vec::new();
    for number in 0..SWITCHES {
        let to = if number % 2 == 0 { branch } else { "main" };
        let begun = Instant::now();
        git(&copy, &["checkout", "--quiet", "--detach", to])?;
        times.push(begun.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, ScenarioFailed> {
    let output = Program::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(ScenarioFailed::during("starting git"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = format!("git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Err(why).map_err(ScenarioFailed::during("asking git"))
}

/// Records whether the repository grows as fast at the end as at the beginning.
fn record_growth(sizes: &[(usize, u64)], recorder: &mut Recorder) {
    let by_commit = |from: &(usize, u64), to: &(usize, u64)| {
        (to.1 as f64 - from.1 as f64) / (to.0 - from.0).max(1) as f64
    };
    let half = (sizes.len().saturating_sub(1)) / 2;
    if half < 2 {
        return;
    }
    recorder.record(
        "growth/per-commit",
        "growth of the repository by commit, in steps of a fortieth of all",
        Unit::Bytes,
        sizes.windows(2).map(|pair| by_commit(&pair[0], &pair[1])).collect(),
    );
    // Packs are joined now and then, which takes away what a few steps before had brought: a stretch has to be longer.
    let stretch = half.div_ceil(2);
    let growth = |from: usize| by_commit(&sizes[from], &sizes[from + stretch]);
    recorder.record(
        "growth/later-over-earlier",
        "growth by commit over a quarter of all, in the later half over the same in the earlier half",
        Unit::Ratio,
        (0..=half - stretch).map(|from| growth(half + from) / growth(from).max(1.0)).collect(),
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::series::Series;

    /// Returns the median of the later growth over the earlier one, of a repository of such sizes.
    fn ratio(size: impl Fn(f64) -> f64) -> f64 {
        let sizes: Vec<(usize, u64)> = (0..=SIZES).map(|n| (25 * n, size(25.0 * n as f64) as u64)).collect();
        let mut recorder = Recorder::new(Duration::from_secs(1));
        record_growth(&sizes, &mut recorder);
        let series = recorder.series().iter().find(|series| series.metric == "growth/later-over-earlier");
        series.and_then(Series::summary).expect("there are enough sizes").median
    }

    #[test]
    fn growth_is_linear_or_not_whatever_joining_takes_away() {
        let joined = |commits: f64| 1e6 + 3e3 * commits + 2e3 * (commits % 120.0);
        assert!((0.8..1.25).contains(&ratio(joined)), "{}", ratio(joined));
        let quadratic = |commits: f64| 1e6 + 3.0 * commits * commits;
        assert!(ratio(quadratic) > 2.0, "{}", ratio(quadratic));
    }
}
