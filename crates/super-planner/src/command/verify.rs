//! `verify`: everything that is stored is looked at, and the first bad place of each stream is named.

use std::error::Error;

use serde_json::{Value, json};
use state_store::log::Provenance;
use state_store::verification::{Verification, VerifiedStream};

use crate::cli::VerifyArgs;
use crate::config::Config;
use crate::error::{CliError, Exit};
use crate::escape::{clipped, escaped};
use crate::state_location::{StateLocation, unfinished};
use crate::table::{Cell, Table};
use crate::terminal::{BAD, GOOD, HEADING, Terminal};

const ENGINE_LINES_SHOWN: usize = 5;
const REASON_CHARS_MAX: usize = 300;
const HASH_CHARS_SHOWN: usize = 16;

/// Checks the store and tells what was found.
pub fn run(args: &VerifyArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let location = StateLocation::find(&args.place, config)?;
    let store = location.open_as_it_is()?;
    let found = Verification::of(&*store)?;
    if args.json {
        terminal.json(&as_json(&found, &location))?;
    } else {
        terminal.print(text(&found, &location, terminal.width()))?;
    }
    Ok(if found.is_sound() { Exit::Fine } else { Exit::Store })
}

fn text(found: &Verification, location: &StateLocation, width: usize) -> String {
    let verdict = if found.is_sound() {
        format!("{GOOD}sound{GOOD:#}: everything is as it was written")
    } else {
        format!("{BAD}damaged{BAD:#}")
    };
    let mut text = format!("{HEADING}{location}{HEADING:#}  {verdict}\n");
    for line in found.engine.iter().take(ENGINE_LINES_SHOWN) {
        text.push_str(&format!("  {BAD}the file{BAD:#}: {}\n", clipped(line, REASON_CHARS_MAX)));
    }
    if found.engine.len() > ENGINE_LINES_SHOWN {
        text.push_str(&format!("  and {} more of the file\n", found.engine.len() - ENGINE_LINES_SHOWN));
    }
    if let Some(problem) = provenance_problem(found) {
        text.push_str(&format!("  {BAD}its origin{BAD:#}: {}\n", clipped(&problem, REASON_CHARS_MAX)));
    }
    if let Some(problem) = &found.list_damage {
        let problem = escaped(&problem.to_string());
        let shown = clipped(&problem, REASON_CHARS_MAX);
        text.push_str(&format!(
            "  {BAD}its list of streams{BAD:#}: {shown}; those that can be found without it are shown\n"
        ));
    }
    let header = ["  stream", "entries", "hash", "snapshot", "dropped"];
    let mut table = Table::new(header.map(|title| Cell::styled(title, HEADING)));
    for stream in &found.streams {
        let hash: String = stream.hash.iter().map(ToString::to_string).collect();
        let dropped = (stream.base.get() > 0).then(|| format!("up to {}", stream.base));
        table.row([
            Cell::plain(format!("  {}", stream.stream)),
            Cell::number(stream.head),
            Cell::plain(hash.chars().take(HASH_CHARS_SHOWN).collect::<String>()),
            Cell::plain(stream.snapshot.map(|seq| format!("of {seq}")).unwrap_or_default()),
            Cell::plain(dropped.unwrap_or_default()),
        ]);
    }
    text.push_str(&table.draw(width));
    for stream in &found.streams {
        if let Some(problem) = problem(stream) {
            let name = &stream.stream;
            text.push_str(&format!("  {BAD}{name}{BAD:#}: {}\n", clipped(&problem, REASON_CHARS_MAX)));
            text.push_str(&format!("    {}\n", what_is_well(stream)));
        }
    }
    text
}

fn what_is_well(stream: &VerifiedStream) -> String {
    let head = stream.head;
    match head.get() {
        0 => "no entry of it is known to be well".to_owned(),
        _ => format!(
            "entries up to {head} are well: `status --at {head}` shows what they come to, `recover --to {head} \
             --out URL` keeps them"
        ),
    }
}

fn as_json(found: &Verification, location: &StateLocation) -> Value {
    let stream = |stream: &VerifiedStream| {
        json!({
            "stream": stream.stream.as_str(),
            "dropped_until": stream.base,
            "sound_until": stream.head,
            "hash": stream.hash.map(|hash| hash.to_string()),
            "snapshot": stream.snapshot,
            "problem": problem(stream),
        })
    };
    json!({
        "version": 1,
        "state": location.to_string(),
        "is_sound": found.is_sound(),
        "engine": found.engine,
        "origin": match &found.provenance {
            Ok(Provenance::Copied(origin) | Provenance::Unfinished(origin)) => json!(origin),
            Ok(Provenance::Grown) | Err(_) => Value::Null,
        },
        "origin_problem": provenance_problem(found),
        "list_problem": found.list_damage.as_ref().map(ToString::to_string),
        "streams": found.streams.iter().map(stream).collect::<Vec<_>>(),
    })
}

fn provenance_problem(found: &Verification) -> Option<String> {
    match &found.provenance {
        Ok(Provenance::Unfinished(origin)) => Some(unfinished(origin).to_owned()),
        Ok(Provenance::Grown | Provenance::Copied(_)) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Returns what is wrong with a stream, cause by cause.
fn problem(stream: &VerifiedStream) -> Option<String> {
    let problem = stream.problem.as_ref()?;
    let causes = std::iter::successors(Some(problem as &dyn Error), |error| (*error).source());
    let texts: Vec<_> = causes.map(|error| escaped(&error.to_string())).collect();
    Some(texts.join(": "))
}
