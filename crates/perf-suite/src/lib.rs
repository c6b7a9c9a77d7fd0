//! Measuring: scenarios over the real implementations, statistics that assume little, and claims with a verdict.
//!
//! A [`Scenario`] drives real code and records series of samples. A series is told by its median and an interval of
//! confidence. A [`Claim`] sets a bound on one series; it *holds* only if the whole interval keeps the bound, *fails*
//! only if the whole interval breaks it, and is *inconclusive* otherwise, with the reason. [`run_scenarios`] does all
//! of it and returns a [`Report`], which [`report`] writes as text, JSON, HTML, Markdown or JUnit. [`measure`] does the same
//! for scenarios of your own.
//!
//! ```
//! use perf_suite::{Profile, RunRefused, report, run_scenarios};
//!
//! match run_scenarios(Profile::Smoke, &["BENCH-001".to_owned()]) {
//!     Ok(report) => report::write_text(&report, &mut std::io::stdout())?,
//!     Err(refused @ RunRefused::DebugBuild) => println!("{refused}"),
//!     Err(refused) => return Err(refused.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The rule kept here: no figure without the machine, the profile and the number of samples it came from, and none at
//! all from a build that is not optimised.

mod advice;
mod calibration;
pub mod claim;
pub mod compare;
mod config;
mod disk;
mod flamegraph;
mod gauge;
mod guard;
pub mod history;
pub mod leak;
pub mod load;
mod machine;
mod memory;
pub mod monitor;
mod mount;
pub mod pause;
mod profile;
pub mod report;
mod run;
mod scenario;
pub mod scenarios;
mod series;
pub mod stats;
mod timeline;
mod words;
mod workload;

pub use advice::{Advice, advise};
pub use calibration::{Calibrated, Calibration, Share};
pub use claim::{Bound, Claim, Outcome, Verdict, claims};
pub use config::{AlertAction, AlertFigure, AlertRule, BenchConfig, InvalidBenchConfig};
pub use disk::{DiskFolder, NotOnDisk};
pub use flamegraph::Stacks;
pub use gauge::{Gauge, Reading};
pub use guard::{Broken, Guard, check_tasks};
pub use machine::Machine;
pub use mount::Mount;
pub use profile::{Profile, UnknownProfile};
pub use report::Report;
pub use run::{Progress, RunRefused, ScenarioReport, Watcher, measure, nobody, run_scenarios, run_watched};
pub use scenario::{Recorder, Scenario, ScenarioFailed};
pub use series::{Better, Series, Summary, Unit};
pub use timeline::{Operation, OperationKind, Timeline};
pub use words::Words;
pub use workload::Workload;
