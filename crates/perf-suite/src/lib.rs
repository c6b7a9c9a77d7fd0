//! Measuring: scenarios over the real implementations, statistics that assume little, and claims with a verdict.
//!
//! A [`Scenario`] drives real code and records series of samples. A series is told by its median and an interval of
//! confidence. A [`Claim`] sets a bound on one series; it *holds* only if the whole interval keeps the bound, *fails*
//! only if the whole interval breaks it, and is *inconclusive* otherwise, with the reason. [`run_scenarios`] does all
//! of it and returns a [`Report`], which [`report`] writes as a table or as JSON.
//!
//! ```
//! use perf_suite::{Profile, RunRefused, report, run_scenarios};
//!
//! match run_scenarios(Profile::Smoke, "BENCH-001") {
//!     Ok(report) => report::write_text(&report, &mut std::io::stdout())?,
//!     Err(refused @ RunRefused::DebugBuild) => println!("{refused}"),
//!     Err(refused) => return Err(refused.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The rule kept here: no figure without the machine, the profile and the number of samples it came from, and none at
//! all from a build that is not optimised.

mod claim;
mod machine;
mod memory;
mod profile;
pub mod report;
mod run;
mod scenario;
pub mod scenarios;
mod series;
pub mod stats;
mod workload;

pub use claim::{Bound, Claim, InvalidClaims, Outcome, Verdict, claims, parse_claims};
pub use machine::Machine;
pub use profile::{Profile, UnknownProfile};
pub use report::Report;
pub use run::{RunRefused, ScenarioReport, run_scenarios};
pub use scenario::{Recorder, Scenario, ScenarioFailed};
pub use series::{Series, Summary, Unit};
pub use workload::Workload;
