//! Repositories and names made to do harm: nothing of a repository is run, and nothing outside of it is touched.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use git_ops::*;

const TIME: i64 = 1_700_000_000;

/// Every hook that git knows.
const HOOKS: [&str; 28] = [
    "applypatch-msg",
    "pre-applypatch",
    "post-applypatch",
    "pre-commit",
    "pre-merge-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-rebase",
    "post-checkout",
    "post-merge",
    "pre-push",
    "pre-receive",
    "update",
    "proc-receive",
    "post-receive",
    "post-update",
    "reference-transaction",
    "push-to-checkout",
    "pre-auto-gc",
    "post-rewrite",
    "sendemail-validate",
    "fsmonitor-watchman",
    "p4-changelist",
    "p4-prepare-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "post-index-change",
];

/// Settings by which a repository has programs run, with the trap in place of `TRAP`.
const SETTINGS: [&str; 24] = [
    "[core]\n fsmonitor = TRAP",
    "[core]\n hooksPath = HOOKS",
    "[core]\n pager = TRAP",
    "[core]\n editor = TRAP",
    "[core]\n sshCommand = TRAP",
    "[core]\n askPass = TRAP",
    "[core]\n gitProxy = TRAP",
    "[core]\n alternateRefsCommand = TRAP",
    "[core]\n attributesFile = ATTRIBUTES",
    "[core]\n worktree = OUTSIDE",
    "[filter \"evil\"]\n clean = TRAP\n smudge = TRAP\n process = TRAP\n required = true",
    "[merge \"evil\"]\n driver = TRAP %O %A %B",
    "[merge]\n default = evil",
    "[diff]\n external = TRAP",
    "[diff \"evil\"]\n textconv = TRAP\n command = TRAP",
    "[credential]\n helper = !TRAP",
    "[alias]\n commit = !TRAP\n merge-tree = !TRAP",
    "[gpg]\n program = TRAP\n[commit]\n gpgSign = true",
    "[uploadpack]\n packObjectsHook = TRAP",
    "[remote \"origin\"]\n url = ext::TRAP\n fetch = +refs/*:refs/*\n promisor = true",
    "[protocol \"ext\"]\n allow = always",
    "[trailer \"x\"]\n command = TRAP",
    "[include]\n path = OUTSIDE/included",
    "[submodule \"m\"]\n url = ext::TRAP\n update = !TRAP",
];

/// Paths that must not become files of a commit, or of a folder that one is written to.
const PATHS: [&str; 52] = [
    "",
    "/",
    "/etc/passwd",
    "//x",
    "..",
    "../x",
    "../../x",
    "a/..",
    "a/../..",
    "a/../../x",
    ".",
    "./x",
    "a/.",
    "a/./b",
    "a//b",
    "a/",
    "C:/x",
    "c:",
    "C:\\x",
    "\\x",
    "\\\\host\\share",
    "a\\..\\..\\x",
    ".git",
    ".git/config",
    ".git/hooks/post-commit",
    "a/.git/config",
    ".GIT/config",
    ".Git",
    "git~1",
    "GIT~1/config",
    "git~2",
    ".git ",
    ".git.",
    ".git...",
    ".git::$INDEX_ALLOCATION/config",
    ".git:stream",
    ".g\u{200c}it/config",
    "\u{feff}.git/config",
    ".\u{200d}git",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\u{1b}[2Jb",
    "a\u{202e}b",
    "a\u{7f}b",
    "con",
    "aux.txt",
    "a/NUL",
    "com1",
    "lpt1.x",
    "a./b",
    "a /b",
];

/// Names that must not become branches.
const BRANCHES: [&str; 34] = [
    "",
    "/",
    "/x",
    "x/",
    "a//b",
    ".",
    "..",
    "../x",
    "../../config",
    "../hooks/post-commit",
    "a/../b",
    ".x",
    "a/.b",
    "a/..",
    "x.lock",
    "a.lock/b",
    "-x",
    "--upload-pack=x",
    "HEAD",
    "@",
    "a@{0}",
    "a..b",
    "a b",
    "a\nb",
    "a\0b",
    "a\u{1b}b",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[",
    "a\\b",
    "refs/heads/x",
];

fn author() -> Signature {
    Signature { name: "Agent".to_owned(), email: "agent@example.org".to_owned() }
}

fn write(path: &str, content: &str) -> Edit {
    Edit::Write { path: RepoPath::new(path).unwrap(), content: content.into(), mode: FileMode::Regular }
}

/// A repository beside a program that tells when it is run, and a folder that nobody may touch.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let place = Self { folder };
        std::fs::create_dir(place.outside()).unwrap();
        std::fs::write(place.outside().join("file"), "untouched").unwrap();
        std::fs::write(place.outside().join("included"), "[core]\n fsmonitor = true\n").unwrap();
        std::fs::write(place.path("attributes"), "* filter=evil merge=evil diff=evil\n").unwrap();
        let trap = format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\n", place.path("sprung").display());
        std::fs::create_dir(place.path("hooks")).unwrap();
        for name in HOOKS.iter().map(|hook| format!("hooks/{hook}")).chain(["trap".to_owned()]) {
            std::fs::write(place.path(&name), &trap).unwrap();
            std::fs::set_permissions(place.path(&name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let first = [
            write("a", "1\n2\n3\n"),
            write("dir/b", "b\n"),
            write(".gitattributes", "* filter=evil merge=evil diff=evil text=auto eol=crlf\n"),
            write(".gitmodules", "[submodule \"m\"]\n path = m\n url = ext::sh -c true\n update = !true\n"),
        ];
        let repository = Repository::init(&place.path("repo"), &first, &author(), TIME).unwrap();
        let base = repository.head().unwrap().unwrap();
        repository.create_branch(&BranchName::new("work").unwrap(), base).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn outside(&self) -> PathBuf {
        self.path("outside")
    }

    fn git_dir(&self) -> PathBuf {
        self.path("repo/.git")
    }

    /// Does everything that the crate can do; what is refused is refused.
    fn use_it(&self) -> Result<(), Box<dyn std::error::Error>> {
        let repository = Repository::open(&self.path("repo"))?;
        let work = BranchName::new("work")?;
        let base = repository.tip(&work)?.ok_or("there is no branch")?;
        let queue = CommitQueue::start(&repository)?;
        for text in ["1\n2\nthree\n", "1\n2\ndrei\n"] {
            let message = Message { subject: "x".to_owned(), ..Message::default() };
            let edits = vec![write("a", text), write(&format!("new/{}", text.len()), text)];
            let (branch, author) = (work.clone(), author());
            queue.commit(CommitRequest { branch, base, edits, message, author, time: TIME })?;
        }
        let snapshot = repository.snapshot(repository.tip(&work)?.ok_or("there is no branch")?)?;
        let folder = tempfile::tempdir_in(self.folder.path())?;
        snapshot.export_to(folder.path())?;
        std::fs::write(folder.path().join("a"), "changed")?;
        snapshot.edits_from_dir(folder.path(), 1 << 20)?;
        repository.branches()?;
        repository.create_branch(&BranchName::new("new/branch")?, base)?;
        repository.delete_branch(&BranchName::new("new/branch")?, base)?;
        repository.join_packs()?;
        repository.repack()?;
        Ok(())
    }

    /// Asserts that no program was run and nothing outside was touched.
    fn check(&self, case: &str) {
        let sprung = std::fs::read_to_string(self.path("sprung")).unwrap_or_default();
        assert_eq!(sprung, "", "{case}: a program was run");
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(self.outside()).unwrap() {
            let path = entry.unwrap().path();
            files.insert(path.file_name().unwrap().to_owned(), std::fs::read(&path).unwrap());
        }
        assert_eq!(files.len(), 2, "{case}: {files:?}");
        assert_eq!(files[std::ffi::OsStr::new("file")], b"untouched", "{case}");
    }
}

#[test]
fn hooks_are_never_run() {
    let place = Place::new();
    for hook in HOOKS {
        std::fs::create_dir_all(place.git_dir().join("hooks")).unwrap();
        std::fs::copy(place.path("hooks").join(hook), place.git_dir().join("hooks").join(hook)).unwrap();
    }
    place.use_it().unwrap();
    place.check("hooks");
    let sprung = Command::new(place.path("trap")).status().unwrap();
    assert!(sprung.success() && place.path("sprung").exists(), "the trap works");
}

#[test]
fn settings_of_a_repository_run_nothing() {
    for setting in SETTINGS {
        let place = Place::new();
        let show = |path: PathBuf| path.display().to_string();
        let text = setting
            .replace("TRAP", &show(place.path("trap")))
            .replace("HOOKS", &show(place.path("hooks")))
            .replace("ATTRIBUTES", &show(place.path("attributes")))
            .replace("OUTSIDE", &show(place.outside()));
        let config = place.git_dir().join("config");
        let before = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{before}\n{text}\n")).unwrap();
        place.use_it().unwrap_or_else(|error| panic!("{setting}: {error}"));
        place.check(setting);
    }
}

#[test]
fn hostile_paths_do_not_become_files() {
    let place = Place::new();
    for path in PATHS {
        assert!(RepoPath::new(path).is_err(), "{path:?}");
    }
    place.check("paths");
}

#[test]
fn hostile_names_do_not_become_branches() {
    for name in BRANCHES {
        assert!(BranchName::new(name).is_err(), "{name:?}");
    }
}

/// What a repository can have in place of one of its own files and folders.
#[test]
fn links_in_a_repository_lead_nowhere() {
    let cases = [
        "refs",
        "refs/heads",
        "refs/heads/work",
        "refs/heads/new",
        "refs/super-planner",
        "packed-refs",
        "super-planner",
        "super-planner/repack",
        "super-planner.lock",
        "objects/pack",
    ];
    for case in cases {
        let place = Place::new();
        let path = place.git_dir().join(case);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.is_dir() {
            std::fs::rename(&path, place.path("moved")).unwrap();
        } else if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
        symlink(if case.ends_with("work") { place.outside().join("file") } else { place.outside() }, &path)
            .unwrap();
        let outcome = place.use_it();
        place.check(case);
        assert!(outcome.is_err(), "{case} is a link, and it was used");
    }
}

#[test]
fn trees_with_hostile_names_are_written_nowhere() {
    let place = Place::new();
    let repo = place.path("repo");
    let git = |arguments: &[&str], input: &[u8]| -> String {
        use std::io::Write as _;
        let mut child = Command::new("git")
            .arg("-C")
            .arg(&repo)
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let blob = git(&["hash-object", "-w", "--stdin"], b"hostile");
    let raw: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap()).collect();
    for (mode, name) in [
        ("100644", ".."),
        ("100644", "."),
        ("100644", ".git"),
        ("100644", ".GIT"),
        ("100644", "git~1"),
        ("100644", ".git "),
        ("100644", "a\\..\\b"),
        ("100644", "con"),
        ("120000", "link"),
        ("160000", "module"),
        ("100644", "a\u{1b}[2J"),
    ] {
        let tree = [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &raw].concat();
        let tree = git(&["hash-object", "-w", "-t", "tree", "--stdin", "--literally"], &tree);
        let options = ["-c", "user.name=T", "-c", "user.email=t@t"];
        let commit = git(&[&options[..], &["commit-tree", &tree, "-m", "hostile"]].concat(), b"");
        let repository = Repository::open(&repo).unwrap();
        let snapshot = repository.snapshot(commit.parse().unwrap()).unwrap();
        let folder = tempfile::tempdir_in(place.folder.path()).unwrap();
        let exported = snapshot.export_to(folder.path()).unwrap();
        assert_eq!((exported.files, exported.skipped.len()), (0, 1), "{name:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{name:?}");
        place.check(name);
    }
}

#[test]
fn nothing_follows_a_link_out_of_a_folder_being_read() {
    let place = Place::new();
    let repository = Repository::open(&place.path("repo")).unwrap();
    let snapshot = repository.snapshot(repository.head().unwrap().unwrap()).unwrap();
    let folder = place.path("work");
    snapshot.export_to(&folder).unwrap();
    for (at, to) in
        [("a", place.outside().join("file")), ("out", place.outside()), ("abs", PathBuf::from("/etc"))]
    {
        drop(std::fs::remove_file(folder.join(at)));
        symlink(to, folder.join(at)).unwrap();
    }
    let changes = snapshot.edits_from_dir(&folder, 1 << 20).unwrap();
    assert_eq!(changes.edits, []);
    assert_eq!(changes.skipped.len(), 3);
    assert!(
        snapshot.export_to(Path::new(&folder)).is_err(),
        "a folder that holds something is not written to"
    );
    place.check("links");
}
