//! The handle on a repository: opening it, making one, and reading where things are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::ErrorCode;

use crate::branch::{self, CreateBranchError};
use crate::change::{ApplyError, Edit, EditError, ReadyEdit};
use crate::commit::NewCommit;
use crate::directory::{self, DirectoryError};
use crate::durability;
use crate::id::{BlobId, CommitId};
use crate::lock;
use crate::message::{Message, Signature};
use crate::name::BranchName;
use crate::object::{ObjectError, Objects};
use crate::object_cache::ObjectCache;
use crate::pack_folder::{JoinPacksError, PackFolder};
use crate::reference::ReadRefError;
use crate::snapshot::Snapshot;
use crate::tree_edit::Draft;
use crate::writer::{WriteError, Writer};

/// A repository that was found fit to be written to. Cheap to clone; can be shared between threads.
///
/// It holds no open files: every call opens what it needs, so that it sees what other processes have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    git_dir: Arc<Path>,
}

/// The parts of a repository that are written to.
const PARTS: [&str; 6] =
    ["refs", "packed-refs", "objects", "objects/pack", lock::FOLDER_NAME, lock::FILE_NAME];

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The path, as given.
        path: PathBuf,
    },
    /// Neither the folder nor one above it is a repository.
    #[error("{} is not in a git repository; `git init` makes one", path.display())]
    NotARepository {
        /// The path, as given.
        path: PathBuf,
    },
    /// The repository belongs to another user, who could have put anything into it.
    #[error("the repository at {} belongs to another user; git's setting safe.directory allows it", path.display())]
    OwnedBySomeoneElse {
        /// The path, as given.
        path: PathBuf,
    },
    /// The repository names its objects by SHA-256.
    #[error("the repository at {} uses SHA-256, which is not supported", path.display())]
    Sha256 {
        /// The path, as given.
        path: PathBuf,
    },
    /// The repository keeps its refs in a reftable.
    #[error("the repository at {} keeps its refs in a reftable, which is not supported", path.display())]
    Reftable {
        /// The path, as given.
        path: PathBuf,
    },
    /// The history of the repository is cut off.
    #[error("the repository at {} is a shallow clone; `git fetch --unshallow` completes it", path.display())]
    Shallow {
        /// The path, as given.
        path: PathBuf,
    },
    /// A part of the repository is a link, which could lead anywhere.
    #[error("{} is a symbolic link; the repository must hold it itself", path.display())]
    Linked {
        /// The part.
        path: PathBuf,
    },
    /// Git cannot open it.
    #[error("cannot open the repository at {}", path.display())]
    Git {
        /// The path, as given.
        path: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
}

/// Why something could not be read from a repository.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The repository cannot be opened any more.
    #[error("cannot open the repository at {}", path.display())]
    Open {
        /// Its git directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// `HEAD` cannot be followed.
    #[error("cannot follow HEAD")]
    Head {
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// A ref cannot be read.
    #[error(transparent)]
    Reference(#[from] ReadRefError),
    /// The history cannot be followed.
    #[error("cannot follow the history from {from}")]
    History {
        /// The commit that it begins at.
        from: CommitId,
        /// Why.
        #[source]
        source: git2::Error,
    },
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A file of the repository cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Why a repository was not made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The folder holds something already.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be made or read.
    #[error("cannot use {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The first edits cannot be applied to nothing.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The objects cannot be written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The branch cannot be written.
    #[error(transparent)]
    Branch(#[from] CreateBranchError),
    /// The files cannot be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The new repository cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Git cannot make it.
    #[error("cannot make a repository at {}", path.display())]
    Git {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: git2::Error,
    },
}

impl Repository {
    /// Returns the repository that a path is in: a working copy, a bare repository or a folder inside one.
    ///
    /// One that belongs to another user, uses SHA-256 or a reftable, is a shallow clone, or has links in place of its own
    /// folders is refused.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::NotFound { path: path.to_owned() });
        }
        let no_ceilings: [&Path; 0] = [];
        let opened = git2::Repository::open_ext(path, git2::RepositoryOpenFlags::empty(), no_ceilings);
        let repository = opened.map_err(|source| explain_open(path, source))?;
        if repository.is_shallow() {
            return Err(OpenError::Shallow { path: path.to_owned() });
        }
        let git_dir = repository.commondir();
        let linked = PARTS.iter().map(|part| git_dir.join(part)).find(|part| part.is_symlink());
        if let Some(path) = linked {
            return Err(OpenError::Linked { path });
        }
        Ok(Self { git_dir: git_dir.canonicalize().unwrap_or_else(|_| git_dir.to_owned()).into() })
    }

    /// Makes a new repository with a first commit on `main`, durably, and returns it.
    ///
    /// It is an ordinary one: `main` is checked out in the folder, with the files of the first commit. The folder is
    /// made if it does not exist, and must be empty if it does.
    pub fn init(path: &Path, first: &[Edit], author: &Signature, time: i64) -> Result<Self, InitError> {
        let io = |source| InitError::Io { path: path.to_owned(), source };
        let git = |source| InitError::Git { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(io)?;
        if std::fs::read_dir(path).map_err(io)?.next().is_some() {
            return Err(InitError::NotEmpty { path: path.to_owned() });
        }
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main").no_reinit(true).external_template(false);
        let created = git2::Repository::init_opts(path, &options).map_err(git)?;
        // The repository's own first files are libgit2's, which flushes nothing.
        durability::flush_all(created.path()).map_err(io)?;
        let known = ObjectCache::default();
        let objects = Objects::open(&created, &known)?;
        let mut draft = Draft::new(None);
        let edits = first.iter().cloned().map(ReadyEdit::new).collect::<Result<Vec<_>, _>>()?;
        crate::change::apply(&objects, &mut draft, &edits).map_err(|error| match error {
            ApplyError::Edit(error) => InitError::Edit(error),
            ApplyError::Object(error) => InitError::Object(error),
        })?;
        let tree = draft.write(&objects)?;
        let message = Message { subject: "first commit".to_owned(), ..Message::default() };
        let commit = NewCommit { tree, parents: &[], author, time, message: &message };
        let commit = objects.add_commit(commit.encode())?;
        objects.store(&PackFolder::new(created.path()))?;
        let repository = Self::open(path)?;
        let main = BranchName::new("main").expect("it is a plain word");
        repository.create_branch(&main, commit)?;
        directory::export(&objects, tree, path)?;
        let mut index = created.index().map_err(git)?;
        let tree = created.find_tree(tree).map_err(git)?;
        index.read_tree(&tree).and_then(|()| index.write()).map_err(git)?;
        Ok(repository)
    }

    /// Returns the git directory that all working copies of the repository share.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Returns the commit at `HEAD`, `None` if there is none yet.
    pub fn head(&self) -> Result<Option<CommitId>, ReadError> {
        match self.open_raw()?.refname_to_id("HEAD") {
            Ok(id) => Ok(Some(CommitId::from_oid(id))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(source) => Err(ReadError::Head { source }),
        }
    }

    /// Returns every branch that a working copy has checked out, linked ones included, sorted.
    pub fn checked_out_branches(&self) -> Result<Vec<BranchName>, ReadError> {
        branch::checked_out(&self.open_raw()?)
    }

    /// Returns the commit that a branch is at, `None` if there is no such branch.
    pub fn tip(&self, branch: &BranchName) -> Result<Option<CommitId>, ReadError> {
        branch::tip(&self.git_dir, branch)
    }

    /// Returns whether a commit is reachable from the tip of a branch; one that does not exist is not.
    pub fn contains(&self, branch: &BranchName, commit: CommitId) -> Result<bool, ReadError> {
        let (repository, known) = (self.open_raw()?, ObjectCache::default());
        let Some(tip) = branch::tip(&self.git_dir, branch)? else {
            return Ok(false);
        };
        match branch::is_ancestor(&repository, &Objects::open(&repository, &known)?, commit, tip) {
            Err(ReadError::Object(ObjectError::Missing { .. })) => Ok(false),
            answer => answer,
        }
    }

    /// Returns a view of the files of a commit.
    pub fn snapshot(&self, commit: CommitId) -> Result<Snapshot, ReadError> {
        Snapshot::open(self.open_raw()?, commit)
    }

    /// Returns the content of one side of a conflict.
    pub fn blob(&self, id: BlobId) -> Result<Vec<u8>, ReadError> {
        Ok(Objects::open(&self.open_raw()?, &ObjectCache::default())?.blob(id.oid())?)
    }

    /// Joins small packs into one if there are too many, and returns how many were replaced. No object is lost.
    ///
    /// A [`CommitQueue`](crate::CommitQueue) does this by itself.
    pub fn join_packs(&self) -> Result<usize, JoinPacksError> {
        PackFolder::new(&self.git_dir).join_small(&self.git_dir)
    }

    /// Returns a writer. Any number may exist, in any number of processes; they take turns.
    pub fn writer(&self) -> Result<Writer, WriteError> {
        Ok(Writer::new(self.open_raw()?))
    }

    /// Opens the git directory without a working copy, so that nothing in one can matter.
    pub(crate) fn open_raw(&self) -> Result<git2::Repository, ReadError> {
        git2::Repository::open_bare(&self.git_dir)
            .map_err(|source| ReadError::Open { path: self.git_dir.to_path_buf(), source })
    }
}

fn explain_open(path: &Path, source: git2::Error) -> OpenError {
    let path_buf = path.to_owned();
    match source.code() {
        ErrorCode::NotFound => return OpenError::NotARepository { path: path_buf },
        ErrorCode::Owner => return OpenError::OwnedBySomeoneElse { path: path_buf },
        _ => {}
    }
    let extension = |name: &str| {
        let no_ceilings: [&Path; 0] = [];
        let git_dir = git2::Repository::discover_path(path, no_ceilings).ok()?;
        let config = git2::Config::open(&git_dir.join("config")).ok()?;
        config.get_string(&format!("extensions.{name}")).ok()
    };
    if extension("objectformat").is_some_and(|format| format != "sha1") {
        return OpenError::Sha256 { path: path_buf };
    }
    if extension("refstorage").is_some_and(|format| format != "files") {
        return OpenError::Reftable { path: path_buf };
    }
    OpenError::Git { path: path_buf, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn a_new_repository_is_clean_for_git() {
        let test = TestRepository::new(&[("a", "1"), ("dir/b", "2")]);
        let (fine, status) = test.git(&["status", "--porcelain", "--branch"]);
        assert_eq!((fine, status.trim()), (true, "## main"));
        assert_eq!(std::fs::read(test.path().join("dir/b")).unwrap(), b"2");
        assert_eq!(
            test.git(&["log", "--format=%H %an %at"]).1.trim(),
            format!("{} Agent {TIME}", test.first)
        );
        let again = Repository::init(&test.path(), &[], &author(), TIME);
        assert!(matches!(again, Err(InitError::NotEmpty { .. })));
        test.check_invariants();
    }

    #[test]
    fn every_way_into_a_repository_leads_to_the_same_one() {
        let test = TestRepository::new(&[("dir/a", "1")]);
        let linked = test.folder.path().join("linked");
        assert!(test.git(&["worktree", "add", "--quiet", "-b", "linked", linked.to_str().unwrap()]).0);
        for place in [test.path(), test.path().join("dir"), test.path().join(".git"), linked] {
            assert_eq!(Repository::open(&place).unwrap(), test.repository, "{}", place.display());
        }
        let bare = test.folder.path().join("bare");
        assert!(test.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]).0);
        let bare = Repository::open(&bare).unwrap();
        assert_eq!(bare.head().unwrap(), Some(test.first));
        assert_eq!(bare.checked_out_branches().unwrap(), []);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_reason() {
        let test = TestRepository::new(&[("a", "1")]);
        let root = test.folder.path();
        let make = |name: &str, arguments: &[&str]| {
            let path = root.join(name);
            let (made, said) = git(root, &[arguments, &[path.to_str().unwrap()]].concat());
            assert!(made, "{said}");
            path
        };
        assert!(matches!(Repository::open(&root.join("absent")), Err(OpenError::NotFound { .. })));
        assert!(matches!(Repository::open(root), Err(OpenError::NotARepository { .. })));
        let sha256 = make("sha256", &["init", "--quiet", "--object-format=sha256"]);
        assert!(matches!(Repository::open(&sha256), Err(OpenError::Sha256 { .. })));
        let reftable = make("reftable", &["init", "--quiet", "--ref-format=reftable"]);
        assert!(matches!(Repository::open(&reftable), Err(OpenError::Reftable { .. })));
        std::fs::write(test.path().join("a"), "2").unwrap();
        assert!(test.git(&["commit", "--quiet", "-am", "second"]).0);
        let origin = format!("file://{}", test.path().display());
        let shallow = make("shallow", &["clone", "--quiet", "--depth=1", &origin]);
        assert!(matches!(Repository::open(&shallow), Err(OpenError::Shallow { .. })));
        let foreign = make("foreign", &["init", "--quiet"]);
        let nobody = rustix::fs::Uid::from_raw(65_534);
        let given = [foreign.clone(), foreign.join(".git")]
            .iter()
            .all(|path| rustix::fs::chown(path, Some(nobody), None).is_ok());
        if given {
            assert!(matches!(Repository::open(&foreign), Err(OpenError::OwnedBySomeoneElse { .. })));
        }
    }

    #[test]
    fn an_empty_repository_has_no_head() {
        let folder = temporary_folder();
        assert!(git(folder.path(), &["init", "--quiet", "-b", "main"]).0);
        let repository = Repository::open(folder.path()).unwrap();
        assert_eq!(repository.head().unwrap(), None);
        assert_eq!(repository.checked_out_branches().unwrap(), [BranchName::new("main").unwrap()]);
    }

    #[test]
    fn a_branch_contains_its_history_and_nothing_else() {
        let test = TestRepository::new(&[("a", "1")]);
        let result = test.pin(test.first, &[write("a", "2")]);
        let contains = |commit| test.repository.contains(&work(), commit).unwrap();
        assert!(contains(test.first) && !contains(result) && !contains(CommitId::from_bytes([5; 20])));
        test.land(result);
        assert!(contains(test.first));
        assert!(!test.repository.contains(&BranchName::new("absent").unwrap(), test.first).unwrap());
    }

    #[test]
    fn a_flipped_bit_is_an_error() {
        let test = TestRepository::new(&[("a", "some content")]);
        let folder = test.repository.git_dir().join("objects/pack");
        let packs = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for pack in packs.filter(|path| path.extension().is_some_and(|extension| extension == "pack")) {
            let mut bytes = std::fs::read(&pack).unwrap();
            let content = bytes.windows(12).position(|window| window == b"some content");
            // So short a text is stored as it is.
            bytes[content.expect("it is in the only pack")] ^= 1;
            std::fs::remove_file(&pack).unwrap();
            std::fs::write(&pack, bytes).unwrap();
        }
        let read = test.repository.snapshot(test.first).unwrap().read(&path("a"));
        assert!(matches!(read, Err(ReadError::Object(ObjectError::Read { .. }))), "{read:?}");
    }
}
