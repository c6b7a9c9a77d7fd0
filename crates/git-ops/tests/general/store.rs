//! A small repository, everything that can be written to it, and what must hold of it afterwards.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

use git_ops::*;

const TIME: i64 = 1_700_000_000;
/// More branches than are moved as files of their own.
const MANY: usize = 22;
/// How many packs there are before the workload: with its own they are enough to be joined.
const PACKS_BEFORE: usize = 20;

pub(crate) fn author() -> Signature {
    Signature { name: "Agent".to_owned(), email: "agent@example.org".to_owned() }
}

pub(crate) fn branch(name: &str) -> BranchName {
    BranchName::new(name).unwrap()
}

pub(crate) fn write(path: &str, content: &str) -> Edit {
    Edit::Write { path: RepoPath::new(path).unwrap(), content: content.into(), mode: FileMode::Regular }
}

pub(crate) fn commit_request(on: &BranchName, base: CommitId, edits: Vec<Edit>) -> CommitRequest {
    let message = Message { subject: "commit".to_owned(), ..Message::default() };
    CommitRequest { branch: on.clone(), base, edits, message, author: author(), time: TIME }
}

pub(crate) fn pin_request(base: CommitId, edits: Vec<Edit>) -> PinRequest {
    let message = Message { subject: "result".to_owned(), ..Message::default() };
    PinRequest { base, edits, message, author: author(), time: TIME }
}

pub(crate) fn land_request(result: CommitId) -> LandRequest {
    let message = Message { subject: "landed".to_owned(), ..Message::default() };
    LandRequest { result, message, author: author(), time: TIME }
}

pub(crate) fn git(place: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(place).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    if output.status.success() { Ok(said) } else { Err(format!("git {arguments:?}: {said}")) }
}

/// Returns a folder in memory, where there is one: what the real disk does is not what is tested.
pub(crate) fn temporary_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Makes the repository that a workload begins with: branches `work` and `other`, and a number of packs.
pub(crate) fn make(folder: &Path) -> Repository {
    let first = [write("a", "1\n2\n3\n"), write("dir/b", "b\n"), write("dir/c", "c\n")];
    let repository = Repository::init(folder, &first, &author(), TIME).unwrap();
    let base = repository.head().unwrap().unwrap();
    for name in ["work", "other"] {
        repository.create_branch(&branch(name), base).unwrap();
    }
    let mut writer = repository.writer().unwrap();
    for n in 0..PACKS_BEFORE {
        writer
            .commit(&[commit_request(&branch("other"), base, vec![write(&format!("before/{n}"), "x")])])
            .unwrap();
    }
    // What is made once in the life of a repository is made in the workload.
    std::fs::remove_file(repository.git_dir().join("super-planner.lock")).unwrap();
    repository
}

/// Writes everything that can be written and says what was acknowledged. A step that fails is left out.
pub(crate) fn workload(folder: &Path) {
    let Ok(repository) = Repository::open(folder) else { return };
    let Ok(Some(base)) = repository.head() else { return };
    for round in 0..2 {
        // What came of it is said as it comes; what failed was not promised.
        drop(land(&repository, base, round));
    }
    drop(many_branches(&repository, base));
    if repository.delete_branch(&branch("many/3"), base).is_ok() {
        say("gone", "many/3", "");
    }
    drop(repository.join_packs());
    drop(repository.repack());
    drop(land(&repository, base, 2));
}

fn say(what: &str, where_to: &str, commit: impl Display) {
    // A disk that fails may be the one that this is written to.
    drop(faults::mark(format!("{what} {where_to} {commit}").as_bytes()));
}

fn land(repository: &Repository, base: CommitId, round: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (work, other) = (branch("work"), branch("other"));
    let file = format!("work/{round}");
    let mut writer = repository.writer()?;
    let pinned = writer.pin(&[pin_request(base, vec![write(&file, &file)])])?.remove(0)?;
    say("kept", "-", pinned.commit);
    let prepared = writer.prepare(&work, &[land_request(pinned.commit)])?;
    writer.publish(&prepared)?;
    say("landed", "work", prepared.new_tip);
    let requests =
        [&work, &other].map(|on| commit_request(on, base, vec![write(&format!("both/{round}"), "x")]));
    for (answer, on) in writer.commit(&requests)?.into_iter().zip(["work", "other"]) {
        if let Preparation::Commit { id, .. } = answer? {
            say("landed", on, id);
        }
    }
    Ok(())
}

fn many_branches(repository: &Repository, base: CommitId) -> Result<(), Box<dyn std::error::Error>> {
    let mut names: Vec<BranchName> = (0..MANY).map(|n| branch(&format!("many/{n}"))).collect();
    let wanted: Vec<_> = names.iter().map(|name| (name.clone(), base)).collect();
    for (created, name) in repository.create_branches(&wanted)?.into_iter().zip(&names) {
        created?;
        say("landed", name.as_str(), base);
    }
    // This one has a file of its own until now.
    names.push(branch("other"));
    let requests: Vec<_> = names
        .iter()
        .skip(4)
        .map(|name| commit_request(name, base, vec![write("many", name.as_str())]))
        .collect();
    for (answer, name) in repository.writer()?.commit(&requests)?.into_iter().zip(names.iter().skip(4)) {
        if let Preparation::Commit { id, .. } = answer? {
            say("landed", name.as_str(), id);
        }
    }
    Ok(())
}

/// Asserts that what was acknowledged is there, that git finds no fault, and that work goes on.
pub(crate) fn check(folder: &Path, said: &[&[u8]], when: &dyn Display) {
    let fault = |what: String| panic!("{when}: {what}");
    match git(folder, &["fsck", "--full", "--strict", "--no-dangling"]) {
        Ok(said) if said.is_empty() => {}
        Ok(said) | Err(said) => fault(said),
    }
    let reachable = git(folder, &["rev-list", "--all"]).unwrap_or_else(fault_of(when));
    let reachable: BTreeSet<&str> = reachable.lines().collect();
    let repository = Repository::open(folder).unwrap_or_else(fault_of(when));
    for said in said {
        let said = String::from_utf8_lossy(said).into_owned();
        let words: Vec<&str> = said.split(' ').collect();
        let holds = match words[..] {
            ["kept", _, commit] => reachable.contains(commit),
            ["landed", on, commit] => {
                let (on, commit) = (branch(on), commit.parse().unwrap());
                was_deleted(&repository, &on)
                    || repository.contains(&on, commit).unwrap_or_else(fault_of(when))
            }
            ["gone", on, _] => repository.tip(&branch(on)).unwrap_or_else(fault_of(when)).is_none(),
            _ => unreachable!("{said}"),
        };
        if !holds {
            fault(format!("it was acknowledged and is lost: {said}"));
        }
    }
    go_on(&repository).unwrap_or_else(fault_of(when));
    let left = leftovers(repository.git_dir());
    if !left.is_empty() {
        fault(format!("left behind: {left:?}"));
    }
}

fn fault_of<T, E: Display>(when: &dyn Display) -> impl Fn(E) -> T {
    move |error| panic!("{when}: {error}")
}

/// One branch is deleted in the end; whether it still is there says nothing about what it held before.
fn was_deleted(repository: &Repository, on: &BranchName) -> bool {
    on.as_str() == "many/3" && repository.tip(on).is_ok_and(|tip| tip.is_none())
}

/// Writes to every branch there is, as whoever starts next.
fn go_on(repository: &Repository) -> Result<(), Box<dyn std::error::Error>> {
    let base = repository.head()?.ok_or("there is no HEAD")?;
    let mut writer = repository.writer()?;
    let pinned = writer.pin(&[pin_request(base, vec![write("after/pin", "x")])])?.remove(0)?;
    let prepared = writer.prepare(&branch("work"), &[land_request(pinned.commit)])?;
    writer.publish(&prepared)?;
    let branches = repository.branches()?;
    let others = branches.keys().filter(|name| name.as_str() != "main");
    let requests: Vec<_> =
        others.map(|name| commit_request(name, base, vec![write("after/commit", "x")])).collect();
    for answer in writer.commit(&requests)? {
        answer?;
    }
    Ok(())
}

/// Returns the locks and half-written files that nobody holds any more.
fn leftovers(git_dir: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    let mut folders = vec![git_dir.join("refs"), git_dir.join("objects/pack")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".lock") || name.ends_with(".keep") || name.starts_with("tmp_") {
                left.push(path);
            }
        }
    }
    left.extend(Some(git_dir.join("packed-refs.lock")).filter(|path| path.exists()));
    left
}
