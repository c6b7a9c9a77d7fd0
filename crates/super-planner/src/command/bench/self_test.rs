//! `bench self-test`: the gauge measured.

use perf_suite::{Calibration, Share};

use crate::cli::BenchSelfTestArgs;
use crate::error::{CliError, ErrorKind, Exit};
use crate::terminal::Terminal;

/// Measures the gauge; what it falls short in is a problem.
pub(super) fn run(args: &BenchSelfTestArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    if cfg!(debug_assertions) {
        return Err(CliError::new(ErrorKind::Usage, "this is a debug build, whose figures mean nothing")
            .hint("build with --release"));
    }
    let calibration =
        Calibration { comparisons: args.comparisons, pairs: args.pairs, ..Calibration::default() };
    let found = calibration.run(|what| terminal.note(what));
    let shortcomings = found.shortcomings();
    if args.json {
        terminal
            .json(&serde_json::json!({ "version": 1, "measured": found, "shortcomings": shortcomings }))?;
        return Ok(Exit::problems_if(!shortcomings.is_empty()));
    }
    let of = |share: Share| format!("{} of {}", share.said, share.of);
    terminal.line(format!("threshold zero: 5 % more work found  {}", of(found.five_percent_found)))?;
    terminal.line(format!("threshold zero: false alarms         {}", of(found.false_alarms)))?;
    terminal.line(format!("threshold 10 %: 15 % more work found {}", of(found.fifteen_percent_found)))?;
    terminal.line(format!("threshold 10 %: 5 % more work blamed {}", of(found.five_percent_blamed)))?;
    let leak = found.leak_seen.map_or("not measured here".to_owned(), |bytes| format!("{bytes:.1} bytes"));
    terminal.line(format!("leak of 64 bytes by operation seen   {leak}"))?;
    terminal.line(format!(
        "leak seen where there is none        {}",
        if found.leak_imagined { "yes" } else { "no" }
    ))?;
    terminal.line(format!("stall of 50 ms seen                  {:.1} ms", found.stall_seen_ms))?;
    terminal.line(format!(
        "the same load, 95th percentile       {:.3} ms closed, {:.1} ms open",
        found.closed_p95_ms, found.open_p95_ms
    ))?;
    for shortcoming in &shortcomings {
        terminal.line(format!("falls short: {shortcoming}"))?;
    }
    Ok(Exit::problems_if(!shortcomings.is_empty()))
}
