//! A folder outside the repository that holds files of a commit, and is brought from one commit to another.
//!
//! It remembers what it was given and what each file looked like then. So only files that differ are written, and only those
//! that were touched are read back. What somebody has put there is removed without following a link.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use git2::Oid;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::directory::{self, DirectoryChanges, DirectoryError, Given, Skipped, failed};
use crate::file_stamp::FileStamp;
use crate::lock;
use crate::merge_policy::PathPattern;
use crate::object::{ObjectError, Objects};
use crate::path::{DEPTH_MAX, RepoPath};
use crate::tree::Item;

/// How often it is looked whether the clock has ticked, which it does every few milliseconds on most file systems.
const TICK_TRIES: u32 = 40;

/// A folder and what it was given.
#[derive(Debug)]
pub(crate) struct Checkout {
    folder: PathBuf,
    given: BTreeMap<RepoPath, Given>,
    /// How many bytes there are in the files that it was given.
    bytes: u64,
}

/// What a folder is to hold.
pub(crate) struct Wanted {
    files: BTreeMap<RepoPath, Item>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Wanted {
    /// Returns the files of a tree whose paths one of the patterns is for; all of them where there is no pattern.
    pub(crate) fn of(objects: &Objects<'_>, tree: Oid, paths: &[PathPattern]) -> Result<Self, ObjectError> {
        let mut wanted = Self { files: BTreeMap::new(), skipped: Vec::new() };
        directory::walk(objects, tree, &mut |found| {
            match found {
                Ok((path, item)) => {
                    if paths.is_empty() || paths.iter().any(|pattern| pattern.is_for(path.as_str())) {
                        wanted.files.insert(path, item);
                    }
                }
                Err(skipped) => wanted.skipped.push(skipped),
            }
            Ok::<(), ObjectError>(())
        })?;
        Ok(wanted)
    }
}

impl Checkout {
    /// Returns a new, empty folder.
    pub(crate) fn create(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, given: BTreeMap::new(), bytes: 0 })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether it was given no file.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Returns what it was given.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&RepoPath, Item)> {
        self.given.iter().map(|(path, given)| (path, given.item))
    }

    /// Gives the folder another name.
    pub(crate) fn rename(&mut self, folder: PathBuf) -> io::Result<()> {
        std::fs::rename(&self.folder, &folder)?;
        self.folder = folder;
        Ok(())
    }

    /// Returns how many bytes there are in the files that it was given.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Brings the folder, which is new or was scrubbed, to other files. `reserve` is asked before each is written.
    pub(crate) fn update<E: From<DirectoryError> + From<ObjectError>>(
        &mut self,
        objects: &Objects<'_>,
        wanted: &Wanted,
        reserve: &mut dyn FnMut(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let is_wanted = |path: &RepoPath, given: &Given| wanted.files.get(path) == Some(&given.item);
        let gone: Vec<RepoPath> = self
            .given
            .iter()
            .filter(|(path, given)| !is_wanted(path, given))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.remove(&path)?;
        }
        let mut made = BTreeSet::new();
        let mut written = Vec::new();
        for (path, item) in &wanted.files {
            if self.given.contains_key(path) {
                continue;
            }
            let content = objects.blob(item.id)?;
            reserve(content.len() as u64)?;
            let target = self.folder.join(path.as_str());
            let parent = target.parent().expect("a file is below the folder");
            if made.insert(parent.to_owned()) {
                std::fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
            }
            let stamp = directory::write_file(&target, &content, item.mode)
                .and_then(|file| FileStamp::of_file(&file))
                .map_err(|source| failed(&target, source))?;
            self.given.insert(path.clone(), Given { item: *item, stamp: None });
            self.bytes += content.len() as u64;
            written.push((path, stamp));
        }
        let end = self.stamp_after(written.last().map(|(_, stamp)| *stamp))?;
        for (path, stamp) in written {
            let given = self.given.get_mut(path).expect("it was written just now");
            given.stamp = end.filter(|end| stamp.is_before(end)).map(|_| stamp);
        }
        Ok(())
    }

    /// Returns the edits that somebody has made since the last update.
    pub(crate) fn changes(
        &self,
        repository: &git2::Repository,
        bytes_max: u64,
    ) -> Result<DirectoryChanges, DirectoryError> {
        directory::changes(repository, &self.given, &self.folder, bytes_max)
    }

    /// Removes everything that is not as it was given, so that nothing of an earlier use is left.
    pub(crate) fn scrub(&mut self) -> Result<(), DirectoryError> {
        let root = open_folder(&self.folder).map_err(|source| failed(&self.folder, source))?;
        let mut scrub = Scrub { given: &self.given, untouched: BTreeSet::new() };
        scrub.folder(&root, "", 0).map_err(|source| failed(&self.folder, source))?;
        let untouched = scrub.untouched;
        self.given.retain(|path, _| untouched.contains(path));
        self.bytes = self.given.values().filter_map(|given| given.stamp).map(|stamp| stamp.size()).sum();
        Ok(())
    }

    /// Removes a file that was given, and the folders that become empty by it.
    fn remove(&mut self, path: &RepoPath) -> Result<(), DirectoryError> {
        let target = self.folder.join(path.as_str());
        std::fs::remove_file(&target).map_err(|source| failed(&target, source))?;
        let stamp = self.given.remove(path).and_then(|given| given.stamp);
        self.bytes -= stamp.map_or(0, |stamp| stamp.size());
        for folder in target.ancestors().skip(1).take_while(|folder| **folder != self.folder) {
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Waits until the clock of the file system has ticked since a file was written, and returns what a file looks like that
    /// is made then; `None` if it does not tick for long.
    fn stamp_after(&self, last: Option<FileStamp>) -> Result<Option<FileStamp>, DirectoryError> {
        let Some(last) = last else { return Ok(None) };
        let path = self.folder.with_extension("now");
        for _ in 0..TICK_TRIES {
            let stamp = File::create(&path).and_then(|file| FileStamp::of_file(&file));
            let removed = std::fs::remove_file(&path);
            let stamp =
                stamp.and_then(|stamp| removed.map(|()| stamp)).map_err(|source| failed(&path, source))?;
            if last.is_before(&stamp) {
                return Ok(Some(stamp));
            }
            lock::pause(0);
        }
        Ok(None)
    }
}

/// A folder being cleared of what was not given.
struct Scrub<'a> {
    given: &'a BTreeMap<RepoPath, Given>,
    untouched: BTreeSet<RepoPath>,
}

impl Scrub<'_> {
    /// Returns whether anything is left in the folder.
    fn folder(&mut self, folder: &OwnedFd, prefix: &str, depth: usize) -> io::Result<bool> {
        let mut remains = false;
        // The names first: removing while listing may hide some.
        for name in names(folder)? {
            let stat = rustix::fs::statat(folder, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
            let path = std::str::from_utf8(name.as_bytes())
                .ok()
                .and_then(|name| RepoPath::new(&format!("{prefix}{name}")).ok());
            let kept = match (path, FileType::from_raw_mode(stat.st_mode)) {
                (Some(path), FileType::Directory) if depth < DEPTH_MAX && self.has_below(&path) => {
                    let below = open_below(folder, &name)?;
                    self.folder(&below, &format!("{path}/"), depth + 1)?
                }
                (Some(path), FileType::RegularFile) => {
                    let stamp = self.given.get(&path).and_then(|given| given.stamp);
                    stamp == Some(FileStamp::of(&stat)) && self.untouched.insert(path)
                }
                _ => false,
            };
            if !kept {
                remove_below(folder, &name, 0)?;
            }
            remains |= kept;
        }
        Ok(remains)
    }

    fn has_below(&self, folder: &RepoPath) -> bool {
        let after = self.given.range(folder.clone()..).map(|(path, _)| path.as_str());
        let mut rests = after.map_while(|path| path.strip_prefix(folder.as_str()));
        rests.any(|rest| rest.starts_with('/'))
    }
}

/// Removes a folder with all that is in it, also where its owner has made parts of it unwritable.
pub(crate) fn remove_all(folder: &Path) -> io::Result<()> {
    let Some((parent, name)) = folder.parent().zip(folder.file_name()) else {
        return Err(io::Error::other("it has no name"));
    };
    let name = std::ffi::CString::new(name.as_encoded_bytes())?;
    match open_folder(parent).and_then(|parent| remove_below(&parent, &name, 0)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// How deep a folder may be that is removed: each level costs an open folder.
const REMOVED_DEPTH_MAX: usize = 900;

fn remove_below(folder: &OwnedFd, name: &std::ffi::CStr, depth: usize) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => {}
        Err(error) => return Err(error.into()),
    }
    if depth > REMOVED_DEPTH_MAX {
        return Err(io::Error::other("folders are nested too deeply"));
    }
    let below = match open_below(folder, name) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
            open_below(folder, name)?
        }
        opened => opened?,
    };
    for name in names(&below)? {
        match remove_below(&below, &name, depth + 1) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                rustix::fs::fchmod(&below, Mode::RWXU)?;
                remove_below(&below, &name, depth + 1)?;
            }
            removed => removed?,
        }
    }
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}

/// Returns how many bytes the files of a folder take, links not followed.
pub(crate) fn bytes_below(folder: &Path) -> io::Result<u64> {
    bytes_in(&open_folder(folder)?, 0)
}

fn bytes_in(folder: &OwnedFd, depth: usize) -> io::Result<u64> {
    let mut bytes = 0;
    for name in names(folder)? {
        // Whoever works there may remove what was just listed.
        let Ok(stat) = rustix::fs::statat(folder, &*name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        bytes += u64::try_from(stat.st_size).unwrap_or(0);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            && depth < REMOVED_DEPTH_MAX
            && let Ok(below) = open_below(folder, &name)
        {
            bytes += bytes_in(&below, depth + 1)?;
        }
    }
    Ok(bytes)
}

fn names(folder: &OwnedFd) -> io::Result<Vec<std::ffi::CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, FOLDER, Mode::empty())?)
}

fn open_below(folder: &OwnedFd, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?)
}
