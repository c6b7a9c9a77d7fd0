//! Several processes write to one repository, and one of them is killed at any moment.
//!
//! The program of the tests starts itself again as the other process: with the variable set, the test
//! `another_process` commits and says so on its output; without it that test does nothing.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use git_ops::*;

const PLACE: &str = "GIT_OPS_TEST_PLACE";
const NAME: &str = "GIT_OPS_TEST_NAME";
const COUNT: &str = "GIT_OPS_TEST_COUNT";
const TIME: i64 = 1_700_000_000;
/// How many commit at once in each process.
const AGENTS: usize = 6;

fn author() -> Signature {
    Signature { name: "Agent".to_owned(), email: "agent@example.org".to_owned() }
}

fn work() -> BranchName {
    BranchName::new("work").unwrap()
}

fn message(subject: &str) -> Message {
    Message { subject: subject.to_owned(), ..Message::default() }
}

fn write(path: &str, content: &str) -> Edit {
    Edit::Write { path: RepoPath::new(path).unwrap(), content: content.into(), mode: FileMode::Regular }
}

fn make(place: &Path) -> Repository {
    let first: Vec<Edit> = (0..20).map(|n| write(&format!("dir{}/file{n}", n % 4), "first\n")).collect();
    let repository = Repository::init(place, &first, &author(), TIME).unwrap();
    repository.create_branch(&work(), repository.head().unwrap().unwrap()).unwrap();
    repository
}

/// Commits one new file and returns the commit.
fn commit(queue: &CommitQueue, base: CommitId, file: &str) -> CommitId {
    let edits = vec![write(file, file)];
    let request =
        CommitRequest { branch: work(), base, edits, message: message(file), author: author(), time: TIME };
    match queue.commit(request).unwrap() {
        Preparation::Commit { id, .. } => id,
        other => panic!("{file} became {other:?}"),
    }
}

/// Pins one result and lands it in two steps.
fn land(repository: &Repository, base: CommitId, file: &str) -> CommitId {
    let mut writer = repository.writer().unwrap();
    let edits = vec![write(file, file)];
    let pin = PinRequest { base, edits, message: message("result"), author: author(), time: TIME };
    let pinned = writer.pin(&[pin]).unwrap().remove(0).unwrap();
    let landing = LandRequest { result: pinned.commit, message: message(file), author: author(), time: TIME };
    let prepared = writer.prepare(&work(), &[landing]).unwrap();
    writer.publish(&prepared).unwrap();
    prepared.new_tip
}

#[test]
fn another_process() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let (name, count) = (std::env::var(NAME).unwrap(), std::env::var(COUNT).unwrap());
    let repository = Repository::open(Path::new(&place)).unwrap();
    let base = repository.head().unwrap().unwrap();
    let queue = CommitQueue::start(&repository).unwrap();
    let count: usize = count.parse().unwrap();
    std::thread::scope(|scope| {
        for agent in 0..AGENTS {
            let (queue, name) = (&queue, &name);
            scope.spawn(move || {
                for n in 0..count {
                    let made = commit(queue, base, &format!("{name}/{agent}/{n}"));
                    println!("\nlanded {made}");
                }
            });
        }
    });
}

fn start(place: &Path, name: &str, count: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["another_process", "--exact", "--nocapture"])
        .envs([(PLACE, place.to_str().unwrap()), (NAME, name), (COUNT, &count.to_string())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the commits that a process says it has landed, as it says so.
fn landings(child: &mut Child) -> impl Iterator<Item = CommitId> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("landed ")?.parse().ok())
}

fn git(place: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(place).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said.trim().to_owned()
}

fn check_invariants(place: &Path, landed: &[CommitId]) {
    assert_eq!(git(place, &["fsck", "--full", "--strict", "--no-dangling"]), "");
    let reachable = git(place, &["rev-list", "work"]);
    let reachable: BTreeSet<&str> = reachable.lines().collect();
    for commit in landed {
        assert!(reachable.contains(&*commit.to_string()), "{commit} was acknowledged and is lost");
    }
    let subjects = git(place, &["log", "--format=%s", "work"]);
    let mut once: Vec<&str> = subjects.lines().collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), subjects.lines().count(), "a result landed twice");
}

fn temporary_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[test]
fn processes_take_turns() {
    let folder = temporary_folder();
    make(folder.path());
    let mut children = ["one", "two", "three"].map(|name| start(folder.path(), name, 5));
    let landed: Vec<CommitId> = children.iter_mut().flat_map(landings).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    assert_eq!(landed.len(), 3 * AGENTS * 5);
    check_invariants(folder.path(), &landed);
}

/// On a real file system, where a flush takes long enough for the kill to hit every step.
#[test]
fn a_killed_process_loses_nothing_and_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let repository = make(folder.path());
    let base = repository.head().unwrap().unwrap();
    let mut landed = Vec::new();
    let scale: f64 = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
    for round in 0..(50.0 * scale) as usize {
        let mut child = start(folder.path(), &format!("round{round}"), usize::MAX);
        let mut said = landings(&mut child);
        let before = landed.len();
        landed.extend(said.by_ref().take(1 + round % 7));
        assert!(landed.len() > before, "it died by itself");
        // It is somewhere in one of its next batches, further on from round to round.
        for _ in 0..40 * (round % 15) {
            repository.tip(&work()).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died counts, too.
        landed.extend(said);
        landed.push(land(&repository, base, &format!("after/{round}")));
    }
    check_invariants(folder.path(), &landed);
    assert_eq!(locks_below(&repository.git_dir().join("refs")), [""; 0]);
}

fn pool(folder: &Path) -> WorktreePool {
    let folder = folder.join("worktrees");
    WorktreePool::new(WorktreeOptions { folder, ..WorktreeOptions::default() })
}

/// With the variable set, borrows a worktree, says where it is, and keeps it until it is killed.
#[test]
fn another_borrower() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let repository = Repository::open(Path::new(&place)).unwrap();
    let base = repository.head().unwrap().unwrap();
    let pool = pool(&Path::new(&place).join(".git"));
    let lent = [(); 3].map(|()| pool.lend(&repository, base, &[]).unwrap());
    println!("\nlent {}", lent[2].path().display());
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn the_worktrees_of_a_killed_process_are_removed_by_the_next() {
    let folder = temporary_folder();
    let repository = make(folder.path());
    let base = repository.head().unwrap().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["another_borrower", "--exact", "--nocapture"])
        .env(PLACE, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let lent = lines.find_map(|line| line.strip_prefix("lent ").map(std::path::PathBuf::from)).unwrap();
    assert!(lent.join("dir0/file0").exists());
    let pool = pool(&folder.path().join(".git"));
    drop(pool.lend(&repository, base, &[]).unwrap());
    assert!(lent.exists(), "its process is alive");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lent.exists(), "nobody has cleaned up");
    let next = self::pool(&folder.path().join(".git"));
    let worktree = next.lend(&repository, base, &[]).unwrap();
    assert!(!lent.exists() && !lent.parent().unwrap().exists());
    assert!(worktree.path().exists());
}

fn locks_below(folder: &Path) -> Vec<String> {
    let paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let below = paths.iter().filter(|path| path.is_dir()).flat_map(|path| locks_below(path));
    let here = paths.iter().map(|path| path.display().to_string()).filter(|path| path.ends_with(".lock"));
    below.chain(here).collect()
}
