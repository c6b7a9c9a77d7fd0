//! What follows from the figures of a run. Each recommendation names the figure that it rests on, and without one there is none.

use serde::Serialize;

use crate::pause::PauseKind;
use crate::report::Report;
use crate::run::ScenarioReport;
use crate::series::Unit;

/// One recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The scenario that it follows from.
    pub scenario: String,
    /// What to look at or to do.
    pub what: String,
    /// The figure that it rests on.
    pub evidence: String,
}

/// A share of the processors from which on they are what limits.
const BUSY: f64 = 0.85;
/// A share of the processors below which something else is waited for.
const IDLE: f64 = 0.5;
/// How much longer a flush takes beside the work than alone before that is the disk's doing.
const CONTENTION_MIN: f64 = 1.5;
/// What a stretch of pauses must be of the whole to matter.
const PAUSED: f64 = 0.02;
/// How often threads give way a second before that is worth a look.
const SWITCHES: f64 = 20_000.0;

/// Returns what follows from each scenario of the report.
pub fn advise(report: &Report) -> Vec<Advice> {
    let cores = report.machine.cores_logical.unwrap_or(1) as f64;
    let load = report.machine.load_average.unwrap_or(0.0);
    let mut advice = Vec::new();
    if load > cores {
        advice.push(Advice {
            scenario: "all".to_owned(),
            what:
                "measure again on a quiet machine: others were at work, so times are longer than they need be"
                    .to_owned(),
            evidence: format!("load {load:.1} on {cores:.0} processors in the minute before"),
        });
    }
    for scenario in report.scenarios.iter().filter(|scenario| scenario.failure.is_none()) {
        let rules = [processors, flushes, children, switches, pauses, growth];
        let found = rules.iter().filter_map(|rule| rule(scenario, cores));
        advice.extend(found.map(|(what, evidence)| Advice { scenario: scenario.id.clone(), what, evidence }));
    }
    advice
}

type Found = Option<(String, String)>;

fn processors(scenario: &ScenarioReport, cores: f64) -> Found {
    let share = scenario.usage.cpu_share() / cores;
    (share > BUSY && scenario.usage.seconds > 0.5).then(|| {
        (
            "it is bound by the processors: a flame graph (--flamegraph) shows where the time goes"
                .to_owned(),
            format!("{:.0} % of {cores:.0} processors in use", share * 100.0),
        )
    })
}

fn flushes(scenario: &ScenarioReport, cores: f64) -> Found {
    let contention = scenario.series.iter().rev().find(|series| series.metric.starts_with("contention/"))?;
    let median = contention.summary()?.median;
    let share = scenario.usage.cpu_share() / cores;
    (share < IDLE && median > CONTENTION_MIN && scenario.usage.totals().written > 0).then(|| {
        (
            "it is bound by flushes of the disk: a faster disk, or more work in each append, helps; a faster processor does not"
                .to_owned(),
            format!(
                "{:.0} % of the processors in use, and a flush beside it takes {median:.1} times as long as alone",
                share * 100.0
            ),
        )
    })
}

fn children(scenario: &ScenarioReport, _: f64) -> Found {
    let totals = scenario.usage.totals();
    let all = totals.cpu + totals.cpu_children;
    (totals.cpu_children > 0.25 * all && all > 0.5).then(|| {
        (
            "much of the time goes to child processes: start fewer of them, or do their work in this process"
                .to_owned(),
            format!("{:.1} s of {all:.1} s of the processors", totals.cpu_children),
        )
    })
}

fn switches(scenario: &ScenarioReport, _: f64) -> Found {
    let totals = scenario.usage.totals();
    let forced = totals.switches_forced as f64 / scenario.usage.seconds.max(0.1);
    let all = forced + totals.switches_voluntary as f64 / scenario.usage.seconds.max(0.1);
    (all > SWITCHES).then(|| {
        (
            "threads hand over to one another very often: look for a lock that many want, or batch what they pass on".to_owned(),
            format!("{all:.0} switches a second, {forced:.0} of them forced"),
        )
    })
}

fn pauses(scenario: &ScenarioReport, _: f64) -> Found {
    let worst = PauseKind::ALL
        .into_iter()
        .map(|kind| {
            let lengths = scenario.pauses.iter().filter(|pause| pause.kind == kind).map(|pause| pause.length);
            (kind, lengths.sum::<f64>())
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let share = worst.1 / scenario.usage.seconds.max(0.1);
    let tail = scenario.tail.as_ref().map_or(0.0, |tail| tail.any);
    if share < PAUSED && tail < 0.5 {
        return None;
    }
    let what = match worst.0 {
        PauseKind::Platform => {
            "the machine itself stalls: measure where no other programs run, or on hardware of its own"
        }
        PauseKind::Runtime => "tasks keep the threads of the runtime: move what blocks to threads of its own",
        PauseKind::Flush => "single flushes stall: look at checkpoints and at what else writes to the disk",
        PauseKind::Allocator => {
            "memory is asked for in bursts: allocate once and use it again, or pass on smaller pieces"
        }
        PauseKind::Git => "git works on its own files meanwhile: collect garbage at another time",
    };
    let evidence = format!(
        "{} pauses together {}, {:.0} % of the slowest operations overlap a pause",
        worst.0.as_str(),
        Unit::Seconds.format(worst.1),
        tail * 100.0
    );
    (worst.1 > 0.0).then(|| (what.to_owned(), evidence))
}

fn growth(scenario: &ScenarioReport, _: f64) -> Found {
    let leak = scenario.series.iter().find(|series| series.metric == "leak")?.summary()?;
    let slope = scenario.series.iter().find(|series| series.metric == "memory/growth-per-hour")?.summary()?;
    (leak.median > 0.0).then(|| {
        (
            "memory grows with the time: look at what is kept for every operation".to_owned(),
            format!("{} an hour after warming up", Unit::Bytes.format(slope.median)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Usage;
    use crate::pause::Pause;
    use crate::report::example;
    use crate::series::Series;

    /// Returns a report whose one scenario used so much.
    fn report(totals: Usage) -> Report {
        let mut report = example::report();
        report.machine.load_average = Some(0.1);
        let scenario = &mut report.scenarios[0];
        scenario.usage.seconds = 10.0;
        scenario.usage.samples = vec![totals];
        scenario.pauses.clear();
        scenario.tail = None;
        report
    }

    fn advised(report: &Report) -> Vec<String> {
        advise(report).into_iter().map(|advice| format!("{} | {}", advice.what, advice.evidence)).collect()
    }

    #[test]
    fn nothing_follows_from_nothing() {
        assert_eq!(advised(&report(Usage::default())), Vec::<String>::new());
    }

    #[test]
    fn each_follows_from_its_figure() {
        let busy = advised(&report(Usage { cpu: 19.0, ..Usage::default() }));
        assert!(busy[0].contains("95 % of 2 processors"), "{busy:?}");
        let children = advised(&report(Usage { cpu: 1.0, cpu_children: 4.0, ..Usage::default() }));
        assert!(children[0].contains("4.0 s of 5.0 s"), "{children:?}");
        let switches = advised(&report(Usage { switches_forced: 400_000, ..Usage::default() }));
        assert!(switches[0].contains("40000 switches a second"), "{switches:?}");
        let mut flushing = report(Usage { written: 1, ..Usage::default() });
        flushing.scenarios[0].series.push(Series {
            metric: "contention/200".to_owned(),
            what: String::new(),
            unit: Unit::Ratio,
            samples: vec![3.0],
        });
        assert!(advised(&flushing)[0].contains("takes 3.0 times as long"), "{:?}", advised(&flushing));
        let mut stalling = report(Usage::default());
        stalling.scenarios[0].pauses = vec![Pause { kind: PauseKind::Flush, at: 1.0, length: 0.5 }];
        let stalls = advised(&stalling);
        assert!(stalls[0].contains("single flushes stall"), "{stalls:?}");
        assert!(stalls[0].contains("flush pauses together 500.000 ms"), "{stalls:?}");
        stalling.scenarios[0].pauses = vec![Pause { kind: PauseKind::Allocator, at: 1.0, length: 0.5 }];
        assert!(
            advised(&stalling)[0].contains("allocator pauses together 500.000 ms"),
            "{:?}",
            advised(&stalling)
        );
        let mut busy_machine = report(Usage::default());
        busy_machine.machine.load_average = Some(5.0);
        assert!(advised(&busy_machine)[0].contains("load 5.0 on 2"));
    }
}
