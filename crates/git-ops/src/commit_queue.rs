//! Many prepare, one writes: requests that come while a batch is being flushed share the next one.
//!
//! Whoever asks names and compresses the contents on its own thread. One thread for each queue takes all that waits,
//! builds the trees in memory, writes one pack, moves each ref once, and only then answers. Several queues, in one process
//! or in many, take turns batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::commit_request::{CommitError, CommitRequest, ReadyCommit};
use crate::landing::{LandRequest, Preparation, Prepared, PublishError};
use crate::merge_policy::MergePolicy;
use crate::name::BranchName;
use crate::pin::{PinRequest, Pinned, ReadyResult};
use crate::repository::Repository;
use crate::writer::{Batch, WriteError, Writer};

/// How many requests share a batch.
const BATCH_MAX: usize = 1024;
/// How often a commit is tried again when somebody else has moved its branch.
const TRIES_MAX: u32 = 20;
/// After how many packs the small ones are joined, if there are too many.
const PACKS_BEFORE_JOIN: usize = 12;

/// A queue in front of the writer of one repository. Cheap to clone.
///
/// It ends when the last clone is dropped: that waits until what was asked is answered and no thread of the queue touches the
/// repository any more, unless it happens in an answer, on the writing thread itself.
#[derive(Debug, Clone)]
pub struct CommitQueue {
    threads: Arc<Threads>,
}

/// Why a result was not kept, or a landing not prepared.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The batch of the request failed. What it was about to write can be written again.
    #[error(transparent)]
    Batch(#[from] Arc<WriteError>),
    /// The queue has ended.
    #[error("the queue has ended")]
    Ended,
}

impl QueueError {
    /// Returns whether it goes away by itself, as another program lets go of a lock.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Batch(error) if error.may_pass())
    }
}

/// How much of the time of a batch is waited for the next request that is expected.
const PATIENCE_SHARE: u32 = 8;
/// The longest wait for one more request.
const PATIENCE_MAX: Duration = Duration::from_millis(1);

type Reply<T> = Box<dyn FnOnce(T) + Send>;
type PinAnswer = Result<Pinned, CommitError>;
type CommitAnswer = Result<Preparation, CommitError>;
type PrepareAnswer = Result<Prepared, QueueError>;
type PublishAnswer = Result<(), PublishError>;

/// A request with the way back to whoever made it.
enum Job {
    Pin { result: ReadyResult, reply: Reply<PinAnswer> },
    Commit { commit: ReadyCommit, tries: u32, reply: Reply<CommitAnswer> },
    Prepare { branch: BranchName, requests: Vec<LandRequest>, reply: Reply<PrepareAnswer> },
    Publish { prepared: Prepared, reply: Reply<PublishAnswer> },
}

impl CommitQueue {
    /// Starts the writing thread of a queue that returns every conflict.
    pub fn start(repository: &Repository) -> Result<Self, WriteError> {
        Self::start_with(repository, MergePolicy::default())
    }

    /// Starts the writing thread of a queue. What is prepared again after a crash is the same only if the policy is.
    pub fn start_with(repository: &Repository, policy: MergePolicy) -> Result<Self, WriteError> {
        let (jobs, waiting) = mpsc::channel();
        let thread = WriterThread {
            writer: repository.writer()?.with_policy(policy.clone()),
            policy,
            repository: repository.clone(),
            again: Vec::new(),
            joiner: Joiner::start(repository.clone()),
            packs: 0,
        };
        // Many that wrote little before and were never at leisure may have left many packs.
        thread.joiner.ask();
        let writing = std::thread::spawn(move || thread.run(&waiting));
        Ok(Self { threads: Arc::new(Threads { jobs: Some(jobs), writing: Some(writing) }) })
    }

    /// Puts edits on a branch and waits until the commit is durable, or until it is clear that there is none.
    pub fn commit(&self, request: CommitRequest) -> Result<Preparation, CommitError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.commit_then(request, move |answer| drop(reply.send(answer)));
        answer.recv().unwrap_or(Err(CommitError::Ended))
    }

    /// As [`CommitQueue::commit`], but returns at once and answers later, on the writing thread.
    ///
    /// The answer is dropped without being called if the queue ends before.
    pub fn commit_then(&self, request: CommitRequest, reply: impl FnOnce(CommitAnswer) + Send + 'static) {
        match ReadyCommit::new(request) {
            Ok(commit) => self.send(Job::Commit { commit, tries: 0, reply: Box::new(reply) }),
            Err(error) => reply(Err(CommitError::Batch(Arc::new(error.into())))),
        }
    }

    /// Keeps a result, as [`Writer::pin`], and answers later, on the writing thread.
    ///
    /// The answer is dropped without being called if the queue ends before.
    pub fn pin_then(&self, request: PinRequest, reply: impl FnOnce(PinAnswer) + Send + 'static) {
        match ReadyResult::new(request) {
            Ok(result) => self.send(Job::Pin { result, reply: Box::new(reply) }),
            Err(error) => reply(Err(CommitError::Batch(Arc::new(error.into())))),
        }
    }

    /// Writes what results become on a branch, as [`Writer::prepare`], and waits for it. No ref moves.
    pub fn prepare(&self, branch: BranchName, requests: Vec<LandRequest>) -> Result<Prepared, QueueError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Job::Prepare { branch, requests, reply: Box::new(move |answer| drop(reply.send(answer))) });
        answer.recv().unwrap_or(Err(QueueError::Ended))
    }

    /// Moves a branch to what was prepared, as [`Writer::publish`], and waits for it.
    pub fn publish(&self, prepared: Prepared) -> Result<(), PublishError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Job::Publish { prepared, reply: Box::new(move |answer| drop(reply.send(answer))) });
        answer.recv().unwrap_or(Err(PublishError::Ended))
    }

    fn send(&self, job: Job) {
        // A job that cannot be sent is dropped with its reply, which tells whoever waits.
        if let Some(jobs) = &self.threads.jobs {
            drop(jobs.send(job));
        }
    }
}

/// What the clones of a queue share.
#[derive(Debug)]
struct Threads {
    /// There until the queue ends.
    jobs: Option<mpsc::Sender<Job>>,
    /// There until the queue ends.
    writing: Option<JoinHandle<()>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.jobs.take());
        wait_for(self.writing.take());
    }
}

/// Waits until a thread has ended, unless it is this one.
fn wait_for(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
        // One that has panicked has told so already.
        let _ = thread.join();
    }
}

/// The one thread of a queue that writes.
struct WriterThread {
    writer: Writer,
    policy: MergePolicy,
    repository: Repository,
    /// Commits whose branch somebody else has moved.
    again: Vec<Job>,
    joiner: Joiner,
    /// How many packs were written since the joiner was last asked.
    packs: usize,
}

impl WriterThread {
    fn run(mut self, waiting: &mpsc::Receiver<Job>) {
        let (mut answered, mut patience) = (0, Duration::ZERO);
        loop {
            let mut jobs = std::mem::take(&mut self.again);
            jobs.extend(waiting.try_iter().take(BATCH_MAX));
            // Whoever was answered just now is about to ask again. Without them the agents would part into two halves, each
            // waiting for the batch of the other.
            let expected = (jobs.len() + answered).min(BATCH_MAX);
            if jobs.is_empty() {
                let Ok(first) = waiting.recv() else { return };
                jobs.push(first);
            }
            while jobs.len() < expected
                && let Ok(job) = waiting.recv_timeout(patience)
            {
                jobs.push(job);
            }
            answered = jobs.len();
            let begun = Instant::now();
            self.process(jobs);
            answered -= self.again.len();
            patience = (begun.elapsed() / PATIENCE_SHARE).min(PATIENCE_MAX);
        }
    }

    fn process(&mut self, jobs: Vec<Job>) {
        let mut batch = Batch::default();
        let (mut pins, mut commits, mut prepares) = (Vec::new(), Vec::new(), Vec::new());
        let mut publishes: BTreeMap<BranchName, Vec<(Prepared, Reply<PublishAnswer>)>> = BTreeMap::new();
        for job in jobs {
            match job {
                Job::Pin { result, reply } => {
                    batch.results.push(result);
                    pins.push(reply);
                }
                Job::Commit { commit, tries, reply } => {
                    batch.commits.push(commit);
                    commits.push((tries, reply));
                }
                Job::Prepare { branch, requests, reply } => {
                    batch.landings.push((branch, requests));
                    prepares.push(reply);
                }
                Job::Publish { prepared, reply } => {
                    publishes.entry(prepared.branch.clone()).or_default().push((prepared, reply));
                }
            }
        }
        self.publish(publishes.into_values().flatten().collect());
        if pins.is_empty() && commits.is_empty() && prepares.is_empty() {
            return;
        }
        match self.writer.write(&batch) {
            Ok(written) => {
                answer(pins, written.pinned.into_iter().map(|pinned| pinned.map_err(CommitError::from)));
                let prepared = written.prepared.into_iter();
                answer(prepares, prepared.map(|prepared| prepared.map_err(|error| Arc::new(error).into())));
                let committed = batch.commits.into_iter().zip(written.committed);
                for ((commit, answer), (tries, reply)) in committed.zip(commits) {
                    match answer {
                        Err(CommitError::TipMoved { .. }) if tries < TRIES_MAX => {
                            self.again.push(Job::Commit { commit, tries: tries + 1, reply });
                        }
                        answer => reply(answer),
                    }
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                pins.into_iter().for_each(|reply| reply(Err(CommitError::Batch(Arc::clone(&error)))));
                prepares.into_iter().for_each(|reply| reply(Err(QueueError::Batch(Arc::clone(&error)))));
                commits.into_iter().for_each(|(_, reply)| reply(Err(CommitError::Batch(Arc::clone(&error)))));
            }
        }
        self.keep_fit();
    }

    /// Publishes one after another what is for the same branch; those of different branches share a flush.
    fn publish(&mut self, mut publishes: Vec<(Prepared, Reply<PublishAnswer>)>) {
        while !publishes.is_empty() {
            let mut branches = std::collections::BTreeSet::new();
            let (now, later): (Vec<_>, Vec<_>) =
                publishes.into_iter().partition(|(prepared, _)| branches.insert(prepared.branch.clone()));
            publishes = later;
            let (prepared, replies): (Vec<Prepared>, Vec<_>) = now.into_iter().unzip();
            match self.writer.publish_all(&prepared) {
                Ok(outcomes) => answer(replies, outcomes),
                Err(error) => {
                    let error = Arc::new(error);
                    replies.into_iter().for_each(|reply| reply(Err(PublishError::Batch(Arc::clone(&error)))));
                }
            }
        }
    }

    /// Replaces a writer that failed, and sees to it that packs stay few.
    fn keep_fit(&mut self) {
        if self.writer.is_spent()
            && let Ok(writer) = self.repository.writer()
        {
            self.writer = writer.with_policy(self.policy.clone());
        }
        self.packs += 1;
        if self.packs >= PACKS_BEFORE_JOIN {
            self.packs = 0;
            self.joiner.ask();
        }
        if self.joiner.has_joined() {
            // A writer that cannot let go of packs that are gone still finds everything.
            let _ = self.writer.reopen();
        }
    }
}

/// Hands out the answers, which are in the order of the requests.
fn answer<T>(replies: Vec<Reply<T>>, answers: impl IntoIterator<Item = T>) {
    replies.into_iter().zip(answers).for_each(|(reply, answer)| reply(answer));
}

/// After how long a time without requests there is time to pack anew.
const IDLE: Duration = Duration::from_secs(3);

/// A thread that joins small packs when it is asked to, beside the writing, and packs them anew when nobody writes. It ends with
/// its owner.
struct Joiner {
    /// There until the owner ends.
    requests: Option<mpsc::SyncSender<()>>,
    /// There until the owner ends.
    thread: Option<JoinHandle<()>>,
    joined: Arc<AtomicBool>,
    ending: Arc<AtomicBool>,
}

impl Joiner {
    fn start(repository: Repository) -> Self {
        let (requests, asked) = mpsc::sync_channel(1);
        let joined = Arc::new(AtomicBool::new(false));
        let ending = Arc::new(AtomicBool::new(false));
        let (done, is_unwanted) = (Arc::clone(&joined), Arc::clone(&ending));
        let thread = std::thread::spawn(move || {
            let mut has_new = false;
            loop {
                let next = match has_new {
                    true => asked.recv_timeout(IDLE),
                    false => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
                };
                has_new = next.is_ok();
                // Packs that are left as they are now are looked at the next time; nothing depends on it.
                let replaced = match next {
                    Ok(()) => repository.join_packs().unwrap_or(0),
                    Err(RecvTimeoutError::Timeout) => {
                        repository.repack_if_due(&is_unwanted).map_or(0, |repacked| repacked.packs)
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if replaced > 0 {
                    done.store(true, Ordering::Relaxed);
                }
            }
        });
        Self { requests: Some(requests), thread: Some(thread), joined, ending }
    }

    fn ask(&self) {
        // One that does not listen is busy with, or about to begin, just that.
        let _ = self.requests.as_ref().map(|requests| requests.try_send(()));
    }

    fn has_joined(&self) -> bool {
        self.joined.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Joiner {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        drop(self.requests.take());
        wait_for(self.thread.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn commit_many(queue: &CommitQueue, test: &TestRepository, threads: usize, each: usize) -> usize {
        std::thread::scope(|scope| {
            let agents: Vec<_> = (0..threads)
                .map(|thread| {
                    scope.spawn(move || {
                        (0..each)
                            .filter(|n| {
                                let file = format!("dir{}/{thread}-{n}", thread % 7);
                                let request = commit_request(test.first, &[write(&file, &file)]);
                                matches!(queue.commit(request), Ok(Preparation::Commit { .. }))
                            })
                            .count()
                    })
                })
                .collect();
            agents.into_iter().map(|agent| agent.join().unwrap()).sum()
        })
    }

    #[test]
    fn many_agents_share_batches_and_lose_nothing() {
        let test = TestRepository::new(&[("a", "a")]);
        let queue = CommitQueue::start(&test.repository).unwrap();
        assert_eq!(commit_many(&queue, &test, 50, 5), 250);
        assert_eq!(test.git(&["rev-list", "--count", "work"]).1.trim(), "251");
        test.check_invariants();
    }

    #[test]
    fn several_queues_work_on_one_branch() {
        let test = TestRepository::new(&[("a", "a")]);
        let queues = [(); 3].map(|()| CommitQueue::start(&test.repository).unwrap());
        std::thread::scope(|scope| {
            for (n, queue) in queues.iter().enumerate() {
                let test = &test;
                scope.spawn(move || {
                    for k in 0..20 {
                        let file = format!("queue{n}/{k}");
                        let request = commit_request(test.first, &[write(&file, "x")]);
                        assert!(matches!(queue.commit(request), Ok(Preparation::Commit { .. })));
                    }
                });
            }
        });
        assert_eq!(test.git(&["rev-list", "--count", "work"]).1.trim(), "61");
        test.check_invariants();
    }

    #[test]
    fn results_land_in_two_steps_beside_commits() {
        let test = TestRepository::new(&[("a", "a")]);
        let queue = CommitQueue::start(&test.repository).unwrap();
        let (reply, pinned) = mpsc::sync_channel(1);
        queue
            .pin_then(pin_request(test.first, &[write("b", "b")]), move |answer| reply.send(answer).unwrap());
        let pinned = pinned.recv().unwrap().unwrap();
        let prepared = queue.prepare(work(), vec![land_request(pinned.commit)]).unwrap();
        assert_eq!(test.repository.tip(&work()).unwrap(), Some(test.first));
        let stale = prepared.clone();
        queue.publish(prepared.clone()).unwrap();
        assert!(test.repository.contains(&work(), prepared.new_tip).unwrap());
        queue.commit(commit_request(test.first, &[write("c", "c")])).unwrap();
        assert!(matches!(queue.publish(stale), Err(PublishError::TipMoved { .. })));
        let refused = queue.prepare(BranchName::new("absent").unwrap(), Vec::new());
        assert!(
            matches!(refused, Err(QueueError::Batch(error)) if matches!(*error, WriteError::NoSuchBranch { .. }))
        );
        test.check_invariants();
    }

    #[test]
    fn a_queue_joins_what_others_have_left() {
        let test = TestRepository::new(&[("a", "a")]);
        for n in 0..60 {
            test.pin(test.first, &[write("a", &format!("{n}"))]);
        }
        let queue = CommitQueue::start(&test.repository).unwrap();
        let pack_count = || {
            let folder = std::fs::read_dir(test.repository.git_dir().join("objects/pack")).unwrap();
            let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.ends_with(".idx")).count()
        };
        let begun = Instant::now();
        while pack_count() > 24 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        assert!(pack_count() <= 24, "{} packs", pack_count());
        drop(queue);
        test.check_invariants();
    }

    #[test]
    fn nothing_touches_the_repository_after_a_queue_has_ended() {
        let test = TestRepository::new(&[("a", "a")]);
        for n in 0..60 {
            test.pin(test.first, &[write("a", &format!("{n}"))]);
        }
        let queue = CommitQueue::start(&test.repository).unwrap();
        let (reply, answer) = mpsc::sync_channel(1);
        queue.commit_then(commit_request(test.first, &[write("b", "b")]), move |answered| {
            reply.send(answered).unwrap();
        });
        drop(queue);
        assert!(matches!(answer.try_recv().unwrap(), Ok(Preparation::Commit { .. })), "asked before the end");
        let files = || {
            let folder = std::fs::read_dir(test.repository.git_dir().join("objects/pack")).unwrap();
            let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let left = files();
        for _ in 0..20 {
            test.check_invariants();
        }
        assert_eq!(files(), left);
    }

    #[test]
    fn a_queue_may_end_in_an_answer() {
        let test = TestRepository::new(&[("a", "a")]);
        let queue = CommitQueue::start(&test.repository).unwrap();
        let (reply, answer) = mpsc::sync_channel(1);
        let (last, is_last) = mpsc::channel();
        last.send(queue.clone()).unwrap();
        queue.commit_then(commit_request(test.first, &[write("b", "b")]), move |answered| {
            drop(is_last);
            reply.send(answered).unwrap();
        });
        drop(queue);
        assert!(answer.recv().unwrap().is_ok());
    }

    #[test]
    fn packs_stay_few_under_a_queue() {
        let test = TestRepository::new(&[("a", "a")]);
        let queue = CommitQueue::start(&test.repository).unwrap();
        for n in 0..200 {
            queue.commit(commit_request(test.first, &[write(&format!("f{n}"), "x")])).unwrap();
        }
        test.repository.join_packs().unwrap();
        let packs = std::fs::read_dir(test.repository.git_dir().join("objects/pack")).unwrap();
        let packs =
            packs.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "pack").count();
        assert!(packs <= 60, "{packs} packs for 200 commits");
        assert_eq!(test.git(&["rev-list", "--count", "work"]).1.trim(), "201");
        test.check_invariants();
    }
}
