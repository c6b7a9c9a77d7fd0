//! A thousand writers at once, on one branch, on twelve and on one each, while somebody else collects garbage.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use git_ops::*;

const WRITERS: usize = 1000;
/// A writer waits most of its time and needs next to no stack.
const STACK_BYTES: usize = 256 << 10;

fn author() -> Signature {
    Signature { name: "Agent".to_owned(), email: "agent@example.org".to_owned() }
}

fn write(path: &str, content: &str) -> Edit {
    Edit::Write { path: RepoPath::new(path).unwrap(), content: content.into(), mode: FileMode::Regular }
}

fn git(place: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(place).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {said}");
    said.trim().to_owned()
}

/// Returns how many commits each writer makes: 5, or 20 in a soak.
fn commits_each() -> usize {
    let scale: f64 = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
    if scale >= 4.0 { 20 } else { 5 }
}

fn many_writers_on(branches: usize) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let place = folder.path();
    let first: Vec<Edit> = (0..50).map(|n| write(&format!("dir{}/file{n}", n % 10), "first\n")).collect();
    let repository = Repository::init(place, &first, &author(), 1_700_000_000).unwrap();
    let base = repository.head().unwrap().unwrap();
    let names: Vec<BranchName> =
        (0..branches).map(|n| BranchName::new(&format!("agents/{n}")).unwrap()).collect();
    let wanted: Vec<_> = names.iter().map(|name| (name.clone(), base)).collect();
    repository.create_branches(&wanted).unwrap().into_iter().for_each(|created| created.unwrap());
    let queue = CommitQueue::start(&repository).unwrap();
    let (each, is_over) = (commits_each(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                git(place, &["gc", "--quiet"]);
            }
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (queue, branch) = (queue.clone(), names[writer % branches].clone());
                let work = move || {
                    for n in 0..each {
                        let file = format!("dir{}/{writer}-{n}", writer % 10);
                        let request = CommitRequest {
                            branch: branch.clone(),
                            base,
                            edits: vec![write(&file, &file)],
                            message: Message { subject: file.clone(), ..Message::default() },
                            author: author(),
                            time: 1_700_000_000,
                        };
                        let made = queue.commit(request);
                        assert!(matches!(made, Ok(Preparation::Commit { .. })), "{made:?}");
                    }
                };
                let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
                thread.spawn_scoped(scope, work).unwrap()
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(git(place, &["fsck", "--full", "--strict", "--no-dangling"]), "");
    let count = git(place, &["rev-list", "--count", "--glob=refs/heads/agents/*"]);
    assert_eq!(count, (WRITERS * each + 1).to_string());
    let subjects = git(place, &["log", "--format=%s", "--glob=refs/heads/agents/*"]);
    let mut once: Vec<&str> = subjects.lines().collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), WRITERS * each + 1, "each commit is there once");
    let largest = git(place, &["rev-list", "--count", "agents/0"]);
    assert_eq!(largest, (WRITERS.div_ceil(branches) * each + 1).to_string());
    assert_eq!(git(place, &["show", "agents/0:dir0/0-0"]), "dir0/0-0");
}

#[test]
fn a_thousand_writers_on_one_branch() {
    many_writers_on(1);
}

#[test]
fn a_thousand_writers_on_twelve_branches() {
    many_writers_on(12);
}

#[test]
fn a_thousand_writers_on_a_branch_each() {
    many_writers_on(WRITERS);
}
