//! What the tests share: a repository in a temporary folder, short ways to say edits, and stock git as the oracle.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::*;

pub(crate) const TIME: i64 = 1_700_000_000;

/// A repository with the branch `work` at its first commit; `main` is checked out.
pub(crate) struct TestRepository {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) repository: Repository,
    pub(crate) first: CommitId,
}

impl TestRepository {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = temporary_folder();
        let edits: Vec<Edit> = files.iter().map(|(path, content)| write(path, content)).collect();
        let repository = Repository::init(&folder.path().join("repo"), &edits, &author(), TIME).unwrap();
        let first = repository.head().unwrap().unwrap();
        repository.create_branch(&work(), first).unwrap();
        Self { folder, repository, first }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub(crate) fn writer(&self) -> Writer {
        self.repository.writer().unwrap()
    }

    pub(crate) fn pin(&self, base: CommitId, edits: &[Edit]) -> CommitId {
        let answers = self.writer().pin(&[pin_request(base, edits)]).unwrap();
        answers.into_iter().next().unwrap().unwrap().commit
    }

    pub(crate) fn land(&self, result: CommitId) -> Preparation {
        let mut writer = self.writer();
        let prepared = writer.prepare(&work(), &[land_request(result)]).unwrap();
        writer.publish(&prepared).unwrap();
        prepared.items.into_iter().next().unwrap()
    }

    /// Runs stock git in the repository and returns whether it succeeded and what it said.
    pub(crate) fn git(&self, arguments: &[&str]) -> (bool, String) {
        git(&self.path(), arguments)
    }

    /// Asserts that stock git finds no fault with the repository.
    pub(crate) fn check_invariants(&self) {
        let (clean, said) = self.git(&["fsck", "--full", "--strict", "--no-dangling"]);
        assert!(clean && said.trim().is_empty(), "fsck: {said}");
    }
}

/// Returns a new folder, in memory where there is one: flushing costs nothing there, and the tests write a lot.
pub(crate) fn temporary_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args([
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@t",
            "-c",
            "gc.auto=0",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

pub(crate) fn work() -> BranchName {
    BranchName::new("work").unwrap()
}

pub(crate) fn author() -> Signature {
    Signature { name: "Agent".to_owned(), email: "agent@example.org".to_owned() }
}

pub(crate) fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

pub(crate) fn write(at: &str, content: &str) -> Edit {
    Edit::Write { path: path(at), content: content.as_bytes().to_vec(), mode: FileMode::Regular }
}

pub(crate) fn delete(at: &str) -> Edit {
    Edit::Delete { path: path(at) }
}

pub(crate) fn rename(from: &str, to: &str) -> Edit {
    Edit::Rename { from: path(from), to: path(to) }
}

pub(crate) fn message(subject: &str) -> Message {
    Message { subject: subject.to_owned(), ..Message::default() }
}

pub(crate) fn pin_request(base: CommitId, edits: &[Edit]) -> PinRequest {
    PinRequest { base, edits: edits.to_vec(), message: message("result"), author: author(), time: TIME }
}

pub(crate) fn commit_request(base: CommitId, edits: &[Edit]) -> CommitRequest {
    let edits = edits.to_vec();
    CommitRequest { branch: work(), base, edits, message: message("commit"), author: author(), time: TIME }
}

pub(crate) fn land_request(result: CommitId) -> LandRequest {
    LandRequest { result, message: message("landed"), author: author(), time: TIME }
}

/// A small generator of numbers whose seed replays a whole test (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len() as u64);
        &from[usize::try_from(at).unwrap()]
    }
}
