//! Commits a second: the command line, libgit2 with loose objects, `git fast-import` and our queue, in one run.
//!
//! `PERF_PROFILE=smoke|quick|full cargo bench -p perf-suite --bench committing`, quick by default; with `PERF_OUT=FILE` the
//! figures are also written there as JSON. Every round runs each way once, so that a busy moment strikes all of them. Each
//! commit replaces 1 to 5 files of 2 KB among 1,000 or 10,000. All of them flush before they count a commit as made, but
//! for `git fast-import`, which flushes at its end only. What is printed is the median of the rounds and their spread.
//!
//! The repositories lie in the folder for temporary files. Where that is in memory, flushes cost nothing and the figures
//! mean little; the file system is printed. They are removed at the end only: ext4 gives the number of a file that was deleted
//! lately to no new one, and looks at each of them to find that out, so that deleting many files makes making the next ones
//! slow. For the same reason the time on the processors is told apart: in the program, and in the kernel.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use git_ops::{
    BranchName, CommitId, CommitQueue, CommitRequest, Edit, FileMode, LandRequest, Message, PinRequest,
    Preparation, RepoPath, Repository, Signature,
};
use perf_suite::{Machine, Profile};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const FILE_BYTES: usize = 2048;
const TIME: i64 = 1_700_000_000;
const COMMITTERS: usize = 12;
/// What durable libgit2 needs; it knows no other name for it.
const LIBGIT2_FLUSHES: &str = "core.fsyncObjectFiles";

/// A way to make commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    CommandLine,
    Libgit2(usize),
    FastImport,
    Queue(usize),
}

/// What one way did in one round.
struct Sample {
    commits: usize,
    elapsed: Duration,
    latencies: Vec<Duration>,
    cpu: CpuTime,
    growth_bytes: u64,
}

/// Time on the processors of this process and of all it has waited for.
#[derive(Clone, Copy)]
struct CpuTime {
    user: Duration,
    kernel: Duration,
}

impl Way {
    const ALL: [Self; 6] = [
        Self::CommandLine,
        Self::Libgit2(1),
        Self::Libgit2(COMMITTERS),
        Self::FastImport,
        Self::Queue(1),
        Self::Queue(COMMITTERS),
    ];

    fn name(self) -> String {
        match self {
            Self::CommandLine => "git commit".to_owned(),
            Self::Libgit2(committers) => format!("libgit2, {committers} committing"),
            Self::FastImport => "git fast-import".to_owned(),
            Self::Queue(committers) => format!("queue, {committers} committing"),
        }
    }

    /// Copies a repository, with its working copy where that is needed.
    fn copy(self, from: &Path, to: &Path) -> Outcome<PathBuf> {
        let (from, into) = match self {
            Self::CommandLine => (from.to_owned(), to.to_owned()),
            Self::Libgit2(_) | Self::FastImport | Self::Queue(_) => {
                std::fs::create_dir(to)?;
                (from.join(".git"), to.join(".git"))
            }
        };
        let status = Command::new("cp").arg("-a").args([from, into]).status()?;
        if status.success() { Ok(to.to_owned()) } else { Err("the repository cannot be copied".into()) }
    }

    /// Returns how many commits one round makes, so that each way takes about as long.
    fn commits(self, profile: Profile) -> usize {
        let (slow, fast) = match profile {
            Profile::Smoke => (5, 60),
            Profile::Quick | Profile::Standard => (12, 360),
            Profile::Full | Profile::Soak => (120, 12_000),
        };
        match self {
            Self::CommandLine | Self::Libgit2(1) => slow,
            Self::Libgit2(_) => 2 * slow,
            Self::Queue(1) => fast / 4,
            Self::FastImport | Self::Queue(_) => fast,
        }
    }
}

/// The changes of one commit: which files, and what is in them. The same for every way.
fn changes(files: usize, commit: usize) -> Vec<(String, Vec<u8>)> {
    let mut random = planner_core::random::Random::of([7, files as u64, commit as u64]);
    let count = 1 + random.below(5);
    let first = random.below(files);
    (0..count).map(|n| (path((first + n * 97) % files), content(commit * 8 + n + 1))).collect()
}

fn path(file: usize) -> String {
    format!("dir{}/sub{}/file{file}.rs", file % 20, file / 20 % 10)
}

/// Returns lines that look like source: some words repeat and some do not.
fn content(seed: usize) -> Vec<u8> {
    let mut random = planner_core::random::Random::of([seed as u64]);
    let mut text = String::new();
    while text.len() < FILE_BYTES {
        let _ = writeln!(
            text,
            "    let value_{:x} = compute({:x});",
            random.below(1 << 20),
            random.below(1 << 12)
        );
    }
    text.truncate(FILE_BYTES);
    text.into_bytes()
}

fn author() -> Signature {
    Signature { name: "Agent".to_owned(), email: "agent@example.org".to_owned() }
}

fn message(commit: usize) -> Message {
    Message { subject: format!("commit {commit}"), ..Message::default() }
}

fn edits(files: usize, commit: usize) -> Outcome<Vec<Edit>> {
    let as_edit = |(path, content): (String, Vec<u8>)| {
        Ok(Edit::Write { path: RepoPath::new(&path)?, content, mode: FileMode::Regular })
    };
    changes(files, commit).into_iter().map(as_edit).collect()
}

/// Makes a packed repository with a number of files on `main` and on `work`.
fn make(place: &Path, files: usize) -> Outcome<()> {
    let edits: Vec<Edit> = (0..files)
        .map(|file| {
            Ok(Edit::Write {
                path: RepoPath::new(&path(file))?,
                content: content(file),
                mode: FileMode::Regular,
            })
        })
        .collect::<Outcome<_>>()?;
    let repository = Repository::init(place, &edits, &author(), TIME)?;
    let first = repository.head()?.ok_or("the repository is empty")?;
    repository.create_branch(&BranchName::new("work")?, first)?;
    git(place, &["repack", "-adq"]).map(drop)
}

fn git(place: &Path, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(place)
        .args(["-c", "user.name=A", "-c", "user.email=a@b", "-c", "gc.auto=0", "-c", "core.fsync=all"])
        .args(arguments)
        .output()?;
    if !output.status.success() {
        return Err(format!("git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn run(way: Way, place: &Path, files: usize, commits: usize) -> Outcome<Sample> {
    let (size, cpu, started) = (size_of(&place.join(".git"))?, CpuTime::now(), Instant::now());
    let latencies = match way {
        Way::CommandLine => by_command_line(place, files, commits)?,
        Way::Libgit2(committers) => by_libgit2(place, files, commits, committers)?,
        Way::FastImport => by_fast_import(place, files, commits)?,
        Way::Queue(committers) => by_queue(place, files, commits, committers)?,
    };
    let (elapsed, cpu) = (started.elapsed(), CpuTime::now().since(cpu));
    let branch = if way == Way::CommandLine { "main" } else { "work" };
    let made: usize = git(place, &["rev-list", "--count", branch])?.parse()?;
    if made != commits + 1 {
        return Err(format!("{} made {} commits of {commits}", way.name(), made - 1).into());
    }
    let growth_bytes = size_of(&place.join(".git"))?.saturating_sub(size);
    Ok(Sample { commits, elapsed, latencies, cpu, growth_bytes })
}

fn by_command_line(place: &Path, files: usize, commits: usize) -> Outcome<Vec<Duration>> {
    let commit = |n: usize| -> Outcome<Duration> {
        let changes = changes(files, n);
        for (path, content) in &changes {
            std::fs::write(place.join(path), content)?;
        }
        let started = Instant::now();
        let paths: Vec<&str> = changes.iter().map(|(path, _)| &**path).collect();
        git(place, &[&["add", "--"], &paths[..]].concat())?;
        git(place, &["commit", "--quiet", "-m", "commit"])?;
        Ok(started.elapsed())
    };
    (0..commits).map(commit).collect()
}

/// Commits with libgit2 as one would: loose objects, and one at a time where several want to.
fn by_libgit2(place: &Path, files: usize, commits: usize, committers: usize) -> Outcome<Vec<Duration>> {
    git(place, &["config", LIBGIT2_FLUSHES, "true"])?;
    let turn = Mutex::new(());
    share(commits, committers, |mine| {
        let repository = git2::Repository::open_bare(place.join(".git"))?;
        let author = git2::Signature::new("Agent", "agent@example.org", &git2::Time::new(TIME, 0))?;
        let mut latencies = Vec::new();
        for n in mine {
            let started = Instant::now();
            let mut update = git2::build::TreeUpdateBuilder::new();
            for (path, content) in changes(files, n) {
                update.upsert(path, repository.blob(&content)?, git2::FileMode::Blob);
            }
            let _turn = turn.lock().map_err(|_| "a committer has panicked")?;
            let tip = repository.find_reference("refs/heads/work")?.peel_to_commit()?;
            let tree = repository.find_tree(update.create_updated(&repository, &tip.tree()?)?)?;
            repository.commit(Some("refs/heads/work"), &author, &author, "commit", &tree, &[&tip])?;
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    })
}

fn by_fast_import(place: &Path, files: usize, commits: usize) -> Outcome<Vec<Duration>> {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(place)
        .args(["-c", "core.fsync=all", "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut input = std::io::BufWriter::new(child.stdin.take().ok_or("fast-import has no input")?);
    for n in 0..commits {
        let from = if n == 0 { "from refs/heads/work^0\n" } else { "" };
        write!(input, "commit refs/heads/work\ncommitter A <a@b> {TIME} +0000\ndata 6\ncommit\n{from}")?;
        for (path, content) in changes(files, n) {
            write!(input, "M 100644 inline {path}\ndata {}\n", content.len())?;
            input.write_all(&content)?;
            input.write_all(b"\n")?;
        }
        input.write_all(b"\n")?;
    }
    drop(input);
    if !child.wait()?.success() {
        return Err("fast-import failed".into());
    }
    Ok(Vec::new())
}

fn by_queue(place: &Path, files: usize, commits: usize, committers: usize) -> Outcome<Vec<Duration>> {
    let repository = Repository::open(place)?;
    let work = BranchName::new("work")?;
    let base = repository.tip(&work)?.ok_or("there is no branch")?;
    let queue = CommitQueue::start(&repository)?;
    share(commits, committers, |mine| {
        let mut latencies = Vec::new();
        let mut base = base;
        for n in mine {
            let (branch, edits, author) = (work.clone(), edits(files, n)?, author());
            let request = CommitRequest { branch, base, edits, message: message(n), author, time: TIME };
            let started = Instant::now();
            match queue.commit(request)? {
                Preparation::Commit { id, .. } => base = id,
                Preparation::Empty | Preparation::Unmergeable { .. } => {
                    return Err("a commit came to nothing".into());
                }
                // Two have chosen one file, and each wrote all of it anew. That cannot be merged, and is done again.
                Preparation::Conflict(conflict) => {
                    let (branch, edits, author) = (work.clone(), self::edits(files, n)?, self::author());
                    base = retry(
                        &queue,
                        CommitRequest {
                            branch,
                            base: conflict.ours,
                            edits,
                            message: message(n),
                            author,
                            time: TIME,
                        },
                    )?;
                }
            }
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    })
}

fn retry(queue: &CommitQueue, mut request: CommitRequest) -> Outcome<CommitId> {
    loop {
        match queue.commit(request.clone())? {
            Preparation::Commit { id, .. } => return Ok(id),
            Preparation::Empty | Preparation::Unmergeable { .. } => {
                return Err("a commit came to nothing".into());
            }
            Preparation::Conflict(conflict) => request.base = conflict.ours,
        }
    }
}

/// Lets several threads each do their part of the commits, and returns how long each commit took.
fn share(
    commits: usize,
    committers: usize,
    work: impl Fn(Vec<usize>) -> Outcome<Vec<Duration>> + Sync,
) -> Outcome<Vec<Duration>> {
    let parts: Vec<Outcome<Vec<Duration>>> = std::thread::scope(|scope| {
        let committer = |one: usize| (one..commits).step_by(committers).collect::<Vec<usize>>();
        let work = &work;
        let threads: Vec<_> = (0..committers).map(|one| scope.spawn(move || work(committer(one)))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".into())))
            .collect()
    });
    Ok(parts.into_iter().collect::<Outcome<Vec<_>>>()?.concat())
}

/// Returns how long flushing a new file of 4 KB takes, many times.
fn flushes(folder: &Path, count: usize) -> Outcome<Vec<Duration>> {
    let flush = |n: usize| -> Outcome<Duration> {
        let path = folder.join(format!("flush{n}"));
        let started = Instant::now();
        let mut file = File::create_new(&path)?;
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        let elapsed = started.elapsed();
        std::fs::remove_file(path)?;
        Ok(elapsed)
    };
    (0..count).map(flush).collect()
}

/// Returns how long one merge of a change to one file with another change to that file takes, without its flushes.
fn merges(place: &Path, count: usize) -> Outcome<Duration> {
    let repository = Repository::open(place)?;
    let work = BranchName::new("work")?;
    let base = repository.tip(&work)?.ok_or("there is no branch")?;
    let snapshot = repository.snapshot(base)?;
    let mut writer = repository.writer()?;
    let mut requests = Vec::new();
    let mut pins = Vec::new();
    for n in 0..count {
        let path = RepoPath::new(&path(n * 7))?;
        let old = snapshot.read(&path)?.ok_or("a file is missing")?;
        for (line, at) in [(&b"first\n"[..], 0), (&b"last\n"[..], old.len())] {
            let content = [&old[..at], line, &old[at..]].concat();
            let edits = vec![Edit::Write { path: path.clone(), content, mode: FileMode::Regular }];
            pins.push(PinRequest { base, edits, message: message(n), author: author(), time: TIME });
        }
    }
    for pinned in writer.pin(&pins)? {
        requests.push(LandRequest {
            result: pinned?.commit,
            message: message(0),
            author: author(),
            time: TIME,
        });
    }
    let started = Instant::now();
    let prepared = writer.prepare(&work, &requests)?;
    let elapsed = started.elapsed();
    let clean = prepared.items.iter().filter(|item| matches!(item, Preparation::Commit { .. })).count();
    if clean != requests.len() {
        return Err(format!("{clean} of {} merges were clean", requests.len()).into());
    }
    Ok(elapsed / u32::try_from(requests.len())?)
}

impl CpuTime {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|field| field.parse().ok())
            .collect();
        let [user, kernel, children_user, children_kernel] = fields[..].try_into().unwrap_or_default();
        // Linux counts them in hundredths of a second, whatever the kernel's own clock.
        let ticks = |ticks: u64| Duration::from_millis(10 * ticks);
        Self { user: ticks(user + children_user), kernel: ticks(kernel + children_kernel) }
    }

    fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, kernel: self.kernel - earlier.kernel }
    }
}

fn size_of(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn quantile(sorted: &[Duration], quantile: f64) -> f64 {
    let at = ((sorted.len() as f64 * quantile) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1e3)
}

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

/// Returns a row of the table and of the JSON for one way.
fn summary(way: Way, files: usize, samples: &[Sample]) -> (String, serde_json::Value) {
    let per = |sample: &Sample, value: f64| value / sample.commits as f64;
    let (rate, low, high) =
        median(samples.iter().map(|sample| sample.commits as f64 / sample.elapsed.as_secs_f64()).collect());
    let mut latencies: Vec<Duration> = samples.iter().flat_map(|sample| sample.latencies.clone()).collect();
    latencies.sort();
    let (p50, p99) = (quantile(&latencies, 0.5), quantile(&latencies, 0.99));
    let cpu = |part: fn(&CpuTime) -> Duration| {
        let micros = |sample: &Sample| per(sample, part(&sample.cpu).as_secs_f64() * 1e6);
        median(samples.iter().map(micros).collect()).0
    };
    let (user, kernel) = (cpu(|cpu| cpu.user), cpu(|cpu| cpu.kernel));
    let (growth, ..) = median(samples.iter().map(|sample| per(sample, sample.growth_bytes as f64)).collect());
    let row = format!(
        "{files:>6} {:<26} {rate:>8.0} [{low:>6.0} to {high:>6.0}] {p50:>9.2} {p99:>9.2} {user:>7.0} {kernel:>9.0} {growth:>9.0}",
        way.name()
    );
    let finite = |value: f64| value.is_finite().then_some(value);
    let row_json = json!({
        "files": files, "way": way.name(), "commits_per_second": rate, "lowest": low, "highest": high,
        "p50_ms": finite(p50), "p99_ms": finite(p99), "user_us_per_commit": user,
        "kernel_us_per_commit": kernel, "bytes_per_commit": growth,
        "samples": samples.len(), "commits_per_sample": samples[0].commits,
    });
    (row, row_json)
}

fn measure(profile: Profile) -> Outcome<serde_json::Value> {
    let (rounds, sizes): (usize, &[usize]) = match profile {
        Profile::Smoke => (1, &[1000]),
        Profile::Quick | Profile::Standard => (3, &[1000, 10_000]),
        Profile::Full | Profile::Soak => (5, &[1000, 10_000]),
    };
    let machine = Machine::inspect();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}, {}, {}, load {:?}",
        machine.cpu, machine.system, machine.file_system, machine.load_average
    )?;
    writeln!(
        out,
        "{:>6} {:<26} {:>8} {:^18} {:>9} {:>9} {:>7} {:>9} {:>9}",
        "files", "way", "commit/s", "of the rounds", "p50 ms", "p99 ms", "cpu us", "in kernel", "bytes"
    )?;
    let mut rows = Vec::new();
    let mut flushed = Vec::new();
    for &files in sizes {
        let folder = tempfile::tempdir()?;
        let original = folder.path().join("original");
        make(&original, files)?;
        let mut samples: Vec<Vec<Sample>> = Way::ALL.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            for (number, (way, samples)) in Way::ALL.into_iter().zip(&mut samples).enumerate() {
                let place = way.copy(&original, &folder.path().join(format!("copy{round}-{number}")))?;
                samples.push(run(way, &place, files, way.commits(profile))?);
            }
            flushed.extend(flushes(folder.path(), 40)?);
        }
        for (way, samples) in Way::ALL.into_iter().zip(&samples) {
            let (row, row_json) = summary(way, files, samples);
            writeln!(out, "{row}")?;
            rows.push(row_json);
        }
        let merge = merges(&original, 100)?;
        writeln!(out, "{files:>6} one merge of one-file changes: {:.0} us", merge.as_secs_f64() * 1e6)?;
        rows.push(json!({ "files": files, "way": "merge", "us": merge.as_secs_f64() * 1e6 }));
    }
    flushed.sort();
    let (p50, p99) = (quantile(&flushed, 0.5), quantile(&flushed, 0.99));
    let mean = flushed.iter().sum::<Duration>().as_secs_f64() * 1e3 / flushed.len() as f64;
    writeln!(out, "one flush of a new file: mean {mean:.2} ms, p50 {p50:.2} ms, p99 {p99:.2} ms")?;
    Ok(json!({
        "machine": { "cpu": machine.cpu, "system": machine.system, "file_system": machine.file_system },
        "profile": profile.as_str(), "flush_mean_ms": mean, "flush_p50_ms": p50,
        "flush_p99_ms": p99, "rows": rows,
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
