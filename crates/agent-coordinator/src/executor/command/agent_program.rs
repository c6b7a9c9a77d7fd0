//! An agent that is a program, as data: how it is started, how it is told what to do, and what its output means.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::output_rule::{Ends, JsonRule, TextRule};

/// The most that one argument may hold; Linux takes 128 KiB.
const ARGUMENT_BYTES_MAX: usize = 100 * 1024;

/// A program that works on tasks. Nothing of it goes through a shell.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AgentProgram {
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The program, on the path or by a path from the root.
    pub program: String,
    /// Its arguments. `{prompt}` stands for what it is told, `{prompt_file}` for a file with that, `{folder}` for the folder
    /// that it works in; an argument that is `{more}` for those that the operator adds, which come last where it is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// How it is told what to do.
    #[serde(default)]
    pub prompt: PromptBy,
    /// Whether it finds a repository of its own in its folder, with one commit of what it begins from; it is thrown away.
    #[serde(default)]
    pub git: bool,
    /// Variables of its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Variables that it gets as they are in the environment of the coordinator, such as keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_kept: Vec<String>,
    /// What its lines mean that are JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<JsonRule>,
    /// What its other lines mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<TextRule>,
    /// What tokens cost, where it does not say what it has cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// How a program is told what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptBy {
    /// It reads it from its standard input.
    #[default]
    Stdin,
    /// One of its arguments names a file, which lies outside of the folder that it works in.
    File,
    /// It is an argument; others on the machine can read that.
    Argument,
}

/// What tokens cost, in dollars a million.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Those that are read.
    pub input: f64,
    /// Those that are written.
    pub output: f64,
}

/// Why a program cannot be told what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProgram {
    /// No argument would tell it.
    #[error("the prompt is to go by {by}, but no argument holds {placeholder}")]
    NoPlace {
        /// How it is told.
        by: &'static str,
        /// What is missing.
        placeholder: &'static str,
    },
}

impl AgentProgram {
    /// Returns a program that reads from its standard input what to do, and whose output means nothing.
    pub fn plain(program: String, arguments: Vec<String>) -> Self {
        Self {
            about: String::new(),
            program,
            arguments,
            prompt: PromptBy::Stdin,
            git: false,
            environment: BTreeMap::new(),
            environment_kept: Vec::new(),
            json: Vec::new(),
            text: Vec::new(),
            price: None,
        }
    }

    /// Checks that its arguments tell it what to do.
    pub fn check(&self) -> Result<(), InvalidProgram> {
        let (by, placeholder) = match self.prompt {
            PromptBy::Stdin => return Ok(()),
            PromptBy::File => ("file", "{prompt_file}"),
            PromptBy::Argument => ("argument", "{prompt}"),
        };
        let has_place = self.arguments.iter().any(|argument| argument.contains(placeholder));
        if has_place { Ok(()) } else { Err(InvalidProgram::NoPlace { by, placeholder }) }
    }

    /// Returns the program with arguments that the operator adds.
    #[must_use]
    pub fn with_more(mut self, more: &[String]) -> Self {
        let place = self.arguments.iter().position(|argument| argument == "{more}");
        match place {
            Some(place) => drop(self.arguments.splice(place..=place, more.iter().cloned())),
            None => self.arguments.extend_from_slice(more),
        }
        self
    }

    /// Returns whether its output says that it is done; it is not done, then, before it has said so.
    pub(super) fn tells_its_end(&self) -> bool {
        self.json.iter().any(|rule| rule.ends == Some(Ends::Done))
    }

    /// Returns the words of the command, or why it cannot be made.
    pub(super) fn command(
        &self,
        prompt: &str,
        prompt_file: &Path,
        folder: &Path,
    ) -> Result<Vec<String>, String> {
        let filled = |argument: &String| {
            // What is put in is not looked at again: a prompt may hold whatever it likes.
            let mut text = String::new();
            let mut rest = argument.as_str();
            while let Some(at) = rest.find('{') {
                text += &rest[..at];
                rest = &rest[at..];
                let known: [(&str, &dyn Fn() -> String); 3] = [
                    ("{prompt}", &|| prompt.to_owned()),
                    ("{prompt_file}", &|| prompt_file.to_string_lossy().into_owned()),
                    ("{folder}", &|| folder.to_string_lossy().into_owned()),
                ];
                match known.iter().find(|(name, _)| rest.starts_with(name)) {
                    Some((name, value)) => {
                        text += &value();
                        rest = &rest[name.len()..];
                    }
                    None => {
                        text.push('{');
                        rest = &rest[1..];
                    }
                }
            }
            text + rest
        };
        let given = self.arguments.iter().filter(|argument| *argument != "{more}").map(filled);
        let words: Vec<String> = std::iter::once(self.program.clone()).chain(given).collect();
        if let Some(long) = words.iter().map(String::len).find(|length| *length > ARGUMENT_BYTES_MAX) {
            return Err(format!(
                "an argument of {long} bytes cannot be handed over; use a prompt by file or standard input"
            ));
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err("an argument holds a zero byte".to_owned());
        }
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_filled_once_and_what_the_operator_adds_comes_in_its_place() {
        let arguments = ["--in={folder}", "{more}", "-p", "{prompt}", "{other}"].map(str::to_owned).to_vec();
        let program =
            AgentProgram { prompt: PromptBy::Argument, ..AgentProgram::plain("x".to_owned(), arguments) };
        let program = program.with_more(&["--fast".to_owned()]);
        program.check().unwrap();
        let words = program.command("do {folder}", Path::new("/p"), Path::new("/w")).unwrap();
        assert_eq!(words, ["x", "--in=/w", "--fast", "-p", "do {folder}", "{other}"]);
        let plain = AgentProgram::plain("x".to_owned(), vec!["{more}".to_owned()]);
        assert_eq!(plain.command("", Path::new(""), Path::new("")).unwrap(), ["x"]);
        assert!(program.command(&"x".repeat(200_000), Path::new(""), Path::new("")).is_err());
        assert!(program.command("a\0b", Path::new(""), Path::new("")).is_err());
        let lost = AgentProgram { prompt: PromptBy::File, ..AgentProgram::plain("x".to_owned(), Vec::new()) };
        assert!(lost.check().unwrap_err().to_string().contains("{prompt_file}"));
    }
}
