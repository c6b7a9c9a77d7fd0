//! `validate`: everything that is wrong with a plan, at once.

use std::collections::HashSet;

use planner_core::{Diagnostic, Plan, Reading, Severity, Source, Standing, TaskId, isolate, validate};
use serde::Serialize;
use serde_json::json;

use crate::cli::ValidateArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::escaped;
use crate::plan_file;
use crate::snippet::Snippets;
use crate::terminal::{BAD, DIM, GOOD, Terminal, WARN};

/// Tells what is wrong with a plan.
pub fn run(args: &ValidateArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let reading = match plan_file::read(&args.plan, &config.read_options(args.format, args.tag.as_deref())) {
        Ok(reading) => reading,
        Err(error) => return unreadable(error, args, terminal),
    };
    let diagnostics = validate(&reading).diagnostics;
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let counts = Counts {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
    };
    let lenient = args.lenient.then(|| Lenient::of(&reading));
    if args.json {
        let told: Vec<JsonDiagnostic<'_>> =
            diagnostics.iter().map(|diagnostic| JsonDiagnostic::new(diagnostic, &reading.source)).collect();
        terminal.json(&json!({
            "version": 1,
            "file": reading.source.name(),
            "format": reading.format.as_str(),
            "plan": { "name": reading.plan.name, "entries": reading.plan.tasks.len() },
            "errors": counts.errors,
            "warnings": counts.warnings,
            "notes": counts.notes,
            "diagnostics": told,
            "set_aside": lenient.as_ref().map(|lenient| &lenient.changes),
        }))?;
    } else {
        let snippets = Snippets::new(&reading.source, terminal);
        for diagnostic in &diagnostics {
            terminal.line(snippets.draw(diagnostic))?;
        }
        terminal.line(summary(&reading, &counts))?;
        if let Some(lenient) = &lenient {
            for change in &lenient.changes {
                terminal.line(format_args!("  {}", escaped(change)))?;
            }
            terminal.line(format_args!(
                "with --lenient, {} of {} tasks are left to run",
                lenient.left, lenient.tasks
            ))?;
        }
    }
    Ok(Exit::problems_if(lenient.map_or(counts.errors > 0, |lenient| lenient.left == 0)))
}

/// What a lenient run makes of a plan.
struct Lenient {
    changes: Vec<String>,
    /// How many tasks there are to do, groups not counted.
    tasks: usize,
    /// How many of them are not set aside.
    left: usize,
}

impl Lenient {
    fn of(reading: &Reading) -> Self {
        let (sound, changes) = isolate(&reading.plan, &reading.broken);
        let groups: HashSet<&TaskId> = sound.tasks.iter().filter_map(|task| task.parent.as_ref()).collect();
        let to_do = |plan: &Plan| {
            let pending = plan.tasks.iter().filter(|task| task.standing == Standing::Pending);
            pending.filter(|task| !groups.contains(&task.id)).count()
        };
        let changes = changes.iter().map(ToString::to_string).collect();
        Self { changes, tasks: to_do(&reading.plan), left: to_do(&sound) }
    }
}

/// How many diagnostics there are.
struct Counts {
    errors: usize,
    warnings: usize,
    notes: usize,
}

fn summary(reading: &Reading, counts: &Counts) -> String {
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let found =
        [(counts.errors, "error", BAD), (counts.warnings, "warning", WARN), (counts.notes, "note", DIM)];
    let found: Vec<String> = found
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, what, style)| format!("{style}{}{style:#}", plural(count, what)))
        .collect();
    let verdict = if found.is_empty() { format!("{GOOD}sound{GOOD:#}") } else { found.join(", ") };
    let entries = match reading.plan.tasks.len() {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    format!("{}: {verdict} {DIM}({entries}, format {}){DIM:#}", reading.source.name(), reading.format)
}

/// Tells of a file that could not be read; where that has a place, it is a diagnostic like any other.
fn unreadable(error: CliError, args: &ValidateArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    match error.place() {
        Some((diagnostic, source)) if args.json => {
            terminal.json(&json!({
                "version": 1,
                "file": source.name(),
                "format": null,
                "plan": null,
                "errors": 1,
                "warnings": 0,
                "notes": 0,
                "diagnostics": [JsonDiagnostic::new(diagnostic, source)],
            }))?;
            Ok(error.exit())
        }
        _ => Err(error),
    }
}

#[derive(Serialize)]
struct JsonDiagnostic<'d> {
    code: &'static str,
    severity: &'static str,
    message: &'d str,
    file: &'d str,
    line: Option<usize>,
    column: Option<usize>,
    help: Option<&'d str>,
    labels: Vec<JsonLabel<'d>>,
}

#[derive(Serialize)]
struct JsonLabel<'d> {
    line: usize,
    column: usize,
    offset: usize,
    length: usize,
    text: &'d str,
}

impl<'d> JsonDiagnostic<'d> {
    fn new(diagnostic: &'d Diagnostic, source: &'d Source) -> Self {
        let labels: Vec<JsonLabel<'d>> = diagnostic
            .labels
            .iter()
            .map(|label| {
                let (line, column) = source.line_column(label.span.start);
                let (offset, length) = (label.span.start, label.span.len());
                JsonLabel { line, column, offset, length, text: &label.text }
            })
            .collect();
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity.as_str(),
            message: &diagnostic.message,
            file: source.file_at(diagnostic.labels.first().map_or(0, |label| label.span.start)),
            line: labels.first().map(|label| label.line),
            column: labels.first().map(|label| label.column),
            help: diagnostic.help.as_deref(),
            labels,
        }
    }
}
