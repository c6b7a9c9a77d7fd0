//! How good schedules are: makespans beside the best that is known, on instances of the literature.
//!
//! `SUPER_PLANNER_CORPUS` names the folder that holds `stg`, `psplib`, `msrcpsp` and `fjsp`. An argument chooses the sets whose
//! names hold it. What is measured is said in the table; times are of one thread.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on is to fail")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use planner_core::graph::Digraph;
use planner_core::random::Random;
use planner_core::schedule::{Budget, Instance, Needs, one_pass, solve};
use planner_core::{Limits, Plan, read};

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
    println!("deviation from the best known makespan; one pass, then improved; ms an instance");
    println!(
        "{:18} {:>5}  {:>8} {:>7}  {:>8} {:>8} {:>7}  {:>8} {:>8}",
        "set", "cases", "one pass", "ms", "mean", "max", "exact", "ms mean", "ms max"
    );
    for agents in [2, 4, 8, 16] {
        for size in ["50", "100"] {
            table(&format!("stg-{size}-m{agents}"), &wanted, 2_000, || {
                stg(&corpus, &format!("{size}/"), agents)
            });
        }
    }
    for agents in [2, 4, 8, 16] {
        table(&format!("stg-10k-m{agents}"), &wanted, 10_000, || stg(&corpus, "composed", agents));
    }
    unknown_durations(&corpus, &wanted);
    for (set, evaluations) in [("j30", 60_000), ("j60", 25_000), ("j120", 9_000)] {
        table(set, &wanted, evaluations, || psplib(&corpus, set));
    }
    table("msrcpsp-d36", &wanted, 8_000, || skills(&corpus));
    for set in ["edata", "rdata", "vdata"] {
        table(&format!("fjsp-{set}"), &wanted, 10_000, || job_shops(&corpus, set));
    }
}

fn table(name: &str, wanted: &str, evaluations: usize, cases: impl FnOnce() -> Vec<Case>) {
    if !name.contains(wanted) {
        return;
    }
    let cases = cases();
    let count = cases.len() as f64;
    let (mut simple, mut simple_time, mut deviations, mut times) = (0.0, 0.0, Vec::new(), Vec::new());
    for Case { instance, best } in &cases {
        let deviation = |makespan: u64| makespan as f64 / *best as f64 - 1.0;
        let start = Instant::now();
        simple += deviation(one_pass(instance).solution.makespan);
        simple_time += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let found = solve(instance, Budget { evaluations, seed: 1 });
        times.push(start.elapsed().as_secs_f64());
        deviations.push(deviation(found.solution.makespan));
    }
    let exact = deviations.iter().filter(|deviation| **deviation <= 0.0).count() as f64;
    println!(
        "{name:18} {:>5}  {:>7.2}% {:>7.2}  {:>7.3}% {:>7.2}% {:>6.1}%  {:>8.1} {:>8.1}",
        cases.len(),
        100.0 * simple / count,
        1000.0 * simple_time / count,
        100.0 * deviations.iter().sum::<f64>() / count,
        100.0 * deviations.iter().copied().fold(f64::MIN, f64::max),
        100.0 * exact / count,
        1000.0 * times.iter().sum::<f64>() / count,
        1000.0 * times.iter().copied().fold(0.0, f64::max),
    );
}

/// How one pass does when durations are not known, or only about: the schedule is made by what is believed, and carried out as
/// things turn out.
fn unknown_durations(corpus: &Path, wanted: &str) {
    if !"stg-unknown".contains(wanted) {
        return;
    }
    let cases: Vec<Case> = [2, 4, 8].into_iter().flat_map(|agents| stg(corpus, "100/", agents)).collect();
    for (name, sigma) in [
        ("structure alone", None),
        ("sigma 0.3", Some(0.3)),
        ("sigma 0.6", Some(0.6)),
        ("sigma 1.0", Some(1.0)),
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
        println!(
            "stg-unknown, {name:16} {:>5} cases  {:>7.2}%",
            cases.len(),
            100.0 * total / cases.len() as f64
        );
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
