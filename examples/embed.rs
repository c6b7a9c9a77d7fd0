//! Embeds super-planner: a plan from a text, run in this process by a function of its own, outcome printed.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use agent_coordinator::engine::AgentSpec;
use agent_coordinator::executor::{InProcess, Job, Outcome};
use planner_core::{Limits, read, validate};
use super_planner::session::{Session, SessionOptions};
use super_planner::{agent_coordinator, planner_core};

const PLAN: &str = "
name: breakfast
tasks:
  - { id: water, title: Boil water, effort: 5m }
  - { id: toast, title: Toast the bread, effort: 4m }
  - { id: tea, title: Make tea, effort: 3m, dependencies: [water] }
  - { id: table, title: Lay the table, effort: 2m, dependencies: [toast, tea] }
";

/// What an agent does with a job. This one only says so; it could call a model, a service, or a person.
async fn work(job: Job) -> Outcome {
    println!("{} does {} (attempt {})", job.agent, job.task().title, job.attempt);
    Outcome::Done(Vec::new())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reading = read("breakfast.yaml", PLAN.as_bytes(), None, &Limits::default())?;
    let validated = validate(&reading);
    for diagnostic in &validated.diagnostics {
        println!("{}", diagnostic.message);
    }

    let agent = |name: &str| AgentSpec {
        name: name.to_owned(),
        capabilities: Default::default(),
        slots: 1,
        lease: None,
        labels: Vec::new(),
    };
    let options = SessionOptions {
        agents: vec![agent("ann"), agent("bob")],
        ..SessionOptions::new(reading.plan, InProcess::new(work))
    };
    let report = Session::begin(options).await?.finish().await?;

    println!("{}: {} of 4 tasks done in {} ms", report.project, report.tasks.completed, report.makespan_ms);
    assert!(report.all_done());
    Ok(())
}
