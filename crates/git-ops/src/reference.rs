//! Moving refs: compare-and-swap under git's own locks, flushed, with a bounded wait for the locks of others.
//!
//! Few refs become a file each, as git has it. Many at once are written into `packed-refs`, whose flush they share, and
//! lose the files that would hide them there. Either way each ref moves on its own, at once and only when its lock is held.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::durability;
use crate::id::CommitId;
use crate::lock::{self, HeldLock, LockError};
use crate::packed_refs;
use crate::planted::{self, Bug};

/// The ref that keeps every pinned result: a chain of commits whose parents are the chain so far and a batch.
pub(crate) const PINS: &str = "refs/super-planner/pins";
/// How often a ref that somebody else has locked is tried; about two seconds.
const TRIES_MAX: u32 = 120;
/// How many refs are moved as files of their own; more are moved in `packed-refs`.
const LOOSE_MAX: usize = 16;
/// How many refs are locked at once: each lock is a name of one file, and no file has more than 65,000 on some file systems.
const LOCKED_MAX: usize = 16 << 10;
/// How much of a ref's file is read.
const BYTES_MAX: u64 = 4096;
/// What git's files are readable as, before the process's own mask.
const PERMISSIONS: u32 = 0o666;

/// Why a ref was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveRefError {
    /// The ref is not where it was expected to be.
    #[error("{name} is at {}, not at {}", place(found), place(expected))]
    Elsewhere {
        /// The ref.
        name: String,
        /// Where it should have been; `None` if it should not have existed.
        expected: Option<CommitId>,
        /// Where it is; `None` if it does not exist.
        found: Option<CommitId>,
    },
    /// Another program holds git's lock of the ref.
    #[error("{name} is locked; if no git command is running, remove {}", path.display())]
    Locked {
        /// The ref, or `packed-refs`.
        name: String,
        /// The lock file.
        path: PathBuf,
    },
    /// Another ref has a name that is a folder of this one, or the other way round.
    #[error("{name} cannot exist beside {other}")]
    Occupied {
        /// The ref.
        name: String,
        /// The other one.
        other: String,
    },
    /// Our own lock could not be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The ref cannot be read.
    #[error(transparent)]
    Read(#[from] ReadRefError),
    /// The ref was not written, or written but not flushed: it may be lost in a power cut.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why it cannot be told where a ref is.
#[derive(Debug, thiserror::Error)]
pub enum ReadRefError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The ref is not the name of an object.
    #[error("{name} holds {found:?}, which is not the id of a commit")]
    NotAnId {
        /// The ref.
        name: String,
        /// What it holds, at most 80 characters of it.
        found: String,
    },
}

/// A move of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefMove {
    pub(crate) name: String,
    /// Where it must be; `None`: it must not exist.
    pub(crate) expected: Option<CommitId>,
    /// Where it goes; `None`: it is removed.
    pub(crate) new: Option<CommitId>,
}

/// The refs of one repository.
#[derive(Debug)]
pub(crate) struct Refs {
    git_dir: PathBuf,
    /// The folders whose own names are known to be flushed.
    flushed: BTreeSet<PathBuf>,
    packed: Option<PackedFile>,
    /// Files that are flushed and have not got the name of their ref yet.
    made: Vec<(CommitId, PathBuf)>,
}

/// What `packed-refs` held. The file is never changed but replaced, and as long as this one is open no other has its number.
#[derive(Debug)]
struct PackedFile {
    file: File,
    content: Vec<u8>,
}

/// A ref that nobody else can move until this is dropped.
struct LockedRef<'a> {
    to: &'a RefMove,
    _lock: RefLock,
}

/// A lock file of git that is ours, removed when this is dropped.
struct RefLock(PathBuf);

impl Drop for RefLock {
    fn drop(&mut self) {
        // Where this fails the lock is swept by its mark.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Returns where a ref is, `None` if it does not exist. A ref that points to another ref is an error.
pub(crate) fn read(git_dir: &Path, name: &str) -> Result<Option<CommitId>, ReadRefError> {
    match read_loose(git_dir, name)? {
        Some(commit) => Ok(Some(commit)),
        None => Ok(packed_refs::find(&read_packed(git_dir)?, name)),
    }
}

/// Returns every ref below a folder of refs such as `refs/heads/`, by the rest of its name.
///
/// Files that are no ref, and refs that point to another ref, are left out.
pub(crate) fn list(git_dir: &Path, folder: &str) -> Result<BTreeMap<String, CommitId>, ReadRefError> {
    // The files first: a ref that is packed meanwhile would be missed the other way round.
    let mut loose = BTreeMap::new();
    list_loose(git_dir, folder.trim_end_matches('/'), &mut loose)?;
    let packed = read_packed(git_dir)?;
    let mut refs: BTreeMap<String, CommitId> =
        packed_refs::below(&packed, folder).map(|(name, commit)| (name.to_owned(), commit)).collect();
    refs.extend(
        loose.into_iter().filter_map(|(name, commit)| Some((name.strip_prefix(folder)?.to_owned(), commit))),
    );
    Ok(refs)
}

impl Refs {
    pub(crate) fn new(git_dir: &Path) -> Self {
        Self { git_dir: git_dir.to_owned(), flushed: BTreeSet::new(), packed: None, made: Vec::new() }
    }

    /// Moves one ref. See [`Refs::move_all`].
    pub(crate) fn compare_and_swap(&mut self, lock: &HeldLock, to: RefMove) -> Result<(), MoveRefError> {
        self.move_all(lock, &[to]).pop().expect("one move has one outcome")
    }

    /// Moves refs, each from where it must be to where it goes, and flushes them. One that is there already is fine.
    ///
    /// The outcomes are in the order of the moves. A ref that is not where it must be does not keep the others from moving.
    pub(crate) fn move_all(&mut self, lock: &HeldLock, moves: &[RefMove]) -> Vec<Result<(), MoveRefError>> {
        moves.chunks(LOCKED_MAX).flat_map(|moves| self.move_some(lock, moves)).collect()
    }

    /// Writes and flushes the files that moves need which are about to be made, if they are few. This may happen before the
    /// objects are flushed: no ref has such a file before it moves.
    pub(crate) fn make_files(&mut self, lock: &HeldLock, moves: &[RefMove]) -> Result<(), MoveRefError> {
        self.made.clear();
        if moves.len() > LOOSE_MAX {
            return Ok(());
        }
        for new in moves.iter().filter_map(|to| to.new) {
            self.make_file(lock, new)?;
        }
        Ok(())
    }

    fn make_file(&mut self, lock: &HeldLock, new: CommitId) -> Result<(), MoveRefError> {
        let workshop = lock.workshop().map_err(|source| failed(&self.git_dir, source))?;
        let is_free = |path: &PathBuf| self.made.iter().all(|(_, made)| made != path);
        let mut paths = (0_u32..).map(|number| workshop.join(format!("ref-{number}")));
        let path = paths.find(is_free).expect("there are more numbers than files");
        durability::write_new(&path, format!("{new}\n").as_bytes(), PERMISSIONS)
            .map_err(|source| failed(&path, source))?;
        self.made.push((new, path));
        Ok(())
    }

    fn move_some(&mut self, lock: &HeldLock, moves: &[RefMove]) -> Vec<Result<(), MoveRefError>> {
        let mut outcomes: Vec<Result<(), MoveRefError>> = Vec::with_capacity(moves.len());
        let mut locked = Vec::new();
        for to in moves {
            let taken = self.lock_ref(lock, to);
            outcomes.push(taken.map(|taken| locked.push(taken)));
        }
        let in_files = locked.len() <= LOOSE_MAX && locked.iter().all(|locked| locked.to.new.is_some());
        let written =
            if in_files { self.write_files(lock, &locked) } else { self.write_packed(lock, &locked) };
        if let Err(error) = written {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(again(&error));
            }
        }
        outcomes
    }

    fn lock_ref<'a>(&mut self, lock: &HeldLock, to: &'a RefMove) -> Result<LockedRef<'a>, MoveRefError> {
        let name = &to.name;
        let path = lock::ref_lock_path(&self.git_dir, name);
        self.refuse_links(&path)?;
        let held = LockedRef { to, _lock: self.take(lock, name, path)? };
        let found = match read_loose(&self.git_dir, name)? {
            Some(commit) => Some(commit),
            None => packed_refs::find(self.packed()?, name),
        };
        let is_expected = found == to.expected || found == to.new || planted::is_on(Bug::PlainSet);
        if !is_expected {
            return Err(MoveRefError::Elsewhere { name: name.clone(), expected: to.expected, found });
        }
        if found.is_none() {
            self.refuse_neighbours(name)?;
        }
        Ok(held)
    }

    /// Makes a lock file, waiting for whoever has one there.
    fn take(&mut self, lock: &HeldLock, name: &str, path: PathBuf) -> Result<RefLock, MoveRefError> {
        for tries in 0..TRIES_MAX {
            match lock.lock_beside(&path) {
                Ok(()) => return Ok(RefLock(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => lock::pause(tries),
                // A folder can vanish again while another git packs refs.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let folder = path.parent().expect("the lock of a ref is in a folder");
                    self.forget(folder);
                    std::fs::create_dir_all(folder).map_err(|source| blocked(name, &path, source))?;
                }
                Err(source) => return Err(blocked(name, &path, source)),
            }
        }
        Err(MoveRefError::Locked { name: name.to_owned(), path })
    }

    /// Refuses a ref in a folder that is a link, which could lead anywhere.
    fn refuse_links(&self, path: &Path) -> Result<(), MoveRefError> {
        let folders = path.ancestors().skip(1).take_while(|folder| **folder != self.git_dir);
        let mut unknown = folders.filter(|folder| !self.flushed.contains(*folder));
        match unknown.find(|folder| folder.is_symlink()) {
            Some(link) => Err(failed(link, io::Error::other("it is a symbolic link"))),
            None => Ok(()),
        }
    }

    /// Refuses a new ref whose name is a folder of a ref that exists, or that has one as its folder. Among files the file
    /// system sees to it.
    fn refuse_neighbours(&mut self, name: &str) -> Result<(), MoveRefError> {
        let packed = self.packed()?;
        let occupied =
            |other: &str| MoveRefError::Occupied { name: name.to_owned(), other: other.to_owned() };
        let below = format!("{name}/");
        if let Some((rest, _)) = packed_refs::below(packed, &below).next() {
            return Err(occupied(&format!("{below}{rest}")));
        }
        let folders = name.match_indices('/').map(|(at, _)| &name[..at]);
        match folders.into_iter().find(|folder| packed_refs::find(packed, folder).is_some()) {
            Some(folder) => Err(occupied(folder)),
            None => Ok(()),
        }
    }

    fn write_files(&mut self, lock: &HeldLock, locked: &[LockedRef<'_>]) -> Result<(), MoveRefError> {
        if locked.is_empty() {
            return Ok(());
        }
        let mut folders = BTreeSet::new();
        for LockedRef { to, .. } in locked {
            let new = to.new.expect("a ref that is removed is not written as a file");
            if !self.made.iter().any(|(made, _)| *made == new) {
                self.make_file(lock, new)?;
            }
            let at = self.made.iter().position(|(made, _)| *made == new).expect("it was made just now");
            let (_, made) = self.made.swap_remove(at);
            let path = self.git_dir.join(&to.name);
            name_ref(&made, &path).map_err(|source| blocked(&to.name, &path, source))?;
            folders.extend(path.parent().map(Path::to_owned));
        }
        self.flush_names(&folders)
    }

    /// Sets and removes refs in `packed-refs`, and removes the files that hide them there.
    fn write_packed(&mut self, lock: &HeldLock, locked: &[LockedRef<'_>]) -> Result<(), MoveRefError> {
        let changes: BTreeMap<&str, Option<CommitId>> =
            locked.iter().map(|locked| (&*locked.to.name, locked.to.new)).collect();
        let path = self.git_dir.join("packed-refs");
        let packed_lock = self.take(lock, "packed-refs", self.git_dir.join("packed-refs.lock"))?;
        let old = read_packed(&self.git_dir)?;
        let new = packed_refs::updated(&old, &changes);
        if new != old {
            let workshop = lock.workshop().map_err(|source| failed(&self.git_dir, source))?;
            let made = workshop.join("packed-refs");
            durability::write_new(&made, &new, PERMISSIONS).map_err(|source| failed(&made, source))?;
            std::fs::rename(&made, &path).map_err(|source| failed(&path, source))?;
            durability::flush_folder(&self.git_dir).map_err(|source| failed(&self.git_dir, source))?;
        }
        let mut folders = BTreeSet::new();
        for name in changes.keys() {
            let file = self.git_dir.join(name);
            match std::fs::remove_file(&file) {
                Ok(()) => folders.extend(file.parent().map(Path::to_owned)),
                Err(error) if is_absent(&error) => {}
                Err(source) => return Err(failed(&file, source)),
            }
        }
        drop(packed_lock);
        self.flush_names(&folders)
    }

    /// Flushes what the folders hold, and once the names of the folders themselves.
    fn flush_names(&mut self, folders: &BTreeSet<PathBuf>) -> Result<(), MoveRefError> {
        let mut due: BTreeSet<&Path> = folders.iter().map(PathBuf::as_path).collect();
        for folder in folders {
            let above = folder.ancestors().take_while(|above| **above != self.git_dir);
            due.extend(above.filter(|above| !self.flushed.contains(*above)).filter_map(Path::parent));
        }
        for folder in due {
            match durability::flush_folder(folder) {
                // Git removes folders that became empty, and has packed and flushed what was in them.
                Err(error) if is_absent(&error) => {}
                flushed => flushed.map_err(|source| failed(folder, source))?,
            }
        }
        for folder in folders {
            let above = folder.ancestors().take_while(|above| **above != self.git_dir);
            self.flushed.extend(above.map(Path::to_owned));
        }
        Ok(())
    }

    /// Returns what `packed-refs` holds, which is read again only if it is another file.
    fn packed(&mut self) -> Result<&[u8], ReadRefError> {
        let path = self.git_dir.join("packed-refs");
        let io = |source| ReadRefError::Io { path: path.clone(), source };
        let number = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let now = match path.metadata() {
            Ok(metadata) => Some(number(metadata)),
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(io(error)),
        };
        let known = self.packed.as_ref().and_then(|known| known.file.metadata().ok()).map(number);
        if now.is_none() || now != known {
            self.packed = match File::open(&path) {
                Err(error) if is_absent(&error) => None,
                opened => {
                    let mut file = opened.map_err(io)?;
                    let mut content = Vec::new();
                    file.read_to_end(&mut content).map_err(io)?;
                    Some(PackedFile { file, content })
                }
            };
        }
        Ok(self.packed.as_ref().map(|packed| &*packed.content).unwrap_or_default())
    }

    fn forget(&mut self, folder: &Path) {
        self.flushed.retain(|flushed| !folder.starts_with(flushed));
    }
}

fn read_loose(git_dir: &Path, name: &str) -> Result<Option<CommitId>, ReadRefError> {
    let path = git_dir.join(name);
    let content = match read_file(&path) {
        Ok(content) => content,
        Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::IsADirectory => return Ok(None),
        Err(source) => return Err(ReadRefError::Io { path, source }),
    };
    let text = String::from_utf8_lossy(&content);
    match text.trim_end().parse() {
        Ok(commit) => Ok(Some(commit)),
        Err(_) => Err(ReadRefError::NotAnId {
            name: name.to_owned(),
            found: text.trim_end().chars().take(80).collect(),
        }),
    }
}

/// Returns what a file holds that is not a link.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let no_links = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut content = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(no_links).open(path);
    file.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut content))?;
    Ok(content)
}

fn read_packed(git_dir: &Path) -> Result<Vec<u8>, ReadRefError> {
    let path = git_dir.join("packed-refs");
    match std::fs::read(&path) {
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        read => read.map_err(|source| ReadRefError::Io { path, source }),
    }
}

fn list_loose(
    git_dir: &Path,
    folder: &str,
    refs: &mut BTreeMap<String, CommitId>,
) -> Result<(), ReadRefError> {
    let path = git_dir.join(folder);
    let io = |source| ReadRefError::Io { path: path.clone(), source };
    let entries = match std::fs::read_dir(&path) {
        Err(error) if is_absent(&error) => return Ok(()),
        entries => entries.map_err(io)?,
    };
    for entry in entries {
        let entry = entry.map_err(io)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = format!("{folder}/{name}");
        if entry.file_type().map_err(io)?.is_dir() {
            list_loose(git_dir, &name, refs)?;
        } else if let Ok(Some(commit)) = read_loose(git_dir, &name)
            && !name.ends_with(".lock")
        {
            refs.insert(name, commit);
        }
    }
    Ok(())
}

/// Gives the file of a ref its name, in place of empty folders that are there.
fn name_ref(made: &Path, path: &Path) -> io::Result<()> {
    match std::fs::rename(made, path) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            remove_empty_folders(path)?;
            std::fs::rename(made, path)
        }
        named => named,
    }
}

fn remove_empty_folders(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        remove_empty_folders(&entry?.path())?;
    }
    std::fs::remove_dir(folder)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns why a file of a ref cannot be there: mostly because another ref is in the way.
fn blocked(name: &str, path: &Path, source: io::Error) -> MoveRefError {
    match source.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            let other = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
            MoveRefError::Occupied { name: name.to_owned(), other }
        }
        _ => failed(path, source),
    }
}

fn failed(path: &Path, source: io::Error) -> MoveRefError {
    MoveRefError::Write { path: path.to_owned(), source }
}

/// Returns the error once more, for another ref of the batch that it has struck.
fn again(error: &MoveRefError) -> MoveRefError {
    match error {
        MoveRefError::Occupied { name, other } => {
            MoveRefError::Occupied { name: name.clone(), other: other.clone() }
        }
        MoveRefError::Locked { name, path } => {
            MoveRefError::Locked { name: name.clone(), path: path.clone() }
        }
        MoveRefError::Write { path, source } => {
            let source = io::Error::new(source.kind(), source.to_string());
            MoveRefError::Write { path: path.clone(), source }
        }
        MoveRefError::Elsewhere { .. } | MoveRefError::Lock(_) | MoveRefError::Read(_) => {
            let source = io::Error::other(error.to_string());
            MoveRefError::Write { path: PathBuf::from("packed-refs"), source }
        }
    }
}

fn place(commit: &Option<CommitId>) -> String {
    commit.map_or_else(|| "no commit".to_owned(), |commit| commit.to_string())
}
