//! BENCH-001: loading large projects, from a file to the first task that could be handed out.
//!
//! Everything is the real implementation: the file is read, parsed as what it is detected to be, validated (which builds
//! the graph) and analysed. "Time to first assignment" ends when the first ready task in the order of dispatch is known;
//! storing the project and starting an agent are not part of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use planner_core::format::{self, Limits, Reading};
use planner_core::{Analysis, TaskGraph, TaskIndex, validate};

use crate::memory::PeakMemory;
use crate::monitor::thread_cpu;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;
use crate::stats::least_squares;
use crate::workload::Workload;

/// Loading large projects.
#[derive(Debug, Clone, Copy)]
pub struct Loading;

/// How much of it a profile measures.
struct Extent {
    /// The numbers of tasks, ascending; at least two.
    sizes: &'static [usize],
    /// The size at which repetition and complexity are looked at.
    reference: usize,
    /// How many times each size is loaded.
    rounds: usize,
    /// How many times the reference is loaded in a row; even.
    repeats: usize,
}

/// How many projects of a size are loaded to see their memory: the fewest that give an interval.
const MEMORY_SAMPLES: usize = 6;

impl Extent {
    fn of(profile: Profile) -> Self {
        const SIZES: &[usize] = &[10, 50, 100, 500, 1000, 2000];
        match profile {
            Profile::Smoke => Self { sizes: &SIZES[..3], reference: 100, rounds: 2, repeats: 4 },
            Profile::Quick | Profile::Standard => {
                Self { sizes: SIZES, reference: 1000, rounds: 25, repeats: 50 }
            }
            Profile::Full | Profile::Soak => {
                Self { sizes: SIZES, reference: 1000, rounds: 201, repeats: 400 }
            }
        }
    }
}

impl Scenario for Loading {
    fn id(&self) -> &'static str {
        "BENCH-001"
    }

    fn statement(&self) -> &'static str {
        "loading large projects: 10 to 2,000 tasks, five levels deep, 30 % of them with dependencies"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let extent = Extent::of(profile);
        let folder = tempfile::tempdir().map_err(ScenarioFailed::during("making a folder for plans"))?;
        let plans = extent
            .sizes
            .iter()
            .map(|tasks| PlanFile::write(folder.path(), "plain", Workload::bench_001(*tasks)))
            .collect::<Result<Vec<_>, _>>()?;
        // Memory comes first: later on the allocator holds freed memory and hands it out again unseen.
        record_memory(&plans, recorder)?;
        record_times(&plans, &extent, recorder)?;
        record_graph(&plans, &extent, recorder)?;
        let plain = plans
            .iter()
            .find(|plan| plan.tasks == extent.reference)
            .expect("the reference is one of the sizes");
        record_repeated(plain, &extent, recorder)?;
        record_complexity(plain, folder.path(), &extent, recorder)?;
        recorder
            .note("plans are native YAML files in the cache of the operating system, loaded by one thread");
        recorder.note("load ends when the first ready task is known; storing it and starting an agent are not part of it");
        Ok(())
    }
}

/// A generated plan on disk.
struct PlanFile {
    tasks: usize,
    path: PathBuf,
}

impl PlanFile {
    fn write(folder: &Path, kind: &str, workload: Workload) -> Result<Self, ScenarioFailed> {
        let path = folder.join(format!("{kind}-{}.yaml", workload.tasks));
        fs::write(&path, workload.yaml()).map_err(ScenarioFailed::during("writing a plan"))?;
        Ok(Self { tasks: workload.tasks, path })
    }

    /// Loads the plan; tells where the time went.
    fn load(&self) -> Result<(Project, Times), ScenarioFailed> {
        let mut clock = Laps::start();
        let bytes = fs::read(&self.path).map_err(ScenarioFailed::during("reading a plan"))?;
        let name = self.path.to_string_lossy();
        let reading = format::read(&name, &bytes, None, &Limits::default())
            .map_err(ScenarioFailed::during("parsing a plan"))?;
        let parse = clock.lap();
        let validated = validate(&reading);
        let validate = clock.lap();
        let graph = match validated.graph {
            Some(graph) if validated.diagnostics.is_empty() && graph.task_count() == self.tasks => graph,
            _ => {
                let cause = format!("not {} sound tasks: {:?}", self.tasks, validated.diagnostics);
                return Err(cause).map_err(ScenarioFailed::during("loading a plan in full"));
            }
        };
        let analysis = Analysis::of(&reading.plan, &graph);
        let analysis_time = clock.lap();
        let first_task = first_task(&reading, &graph, &analysis);
        let load = clock.total();
        if first_task.is_none() {
            return Err("no task is ready").map_err(ScenarioFailed::during("finding the first task"));
        }
        let times = Times { parse, validate, analysis: analysis_time, load };
        Ok((Project { reading, _graph: graph, _analysis: analysis }, times))
    }
}

/// A loaded project, held for as long as its memory is looked at.
struct Project {
    reading: Reading,
    _graph: TaskGraph,
    _analysis: Analysis,
}

/// Where the time of one load went, in seconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    parse: f64,
    validate: f64,
    analysis: f64,
    load: f64,
}

/// The name of a metric, what it is, and where its value lies.
type Phase = (&'static str, &'static str, fn(&Times) -> f64);

/// Returns the ready task that is dispatched first: the most urgent one, and of those the one with most work behind it.
fn first_task(reading: &Reading, graph: &TaskGraph, analysis: &Analysis) -> Option<TaskIndex> {
    let ready = analysis.waves.iter().next()?;
    ready.iter().copied().min_by_key(|task| {
        let behind = analysis.timing.bottom_level(graph.start_of(*task));
        (reading.plan.tasks[task.index()].priority, std::cmp::Reverse(behind))
    })
}

/// A stopwatch with laps.
struct Laps {
    start: Instant,
    lap_start: Instant,
}

impl Laps {
    fn start() -> Self {
        let now = Instant::now();
        Self { start: now, lap_start: now }
    }

    /// Returns the seconds since the lap before.
    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let lap = now.duration_since(self.lap_start).as_secs_f64();
        self.lap_start = now;
        lap
    }

    /// Returns the seconds since the start.
    fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

fn record_memory(plans: &[PlanFile], recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let Some(growths) = memory_growths(plans)? else {
        recorder.note("this system does not tell the peak of the resident memory, so memory is not measured");
        return Ok(());
    };
    for (plan, growth) in plans.iter().zip(&growths) {
        recorder.record(
            format!("memory/{}", plan.tasks),
            "growth of the peak resident memory while loading one more",
            Unit::Bytes,
            growth.clone(),
        );
    }
    for (plan, growth) in plans.iter().zip(&growths) {
        recorder.record(
            format!("memory-per-task/{}", plan.tasks),
            "the same, by task",
            Unit::Bytes,
            growth.iter().map(|bytes| bytes / plan.tasks as f64).collect(),
        );
    }
    recorder.note(
        "memory is resident pages, not bytes allocated: what the allocator freed before and hands out again is not seen, \
         so the upper end of an interval is the figure to trust",
    );
    Ok(())
}

/// Returns the samples of each plan, or `None` where this system does not tell.
fn memory_growths(plans: &[PlanFile]) -> Result<Option<Vec<Vec<f64>>>, ScenarioFailed> {
    let mut held = Vec::new();
    let mut growths = Vec::with_capacity(plans.len());
    for plan in plans {
        let mut growth = Vec::with_capacity(MEMORY_SAMPLES);
        for _ in 0..MEMORY_SAMPLES {
            let Some(peak) = PeakMemory::watch() else {
                return Ok(None);
            };
            // Held, so that the next one cannot live in its memory.
            held.push(plan.load()?.0);
            let Some(bytes) = peak.growth_bytes() else {
                return Ok(None);
            };
            growth.push(bytes as f64);
        }
        growths.push(growth);
    }
    Ok(Some(growths))
}

fn record_times(plans: &[PlanFile], extent: &Extent, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let rounds = take_rounds(plans, extent.rounds, recorder)?;
    let phases: [Phase; 4] = [
        ("parse", "reading the file and parsing it", |times| times.parse),
        ("validate", "all checks, building the graph among them", |times| times.validate),
        ("analysis", "waves, critical path and slack", |times| times.analysis),
        ("load", "all of it, to the first ready task", |times| times.load),
    ];
    for (name, what, phase) in phases {
        for (index, plan) in plans.iter().enumerate() {
            let samples = rounds.iter().map(|round| phase(&round[index])).collect();
            recorder.record(format!("{name}/{}", plan.tasks), what, Unit::Seconds, samples);
        }
    }
    record_growth(plans, &rounds, recorder);
    Ok(())
}

/// Returns the times of every plan, round by round. Every other round goes backwards, so that a machine that becomes
/// slower does not look like a loader that does.
fn take_rounds(
    plans: &[PlanFile],
    count: usize,
    recorder: &mut Recorder,
) -> Result<Vec<Vec<Times>>, ScenarioFailed> {
    let mut rounds = Vec::with_capacity(count);
    for number in 0..count {
        if number > 0 && recorder.out_of_time() {
            break;
        }
        let mut round = if number % 2 == 0 { times_of(plans.iter()) } else { times_of(plans.iter().rev()) }?;
        if number % 2 == 1 {
            round.reverse();
        }
        rounds.push(round);
    }
    Ok(rounds)
}

fn times_of<'a>(plans: impl Iterator<Item = &'a PlanFile>) -> Result<Vec<Times>, ScenarioFailed> {
    plans.map(|plan| plan.load().map(|(_, times)| times)).collect()
}

/// Validation builds the graph too; here it is built alone, as often as there are rounds.
fn record_graph(plans: &[PlanFile], extent: &Extent, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    for plan in plans {
        let reading = plan.load()?.0.reading;
        let build = |_| {
            let start = Instant::now();
            let graph = std::hint::black_box(TaskGraph::new(&reading.plan));
            let time = start.elapsed().as_secs_f64();
            drop(graph);
            time
        };
        let samples = (0..extent.rounds).map(build).collect();
        recorder.record(format!("graph/{}", plan.tasks), "building the graph alone", Unit::Seconds, samples);
    }
    Ok(())
}

fn record_growth(plans: &[PlanFile], rounds: &[Vec<Times>], recorder: &mut Recorder) {
    let [.., smaller, larger] = plans else {
        unreachable!("every profile has two sizes at least");
    };
    let last = plans.len() - 1;
    let growth = rounds
        .iter()
        .map(|round| (round[last].load / larger.tasks as f64) / (round[last - 1].load / smaller.tasks as f64))
        .collect();
    recorder.record(
        format!("growth/{}", larger.tasks),
        "load by task at the largest size over that at the next smaller one, pair by pair",
        Unit::Ratio,
        growth,
    );
    let points: Vec<(f64, f64)> = rounds
        .iter()
        .flat_map(|round| plans.iter().zip(round))
        .map(|(plan, times)| (plan.tasks as f64, times.load))
        .collect();
    if let Some(line) = least_squares(&points) {
        recorder.record(
            "fit/per-task",
            "slope of the line through all loads",
            Unit::Seconds,
            vec![line.slope],
        );
        recorder.record(
            "fit/r-squared",
            "share of the variation that the line explains",
            Unit::Ratio,
            vec![line.r_squared],
        );
    }
}

fn record_repeated(plan: &PlanFile, extent: &Extent, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
    let mut loads = Vec::with_capacity(extent.repeats);
    while loads.len() < extent.repeats && !(loads.len() >= 2 && recorder.out_of_time()) {
        // The processor's time: the two halves are apart, and the machine may be busier in one of them.
        let begun = thread_cpu();
        plan.load()?;
        loads.push(thread_cpu() - begun);
    }
    let (earlier, later) = loads.split_at(loads.len() / 2);
    recorder.record(
        format!("repeated/{}", plan.tasks),
        "a later load over an earlier one in the same process, by the processor's time",
        Unit::Ratio,
        later.iter().zip(earlier).map(|(later, earlier)| later / earlier).collect(),
    );
    Ok(())
}

fn record_complexity(
    plain: &PlanFile,
    folder: &Path,
    extent: &Extent,
    recorder: &mut Recorder,
) -> Result<(), ScenarioFailed> {
    let dense = PlanFile::write(
        folder,
        "dense",
        Workload { with_dependencies: 0.9, dependencies_max: 4, ..Workload::bench_001(plain.tasks) },
    )?;
    let mut ratios = Vec::with_capacity(extent.rounds);
    for number in 0..extent.rounds {
        if number > 0 && recorder.out_of_time() {
            break;
        }
        let (dense, plain) = if number % 2 == 0 {
            let dense = dense.load()?.1;
            (dense, plain.load()?.1)
        } else {
            let plain = plain.load()?.1;
            (dense.load()?.1, plain)
        };
        ratios.push(dense.load / plain.load);
    }
    recorder.record(
        format!("complexity/{}", plain.tasks),
        "many dependencies (90 %, up to four) over few (30 %, one), pair by pair",
        Unit::Ratio,
        ratios,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::claim::{Outcome, claims};
    use crate::run::ScenarioReport;

    #[test]
    fn the_smoke_profile_measures_every_kind_of_metric() {
        let mut recorder = Recorder::new(Duration::from_secs(3600));
        Loading.run(Profile::Smoke, &mut recorder).unwrap();
        let metrics: Vec<&str> = recorder.series().iter().map(|series| series.metric.as_str()).collect();
        for metric in [
            "parse/10",
            "graph/50",
            "analysis/100",
            "load/100",
            "growth/100",
            "repeated/100",
            "complexity/100",
        ] {
            assert!(metrics.contains(&metric), "{metric} is not in {metrics:?}");
        }
        for series in recorder.series() {
            let summary = series.summary().expect("every series has samples");
            assert!(summary.median >= 0.0, "{series:?}");
        }
        let load = recorder.series().iter().find(|series| series.metric == "load/100");
        assert_eq!(load.map(|series| series.samples.len()), Some(2));
    }

    #[test]
    fn a_run_without_time_still_measures_each_metric_once() {
        let mut recorder = Recorder::new(Duration::ZERO);
        Loading.run(Profile::Smoke, &mut recorder).unwrap();
        assert!(recorder.series().iter().all(|series| !series.samples.is_empty()));
    }

    #[test]
    fn every_claim_names_a_metric_and_a_unit_of_its_profile() {
        let kinds = ["load", "analysis", "memory", "memory-per-task", "growth", "repeated", "complexity"];
        for claim in claims().iter().filter(|claim| claim.scenario == Loading.id()) {
            let (kind, size) = claim.metric.split_once('/').unwrap();
            let extent = Extent::of(claim.profile);
            assert!(kinds.contains(&kind), "{}", claim.id);
            assert!(extent.sizes.contains(&size.parse().unwrap()), "{}", claim.id);
        }
    }

    /// Returns what the claim about linearity says of a loader that takes `seconds` for so many tasks.
    fn verdict_on_linearity(seconds: fn(f64) -> f64) -> Outcome {
        let plans = [1000, 2000].map(|tasks| PlanFile { tasks, path: PathBuf::new() });
        let times =
            |tasks: usize| Times { parse: 0.0, validate: 0.0, analysis: 0.0, load: seconds(tasks as f64) };
        let rounds = vec![plans.iter().map(|plan| times(plan.tasks)).collect(); 6];
        let mut recorder = Recorder::new(Duration::from_secs(3600));
        record_growth(&plans, &rounds, &mut recorder);
        let report =
            ScenarioReport { series: recorder.series().to_vec(), ..ScenarioReport::empty(Loading.id()) };
        let claims = claims();
        let claim = claims.iter().find(|claim| claim.id == "BENCH-001.linear").unwrap();
        claim.verdict(Profile::Quick, &[report]).outcome
    }

    #[test]
    fn a_quadratic_loader_would_be_found_out() {
        assert_eq!(verdict_on_linearity(|tasks| 0.001 + tasks * 2e-5), Outcome::Holds);
        assert_eq!(verdict_on_linearity(|tasks| tasks * tasks.ln() * 2e-6), Outcome::Holds);
        assert_eq!(verdict_on_linearity(|tasks| tasks * tasks * 2e-8), Outcome::Fails);
    }

    #[test]
    fn dense_plans_load_in_full_too() {
        let folder = tempfile::tempdir().unwrap();
        let workload = Workload { with_dependencies: 0.9, dependencies_max: 4, ..Workload::bench_001(200) };
        let (project, times) = PlanFile::write(folder.path(), "dense", workload).unwrap().load().unwrap();
        assert_eq!(project.reading.plan.tasks.len(), 200);
        assert!(times.parse + times.validate + times.analysis <= times.load);
    }
}
