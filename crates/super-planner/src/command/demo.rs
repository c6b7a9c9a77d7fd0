//! `demo`: the main job from nothing, on the plan that the program ships with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_coordinator::engine::Policy;
use agent_coordinator::{LandingRules, ProcessLimits};
use git_ops::WorktreePool;
use planner_core::analysis::makespan_lower_bound;
use planner_core::{Limits, Plan, TaskGraph};
use serde_json::json;
use state_store::StateStore;
use state_store::task::ProjectRules;

use crate::agent_tools::AgentTools;
use crate::agents::{Agents, Simulation};
use crate::cli::{AgentKind, DemoArgs, ModelArgs};
use crate::config::{Config, TrustedCheck};
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::plan_summary::plan_summary;
use crate::react_agent::ReactAgent;
use crate::report::Report;
use crate::run::{Run, Voice, new_seed};
use crate::session::{ATTEMPT_TIME, ChangedPlan, agents_of, generalists};
use crate::state_location::StateLocation;
use crate::terminal::{DIM, HEADING, Terminal};
use crate::{check_trust, target};

/// The plan that the program ships with.
pub const DEMO_PLAN: &str = include_str!("../../data/demo-plan.yaml");

/// The skills that it ships with, named like abilities that its tasks ask for.
const DEMO_SKILLS: [(&str, &str); 4] = [
    ("docs/SKILL.md", include_str!("../../data/skills/docs/SKILL.md")),
    ("qa/SKILL.md", include_str!("../../data/skills/qa/SKILL.md")),
    ("qa/references/report.md", include_str!("../../data/skills/qa/references/report.md")),
    ("security/SKILL.md", include_str!("../../data/skills/security/SKILL.md")),
];

/// How many milliseconds the shortest possible schedule takes, unless the flag says otherwise.
const BOUND_MILLIS: f64 = 5_000.0;

/// How often a simulated attempt fails, and how often a result changes a file that others change too: enough to be seen.
const FAILURE_RATE: f64 = 0.08;
const SHARED_RATE: f64 = 0.4;

/// Shows a whole run on the sample plan, in a new repository.
pub fn run(args: &DemoArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let (plan, graph) = sample();
    let folder = new_folder(args.dir.as_deref())?;
    let repository = target::make(&folder.join("repository"), &plan.name)?;
    let branch = git_ops::BranchName::new("planner/demo").expect("a valid name");
    std::fs::write(folder.join("plan.yaml"), DEMO_PLAN).map_err(|error| unwritable(&folder, error))?;

    let agents = match args.agents.get() as usize {
        count if count == plan.agents.len() => agents_of(&plan, count),
        count => generalists(&plan, count),
    };
    let run_checks = check_trust::decide(&plan, &demo_config(config), false, false)?;
    let profiles = plan.agents.clone();
    let bound = makespan_lower_bound(&plan, &graph, &profiles).makespan;
    let seed = args.seed.unwrap_or_else(new_seed);
    if !args.json {
        terminal
            .line(format_args!("{DIM}a repository, a state and a plan in {}{DIM:#}", folder.display()))?;
        terminal.print(plan_summary(&plan, &graph, &agents))?;
    }
    let time_scale = args.time_scale.unwrap_or(bound.as_millis() as f64 / BOUND_MILLIS);
    let place = StateLocation::in_repository(&repository);
    let store = place.open()?;
    let simulation = Simulation { seed, time_scale, failure_rate: FAILURE_RATE, shared_rate: SHARED_RATE };
    let run = Run {
        agents,
        target: Some((repository, branch)),
        place,
        store: Arc::clone(&store),
        run_checks,
        rules: ProjectRules::default(),
        policy: Policy { seed, ..Policy::default() },
        landing: LandingRules::default(),
        worktrees: WorktreePool::default(),
        attempt_time: ATTEMPT_TIME,
        check_limits: ProcessLimits::default(),
        executor: executor(args.agent, &store, &folder, simulation, terminal)?,
        time_scale: Some(time_scale),
        seed,
        voice: if args.json { Voice::Nobody } else { Voice::People },
        changed_plan: ChangedPlan::Refuse,
        plan,
    };
    let end = run.finish(terminal)?;
    let picture = args.svg.clone().unwrap_or_else(|| folder.join("schedule.svg"));
    draw(&end.report, &picture)?;
    if args.json {
        terminal.json(&json!({ "report": end.report, "places": end.places, "picture": picture }))?;
    } else {
        terminal.print(end.report.text(terminal, end.places.time_scale))?;
        terminal.print(end.places.text())?;
        terminal.line(format_args!("picture     {}", escaped(&picture.to_string_lossy())))?;
        terminal.print(next_steps(&folder, end.report.eventful_task()))?;
    }
    Ok(end.exit())
}

/// Returns the agents; the skills of those that ask models are put beside the plan.
fn executor(
    kind: AgentKind,
    store: &Arc<dyn StateStore>,
    folder: &Path,
    simulation: Simulation,
    terminal: &Terminal,
) -> Result<Agents, CliError> {
    Ok(match kind {
        AgentKind::Simulated => Agents::simulated(simulation),
        AgentKind::React => {
            let skills = folder.join("skills");
            for (path, text) in DEMO_SKILLS {
                let path = skills.join(path);
                std::fs::create_dir_all(path.parent().expect("each lies in a folder"))
                    .and_then(|()| std::fs::write(&path, text))
                    .map_err(|error| unwritable(folder, error))?;
            }
            // Of two, one takes over while the other is overloaded or away.
            let models = vec!["simulated".to_owned(); 2];
            let args = ModelArgs { models, skills: vec![skills], ..ModelArgs::default() };
            let tools = AgentTools::new(&args, WorktreePool::default(), terminal);
            Agents::React(ReactAgent::new(Arc::clone(store), &args, tools, simulation)?)
        }
    })
}

/// Returns the sample plan; it is part of the program, and tests read it.
fn sample() -> (Plan, TaskGraph) {
    let reading = planner_core::read("demo-plan.yaml", DEMO_PLAN.as_bytes(), None, &Limits::default())
        .expect("the plan that the program ships with is readable");
    let graph =
        planner_core::validate(&reading).graph.expect("the plan that the program ships with is sound");
    (reading.plan, graph)
}

/// The configuration of the demo trusts the two commands that the sample plan checks with.
fn demo_config(config: &Config) -> Config {
    let rules = [["test", "-s", "*"], ["grep", "-q", "*"]];
    let rules =
        rules.map(|words| TrustedCheck::new(words.map(str::to_owned).to_vec()).expect("a program is named"));
    let mut config = config.clone();
    config.trusted_checks.value = rules.to_vec();
    config
}

/// Returns the folder of the demo: the one that was named, new or empty, or a temporary one. It is kept, to be looked at.
fn new_folder(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let Some(folder) = named else {
        let folder = tempfile::Builder::new().prefix("super-planner-demo-").tempdir();
        return folder.map(tempfile::TempDir::keep).map_err(|error| unwritable(&std::env::temp_dir(), error));
    };
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    let mut entries = std::fs::read_dir(folder).map_err(|error| unwritable(folder, error))?;
    if entries.next().is_some() {
        let message = format!("the folder {} is not empty", escaped(&folder.to_string_lossy()));
        return Err(CliError::new(ErrorKind::Usage, message).hint("--dir names a new folder"));
    }
    folder.canonicalize().map_err(|error| unwritable(folder, error))
}

fn unwritable(folder: &Path, error: std::io::Error) -> CliError {
    let message = format!("{} cannot be written to", escaped(&folder.to_string_lossy()));
    CliError::new(ErrorKind::Usage, message).caused_by(error)
}

fn draw(report: &Report, picture: &Path) -> Result<(), CliError> {
    std::fs::write(picture, report.gantt().to_svg()).map_err(|error| unwritable(picture, error))
}

fn next_steps(folder: &Path, task: Option<&str>) -> String {
    let folder = escaped(&folder.to_string_lossy());
    let (program, task) = (program_name(), task.unwrap_or_default());
    format!(
        "\n{HEADING}try next{HEADING:#}\n  \
         git -C {folder}/repository log --stat planner/demo\n  \
         {program} log {task} --repo {folder}/repository\n  \
         {program} analyze {folder}/plan.yaml --agents 4\n"
    )
}

/// Returns what to type to start this program again from here: it need not be on the path.
fn program_name() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let Ok(program) = std::env::current_exe() else { return "super-planner".to_owned() };
    let on_path = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join("super-planner") == program)
    });
    if on_path {
        return "super-planner".to_owned();
    }
    escaped(&program.strip_prefix(&here).unwrap_or(&program).to_string_lossy())
}
