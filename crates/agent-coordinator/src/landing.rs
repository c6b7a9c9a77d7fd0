//! The only place where tasks and git meet: results are pinned, then landed in two steps.
//!
//! One thread per coordinator does all writing to the repository, so that results that come together share a batch.
//! Landing is prepare (commits written and flushed, nothing moved), intents in the log, publish (the branch is moved by
//! compare-and-swap), landed in the log. A crash in between is resolved by looking whether an intended commit is on the
//! branch; if none is, preparing again gives the same ids.

use std::collections::BTreeMap;
use std::sync::mpsc;

use git_ops::{
    BranchName, CommitId, LandRequest, Message, PinRequest, Pinned, Preparation, Prepared, PublishError,
    Repository, Signature, Writer,
};
use state_store::Timestamp;
use state_store::task::{CommitHash, ConflictRecord, FencingToken, Intent, Landed, TaskKey};
use tokio::sync::oneshot;

use crate::engine::Command;
use crate::handle::{CommandError, Handle, Input};
use crate::hindrance::Hindrance;

/// How often a batch is tried again when somebody else has moved the branch or holds a lock.
const TRIES: u32 = 20;

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum GitJob {
    /// Keep a result.
    Pin { request: Box<PinRequest>, reply: oneshot::Sender<Result<Pinned, String>> },
    /// Land a result that is kept.
    Land(Box<Landing>),
}

/// A result to land.
#[derive(Debug, Clone)]
pub(crate) struct Landing {
    pub(crate) task: TaskKey,
    pub(crate) token: FencingToken,
    pub(crate) branch: BranchName,
    pub(crate) result: CommitId,
    pub(crate) message: Message,
    pub(crate) delivered_at: Timestamp,
    /// What it was about to become before.
    pub(crate) intents: Vec<Intent>,
}

/// The thread's own state.
pub(crate) struct Lander {
    pub(crate) repository: Repository,
    pub(crate) author: Signature,
    pub(crate) handle: Handle,
}

/// The landings whose intents are durable.
enum Intended {
    /// All of them.
    All(Vec<Landing>),
    /// Only these: the tasks of the others have moved on, and whoever moved them looks after their results.
    Only(Vec<Landing>),
}

impl Lander {
    /// Works until nobody can ask for anything any more.
    pub(crate) fn run(self, jobs: &mpsc::Receiver<GitJob>) {
        while let Ok(first) = jobs.recv() {
            let mut pins = Vec::new();
            let mut landings: BTreeMap<String, Vec<Landing>> = BTreeMap::new();
            for job in std::iter::once(first).chain(jobs.try_iter()) {
                match job {
                    GitJob::Pin { request, reply } => pins.push((*request, reply)),
                    GitJob::Land(landing) => {
                        landings.entry(landing.branch.as_str().to_owned()).or_default().push(*landing);
                    }
                }
            }
            self.pin(pins);
            for landings in landings.into_values() {
                let branch = landings[0].branch.clone();
                if let Err(reason) = self.land(&branch, landings) {
                    self.stop(format!("results cannot be landed on {branch}"), reason);
                }
            }
        }
    }

    fn pin(&self, pins: Vec<(PinRequest, oneshot::Sender<Result<Pinned, String>>)>) {
        if pins.is_empty() {
            return;
        }
        let (requests, replies): (Vec<_>, Vec<_>) = pins.into_iter().unzip();
        let pin = || self.writer()?.pin(&requests).map_err(|error| chain(&error));
        // A writer that has failed is spent, and what it was about to write can be written again.
        match pin().or_else(|_| pin()) {
            Ok(results) => {
                for (reply, result) in replies.into_iter().zip(results) {
                    // The attempt may have been stopped meanwhile; then nobody wants to know.
                    let _ = reply.send(result.map_err(|error| error.to_string()));
                }
            }
            // The replies are dropped, which tells the attempts that they are not to blame.
            Err(reason) => self.stop("results cannot be kept".to_owned(), reason),
        }
    }

    fn stop(&self, what: String, reason: String) {
        self.handle.tell(Input::Hindered(Hindrance { what, reason }));
    }

    fn writer(&self) -> Result<Writer, String> {
        self.repository.writer().map_err(|error| chain(&error))
    }

    /// Lands a batch on a branch, or says why that is not possible.
    fn land(&self, branch: &BranchName, mut landings: Vec<Landing>) -> Result<(), String> {
        for _ in 0..TRIES {
            landings = self.settle_intended(branch, landings)?;
            if landings.is_empty() {
                return Ok(());
            }
            let prepared =
                self.writer()?.prepare(branch, &self.requests(&landings)).map_err(|error| chain(&error))?;
            landings = self.settle_without_commit(landings, &prepared);
            match self.record_intents(landings, &prepared) {
                Intended::All(all) => landings = all,
                Intended::Only(some) => {
                    // What is prepared holds the commits of the others too, so it is prepared again.
                    landings = some;
                    continue;
                }
            }
            if landings.is_empty() {
                return Ok(());
            }
            match self.writer()?.publish(&prepared) {
                Ok(()) => return self.settle_intended(branch, landings).map(drop),
                Err(PublishError::TipMoved { .. }) => {}
                Err(error) => return Err(chain(&error)),
            }
        }
        Err(format!("the branch was moved by others {TRIES} times while results were being landed"))
    }

    fn requests(&self, landings: &[Landing]) -> Vec<LandRequest> {
        let request = |landing: &Landing| LandRequest {
            result: landing.result,
            message: landing.message.clone(),
            author: self.author.clone(),
            time: landing.delivered_at.as_seconds(),
        };
        landings.iter().map(request).collect()
    }

    /// Records the landings of which an intended commit is on the branch, and returns the others.
    fn settle_intended(&self, branch: &BranchName, landings: Vec<Landing>) -> Result<Vec<Landing>, String> {
        let mut open = Vec::new();
        for landing in landings {
            let mut landed = None;
            for intent in &landing.intents {
                let commit = CommitId::from_bytes(intent.commit.0);
                if self.repository.contains(branch, commit).map_err(|error| chain(&error))? {
                    landed = Some(Landed::Commit { commit: intent.commit, merged: intent.merged });
                    break;
                }
            }
            match landed {
                Some(landed) => self.tell(&landing, landed),
                None => open.push(landing),
            }
        }
        Ok(open)
    }

    /// Records what needs no commit (conflicts, results that change nothing), and returns the landings that do.
    fn settle_without_commit(&self, landings: Vec<Landing>, prepared: &Prepared) -> Vec<Landing> {
        let mut open = Vec::new();
        for (landing, item) in landings.into_iter().zip(&prepared.items) {
            match item {
                Preparation::Commit { .. } => open.push(landing),
                Preparation::Empty => self.tell(&landing, Landed::Empty),
                Preparation::Conflict(conflict) => {
                    let conflict = ConflictRecord {
                        theirs: CommitHash(*conflict.theirs.as_bytes()),
                        base: CommitHash(*conflict.base.as_bytes()),
                        ours: CommitHash(*conflict.ours.as_bytes()),
                        paths: conflict.paths.iter().map(|conflicted| conflicted.path.clone()).collect(),
                    };
                    let (task, token) = (landing.task, landing.token);
                    self.handle.send(Command::Conflict { task, token, conflict });
                }
            }
        }
        open
    }

    /// Records what the landings are about to become, and returns those for which that is durable.
    fn record_intents(&self, mut landings: Vec<Landing>, prepared: &Prepared) -> Intended {
        let commits = prepared.items.iter().filter_map(|item| match item {
            Preparation::Commit { id, merged, .. } => {
                Some(Intent { commit: CommitHash(*id.as_bytes()), merged: *merged })
            }
            Preparation::Empty | Preparation::Conflict(_) => None,
        });
        let mut intents = Vec::new();
        for (landing, intent) in landings.iter_mut().zip(commits) {
            landing.intents.push(intent);
            intents.push((landing.task, landing.token, intent));
        }
        match self.handle.submit_blocking(Command::Intend(intents.clone())) {
            Ok(_) => Intended::All(landings),
            Err(CommandError::Unknown | CommandError::Stopped) => Intended::Only(Vec::new()),
            Err(CommandError::Refused(refusal)) => {
                tracing::warn!(%refusal, "a result is not landed: its task has moved on");
                let is_open = |intent| self.handle.submit_blocking(Command::Intend(vec![intent])).is_ok();
                let open = landings.into_iter().zip(intents).filter(|(_, intent)| is_open(*intent));
                Intended::Only(open.map(|(landing, _)| landing).collect())
            }
        }
    }

    fn tell(&self, landing: &Landing, landed: Landed) {
        self.handle.send(Command::Land { task: landing.task, token: landing.token, landed });
    }
}

/// Returns an error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
