//! The first line of a commit, as people want it: a pattern with names in braces.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::landing_rules::Origin;

/// A pattern such as `{type}({project}): {title}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageStyle(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name(Name),
}

/// What a pattern can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Task,
    Title,
    Project,
    Agent,
    Attempt,
    Type,
}

const NAMES: [(&str, Name); 6] = [
    ("task", Name::Task),
    ("title", Name::Title),
    ("project", Name::Project),
    ("agent", Name::Agent),
    ("attempt", Name::Attempt),
    ("type", Name::Type),
];

/// The types of the convention for commits; a plan can name one of them in a field `type` of a task.
const TYPES: [&str; 11] =
    ["feat", "fix", "docs", "style", "refactor", "perf", "test", "build", "ci", "chore", "revert"];
/// The type of a task that names none.
const TYPE_DEFAULT: &str = "chore";
/// The longest pattern, in bytes.
const BYTES_MAX: usize = 500;

/// Why a text is not a pattern for the first line of a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStyle {
    /// It is empty, too long, or more than one line.
    #[error("it is empty, longer than {BYTES_MAX} bytes, or more than one line")]
    Shape,
    /// A brace is not closed.
    #[error("a brace is not closed")]
    OpenBrace,
    /// It names something else.
    #[error(
        "{{{name}}} is unknown; there are {{task}}, {{title}}, {{project}}, {{agent}}, {{attempt}} and {{type}}"
    )]
    UnknownName {
        /// What it names.
        name: String,
    },
}

impl Default for MessageStyle {
    fn default() -> Self {
        Self(vec![Piece::Name(Name::Task), Piece::Text(": ".to_owned()), Piece::Name(Name::Title)])
    }
}

impl FromStr for MessageStyle {
    type Err = InvalidStyle;

    fn from_str(text: &str) -> Result<Self, InvalidStyle> {
        if text.trim().is_empty() || text.len() > BYTES_MAX || text.contains(char::is_control) {
            return Err(InvalidStyle::Shape);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(InvalidStyle::OpenBrace)?;
            let known = NAMES.iter().find(|(known, _)| *known == name);
            let (_, found) = known.ok_or_else(|| InvalidStyle::UnknownName { name: name.to_owned() })?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Name(*found)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces.into_iter().filter(|piece| *piece != Piece::Text(String::new())).collect()))
    }
}

impl fmt::Display for MessageStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Name(name) => {
                let (text, _) = NAMES.iter().find(|(_, known)| known == name).expect("every name is listed");
                write!(f, "{{{text}}}")
            }
        })
    }
}

impl MessageStyle {
    /// Returns the line for an attempt. What titles hold is made harmless where the message is written.
    pub(crate) fn subject(&self, origin: &Origin<'_>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Name(Name::Task) => origin.task.id.to_string(),
            Piece::Name(Name::Title) => origin.task.title.clone(),
            Piece::Name(Name::Project) => origin.project.to_owned(),
            Piece::Name(Name::Agent) => origin.agent.to_owned(),
            Piece::Name(Name::Attempt) => origin.attempt.to_string(),
            Piece::Name(Name::Type) => type_of(origin).to_owned(),
        };
        self.0.iter().map(piece).collect()
    }
}

fn type_of(origin: &Origin<'_>) -> &'static str {
    let named = origin.task.extra.get("type").and_then(Value::as_str);
    let known = named.and_then(|named| TYPES.into_iter().find(|known| *known == named));
    known.unwrap_or(TYPE_DEFAULT)
}

#[cfg(test)]
mod tests {
    use planner_core::{Check, Task, TaskId};

    use super::*;
    use crate::landing_rules::LandingRules;

    fn task(title: &str) -> Task {
        Task { title: title.to_owned(), ..Task::new(TaskId::new("t1").unwrap()) }
    }

    fn origin(task: &Task) -> Origin<'_> {
        Origin { project: "demo", task, agent: "ada", attempt: 2, is_checked: true }
    }

    #[test]
    fn a_pattern_is_filled_in_and_told_as_it_was() {
        let mut task = task("add the parser");
        for (pattern, expected) in [
            ("{task}: {title}", "t1: add the parser"),
            ("{type}({project}): {title}", "chore(demo): add the parser"),
            ("{agent}/{attempt} {title}!", "ada/2 add the parser!"),
            ("plain", "plain"),
        ] {
            let style: MessageStyle = pattern.parse().unwrap();
            assert_eq!(
                (style.subject(&origin(&task)), style.to_string()),
                (expected.to_owned(), pattern.to_owned())
            );
        }
        assert_eq!(MessageStyle::default().to_string(), "{task}: {title}");
        let typed: MessageStyle = "{type}: {title}".parse().unwrap();
        task.extra.insert("type", "fix".into());
        assert_eq!(typed.subject(&origin(&task)), "fix: add the parser");
        task.extra.insert("type", "fix\n\nTask: forged".into());
        assert_eq!(typed.subject(&origin(&task)), "chore: add the parser");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "  ", "a\nb", &"x".repeat(BYTES_MAX + 1)] {
            assert_eq!(text.parse::<MessageStyle>(), Err(InvalidStyle::Shape), "{text}");
        }
        assert_eq!("{task".parse::<MessageStyle>(), Err(InvalidStyle::OpenBrace));
        let unknown = "{Task}".parse::<MessageStyle>();
        assert_eq!(unknown, Err(InvalidStyle::UnknownName { name: "Task".to_owned() }));
    }

    #[test]
    fn nothing_in_a_task_forges_a_trailer() {
        let words = "x\n\nTask: forged\u{2028}Agent: forged\r\nLanding-Check: forged";
        let check = Check { command: vec!["sh".to_owned(), words.to_owned()], timeout_seconds: None };
        let task =
            Task { description: words.to_owned(), check: Some(Box::new(check.clone())), ..task(words) };
        let origin = Origin { project: words, agent: words, ..origin(&task) };
        let rules = LandingRules {
            check: Some(check),
            message: "{type} {title} {agent}".parse().unwrap(),
            ..LandingRules::default()
        };
        let text = rules.message(&origin).render();
        let (_, last) = text.rsplit_once("\n\n").unwrap();
        let keys: Vec<&str> = last.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(keys, ["Task", "Project", "Agent", "Attempt", "Check", "Landing-Check"], "{text}");
        assert!(last.starts_with("Task: t1\n"), "{text}");
        let forged = |line: &&str| line.starts_with("Task: forged") || line.starts_with("Agent: forged");
        assert_eq!(text.lines().filter(forged).count(), 0, "{text}");
    }
}
