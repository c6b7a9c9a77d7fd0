//! The one way to write: each call takes the repository's lock, does one batch and has flushed it when it returns.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::branch;
use crate::change::{ApplyError, EditError};
use crate::commit_request::{Advance, CommitError, CommitRequest, ReadyCommit};
use crate::id::CommitId;
use crate::landing::{self, LandRequest, Preparation, Prepared, PublishError};
use crate::lock::{HeldLock, LockError};
use crate::merge_policy::MergePolicy;
use crate::name::BranchName;
use crate::object::{ObjectError, Objects};
use crate::object_cache::ObjectCache;
use crate::pack_folder::PackFolder;
use crate::pin::{self, PinRequest, Pinned, ReadyResult};
use crate::planted::{self, Bug};
use crate::reference::{MoveRefError, RefMove, Refs};
use crate::repository::ReadError;

/// A writer to one repository. Any number may exist; they take turns, call by call.
///
/// After a failed write nothing more is written by it: what a failed flush has left on the disk is unknown. Such a
/// writer answers [`WriteError::Spent`]; get a new one, and the calls that failed can be repeated as they were.
pub struct Writer {
    repository: git2::Repository,
    git_dir: PathBuf,
    known: ObjectCache,
    packs: PackFolder,
    refs: Refs,
    policy: MergePolicy,
    state: State,
}

/// Whether a writer can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not looked yet for what dead writers left.
    New,
    InUse,
    /// A write failed, and nobody knows what of it is on the disk.
    Spent,
}

/// Why a batch was not written. Unless it says otherwise nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An earlier write of this writer failed.
    #[error("an earlier write failed; a new writer is needed")]
    Spent,
    /// The branch to land on does not exist.
    #[error("there is no branch {branch}")]
    NoSuchBranch {
        /// The branch.
        branch: BranchName,
    },
    /// The commit to be landed is not in the repository.
    #[error("the result {commit} is not in the repository")]
    MissingResult {
        /// The commit.
        commit: CommitId,
    },
    /// The commit to be landed does not have exactly one parent.
    #[error("the commit {commit} has {parents} parents; a result has one")]
    NotAResult {
        /// The commit.
        commit: CommitId,
        /// How many it has.
        parents: usize,
    },
    /// The lock of the writer was not obtained.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A ref or the history cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object cannot be read or written.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The ref that keeps the results cannot be moved.
    #[error(transparent)]
    Move(#[from] MoveRefError),
}

impl WriteError {
    /// Returns whether it goes away by itself, as another program lets go of a lock.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Lock(LockError::Busy { .. }) | Self::Move(MoveRefError::Locked { .. }))
    }

    /// Returns whether the disk may be in a state that we do not know.
    fn leaves_unknown(&self) -> bool {
        match self {
            Self::Spent
            | Self::NoSuchBranch { .. }
            | Self::MissingResult { .. }
            | Self::NotAResult { .. } => false,
            Self::Read(_) | Self::Lock(_) => false,
            Self::Object(error) => matches!(error, ObjectError::WritePack { .. }),
            Self::Move(error) => move_leaves_unknown(error),
        }
    }
}

fn move_leaves_unknown(error: &MoveRefError) -> bool {
    match error {
        MoveRefError::Elsewhere { .. }
        | MoveRefError::Locked { .. }
        | MoveRefError::Occupied { .. }
        | MoveRefError::Read(_) => false,
        MoveRefError::Lock(_) | MoveRefError::Write { .. } => true,
    }
}

impl Writer {
    pub(crate) fn new(repository: git2::Repository) -> Self {
        let git_dir = repository.commondir().to_owned();
        let (packs, refs) = (PackFolder::new(&git_dir), Refs::new(&git_dir));
        Self {
            repository,
            git_dir,
            known: ObjectCache::default(),
            packs,
            refs,
            policy: MergePolicy::default(),
            state: State::New,
        }
    }

    /// Returns the writer with another policy for conflicts than to return them.
    ///
    /// What is prepared again after a crash is the same only if the policy is.
    #[must_use]
    pub fn with_policy(self, policy: MergePolicy) -> Self {
        Self { policy, ..self }
    }

    /// Makes the tree and the commit of every result reachable, for good. Durable when it returns.
    ///
    /// The answers are in the order of the requests. A request that fails does not touch the others. The same request
    /// gives the same commit, so a batch of unknown outcome can be repeated.
    pub fn pin(&mut self, results: &[PinRequest]) -> Result<Vec<Result<Pinned, EditError>>, WriteError> {
        let results = results.iter().cloned().map(ReadyResult::new).collect::<Result<Vec<_>, _>>()?;
        Ok(self.write(&Batch { results, ..Batch::default() })?.pinned)
    }

    /// Merges pinned results, in order, onto the tip of a branch and writes the commits. No ref moves.
    ///
    /// Each commit's only parent is the one before it, at first the tip. A result that conflicts or changes nothing
    /// makes no commit and does not stop those after it. The ids follow from the requests and the tip alone.
    /// The commits are flushed when it returns, but nothing reaches them: git collects them after some weeks, or at once where
    /// it is told to. Publishing then is refused, and they can be prepared again.
    pub fn prepare(&mut self, branch: &BranchName, requests: &[LandRequest]) -> Result<Prepared, WriteError> {
        let landings = vec![(branch.clone(), requests.to_vec())];
        let mut prepared = self.write(&Batch { landings, ..Batch::default() })?.prepared;
        prepared.pop().expect("one landing has one answer")
    }

    /// Moves the branch from the expected tip to the new one, which must descend from it. Durable when it returns.
    ///
    /// Publishing what is published already is fine. A branch that some working copy has checked out is not moved.
    pub fn publish(&mut self, prepared: &Prepared) -> Result<(), PublishError> {
        self.publish_all(std::slice::from_ref(prepared))?.pop().expect("one move has one outcome")
    }

    /// Puts edits on branches, one commit for each request, in order. Durable when it returns.
    ///
    /// The answers are in the order of the requests. A result that conflicts is kept as by [`Writer::pin`].
    pub fn commit(
        &mut self,
        requests: &[CommitRequest],
    ) -> Result<Vec<Result<Preparation, CommitError>>, WriteError> {
        let commits = requests.iter().cloned().map(ReadyCommit::new).collect::<Result<Vec<_>, _>>()?;
        Ok(self.write(&Batch { commits, ..Batch::default() })?.committed)
    }

    /// Publishes several branches, each of them once, whose flushes they share.
    pub(crate) fn publish_all(
        &mut self,
        prepared: &[Prepared],
    ) -> Result<Vec<Result<(), PublishError>>, WriteError> {
        let outcomes = self.guard(|writer, lock| writer.publish_locked(lock, prepared))?;
        self.distrust_after(outcomes.iter().filter_map(|outcome| match outcome {
            Err(PublishError::Write(error)) => Some(error),
            Ok(()) | Err(_) => None,
        }));
        Ok(outcomes)
    }

    /// Writes a batch: its objects as one pack, then its refs.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<Written, WriteError> {
        let written = self.guard(|writer, lock| writer.write_locked(lock, batch))?;
        self.distrust_after(written.committed.iter().filter_map(|answer| match answer {
            Err(CommitError::Batch(error)) => Some(&**error),
            Ok(_) | Err(_) => None,
        }));
        Ok(written)
    }

    /// Returns whether a new writer is needed.
    pub(crate) fn is_spent(&self) -> bool {
        self.state == State::Spent
    }

    /// Forgets which packs there are, so that those that were joined meanwhile are let go.
    pub(crate) fn reopen(&mut self) -> Result<(), git2::Error> {
        self.repository = git2::Repository::open_bare(&self.git_dir)?;
        Ok(())
    }

    fn publish_locked(
        &mut self,
        lock: &HeldLock,
        prepared: &[Prepared],
    ) -> Result<Vec<Result<(), PublishError>>, WriteError> {
        self.forget_collected(prepared)?;
        let objects = Objects::open(&self.repository, &self.known)?;
        let checked_out = branch::checked_out(&self.repository)?;
        let planned: Vec<_> = prepared
            .iter()
            .map(|prepared| landing::planned_move(&self.repository, &objects, &checked_out, prepared))
            .collect();
        let moves: Vec<RefMove> = planned.iter().flatten().cloned().collect();
        let mut moved = self.refs.move_all(lock, &moves).into_iter();
        let outcomes = planned.into_iter().zip(prepared).map(|(planned, prepared)| {
            let moved = planned.map(|_| moved.next().expect("every planned move has an outcome"));
            moved.and_then(|moved| landing::published(prepared, moved))
        });
        Ok(outcomes.collect())
    }

    /// Makes sure that commits which git has collected meanwhile are not known any more, so that they can be written again.
    fn forget_collected(&mut self, prepared: &[Prepared]) -> Result<(), WriteError> {
        let unopened = |source| ObjectError::Write { kind: "commit", source };
        // An open database still reads packs that are gone.
        let repository = git2::Repository::open_bare(&self.git_dir).map_err(unopened)?;
        let odb = repository.odb().map_err(unopened)?;
        if prepared.iter().any(|prepared| !odb.exists(prepared.new_tip.oid())) {
            self.known = ObjectCache::default();
            self.reopen().map_err(unopened)?;
        }
        Ok(())
    }

    fn write_locked(&mut self, lock: &HeldLock, batch: &Batch) -> Result<Written, WriteError> {
        let Self { repository, git_dir, known, packs, refs, policy, .. } = self;
        let objects = Objects::open(repository, known)?;
        let mut drafted = Drafted::default();
        for result in &batch.results {
            drafted.pin(&objects, result)?;
        }
        for (branch, requests) in &batch.landings {
            drafted.written.prepared.push(landing::prepare(&objects, policy, git_dir, branch, requests));
        }
        if !batch.commits.is_empty() {
            let checked_out = branch::checked_out(repository)?;
            let begin = &|branch: &BranchName| Advance::begin(git_dir, branch, &checked_out);
            for commit in &batch.commits {
                drafted.commit(&objects, policy, begin, commit);
            }
        }
        let pins = pin::keep(&objects, git_dir, std::mem::take(&mut drafted.kept), batch.latest())?;
        let moves: Vec<RefMove> = pins.iter().cloned().chain(drafted.moves()).collect();
        let mut moved = if planted::is_on(Bug::RefBeforePack) {
            let moved = refs.move_all(lock, &moves);
            store(packs, &objects, None)?;
            moved
        } else {
            // What is flushed at once shares one commit of the file system's journal. A ref gets its file only later.
            let (pack, made) = std::thread::scope(|scope| {
                let made = (!moves.is_empty()).then(|| scope.spawn(|| refs.make_files(lock, &moves)));
                let pack = store(packs, &objects, (!moves.is_empty()).then_some(lock));
                (pack, made.map(|made| made.join().expect("writing a file does not panic")))
            });
            let pack = pack?;
            made.transpose()?;
            let moved = refs.move_all(lock, &moves);
            pack.map_or(Ok(()), |name| packs.release(&name))?;
            moved
        }
        .into_iter();
        if pins.is_some() {
            moved.next().expect("every move has an outcome")?;
        }
        Ok(drafted.settle(moved))
    }

    /// Does something under the lock, and after a failure of unknown outcome nothing more.
    fn guard<T>(
        &mut self,
        write: impl FnOnce(&mut Self, &HeldLock) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let lock = match self.state {
            State::Spent => return Err(WriteError::Spent),
            State::New => HeldLock::acquire_and_search(&self.git_dir)?,
            State::InUse => HeldLock::acquire(&self.git_dir)?,
        };
        self.state = State::InUse;
        let outcome = write(self, &lock);
        self.distrust_after(outcome.as_ref().err());
        outcome
    }

    fn distrust_after<'a>(&mut self, errors: impl IntoIterator<Item = &'a WriteError>) {
        if errors.into_iter().any(WriteError::leaves_unknown) {
            self.state = State::Spent;
        }
    }
}

/// Writes the objects of a batch and returns the name of their pack. With a lock they are protected from collectors until
/// that is taken back.
fn store(
    packs: &PackFolder,
    objects: &Objects<'_>,
    protect: Option<&HeldLock>,
) -> Result<Option<String>, ObjectError> {
    let Some(pack) = objects.pack() else { return Ok(None) };
    if let Some(lock) = protect {
        packs.keep(&pack.name, lock)?;
    }
    packs.store(&pack)?;
    objects.stored();
    Ok(Some(pack.name))
}

/// What one batch is to write.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) results: Vec<ReadyResult>,
    pub(crate) landings: Vec<(BranchName, Vec<LandRequest>)>,
    pub(crate) commits: Vec<ReadyCommit>,
}

/// What became of each part of a batch, in order.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) pinned: Vec<Result<Pinned, EditError>>,
    pub(crate) prepared: Vec<Result<Prepared, WriteError>>,
    pub(crate) committed: Vec<Result<Preparation, CommitError>>,
}

impl Batch {
    /// Returns the latest time that a request names; a batch that is repeated has the same one.
    fn latest(&self) -> i64 {
        let results = self.results.iter().chain(self.commits.iter().map(|commit| &commit.result));
        results.map(|result| result.time).max().unwrap_or(0)
    }
}

/// A batch whose objects exist in memory.
#[derive(Default)]
struct Drafted {
    written: Written,
    /// The results that are to stay reachable.
    kept: Vec<CommitId>,
    advances: BTreeMap<BranchName, Result<Advance, CommitError>>,
    /// The branch of each commit.
    branches: Vec<BranchName>,
}

impl Drafted {
    fn pin(&mut self, objects: &Objects<'_>, result: &ReadyResult) -> Result<(), ObjectError> {
        let pinned = match pin::add_result(objects, result) {
            Ok(pinned) => Ok(pinned),
            Err(ApplyError::Edit(error)) => Err(error),
            Err(ApplyError::Object(error)) => return Err(error),
        };
        self.kept.extend(pinned.iter().map(|pinned| pinned.commit));
        self.written.pinned.push(pinned);
        Ok(())
    }

    fn commit(
        &mut self,
        objects: &Objects<'_>,
        policy: &MergePolicy,
        begin: &dyn Fn(&BranchName) -> Result<Advance, CommitError>,
        commit: &ReadyCommit,
    ) {
        let branch = &commit.branch;
        let advance = self.advances.entry(branch.clone());
        let answer = match advance.or_insert_with(|| begin(branch)) {
            Ok(advance) => match advance.add(objects, policy, &commit.result) {
                Ok(preparation) => Ok(preparation),
                Err(ApplyError::Edit(error)) => Err(error.into()),
                // It is about this request alone, such as what it was made from being damaged.
                Err(ApplyError::Object(error)) => Err(Arc::new(WriteError::from(error)).into()),
            },
            Err(error) => Err(error.clone()),
        };
        if let Ok(Preparation::Conflict(conflict)) = &answer {
            self.kept.push(conflict.theirs);
        }
        self.branches.push(branch.clone());
        self.written.committed.push(answer);
    }

    /// Returns the moves of the branches, in the order of their names.
    fn moves(&self) -> impl Iterator<Item = RefMove> {
        self.advances.values().flatten().filter(|advance| advance.is_due()).map(Advance::as_move)
    }

    /// Returns the answers, given what became of the moves.
    fn settle(mut self, mut moved: impl Iterator<Item = Result<(), MoveRefError>>) -> Written {
        let mut failed = BTreeMap::new();
        for advance in self.advances.values().flatten().filter(|advance| advance.is_due()) {
            let branch = advance.branch.clone();
            match moved.next().expect("every move has an outcome") {
                Ok(()) => {}
                Err(MoveRefError::Elsewhere { .. }) => {
                    failed.insert(branch.clone(), CommitError::TipMoved { branch });
                }
                Err(error) => {
                    failed.insert(branch, CommitError::Batch(Arc::new(error.into())));
                }
            }
        }
        for (branch, answer) in self.branches.iter().zip(&mut self.written.committed) {
            if let (Some(error), Ok(_)) = (failed.get(branch), &answer) {
                *answer = Err(error.clone());
            }
        }
        self.written
    }
}
