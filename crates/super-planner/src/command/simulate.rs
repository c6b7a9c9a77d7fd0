//! `simulate`: a fleet on virtual time, with all that can go wrong.

use agent_coordinator::simulation::{FaultCounts, Options, Shrunk, Violation, shrink, simulate};
use serde_json::{Map, Value, json};

use crate::cli::SimulateArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::plan_file::{self, Defects};
use crate::terminal::{BAD, GOOD, Terminal};

/// What the seeds came to.
#[derive(Default)]
struct Sum {
    seeds: u32,
    steps: u64,
    events: u64,
    tasks: u64,
    completed: u64,
    virtual_seconds: u64,
    faults: FaultCounts,
    last_hash: String,
    broken: Option<(Violation, Shrunk)>,
}

/// Simulates, seed by seed, until a promise is not kept.
pub fn run(args: &SimulateArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let plan = match &args.plan {
        Some(path) => {
            let options = config.read_options(args.format, None);
            Some(plan_file::read_sound(path, &options, Defects::Refuse)?.reading.plan)
        }
        None => None,
    };
    let mut sum = Sum::default();
    for offset in 0..args.seeds.get() {
        let options = Options {
            seed: args.seed + u64::from(offset),
            plan: plan.clone(),
            agents: args.agents.map(|count| count.get() as usize),
            coordinators: args.coordinators.map(|count| count.get() as usize),
            steps: args.steps,
            faults: args.faults.clone(),
        };
        sum.add(&options);
        if sum.broken.is_some() {
            break;
        }
    }
    if args.json {
        terminal.json(&sum.json(args))?;
    } else {
        terminal.print(sum.text(args))?;
    }
    Ok(Exit::problems_if(sum.broken.is_some()))
}

impl Sum {
    fn add(&mut self, options: &Options) {
        let run = simulate(options);
        self.seeds += 1;
        self.steps += run.steps;
        self.events += run.events;
        self.tasks += run.tasks;
        self.completed += run.completed;
        self.virtual_seconds += run.virtual_time.as_secs();
        self.faults.add(&run.faults);
        self.last_hash.clone_from(&run.hash);
        if let Some(violation) = run.violation.clone() {
            self.broken = Some((violation, shrink(options, run)));
        }
    }

    fn text(&self, args: &SimulateArgs) -> String {
        let mut text = format!(
            "seeds             {} from {}, {} steps, {} s of virtual time\n\
             recorded          {} events; {} of {} tasks were completed\n\
             log of the last   {}\n",
            self.seeds,
            args.seed,
            self.steps,
            self.virtual_seconds,
            self.events,
            self.completed,
            self.tasks,
            self.last_hash
        );
        for (kind, count) in self.faults.iter().filter(|(_, count)| *count > 0) {
            text += &format!("{:<18}{count}\n", kind.as_str());
        }
        match &self.broken {
            None => text += &format!("promises          {GOOD}kept{GOOD:#}\n"),
            Some((violation, shrunk)) => {
                text +=
                    &format!("promises          {BAD}not kept{BAD:#}: {}\n", escaped(&violation.to_string()));
                if let Some(small) = &shrunk.run.violation {
                    text += &format!("smaller           {}\n", escaped(&small.to_string()));
                }
                text += &format!("repeat            {}\n", repeating(args, shrunk));
            }
        }
        text
    }

    fn json(&self, args: &SimulateArgs) -> Value {
        let faults: Map<String, Value> =
            self.faults.iter().map(|(kind, count)| (kind.as_str().to_owned(), count.into())).collect();
        let broken = self.broken.as_ref().map(|(violation, shrunk)| {
            json!({ "promise": violation.promise, "what": violation.what, "repeat": repeating(args, shrunk) })
        });
        json!({
            "version": 1,
            "seed": args.seed,
            "seeds": self.seeds,
            "steps": self.steps,
            "virtual_seconds": self.virtual_seconds,
            "events": self.events,
            "tasks": self.tasks,
            "completed": self.completed,
            "faults": faults,
            "hash": self.last_hash,
            "violation": broken,
        })
    }
}

/// Returns the command that repeats the small run.
fn repeating(args: &SimulateArgs, shrunk: &Shrunk) -> String {
    let plan =
        args.plan.as_ref().map_or_else(String::new, |plan| format!("{} ", escaped(&plan.to_string_lossy())));
    format!("super-planner simulate {plan}{}", shrunk.arguments())
}
