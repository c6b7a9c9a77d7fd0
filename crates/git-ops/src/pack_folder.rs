//! The folder of packs: writing one durably, and joining small ones before they become many.
//!
//! Every object that is looked up costs a search in each pack, so the number of packs has to stay small. When there are
//! too many, the small ones are joined into one by copying, so that of any two left one is at least twice as large. A pack
//! is removed only when each of its objects is in another one that is flushed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use git2::Oid;

use crate::durability;
use crate::lock::{self, HeldLock, LockError};
use crate::object::ObjectError;
use crate::pack::{self, DamagedPack, Pack};

/// Packs are joined when there are more than this.
const PACKS_MAX: usize = 24;
/// A pack larger than this is never joined with others.
const JOINED_BYTES_MAX: u64 = 512 << 20;
/// Git never writes to a pack again, and marks it so.
const PERMISSIONS: u32 = 0o444;
/// What a file is called before it is complete. Git removes files of such names when they are old, and does not take one for
/// an index that does not end as one.
const TEMPORARY: &str = "tmp_super-planner_";

/// The folder `objects/pack` of a repository.
#[derive(Debug, Clone)]
pub(crate) struct PackFolder {
    path: PathBuf,
}

/// Why small packs were not joined. Nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum JoinPacksError {
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lock of the writer was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A pack is not what it should be.
    #[error("the pack {} is damaged: {reason}", path.display())]
    Damaged {
        /// The pack.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl JoinPacksError {
    /// Returns whether a file has gone between two looks, as where another process has joined its pack with others.
    pub(crate) fn is_vanished(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl From<DamagedPack> for JoinPacksError {
    fn from(DamagedPack(reason): DamagedPack) -> Self {
        Self::Damaged { path: PathBuf::from("objects/pack"), reason: reason.to_owned() }
    }
}

/// A pack of the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) bytes: u64,
    name: String,
}

impl PackFolder {
    pub(crate) fn new(git_dir: &Path) -> Self {
        Self { path: git_dir.join("objects/pack") }
    }

    /// Writes a pack and its index and flushes both and their names.
    ///
    /// The index gets its name last, because a pack is there for git when its index is. A pack of that name holds the
    /// same objects and is replaced, as whoever wrote it may not have flushed it.
    pub(crate) fn store(&self, pack: &Pack) -> Result<(), ObjectError> {
        let store = || -> io::Result<()> {
            let write = |extension, content| {
                durability::write_new(&self.temporary(&pack.name, extension), content, PERMISSIONS)
            };
            // Two files that are flushed at once share one commit of the file system's journal.
            let (index, bytes) = std::thread::scope(|scope| {
                let index = scope.spawn(|| write("idx", &pack.index));
                let bytes = write("pack", &pack.bytes);
                (index.join().expect("writing a file does not panic"), bytes)
            });
            bytes.and(index)?;
            for extension in ["pack", "idx"] {
                std::fs::rename(self.temporary(&pack.name, extension), self.file(&pack.name, extension))?;
            }
            durability::flush_folder(&self.path)
        };
        store().map_err(|source| ObjectError::WritePack { path: self.file(&pack.name, "pack"), source })
    }

    /// Protects a pack from a collector that runs beside us until a ref reaches its objects.
    pub(crate) fn keep(&self, name: &str, lock: &HeldLock) -> Result<(), ObjectError> {
        let path = self.file(name, "keep");
        match lock.lock_beside(&path) {
            // Somebody else protects a pack with the same objects.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            kept => kept.map_err(|source| ObjectError::WritePack { path, source }),
        }
    }

    /// Takes our protection back.
    pub(crate) fn release(&self, name: &str) -> Result<(), ObjectError> {
        let path = self.file(name, "keep");
        lock::remove_if_marked(&path).map_err(|source| ObjectError::WritePack { path, source })
    }

    /// Removes what a dead writer left: files that never got their name, and protections that are ours.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for entry in read_folder(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with(TEMPORARY) {
                durability::remove_if_there(&path)?;
            } else if name.ends_with(".keep") {
                lock::remove_if_marked(&path)?;
            }
        }
        Ok(())
    }

    /// Joins small packs into one if there are too many. Returns how many were replaced.
    pub(crate) fn join_small(&self, git_dir: &Path) -> Result<usize, JoinPacksError> {
        let listed = self.list()?;
        if listed.len() <= PACKS_MAX {
            return Ok(0);
        }
        let (mut joined, mut whole) = (Joined::default(), Vec::new());
        for listed in &listed[..small(&listed)] {
            if self.add(&mut joined, &listed.name)? {
                whole.push(listed.clone());
            }
        }
        if whole.len() < 2 {
            return Ok(0);
        }
        let is_replaced = self.replace(&whole, &joined.pack(), &HeldLock::acquire(git_dir)?)?;
        Ok(if is_replaced { whole.len() } else { 0 })
    }

    /// Returns the packs to be packed anew, from the smallest: those that were made in haste, and what would be small beside
    /// the outcome.
    pub(crate) fn to_repack(&self) -> Result<Vec<Listed>, JoinPacksError> {
        let mut listed = self.list()?;
        listed.retain(|pack| pack.bytes <= JOINED_BYTES_MAX);
        let mut hasty = 0;
        for (at, pack) in listed.iter().enumerate() {
            if self.is_hasty(&pack.name)? {
                hasty = at + 1;
            }
        }
        if hasty == 0 {
            return Ok(Vec::new());
        }
        listed.truncate(hasty.max(small(&listed)));
        Ok(listed)
    }

    /// Returns the objects of several packs.
    pub(crate) fn ids_of(&self, packs: &[Listed]) -> Result<BTreeSet<Oid>, JoinPacksError> {
        let mut ids = BTreeSet::new();
        for Listed { name, .. } in packs {
            ids.extend(pack::ids(&self.read(name, "idx")?).map_err(|damaged| self.damaged(name, damaged))?);
        }
        Ok(ids)
    }

    /// Puts a pack in the place of others, each of whose objects is in it. Returns false, with nothing done, if somebody else
    /// has replaced one of them meanwhile.
    ///
    /// The lock keeps others of ours from sweeping away what is not complete yet.
    pub(crate) fn replace(
        &self,
        old: &[Listed],
        new: &Pack,
        _lock: &HeldLock,
    ) -> Result<bool, JoinPacksError> {
        if old.iter().any(|old| !self.file(&old.name, "idx").exists()) {
            return Ok(false);
        }
        self.store(new).map_err(|error| match error {
            ObjectError::WritePack { path, source } => JoinPacksError::Io { path, source },
            other => JoinPacksError::Damaged { path: self.path.clone(), reason: other.to_string() },
        })?;
        for Listed { name, .. } in old.iter().filter(|old| old.name != new.name) {
            self.remove(name)?;
        }
        Ok(true)
    }

    /// Returns the packs that may be joined, from the smallest.
    fn list(&self) -> Result<Vec<Listed>, JoinPacksError> {
        self.try_list().map_err(|source| JoinPacksError::Io { path: self.path.clone(), source })
    }

    fn try_list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        // Git looks in vain for a pack that is gone but still listed there.
        let multi_pack_index = std::fs::read(self.path.join("multi-pack-index")).unwrap_or_default();
        for entry in read_folder(&self.path)? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().into_owned();
            let name = file.strip_prefix("pack-").and_then(|rest| rest.strip_suffix(".pack"));
            let Some(name) = name else { continue };
            let kept = ["keep", "promisor", "mtimes"].iter().any(|mark| self.file(name, mark).exists());
            let named = multi_pack_index.windows(name.len()).any(|window| window == name.as_bytes());
            if !kept && !named && self.file(name, "idx").exists() {
                // A pack can vanish while another program joins packs.
                let Ok(metadata) = entry.metadata() else { continue };
                listed.push(Listed { bytes: metadata.len(), name: name.to_owned() });
            }
        }
        listed.sort();
        Ok(listed)
    }

    /// Adds the objects of a pack, and returns whether it holds whole ones only; otherwise none was added.
    fn add(&self, joined: &mut Joined, name: &str) -> Result<bool, JoinPacksError> {
        let (bytes, index) = (self.read(name, "pack")?, self.read(name, "idx")?);
        let objects = pack::whole_objects(&bytes, &index).map_err(|damaged| self.damaged(name, damaged))?;
        let Some(objects) = objects else { return Ok(false) };
        for (id, range) in objects {
            if joined.ids.insert(id) {
                joined.objects.push((id, bytes[range].to_vec()));
            }
        }
        Ok(true)
    }

    fn is_hasty(&self, name: &str) -> Result<bool, JoinPacksError> {
        let path = self.file(name, "pack");
        let io = |source| JoinPacksError::Io { path: path.clone(), source };
        let (file, index) = (File::open(&path).map_err(io)?, self.read(name, "idx")?);
        pack::is_hasty(&index, |place| {
            let mut head = [0; pack::HEAD_BYTES];
            file.read_exact_at(&mut head, place).map_err(io)?;
            Ok(head)
        })
    }

    fn read(&self, name: &str, extension: &str) -> Result<Vec<u8>, JoinPacksError> {
        let path = self.file(name, extension);
        std::fs::read(&path).map_err(|source| JoinPacksError::Io { path, source })
    }

    fn damaged(&self, name: &str, DamagedPack(reason): DamagedPack) -> JoinPacksError {
        JoinPacksError::Damaged { path: self.file(name, "pack"), reason: reason.to_owned() }
    }

    /// Removes a pack whose objects are all elsewhere. Without its index git does not see it any more.
    fn remove(&self, name: &str) -> Result<(), JoinPacksError> {
        for extension in ["idx", "rev", "bitmap", "pack"] {
            let path = self.file(name, extension);
            durability::remove_if_there(&path).map_err(|source| JoinPacksError::Io { path, source })?;
        }
        Ok(())
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.path.join(format!("pack-{name}.{extension}"))
    }

    fn temporary(&self, name: &str, extension: &str) -> PathBuf {
        self.path.join(format!("{TEMPORARY}{name}_{extension}"))
    }
}

/// The objects of several packs, each once.
#[derive(Default)]
struct Joined {
    ids: BTreeSet<Oid>,
    objects: Vec<(Oid, Vec<u8>)>,
}

impl Joined {
    fn pack(&self) -> Pack {
        Pack::new(self.objects.iter().map(|(id, packed)| (*id, &**packed)))
    }
}

/// Returns how many of the packs, from the smallest, are to be joined: as few as leave each of the others twice as large as
/// all before it together.
fn small(listed: &[Listed]) -> usize {
    let mut joined = 0;
    let mut before = 0;
    for (at, pack) in listed.iter().enumerate().filter(|(_, pack)| pack.bytes <= JOINED_BYTES_MAX) {
        if pack.bytes < 2 * before {
            joined = at + 1;
        }
        before += pack.bytes;
    }
    joined
}

fn read_folder(path: &Path) -> io::Result<impl Iterator<Item = io::Result<std::fs::DirEntry>>> {
    match std::fs::read_dir(path) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn packs(test: &TestRepository) -> usize {
        PackFolder::new(test.repository.git_dir()).list().unwrap().len()
    }

    #[test]
    fn packs_stay_few_and_no_object_is_lost() {
        let test = TestRepository::new(&[("a", "a")]);
        let folder = PackFolder::new(test.repository.git_dir());
        let mut replaced = 0;
        for n in 0..60 {
            test.pin(test.first, &[write("a", &format!("version {n}"))]);
            replaced += folder.join_small(test.repository.git_dir()).unwrap();
            assert!(packs(&test) <= PACKS_MAX);
        }
        assert!(replaced > PACKS_MAX, "{replaced} packs were replaced");
        test.check_invariants();
    }

    #[test]
    fn packs_of_git_with_differences_are_left_alone() {
        let test = TestRepository::new(&[("a", &"a line\n".repeat(200))]);
        for n in 0..3 {
            let text = format!("{}{n}\n", "a line\n".repeat(200));
            test.land(test.pin(test.first, &[write("a", &text)]));
        }
        assert!(test.git(&["repack", "-adfq", "--depth=50"]).0);
        assert_eq!(packs(&test), 1);
        let folder = PackFolder::new(test.repository.git_dir());
        let before = folder.list().unwrap();
        for n in 0..PACKS_MAX {
            test.pin(test.first, &[write("b", &format!("{n}"))]);
        }
        assert!(folder.join_small(test.repository.git_dir()).unwrap() > 2);
        assert!(folder.list().unwrap().contains(&before[0]));
        test.check_invariants();
    }

    #[test]
    fn what_a_dead_writer_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let packs = PackFolder::new(folder.path());
        packs.sweep().unwrap();
        std::fs::create_dir_all(&packs.path).unwrap();
        packs.keep("1", &HeldLock::acquire(folder.path()).unwrap()).unwrap();
        std::fs::write(packs.file("2", "keep"), "theirs").unwrap();
        packs.release("2").unwrap();
        std::fs::write(packs.temporary("3", "pack"), "").unwrap();
        std::fs::write(packs.path.join("tmp_pack_of_git"), "").unwrap();
        packs.sweep().unwrap();
        let left: BTreeSet<String> = std::fs::read_dir(&packs.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(left.into_iter().collect::<Vec<_>>(), ["pack-2.keep", "tmp_pack_of_git"]);
    }

    #[test]
    fn only_packs_that_are_not_twice_as_large_as_the_rest_are_joined() {
        let listed = |sizes: &[u64]| -> Vec<Listed> {
            sizes.iter().map(|bytes| Listed { bytes: *bytes, name: String::new() }).collect()
        };
        assert_eq!(small(&listed(&[])), 0);
        assert_eq!(small(&listed(&[1, 2, 6, 18])), 0);
        assert_eq!(small(&listed(&[1, 1, 6, 18])), 2);
        assert_eq!(small(&listed(&[1, 2, 6, 17])), 4);
        assert_eq!(small(&listed(&[1, 1, JOINED_BYTES_MAX + 1])), 2);
    }
}
