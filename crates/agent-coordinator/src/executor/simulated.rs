//! Agents that only pretend: they take their time, write a file, get in each other's way and fail, all from a seed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use git_ops::{Edit, FileMode, RepoPath};
use planner_core::random::Random;

use crate::executor::{AgentExecutor, Base, Job, Outcome};

/// How simulated agents behave.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedProfile {
    /// What everything is drawn from, together with task and attempt.
    pub seed: u64,
    /// How many times faster than planned the work goes.
    pub time_scale: f64,
    /// How far an attempt may be from its estimate: a factor between 1 - this and 1 + this, evenly.
    pub spread: f64,
    /// The share of attempts that fail.
    pub failure_rate: f64,
    /// The share of results that also change a file which others change too.
    pub shared_rate: f64,
}

impl Default for SimulatedProfile {
    fn default() -> Self {
        Self { seed: 0, time_scale: 3600.0, spread: 0.3, failure_rate: 0.05, shared_rate: 0.15 }
    }
}

/// Simulated agents.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    profile: SimulatedProfile,
}

impl Simulated {
    /// Returns agents that behave so.
    pub fn new(profile: SimulatedProfile) -> Self {
        Self { profile }
    }

    fn draw(&self, job: &Job) -> Draw {
        let key = u64::from(job.key.project.0) << 32 | u64::from(job.key.task);
        let mut random = Random::of([self.profile.seed, key, u64::from(job.attempt)]);
        let factor = 1.0 + self.profile.spread * (2.0 * random.unit() - 1.0);
        let planned = job.task().effort_or_default().as_duration();
        let fails = random.chance(self.profile.failure_rate);
        // An attempt that fails is noticed somewhere along the way.
        let share = if fails { random.unit() } else { 1.0 };
        Draw {
            length: scaled(planned, factor * share / self.profile.time_scale),
            fails,
            shares: random.chance(self.profile.shared_rate),
            shares_top: random.chance(0.5),
        }
    }
}

/// Returns a length of time times a factor, as far as that can be told.
fn scaled(length: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(length.as_secs_f64() * factor).unwrap_or(Duration::MAX / 2)
}

/// What one attempt turns out to be.
struct Draw {
    length: Duration,
    fails: bool,
    shares: bool,
    shares_top: bool,
}

impl AgentExecutor for Simulated {
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let draw = self.draw(&job);
        Box::pin(async move {
            tokio::select! {
                () = job.stop.cancelled() => return Outcome::Failed("stopped".to_owned()),
                () = tokio::time::sleep(draw.length) => {}
            }
            if draw.fails {
                return Outcome::Failed("simulated: the tests of the agent did not pass".to_owned());
            }
            match job.base.as_ref().map(|base| edits(&job, base, &draw)) {
                None => Outcome::Done(Vec::new()),
                Some(Ok(edits)) => Outcome::Done(edits),
                Some(Err(text)) => Outcome::Failed(text),
            }
        })
    }
}

/// The files of a simulated result: `FOLDER/TASK.md`, and sometimes a line in the folder's shared `NOTES.md`.
fn edits(job: &Job, base: &Base, draw: &Draw) -> Result<Vec<Edit>, String> {
    let task = job.task();
    let content = format!("# {}\n\n{}\n", simulated_line(job), task.description);
    let mut edits = vec![write(&simulated_file(job), content.into_bytes())?];
    if draw.shares {
        let path = simulated_notes(job);
        let shared = repo_path(&path)?;
        let text = base.files().and_then(|files| files.read(&shared)).map_err(|error| error.to_string())?;
        let text = text.unwrap_or_default();
        let line = format!("- {}\n", simulated_line(job));
        let text = String::from_utf8_lossy(&text);
        let text = if draw.shares_top { format!("{line}{text}") } else { format!("{text}{line}") };
        edits.push(write(&path, text.into_bytes())?);
    }
    Ok(edits)
}

/// Returns the path of the file that a simulated agent writes for its task: the outermost group, or `misc`, then the id.
pub fn simulated_file(job: &Job) -> String {
    format!("{}/{}.md", folder(job), file_name(job.task().id.as_str()))
}

/// Returns the path of the file that simulated agents of one group share.
pub fn simulated_notes(job: &Job) -> String {
    format!("{}/NOTES.md", folder(job))
}

/// Returns the line by which a simulated agent names its task.
pub fn simulated_line(job: &Job) -> String {
    let task = job.task();
    format!("{}: {}", task.id, task.title.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn folder(job: &Job) -> String {
    job.groups.first().map_or_else(|| "misc".to_owned(), |group| file_name(group.as_str()))
}

fn write(path: &str, content: Vec<u8>) -> Result<Edit, String> {
    Ok(Edit::Write { path: repo_path(path)?, content, mode: FileMode::Regular })
}

fn repo_path(path: &str) -> Result<RepoPath, String> {
    RepoPath::new(path).map_err(|error| error.to_string())
}

/// Turns an id into a file name: lower case, with a `-` for whatever is neither letter, digit, `.`, `_` nor `-`.
fn file_name(id: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = id.to_lowercase().chars().map(plain).collect();
    let is_plain = RepoPath::new(&format!("{name}.md")).is_ok() && !name.starts_with('.');
    if is_plain { name } else { format!("_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_harmless_file_names() {
        for (id, name) in
            [("API-3", "api-3"), ("a/b c", "a-b-c"), (".git", "_.git"), ("bd-1.2", "bd-1.2"), ("CON", "_con")]
        {
            assert_eq!(file_name(id), name);
        }
    }
}
