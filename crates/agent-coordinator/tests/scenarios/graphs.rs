//! How long the larger of the shared graphs take: measured workflows, real plans, and a composed graph whose best is proven.

use std::path::Path;
use std::process::Command as Program;
use std::time::Duration;

use planner_core::{Dependency, Effort, Plan, Task, TaskId};
use serde_json::Value;

use crate::fleet::plan;
use crate::makespan::{compare, efforts, planned, real_plan, run};

/// Workflows with fewer tasks are left out.
const TASKS_MIN: usize = 500;

const FLEETS: [usize; 2] = [8, 32];

const SEEDS: u64 = 3;

fn unpacked(path: &Path) -> Vec<u8> {
    let output = Program::new("gzip").arg("-dc").arg("--").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

/// Returns the measured workflows, each task as long as it took.
fn workflows(folder: &Path) -> Vec<(String, Plan)> {
    let text = String::from_utf8(unpacked(&folder.join("wfinstances/compact.jsonl.gz"))).unwrap();
    let workflows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let named = workflows.map(|workflow| {
        let tasks = workflow["tasks"].as_array().unwrap().iter().map(|task| {
            let id = |value: &Value| TaskId::new(value.as_str().unwrap()).unwrap();
            let before = task["deps"].as_array().unwrap().iter().map(|on| Dependency::on_completion(id(on)));
            let millis = (task["runtime_s"].as_f64().unwrap() * 1000.0).round() as u64;
            let effort = Some(Effort::from_millis(millis));
            Task { dependencies: before.collect(), effort, ..Task::new(id(&task["id"])) }
        });
        (workflow["instance"].as_str().unwrap().to_owned(), plan(tasks.collect()))
    });
    named.filter(|(_, plan)| plan.tasks.len() >= TASKS_MIN).collect()
}

fn graphs(folder: &Path) -> Vec<(String, Plan)> {
    let files =
        ["stg/composed_10k.stg.gz", "plans/beads_gastown_6019.jsonl.gz", "plans/beads_beads_3077.jsonl.gz"];
    let read = files.map(|file| {
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".gz");
        (name.to_owned(), real_plan(name, &unpacked(&folder.join(file))).unwrap())
    });
    read.into_iter().chain(workflows(folder)).collect()
}

#[test]
fn the_larger_graphs_take_as_long_as_planned_and_less_than_in_simpler_orders() {
    let Some(corpus) = std::env::var_os("SUPER_PLANNER_CORPUS") else {
        println!("left out: SUPER_PLANNER_CORPUS is not set");
        return;
    };
    let hours = |time: Duration| time.as_secs_f64() / 3600.0;
    let graphs = graphs(Path::new(&corpus));
    for count in FLEETS {
        let (mut worst, mut sums, mut runs, mut lost) = (0.0_f64, [0.0; 3], 0, 0);
        for (name, plan) in &graphs {
            let ratio = hours(run(plan, count, &efforts(plan))) / hours(planned(plan, count));
            worst = worst.max(ratio);
            assert!(ratio < 1.03, "{name}, {count} agents: {ratio}");
            let mut means = [0.0; 3];
            for seed in 0..SEEDS {
                let times = compare(plan, count, seed);
                lost += usize::from(times[0] > times[1].min(times[2]));
                runs += 1;
                for ((sum, mean), time) in sums.iter_mut().zip(&mut means).zip(times) {
                    *sum += time / times[1];
                    *mean += time / times[1] / SEEDS as f64;
                }
            }
            println!(
                "{name}, {} tasks, {count} agents: {ratio:.4} times the planned schedule; vary by half: {:.3} of FIFO, \
                 random {:.3}",
                plan.tasks.len(),
                means[0],
                means[2]
            );
        }
        let [ours, _, chance] = sums.map(|sum| sum / runs as f64);
        println!(
            "{count} agents, {} graphs: at the most {worst:.4} times the planned schedule; vary by half, on the mean of \
             {runs} runs: {ours:.3} of FIFO, random {chance:.3}; {lost} runs longer than the better of both",
            graphs.len()
        );
        assert!(ours < 1.0 && ours < chance, "{count} agents: {ours} {chance}");
    }
}
