//! Which format a text is in, told by the text itself; its name decides only where the text leaves it open.

use super::outline::Outline;
use super::{Format, InputText, ReadError, yaml};

/// How many entries of a list are looked at to tell its format.
const ENTRIES_LOOKED_AT: usize = 200;
/// How much of a text that is no JSON is looked at.
const BYTES_LOOKED_AT: usize = 256 << 10;

/// Returns the format of a set of files.
pub(super) fn detect(input: &InputText) -> Result<Format, ReadError> {
    if input.files().len() > 1 {
        return folder(input);
    }
    let (name, text) = (input.source.name(), input.body());
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_toml_name = ending == "toml" && text.trim_start().starts_with('[');
    if text.trim_start().starts_with(['{', '[']) && !is_toml_name {
        return json(text, &ending);
    }
    Ok(lines(text, &ending))
}

/// Tells the format of a folder by the names and the beginnings of its files.
fn folder(input: &InputText) -> Result<Format, ReadError> {
    let any = |holds: &dyn Fn(&str, &str) -> bool| {
        input.files().iter().any(|file| holds(&file.path, &input.text()[file.range.clone()]))
    };
    if any(&|path, _| path.ends_with("issues.jsonl")) {
        return Ok(Format::Beads);
    }
    if any(&|path, text| {
        path.ends_with(".md") && yaml::front_matter(text).is_some_and(|(front, _)| has_id_line(front))
    }) {
        return Ok(Format::Backlog);
    }
    if any(&|path, text| path.ends_with(".json") && is_claude_task(Outline::of(text))) {
        return Ok(Format::ClaudeTasks);
    }
    Err(ReadError::UnknownFormat {
        found: "a folder without tasks of Backlog.md, Claude Code or beads".to_owned(),
    })
}

fn has_id_line(front: &str) -> bool {
    front.lines().any(|line| line.starts_with("id:"))
}

fn is_claude_task(task: Outline<'_>) -> bool {
    task.has("subject") && (task.has("blockedBy") || task.has("blocks") || task.has("status"))
}

fn json(text: &str, ending: &str) -> Result<Format, ReadError> {
    let root = Outline::of(text);
    let end = root.end();
    let is_json = |text: &str| super::json::read_document(text, 0, super::Limits::DEPTH_CEILING).is_ok();
    let is_yaml_name = matches!(ending, "yaml" | "yml");
    match end {
        Some(end) if text[end..].trim().is_empty() => match shape(root) {
            _ if is_yaml_name && !is_json(text) => Ok(Format::Yaml),
            // Whoever reads it will say where it breaks.
            Err(_) if !is_json(text) => Ok(Format::Json),
            shape => shape,
        },
        // A map after a map is JSON lines whatever the file is called: YAML has no such thing.
        Some(end) if text[end..].trim_start().starts_with('{') && is_json(&text[..end]) => Ok(Format::Beads),
        _ if is_yaml_name => Ok(Format::Yaml),
        _ if ending == "jsonl" => Ok(Format::Beads),
        _ if ending != "json" && looks_like_toml(text) => Ok(Format::Toml),
        Some(_) => Ok(Format::Beads),
        None => Ok(Format::Json),
    }
}

/// Returns the format of a JSON document.
fn shape(root: Outline<'_>) -> Result<Format, ReadError> {
    let unknown = |found: &str| Err(ReadError::UnknownFormat { found: found.to_owned() });
    let is_map = |key: &str| root.get(key).is_some_and(Outline::is_map);
    match root.get("tasks") {
        Some(tasks) if tasks.is_map() => Ok(Format::SuperPlannerState),
        Some(tasks) if tasks.is_list() => {
            let is_taskmaster = |task: Outline<'_>| task.has("testStrategy") || task.has("subtasks");
            if is_map("project") {
                Ok(Format::SuperPlannerProject)
            } else if tasks.entries().take(ENTRIES_LOOKED_AT).any(is_taskmaster) {
                Ok(Format::Taskmaster)
            } else {
                Ok(Format::Json)
            }
        }
        _ if root.is_list() => Ok(Format::Json),
        _ if root.is_map() => {
            let has_tasks =
                |(_, member): (&str, Outline<'_>)| member.get("tasks").is_some_and(Outline::is_list);
            if is_map("workflow") {
                Ok(Format::WfFormat)
            } else if is_claude_task(root) {
                Ok(Format::ClaudeTasks)
            } else if (root.has("id") && root.has("status")) || root.has("_type") {
                Ok(Format::Beads)
            } else if root.members().any(has_tasks) {
                Ok(Format::Taskmaster)
            } else {
                unknown("JSON without `tasks`")
            }
        }
        _ => unknown("JSON that is neither a map nor a list"),
    }
}

/// Tells the format of a text that is no JSON by its ending, or else by its lines.
fn lines(text: &str, ending: &str) -> Format {
    let mut head = text.len().min(BYTES_LOOKED_AT);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    let head = &text[..head];
    match ending {
        "yaml" | "yml" => return Format::Yaml,
        "toml" => return Format::Toml,
        "md" | "markdown" => return markdown(head),
        "dot" | "gv" => return Format::Dot,
        "csv" => return Format::Csv,
        "stg" => return Format::Stg,
        "sm" => return Format::Psplib,
        _ => {}
    }
    if super::dot::is_dot(head) {
        Format::Dot
    } else if super::psplib::is_psplib(head) {
        Format::Psplib
    } else if super::stg::is_stg(head) {
        Format::Stg
    } else if super::csv::is_csv(head) {
        Format::Csv
    } else if looks_like_toml(head) {
        Format::Toml
    } else if yaml::front_matter(head).is_some_and(|(front, _)| has_id_line(front))
        || super::check_list::has_items(head)
    {
        markdown(head)
    } else {
        Format::Yaml
    }
}

fn markdown(text: &str) -> Format {
    if yaml::front_matter(text).is_some_and(|(front, _)| has_id_line(front)) {
        Format::Backlog
    } else if super::spec_kit::is_spec_kit(text) {
        Format::SpecKit
    } else {
        Format::Markdown
    }
}

/// Returns whether the first line that says something is a table header or `key = value`.
fn looks_like_toml(text: &str) -> bool {
    let lines = text.lines().map(str::trim);
    let first = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).take(1);
    first.into_iter().any(|line| {
        let is_header = line.starts_with('[') && line.trim_end_matches([' ', '\t']).ends_with(']');
        let is_key = |key: &str| {
            !key.is_empty()
                && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | ' '))
        };
        is_header || line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()))
    })
}
