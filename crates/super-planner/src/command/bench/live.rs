//! `bench --live`: how it goes, second by second, and alerts that act on it.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use perf_suite::monitor::Usage;
use perf_suite::stats::{Sample, median, quantile};
use perf_suite::{AlertAction, AlertFigure, AlertRule, Gauge, Progress, Reading};

use crate::escape::escaped;

/// The view. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Live(Arc<Mutex<View>>);

#[derive(Debug)]
struct View {
    rules: Vec<AlertRule>,
    gauge: Arc<Gauge>,
    before: Reading,
    /// When a line was last written, in seconds from the beginning of the scenario.
    shown_at: f64,
    cpu_before: f64,
}

/// What the last second was like.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Second {
    rate: f64,
    error_rate: f64,
    median: f64,
    p99: f64,
    processors: f64,
    resident: u64,
    pause: f64,
}

impl Live {
    pub(super) fn new(rules: Vec<AlertRule>) -> Self {
        let (gauge, before) = (Arc::default(), Reading::default());
        Self(Arc::new(Mutex::new(View { rules, gauge, before, shown_at: 0.0, cpu_before: 0.0 })))
    }

    /// Takes in what happens, and writes a line a second to standard error.
    pub(super) fn see(&self, progress: &Progress<'_>) {
        let mut view = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Began { id, statement, gauge } => {
                view.gauge = Arc::clone(gauge);
                (view.before, view.shown_at, view.cpu_before) = (gauge.read(), 0.0, 0.0);
                tell(&format!("{id}: {statement}"));
            }
            Progress::Used(usage) if usage.at - view.shown_at >= 1.0 => {
                let second = view.second(usage);
                tell(&line(usage.at, &second));
                view.watch(&second);
            }
            Progress::Used(_) | Progress::Ended(_) => {}
        }
    }
}

impl View {
    fn second(&mut self, usage: &Usage) -> Second {
        let now = self.gauge.read();
        let elapsed = (usage.at - self.shown_at).max(0.001);
        let (done, failed) = (now.done - self.before.done, now.failed - self.before.failed);
        let cpu = usage.cpu + usage.cpu_children;
        let latencies = Sample::new(now.latencies.clone());
        let second = Second {
            rate: done as f64 / elapsed,
            error_rate: if done + failed == 0 { 0.0 } else { failed as f64 / (done + failed) as f64 },
            median: latencies.as_ref().map_or(0.0, median),
            p99: latencies.as_ref().map_or(0.0, |latencies| quantile(latencies, 0.99)),
            processors: (cpu - self.cpu_before) / elapsed,
            resident: usage.resident,
            pause: now.longest_stall.as_secs_f64(),
        };
        (self.before, self.shown_at, self.cpu_before) = (now, usage.at, cpu);
        second
    }

    /// Raises the alerts whose figure is above what is allowed.
    fn watch(&self, second: &Second) {
        for rule in &self.rules {
            let value = match rule.figure {
                AlertFigure::ErrorRate => second.error_rate,
                AlertFigure::LatencyP99 => second.p99,
                AlertFigure::ResidentMemory => second.resident as f64,
                AlertFigure::Pause => second.pause,
            };
            if value > rule.above {
                tell(&format!("ALERT: {} is {value:.3}, above {}", rule.figure.as_str(), rule.above));
                if rule.action == AlertAction::Stop {
                    self.gauge.stop();
                }
            }
        }
    }
}

fn line(at: f64, second: &Second) -> String {
    format!(
        "{at:6.0} s  {:8.1} operations/s  {:5.1} % failed  median {:8.3} ms  p99 {:8.3} ms  {:.2} processors  {:.1} MB  \
         longest pause {:.0} ms",
        second.rate,
        second.error_rate * 100.0,
        second.median * 1000.0,
        second.p99 * 1000.0,
        second.processors,
        second.resident as f64 / 1e6,
        second.pause * 1000.0
    )
}

fn tell(line: &str) {
    // Whoever looks on may have gone; the figures are kept anyway.
    let _ = writeln!(anstream::stderr(), "{}", escaped(line));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_tells_its_longest_pause() {
        let live = Live::new(Vec::new());
        let gauge = Arc::new(Gauge::default());
        live.see(&Progress::Began { id: "X", statement: "", gauge: Arc::clone(&gauge) });
        gauge.stalled(Duration::from_millis(70));
        let second = live.0.lock().unwrap().second(&Usage { at: 1.0, ..Usage::default() });
        assert!(line(1.0, &second).ends_with("longest pause 70 ms"), "{}", line(1.0, &second));
        let second = live.0.lock().unwrap().second(&Usage { at: 2.0, ..Usage::default() });
        assert!(line(2.0, &second).ends_with("longest pause 0 ms"));
    }

    #[test]
    fn an_alert_stops_what_it_watches() {
        let rule = AlertRule { figure: AlertFigure::ErrorRate, above: 0.4, action: AlertAction::Stop };
        let live = Live::new(vec![rule]);
        let gauge = Arc::new(Gauge::default());
        live.see(&Progress::Began { id: "X", statement: "", gauge: Arc::clone(&gauge) });
        gauge.done(Duration::from_millis(10));
        live.see(&Progress::Used(&Usage { at: 1.0, ..Usage::default() }));
        assert!(!gauge.is_stopped());
        gauge.failed();
        live.see(&Progress::Used(&Usage { at: 1.5, ..Usage::default() }));
        assert!(!gauge.is_stopped(), "a second is not over");
        live.see(&Progress::Used(&Usage { at: 2.0, ..Usage::default() }));
        assert!(gauge.is_stopped());
    }
}
