//! FILES: the file tools of an agent at 100 calls a second, a snapshot of the repository written out, and how far the tasks of a
//! plan are written into its own file.
//!
//! The tools work on a folder of a real disk, through the registry that an agent uses. A call counts from when it was due.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_runtime::tool::files::{Folder, LIST_FILES, READ_FILE, WRITE_FILE, tools};
use agent_runtime::tool::{Registry, ToolCall, ToolLimits, ToolStatus};
use git_ops::{Edit, FileMode, RepoPath, Repository, Signature};
use planner_core::format::{Limits, read};
use planner_core::{Progress, Reading, TaskId, sync};
use tokio_util::sync::CancellationToken;

use super::by_profile;
use crate::disk::DiskFolder;
use crate::load::{Done, OpenLoad, response_quantile};
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;
use crate::workload::Workload;

/// The file tools.
#[derive(Debug, Clone, Copy)]
pub struct FileOperations;

const RATE: f64 = 100.0;
const WORKERS: usize = 16;
const WINDOWS: usize = 10;
const FILES: u64 = 20;

impl Scenario for FileOperations {
    fn id(&self) -> &str {
        "FILES"
    }

    fn statement(&self) -> &str {
        "an agent's file tools at 100 calls a second on a disk, a snapshot of a repository written out, a plan's file synced"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let folder = DiskFolder::new().map_err(ScenarioFailed::during("finding a disk"))?;
        call_tools(by_profile(profile, [300, 1_500, 10_000, 60_000]), &folder, recorder)?;
        write_out(by_profile(profile, [2, 6, 12, 30]), &folder, recorder)?;
        sync_plan(by_profile(profile, [2, 6, 12, 30]), &folder, recorder)
    }
}

fn call_tools(milliseconds: u64, folder: &DiskFolder, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let place = folder.path().join("files");
    std::fs::create_dir(&place).map_err(ScenarioFailed::during("making a folder"))?;
    let files = Arc::new(Folder::open(&place).map_err(ScenarioFailed::during("opening a folder"))?);
    let registry = Registry::new(tools(&files), ToolLimits::default())
        .map_err(ScenarioFailed::during("registering tools"))?;
    let registry = Arc::new(registry);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ScenarioFailed::during("starting a runtime"))?;
    let before = recorder.begun().elapsed().as_secs_f64();
    let load = OpenLoad { rate: RATE, length: Duration::from_millis(milliseconds), workers: WORKERS };
    let outcome = load.run(&recorder.gauge(), |_, number| {
        let result = runtime.block_on(registry.call(&call(number), &CancellationToken::new()));
        if result.status == ToolStatus::Succeeded { Ok(()) } else { Err(result.text) }
    });
    recorder.operations(outcome.operations(before));
    recorder.record(
        "call",
        "one call of a file tool, from when it was due",
        Unit::Seconds,
        outcome.done.iter().step_by(outcome.done.len().div_ceil(1000).max(1)).map(Done::response).collect(),
    );
    recorder.record(
        "call-p99",
        "the 99th percentile of a tenth of the time",
        Unit::Seconds,
        outcome.by_window(WINDOWS, |done| response_quantile(done, 0.99)),
    );
    let failed = |done: &[Done]| done.iter().filter(|done| !done.is_well).count() as f64 / done.len() as f64;
    let mut errors = outcome.by_window(WINDOWS, failed);
    if outcome.dropped > 0 {
        // Those that were never begun belong to no stretch; they count in all of them.
        errors.iter_mut().for_each(|rate| *rate = rate.max(outcome.error_rate()));
    }
    recorder.record(
        "call-errors",
        "the share that failed or was never begun, by a tenth of the time",
        Unit::Ratio,
        errors,
    );
    recorder.note(outcome.keeping_up());
    if let Some(why) = outcome.first_failure {
        recorder.note(format!("the first call that failed: {why}"));
    }
    Ok(())
}

/// Returns a call: files are written first, then read, written and listed in turn.
fn call(number: u64) -> ToolCall {
    let file = format!("dir-{}/file-{}.md", number % 5, number % FILES);
    let (name, arguments) = match number % 4 {
        _ if number < FILES => (WRITE_FILE, serde_json::json!({ "path": file, "content": "first\n" })),
        0 | 1 => {
            (READ_FILE, serde_json::json!({ "path": format!("dir-{}/file-{}.md", number % 5, number % 5) }))
        }
        2 => (WRITE_FILE, serde_json::json!({ "path": file, "content": format!("line {number}\n") })),
        _ => (LIST_FILES, serde_json::json!({ "folder": format!("dir-{}", number % 5) })),
    };
    ToolCall { id: number.to_string(), name: name.to_owned(), arguments: arguments.to_string() }
}

fn write_out(rounds: usize, folder: &DiskFolder, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    const FILES: usize = 1000;
    let edit = |number: usize| {
        let path =
            RepoPath::new(&format!("dir-{}/file-{number}.md", number % 20)).expect("the path is plain");
        Edit::Write {
            path,
            content: format!("file {number}\n").repeat(20).into_bytes(),
            mode: FileMode::Regular,
        }
    };
    let edits: Vec<Edit> = (0..FILES).map(edit).collect();
    let author = Signature { name: "bench".to_owned(), email: "bench@localhost".to_owned() };
    let repository = Repository::init(&folder.path().join("repo"), &edits, &author, 1_700_000_000)
        .map_err(ScenarioFailed::during("making a repository"))?;
    let head = repository.head().map_err(ScenarioFailed::during("reading a repository"))?;
    let head = head.ok_or("it is empty").map_err(ScenarioFailed::during("reading a repository"))?;
    let mut times = Vec::new();
    for round in 0..rounds {
        let to = folder.path().join(format!("out-{round}"));
        std::fs::create_dir(&to).map_err(ScenarioFailed::during("making a folder"))?;
        let begun = Instant::now();
        let snapshot = repository.snapshot(head).map_err(ScenarioFailed::during("reading a commit"))?;
        snapshot.export_to(&to).map_err(ScenarioFailed::during("writing a snapshot out"))?;
        times.push(begun.elapsed().as_secs_f64());
    }
    recorder.record("export/1000-files", "writing a commit of 1,000 files to a folder", Unit::Seconds, times);
    Ok(())
}

/// Writes more and more tasks as completed into a plan's own file, as `sync` does once it knows the states.
fn sync_plan(rounds: usize, folder: &DiskFolder, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    const TASKS: usize = 1000;
    let path = folder.path().join("plan.yaml");
    let yaml = Workload::bench_001(TASKS).yaml();
    std::fs::write(&path, &yaml).map_err(ScenarioFailed::during("writing a plan"))?;
    let plan = read_plan(yaml.as_bytes())?.plan;
    let groups: BTreeSet<&TaskId> = plan.tasks.iter().filter_map(|task| task.parent.as_ref()).collect();
    // Groups have no state of their own, so that a part of nothing but groups would leave nothing to be written.
    let leaves: Vec<&TaskId> =
        plan.tasks.iter().map(|task| &task.id).filter(|id| !groups.contains(id)).collect();
    let mut times = Vec::new();
    for round in 1..=rounds {
        let completed: BTreeSet<&TaskId> = leaves[..leaves.len() * round / rounds].iter().copied().collect();
        let progress = |task: &TaskId| {
            Some(if completed.contains(task) { Progress::Completed } else { Progress::Pending })
        };
        let begun = Instant::now();
        let text = std::fs::read(&path).map_err(ScenarioFailed::during("reading a plan"))?;
        let synced = sync(&read_plan(&text)?, progress).map_err(ScenarioFailed::during("writing states"))?;
        let [file] = &synced.files[..] else {
            return Err("nothing was to be written").map_err(ScenarioFailed::during("writing states"));
        };
        replace(&path, &file.text).map_err(ScenarioFailed::during("replacing a plan's file"))?;
        times.push(begun.elapsed().as_secs_f64());
    }
    recorder.record(
        "sync/1000-tasks",
        "reading a plan's file, writing into it how far its tasks are, reading that again, replacing the file, flushed",
        Unit::Seconds,
        times,
    );
    Ok(())
}

fn read_plan(text: &[u8]) -> Result<Reading, ScenarioFailed> {
    read("plan.yaml", text, None, &Limits::default()).map_err(ScenarioFailed::during("reading a plan"))
}

/// Puts a file in the place of another, as a whole or not at all, also in a power cut.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    std::fs::File::open(folder)?.sync_all()
}
