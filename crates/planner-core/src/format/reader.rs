//! What all formats share: taking values out of nodes, and telling what is wrong with those that cannot be taken.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::Range;

use super::fields::Fields;
use super::node::{Node, NodeValue, Span};
use super::spelling::{Owner, Spellings};
use super::status::{Meaning, RuleCount, StatusRule};
use super::{Limits, ReadError};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::{Capability, CapabilitySet, Check, Dependency, Effort, Priority, Task, TaskId, TaskIndex, When};

/// Where the parts of a task were written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TaskPlaces {
    pub(crate) id: Span,
    pub(crate) parent: Option<Span>,
    pub(crate) effort: Option<Span>,
    pub(crate) capabilities: Option<Span>,
    /// The value that says where it stands.
    pub(crate) status: Option<Span>,
    /// As many as the task has dependencies.
    pub(crate) dependencies: Vec<Span>,
}

/// Whether a reading remembers where everything was written. That takes time and memory, so a plan is first read without; only
/// if something about a task is to be told, it is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// Nothing is remembered.
    Nothing,
    /// All places are.
    Places,
}

pub(super) struct Reader<'t> {
    text: &'t str,
    limits: &'t Limits,
    rules: &'static [StatusRule],
    rule_hits: Vec<usize>,
    memory: Memory,
    /// Whether something was to be told about a place that was not remembered.
    is_place_missing: bool,
    dependency_count: usize,
    /// How many errors there were when the entry that is being read began.
    errors_before: usize,
    /// The tasks that were read without something that could not be taken.
    pub(super) broken: Vec<TaskIndex>,
    spellings: Spellings,
    pub(super) diagnostics: Diagnostics,
    pub(super) tasks: Vec<Task>,
    pub(super) places: Vec<TaskPlaces>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(
        text: &'t str,
        limits: &'t Limits,
        rules: &'static [StatusRule],
        memory: Memory,
    ) -> Self {
        Self {
            text,
            limits,
            rules,
            rule_hits: vec![0; rules.len()],
            memory,
            is_place_missing: false,
            dependency_count: 0,
            errors_before: 0,
            broken: Vec::new(),
            spellings: Spellings::default(),
            diagnostics: Diagnostics::new(limits.diagnostics_per_code_max),
            tasks: Vec::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn limits(&self) -> &'t Limits {
        self.limits
    }

    /// Says that what is told from now on is of another entry.
    pub(super) fn begin_entry(&mut self) {
        self.errors_before = self.diagnostics.error_count();
    }

    /// Takes in a task and where its parts were written. An empty title is none: the task is called by its id.
    pub(super) fn add(&mut self, mut task: Task, places: TaskPlaces) -> Result<(), ReadError> {
        self.dependency_count += task.dependencies.len();
        if task.title.trim().is_empty() {
            task.title = task.id.as_str().to_owned();
        }
        if self.memory == Memory::Places {
            debug_assert_eq!(task.dependencies.len(), places.dependencies.len());
            self.places.push(places);
        }
        if self.diagnostics.error_count() > self.errors_before {
            self.broken.push(TaskIndex::from_usize(self.tasks.len()));
            self.begin_entry();
        }
        self.tasks.push(task);
        let refuse = |what, limit| Err(ReadError::TooMany { what, limit });
        if self.tasks.len() > self.limits.tasks_max {
            return refuse("tasks", self.limits.tasks_max);
        }
        if self.dependency_count > self.limits.dependencies_max {
            return refuse("dependencies", self.limits.dependencies_max);
        }
        Ok(())
    }

    /// Returns the places of a task. Where they were not remembered, the plan will be read again.
    pub(super) fn places_of(&mut self, task: usize) -> TaskPlaces {
        self.is_place_missing |= self.memory == Memory::Nothing;
        self.places.get(task).cloned().unwrap_or_default()
    }

    pub(super) fn remembers_places(&self) -> bool {
        self.memory == Memory::Places
    }

    pub(super) fn is_place_missing(&self) -> bool {
        self.is_place_missing
    }

    /// Replaces the dependencies of a task by what `meant` returns for each; those for which it returns none are left out.
    pub(super) fn revise_dependencies(
        &mut self,
        task: usize,
        mut meant: impl FnMut(&mut Self, Dependency, usize) -> Option<Dependency>,
    ) {
        let written = std::mem::take(&mut self.tasks[task].dependencies);
        let mut kept = Vec::with_capacity(written.len());
        let mut kept_places = Vec::new();
        for (position, dependency) in written.into_iter().enumerate() {
            if let Some(dependency) = meant(self, dependency, position) {
                kept.push(dependency);
                kept_places.extend(self.places.get(task).map(|places| places.dependencies[position]));
            }
        }
        self.tasks[task].dependencies = kept;
        if let Some(places) = self.places.get_mut(task) {
            places.dependencies = kept_places;
        }
    }

    pub(super) fn rule_counts(&self) -> Vec<RuleCount> {
        let counts = self.rules.iter().zip(&self.rule_hits);
        let counts = counts.map(|(rule, entries)| RuleCount { rule: *rule, entries: *entries });
        counts.filter(|count| count.entries > 0).collect()
    }

    /// Returns what the format's table says about a value, and counts the entry.
    pub(super) fn meaning(&mut self, field: &str, value: &str) -> Option<Meaning> {
        let place = self
            .rules
            .iter()
            .position(|rule| rule.field == field && rule.value.eq_ignore_ascii_case(value))?;
        self.rule_hits[place] += 1;
        Some(self.rules[place].meaning)
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        label: &str,
        message: impl FnOnce() -> String,
    ) {
        self.diagnostics.push(code, || Diagnostic::error(code, message()).at(span, label));
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        span: Span,
        label: &str,
        message: impl FnOnce() -> String,
    ) {
        self.diagnostics.push(code, || Diagnostic::warning(code, message()).at(span, label));
    }

    /// Tells that a value cannot be taken, and what to write instead.
    pub(super) fn bad_value(&mut self, span: Span, help: &str, message: impl FnOnce() -> String) {
        self.diagnostics
            .push("bad-value", || Diagnostic::error("bad-value", message()).at(span, "here").help(help));
    }

    /// Tells that the value of a field is of the wrong kind.
    fn wrong_kind(&mut self, node: &Node<'_>, field: &str, expected: &str, help: &str) {
        let kind = node.kind();
        self.bad_value(node.span, help, || {
            format!("{} must be {expected}, but this is {kind}", quoted(field))
        });
    }

    /// Tells of fields that nobody took but that are near one that would have been. `of` names who has them.
    pub(super) fn misspelt(&mut self, fields: &Fields<'_>, owner: Owner, of: Option<&str>) {
        for (unread, span) in fields.unread() {
            let Some(meant) = self.spellings.meant(owner, unread) else {
                continue;
            };
            self.diagnostics.push("unknown-field", || {
                let of = of.map_or_else(String::new, |name| format!(" of {}", quoted(name)));
                let message = format!("{}{of} is no field of {}", quoted(unread), owner.as_str());
                Diagnostic::warning("unknown-field", message)
                    .at(span, "not read")
                    .help(format!("did you mean `{meant}`?"))
            });
        }
    }

    /// Returns the fields of a map; `example` is what to write where it is none.
    pub(super) fn fields<'n>(&mut self, node: Node<'n>, what: &str, example: &str) -> Option<Fields<'n>> {
        match Fields::of(node) {
            Ok(fields) => {
                if let Some((key, first, second)) = fields.repeated() {
                    self.diagnostics.push("repeated-field", || {
                        Diagnostic::warning(
                            "repeated-field",
                            format!("the field {} is given twice", quoted(key)),
                        )
                        .at(second, "given again here")
                        .at(first, "given here")
                    });
                }
                Some(fields)
            }
            Err(node) => {
                let kind = node.kind();
                self.bad_value(node.span, example, || format!("{what} must be a map, but this is {kind}"));
                None
            }
        }
    }

    /// Returns the nodes of a list; a single value counts as a list of one.
    pub(super) fn list<'n>(&mut self, node: Node<'n>) -> Vec<Node<'n>> {
        match node.value {
            NodeValue::List(nodes) => nodes,
            _ => vec![node],
        }
    }

    /// Returns a text. A number or a truth value counts as the text that it was written as, so that `1.10` stays `1.10`.
    pub(super) fn text(&mut self, node: Node<'_>, field: &str) -> Option<String> {
        self.borrowed_text(node, field).map(Cow::into_owned)
    }

    /// Returns a text as [`Reader::text`] does, without a copy where it stands in the file as it is.
    fn borrowed_text<'n>(&mut self, node: Node<'n>, field: &str) -> Option<Cow<'n, str>> {
        let computed = match node.value {
            NodeValue::Text(text) => return Some(text),
            NodeValue::Number(ref number) => number.to_string(),
            NodeValue::Bool(value) => value.to_string(),
            NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => {
                self.wrong_kind(&node, field, "a text", "write one text");
                return None;
            }
        };
        let written = self.text.get(Range::from(node.span)).map(str::trim).unwrap_or_default();
        Some(if written.is_empty() { computed } else { written.to_owned() }.into())
    }

    /// Returns a text, or an empty one where there is none.
    pub(super) fn optional_text(&mut self, node: Option<Node<'_>>, field: &str) -> String {
        node.and_then(|node| self.text(node, field)).unwrap_or_default()
    }

    /// Returns the id that a node holds.
    pub(super) fn id(&mut self, node: Node<'_>, field: &str) -> Option<TaskId> {
        let span = node.span;
        let text = self.borrowed_text(node, field)?;
        match TaskId::new(&text) {
            Ok(id) => Some(id),
            Err(error) => {
                self.error("invalid-id", span, "this id", || error.to_string());
                None
            }
        }
    }

    /// Returns the ids of a list of dependencies, with their places.
    pub(super) fn dependencies(
        &mut self,
        node: Option<Node<'_>>,
        field: &str,
    ) -> (Vec<Dependency>, Vec<Span>) {
        let nodes = node.map(|node| self.list(node)).unwrap_or_default();
        let mut dependencies = Vec::with_capacity(nodes.len());
        let mut places = Vec::new();
        for node in nodes {
            let Some((dependency, place)) = self.dependency(node, field) else { continue };
            dependencies.push(dependency);
            if self.memory == Memory::Places {
                places.push(place);
            }
        }
        (dependencies, places)
    }

    fn dependency(&mut self, node: Node<'_>, field: &str) -> Option<(Dependency, Span)> {
        let span = node.span;
        let mut fields = match Fields::of(node) {
            Err(node) => {
                return self.id(node, field).map(|id| (Dependency::on_completion(id), span));
            }
            Ok(fields) => fields,
        };
        let Some(on) = fields.take(&["on", "id"]) else {
            self.bad_value(span, "write `{on: ID}`, or only the id", || {
                "a dependency that is a map must name the task as `on`".to_owned()
            });
            return None;
        };
        let place = on.span;
        let on = self.id(on, "on")?;
        let when = match fields.take(&["when"]) {
            None => When::Completed,
            Some(when) => {
                let when_span = when.span;
                match self.text(when, "when")?.as_str() {
                    "completed" => When::Completed,
                    "failed" => When::Failed,
                    other => {
                        self.bad_value(when_span, "leave it out to wait for the completion", || {
                            format!("`when` must be `completed` or `failed`, not {}", quoted(other))
                        });
                        return None;
                    }
                }
            }
        };
        Some((Dependency { on, when }, place))
    }

    /// Returns an effort in hours, or as a duration.
    pub(super) fn effort(&mut self, node: &Node<'_>, field: &str) -> Option<Effort> {
        let effort = match &node.value {
            NodeValue::Number(number) => Effort::from_hours(number.as_f64().unwrap_or(f64::NAN)),
            NodeValue::Text(text) => Effort::parse(text),
            _ => {
                self.wrong_kind(node, field, "a number of hours or a duration", "write `2`, or `1h30m`");
                return None;
            }
        };
        self.told("bad-effort", node.span, effort.map_err(|error| escaped(&error.to_string())))
    }

    /// Returns a whole number from 1 on; formats whose fields are all texts write it as one.
    pub(super) fn whole_number(&mut self, node: &Node<'_>, field: &str, help: &str) -> Option<NonZeroU32> {
        let number = match &node.value {
            NodeValue::Number(number) => number.as_u64(),
            NodeValue::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| NonZeroU32::new(u32::try_from(number).ok()?));
        if number.is_none() {
            self.bad_value(node.span, help, || format!("`{field}` must be a whole number above 0"));
        }
        number
    }

    /// Returns an effort in minutes.
    pub(super) fn effort_of_minutes(&mut self, node: &Node<'_>, field: &str) -> Option<Effort> {
        match &node.value {
            NodeValue::Number(number) => {
                let effort = Effort::from_hours(number.as_f64().unwrap_or(f64::NAN) / 60.0);
                self.told("bad-effort", node.span, effort.map_err(|error| error.to_string()))
            }
            _ => {
                self.wrong_kind(node, field, "a number of minutes", "write a number without a unit");
                None
            }
        }
    }

    fn told<T>(&mut self, code: &'static str, span: Span, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.error(code, span, "here", || message)).ok()
    }

    /// Returns a priority class by its name, or by its number from 0, the most urgent, to 4.
    pub(super) fn priority(&mut self, node: Node<'_>, field: &str) -> Option<Priority> {
        let span = node.span;
        let text = self.borrowed_text(node, field)?;
        let digit = text.strip_prefix(['p', 'P']).unwrap_or(&text);
        let class =
            Priority::from_name(&text).or_else(|| Priority::ALL.get(digit.parse::<usize>().ok()?).copied());
        if class.is_none() {
            self.diagnostics.push("unknown-priority", || {
                Diagnostic::error("unknown-priority", format!("{} is no priority", quoted(&text)))
                    .at(span, "here")
                    .help("priorities are critical, high, medium, low and backlog, or the numbers 0 to 4")
            });
        }
        class
    }

    pub(super) fn capabilities(&mut self, node: Option<Node<'_>>, field: &str) -> CapabilitySet {
        let names: Vec<Capability> =
            self.words(node, field).iter().map(|name| Capability::new(name)).collect();
        names.into()
    }

    /// Returns the texts of a list, in order and without repeats.
    pub(super) fn words(&mut self, node: Option<Node<'_>>, field: &str) -> Vec<String> {
        let nodes = node.map(|node| self.list(node)).unwrap_or_default();
        let words: BTreeSet<String> = nodes.into_iter().filter_map(|node| self.text(node, field)).collect();
        words.into_iter().collect()
    }

    /// Returns a check: a list of a program and its arguments, or a text that is split at white space, or a map with
    /// `command` and `timeout_seconds`. There is no shell: quotes and operators mean nothing.
    pub(super) fn check(&mut self, node: Node<'_>) -> Option<Check> {
        let span = node.span;
        let mut timeout_seconds = None;
        let command = match Fields::of(node) {
            Err(node) => Some(node),
            Ok(mut fields) => {
                if let Some(node) = fields.take(&["timeout_seconds"]) {
                    timeout_seconds = self.timeout_seconds(&node);
                }
                let command = fields.take(&["command"]);
                self.misspelt(&fields, Owner::Check, None);
                command
            }
        };
        let command = command.map(|node| self.command(node)).unwrap_or_default();
        if command.first().is_none_or(String::is_empty) {
            self.error("empty-check", span, "here", || "the check names no program".to_owned());
            return None;
        }
        Some(Check { command, timeout_seconds })
    }

    fn timeout_seconds(&mut self, node: &Node<'_>) -> Option<u64> {
        let seconds = match &node.value {
            NodeValue::Number(number) => number.as_u64().filter(|seconds| *seconds > 0),
            _ => None,
        };
        if seconds.is_none() {
            self.bad_value(node.span, "leave it out for the limit of the configuration", || {
                "`timeout_seconds` must be a whole number above 0".to_owned()
            });
        }
        seconds
    }

    fn command(&mut self, node: Node<'_>) -> Vec<String> {
        let span = node.span;
        match node.value {
            NodeValue::List(nodes) => nodes.into_iter().filter_map(|node| self.text(node, "check")).collect(),
            NodeValue::Text(text) => {
                if text.contains(['|', '&', ';', '<', '>', '$', '`', '"', '\'']) {
                    self.diagnostics.push("check-is-no-shell-line", || {
                        Diagnostic::warning(
                            "check-is-no-shell-line",
                            format!("the check {} is run without a shell", quoted(&text)),
                        )
                        .at(span, "split at white space, each part as it is")
                        .help(
                            "write a list of the program and its arguments; for a shell, `[sh, -c, \"...\"]`",
                        )
                    });
                }
                text.split_whitespace().map(str::to_owned).collect()
            }
            _ => {
                self.wrong_kind(&node, "check", "a command", "write a list of the program and its arguments");
                Vec::new()
            }
        }
    }
}

/// Messages of other types may quote the file: what terminals would act on is escaped.
pub(super) fn escaped(message: &str) -> String {
    let mut escaped = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '"' | '\'' | '\\' => escaped.push(character),
            _ => escaped.extend(character.escape_debug()),
        }
    }
    escaped
}
