//! What is asked of somebody outside, and what comes back: text that should be JSON and seldom is nothing else.

use serde_json::Value;

use super::{Ask, Part};

/// How large a reply may be.
const REPLY_BYTES_MAX: usize = 4 << 20;
/// How many parts a task may have.
const PARTS_MAX: usize = 200;

/// Returns what to ask: for JSON of the shape that [`parse_reply`] reads, and with what was wrong with the reply before.
pub fn prompt(ask: &Ask<'_>) -> String {
    let mut prompt = format!(
        "Break a task down into parts.\n\nThe goal of the whole: {}\nThe task: {}\n",
        ask.goal,
        ask.path.join(" > ")
    );
    if !ask.description.is_empty() && ask.description != ask.goal {
        prompt += &format!("What it is about: {}\n", ask.description);
    }
    prompt += "\
\nAnswer with JSON alone, a list of parts:
[{\"key\": \"short-name\", \"title\": \"what it is called\", \"description\": \"what is to be done\",
  \"after\": [\"keys of parts that must be done before\"], \"effort_hours\": 4, \"capabilities\": [\"rust\"],
  \"acceptance\": [\"what must hold when it is done\"], \"compound\": false}]

- Between 2 and 12 parts, each with a title of its own and with acceptance criteria that can be checked.
- `after` only where the work needs it: parts that can be done side by side should be.
- `compound` is true for a part of more than 8 hours, which will be broken down in turn.
- An empty list means that the task is small enough as it is.
";
    if let Some(error) = ask.error {
        prompt += &format!("\nYour answer before was not usable: {error}\n");
    }
    prompt
}

/// Returns the parts that a reply holds, or what is wrong with it, in words for whoever sent it.
///
/// The list may stand in a code fence or among words, in a map under `parts` or `tasks`, and end in a comma too many; numbers may
/// be texts, lists may be single values, `name` or `id` may stand for `title` and `key`. What else a part holds is passed over.
pub fn parse_reply(reply: &str) -> Result<Vec<Part>, String> {
    if reply.len() > REPLY_BYTES_MAX {
        return Err(format!("it has {} bytes; at most {REPLY_BYTES_MAX} are read", reply.len()));
    }
    let value = json_in(reply)?;
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut map) => {
            let list = ["parts", "tasks", "subtasks"].into_iter().find_map(|key| map.remove(key));
            match list {
                Some(Value::Array(list)) => list,
                _ => return Err("it holds a map, but no list under `parts`".to_owned()),
            }
        }
        _ => return Err("it is no list of parts".to_owned()),
    };
    if list.len() > PARTS_MAX {
        return Err(format!("it has {} parts; at most {PARTS_MAX} are taken", list.len()));
    }
    list.into_iter().enumerate().map(|(place, value)| part(place, &value)).collect()
}

/// Returns the first list or map of JSON in a text.
fn json_in(reply: &str) -> Result<Value, String> {
    const STARTS_TRIED: usize = 20;
    let mut first_error = None;
    for (at, _) in reply.match_indices(['[', '{']).take(STARTS_TRIED) {
        let rest = &reply[at..];
        let value = |text: &str| serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
        let plain = match value(rest) {
            Some(Ok(value)) => Ok(value),
            // A comma before the end of a list or a map is the most common slip.
            Some(Err(error)) => match value(&without_last_commas(rest)) {
                Some(Ok(value)) => Ok(value),
                _ => Err(error.to_string()),
            },
            None => continue,
        };
        match plain {
            Ok(Value::Array(list)) if !list.is_empty() && !list.iter().any(Value::is_object) => {}
            Ok(value @ (Value::Array(_) | Value::Object(_))) => return Ok(value),
            Ok(_) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error
        .map_or_else(|| "it holds no JSON".to_owned(), |error| format!("its JSON is broken: {error}")))
}

/// Leaves out the commas that are followed by the end of a list or a map; those in texts stay.
fn without_last_commas(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut in_text, mut is_escaped) = (false, false);
    for (at, character) in text.char_indices() {
        if in_text {
            (in_text, is_escaped) = (is_escaped || character != '"', character == '\\' && !is_escaped);
        } else if character == '"' {
            in_text = true;
        } else if character == ',' && text[at + 1..].trim_start().starts_with([']', '}']) {
            continue;
        }
        kept.push(character);
    }
    kept
}

fn part(place: usize, value: &Value) -> Result<Part, String> {
    let Value::Object(map) = value else {
        return Err(format!("part {} is no map", place + 1));
    };
    let get = |names: &[&str]| names.iter().find_map(|name| map.get(*name).filter(|value| !value.is_null()));
    let text = |names: &[&str]| match get(names) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let list = |names: &[&str]| -> Vec<String> {
        let words = |value: &Value| match value {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let values = match get(names) {
            Some(Value::Array(values)) => values.iter().filter_map(words).collect(),
            Some(value) => words(value).into_iter().collect(),
            None => Vec::new(),
        };
        values.into_iter().filter(|text: &String| !text.is_empty()).collect()
    };
    let title = text(&["title", "name", "task"]);
    if title.is_empty() {
        return Err(format!("part {} has no `title`", place + 1));
    }
    let effort_hours = match get(&["effort_hours", "effort", "hours"]) {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => crate::Effort::parse(text).ok().map(crate::Effort::as_hours),
        _ => None,
    };
    Ok(Part {
        key: text(&["key", "id"]),
        title,
        description: text(&["description", "details"]),
        after: list(&["after", "depends_on", "dependencies"]),
        effort_hours: effort_hours.filter(|hours| (0.0..=crate::Effort::MAX.as_hours()).contains(hours)),
        capabilities: list(&["capabilities", "skills"]),
        acceptance: list(&["acceptance", "acceptance_criteria"]),
        compound: matches!(get(&["compound"]), Some(Value::Bool(true))),
    })
}
