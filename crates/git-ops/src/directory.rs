//! Folders outside the repository: writing a tree into one, and finding what somebody changed there.
//!
//! What is in such a folder was put there by an agent and is not trusted: links are never followed, not even one that
//! appears while we look, and nothing but plain files is read. Ignore files alone are opened by their paths, in libgit2, after
//! a look at what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use crate::change::{Edit, FileMode};
use crate::file_stamp::FileStamp;
use crate::object::{ObjectError, Objects};
use crate::path::{DEPTH_MAX, InvalidPath, RepoPath};
use crate::tree::{self, Item};

/// The file in each folder that names what is ignored there and below.
const IGNORE_FILE: &str = ".gitignore";

/// What an export wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many files.
    pub files: usize,
    /// How many bytes in them.
    pub bytes: u64,
    /// What is not a file or has a path that is unsafe to use.
    pub skipped: Vec<Skipped>,
}

/// What somebody changed in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryChanges {
    /// The edits: first the deletions, then new and changed files, each sorted by path.
    pub edits: Vec<Edit>,
    /// What is new there or was changed there, but is not a file or has a path that is unsafe to use.
    pub skipped: Vec<Skipped>,
}

/// A path that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why it was left out.
    pub because: SkippedBecause,
}

/// Why a path was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkippedBecause {
    /// It is a symbolic link.
    Link,
    /// It is a commit of another repository.
    Submodule,
    /// It is a socket, a pipe or a device.
    Special,
    /// Its name is not UTF-8.
    NotUtf8,
    /// Its name is unsafe on some system.
    UnsafePath(InvalidPath),
}

/// Why a folder could not be written or compared.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The folder to write to holds something already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The changes are larger than allowed.
    #[error("the changes in {} are larger than {bytes_max} bytes", path.display())]
    TooLarge {
        /// The folder.
        path: PathBuf,
        /// The bound.
        bytes_max: u64,
    },
    /// Folders are nested deeper than we follow.
    #[error("folders are nested too deeply at {}", path.display())]
    TooDeep {
        /// The folder that is too deep.
        path: PathBuf,
    },
    /// An object of the repository cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The rules for paths to leave out cannot be read.
    #[error("cannot tell which paths {} ignores", path.display())]
    Ignore {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// The rules for paths to leave out are in something that is no plain file, and are not read from there.
    #[error("{} is not a plain file, so it cannot be told what is ignored there", path.display())]
    IgnoreFile {
        /// The link, pipe or the like.
        path: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes a folder if there is none, and makes sure that it is empty.
pub(crate) fn prepare_empty(folder: &Path) -> Result<(), DirectoryError> {
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    let mut entries = std::fs::read_dir(folder).map_err(|source| failed(folder, source))?;
    match entries.next() {
        Some(_) => Err(DirectoryError::NotEmpty { path: folder.to_owned() }),
        None => Ok(()),
    }
}

/// Writes every file of a tree below a folder in which none of them exists yet.
pub(crate) fn export(objects: &Objects<'_>, tree: Oid, folder: &Path) -> Result<Exported, DirectoryError> {
    let mut exported = Exported::default();
    let mut made = BTreeSet::new();
    walk(objects, tree, &mut |found| {
        let (path, item) = match found {
            Ok(found) => found,
            Err(skipped) => {
                exported.skipped.push(skipped);
                return Ok(());
            }
        };
        let target = folder.join(path.as_str());
        let parent = target.parent().expect("a file is below the folder");
        if made.insert(parent.to_owned()) {
            std::fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
        }
        let content = objects.blob(item.id)?;
        write_file(&target, &content, item.mode).map_err(|source| failed(&target, source))?;
        exported.files += 1;
        exported.bytes += content.len() as u64;
        Ok::<(), DirectoryError>(())
    })?;
    Ok(exported)
}

/// Writes a new file, and returns it still open.
pub(crate) fn write_file(path: &Path, content: &[u8], mode: u32) -> io::Result<File> {
    let permissions = if FileMode::from_raw(mode) == Some(FileMode::Executable) { 0o777 } else { 0o666 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(permissions).open(path)?;
    file.write_all(content)?;
    Ok(file)
}

/// Calls `visit` for every file of a tree, and for everything else that is not a folder.
pub(crate) fn walk<E: From<ObjectError>>(
    objects: &Objects<'_>,
    tree: Oid,
    visit: &mut dyn FnMut(Result<(RepoPath, Item), Skipped>) -> Result<(), E>,
) -> Result<(), E> {
    walk_below(objects, tree, &[], 0, visit)
}

fn walk_below<E: From<ObjectError>>(
    objects: &Objects<'_>,
    tree: Oid,
    folder: &[u8],
    depth: usize,
    visit: &mut dyn FnMut(Result<(RepoPath, Item), Skipped>) -> Result<(), E>,
) -> Result<(), E> {
    if depth > DEPTH_MAX {
        return Err(ObjectError::TooDeep { path: String::from_utf8_lossy(folder).into_owned() }.into());
    }
    for entry in objects.tree(Some(tree))? {
        let path = if folder.is_empty() { entry.name } else { [folder, &entry.name].join(&b'/') };
        if entry.item.is_folder() {
            walk_below(objects, entry.item.id, &path, depth + 1, visit)?;
        } else {
            visit(usable(&path, entry.item))?;
        }
    }
    Ok(())
}

fn usable(path: &[u8], item: Item) -> Result<(RepoPath, Item), Skipped> {
    let skipped = |because| Skipped { path: String::from_utf8_lossy(path).into_owned(), because };
    if item.mode == tree::MODE_LINK {
        return Err(skipped(SkippedBecause::Link));
    }
    if !item.is_file() {
        return Err(skipped(SkippedBecause::Submodule));
    }
    let text = std::str::from_utf8(path).map_err(|_| skipped(SkippedBecause::NotUtf8))?;
    let path = RepoPath::new(text).map_err(|invalid| skipped(SkippedBecause::UnsafePath(invalid)))?;
    Ok((path, item))
}

/// A file that a folder was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) item: Item,
    /// What its file looked like then; `None` where only its content can tell whether it is still the same.
    pub(crate) stamp: Option<FileStamp>,
}

/// Returns every file of a tree.
pub(crate) fn files_of(objects: &Objects<'_>, tree: Oid) -> Result<BTreeMap<RepoPath, Given>, ObjectError> {
    let mut files = BTreeMap::new();
    walk(objects, tree, &mut |found| {
        files.extend(found.ok().map(|(path, item)| (path, Given { item, stamp: None })));
        Ok::<(), ObjectError>(())
    })?;
    Ok(files)
}

/// Returns the edits that turn what a folder was given into what it holds.
pub(crate) fn changes(
    repository: &git2::Repository,
    given: &BTreeMap<RepoPath, Given>,
    folder: &Path,
    bytes_max: u64,
) -> Result<DirectoryChanges, DirectoryError> {
    let ignore = ignore_rules(repository, folder)
        .map_err(|source| DirectoryError::Ignore { path: folder.to_owned(), source })?;
    let mut comparison = Comparison {
        repository,
        ignore,
        root: folder,
        given,
        seen: BTreeSet::new(),
        writes: BTreeMap::new(),
        skipped: Vec::new(),
        bytes_left: bytes_max,
        bytes_max,
    };
    let root = rustix::fs::open(folder, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    comparison.folder(&root.map_err(|error| failed(folder, error.into()))?, "", 0)?;
    let Comparison { seen, writes, mut skipped, .. } = comparison;
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    let deleted = given.keys().filter(|path| !seen.contains(*path) && !is_hidden(path, &skipped));
    let deletions = deleted.map(|path| Edit::Delete { path: path.clone() });
    let writes = writes.into_iter().map(|(path, (content, mode))| Edit::Write { path, content, mode });
    Ok(DirectoryChanges { edits: deletions.chain(writes).collect(), skipped })
}

/// Returns whether a path is, or is below, something that was left out; what is there is then unknown.
fn is_hidden(path: &RepoPath, skipped: &[Skipped]) -> bool {
    skipped.iter().any(|skipped| {
        path.as_str()
            .strip_prefix(skipped.path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Returns a handle that reads the ignore files of a folder as if that were the working copy.
fn ignore_rules(repository: &git2::Repository, folder: &Path) -> Result<git2::Repository, git2::Error> {
    let rules = git2::Repository::open_bare(repository.path())?;
    rules.set_workdir(folder, false)?;
    Ok(rules)
}

/// Refuses a folder whose ignore file is a link, a pipe or the like: libgit2 would follow it, or wait for ever.
fn refuse_special_rules(folder: &OwnedFd, place: &Path) -> Result<(), DirectoryError> {
    let path = place.join(IGNORE_FILE);
    let stat = match rustix::fs::statat(folder, IGNORE_FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        stat => stat.map_err(|error| failed(&path, error.into()))?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => Ok(()),
        _ => Err(DirectoryError::IgnoreFile { path }),
    }
}

/// A folder being compared with a tree.
struct Comparison<'a> {
    repository: &'a git2::Repository,
    ignore: git2::Repository,
    root: &'a Path,
    given: &'a BTreeMap<RepoPath, Given>,
    seen: BTreeSet<RepoPath>,
    writes: BTreeMap<RepoPath, (Vec<u8>, FileMode)>,
    skipped: Vec<Skipped>,
    bytes_left: u64,
    bytes_max: u64,
}

impl Comparison<'_> {
    fn folder(&mut self, folder: &OwnedFd, prefix: &str, depth: usize) -> Result<(), DirectoryError> {
        let place = self.root.join(prefix);
        if depth > DEPTH_MAX {
            return Err(DirectoryError::TooDeep { path: place });
        }
        refuse_special_rules(folder, &place)?;
        for entry in Dir::read_from(folder).map_err(|error| failed(&place, error.into()))? {
            let entry = entry.map_err(|error| failed(&place, error.into()))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (prefix.is_empty() && name == b".git") {
                continue;
            }
            match usable_name(prefix, name) {
                Ok(path) => self.entry(folder, &path, depth)?,
                Err(skipped) => self.skipped.push(skipped),
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &OwnedFd, path: &RepoPath, depth: usize) -> Result<(), DirectoryError> {
        let name = path.components().next_back().expect("a path has a component");
        let place = self.root.join(path.as_str());
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(error) => return Err(failed(&place, error.into())),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if self.is_ignored(path, kind == FileType::Directory)? {
            return Ok(());
        }
        let opened = |flags| {
            let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            rustix::fs::openat(folder, name, flags, Mode::empty())
                .map_err(|error| failed(&place, error.into()))
        };
        match kind {
            FileType::Directory => self.folder(&opened(OFlags::DIRECTORY)?, path.as_str(), depth + 1),
            FileType::RegularFile if self.is_untouched(path, &stat) => {
                self.seen.insert(path.clone());
                Ok(())
            }
            FileType::RegularFile => self.file(File::from(opened(OFlags::empty())?), path),
            FileType::Symlink => {
                self.skip(path, SkippedBecause::Link);
                Ok(())
            }
            _ => {
                self.skip(path, SkippedBecause::Special);
                Ok(())
            }
        }
    }

    fn is_untouched(&self, path: &RepoPath, stat: &Stat) -> bool {
        let stamp = self.given.get(path).and_then(|given| given.stamp);
        stamp.is_some_and(|stamp| stamp == FileStamp::of(stat))
    }

    fn file(&mut self, file: File, path: &RepoPath) -> Result<(), DirectoryError> {
        let place = self.root.join(path.as_str());
        let io = |source| failed(&place, source);
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            self.skip(path, SkippedBecause::Special);
            return Ok(());
        }
        let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0;
        let mode = if executable { FileMode::Executable } else { FileMode::Regular };
        let given = self.given.get(path).map(|given| given.item);
        let same_size = given.is_some_and(|item| self.stored_size(item) == Some(metadata.len()));
        let cost = metadata.len().saturating_add(path.as_str().len() as u64);
        if !same_size && cost > self.bytes_left {
            return Err(self.too_large());
        }
        let mut content = Vec::new();
        file.take(metadata.len().saturating_add(1)).read_to_end(&mut content).map_err(io)?;
        self.seen.insert(path.clone());
        let id = Oid::hash_object(ObjectType::Blob, &content)
            .map_err(|source| ObjectError::Write { kind: "blob", source })?;
        if given.is_some_and(|item| item.id == id && FileMode::from_raw(item.mode) == Some(mode)) {
            return Ok(());
        }
        let cost = content.len() as u64 + path.as_str().len() as u64;
        self.bytes_left = self.bytes_left.checked_sub(cost).ok_or_else(|| self.too_large())?;
        self.writes.insert(path.clone(), (content, mode));
        Ok(())
    }

    fn stored_size(&self, item: Item) -> Option<u64> {
        let (size, _) = self.repository.odb().and_then(|odb| odb.read_header(item.id)).ok()?;
        u64::try_from(size).ok()
    }

    /// A path that was given, or has something below it that was, is never ignored.
    fn is_ignored(&self, path: &RepoPath, is_folder: bool) -> Result<bool, DirectoryError> {
        let below = format!("{path}/");
        let known = self
            .given
            .range(path.clone()..)
            .take_while(|(found, _)| found.as_str().starts_with(path.as_str()));
        if known.into_iter().any(|(found, _)| found == path || found.as_str().starts_with(&below)) {
            return Ok(false);
        }
        let asked = if is_folder { &below } else { path.as_str() };
        self.ignore
            .status_should_ignore(Path::new(asked))
            .map_err(|source| DirectoryError::Ignore { path: self.root.to_owned(), source })
    }

    fn skip(&mut self, path: &RepoPath, because: SkippedBecause) {
        self.skipped.push(Skipped { path: path.as_str().to_owned(), because });
    }

    fn too_large(&self) -> DirectoryError {
        DirectoryError::TooLarge { path: self.root.to_owned(), bytes_max: self.bytes_max }
    }
}

fn usable_name(prefix: &str, name: &[u8]) -> Result<RepoPath, Skipped> {
    let lossy = String::from_utf8_lossy(name);
    let path = if prefix.is_empty() { lossy.clone().into_owned() } else { format!("{prefix}/{lossy}") };
    if std::str::from_utf8(name).is_err() {
        return Err(Skipped { path, because: SkippedBecause::NotUtf8 });
    }
    RepoPath::new(&path).map_err(|invalid| Skipped { path, because: SkippedBecause::UnsafePath(invalid) })
}

pub(crate) fn failed(path: &Path, source: io::Error) -> DirectoryError {
    DirectoryError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::object_cache::ObjectCache;
    use crate::testing::*;
    use crate::tree::{MODE_FILE, MODE_FOLDER, TreeEntry};

    const NO_BOUND: u64 = u64::MAX;

    fn exported(test: &TestRepository) -> (crate::Snapshot, PathBuf) {
        let snapshot = test.repository.snapshot(test.first).unwrap();
        let folder = test.folder.path().join("exported");
        snapshot.export_to(&folder).unwrap();
        (snapshot, folder)
    }

    fn reasons(skipped: &[Skipped]) -> Vec<(&str, &SkippedBecause)> {
        skipped.iter().map(|skipped| (skipped.path.as_str(), &skipped.because)).collect()
    }

    #[test]
    fn what_is_exported_and_not_touched_has_no_changes() {
        let test = TestRepository::new(&[
            ("a", "1"),
            ("dir/sub/b", ""),
            ("ignored.log", "x"),
            (".gitignore", "*.log\n"),
        ]);
        let (snapshot, folder) = exported(&test);
        assert_eq!(snapshot.edits_from_dir(&folder, 0).unwrap(), DirectoryChanges::default());
        assert!(matches!(snapshot.export_to(&folder), Err(DirectoryError::NotEmpty { .. })));
    }

    #[test]
    fn changes_become_edits_that_give_the_same_files() {
        let test = TestRepository::new(&[("a", "1"), ("b", "2"), ("dir/c", "3"), ("dir/d", "4"), ("f", "5")]);
        let (snapshot, folder) = exported(&test);
        std::fs::write(folder.join("a"), "one").unwrap();
        std::fs::set_permissions(folder.join("b"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::remove_dir_all(folder.join("dir")).unwrap();
        std::fs::write(folder.join("dir"), "a file now").unwrap();
        std::fs::remove_file(folder.join("f")).unwrap();
        std::fs::create_dir_all(folder.join("f/new")).unwrap();
        std::fs::write(folder.join("f/new/file"), "new").unwrap();
        std::fs::create_dir(folder.join(".git")).unwrap();
        std::fs::write(folder.join(".git/config"), "hostile").unwrap();
        let changes = snapshot.edits_from_dir(&folder, NO_BOUND).unwrap();
        assert_eq!(changes.skipped, []);
        assert_eq!(changes.edits.len(), 7);
        let result = test.repository.snapshot(test.pin(test.first, &changes.edits)).unwrap();
        let again = test.folder.path().join("again");
        result.export_to(&again).unwrap();
        assert_eq!(std::fs::read(again.join("dir")).unwrap(), b"a file now");
        assert_eq!(result.edits_from_dir(&folder, NO_BOUND).unwrap(), DirectoryChanges::default());
        assert!(std::fs::metadata(again.join("b")).unwrap().permissions().mode() & 0o100 != 0);
    }

    #[test]
    fn links_and_odd_things_are_reported_and_never_followed() {
        let test = TestRepository::new(&[("a", "1"), ("dir/b", "2"), ("kept", "3")]);
        let (snapshot, folder) = exported(&test);
        let secret = test.folder.path().join("secret");
        std::fs::create_dir(&secret).unwrap();
        std::fs::write(secret.join("b"), "secret").unwrap();
        std::fs::remove_file(folder.join("a")).unwrap();
        symlink(secret.join("b"), folder.join("a")).unwrap();
        std::fs::remove_dir_all(folder.join("dir")).unwrap();
        symlink(&secret, folder.join("dir")).unwrap();
        std::fs::create_dir_all(folder.join("nested/.git")).unwrap();
        std::fs::write(folder.join("nested/.git/config"), "hostile").unwrap();
        std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        let changes = snapshot.edits_from_dir(&folder, NO_BOUND).unwrap();
        assert_eq!(changes.edits, [], "what a link hides is neither changed nor deleted");
        let found = reasons(&changes.skipped);
        assert_eq!(found[0], ("a", &SkippedBecause::Link));
        assert_eq!(found[1], ("dir", &SkippedBecause::Link));
        assert!(matches!(found[2], ("nested/.git", SkippedBecause::UnsafePath(_))));
        assert_eq!(found[3], ("socket", &SkippedBecause::Special));
    }

    #[test]
    fn ignored_paths_are_left_out_unless_they_are_in_the_commit() {
        let test = TestRepository::new(&[
            (".gitignore", "target/\n*.log\n"),
            ("kept.log", "1"),
            ("target/kept", "2"),
        ]);
        let (snapshot, folder) = exported(&test);
        for (file, content) in [
            ("new.log", "x"),
            ("kept.log", "changed"),
            ("target/kept", "changed"),
            ("target/new", "x"),
            ("new", "x"),
        ] {
            std::fs::write(folder.join(file), content).unwrap();
        }
        let edits = snapshot.edits_from_dir(&folder, NO_BOUND).unwrap().edits;
        assert_eq!(edits, [write("kept.log", "changed"), write("new", "x"), write("target/kept", "changed")]);
    }

    #[test]
    fn an_ignore_file_that_is_a_pipe_or_a_link_holds_nobody_up() {
        for place in [".gitignore", "dir/.gitignore", "new/.gitignore"] {
            for kind in ["pipe", "link"] {
                let test = TestRepository::new(&[("a", "1"), ("dir/b", "2")]);
                let (snapshot, folder) = exported(&test);
                std::fs::create_dir(folder.join("new")).unwrap();
                std::fs::write(folder.join("new/file"), "new").unwrap();
                let pipe = test.folder.path().join("pipe");
                for path in [&pipe, &folder.join(place)] {
                    let made = match (kind, path == &pipe) {
                        ("link", false) => symlink(&pipe, path).is_ok(),
                        _ => std::process::Command::new("mkfifo").arg(path).status().unwrap().success(),
                    };
                    assert!(made, "{}", path.display());
                }
                let path = folder.join(place);
                let (send, receive) = std::sync::mpsc::channel();
                std::thread::spawn(move || send.send(snapshot.edits_from_dir(&folder, NO_BOUND)));
                let told =
                    receive.recv_timeout(std::time::Duration::from_secs(60)).expect("it must not hang");
                assert!(
                    matches!(&told, Err(DirectoryError::IgnoreFile { path: at }) if *at == path),
                    "{place}, a {kind}: {told:?}"
                );
            }
        }
    }

    #[test]
    fn too_much_is_an_error() {
        let test = TestRepository::new(&[("a", "1")]);
        let (snapshot, folder) = exported(&test);
        std::fs::write(folder.join("b"), "12345678").unwrap();
        assert_eq!(snapshot.edits_from_dir(&folder, 9).unwrap().edits, [write("b", "12345678")]);
        assert!(matches!(
            snapshot.edits_from_dir(&folder, 8),
            Err(DirectoryError::TooLarge { bytes_max: 8, .. })
        ));
    }

    #[test]
    fn a_hostile_tree_writes_nothing_outside_its_folder() {
        let test = TestRepository::new(&[]);
        let raw = git2::Repository::open_bare(test.repository.git_dir()).unwrap();
        let known = ObjectCache::default();
        let objects = Objects::open(&raw, &known).unwrap();
        let blob = crate::pack_entry::PackEntry::new(ObjectType::Blob, b"../../outside".to_vec()).unwrap();
        let id = objects.add(blob.into());
        let entry =
            |name: &str, mode, id| TreeEntry { name: name.as_bytes().to_vec(), item: Item { mode, id } };
        let inner =
            objects.add_tree(vec![entry("config", MODE_FILE, id), entry("hooks", MODE_FILE, id)]).unwrap();
        let tree = objects
            .add_tree(vec![
                entry("..", MODE_FOLDER, inner),
                entry(".git", MODE_FOLDER, inner),
                entry("GIT~1", MODE_FOLDER, inner),
                entry("link", tree::MODE_LINK, id),
                entry("module", 0o160_000, id),
                entry("good", MODE_FILE, id),
            ])
            .unwrap();
        let folder = test.folder.path().join("a/b");
        prepare_empty(&folder).unwrap();
        let exported = export(&objects, tree, &folder).unwrap();
        assert_eq!((exported.files, exported.bytes, exported.skipped.len()), (1, 13, 8));
        let names = |folder: &Path| {
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
        };
        assert_eq!(names(&folder), ["good"]);
        assert_eq!(names(&test.folder.path().join("a")), ["b"]);
    }
}
