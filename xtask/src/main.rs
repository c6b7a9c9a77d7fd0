//! Project chores: the same commands for a person at a shell and for the build server.
//!
//! `cargo xtask` alone lists them. A chore is a list of steps; each is announced, runs with its output untouched, and
//! the first that fails ends the chore. Nothing is printed after the last step, so that its closing lines stay in view.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person or the build log that started it"
)]

mod audit;
mod browser;
mod check;
#[path = "../../crates/state-store/tests/postgres_cluster/programs.rs"]
mod postgresql_programs;
mod soak;
mod step;
mod test;

use std::process::ExitCode;

use crate::step::StepFailed;

const HELP: &str = "\
Project chores.

Usage: cargo xtask <CHORE> [ARGUMENTS]

Chores:
  check   formatting, lints and documentation, a warning being an error
  test    finds or installs what the tests need, then runs every test and example;
          ARGUMENTS go to `cargo test`, such as a name to filter by or `-- --nocapture`
  browser finds or installs Chromium, then looks at a performance report in it
  audit   licences, banned crates and sources of all dependencies, and known
          vulnerabilities where the database can be reached
  soak    all tests in a release build with the long ones much longer;
          ARGUMENTS go to `cargo test`

Environment:
  SUPER_PLANNER_TEST_SCALE   a positive number, 1 by default, 20 for `soak`: long tests
                             (random walks, crash loops, simulations) do that many times
                             their ordinary work
";

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    Check,
    Test,
    Browser,
    Audit,
    Soak,
}

impl Chore {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "check" => Some(Self::Check),
            "test" => Some(Self::Test),
            "browser" => Some(Self::Browser),
            "audit" => Some(Self::Audit),
            "soak" => Some(Self::Soak),
            _ => None,
        }
    }

    /// Returns whether the words after its name are passed on to `cargo test`.
    fn takes_arguments(self) -> bool {
        match self {
            Self::Test | Self::Soak => true,
            Self::Check | Self::Browser | Self::Audit => false,
        }
    }

    fn run(self, arguments: &[String]) -> Result<(), StepFailed> {
        match self {
            Self::Check => check::run(),
            Self::Test => test::run(arguments),
            Self::Browser => browser::run(),
            Self::Audit => audit::run(),
            Self::Soak => soak::run(arguments),
        }
    }
}

/// Returns the chore and its arguments, or `None` where the words name none.
fn parse(words: &[String]) -> Option<(Chore, &[String])> {
    let (name, arguments) = words.split_first()?;
    let chore = Chore::from_name(name)?;
    (chore.takes_arguments() || arguments.is_empty()).then_some((chore, arguments))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["--help"] || words == ["-h"] {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let Some((chore, arguments)) = parse(&words) else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    match chore.run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_known_chores_run_and_only_tests_take_arguments() {
        for line in ["", "tests", "check --fast", "audit x", "--help test"] {
            assert_eq!(parse(&words(line)), None, "{line}");
        }
        let line = words("test lease -- --nocapture");
        assert_eq!(parse(&line), Some((Chore::Test, &line[1..])));
        let line = words("check");
        assert_eq!(parse(&line), Some((Chore::Check, &line[1..])));
    }

    #[test]
    fn help_names_every_chore() {
        for name in ["check", "test", "browser", "audit", "soak"] {
            assert!(Chore::from_name(name).is_some());
            assert!(HELP.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
