//! What stands at the head of a `SKILL.md`.

use std::collections::BTreeMap;

use serde_json::Value;

/// The longest front matter in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// The deepest nesting, and the most values, aliases included.
const DEPTH_MAX: usize = 16;
const VALUES_MAX: usize = 5000;

const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION_CHARS_MAX: usize = 1024;
/// The fields of the format.
const FIELDS: [&str; 6] = ["name", "description", "license", "compatibility", "metadata", "allowed-tools"];

/// The name and the description of a skill, as it states them, and what is odd about its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontMatter {
    /// Its name; `None` where it states none that can be used.
    pub name: Option<String>,
    /// What it is for, on one line.
    pub description: String,
    /// What does not keep to the format and is put up with, in words.
    pub oddities: Vec<String>,
}

/// Why a head cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFrontMatter {
    /// There is none.
    #[error("it does not begin with a line `---` and a later one that ends the front matter")]
    Missing,
    /// It is too long.
    #[error("its front matter is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// It is no YAML that could be used.
    #[error("its front matter cannot be read: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// It does not say what the skill is for.
    #[error("its front matter has no description")]
    NoDescription,
}

impl FrontMatter {
    /// Returns the head of a skill and the body after it.
    pub fn read(text: &str) -> Result<(Self, &str), InvalidFrontMatter> {
        let (head, body) = split(text)?;
        let (fields, mut oddities) = match parse(head) {
            Ok(fields) => (fields, Vec::new()),
            Err(reason) => match parse(&quoted(head)) {
                Ok(fields) => (fields, vec![format!("its values need quotes: {reason}")]),
                Err(_) => return Err(InvalidFrontMatter::Syntax { reason }),
            },
        };
        let description = fields.get("description").and_then(text_of).unwrap_or_default();
        let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
        if description.is_empty() {
            return Err(InvalidFrontMatter::NoDescription);
        }
        let name = fields.get("name").and_then(text_of);
        let unknown = fields.keys().filter(|field| !FIELDS.contains(&field.as_str()));
        oddities.extend(unknown.map(|field| format!("the format has no field {field:?}")));
        if description.chars().count() > DESCRIPTION_CHARS_MAX {
            oddities.push(format!("its description has more than {DESCRIPTION_CHARS_MAX} characters"));
        }
        match &name {
            None => oddities.push("it states no name".to_owned()),
            Some(name) => oddities.extend(oddity_of_name(name)),
        }
        let description = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
        Ok((Self { name: name.filter(|name| is_usable(name)), description, oddities }, body))
    }
}

/// Returns the text between the first line and the next `---`, and what comes after it.
fn split(text: &str) -> Result<(&str, &str), InvalidFrontMatter> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == "---").ok_or(InvalidFrontMatter::Missing)?;
    let mut at = first.len();
    for line in lines {
        if line.trim_end() == "---" {
            return Ok((&text[first.len()..at], &text[at + line.len()..]));
        }
        at += line.len();
        if at > BYTES_MAX {
            return Err(InvalidFrontMatter::TooLong);
        }
    }
    Err(InvalidFrontMatter::Missing)
}

fn parse(head: &str) -> Result<BTreeMap<String, Value>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: VALUES_MAX * 2,
            max_nodes: VALUES_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_total_scalar_bytes: 2 * BYTES_MAX,
            max_anchors: VALUES_MAX,
            max_aliases: VALUES_MAX,
            max_recorded_anchor_events: VALUES_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: VALUES_MAX,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(head, options).map_err(|error| error.to_string())
}

/// Returns the head with quotes around each value that stands on the line of its key and holds a colon.
fn quoted(head: &str) -> String {
    let quoted = |line: &str| {
        let (key, value) = line.split_once(": ")?;
        let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let value = value.trim();
        let is_plain = !value.starts_with(['"', '\'', '|', '>', '[', '{', '&', '*']);
        (is_key && is_plain && value.contains(':')).then(|| format!("{key}: {}", Value::from(value)))
    };
    let lines: Vec<String> =
        head.lines().map(|line| quoted(line).unwrap_or_else(|| line.to_owned())).collect();
    lines.join("\n")
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn oddity_of_name(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_lowercase() || c.is_numeric() || c == '-';
    let keeps = name.chars().all(allowed)
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    (!keeps).then(|| {
        let shown: String = name.chars().take(80).collect();
        format!("its name {shown:?} is not 1 to {NAME_CHARS_MAX} small letters, digits and single hyphens")
    })
}

/// Returns whether a name can stand in a list and in a tag.
fn is_usable(name: &str) -> bool {
    name.chars().count() <= 2 * NAME_CHARS_MAX
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<FrontMatter, InvalidFrontMatter> {
        FrontMatter::read(&format!("---\n{head}\n---\nbody\n")).map(|(head, body)| {
            assert_eq!(body, "body\n");
            head
        })
    }

    #[test]
    fn a_head_that_keeps_to_the_format_has_no_oddities() {
        let head = read(
            "name: make-pdf\ndescription: >\n  Makes\n  a PDF.\nlicense: MIT\nmetadata:\n  version: 1.0",
        );
        let expected = FrontMatter {
            name: Some("make-pdf".to_owned()),
            description: "Makes a PDF.".to_owned(),
            oddities: Vec::new(),
        };
        assert_eq!(head, Ok(expected));
    }

    #[test]
    fn what_is_odd_is_put_up_with_and_told() {
        let head = read("name: My Skill\ndescription: Use when: asked\nauthor: me").unwrap();
        assert_eq!((head.name.as_deref(), head.description.as_str()), (Some("My Skill"), "Use when: asked"));
        assert_eq!(head.oddities.len(), 3, "{:?}", head.oddities);
        let head = read("name: 'a\"><b'\ndescription: x").unwrap();
        assert_eq!((head.name, head.oddities.len()), (None, 1));
        let head = read(&format!("description: {}", "x".repeat(2000))).unwrap();
        assert_eq!((head.description.len(), head.oddities.len()), (1024, 2));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        assert_eq!(read("name: a"), Err(InvalidFrontMatter::NoDescription));
        assert_eq!(read("name: a\ndescription: [1]"), Err(InvalidFrontMatter::NoDescription));
        for text in ["", "# no head", "---\nname: a", " ---\nname: a\n---\n", "---"] {
            assert_eq!(FrontMatter::read(text).unwrap_err(), InvalidFrontMatter::Missing, "{text:?}");
        }
        for head in ["description: [", "- a\n- b", "just text", "description: x\n\tname: y", "a: *b"] {
            assert!(matches!(read(head), Err(InvalidFrontMatter::Syntax { .. })), "{head}");
        }
    }

    #[test]
    fn giant_and_recursive_heads_end_soon() {
        let giant = format!("description: {}", "x".repeat(10 << 20));
        assert_eq!(read(&giant), Err(InvalidFrontMatter::TooLong));
        let deep = format!("description: {}", "[".repeat(10_000));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let wide = "a: 1\n".repeat(10_000);
        let itself = "a: &a [*a]\ndescription: x";
        for head in [deep.as_str(), &bomb, &wide, itself] {
            assert!(matches!(read(head), Err(InvalidFrontMatter::Syntax { .. })), "{}", &head[..20]);
        }
    }
}
