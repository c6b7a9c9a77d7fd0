//! Two builds of the program, started in turn.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use super::judgement::Rules;
use super::pairs::{Measurement, Pairs};
use crate::report::{UnreadableReport, read_json};

/// Why two programs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    /// One of them cannot be started.
    #[error("{program} cannot be started")]
    Start {
        /// Which.
        program: String,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// One of them did not measure.
    #[error("{program} did not measure: {message}")]
    Failed {
        /// Which.
        program: String,
        /// What it said.
        message: String,
    },
    /// What one of them wrote is no report.
    #[error("what {program} wrote cannot be read")]
    Unreadable {
        /// Which.
        program: String,
        /// Why not.
        #[source]
        cause: UnreadableReport,
    },
    /// One of them has no figures of a scenario.
    #[error("{program} has no figures of {scenario}: {why}")]
    NoFigures {
        /// Which.
        program: String,
        /// Of what.
        scenario: String,
        /// Why not.
        why: String,
    },
}

/// Measures scenarios with two builds of `super-planner` in pairs, A B B A. `told` is called before every pair.
pub fn measure_programs(
    base: &Path,
    head: &Path,
    scenarios: &[(String, Rules)],
    pairs: usize,
    mut told: impl FnMut(usize),
) -> Result<Pairs, ProgramsError> {
    let mut all = Pairs::default();
    for pair in 0..pairs {
        told(pair);
        for (scenario, rules) in scenarios {
            let (of_base, of_head) = if Pairs::is_base_first(pair) {
                let of_base = run(base, scenario)?;
                (of_base, run(head, scenario)?)
            } else {
                let of_head = run(head, scenario)?;
                (run(base, scenario)?, of_head)
            };
            all.add(scenario, *rules, of_base, of_head);
        }
    }
    Ok(all)
}

fn run(program: &Path, scenario: &str) -> Result<Measurement, ProgramsError> {
    let arguments = ["bench", scenario, "--profile", "smoke", "--json", "--no-history"];
    let name = program.display().to_string();
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|cause| ProgramsError::Start { program: name.clone(), cause })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ProgramsError::Failed { program: name, message });
    }
    let report = read_json(&String::from_utf8_lossy(&output.stdout))
        .map_err(|cause| ProgramsError::Unreadable { program: name.clone(), cause })?;
    let no_figures =
        |why: String| ProgramsError::NoFigures { program: name.clone(), scenario: scenario.to_owned(), why };
    let mut total = Measurement { cpu: 0.0, wall: 0.0 };
    if report.scenarios.is_empty() {
        return Err(no_figures("there is no such scenario".to_owned()));
    }
    for scenario in &report.scenarios {
        if let Some(failure) = &scenario.failure {
            return Err(no_figures(failure.clone()));
        }
        let used = scenario.usage.totals();
        total.cpu += used.cpu + used.cpu_children;
        total.wall += scenario.usage.seconds;
    }
    Ok(total)
}

/// Returns how many instructions each of two programs needs for a scenario, counted by valgrind; `None` where it is not there
/// or does not tell. The count of a program on one thread is the same in every run, so a difference is real; it is not time.
pub fn instruction_counts(base: &Path, head: &Path, scenario: &str) -> Option<(u64, u64)> {
    Some((instructions(base, scenario)?, instructions(head, scenario)?))
}

fn instructions(program: &Path, scenario: &str) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["bench", scenario, "--profile", "smoke", "--json", "--no-history"].map(OsStr::new))
        .output()
        .ok()?;
    collected(&String::from_utf8_lossy(&output.stderr))
}

/// Returns the number in the line `==12== Collected : 1234`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().rev().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valgrinds_count_is_read() {
        assert_eq!(collected("==7== x\n==7== Collected : 38963709\n==7==\n"), Some(38_963_709));
        assert_eq!(collected("no count"), None);
    }

    #[test]
    fn a_program_that_measures_nothing_is_told() {
        let rules = Rules { threshold: 0.1 };
        let scenarios = [("BENCH-001".to_owned(), rules)];
        let missing = measure_programs(Path::new("/no/such"), Path::new("/no/such"), &scenarios, 1, |_| ());
        assert!(missing.unwrap_err().to_string().contains("/no/such cannot be started"));
        let other = measure_programs(Path::new("true"), Path::new("true"), &scenarios, 1, |_| ());
        assert!(other.unwrap_err().to_string().contains("cannot be read"));
        let failing = measure_programs(Path::new("false"), Path::new("false"), &scenarios, 1, |_| ());
        assert!(failing.unwrap_err().to_string().contains("did not measure"));
    }
}
