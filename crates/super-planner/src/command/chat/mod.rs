//! `chat`: a session with an agent on the terminal: its answers as they come, its tools as it uses them. It goes on where it
//! was, however it ended.

mod input;
mod screen;

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_runtime::budget::MicroDollars;
use agent_runtime::event::{Experience, Pace, Paced, channel};
use agent_runtime::guard::ProviderLimits;
use agent_runtime::model::{LanguageModel, Message, SimulatedProfile};
use agent_runtime::react::{self, Options, Outcome, ReAct, Request, Run, RunError};
use agent_runtime::session::{Session, SessionError, SessionName, Standing};
use agent_runtime::skill::{Catalogue, SkillCache, SkillTools};
use agent_runtime::tool::command::Commands;
use agent_runtime::tool::files::{FileError, Folder, WorkingSet, tools};
use agent_runtime::tool::{Registry, Tool, ToolLimits};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::ChatArgs;
use crate::command::skills;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::mcp_servers::Servers;
use crate::models::{self, Models};
use crate::run::new_seed;
use crate::state_location::StateLocation;
use crate::table::{Cell, Table};
use crate::terminal::{DIM, Terminal, WARN};

use input::{Input, Line};
use screen::Screen;

const EVENTS_KEPT: usize = 256;
const INSTRUCTIONS: &str = "You help somebody in a conversation, with the tools that you have.";

/// Talks until the input ends.
pub fn run(args: &ChatArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        CliError::new(ErrorKind::Internal, "the runtime cannot be started").caused_by(error)
    })?;
    let store = StateLocation::find(&args.place, config)?.open()?;
    let seed = config.seed.or_flag(args.seed.map(Some)).value.unwrap_or_else(new_seed);
    let end = runtime.block_on(async {
        let name = SessionName::new(&args.session)
            .map_err(|invalid| CliError::new(ErrorKind::Usage, invalid.to_string()))?;
        let session = Session::open(store, name).await.map_err(session_error)?;
        let servers = Servers::start(&args.model.mcp, terminal).await?;
        Chat::begin(args, session, &servers, seed, terminal)?.talk().await
    });
    // A thread that waits for a line of input must not hold up the end.
    runtime.shutdown_background();
    end
}

struct Chat<'a> {
    args: &'a ChatArgs,
    terminal: &'a Terminal,
    session: Session,
    agent: ReAct,
    catalogue: Arc<Catalogue>,
    cache: Arc<SkillCache>,
    skills: Arc<SkillTools>,
    experience: Experience,
    /// How the last request ended, which is how the command ends.
    end: Exit,
}

impl<'a> Chat<'a> {
    fn begin(
        args: &'a ChatArgs,
        session: Session,
        servers: &Servers,
        seed: u64,
        terminal: &'a Terminal,
    ) -> Result<Self, CliError> {
        let catalogue = Arc::new(skills::named(&args.model.skills)?);
        skills::tell_warnings(&catalogue, terminal);
        let cache = Arc::new(SkillCache::default());
        let skills = SkillTools::new(Arc::clone(&catalogue), Arc::clone(&cache), session.messages());
        let registry = registry(args, &session, servers, &skills)?;
        let models = Models::choose(&args.model, ProviderLimits::default())?;
        let simulation = SimulatedProfile {
            seed,
            latency: args.latency,
            word_every: args.latency / 10,
            ..SimulatedProfile::default()
        };
        let budget = models::budget(&args.model);
        let model: Arc<dyn LanguageModel> = Arc::new(models.as_one(&simulation));
        let agent = ReAct {
            options: Options { seed, budget, ..Options::default() },
            counter: models.counter(),
            summariser: args.model.summarise.then(|| Arc::clone(&model)),
            ..ReAct::new(model, registry)
        };
        Ok(Self {
            args,
            terminal,
            session,
            agent,
            catalogue,
            cache,
            skills,
            experience: Experience::default(),
            end: Exit::Fine,
        })
    }

    async fn talk(mut self) -> Result<Exit, CliError> {
        let mut input = Input::begin(self.terminal);
        self.greet();
        if react::is_unanswered(self.session.messages()) && self.session.standing() != Standing::Closed {
            self.terminal.note(format!("{DIM}the last request is not answered yet: going on{DIM:#}"));
            self.answer(None).await?;
        }
        while let Some(line) = input.next().await {
            match line {
                Line::Request(text) => self.answer(Some(text)).await?,
                Line::Pin(_) if react::is_unanswered(self.session.messages()) => {
                    // Between a call and its result nothing else can stand.
                    self.terminal.note(format!(
                        "{WARN}the last request is not answered yet: ask again, then pin{WARN:#}"
                    ));
                }
                Line::Pin(fact) => {
                    self.session.append(vec![Message::Fact(fact)]).await.map_err(session_error)?;
                    self.terminal.note(format!("{DIM}pinned{DIM:#}"));
                }
                Line::Fork(name) => self.fork(&name).await?,
                Line::Export(path) => self.export(&path)?,
                Line::Statistics => self.statistics()?,
                Line::Close => {
                    self.session.close().await.map_err(session_error)?;
                    break;
                }
                Line::Help => self.terminal.note(input::HELP),
                Line::Unknown(word) => {
                    self.terminal.note(format!(
                        "{WARN}there is no {}{WARN:#}\n{}",
                        escaped(&word),
                        input::HELP
                    ));
                }
                Line::Quit => break,
            }
        }
        Ok(self.end)
    }

    fn greet(&self) {
        let messages = self.session.messages().len();
        let skills = self.catalogue.skills().len();
        self.terminal.note(format!(
            "{DIM}session {} with {messages} messages; {skills} skills; the model is {}; /help tells more{DIM:#}",
            self.session.name(),
            escaped(self.args.model.models.first().map_or("simulated", String::as_str))
        ));
    }

    /// Answers a request, or the one that is open, and shows how.
    async fn answer(&mut self, text: Option<String>) -> Result<(), CliError> {
        // An activation that was cut off is not in the conversation.
        self.skills.follow(self.session.messages());
        let (events, receiver) = channel(EVENTS_KEPT);
        let pace = Pace { interval: self.args.update_every, ..Pace::default() };
        let mut screen = Screen::new(self.terminal, self.args.json);
        let cancel = CancellationToken::new();
        let request = text.map(|text| self.request(text));
        let (agent, session, token) = (&self.agent, &mut self.session, &cancel);
        let run = async move {
            // The sender goes with this future, and with it the end of the updates comes.
            match request {
                Some(request) => agent.run(session, &request, &events, token).await,
                None => agent.resume(session, &events, token).await,
            }
        };
        let mut paced = Paced::new(receiver, pace);
        let show = async {
            while let Some(update) = paced.next().await {
                screen.show(&update)?;
            }
            Ok::<(), CliError>(())
        };
        let interrupted = async {
            while tokio::signal::ctrl_c().await.is_ok() {
                cancel.cancel();
            }
            std::future::pending::<()>().await;
        };
        let (run, shown) = tokio::select! {
            done = async { tokio::join!(run, show) } => done,
            () = interrupted => unreachable!("it never ends"),
        };
        shown?;
        self.felt(paced.experience());
        self.end = self.tell(run)?;
        Ok(())
    }

    fn request(&self, text: String) -> Request {
        let catalogue = self.catalogue.text().unwrap_or_default();
        Request {
            instructions: format!("{INSTRUCTIONS}\n\n{catalogue}"),
            facts: self.args.facts.clone(),
            text,
        }
    }

    fn felt(&mut self, felt: &Experience) {
        self.experience.updates += felt.updates;
        self.experience.stalls += felt.stalls;
        self.experience.retries += felt.retries;
        self.experience.cancels += felt.cancels;
        self.experience.missed += felt.missed;
        self.experience.first_text.extend(&felt.first_text);
    }

    /// Tells how a request ended where the events have not, and returns what that means for the command.
    fn tell(&self, run: Result<Run, RunError>) -> Result<Exit, CliError> {
        let (how, text, exit) = match &run {
            Ok(Run { outcome: Outcome::Answered(text), .. }) => ("answered", text.clone(), Exit::Fine),
            Ok(Run { outcome: Outcome::LimitReached(limit), .. }) => {
                ("limit", format!("{limit:?}").to_lowercase(), Exit::Problems)
            }
            Ok(Run { outcome: Outcome::Cancelled, .. }) => ("cancelled", String::new(), Exit::Interrupted),
            Err(RunError::Session(_)) => ("failed", String::new(), Exit::Store),
            // The next start goes on with the request; another request leaves it.
            Err(error) => ("failed", error.to_string(), Exit::Problems),
        };
        if self.args.json {
            let run = run.as_ref().ok();
            self.terminal.json_line(&json!({
                "version": 1,
                "outcome": how,
                "text": text,
                "messages": self.session.messages().len(),
                "iterations": run.map(|run| run.iterations),
                "input_tokens": run.map(|run| run.usage.input),
                "output_tokens": run.map(|run| run.usage.output),
                "seconds": run.map(|run| run.elapsed.as_secs_f64()),
            }))?;
        }
        match run {
            Err(RunError::Session(error)) => Err(session_error(error)),
            Ok(_) | Err(_) => Ok(exit),
        }
    }

    async fn fork(&mut self, name: &str) -> Result<(), CliError> {
        let name = match SessionName::new(name) {
            Ok(name) => name,
            Err(invalid) => {
                self.terminal.note(format!("{WARN}{invalid}{WARN:#}"));
                return Ok(());
            }
        };
        match self.session.fork(name).await {
            Ok(fork) => {
                self.session = fork;
                self.terminal.note(format!("{DIM}now in session {}{DIM:#}", self.session.name()));
                Ok(())
            }
            Err(error @ SessionError::Exists { .. }) => {
                self.terminal.note(format!("{WARN}{error}{WARN:#}"));
                Ok(())
            }
            Err(error) => Err(session_error(error)),
        }
    }

    fn export(&self, path: &str) -> Result<(), CliError> {
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| self.session.export(&mut file));
        match written {
            Ok(()) => {
                let messages = self.session.messages().len();
                self.terminal.note(format!("{DIM}{messages} messages are in {}{DIM:#}", escaped(path)));
            }
            Err(error) => {
                self.terminal.note(format!("{WARN}{} cannot be written: {error}{WARN:#}", escaped(path)));
            }
        }
        Ok(())
    }

    fn statistics(&self) -> Result<(), CliError> {
        let spent = self.session.spent();
        let felt = &self.experience;
        let first = felt.first_text.iter().max().copied().unwrap_or_default();
        if let Some(prices) = self.args.model.prices {
            let MicroDollars(cost) = prices.cost(spent.usage);
            self.terminal.line(format_args!("cost {:.6} dollars", cost as f64 / 1e6))?;
        }
        self.terminal.line(format_args!(
            "{} tokens read, {} written; {} kB in memory; first text after {first:.1?} at most; {} stalls, {} retries, {} cancels",
            spent.usage.input,
            spent.usage.output,
            spent.bytes / 1000,
            felt.stalls,
            felt.retries,
            felt.cancels,
        ))?;
        let mut table = Table::new(["tool", "calls", "succeeded", "failed", "mean"].map(Cell::plain));
        for (name, record) in self.agent.tools.records().into_iter().filter(|(_, record)| record.calls > 0) {
            let mean = record.elapsed_mean().unwrap_or_default();
            table.row([
                Cell::plain(name),
                Cell::number(record.calls),
                Cell::number(record.succeeded),
                Cell::number(record.failed),
                Cell::plain(format!("{mean:.1?}")),
            ]);
        }
        if !table.is_empty() {
            self.terminal.print(table.draw(self.terminal.width()))?;
        }
        if let Some(rate) = self.cache.counts().hit_rate() {
            self.terminal.line(format_args!("texts of skills found in memory: {:.0} %", 100.0 * rate))?;
        }
        Ok(())
    }
}

/// Returns the tools: files of a folder, or of memory only; skills; the programs and the servers that were named.
fn registry(
    args: &ChatArgs,
    session: &Session,
    servers: &Servers,
    skills: &Arc<SkillTools>,
) -> Result<Arc<Registry>, CliError> {
    let mut all: Vec<Arc<dyn Tool>> = Vec::new();
    match &args.folder {
        Some(folder) => {
            let files = Folder::open(folder).map_err(|error| {
                let name = escaped(&folder.to_string_lossy());
                CliError::new(ErrorKind::Input, format!("{name} cannot be opened")).caused_by(error)
            })?;
            all.extend(tools(&Arc::new(files)));
        }
        None => {
            let files = WorkingSet::new(BTreeMap::new());
            files.restore(session.messages()).map_err(files_error)?;
            all.extend(tools(&Arc::new(files)));
        }
    }
    all.extend(skills.tools());
    let programs = args.model.programs.clone();
    match args.folder.clone() {
        Some(folder) if !programs.is_empty() => all.push(Commands::of(programs, folder).tool()),
        None if !programs.is_empty() => {
            return Err(CliError::new(
                ErrorKind::Usage,
                "--allow-program needs --folder, for programs to run in",
            ));
        }
        Some(_) | None => {}
    }
    all.extend(servers.tools());
    let registry = Registry::new(all, ToolLimits::default())
        .map_err(|twice| CliError::new(ErrorKind::Usage, twice.to_string()))?;
    Ok(Arc::new(registry))
}

fn files_error(error: FileError) -> CliError {
    CliError::new(ErrorKind::Internal, "what the session has written cannot be written again")
        .caused_by(error)
}

/// Returns what a session that cannot go on means for the command.
pub(crate) fn session_error(error: SessionError) -> CliError {
    let kind = match &error {
        SessionError::Closed { .. } | SessionError::Exists { .. } => ErrorKind::Usage,
        SessionError::Store { .. }
        | SessionError::InDoubt { .. }
        | SessionError::Moved { .. }
        | SessionError::Snapshot { .. }
        | SessionError::Unreadable { .. }
        | SessionError::ShuttingDown { .. } => ErrorKind::Store,
    };
    CliError::new(kind, "the session cannot go on")
        .caused_by(error)
        .hint("--session names another; the same command goes on with this one")
}
