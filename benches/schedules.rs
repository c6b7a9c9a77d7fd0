//! How good schedules are: makespans beside the best that is known, on instances of the literature.
//!
//! `SUPER_PLANNER_CORPUS` names the folder that holds `stg`, `psplib`, `msrcpsp` and `fjsp`. An argument chooses the sets whose
//! names hold it. What is measured is said in the table; times are those that the processor spent, on one thread.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on is to fail")]

mod processor_time;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use planner_core::graph::Digraph;
use planner_core::random::Random;
use planner_core::schedule::{Budget, Instance, Needs, one_pass, solve};
use planner_core::{Limits, Plan, read};

use processor_time::millis;

/// What a set is to reach: deviations and shares in percent, times in milliseconds an instance.
#[derive(Clone, Copy)]
struct Goal {
    mean_max: f64,
    worst_max: Option<f64>,
    exact_min: Option<f64>,
    millis_max: f64,
}

impl Goal {
    const fn of_mean(mean_max: f64, millis_max: f64) -> Self {
        Self { mean_max, worst_max: None, exact_min: None, millis_max }
    }
}

/// What a set has reached, in the same units.
struct Reached {
    mean: f64,
    worst: f64,
    exact: f64,
    /// The mean over the instances.
    millis: f64,
    /// How many schedules are longer than that of one pass.
    worse_than_one_pass: usize,
}

impl Reached {
    /// Returns what of the goal is missed, or that it holds.
    fn verdict(&self, goal: Goal) -> String {
        let missed = [
            (self.mean > goal.mean_max).then_some("mean"),
            goal.worst_max.is_some_and(|worst| self.worst > worst).then_some("worst"),
            goal.exact_min.is_some_and(|exact| self.exact < exact).then_some("exact"),
            (self.millis > goal.millis_max).then_some("time"),
            (self.worse_than_one_pass > 0).then_some("worse than one pass"),
        ];
        let missed: Vec<&str> = missed.into_iter().flatten().collect();
        if missed.is_empty() { "holds".to_owned() } else { format!("MISSED: {}", missed.join(", ")) }
    }
}

/// An instance and the best makespan that is known for it.
struct Case {
    instance: Instance,
    best: u64,
}

fn main() {
    let Some(corpus) = std::env::var_os("SUPER_PLANNER_CORPUS").map(PathBuf::from) else {
        println!("left out: SUPER_PLANNER_CORPUS is not set");
        return;
    };
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!(
        "deviation from the best known makespan; one pass, then improved; ms of the processor an instance"
    );
    println!(
        "{:16} {:>5}  {:>8} {:>7}  {:>8} {:>8} {:>7}  {:>8} {:>8}  goal: mean, exact or worst, ms",
        "set", "cases", "one pass", "ms", "mean", "worst", "exact", "ms mean", "ms most"
    );
    for agents in [2, 4, 8, 16] {
        for size in ["50", "100"] {
            let goal = (size == "100" && agents <= 8)
                .then(|| Goal { exact_min: Some(95.0), ..Goal::of_mean(0.05, 20.0) });
            table(&format!("stg-{size}-m{agents}"), &wanted, 2_000, goal, || {
                stg(&corpus, &format!("{size}/"), agents)
            });
        }
    }
    for agents in [2, 4, 8, 16] {
        let goal = (agents <= 8).then(|| Goal::of_mean(0.1, 200.0));
        table(&format!("stg-10k-m{agents}"), &wanted, 10_000, goal, || stg(&corpus, "composed", agents));
    }
    unknown_durations(&corpus, &wanted);
    for (set, evaluations, mean) in [("j30", 60_000, 0.3), ("j60", 25_000, 1.3), ("j120", 9_000, 4.8)] {
        table(set, &wanted, evaluations, Some(Goal::of_mean(mean, 1_000.0)), || psplib(&corpus, set));
    }
    let goal = Goal { worst_max: Some(8.0), ..Goal::of_mean(2.0, 1_000.0) };
    table("msrcpsp-d36", &wanted, 8_000, Some(goal), || skills(&corpus));
    for set in ["edata", "rdata", "vdata"] {
        let goal = Goal::of_mean(3.0, 1_000.0);
        table(&format!("fjsp-{set}"), &wanted, 10_000, Some(goal), || job_shops(&corpus, set));
    }
}

fn table(
    name: &str,
    wanted: &str,
    evaluations: usize,
    goal: Option<Goal>,
    cases: impl FnOnce() -> Vec<Case>,
) {
    if !name.contains(wanted) {
        return;
    }
    let cases = cases();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let most = |values: &[f64]| values.iter().copied().fold(f64::MIN, f64::max);
    let (mut simple, mut simple_times, mut improved, mut times) = (vec![], vec![], vec![], vec![]);
    for Case { instance, best } in &cases {
        let deviation = |makespan: usize| 100.0 * (makespan as f64 / *best as f64 - 1.0);
        let mut makespan = 0;
        simple_times.push(millis(&mut || {
            makespan = one_pass(instance).solution.makespan as usize;
            makespan
        }));
        simple.push(deviation(makespan));
        times.push(millis(&mut || {
            makespan = solve(instance, Budget { evaluations, seed: 1 }).solution.makespan as usize;
            makespan
        }));
        improved.push(deviation(makespan));
    }
    let exact = improved.iter().filter(|deviation| **deviation <= 0.0).count();
    let reached = Reached {
        mean: mean(&improved),
        worst: most(&improved),
        exact: 100.0 * exact as f64 / cases.len() as f64,
        millis: mean(&times),
        worse_than_one_pass: improved
            .iter()
            .zip(&simple)
            .filter(|(improved, simple)| improved > simple)
            .count(),
    };
    let asked = goal.map_or(String::new(), |goal| {
        let exact = goal.exact_min.map_or(String::new(), |exact| format!(", >= {exact} %"));
        let worst = goal.worst_max.map_or(String::new(), |worst| format!(", <= {worst} %"));
        let verdict = reached.verdict(goal);
        format!("<= {} %{exact}{worst}, <= {} ms: {verdict}", goal.mean_max, goal.millis_max)
    });
    println!(
        "{name:16} {:>5}  {:>7.2}% {:>7.2}  {:>7.3}% {:>7.2}% {:>6.1}%  {:>8.1} {:>8.1}  {asked}",
        cases.len(),
        mean(&simple),
        mean(&simple_times),
        reached.mean,
        reached.worst,
        reached.exact,
        reached.millis,
        most(&times),
    );
}

/// How one pass does when durations are not known, or only about: the schedule is made by what is believed, and carried out as
/// things turn out.
fn unknown_durations(corpus: &Path, wanted: &str) {
    if !"stg-unknown".contains(wanted) {
        return;
    }
    let cases: Vec<Case> = [2, 4, 8].into_iter().flat_map(|agents| stg(corpus, "100/", agents)).collect();
    for (name, sigma, goal) in [
        ("structure alone", None, Some(2.4)),
        ("sigma 0.3", Some(0.3), None),
        ("sigma 0.6", Some(0.6), Some(1.3)),
        ("sigma 1.0", Some(1.0), None),
    ] {
        let mut total = 0.0;
        for (number, Case { instance, best }) in cases.iter().enumerate() {
            let Needs::Agents { count, durations } = &instance.needs else { continue };
            let mut random = Random::of([7, number as u64]);
            let believed: Vec<u64> = match sigma {
                None => durations.iter().map(|time| u64::from(*time > 0)).collect(),
                Some(sigma) => durations
                    .iter()
                    .map(|time| (*time as f64 * 1000.0 * lognormal(&mut random, sigma)) as u64)
                    .collect(),
            };
            let makespan =
                planner_core::schedule::list_by_belief(&instance.precedence, *count, durations, &believed);
            total += makespan as f64 / *best as f64 - 1.0;
        }
        let mean = 100.0 * total / cases.len() as f64;
        let asked = goal.map_or(String::new(), |goal| {
            format!("  goal <= {goal} %: {}", if mean <= goal { "holds" } else { "MISSED" })
        });
        println!("stg-unknown, {name:16} {:>5} cases  {mean:>7.2}%{asked}", cases.len());
    }
}

fn lognormal(random: &mut Random, sigma: f64) -> f64 {
    // G. E. P. Box, M. E. Muller, Annals of Mathematical Statistics 29(2), 1958.
    let (u, v) = (1.0 - random.unit(), random.unit());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos() * sigma).exp()
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    if path.extension().is_some_and(|ending| ending == "gz") {
        return Command::new("gzip").arg("-dc").arg(path).output().unwrap().stdout;
    }
    std::fs::read(path).unwrap()
}

/// Returns the precedence and the durations, an hour of the plan being a unit.
fn in_numbers(plan: &Plan) -> (Digraph, Vec<u64>) {
    let places: HashMap<&str, u32> =
        plan.tasks.iter().enumerate().map(|(place, task)| (task.id.as_str(), place as u32)).collect();
    let mut edges = Vec::new();
    for (place, task) in plan.tasks.iter().enumerate() {
        edges.extend(task.dependencies.iter().map(|on| (places[on.on.as_str()], place as u32)));
    }
    let durations = plan.tasks.iter().map(|task| task.effort_or_default().as_hours() as u64).collect();
    (Digraph::of_edges(plan.tasks.len(), &edges).without_repeats(), durations)
}

fn stg(corpus: &Path, beginning: &str, agents: usize) -> Vec<Case> {
    let folder = corpus.join("stg");
    let rows = rows(&folder.join("best_known.csv"));
    let wanted = rows
        .iter()
        .filter(|row| row[0].starts_with(beginning) && row[1] == agents.to_string() && row[3] == "optimal");
    wanted
        .map(|row| {
            let plan = read("x.stg", &bytes(&folder.join(&row[0])), None, &Limits::default()).unwrap().plan;
            let (precedence, durations) = in_numbers(&plan);
            let needs = Needs::Agents { count: agents, durations };
            Case { instance: Instance { precedence, needs }, best: row[2].parse().unwrap() }
        })
        .collect()
}

fn psplib(corpus: &Path, set: &str) -> Vec<Case> {
    let folder = corpus.join("psplib");
    let archive = folder.join(format!("{set}.tar.gz"));
    rows(&folder.join("best_known.csv"))
        .iter()
        .filter(|row| row[0].starts_with(&format!("{set}/")))
        .map(|row| {
            let text = match folder.join(&row[0]) {
                file if file.exists() => bytes(&file),
                _ => Command::new("tar").arg("-xzOf").arg(&archive).arg(&row[0]).output().unwrap().stdout,
            };
            let plan = read("x.sm", &text, None, &Limits::default()).unwrap().plan;
            let (precedence, durations) = in_numbers(&plan);
            let numbers = |value: &serde_json::Value| -> Vec<u32> {
                value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
            };
            let demands = plan.tasks.iter().map(|task| numbers(&task.extra["demands"])).collect();
            let needs =
                Needs::Resources { capacities: numbers(&plan.extra["resources"]), durations, demands };
            Case { instance: Instance { precedence, needs }, best: row[1].parse().unwrap() }
        })
        .collect()
}

/// Projects of iMOPSE: each task asks for one skill at a level, and takes one person.
fn skills(corpus: &Path) -> Vec<Case> {
    let folder = corpus.join("msrcpsp");
    let rows = rows(&folder.join("best_known.csv"));
    let cases = rows.iter().filter(|row| row[0].starts_with("d36/")).map(|row| {
        let text = String::from_utf8(bytes(&folder.join(&row[0]))).unwrap();
        let section = |name: &str| -> Vec<Vec<String>> {
            let lines = text.lines().skip_while(|line| !line.starts_with(name)).skip(1);
            let lines = lines.take_while(|line| !line.starts_with("====") && !line.trim().is_empty());
            lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
        };
        let level = |words: &[String]| -> Vec<(String, u32)> {
            words.chunks(2).map(|pair| (pair[0].clone(), pair[1].parse().unwrap())).collect()
        };
        let people: Vec<Vec<(String, u32)>> =
            section("ResourceID").iter().map(|row| level(&row[2..])).collect();
        let tasks = section("TaskID");
        let mut edges = Vec::new();
        let mut options = Vec::new();
        for (place, task) in tasks.iter().enumerate() {
            let (time, asked) = (task[1].parse().unwrap(), &level(&task[2..4])[0]);
            let able = people
                .iter()
                .enumerate()
                .filter(|(_, own)| own.iter().any(|skill| skill.0 == asked.0 && skill.1 >= asked.1));
            options.push(able.map(|(person, _)| (person as u32, time)).collect());
            edges.extend(task[4..].iter().map(|before| (before.parse::<u32>().unwrap() - 1, place as u32)));
        }
        let precedence = Digraph::of_edges(tasks.len(), &edges);
        let needs = Needs::Able { count: people.len(), options };
        Case { instance: Instance { precedence, needs }, best: row[4].parse().unwrap() }
    });
    cases.collect()
}

fn job_shops(corpus: &Path, set: &str) -> Vec<Case> {
    let folder = corpus.join("fjsp");
    let rows = rows(&folder.join("best_known.csv"));
    let cases = rows.iter().filter(|row| row[0].starts_with(&format!("{set}/"))).map(|row| {
        let text = String::from_utf8(bytes(&folder.join(&row[0]))).unwrap();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let numbers = |line: &str| -> Vec<u64> {
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
        };
        let head = numbers(lines.next().unwrap());
        let (mut edges, mut options) = (Vec::new(), Vec::new());
        for line in lines.take(head[0] as usize) {
            let mut words = numbers(line).into_iter();
            for operation in 0..words.next().unwrap() {
                if operation > 0 {
                    edges.push((options.len() as u32 - 1, options.len() as u32));
                }
                let able = words.next().unwrap();
                let mut option = || (words.next().unwrap() as u32 - 1, words.next().unwrap());
                options.push((0..able).map(|_| option()).collect::<Vec<_>>());
            }
        }
        let precedence = Digraph::of_edges(options.len(), &edges);
        let needs = Needs::Able { count: head[1] as usize, options };
        Case { instance: Instance { precedence, needs }, best: row[1].parse().unwrap() }
    });
    cases.collect()
}
