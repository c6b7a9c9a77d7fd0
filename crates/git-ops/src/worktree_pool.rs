//! Folders for programs to work in: lent with the files of a commit, read back as edits, and used again.
//!
//! A worktree is a plain folder without any `.git`, or with one of its own that is thrown away, so nobody who works there can
//! change the repository through it. One that comes back is cleared of everything that was not given; the next borrower gets it
//! under another name, with only those files written that differ. One in which a process still is, is never lent again but
//! removed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::checkout::{self, Checkout, Wanted};
use crate::directory::{DirectoryChanges, DirectoryError, Skipped};
use crate::id::CommitId;
use crate::merge_policy::PathPattern;
use crate::object::{ObjectError, Objects};
use crate::object_cache::ObjectCache;
use crate::private_git;
use crate::repository::{ReadError, Repository};
use crate::worktree_home::{self, WorktreeFolder, WorktreeHome};

/// What a pool may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeOptions {
    /// The folder that its own folder is made in; nobody else may write to it. It should not be inside any repository.
    pub folder: PathBuf,
    /// How many bytes all its worktrees together may hold.
    pub bytes_max: u64,
    /// How many worktrees are kept to be used again.
    pub idle_max: usize,
    /// Which files are shown; all of them where there is no pattern.
    pub paths: Vec<PathPattern>,
}

impl Default for WorktreeOptions {
    /// Returns a folder for the user among the temporary ones, 10 GiB and 64 worktrees.
    fn default() -> Self {
        let name = format!("super-planner-worktrees-{}", rustix::process::geteuid().as_raw());
        Self { folder: std::env::temp_dir().join(name), bytes_max: 10 << 30, idle_max: 64, paths: Vec::new() }
    }
}

/// A pool of worktrees. Cheap to clone; when the last clone and the last worktree are gone, so are its folders.
///
/// Nothing is made before the first worktree is lent. What pools of killed processes have left is removed then.
#[derive(Debug, Clone, Default)]
pub struct WorktreePool(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    options: WorktreeOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the worktrees lie; it goes last.
    home: Option<WorktreeHome>,
    /// Worktrees that can be lent, the one that came back last at the end.
    idle: VecDeque<Checkout>,
    /// How many bytes are in all worktrees, lent ones included, as far as that is known.
    bytes: u64,
    /// How many bytes are counted for each worktree that is lent.
    lent: Vec<Arc<AtomicU64>>,
    /// How many names were given.
    named: u64,
}

/// Why there is no worktree, or what was done there cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// The worktrees would take more room than they may.
    #[error(
        "worktrees would take more than {bytes_max} bytes; fewer agents at once, fewer files or a greater bound help"
    )]
    Full {
        /// The bound.
        bytes_max: u64,
    },
    /// Others can write to the folder of the worktrees, or it is a link.
    #[error("{} is not a folder of this user alone; another one has to be named for worktrees", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
    /// The commit cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object of the commit cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The files cannot be written or compared.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A repository for whoever works there cannot be made.
    #[error("no repository can be made in {}", path.display())]
    PrivateGit {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: git2::Error,
    },
    /// A folder cannot be made or removed.
    #[error("cannot use {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A folder with the files of a commit, for one borrower. Dropping it gives it back.
#[derive(Debug)]
pub struct Worktree {
    shared: Arc<Shared>,
    /// Where its files are from; `None` where it has none.
    repository: Option<Repository>,
    checkout: Option<Checkout>,
    /// How many of the pool's bytes are counted for it.
    counted: Arc<AtomicU64>,
    skipped: Vec<Skipped>,
}

impl WorktreePool {
    /// Returns a pool.
    #[must_use]
    pub fn new(options: WorktreeOptions) -> Self {
        Self(Arc::new(Shared { options, state: Mutex::default() }))
    }

    /// Lends a worktree with the files of a commit, or with those that a path pattern is for: one of these, or else of the
    /// options.
    pub fn lend(
        &self,
        repository: &Repository,
        commit: CommitId,
        paths: &[PathPattern],
    ) -> Result<Worktree, WorktreeError> {
        let raw = repository.open_raw()?;
        let known = ObjectCache::default();
        let objects = Objects::open(&raw, &known)?;
        let paths = if paths.is_empty() { &*self.0.options.paths } else { paths };
        let wanted = Wanted::of(&objects, objects.commit(commit)?.tree, paths)?;
        let mut worktree = self.worktree(self.0.take()?);
        worktree.repository = Some(repository.clone());
        worktree.fill(&objects, &wanted)?;
        worktree.skipped = wanted.skipped;
        Ok(worktree)
    }

    /// Lends a folder without any files.
    pub fn lend_empty(&self) -> Result<Worktree, WorktreeError> {
        Ok(self.worktree(self.0.create()?))
    }

    fn worktree(&self, checkout: Checkout) -> Worktree {
        let counted = Arc::new(AtomicU64::new(checkout.bytes()));
        self.0.state().lent.push(Arc::clone(&counted));
        Worktree {
            shared: Arc::clone(&self.0),
            repository: None,
            counted,
            checkout: Some(checkout),
            skipped: Vec::new(),
        }
    }

    /// Returns the folders of all pools that share a folder of worktrees, those of killed processes included.
    pub fn folders(options: &WorktreeOptions) -> Result<Vec<WorktreeFolder>, WorktreeError> {
        worktree_home::list(&options.folder)
    }

    /// Removes the folders of pools that are gone, and returns which. Every pool does this before it makes its own.
    pub fn remove_abandoned(options: &WorktreeOptions) -> Result<Vec<PathBuf>, WorktreeError> {
        worktree_home::remove_abandoned(&options.folder)
    }

    /// Returns how many worktrees are lent. Where the pool is full, there is room when one of them comes back.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.0.state().lent.len()
    }

    /// Returns how many bytes are in the worktrees of this pool, as far as that is known.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.state().bytes
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic may have left uncounted is no reason to stop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an idle worktree under a new name, or a new one.
    fn take(&self) -> Result<Checkout, WorktreeError> {
        loop {
            let idle = self.state().idle.pop_back();
            let Some(mut checkout) = idle else { return self.create() };
            let renamed = checkout.rename(self.new_name()?);
            if renamed.is_ok() && !is_inhabited(checkout.folder()) {
                return Ok(checkout);
            }
            let counted = checkout.bytes();
            self.discard(&checkout, counted);
        }
    }

    fn create(&self) -> Result<Checkout, WorktreeError> {
        let folder = self.new_name()?;
        Checkout::create(folder.clone()).map_err(|source| WorktreeError::Io { path: folder, source })
    }

    /// Returns a path in the folder of the pool, which is made with the first of them.
    fn new_name(&self) -> Result<PathBuf, WorktreeError> {
        let mut state = self.state();
        if state.home.is_none() {
            state.home = Some(WorktreeHome::open(&self.options.folder)?);
        }
        state.named += 1;
        let home = state.home.as_ref().expect("it was made just now");
        Ok(home.folder().join(state.named.to_string()))
    }

    /// Makes sure that so many bytes more may be written, by removing idle worktrees where that helps.
    fn reserve(&self, bytes: u64) -> Result<(), WorktreeError> {
        let mut state = self.state();
        while state.bytes.saturating_add(bytes) > self.options.bytes_max {
            let Some(idle) = state.idle.pop_front() else {
                return Err(WorktreeError::Full { bytes_max: self.options.bytes_max });
            };
            let path = idle.folder();
            checkout::remove_all(path)
                .map_err(|source| WorktreeError::Io { path: path.to_owned(), source })?;
            state.bytes = state.bytes.saturating_sub(idle.bytes());
        }
        state.bytes += bytes;
        Ok(())
    }

    /// Returns how many bytes are counted for the largest worktree that is lent.
    fn largest(&self) -> u64 {
        self.state().lent.iter().map(|counted| counted.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// Counts another number of bytes for a worktree.
    fn count_anew(&self, counted: u64, now: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(counted).saturating_add(now);
    }

    /// Takes a worktree back, cleared of what was done there; one that cannot be cleared is removed.
    fn take_back(&self, mut checkout: Checkout, counted: u64) {
        if checkout.is_empty() || is_inhabited(checkout.folder()) || checkout.scrub().is_err() {
            return self.discard(&checkout, counted);
        }
        self.count_anew(counted, checkout.bytes());
        let too_many = {
            let mut state = self.state();
            state.idle.push_back(checkout);
            (state.idle.len() > self.options.idle_max).then(|| state.idle.pop_front()).flatten()
        };
        if let Some(checkout) = too_many {
            let counted = checkout.bytes();
            self.discard(&checkout, counted);
        }
    }

    /// Removes a worktree. One that cannot be removed stays counted, and goes with the folder of the pool.
    fn discard(&self, checkout: &Checkout, counted: u64) {
        if checkout::remove_all(checkout.folder()).is_ok() {
            self.count_anew(counted, 0);
        }
    }
}

impl Worktree {
    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.checkout().folder()
    }

    /// Returns what of the commit cannot be shown in a folder: links, submodules, unsafe paths.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Returns the edits that were made there. Only files that were touched are read.
    ///
    /// The rules are those of [`Snapshot::edits_from_dir`](crate::Snapshot::edits_from_dir). What is not shown is left as it is,
    /// and nothing that was made in a folder that was lent empty is an edit.
    pub fn changes(&self, bytes_max: u64) -> Result<DirectoryChanges, WorktreeError> {
        match &self.repository {
            Some(repository) => Ok(self.checkout().changes(&repository.open_raw()?, bytes_max)?),
            None => Ok(DirectoryChanges::default()),
        }
    }

    /// Makes a repository in the folder, with one commit of what it was lent with. Nothing that is done in it is done in that
    /// of the pool's user; it is no change, and goes when the worktree is given back.
    pub fn make_git(&self) -> Result<(), WorktreeError> {
        let theirs = self.repository.as_ref().map(Repository::open_raw).transpose()?;
        let objects = theirs.map(|raw| raw.commondir().join("objects"));
        let made = private_git::create(self.checkout(), objects.as_deref());
        made.map_err(|source| WorktreeError::PrivateGit { path: self.path().to_owned(), source })
    }

    /// Counts what is in the folder now, and returns an error if the pool holds more than it may and this one holds most.
    pub fn measure(&self) -> Result<u64, WorktreeError> {
        let path = self.path();
        let bytes = checkout::bytes_below(path)
            .map_err(|source| WorktreeError::Io { path: path.to_owned(), source })?;
        self.shared.count_anew(self.counted.swap(bytes, Ordering::Relaxed), bytes);
        // Idle ones make room. Where that is not enough, one worktree has to go, and that is not one that holds little.
        match self.shared.reserve(0) {
            Err(WorktreeError::Full { .. }) if bytes < self.shared.largest() => Ok(bytes),
            reserved => reserved.map(|()| bytes),
        }
    }

    fn checkout(&self) -> &Checkout {
        self.checkout.as_ref().expect("it is there until it is given back")
    }

    fn fill(&mut self, objects: &Objects<'_>, wanted: &Wanted) -> Result<(), WorktreeError> {
        let checkout = self.checkout.as_mut().expect("it is there until it is given back");
        let filled = checkout.update(objects, wanted, &mut |bytes| {
            self.shared.reserve(bytes)?;
            self.counted.fetch_add(bytes, Ordering::Relaxed);
            Ok::<(), WorktreeError>(())
        });
        let counted = self.counted.swap(checkout.bytes(), Ordering::Relaxed);
        if let Err(error) = filled {
            // Nobody knows what is in it.
            if let Some(checkout) = self.checkout.take() {
                self.shared.discard(&checkout, counted);
            }
            return Err(error);
        }
        self.shared.count_anew(counted, checkout.bytes());
        Ok(())
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        if let Some(checkout) = self.checkout.take() {
            self.shared.take_back(checkout, self.counted.load(Ordering::Relaxed));
        }
        self.shared.state().lent.retain(|counted| !Arc::ptr_eq(counted, &self.counted));
    }
}

/// Returns whether a process is in a folder or has something open there, where the system tells.
fn is_inhabited(folder: &Path) -> bool {
    let is_below = |link: &Path| std::fs::read_link(link).is_ok_and(|target| target.starts_with(folder));
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let mut processes = processes.filter_map(Result::ok).map(|entry| entry.path());
    processes.any(|process| {
        let open = std::fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok);
        is_below(&process.join("cwd")) || open.into_iter().any(|entry| is_below(&entry.path()))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::testing::*;

    fn pool(test: &TestRepository) -> WorktreePool {
        let folder = test.folder.path().join("worktrees");
        WorktreePool::new(WorktreeOptions { folder, ..WorktreeOptions::default() })
    }

    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                let below = files(&entry.path());
                assert!(!below.is_empty(), "{name} is empty");
                found.extend(below.into_iter().map(|(path, text)| (format!("{name}/{path}"), text)));
            } else {
                found.push((name, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
        found.sort();
        found
    }

    fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_worktree_is_used_again_with_the_files_of_another_commit_and_nothing_else() {
        let test = TestRepository::new(&[("a", "1"), ("dir/b", "2"), ("dir/deep/c", "3"), ("swap", "file")]);
        let edits = [write("a", "one"), delete("dir/deep/c"), delete("swap"), write("swap/x", "folder")];
        let second = test.pin(test.first, &edits);
        let pool = pool(&test);
        let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
        let (first_path, kept) =
            (worktree.path().to_owned(), std::fs::metadata(worktree.path().join("dir/b")).unwrap());
        let expected = owned(&[("a", "1"), ("dir/b", "2"), ("dir/deep/c", "3"), ("swap", "file")]);
        assert_eq!(files(&first_path), expected);
        std::fs::write(first_path.join("a"), "9").unwrap();
        std::fs::remove_dir_all(first_path.join("dir/deep")).unwrap();
        std::fs::write(first_path.join("dir/deep"), "a file now").unwrap();
        std::fs::create_dir_all(first_path.join("target/.git/x")).unwrap();
        symlink("/etc", first_path.join("link")).unwrap();
        let locked = first_path.join("locked");
        std::fs::create_dir(&locked).unwrap();
        std::fs::write(locked.join("x"), "x").unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
        drop(worktree);
        let worktree = pool.lend(&test.repository, second, &[]).unwrap();
        assert_ne!(worktree.path(), first_path, "nobody who knew it finds it");
        assert_eq!(files(worktree.path()), owned(&[("a", "one"), ("dir/b", "2"), ("swap/x", "folder")]));
        let same = std::fs::metadata(worktree.path().join("dir/b")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::ino(&same), std::os::unix::fs::MetadataExt::ino(&kept));
        assert_eq!(worktree.changes(u64::MAX).unwrap(), DirectoryChanges::default());
        drop(worktree);
        let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
        assert_eq!(files(worktree.path()), expected);
        drop((worktree, pool));
        assert_eq!(std::fs::read_dir(test.folder.path().join("worktrees")).unwrap().count(), 0);
    }

    #[test]
    fn what_was_done_is_read_back_the_same_as_from_a_whole_comparison() {
        let names: Vec<String> = (0..40).map(|n| format!("d{}/f{n}", n % 5)).collect();
        let content: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "0123456789")).collect();
        let test = TestRepository::new(&content);
        let pool = pool(&test);
        let mut random = Random(7);
        for round in 0..60 {
            let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
            for _ in 0..random.below(12) {
                let path = worktree.path().join(random.pick(&names));
                match random.below(5) {
                    0 => drop(std::fs::remove_file(path)),
                    1 => drop(std::fs::write(path, "9876543210")),
                    2 => drop(std::fs::write(path, "0123456789")),
                    3 => drop(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))),
                    _ => drop(std::fs::write(worktree.path().join(format!("new{}", random.below(9))), "x")),
                }
            }
            let whole = test.repository.snapshot(test.first).unwrap();
            let expected = whole.edits_from_dir(worktree.path(), u64::MAX).unwrap();
            assert_eq!(worktree.changes(u64::MAX).unwrap(), expected, "round {round}");
        }
        assert_eq!(pool.bytes(), pool.0.state().idle[0].bytes());
    }

    #[test]
    fn a_change_that_keeps_size_and_time_is_seen() {
        let test = TestRepository::new(&[("a", "12345")]);
        let pool = pool(&test);
        for _ in 0..200 {
            let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
            let path = worktree.path().join("a");
            let times = std::fs::metadata(&path).unwrap().modified().unwrap();
            std::fs::write(&path, "54321").unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
            assert_eq!(worktree.changes(u64::MAX).unwrap().edits, [write("a", "54321")]);
        }
    }

    #[test]
    fn only_what_is_asked_for_is_shown_and_the_rest_stays_as_it_is() {
        let test = TestRepository::new(&[("a", "1"), ("dir/b", "2"), ("other/c", "3")]);
        let pool = pool(&test);
        let pattern = |text: &str| text.parse::<PathPattern>().unwrap();
        let worktree = pool.lend(&test.repository, test.first, &[pattern("dir/**")]).unwrap();
        assert_eq!(files(worktree.path()), owned(&[("dir/b", "2")]));
        std::fs::write(worktree.path().join("dir/b"), "two").unwrap();
        std::fs::write(worktree.path().join("new"), "new").unwrap();
        let edits = worktree.changes(u64::MAX).unwrap().edits;
        assert_eq!(edits, [write("dir/b", "two"), write("new", "new")]);
        drop(worktree);
        let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
        assert_eq!(files(worktree.path()).len(), 3);
    }

    #[test]
    fn the_disk_is_bounded_and_idle_worktrees_make_room() {
        let test = TestRepository::new(&[("a", &"x".repeat(1000)), ("b", &"y".repeat(1000))]);
        let folder = test.folder.path().join("worktrees");
        let options = WorktreeOptions { folder, bytes_max: 5000, ..WorktreeOptions::default() };
        let pool = WorktreePool::new(options);
        let lend = || pool.lend(&test.repository, test.first, &[]);
        let mut lent = vec![lend().unwrap(), lend().unwrap()];
        assert_eq!(pool.bytes(), 4000);
        assert!(matches!(lend(), Err(WorktreeError::Full { bytes_max: 5000 })));
        assert_eq!(pool.bytes(), 4000, "what was written of it is gone");
        drop(lent.pop());
        std::fs::write(lent[0].path().join("big"), "z".repeat(2500)).unwrap();
        assert!(lent[0].measure().unwrap() >= 4500);
        assert!(pool.bytes() <= 5000, "the idle one is gone");
        std::fs::write(lent[0].path().join("more"), "z".repeat(2500)).unwrap();
        let modest = pool.lend_empty().unwrap();
        std::fs::write(modest.path().join("little"), "z").unwrap();
        assert!(matches!(lent[0].measure(), Err(WorktreeError::Full { .. })));
        assert!(modest.measure().is_ok(), "whoever holds little does not pay for whoever holds most");
        drop(modest);
        assert_eq!(pool.lent(), 1);
        lent.clear();
        assert_eq!((pool.bytes(), pool.lent()), (2000, 0));
        assert_eq!((lend().unwrap(), lend().unwrap()).0.skipped(), []);
        let empty = pool.lend_empty().unwrap();
        std::fs::write(empty.path().join("made"), "made").unwrap();
        assert_eq!(empty.changes(0).unwrap(), DirectoryChanges::default());
        let path = empty.path().to_owned();
        drop(empty);
        assert!(!path.exists());
    }

    #[test]
    fn a_worktree_that_somebody_is_still_in_is_not_lent_again() {
        let test = TestRepository::new(&[("a", "1")]);
        // The system knows the folder by another name than the user.
        let link = test.folder.path().join("link");
        std::fs::create_dir(test.folder.path().join("real")).unwrap();
        symlink(test.folder.path().join("real"), &link).unwrap();
        let options = WorktreeOptions { folder: link.join("worktrees"), ..WorktreeOptions::default() };
        let pool = WorktreePool::new(options);
        let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
        let path = worktree.path().to_owned();
        let mut stray = std::process::Command::new("sleep").arg("600").current_dir(&path).spawn().unwrap();
        drop(worktree);
        assert!(!path.exists());
        assert_eq!((pool.bytes(), pool.0.state().idle.len()), (0, 0));
        let open = pool.lend(&test.repository, test.first, &[]).unwrap();
        let file = std::fs::File::open(open.path().join("a")).unwrap();
        drop(open);
        assert_eq!(pool.0.state().idle.len(), 0);
        drop(file);
        stray.kill().unwrap();
        stray.wait().unwrap();
    }

    #[test]
    fn what_a_dead_pool_left_is_removed_by_the_next_and_that_of_a_living_one_is_not() {
        let test = TestRepository::new(&[("a", "1")]);
        let options =
            WorktreeOptions { folder: test.folder.path().join("worktrees"), ..WorktreeOptions::default() };
        let living = WorktreePool::new(options.clone());
        let worktree = living.lend(&test.repository, test.first, &[]).unwrap();
        let dead = options.folder.join("pool-4000000000-0");
        std::fs::create_dir_all(dead.join("1/deep")).unwrap();
        std::fs::write(dead.join(".super-planner-worktrees"), "").unwrap();
        std::fs::write(dead.join("1/deep/file"), "left").unwrap();
        std::fs::set_permissions(dead.join("1/deep"), std::fs::Permissions::from_mode(0o500)).unwrap();
        let just_made = options.folder.join("pool-4000000000-1");
        std::fs::create_dir(&just_made).unwrap();
        let foreign =
            ["2024-05", "pool-4000000000-2", "of somebody else"].map(|name| options.folder.join(name));
        for folder in &foreign {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("mine"), "mine").unwrap();
        }
        let listed = WorktreePool::folders(&options).unwrap();
        let told: Vec<_> = listed.iter().map(|found| (found.is_in_use, found.worktrees)).collect();
        assert_eq!(told.len(), 3);
        assert!([(true, 1), (false, 1), (false, 0)].iter().all(|one| told.contains(one)), "{listed:?}");
        let next = WorktreePool::new(options);
        let other = next.lend(&test.repository, test.first, &[]).unwrap();
        assert!(!dead.exists() && !just_made.exists());
        assert!(foreign.iter().all(|folder| folder.join("mine").exists()));
        assert!(worktree.path().exists() && other.path().exists());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let test = TestRepository::new(&[("a", "1")]);
        let open = test.folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let link = test.folder.path().join("link");
        symlink(test.folder.path(), &link).unwrap();
        let left = open.join("pool-4000000000-0");
        std::fs::create_dir(&left).unwrap();
        for folder in [open, link] {
            let options = WorktreeOptions { folder: folder.clone(), ..WorktreeOptions::default() };
            assert!(matches!(WorktreePool::folders(&options), Err(WorktreeError::NotPrivate { .. })));
            assert!(matches!(
                WorktreePool::remove_abandoned(&options),
                Err(WorktreeError::NotPrivate { .. })
            ));
            let pool = WorktreePool::new(WorktreeOptions { folder, ..WorktreeOptions::default() });
            let refused = pool.lend(&test.repository, test.first, &[]);
            assert!(matches!(refused, Err(WorktreeError::NotPrivate { .. })), "{refused:?}");
        }
        assert!(left.exists());
    }
}
