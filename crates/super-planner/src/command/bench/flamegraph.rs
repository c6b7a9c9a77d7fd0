//! `bench --flamegraph`: where the processor's time goes, by perf or valgrind.

use std::path::Path;
use std::process::{Command, Output};

use perf_suite::Stacks;

use crate::cli::{BenchArgs, BenchProfile};
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::terminal::Terminal;

/// How often perf looks, in samples a second: no multiple of what programs do in rounds.
const SAMPLES_PER_SECOND: &str = "199";

/// Measures once more under a profiler, and draws what it saw.
pub(super) fn run(args: &BenchArgs, file: &Path, terminal: &Terminal) -> Result<Exit, CliError> {
    let folder = tempfile::tempdir().map_err(|error| {
        CliError::new(ErrorKind::Internal, "no folder can be made for the profile").caused_by(error)
    })?;
    let program = std::env::current_exe().map_err(|error| {
        CliError::new(ErrorKind::Internal, "this program cannot be found").caused_by(error)
    })?;
    let measured = measured(args);
    let stacks = match by_perf(&program, &measured, folder.path()) {
        Ok(stacks) => stacks,
        Err(why) => {
            terminal.note(format!(
                "perf cannot be used ({}); counting with valgrind, which takes long",
                escaped(&why)
            ));
            by_valgrind(&program, &measured, folder.path()).map_err(|other| {
                CliError::new(
                    ErrorKind::Input,
                    format!("neither perf nor valgrind can be used: {}", escaped(&other)),
                )
                .hint("install linux-perf or valgrind")
            })?
        }
    };
    std::fs::write(file, stacks.svg()).map_err(|error| {
        let message = format!("{} cannot be written", escaped(&file.display().to_string()));
        CliError::new(ErrorKind::Input, message).caused_by(error)
    })?;
    terminal.line(escaped(&format!("{} shows where the time went", file.display())))?;
    Ok(Exit::Fine)
}

/// Returns the arguments of the run that is looked at.
fn measured(args: &BenchArgs) -> Vec<String> {
    let profile = match args.profile {
        BenchProfile::Smoke => "smoke",
        BenchProfile::Quick => "quick",
        BenchProfile::Standard => "standard",
        BenchProfile::Full => "full",
        BenchProfile::Soak => "soak",
    };
    let fixed = ["--profile", profile, "--no-history"].map(str::to_owned);
    ["bench".to_owned()].into_iter().chain(args.scenarios.iter().cloned()).chain(fixed).collect()
}

fn by_perf(program: &Path, arguments: &[String], folder: &Path) -> Result<Stacks, String> {
    let data = folder.join("perf.data");
    let mut record = Command::new("perf");
    record.args(["record", "-F", SAMPLES_PER_SECOND, "-e", "cpu-clock", "--call-graph", "dwarf,8192", "-o"]);
    output(record.arg(&data).arg("--").arg(program).args(arguments))?;
    let mut script = Command::new("perf");
    let printed = output(script.args(["script", "-F", "comm,ip,sym", "-i"]).arg(&data))?;
    seen(Stacks::from_perf_script(&String::from_utf8_lossy(&printed.stdout)))
}

fn by_valgrind(program: &Path, arguments: &[String], folder: &Path) -> Result<Stacks, String> {
    let data = folder.join("callgrind.out");
    let mut count = Command::new("valgrind");
    count.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", data.display()));
    output(count.arg(program).args(arguments))?;
    let printed = output(Command::new("callgrind_annotate").arg("--inclusive=yes").arg(&data))?;
    seen(Stacks::from_callgrind(&String::from_utf8_lossy(&printed.stdout)))
}

fn seen(stacks: Stacks) -> Result<Stacks, String> {
    if stacks.is_empty() { Err("nothing was seen".to_owned()) } else { Ok(stacks) }
}

fn output(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(told.lines().last().unwrap_or("it failed").to_owned())
}
