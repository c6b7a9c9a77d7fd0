//! Agents that are the loop of `agent-runtime`: models, tools over the files of the branch, skills, and a session in the log.
//!
//! This is where the two crates meet; neither knows the other. A session belongs to a task and the commit that its files
//! begin from: an attempt that a crash cut off is gone on with at the message that was kept last, and one that follows a
//! failure sees what was tried. Where the branch has moved on, the files are others, and a new session begins.
//!
//! Agents share their models, with the limits, breakers and records of these, and the texts of the skills. The simulated
//! model follows plain instructions: it takes up the skills that are named like the task's capabilities, looks around,
//! writes the task's file by a tool call, and answers.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agent_coordinator::executor::{
    AgentExecutor, Base, Job, Outcome, simulated_file, simulated_line, simulated_notes,
};
use agent_runtime::event::EventSender;
use agent_runtime::guard::{BreakerLimits, ProviderLimits, Rate, UserLimits, Users};
use agent_runtime::model::SimulatedProfile;
use agent_runtime::react::{self, Options, ReAct, Request, RunError};
use agent_runtime::retry::RetryPolicy;
use agent_runtime::session::{Session, SessionError, SessionName};
use agent_runtime::skill::{Catalogue, SkillCache, SkillTools};
use agent_runtime::tool::files::{FilePath, FileSource, WorkingSet, tools};
use agent_runtime::tool::{Registry, ToolLimits};
use git_ops::{Edit, FileMode, RepoPath};
use planner_core::random::Random;
use state_store::StateStore;

use crate::agent_tools::AgentTools;
use crate::agents::Simulation;
use crate::cli::ModelArgs;
use crate::command::skills;
use crate::error::CliError;
use crate::models::{self, Kind, Models};
use crate::session::ATTEMPT_TIME;

/// How many replies an ordinary task takes: to look, to write, to answer.
const REPLIES: u32 = 3;
const INSTRUCTIONS: &str = "You work on one task of a project, with tools over its files. Look at the files first, change \
                            what the task asks for and no more, and answer with what you have done.";

/// Runs each job through the loop of model and tools.
#[derive(Clone)]
pub(crate) struct ReactAgent(Arc<Shared>);

/// What all agents of a run have in common.
struct Shared {
    store: Arc<dyn StateStore>,
    models: Models,
    users: Arc<Users>,
    catalogue: Arc<Catalogue>,
    tools: AgentTools,
    cache: Arc<SkillCache>,
    options: Options,
    /// Whether the model sums up what it is no longer shown.
    summarises: bool,
    simulation: Simulation,
}

impl ReactAgent {
    /// Returns agents that keep their sessions in that store.
    pub(crate) fn new(
        store: Arc<dyn StateStore>,
        args: &ModelArgs,
        tools: AgentTools,
        simulation: Simulation,
    ) -> Result<Self, CliError> {
        let catalogue = Arc::new(skills::named(&args.skills)?);
        let budget = models::budget(args);
        let options = Options { seed: simulation.seed, budget, time_max: ATTEMPT_TIME, ..Options::default() };
        let pace = Pace::of(args, simulation);
        Ok(Self(Arc::new(Shared {
            store,
            models: Models::choose(args, pace.provider_limits())?,
            users: Users::new(pace.user_limits()),
            catalogue,
            tools,
            cache: Arc::default(),
            options: Options { retry: pace.retry_policy(), ..options },
            summarises: args.summarise,
            simulation,
        })))
    }
}

impl ReactAgent {
    /// Returns the skills of the agents.
    pub(crate) fn skills(&self) -> &Catalogue {
        &self.0.catalogue
    }
}

impl std::fmt::Debug for ReactAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReactAgent").field("simulation", &self.0.simulation).finish_non_exhaustive()
    }
}

/// How many times faster than real ones the models are: limits and waits go with them.
struct Pace(f64);

impl Pace {
    fn of(args: &ModelArgs, simulation: Simulation) -> Self {
        Self(match Kind::of(args) {
            Kind::Remote => 1.0,
            Kind::Simulated => simulation.time_scale.max(1.0),
        })
    }

    fn scaled(&self, time: Duration) -> Duration {
        time.div_f64(self.0)
    }

    fn rate(&self, rate: Rate) -> Rate {
        Rate { every: self.scaled(rate.every), ..rate }
    }

    fn user_limits(&self) -> UserLimits {
        let limits = UserLimits::default();
        UserLimits { rate: self.rate(limits.rate), ..limits }
    }

    fn provider_limits(&self) -> ProviderLimits {
        let limits = ProviderLimits::default();
        let probe_every = self.scaled(limits.breaker.probe_every);
        let breaker = BreakerLimits { probe_every, ..limits.breaker };
        ProviderLimits { rate: self.rate(limits.rate), breaker, ..limits }
    }

    fn retry_policy(&self) -> RetryPolicy {
        let policy = RetryPolicy::default();
        RetryPolicy { backoff_base: self.scaled(policy.backoff_base), ..policy }
    }
}

impl AgentExecutor for ReactAgent {
    fn execute(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.work(&job).await.unwrap_or_else(|failure| failure.outcome()) })
    }
}

/// Why an attempt has no result.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the session cannot be kept")]
    Session(#[from] SessionError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the agent reached a limit: {0:?}")]
    Limit(react::Limit),
    #[error("stopped")]
    Stopped,
    #[error("the tools of the agent are not there")]
    Tools(#[source] CliError),
    #[error(transparent)]
    Other(#[from] Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// A store that fails, and tools that are not there, are not the agent's fault; another who has taken over the session is as good as a failed attempt.
    fn outcome(&self) -> Outcome {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        match self {
            Self::Session(error) | Self::Run(RunError::Session(error))
                if !matches!(error, SessionError::Moved { .. }) =>
            {
                Outcome::Unable(text)
            }
            Self::Tools(_) => Outcome::Unable(text),
            Self::Session(_) | Self::Run(_) | Self::Limit(_) | Self::Stopped | Self::Other(_) => {
                Outcome::Failed(text)
            }
        }
    }
}

impl Shared {
    async fn work(&self, job: &Job) -> Result<Outcome, Failure> {
        let mut session = Session::open(Arc::clone(&self.store), session_name(job)).await?;
        let files = Arc::new(WorkingSet::new(BaseFiles(job.base.clone())));
        files.restore(session.messages()).map_err(boxed)?;
        let skills =
            SkillTools::new(Arc::clone(&self.catalogue), Arc::clone(&self.cache), session.messages());
        let others = self.tools.of(job.base.clone(), &files).await.map_err(Failure::Tools)?;
        let tools = tools(&files).into_iter().chain(skills.tools()).chain(others);
        let tools = Registry::new(tools, ToolLimits::default());
        let simulation = self.simulation.profile(job);
        let model = self.users.model_of(&job.agent, Arc::new(self.models.as_one(&simulation)));
        let agent = ReAct {
            options: self.options.clone(),
            counter: self.models.counter(),
            summariser: self.summarises.then(|| Arc::clone(&model)),
            ..ReAct::new(model, Arc::new(tools.map_err(boxed)?))
        };
        let events = EventSender::unheard();
        // A request that has used up its replies is asked anew: going on with it would end at once.
        let has_replies_left = react::iterations(session.messages()) < self.options.iterations_max.get();
        let run = if react::is_unanswered(session.messages()) && has_replies_left {
            agent.resume(&mut session, &events, &job.stop).await?
        } else {
            agent.run(&mut session, &self.request(job), &events, &job.stop).await?
        };
        match run.outcome {
            react::Outcome::Answered(_) => Ok(Outcome::Done(edits(&files, job.base.as_ref())?)),
            react::Outcome::LimitReached(limit) => Err(Failure::Limit(limit)),
            react::Outcome::Cancelled => Err(Failure::Stopped),
        }
    }

    fn request(&self, job: &Job) -> Request {
        let instructions = match self.catalogue.text() {
            Some(catalogue) => format!("{INSTRUCTIONS}\n\n{catalogue}"),
            None => INSTRUCTIONS.to_owned(),
        };
        let text = match self.models.kind() {
            Kind::Remote => job.briefing(),
            Kind::Simulated => self.simulated_request(job),
        };
        Request { instructions, text, ..Request::default() }
    }

    /// What was asked, as somebody's words, and then what a simulated model is to do.
    fn simulated_request(&self, job: &Job) -> String {
        let task = job.task();
        let mut text: String = job.briefing().lines().map(|line| format!("> {line}\n")).collect();
        for capability in task.capabilities.iter().filter(|name| self.catalogue.get(name.as_str()).is_some())
        {
            text += &format!("use {capability}\n");
        }
        text += &format!("write {} with # {}\n", simulated_file(job), simulated_line(job));
        let mut random = self.simulation.random(job);
        if random.chance(self.simulation.shared_rate) {
            let verb = if random.chance(0.5) { "prepend" } else { "append" };
            text += &format!("{verb} {} with - {}\n", simulated_notes(job), simulated_line(job));
        }
        text
    }
}

impl Simulation {
    fn random(&self, job: &Job) -> Random {
        Random::of([self.seed, key(job), u64::from(job.attempt)])
    }

    /// Returns how the model of an attempt behaves: all its replies together take as long as was planned.
    fn profile(&self, job: &Job) -> SimulatedProfile {
        let planned = job.task().effort_or_default().as_duration();
        SimulatedProfile {
            seed: self.seed ^ (key(job) << 8) ^ u64::from(job.attempt),
            latency: planned.div_f64(self.time_scale.max(f64::MIN_POSITIVE)) / REPLIES,
            rejected_rate: 1.0 - (1.0 - self.failure_rate).powf(1.0 / f64::from(REPLIES)),
            ..SimulatedProfile::default()
        }
    }
}

fn key(job: &Job) -> u64 {
    u64::from(job.key.project.0) << 32 | u64::from(job.key.task)
}

/// Returns the session of a task and the files that it begins from.
fn session_name(job: &Job) -> SessionName {
    let begun = job.base.as_ref().map_or_else(|| "none".to_owned(), |base| base.commit().to_string());
    let name = format!("run/{}/{}/{begun}", job.key.project.0, job.key.task);
    SessionName::new(&name).expect("numbers and digits make a name")
}

fn boxed(error: impl Error + Send + Sync + 'static) -> Failure {
    Failure::Other(Box::new(error))
}

/// Returns what was written; a program stays one.
fn edits(files: &WorkingSet, base: Option<&Base>) -> Result<Vec<Edit>, Failure> {
    let before = base.map(Base::files).transpose().map_err(boxed)?;
    let edit = |(path, content): (FilePath, Vec<u8>)| {
        let path = RepoPath::new(path.as_str()).map_err(boxed)?;
        let mode = match &before {
            Some(before) => before.mode(&path).map_err(boxed)?,
            None => None,
        };
        Ok(Edit::Write { path, content, mode: mode.unwrap_or(FileMode::Regular) })
    };
    files.changes().into_iter().map(edit).collect()
}

/// The files that an attempt begins from; none where the task has no files to show.
#[derive(Debug)]
struct BaseFiles(Option<Base>);

impl FileSource for BaseFiles {
    fn read(&self, path: &FilePath) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        match &self.0 {
            Some(base) => Ok(base.files()?.read(&RepoPath::new(path.as_str())?)?),
            None => Ok(None),
        }
    }

    fn paths(&self) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        let Some(base) = &self.0 else { return Ok(Vec::new()) };
        Ok(base.files()?.list()?.files.into_iter().map(|(path, _)| path.to_string()).collect())
    }
}

#[cfg(test)]
mod tests {
    use agent_coordinator::ProcessOwner;
    use agent_coordinator::executor::Progress;
    use agent_runtime::model::Message;
    use git_ops::WorktreePool;
    use planner_core::Plan;
    use state_store::task::{FencingToken, Handover, ProjectKey, TaskKey};
    use state_store::{MemoryStore, SystemClock};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::cli::ColorWhen;
    use crate::terminal::Terminal;

    const PLAN: &str = r#"{"name": "p", "tasks": [{"id": "A", "title": "First", "capabilities": ["qa"]}]}"#;

    fn job(attempt: u32, handover: Option<Handover>) -> Job {
        Job {
            key: TaskKey { project: ProjectKey(0), task: 0 },
            project: "p".to_owned(),
            plan: Arc::new(Plan::from_json(PLAN.as_bytes()).unwrap()),
            groups: Vec::new(),
            agent: "agent-1".to_owned(),
            attempt,
            token: FencingToken::new(u64::from(attempt)),
            base: None,
            handover,
            checkpoint: None,
            stop: CancellationToken::new(),
            progress: Progress::begin(),
            owner: ProcessOwner::new([1; 16]),
        }
    }

    fn agent(
        store: &Arc<dyn StateStore>,
        args: &ModelArgs,
        failure_rate: f64,
        shared_rate: f64,
    ) -> ReactAgent {
        let simulation = Simulation { seed: 7, time_scale: 1e9, failure_rate, shared_rate };
        let tools = AgentTools::new(args, WorktreePool::default(), &Terminal::detect(ColorWhen::Never));
        ReactAgent::new(Arc::clone(store), args, tools, simulation).unwrap()
    }

    fn memory() -> Arc<dyn StateStore> {
        Arc::new(MemoryStore::new(Arc::new(SystemClock)))
    }

    async fn session(store: &Arc<dyn StateStore>) -> Session {
        Session::open(Arc::clone(store), session_name(&job(1, None))).await.unwrap()
    }

    fn requests(session: &Session) -> Vec<&Message> {
        session.messages().iter().filter(|message| matches!(message, Message::User(_))).collect()
    }

    fn written(outcome: Outcome) -> Vec<String> {
        let Outcome::Done(edits) = outcome else { panic!("{outcome:?}") };
        let path = |edit: Edit| match edit {
            Edit::Write { path, .. } => path.to_string(),
            edit => panic!("{edit:?}"),
        };
        edits.into_iter().map(path).collect()
    }

    #[tokio::test]
    async fn an_attempt_goes_on_with_the_session_of_the_one_before() {
        let (store, args) = (memory(), ModelArgs::default());
        let refused = agent(&store, &args, 1.0, 0.0).execute(job(1, None)).await;
        let Outcome::Failed(reason) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("the model refuses the request"), "{reason}");
        assert!(react::is_unanswered(session(&store).await.messages()));

        let done = agent(&store, &args, 0.0, 1.0).execute(job(2, None)).await;
        assert_eq!(written(done), ["misc/a.md"], "it is the first request that is answered");
        assert_eq!(requests(&session(&store).await).len(), 1);

        // What was answered and not accepted is asked again, with the reason.
        let handover = Some(Handover::Failure("the check failed".to_owned()));
        let done = agent(&store, &args, 0.0, 1.0).execute(job(3, handover)).await;
        assert_eq!(written(done), ["misc/NOTES.md", "misc/a.md"]);
        let session = session(&store).await;
        let texts: Vec<&str> = requests(&session).iter().flat_map(|message| message.texts()).collect();
        assert!(texts.len() == 2 && texts[1].contains("was not accepted: the check failed"), "{texts:?}");
    }

    #[tokio::test]
    async fn an_attempt_after_one_that_used_up_its_replies_asks_anew() {
        let store = memory();
        let mut agent = agent(&store, &ModelArgs::default(), 0.0, 0.0);
        let shared = Arc::get_mut(&mut agent.0).unwrap();
        shared.options.iterations_max = std::num::NonZeroU32::MIN;
        let limited = Outcome::Failed("the agent reached a limit: Iterations".to_owned());
        for attempt in 1..=3 {
            assert_eq!(agent.execute(job(attempt, None)).await, limited);
            assert_eq!(requests(&session(&store).await).len(), attempt as usize);
        }
    }

    #[tokio::test]
    async fn skills_that_are_named_like_capabilities_are_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["qa", "docs"] {
            let skill = folder.path().join(name);
            std::fs::create_dir(&skill).unwrap();
            let text = format!("---\nname: {name}\ndescription: about {name}\n---\nbody of {name}\n");
            std::fs::write(skill.join("SKILL.md"), text).unwrap();
        }
        let store = memory();
        let args = ModelArgs { skills: vec![folder.path().to_owned()], ..ModelArgs::default() };
        written(agent(&store, &args, 0.0, 0.0).execute(job(1, None)).await);
        let session = session(&store).await;
        let texts: Vec<&str> = session.messages().iter().flat_map(Message::texts).collect();
        let holds = |part: &str| texts.iter().any(|text| text.contains(part));
        assert!(holds("about qa") && holds("about docs"), "the catalogue is there: {texts:?}");
        assert!(holds("body of qa") && !holds("body of docs"), "one was needed: {texts:?}");
    }

    #[tokio::test]
    async fn limits_end_an_attempt_and_a_stop_ends_it_soon() {
        let store = memory();
        let args = ModelArgs { tokens_max: Some(10), ..ModelArgs::default() };
        let outcome = agent(&store, &args, 0.0, 0.0).execute(job(1, None)).await;
        assert_eq!(outcome, Outcome::Failed("the agent reached a limit: Tokens".to_owned()));
        let stopped = job(2, None);
        stopped.stop.cancel();
        let outcome = agent(&memory(), &ModelArgs::default(), 0.0, 0.0).execute(stopped).await;
        assert_eq!(outcome, Outcome::Failed("stopped".to_owned()));
    }
}
