//! The only place where tasks and git meet: results are pinned, then landed in two steps.
//!
//! Everything goes through one queue per coordinator, so that results that come together share a batch.
//! Landing is prepare (commits written and flushed, nothing moved), intents in the log, publish (the branch is moved by
//! compare-and-swap), landed in the log. A crash in between is resolved by looking whether an intended commit is on the
//! branch; if none is, preparing again gives the same ids.
//!
//! Where the rules name a check, it is run between preparing and the intents, on the files that the branch is about to hold.
//! A result that does not pass it fails its attempt, as one whose own check fails does, and the others of its batch land.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use git_ops::{
    BranchName, CheckVerdict, Checked, CommitId, CommitQueue, LandRequest, Message, Preparation, Prepared,
    PublishError, Repository, Signature, WorktreePool,
};
use planner_core::Check;
use state_store::Timestamp;
use state_store::task::{CommitHash, ConflictRecord, FailureReason, FencingToken, Intent, Landed, TaskKey};
use tokio::sync::oneshot;

use crate::engine::Command;
use crate::handle::{CommandError, Handle, Input};
use crate::hindrance::Hindrance;
use crate::landing_rules::LandingRules;
use crate::process::ProcessLimits;
use crate::process_owner::ProcessOwner;
use crate::verification::{self, CheckedFiles, Verdict};

/// How often a batch is tried again when somebody else has moved the branch or holds a lock.
const TRIES: u32 = 20;

/// How long a coordinator that ends waits for the thread that lands: where a check of what is landed goes on, not for that.
const LANDER_GRACE: Duration = Duration::from_secs(2);

/// What a coordinator keeps and lands results by. The thread that lands ends with it.
#[derive(Debug)]
pub(crate) struct Git {
    /// Keeps results.
    pub(crate) queue: CommitQueue,
    /// There until the end.
    landings: Option<mpsc::Sender<Landing>>,
    /// Closed as soon as the thread holds nothing any more.
    ended: mpsc::Receiver<()>,
}

impl Git {
    /// Starts the thread that lands.
    pub(crate) fn start(lander: Lander) -> std::io::Result<Self> {
        let queue = lander.queue.clone();
        let (landings, waiting) = mpsc::channel();
        let (holding, ended) = mpsc::channel();
        let work = move || {
            lander.run(&waiting);
            drop(holding);
        };
        std::thread::Builder::new().name("landing".to_owned()).spawn(work)?;
        Ok(Self { queue, landings: Some(landings), ended })
    }

    /// Has a result landed that is kept.
    pub(crate) fn land(&self, landing: Landing) {
        if let Some(landings) = &self.landings {
            // The thread ends only after this.
            let _ = landings.send(landing);
        }
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        drop(self.landings.take());
        // What the process leaves behind when it ends before, the next one clears away.
        let _ = self.ended.recv_timeout(LANDER_GRACE);
    }
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

/// The state of the thread that lands.
pub(crate) struct Lander {
    pub(crate) repository: Repository,
    pub(crate) queue: CommitQueue,
    pub(crate) author: Signature,
    pub(crate) rules: LandingRules,
    pub(crate) check_limits: ProcessLimits,
    pub(crate) worktrees: WorktreePool,
    /// Whose the checks are.
    pub(crate) owner: ProcessOwner,
    /// Where checks run.
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) handle: Handle,
}

/// What of a batch the check lets through.
struct Passed {
    prepared: Prepared,
    /// The landings that its items are of, in order.
    now: Vec<Landing>,
    /// Those that are prepared anew, without the one that did not pass.
    later: Vec<Landing>,
}

/// What publishing came to.
enum Published {
    /// Every landing is settled.
    All,
    /// The branch is where it was, and these are to be prepared again.
    Nothing { open: Vec<Landing>, because: String },
}

/// The landings whose intents are durable, those that need none included.
enum Intended {
    /// All of them.
    All(Vec<Landing>),
    /// Only these: the tasks of the others have moved on, and whoever moved them looks after their results.
    Only(Vec<Landing>),
}

impl Lander {
    /// Works until nobody can ask for anything any more.
    fn run(self, waiting: &mpsc::Receiver<Landing>) {
        while let Ok(first) = waiting.recv() {
            let mut landings: BTreeMap<BranchName, Vec<Landing>> = BTreeMap::new();
            for landing in std::iter::once(first).chain(waiting.try_iter()) {
                landings.entry(landing.branch.clone()).or_default().push(landing);
            }
            for (branch, landings) in landings {
                if let Err(reason) = self.land(&branch, landings) {
                    self.stop(format!("results cannot be landed on {branch}"), reason);
                }
            }
        }
    }

    fn stop(&self, what: String, reason: String) {
        self.handle.tell(Input::Hindered(Hindrance { what, reason }));
    }

    /// Lands a batch on a branch, or says why that is not possible.
    fn land(&self, branch: &BranchName, mut landings: Vec<Landing>) -> Result<(), String> {
        let mut last = String::new();
        let mut tries = 0;
        while tries < TRIES {
            landings = self.settle_intended(branch, landings)?;
            if landings.is_empty() {
                return Ok(());
            }
            let prepared = match self.queue.prepare(branch.clone(), self.requests(&landings)) {
                Ok(prepared) => prepared,
                Err(error) if error.may_pass() => {
                    (tries, last) = (tries + 1, chain(&error));
                    continue;
                }
                Err(error) => return Err(chain(&error)),
            };
            let Passed { prepared, now, later } = self.check(branch, prepared, landings)?;
            landings = match self.publish(prepared, now)? {
                Published::All => later,
                Published::Nothing { open, because } => {
                    (tries, last) = (tries + 1, because);
                    open.into_iter().chain(later).collect()
                }
            };
        }
        Err(format!("it was tried {TRIES} times: {last}"))
    }

    /// Publishes what is prepared, whose intents it records before, and records what each landing has become.
    ///
    /// What changes nothing or conflicts does so after the commits before it, so it is recorded only when those are there.
    fn publish(&self, prepared: Prepared, landings: Vec<Landing>) -> Result<Published, String> {
        let items = prepared.items.clone();
        let landings = match self.record_intents(landings, &items) {
            Intended::All(all) => all,
            // What is prepared holds the commits of the others too, so it is prepared again.
            Intended::Only(open) => {
                return Ok(Published::Nothing { open, because: "tasks have moved on meanwhile".to_owned() });
            }
        };
        if items.iter().any(|item| intent(item).is_some())
            && let Err(error) = self.queue.publish(prepared)
        {
            let because = chain(&error);
            let is_stale = matches!(error, PublishError::TipMoved { .. } | PublishError::Collected { .. });
            let can_be_repeated = is_stale || error.may_pass();
            return if can_be_repeated {
                Ok(Published::Nothing { open: landings, because })
            } else {
                Err(because)
            };
        }
        for (landing, item) in landings.iter().zip(&items) {
            self.tell_outcome(landing, item);
        }
        Ok(Published::All)
    }

    /// Runs the check of the rules, if there is one, and fails the attempt whose result does not pass.
    fn check(
        &self,
        branch: &BranchName,
        prepared: Prepared,
        mut landings: Vec<Landing>,
    ) -> Result<Passed, String> {
        let Some(check) = &self.rules.check else {
            return Ok(Passed { prepared, now: landings, later: Vec::new() });
        };
        match prepared.checked(|commit| self.verdict(check, commit))? {
            Checked::All(prepared) => Ok(Passed { prepared, now: landings, later: Vec::new() }),
            Checked::UpTo { before, culprit, reason } => {
                let mut later = landings.split_off(culprit);
                let culprit = later.drain(..1).collect();
                // While the check ran, another coordinator may have come to land it.
                for Landing { task, token, .. } in self.settle_intended(branch, culprit)? {
                    let reason = FailureReason::Check(format!("with what is on {branch}, {reason}"));
                    self.handle.send(Command::Fail { task, token, reason });
                }
                Ok(Passed { prepared: before, now: landings, later })
            }
            Checked::Base { reason } => Err(format!("as it is, without any result, {reason}")),
        }
    }

    /// Runs the check on the files of a commit. Ends early where the coordinator does.
    fn verdict(&self, check: &Check, commit: CommitId) -> Result<CheckVerdict, String> {
        let files = CheckedFiles { repository: self.repository.clone(), commit };
        let (check, worktrees, limits) = (check.clone(), self.worktrees.clone(), self.check_limits);
        let (owner, ended) = (self.owner, self.handle.ended.clone());
        let (reply, answer) = oneshot::channel();
        self.runtime.spawn(async move {
            tokio::select! {
                verdict = verification::verify(&check, Some(files), worktrees, limits, owner) => drop(reply.send(verdict)),
                () = ended.cancelled() => {}
            }
        });
        match answer.blocking_recv() {
            Ok(Verdict::Passed { .. }) => Ok(CheckVerdict::Passes),
            Ok(Verdict::Failed(output)) => Ok(CheckVerdict::Fails(output)),
            Ok(Verdict::Unable(reason)) => Err(reason),
            Err(_) => Err("the coordinator has ended".to_owned()),
        }
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

    /// Records what a landing has become.
    fn tell_outcome(&self, landing: &Landing, item: &Preparation) {
        match item {
            Preparation::Commit { id, merged, .. } => {
                let commit = CommitHash(*id.as_bytes());
                self.tell(landing, Landed::Commit { commit, merged: *merged });
            }
            Preparation::Empty => self.tell(landing, Landed::Empty),
            Preparation::Unmergeable { reason } => {
                let (task, token) = (landing.task, landing.token);
                let reason = FailureReason::Unusable(reason.clone());
                self.handle.send(Command::Fail { task, token, reason });
            }
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

    /// Records what the landings are about to become, and returns those for which that is durable.
    fn record_intents(&self, mut landings: Vec<Landing>, items: &[Preparation]) -> Intended {
        let mut intents = Vec::new();
        for (landing, intent) in
            landings.iter_mut().zip(items).filter_map(|(landing, item)| Some((landing, intent(item)?)))
        {
            landing.intents.push(intent);
            intents.push((landing.task, landing.token, intent));
        }
        if intents.is_empty() {
            return Intended::All(landings);
        }
        match self.handle.submit_blocking(Command::Intend(intents.clone())) {
            Ok(_) => Intended::All(landings),
            Err(CommandError::Unknown | CommandError::Stopped) => Intended::Only(Vec::new()),
            Err(CommandError::Refused(refusal)) => {
                tracing::warn!(%refusal, "a result is not landed: its task has moved on");
                let is_refused = |intent| self.handle.submit_blocking(Command::Intend(vec![intent])).is_err();
                let refused = intents.into_iter().filter(|intent| is_refused(*intent));
                let refused: Vec<TaskKey> = refused.map(|(task, _, _)| task).collect();
                landings.retain(|landing| !refused.contains(&landing.task));
                Intended::Only(landings)
            }
        }
    }

    fn tell(&self, landing: &Landing, landed: Landed) {
        self.handle.send(Command::Land { task: landing.task, token: landing.token, landed });
    }
}

/// Returns what a result is about to become, `None` if it needs no commit.
fn intent(item: &Preparation) -> Option<Intent> {
    match item {
        Preparation::Commit { id, merged, .. } => {
            Some(Intent { commit: CommitHash(*id.as_bytes()), merged: *merged })
        }
        Preparation::Empty | Preparation::Conflict(_) | Preparation::Unmergeable { .. } => None,
    }
}

/// Returns an error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
