//! Worktrees, switching, branches and growth, beside what stock git takes for the same, in one run.
//!
//! `PERF_PROFILE=smoke|quick|full cargo bench -p perf-suite --bench branching`, quick by default; with `PERF_OUT=FILE` the
//! figures are also written there as JSON. Every round does each thing once, ours and git's by turns. What is printed is the
//! median of the rounds and their spread, in milliseconds. Git's figures hold the start of its process, about a
//! millisecond each. Neither side flushes what it writes to a worktree; refs are flushed by both (`core.fsync=all`).

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use git_ops::{
    BranchName, CommitId, CommitQueue, CommitRequest, Edit, FileMode, Message, Preparation, RepoPath,
    Repository, Signature, WorktreeOptions, WorktreePool,
};
use perf_suite::{Machine, Profile};
use planner_core::random::Random;
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const FILE_BYTES: usize = 2048;
const TIME: i64 = 1_700_000_000;
/// How many files differ between the two commits that are switched between.
const FILES_DIFFERENT: usize = 90;
/// How many files an agent touches.
const FILES_TOUCHED: usize = 5;
const BRANCHES: usize = 10_000;

/// The times of one thing, in milliseconds, one for each round.
struct Series {
    files: usize,
    what: &'static str,
    who: &'static str,
    times: Vec<f64>,
}

/// All that was measured, in the order in which it was first.
#[derive(Default)]
struct Figures(Vec<Series>);

impl Figures {
    fn time<T>(
        &mut self,
        files: usize,
        what: &'static str,
        who: &'static str,
        work: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<T> {
        let started = Instant::now();
        let done = work()?;
        let took = started.elapsed().as_secs_f64() * 1e3;
        let is_same = |series: &&mut Series| (series.files, series.what, series.who) == (files, what, who);
        match self.0.iter_mut().find(is_same) {
            Some(series) => series.times.push(took),
            None => self.0.push(Series { files, what, who, times: vec![took] }),
        }
        Ok(done)
    }
}

fn path(file: usize) -> String {
    format!("dir{}/sub{}/file{file}.rs", file % 20, file / 20 % 10)
}

/// Returns lines that look like source; those whose number is given are different.
fn content(file: usize, changed: &[(usize, usize)]) -> Vec<u8> {
    let mut random = Random::of([file as u64]);
    let mut text = String::new();
    for line in 0.. {
        let value = random.below(1 << 20);
        let edit = changed.iter().rev().find(|(at, _)| *at == line).map_or(0, |(_, edit)| *edit);
        text += &format!("    let value_{value:x} = compute({:x}, {edit});\n", random.below(1 << 12));
        if text.len() >= FILE_BYTES {
            return text.into_bytes();
        }
    }
    text.into_bytes()
}

fn author() -> Signature {
    Signature { name: "Agent".to_owned(), email: "agent@example.org".to_owned() }
}

fn write(file: usize, content: Vec<u8>) -> Outcome<Edit> {
    Ok(Edit::Write { path: RepoPath::new(&path(file))?, content, mode: FileMode::Regular })
}

fn make(place: &Path, files: usize) -> Outcome<Repository> {
    let edits = (0..files).map(|file| write(file, content(file, &[]))).collect::<Outcome<Vec<_>>>()?;
    let repository = Repository::init(place, &edits, &author(), TIME)?;
    let first = repository.head()?.ok_or("the repository is empty")?;
    repository.create_branch(&BranchName::new("work")?, first)?;
    git(place, &["repack", "-adq"])?;
    Ok(repository)
}

fn git(place: &Path, arguments: &[&str]) -> Outcome<String> {
    git_told(place, arguments, "")
}

fn git_told(place: &Path, arguments: &[&str], input: &str) -> Outcome<String> {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(place)
        .args(["-c", "user.name=A", "-c", "user.email=a@b", "-c", "gc.auto=0", "-c", "core.fsync=all"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    child.stdin.take().ok_or("git has no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("git {arguments:?} failed").into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn commit(queue: &CommitQueue, base: CommitId, edits: Vec<Edit>) -> Outcome<CommitId> {
    let message = Message { subject: "commit".to_owned(), ..Message::default() };
    let branch = BranchName::new("work")?;
    match queue.commit(CommitRequest { branch, base, edits, message, author: author(), time: TIME })? {
        Preparation::Commit { id, .. } => Ok(id),
        other => Err(format!("a commit became {other:?}").into()),
    }
}

/// What an agent does: some files are changed.
fn touch(folder: &Path) -> Outcome<()> {
    for file in 0..FILES_TOUCHED {
        std::fs::write(folder.join(path(file * 11)), "touched\n")?;
    }
    Ok(())
}

/// Worktrees: made, made again, brought to another commit, read back, and removed.
fn worktrees(figures: &mut Figures, folder: &Path, files: usize, rounds: usize) -> Outcome<()> {
    let place = folder.join(format!("repository{files}"));
    let repository = make(&place, files)?;
    let first = repository.head()?.ok_or("the repository is empty")?;
    let edits: Outcome<Vec<Edit>> =
        (0..FILES_DIFFERENT).map(|n| write(n * 11 % files, content(n, &[(3, 1)]))).collect();
    let second = commit(&CommitQueue::start(&repository)?, first, edits?)?;
    let options = WorktreeOptions { folder: folder.join("worktrees"), ..WorktreeOptions::default() };
    let linked = folder.join("linked");
    let linked_path = linked.to_str().ok_or("the folder has a strange name")?;
    let (first_name, second_name) = (first.to_string(), second.to_string());
    for _ in 0..rounds {
        let pool = WorktreePool::new(options.clone());
        let worktree =
            figures.time(files, "a new worktree", "ours", || Ok(pool.lend(&repository, first, &[])?))?;
        figures.time(files, "a new worktree", "git worktree add", || {
            git(&place, &["worktree", "add", "--quiet", "--detach", linked_path, &first_name])
        })?;
        touch(worktree.path())?;
        touch(&linked)?;
        let edits =
            figures.time(files, "what an agent changed", "ours", || Ok(worktree.changes(1 << 30)?.edits))?;
        let listed = figures.time(files, "what an agent changed", "git status", || {
            git(&linked, &["status", "--porcelain"])
        })?;
        if (edits.len(), listed.lines().count()) != (FILES_TOUCHED, FILES_TOUCHED) {
            return Err("what was changed is not what was found".into());
        }
        figures.time(files, "given back, cleared", "ours", || {
            drop(worktree);
            Ok(())
        })?;
        figures.time(files, "given back, cleared", "git reset + clean", || {
            git(&linked, &["reset", "--quiet", "--hard"])?;
            git(&linked, &["clean", "-fdxq"])
        })?;
        let worktree =
            figures.time(files, "lent again", "ours", || Ok(pool.lend(&repository, first, &[])?))?;
        drop(worktree);
        let worktree = figures.time(files, "switched to another commit", "ours", || {
            Ok(pool.lend(&repository, second, &[])?)
        })?;
        figures.time(files, "switched to another commit", "git checkout", || {
            git(&linked, &["checkout", "--quiet", "--detach", &second_name])
        })?;
        drop(worktree);
        figures.time(files, "removed", "ours", || {
            drop(pool);
            Ok(())
        })?;
        figures.time(files, "removed", "git worktree remove", || {
            git(&place, &["worktree", "remove", "--force", linked_path])
        })?;
    }
    Ok(())
}

/// Branches: many made, listed and deleted, and a commit to one of many.
fn branches(figures: &mut Figures, folder: &Path, rounds: usize) -> Outcome<()> {
    let place = folder.join("branches");
    let repository = make(&place, 1000)?;
    let first = repository.head()?.ok_or("the repository is empty")?;
    let all: Vec<(BranchName, CommitId)> = (0..BRANCHES)
        .map(|n| Ok((BranchName::new(&format!("fleet/{}/{n}", n % 100))?, first)))
        .collect::<Outcome<_>>()?;
    let lines = |verb: &str, ids: &str| -> String {
        all.iter().map(|(name, _)| format!("{verb} refs/heads/{name} {ids}\n")).collect()
    };
    let (create, delete) = (lines("create", &first.to_string()), lines("delete", &first.to_string()));
    let queue = CommitQueue::start(&repository)?;
    let mut base = first;
    for round in 0..rounds {
        let files = 0;
        figures.time(files, "10,000 branches made", "git update-ref --stdin", || {
            git_told(&place, &["update-ref", "--stdin"], &create)
        })?;
        figures.time(files, "10,000 branches deleted", "git update-ref --stdin", || {
            git_told(&place, &["update-ref", "--stdin"], &delete)
        })?;
        figures.time(files, "10,000 branches made", "ours", || Ok(repository.create_branches(&all)?))?;
        let listed = figures.time(files, "10,000 branches listed", "ours", || Ok(repository.branches()?))?;
        let theirs = figures.time(files, "10,000 branches listed", "git for-each-ref", || {
            git(&place, &["for-each-ref", "refs/heads"])
        })?;
        if listed.len() != theirs.lines().count() {
            return Err("a branch is missing".into());
        }
        let edits = vec![write(7, content(7, &[(1, round + 1)]))?];
        base =
            figures.time(files, "a commit beside 10,000 branches", "ours", || commit(&queue, base, edits))?;
        figures.time(files, "10,000 branches deleted", "ours", || Ok(repository.delete_branches(&all)?))?;
        let edits = vec![write(7, content(7, &[(2, round + 1)]))?];
        base = figures.time(files, "a commit beside 2 branches", "ours", || commit(&queue, base, edits))?;
    }
    Ok(())
}

/// How many bytes a commit takes: as it was made, after our packing anew, and after git's with all it has.
struct Growth {
    what: &'static str,
    bytes: [u64; 3],
    repack_ms: f64,
}

fn growth(folder: &Path, commits: usize, what: &'static str, lines: usize) -> Outcome<Growth> {
    let place = folder.join(format!("growth{lines}"));
    let repository = make(&place, 1000)?;
    let (packs, before) = (place.join(".git/objects"), size_of(&place.join(".git/objects"))?);
    let queue = CommitQueue::start(&repository)?;
    let base = repository.head()?.ok_or("the repository is empty")?;
    let mut edited: Vec<Vec<(usize, usize)>> = vec![Vec::new(); 1000];
    let mut random = Random::of([5, lines as u64]);
    // Twelve at once share a batch, as agents do.
    let mut base = base;
    for first in (0..commits).step_by(12) {
        let mut answers = Vec::new();
        for n in first..commits.min(first + 12) {
            let mut edits = Vec::new();
            for k in 0..1 + random.below(5) {
                let file = (n % 12) + 12 * ((random.below(80) + k) % 80);
                for _ in 0..lines {
                    edited[file].push((random.below(40), 1 + random.below(1 << 20)));
                }
                edits.push(write(file, content(file, &edited[file]))?);
            }
            let (reply, answer) = std::sync::mpsc::channel();
            let message = Message { subject: format!("commit {n}"), ..Message::default() };
            let branch = BranchName::new("work")?;
            let request =
                CommitRequest { branch, base, edits, message, author: author(), time: TIME + n as i64 };
            queue.commit_then(request, move |made| drop(reply.send(made)));
            answers.push(answer);
        }
        for answer in answers {
            match answer.recv()?? {
                Preparation::Commit { id, .. } => base = id,
                other => return Err(format!("a commit became {other:?}").into()),
            }
        }
    }
    drop(queue);
    let made = size_of(&packs)?.saturating_sub(before);
    let started = Instant::now();
    repository.repack()?;
    let repack_ms = started.elapsed().as_secs_f64() * 1e3;
    let packed = size_of(&packs)?.saturating_sub(before);
    git(&place, &["repack", "-adfq", "--depth=50", "--window=10"])?;
    let best = size_of(&packs)?.saturating_sub(before);
    Ok(Growth { what, bytes: [made, packed, best].map(|bytes| bytes / commits as u64), repack_ms })
}

fn size_of(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let metadata = entry?;
        let path: PathBuf = metadata.path();
        bytes += if path.is_dir() { size_of(&path)? } else { File::open(&path)?.metadata()?.len() };
    }
    Ok(bytes)
}

fn median(times: &[f64]) -> (f64, f64, f64) {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0], times[times.len() - 1])
}

fn measure(profile: Profile) -> Outcome<serde_json::Value> {
    let (rounds, commits, sizes): (usize, usize, &[usize]) = match profile {
        Profile::Smoke => (1, 60, &[1000]),
        Profile::Quick | Profile::Standard => (5, 600, &[1000, 10_000]),
        Profile::Full | Profile::Soak => (15, 3000, &[1000, 10_000]),
    };
    let machine = Machine::inspect();
    let mut out = std::io::stdout().lock();
    let (cpu, system, file_system) = (&machine.cpu, &machine.system, &machine.file_system);
    writeln!(out, "{cpu}, {system}, {file_system}, load {:?}", machine.load_average)?;
    let folder = tempfile::tempdir()?;
    let mut figures = Figures::default();
    for &files in sizes {
        worktrees(&mut figures, folder.path(), files, rounds)?;
    }
    branches(&mut figures, folder.path(), rounds)?;
    writeln!(out, "{:>6} {:<34} {:<24} {:>9}  of the rounds", "files", "what", "who", "ms")?;
    let mut rows = Vec::new();
    for Series { files, what, who, times } in &figures.0 {
        let (middle, low, high) = median(times);
        writeln!(out, "{files:>6} {what:<34} {who:<24} {middle:>9.2}  [{low:.2} to {high:.2}]")?;
        rows.push(
            json!({ "files": files, "what": what, "who": who, "ms": middle, "lowest": low, "highest": high }),
        );
    }
    writeln!(
        out,
        "bytes a commit, 1 to 5 files of 2 KB each, of {commits} commits, 12 at once, 1,000 files"
    )?;
    for (what, lines) in [("one line of each file changed", 1), ("half the lines of each file changed", 20)] {
        let Growth { what, bytes: [made, packed, best], repack_ms } =
            growth(folder.path(), commits, what, lines)?;
        writeln!(
            out,
            "{what:<38} as made {made:>6}, packed anew {packed:>6}, by git repack -adf {best:>6}; packing took {repack_ms:.0} ms"
        )?;
        rows.push(json!({ "what": what, "bytes_as_made": made, "bytes_repacked": packed, "bytes_git": best, "repack_ms": repack_ms }));
    }
    Ok(json!({
        "machine": { "cpu": machine.cpu, "system": machine.system, "file_system": machine.file_system },
        "profile": profile.as_str(), "rows": rows,
    }))
}

fn main() -> Outcome<()> {
    // Without `--bench` cargo only wants to know that the program starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let figures = measure(Profile::from_environment()?)?;
    if let Some(path) = std::env::var_os("PERF_OUT") {
        std::fs::write(path, serde_json::to_string_pretty(&figures)?)?;
    }
    Ok(())
}
