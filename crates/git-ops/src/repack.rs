//! Packing anew, with differences instead of whole objects, so that a repository grows by what was changed.
//!
//! Packs of batches are made in haste, of whole objects, because somebody waits. Here similar ones are found and stored as
//! what differs. Only such packs are taken, and with them every smaller one and those that would be left less than twice as
//! large as what is before them, so that each object is packed anew a few times in its life. Nothing is dropped: also what no ref
//! reaches any more stays, for git to collect when its time has come.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{ObjectType, Oid};

use crate::durability;
use crate::id::CommitId;
use crate::lock::{self, HeldLock, LockError};
use crate::object::{ObjectError, Objects};
use crate::object_cache::ObjectCache;
use crate::pack::{self, DamagedPack, Pack};
use crate::pack_folder::{JoinPacksError, PackFolder};
use crate::path::DEPTH_MAX;
use crate::repository::{ReadError, Repository};
use crate::tree;

/// How many bytes of packs made in haste are worth packing anew without being asked to.
const DUE_BYTES: u64 = 8 << 20;
/// How often it is tried again when others have joined some of the packs meanwhile.
const TRIES: u32 = 5;
/// Where the new pack is made, in the folder of our own.
const FOLDER_NAME: &str = "repack";
/// As git has it for packs.
const PERMISSIONS: u32 = 0o444;

/// What packing anew came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repacked {
    /// How many packs were replaced by one.
    pub packs: usize,
    /// How many objects they held, each counted once.
    pub objects: usize,
    /// How many bytes there were in them.
    pub bytes_before: u64,
    /// How many bytes there are in the new one.
    pub bytes_after: u64,
}

/// Why packs were not packed anew. Nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum RepackError {
    /// Packs cannot be read, written or removed.
    #[error(transparent)]
    Packs(#[from] JoinPacksError),
    /// The repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object cannot be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The lock of the writer was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// libgit2 cannot make the pack.
    #[error("similar objects cannot be packed together")]
    Git(#[from] git2::Error),
    /// The new pack does not hold what the old ones do.
    #[error("the new pack lacks {missing} objects")]
    Incomplete {
        /// How many are missing.
        missing: usize,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Repository {
    /// Packs anew what was packed in haste, as differences between similar objects, and returns what that came to.
    ///
    /// Others can write meanwhile; the lock is held only while the new pack takes the place of the old ones. Where another
    /// process is at it, nothing is done.
    pub fn repack(&self) -> Result<Repacked, RepackError> {
        self.repack_unless(&AtomicBool::new(false))
    }

    /// As [`Repository::repack`], but gives up, with an error, soon after it is not wanted any more.
    fn repack_unless(&self, is_unwanted: &AtomicBool) -> Result<Repacked, RepackError> {
        let packs = PackFolder::new(self.git_dir());
        let folder = Workshop::open(self.git_dir())?;
        let Some(workshop) = folder else { return Ok(Repacked::default()) };
        for _ in 0..TRIES {
            match self.try_repack(&packs, &workshop, is_unwanted) {
                Ok(Some(repacked)) => return Ok(repacked),
                Ok(None) => {}
                Err(RepackError::Packs(error)) if error.is_vanished() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Repacked::default())
    }

    /// Returns what came of it, `None` if others have joined some of the packs meanwhile.
    fn try_repack(
        &self,
        packs: &PackFolder,
        workshop: &Workshop,
        is_unwanted: &AtomicBool,
    ) -> Result<Option<Repacked>, RepackError> {
        let chosen = packs.to_repack()?;
        if chosen.is_empty() {
            return Ok(Some(Repacked::default()));
        }
        let ids = packs.ids_of(&chosen)?;
        let pack = self.pack_similar(&ids, workshop, is_unwanted)?;
        let is_replaced = packs.replace(&chosen, &pack, &HeldLock::acquire(self.git_dir())?)?;
        Ok(is_replaced.then(|| Repacked {
            packs: chosen.len(),
            objects: ids.len(),
            bytes_before: chosen.iter().map(|listed| listed.bytes).sum(),
            bytes_after: pack.bytes.len() as u64,
        }))
    }

    /// Packs anew if there is enough to be gained and the repository does not forbid it by `gc.auto=0`.
    pub(crate) fn repack_if_due(&self, is_unwanted: &AtomicBool) -> Result<Repacked, RepackError> {
        let is_forbidden = self.open_raw()?.config().and_then(|config| config.get_i64("gc.auto")) == Ok(0);
        let chosen = PackFolder::new(self.git_dir()).to_repack()?;
        if is_forbidden || chosen.iter().map(|listed| listed.bytes).sum::<u64>() < DUE_BYTES {
            return Ok(Repacked::default());
        }
        self.repack_unless(is_unwanted)
    }

    /// Returns a pack with these objects, made by libgit2 and checked by its indexer.
    fn pack_similar(
        &self,
        ids: &BTreeSet<Oid>,
        workshop: &Workshop,
        is_unwanted: &AtomicBool,
    ) -> Result<Pack, RepackError> {
        let raw = self.open_raw()?;
        let names = Names::of(&raw, ids)?;
        let mut builder = raw.packbuilder()?;
        builder.set_threads(1);
        // Looking for what is similar is what takes long.
        builder.set_progress_callback(|_, _, _| !is_unwanted.load(Ordering::Relaxed))?;
        for id in ids {
            builder.insert_object(*id, names.get(*id))?;
        }
        let mut bytes = Vec::new();
        builder.foreach(|part| {
            bytes.extend_from_slice(part);
            true
        })?;
        let index = workshop.index(&raw, &bytes)?;
        let held: BTreeSet<Oid> =
            pack::ids(&index).map_err(|DamagedPack(reason)| workshop.damaged(reason))?.into_iter().collect();
        let missing = ids.difference(&held).count();
        if missing > 0 {
            return Err(RepackError::Incomplete { missing });
        }
        Ok(Pack::with_index(bytes, index))
    }
}

/// The paths of objects: those of one path are similar.
struct Names<'a> {
    objects: &'a Objects<'a>,
    wanted: &'a BTreeSet<Oid>,
    found: HashMap<Oid, String>,
}

impl Names<'_> {
    /// Finds them by what each commit has changed. What none of the commits has brought gets no name.
    fn of(raw: &git2::Repository, wanted: &BTreeSet<Oid>) -> Result<FoundNames, RepackError> {
        let known = ObjectCache::default();
        let objects = Objects::open(raw, &known)?;
        let odb = raw.odb()?;
        let mut names = Names { objects: &objects, wanted, found: HashMap::new() };
        for id in wanted {
            let (_, kind) = odb.read_header(*id)?;
            if kind == ObjectType::Commit {
                names.commit(CommitId::from_oid(*id))?;
            }
        }
        Ok(FoundNames(names.found))
    }

    fn commit(&mut self, id: CommitId) -> Result<(), RepackError> {
        let commit = self.objects.commit(id)?;
        let parent = match commit.parents.first() {
            // The history may be cut off there.
            Some(parent) => self.objects.commit(*parent).ok().map(|parent| parent.tree),
            None => None,
        };
        self.folder(b"", commit.tree, parent, 0)
    }

    fn folder(
        &mut self,
        path: &[u8],
        tree: Oid,
        before: Option<Oid>,
        depth: usize,
    ) -> Result<(), RepackError> {
        // One that has its name has shown what is in it.
        if Some(tree) == before || depth > DEPTH_MAX || !self.name(tree, path) {
            return Ok(());
        }
        for (name, [now, before]) in tree::align([self.objects.tree(Some(tree))?, self.objects.tree(before)?])
        {
            let Some(now) = now.filter(|now| Some(*now) != before) else { continue };
            let path = if path.is_empty() { name } else { [path, &name].join(&b'/') };
            if now.is_folder() {
                let before = before.filter(|before| before.is_folder()).map(|before| before.id);
                self.folder(&path, now.id, before, depth + 1)?;
            } else {
                self.name(now.id, &path);
            }
        }
        Ok(())
    }

    /// Names an object that is wanted, and returns whether it was.
    fn name(&mut self, id: Oid, path: &[u8]) -> bool {
        let is_wanted = self.wanted.contains(&id);
        if is_wanted {
            self.found.entry(id).or_insert_with(|| String::from_utf8_lossy(path).into_owned());
        }
        is_wanted
    }
}

/// The paths that were found.
struct FoundNames(HashMap<Oid, String>);

impl FoundNames {
    fn get(&self, id: Oid) -> Option<&str> {
        // A NUL would end it in the middle of libgit2.
        self.0.get(&id).map(String::as_str).filter(|name| !name.contains('\0'))
    }
}

/// A folder in which one process at a time makes a pack.
struct Workshop {
    path: PathBuf,
    _lock: File,
}

impl Workshop {
    /// Returns the folder, empty, or `None` if another process is at work there.
    fn open(git_dir: &Path) -> Result<Option<Self>, RepackError> {
        let path = git_dir.join(lock::FOLDER_NAME).join(FOLDER_NAME);
        let io = |source| RepackError::Io { path: path.clone(), source };
        // What a link leads to would be emptied.
        lock::own_folder(git_dir).and_then(|own| lock::plain_folder(own.join(FOLDER_NAME))).map_err(io)?;
        let folder = File::open(&path).map_err(io)?;
        match folder.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
            Ok(()) => {}
        }
        let workshop = Self { path, _lock: folder };
        workshop.clear()?;
        Ok(Some(workshop))
    }

    /// Returns the index of a pack. Every object is taken apart for it, so a pack that has an index is sound.
    fn index(&self, raw: &git2::Repository, pack: &[u8]) -> Result<Vec<u8>, RepackError> {
        let odb = raw.odb()?;
        let mut indexer = git2::Indexer::new(Some(&odb), &self.path, PERMISSIONS, false)?;
        let io = |source| RepackError::Io { path: self.path.clone(), source };
        std::io::Write::write_all(&mut indexer, pack).map_err(io)?;
        let name = indexer.commit()?;
        let index = std::fs::read(self.path.join(format!("pack-{name}.idx"))).map_err(io)?;
        self.clear()?;
        Ok(index)
    }

    fn clear(&self) -> Result<(), RepackError> {
        let io = |source| RepackError::Io { path: self.path.clone(), source };
        for entry in std::fs::read_dir(&self.path).map_err(io)? {
            durability::remove_if_there(&entry.map_err(io)?.path()).map_err(io)?;
        }
        Ok(())
    }

    fn damaged(&self, reason: &str) -> RepackError {
        JoinPacksError::Damaged { path: self.path.clone(), reason: reason.to_owned() }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use crate::{CommitQueue, Preparation};

    /// Commits changes to one line of a file of many, and returns how many bytes the packs have grown by.
    fn grow(test: &TestRepository, commits: usize) -> u64 {
        let before = bytes(test);
        let queue = CommitQueue::start(&test.repository).unwrap();
        let mut base = test.repository.tip(&work()).unwrap().unwrap();
        for n in 0..commits {
            let text = lines(n % 7).replace("line 30 ", &format!("line 30 of {n} "));
            let request = commit_request(base, &[write(&format!("dir/file{}", n % 7), &text)]);
            let Ok(Preparation::Commit { id, .. }) = queue.commit(request) else { panic!() };
            base = id;
        }
        drop(queue);
        bytes(test) - before
    }

    fn lines(file: usize) -> String {
        let mut random = Random(file as u64);
        (0..60).map(|n| format!("line {n} {:x}\n", random.below(1 << 40))).collect()
    }

    fn bytes(test: &TestRepository) -> u64 {
        let folder = std::fs::read_dir(test.repository.git_dir().join("objects/pack")).unwrap();
        folder.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    fn repository() -> TestRepository {
        let files: Vec<(String, String)> = (0..7).map(|n| (format!("dir/file{n}"), lines(n))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
        TestRepository::new(&files)
    }

    #[test]
    fn packed_anew_a_commit_takes_a_fraction_and_nothing_is_lost() {
        let test = repository();
        let grown = grow(&test, 150);
        let objects = test.git(&["cat-file", "--batch-all-objects", "--batch-check"]).1;
        let repacked = test.repository.repack().unwrap();
        assert!(repacked.packs > 0 && repacked.objects > 400, "{repacked:?}");
        assert!(repacked.bytes_after * 2 < repacked.bytes_before, "{repacked:?} of {grown}");
        assert_eq!(test.git(&["cat-file", "--batch-all-objects", "--batch-check"]).1, objects);
        assert_eq!(test.git(&["rev-list", "--count", "work"]).1.trim(), "151");
        test.check_invariants();
        assert_eq!(test.repository.repack().unwrap(), Repacked::default(), "it is done");
        grow(&test, 20);
        assert!(test.repository.repack().unwrap().packs > 0);
        test.check_invariants();
    }

    #[test]
    fn whoever_joins_packs_meanwhile_does_not_disturb() {
        let test = repository();
        for round in 0..3 {
            grow(&test, 40);
            std::thread::scope(|scope| {
                scope.spawn(|| (0..20).for_each(|_| drop(test.repository.join_packs())));
                for _ in 0..4 {
                    test.repository.repack().unwrap();
                }
            });
            let count = test.git(&["rev-list", "--count", "work"]).1;
            assert_eq!(count.trim(), (1 + 40 * (round + 1)).to_string());
            test.check_invariants();
        }
    }

    #[test]
    fn what_nothing_reaches_is_kept_and_packs_of_git_that_are_much_larger_are_left_alone() {
        let test = repository();
        assert!(test.git(&["repack", "-adfq"]).0);
        let large: String = (0..20_000).map(|n| format!("{:x}\n", Random(n).below(1 << 50))).collect();
        std::fs::write(test.path().join("large"), large).unwrap();
        assert!(test.git(&["add", "large"]).0 && test.git(&["commit", "-qm", "large"]).0);
        assert!(test.git(&["repack", "-adfq"]).0);
        let kept = std::fs::read_dir(test.repository.git_dir().join("objects/pack")).unwrap();
        let kept: Vec<PathBuf> = kept.map(|entry| entry.unwrap().path()).collect();
        let mut writer = test.writer();
        let unpublished = writer.prepare(&work(), &[land_request(test.pin(test.first, &[write("x", "x")]))]);
        let unpublished = unpublished.unwrap();
        grow(&test, 10);
        assert!(test.repository.repack().unwrap().packs > 1);
        assert!(
            kept.iter()
                .filter(|path| path.extension().is_some_and(|kind| kind == "pack"))
                .all(|path| path.exists())
        );
        let (found, said) = test.git(&["cat-file", "-e", &unpublished.new_tip.to_string()]);
        assert!(found, "{said}");
        test.check_invariants();
    }

    #[test]
    fn a_repository_that_wants_no_collecting_is_packed_only_when_asked_to() {
        let test = repository();
        assert!(test.git(&["config", "gc.auto", "0"]).0);
        grow(&test, 10);
        assert_eq!(test.repository.repack_if_due(&AtomicBool::new(false)).unwrap(), Repacked::default());
        let held = Workshop::open(test.repository.git_dir()).unwrap().unwrap();
        assert_eq!(test.repository.repack().unwrap(), Repacked::default(), "somebody else is at it");
        std::fs::write(held.path.join("tmp_left"), "by a killed process").unwrap();
        drop(held);
        assert!(test.repository.repack().unwrap().packs > 1);
        test.check_invariants();
    }
}
