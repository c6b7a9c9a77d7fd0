//! Micro benchmarks of loading: each step alone, at the sizes of BENCH-001 where it matters.
//!
//! `cargo bench -p perf-suite --bench loading`. The sample is small, so that everything ends in seconds; criterion's own
//! options, such as `-- --sample-size 100`, ask for more. The change that criterion prints compares with whatever ran here
//! last, on a machine that may have been less busy then: it is a hint, not evidence.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use perf_suite::Workload;
use planner_core::format::{Limits, Reading, read};
use planner_core::{Analysis, TaskGraph, validate};

const SIZES: [usize; 2] = [100, 1000];

fn reading_of(name: &str, text: &str) -> Reading {
    read(name, text.as_bytes(), None, &Limits::default()).expect("generated plans can be read")
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loading");
    for tasks in SIZES {
        group.throughput(Throughput::Elements(tasks as u64));
        let yaml = Workload::bench_001(tasks).yaml();
        let reading = reading_of("plan.yaml", &yaml);
        let json = serde_json::to_string(&reading.plan).expect("every plan can be written as JSON");
        let graph = TaskGraph::new(&reading.plan).expect("generated plans are acyclic");
        group.bench_function(BenchmarkId::new("read_yaml", tasks), |bencher| {
            bencher.iter(|| reading_of("plan.yaml", black_box(&yaml)));
        });
        group.bench_function(BenchmarkId::new("read_json", tasks), |bencher| {
            bencher.iter(|| reading_of("plan.json", black_box(&json)));
        });
        group.bench_function(BenchmarkId::new("validate", tasks), |bencher| {
            bencher.iter(|| validate(black_box(&reading)));
        });
        group.bench_function(BenchmarkId::new("graph", tasks), |bencher| {
            bencher.iter(|| TaskGraph::new(black_box(&reading.plan)));
        });
        group.bench_function(BenchmarkId::new("analysis", tasks), |bencher| {
            bencher.iter(|| Analysis::of(black_box(&reading.plan), black_box(&graph)));
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .nresamples(10_000)
}

criterion_group! {
    name = benches;
    config = short();
    targets = loading
}
criterion_main!(benches);
