//! Agents that are the loop of `agent-runtime`: a model, tools over the files of the branch, and a session in the log.
//!
//! This is where the two crates meet; neither knows the other. The model is the simulated one, which follows plain
//! instructions: it looks around, writes the task's file by a tool call, and answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use agent_coordinator::executor::{AgentExecutor, Base, Job, Outcome, simulated_file};
use agent_runtime::event::EventSender;
use agent_runtime::model::{Simulated, SimulatedProfile};
use agent_runtime::react::{self, Options, ReAct, Request};
use agent_runtime::session::{Session, SessionName};
use agent_runtime::tool::files::{FilePath, FileSource, WorkingSet, tools};
use agent_runtime::tool::{Registry, ToolLimits};
use git_ops::{Edit, FileMode, RepoPath};
use state_store::StateStore;

/// How many replies an ordinary task takes: to look, to write, to answer.
const REPLIES: u32 = 3;

/// Runs each job through the loop of model and tools.
#[derive(Debug, Clone)]
pub(crate) struct ReactAgent {
    /// Where the sessions are kept.
    pub(crate) store: Arc<dyn StateStore>,
    /// What the model draws from, together with task and attempt.
    pub(crate) seed: u64,
    /// How many times faster than planned the model answers.
    pub(crate) time_scale: f64,
}

impl AgentExecutor for ReactAgent {
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let agent = self.clone();
        Box::pin(
            async move { agent.work(&job).await.unwrap_or_else(|error| Outcome::Failed(error.to_string())) },
        )
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl ReactAgent {
    async fn work(&self, job: &Job) -> Result<Outcome, Failure> {
        let files = Arc::new(WorkingSet::new(BaseFiles(job.base.clone())));
        let name = SessionName::new(&format!("{}/{}/{}", job.key.project.0, job.key.task, job.token))?;
        let mut session = Session::open(Arc::clone(&self.store), name).await?;
        let model = Arc::new(Simulated::new(self.model(job)));
        let tools = Arc::new(Registry::new(tools(&files), ToolLimits::default())?);
        let options = Options { seed: self.seed, ..Options::default() };
        let agent = ReAct { options, ..ReAct::new(model, tools) };
        let run = agent.run(&mut session, &request(job), &EventSender::unheard(), &job.stop).await?;
        Ok(match run.outcome {
            react::Outcome::Answered(_) => Outcome::Done(edits(&files)?),
            react::Outcome::LimitReached(limit) => {
                Outcome::Failed(format!("the agent reached a limit: {limit:?}"))
            }
            react::Outcome::Cancelled => Outcome::Failed("stopped".to_owned()),
        })
    }

    fn model(&self, job: &Job) -> SimulatedProfile {
        let planned = job.task().effort_or_default().as_duration();
        SimulatedProfile {
            seed: self.seed ^ (u64::from(job.key.task) << 32) ^ job.token.get(),
            latency: planned.div_f64(self.time_scale.max(f64::MIN_POSITIVE)) / REPLIES,
            ..SimulatedProfile::default()
        }
    }
}

fn request(job: &Job) -> Request {
    let task = job.task();
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let heading = format!("# {}: {}", task.id, one_line(&task.title));
    Request {
        instructions: "You work on one task of a project. Look at the files first.".to_owned(),
        text: format!(
            "{heading}\n\n{}\n\nwrite {} with {heading}",
            one_line(&task.description),
            simulated_file(job)
        ),
        ..Request::default()
    }
}

fn edits(files: &WorkingSet) -> Result<Vec<Edit>, Failure> {
    let edit = |(path, content): (FilePath, Vec<u8>)| {
        Ok(Edit::Write { path: RepoPath::new(path.as_str())?, content, mode: FileMode::Regular })
    };
    files.changes().into_iter().map(edit).collect()
}

/// The files that an attempt begins from; none where the task has no files to show.
#[derive(Debug)]
struct BaseFiles(Option<Base>);

impl FileSource for BaseFiles {
    fn read(&self, path: &FilePath) -> Result<Option<Vec<u8>>, Failure> {
        match &self.0 {
            Some(base) => Ok(base.files()?.read(&RepoPath::new(path.as_str())?)?),
            None => Ok(None),
        }
    }

    fn paths(&self) -> Result<Vec<String>, Failure> {
        let Some(base) = &self.0 else { return Ok(Vec::new()) };
        Ok(base.files()?.list()?.files.into_iter().map(|(path, _)| path.to_string()).collect())
    }
}
