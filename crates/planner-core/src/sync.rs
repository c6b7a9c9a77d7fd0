//! Writing into a plan file how far its tasks are, and nothing else.
//!
//! Only the words that say where a task stands are replaced, or, where a task has none, put behind its id; every other byte
//! stays, comments and layout among them. What comes out is read again before it is given away: it must be the same plan but for
//! what was to change, and else nothing is written at all.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::format::{Format, Span, TaskPlaces};
use crate::graph::Node;
use crate::{Exclusion, InputFile, Plan, Reading, Standing, Task, TaskGraph, TaskId, read_files};

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// Nobody works on it.
    Pending,
    /// Somebody does, or its result is on its way.
    Underway,
    /// It is done.
    Completed,
    /// It waits until somebody resumes it.
    OnHold,
    /// It failed as often as it may.
    Failed,
    /// It is not to run.
    Cancelled,
}

impl Progress {
    fn standing(self) -> Standing {
        match self {
            Self::Pending | Self::Underway | Self::Failed => Standing::Pending,
            Self::Completed => Standing::Completed,
            Self::OnHold => Standing::OnHold,
            Self::Cancelled => Standing::Excluded(Exclusion::Cancelled),
        }
    }
}

/// A plan file with how far its tasks are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Synced {
    /// The files that differ from what was read.
    pub files: Vec<SyncedFile>,
    /// What was written, in the order of the files.
    pub written: Vec<StatusWritten>,
    /// Tasks that the file takes for done, on hold or called off and the project does not. The file's word was kept.
    pub contradicted: Vec<TaskId>,
    /// Tasks that stand where the format has no word for.
    pub unsaid: Vec<TaskId>,
}

/// A file with new states in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedFile {
    /// Its path, as it was given.
    pub path: String,
    /// Where its text lies in that of the [`crate::Source`] that was read.
    pub read: Range<usize>,
    /// What it is to hold.
    pub text: String,
}

/// A word that says where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusWritten {
    /// The task.
    pub task: TaskId,
    /// The word that was there.
    pub before: Option<String>,
    /// The word that is there now.
    pub after: String,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Files of that format do not say where tasks stand, or not in a way that could be changed in place.
    #[error("{0} files do not say how far tasks are")]
    Format(Format),
    /// The words cannot be put in without changing something else.
    #[error("the status of `{task}` cannot be written without changing something else in the file")]
    NotInPlace {
        /// The first task that would not be what it should.
        task: TaskId,
    },
    /// What came out cannot be read.
    #[error("the file could not be read any more with the new states in it")]
    Unreadable(#[source] crate::ReadError),
}

/// Returns the files of a plan with how far its tasks are; `progress` says it for those that are known. The state of a group
/// follows from its members, and is written only where the file says one already.
pub fn sync(reading: &Reading, progress: impl Fn(&TaskId) -> Option<Progress>) -> Result<Synced, SyncError> {
    let vocabulary = Vocabulary::of(reading).ok_or(SyncError::Format(reading.format))?;
    let plan = &reading.plan;
    let progress = with_groups(plan, plan.tasks.iter().map(|task| progress(&task.id)).collect());
    let writing = Writing { reading, vocabulary, text: reading.source.text() };
    let (mut synced, mut edits) = (Synced::default(), Vec::new());
    let mut expected: Vec<Standing> = plan.tasks.iter().map(|task| task.standing.clone()).collect();
    for (place, (task, places)) in plan.tasks.iter().zip(reading.places()).enumerate() {
        let Some((progress, kind)) = progress[place] else { continue };
        match writing.step(task, &places, progress, kind) {
            Step::Nothing => {}
            Step::Contradicted => synced.contradicted.push(task.id.clone()),
            Step::Unsaid => synced.unsaid.push(task.id.clone()),
            Step::Write { edit, before } => {
                let after = edit.word.clone();
                synced.written.push(StatusWritten { task: task.id.clone(), before, after });
                edits.push(edit);
                expected[place] = progress.standing();
            }
        }
    }
    edits.sort_by_key(|edit| edit.place.start);
    synced.files = writing.apply(&edits);
    check(reading, &synced.files, &expected)?;
    Ok(synced)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Group,
}

/// Adds how far the groups are: as far as their members.
fn with_groups(plan: &Plan, leaves: Vec<Option<Progress>>) -> Vec<Option<(Progress, Kind)>> {
    let mut all: Vec<_> =
        leaves.into_iter().map(|leaf| leaf.map(|progress| (progress, Kind::Leaf))).collect();
    let Ok(graph) = TaskGraph::new(plan) else { return all };
    let mut members: Vec<Vec<Progress>> = vec![Vec::new(); plan.tasks.len()];
    // A group's finish comes after those of all its members.
    for node in graph.topological_order() {
        let task = match graph.node(*node) {
            Node::GroupStart(_) => continue,
            Node::Task(task) => task,
            Node::GroupFinish(group) => {
                let own = std::mem::take(&mut members[group.index()]);
                all[group.index()] = of_members(&own).map(|progress| (progress, Kind::Group));
                group
            }
        };
        if let (Some((progress, _)), Some(group)) = (all[task.index()], graph.parent_of(task)) {
            members[group.index()].push(progress);
        }
    }
    all
}

/// What is not to run is no part of a group.
fn of_members(members: &[Progress]) -> Option<Progress> {
    let mut members = members.iter().filter(|progress| **progress != Progress::Cancelled);
    let first = *members.next()?;
    let is_common = members.all(|progress| *progress == first);
    match first {
        Progress::Pending | Progress::Completed if is_common => Some(first),
        _ => Some(Progress::Underway),
    }
}

/// How a file says where its tasks stand.
enum Vocabulary {
    /// As the value of a field of this name; the words for each [`Progress`], in its order.
    Words { field: &'static str, words: [Option<String>; 6] },
    /// As the mark of a check list.
    Marks,
}

impl Vocabulary {
    fn of(reading: &Reading) -> Option<Self> {
        let words = |field, words: [&str; 6]| Self::Words {
            field,
            words: words.map(|word| (!word.is_empty()).then(|| word.to_owned())),
        };
        Some(match reading.format {
            Format::Yaml | Format::Json | Format::Toml => {
                words("status", ["pending", "in_progress", "completed", "on_hold", "pending", "cancelled"])
            }
            Format::Beads => words("status", ["open", "in_progress", "closed", "deferred", "blocked", ""]),
            Format::Taskmaster => {
                words("status", ["pending", "in-progress", "done", "deferred", "blocked", "cancelled"])
            }
            Format::ClaudeTasks => {
                words("status", ["pending", "in_progress", "completed", "", "pending", ""])
            }
            Format::SuperPlannerProject => {
                words("status", ["NOT_STARTED", "IN_PROGRESS", "COMPLETED", "", "BLOCKED", "CANCELLED"])
            }
            Format::SuperPlannerState => {
                words("state", ["pending", "in_progress", "completed", "", "blocked", ""])
            }
            Format::Backlog => Self::Words { field: "status", words: backlog_words(&reading.plan) },
            Format::Markdown | Format::SpecKit => Self::Marks,
            Format::WfFormat | Format::Dot | Format::Csv | Format::Stg | Format::Psplib => return None,
        })
    }
}

/// Returns the first of the folder's own statuses, the one before the last, and the last; what else there is to say, folders say.
fn backlog_words(plan: &Plan) -> [Option<String>; 6] {
    let own = plan.extra.get("config").and_then(|config| config["statuses"].as_array());
    let own: Vec<&str> =
        own.map(|list| list.iter().filter_map(serde_json::Value::as_str).collect()).unwrap_or_default();
    let words = if own.len() >= 2 { own } else { vec!["To Do", "In Progress", "Done"] };
    let word = |place: usize| Some(words[place].to_owned());
    [word(0), word(words.len() - 2), word(words.len() - 1), None, word(0), None]
}

/// What is to be done about a task.
enum Step {
    Nothing,
    Contradicted,
    Unsaid,
    Write { edit: Edit, before: Option<String> },
}

/// A part of the text and what takes its place.
struct Edit {
    place: Range<usize>,
    text: String,
    word: String,
}

struct Writing<'r> {
    reading: &'r Reading,
    vocabulary: Vocabulary,
    text: &'r str,
}

impl Writing<'_> {
    fn step(&self, task: &Task, places: &TaskPlaces, progress: Progress, kind: Kind) -> Step {
        let is_said = task.standing == progress.standing()
            || matches!((&task.standing, progress), (Standing::Excluded(_), Progress::Cancelled));
        if !is_said && task.standing != Standing::Pending {
            return Step::Contradicted;
        }
        match &self.vocabulary {
            Vocabulary::Marks => self.mark(places, progress, is_said),
            Vocabulary::Words { field, words } => {
                let written = places.status.map(|span| self.word_at(span));
                let is_written = |progress: Progress| {
                    let word = words[progress as usize].as_deref().map(plain);
                    word.is_some() && word == written.map(plain)
                };
                let Some(word) = &words[progress as usize] else {
                    return if is_said { Step::Nothing } else { Step::Unsaid };
                };
                // Words of people's own that mean the same stay; but nobody is at work on what is pending or failed.
                let is_fine = match progress {
                    Progress::Pending => !is_written(Progress::Underway),
                    Progress::Failed => is_written(progress) || (kind == Kind::Group && written.is_none()),
                    Progress::Underway => is_written(progress),
                    Progress::Completed | Progress::OnHold | Progress::Cancelled => true,
                };
                if is_said && is_fine {
                    return Step::Nothing;
                }
                match (places.status, kind) {
                    (None, Kind::Group) => Step::Nothing,
                    (None, Kind::Leaf) => {
                        Step::Write { edit: self.inserted(places.id, field, word), before: None }
                    }
                    (Some(span), _) => Step::Write {
                        edit: Edit {
                            place: span.into(),
                            text: self.quoted_as_at(span, word),
                            word: word.clone(),
                        },
                        before: written.map(str::to_owned),
                    },
                }
            }
        }
    }

    /// Puts the mark into the box of a check list; a heading has none.
    fn mark(&self, places: &TaskPlaces, progress: Progress, is_said: bool) -> Step {
        if is_said {
            return Step::Nothing;
        }
        let line = self.line_start(Range::from(places.id).start);
        let item = self.text[line..].trim_start_matches([' ', '\t']);
        let start = self.text.len() - item.len();
        let is_box = ["- [ ]", "* [ ]", "+ [ ]"].iter().any(|mark| item.starts_with(mark));
        match progress {
            Progress::Completed if is_box => {
                let edit = Edit { place: start + 3..start + 4, text: "x".to_owned(), word: "[x]".to_owned() };
                Step::Write { edit, before: Some("[ ]".to_owned()) }
            }
            Progress::Completed => Step::Nothing,
            _ => Step::Unsaid,
        }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    fn word_at(&self, span: Span) -> &str {
        let word = self.text.get(Range::from(span)).unwrap_or_default().trim();
        let unquoted =
            ['"', '\''].into_iter().find_map(|quote| word.strip_prefix(quote)?.strip_suffix(quote));
        unquoted.unwrap_or(word)
    }

    /// Returns the word in the quotes that the one before had, or that the syntax asks for.
    fn quoted_as_at(&self, span: Span, word: &str) -> String {
        let before = self.text.get(Range::from(span)).unwrap_or_default();
        match before.chars().next() {
            Some('\'') => format!("'{word}'"),
            Some('"') => format!("\"{word}\""),
            _ if self.is_json() || self.reading.format == Format::Toml => format!("\"{word}\""),
            _ => word.to_owned(),
        }
    }

    fn is_json(&self) -> bool {
        match self.reading.format {
            Format::Json
            | Format::Beads
            | Format::Taskmaster
            | Format::ClaudeTasks
            | Format::SuperPlannerProject
            | Format::SuperPlannerState => true,
            Format::Yaml
            | Format::Toml
            | Format::Backlog
            | Format::SpecKit
            | Format::Markdown
            | Format::WfFormat
            | Format::Dot
            | Format::Csv
            | Format::Stg
            | Format::Psplib => false,
        }
    }

    /// Returns the field as it is put behind the id: on a line of its own where the id has one, else in the same line.
    fn inserted(&self, id: Span, field: &str, word: &str) -> Edit {
        let id = Range::from(id);
        let line = &self.text[self.line_start(id.start)..id.start];
        let (indent, has_own_line) = own_line(line);
        let field = match self.reading.format {
            Format::Toml => format!("{field} = \"{word}\""),
            _ if !self.is_json() => format!("{field}: {word}"),
            _ if line.ends_with(' ') => format!("\"{field}\": \"{word}\""),
            _ => format!("\"{field}\":\"{word}\""),
        };
        let line_end = || id.end + self.text[id.end..].find('\n').unwrap_or(self.text.len() - id.end);
        let carriage = |end: usize| end - usize::from(self.text[..end].ends_with('\r'));
        let (at, text) = match (has_own_line, self.is_json()) {
            (true, true) => (id.end, format!(",{}{indent}{field}", self.line_break())),
            // Behind what else the line says, such as a comment.
            (true, false) => (carriage(line_end()), format!("{}{indent}{field}", self.line_break())),
            (false, true) if !line.ends_with(' ') => (id.end, format!(",{field}")),
            (false, _) => (id.end, format!(", {field}")),
        };
        Edit { place: at..at, text, word: word.to_owned() }
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// Returns the new texts of the files that the edits are in; the edits are in order.
    fn apply(&self, edits: &[Edit]) -> Vec<SyncedFile> {
        let mut by_file: BTreeMap<usize, Vec<&Edit>> = BTreeMap::new();
        let files = self.reading.file_ranges();
        for edit in edits {
            let file = files.partition_point(|(_, range)| range.end < edit.place.start);
            by_file.entry(file).or_default().push(edit);
        }
        let changed = by_file.into_iter().filter_map(|(file, edits)| {
            let (path, range) = files.get(file)?;
            let mut text = String::with_capacity(range.len() + 32 * edits.len());
            let mut at = range.start;
            for edit in edits {
                text.push_str(&self.text[at..edit.place.start]);
                text.push_str(&edit.text);
                at = edit.place.end;
            }
            text.push_str(&self.text[at..range.end]);
            Some(SyncedFile { path: path.clone(), read: range.clone(), text })
        });
        changed.collect()
    }
}

/// Returns what stands before the field `id` of a line, with blanks for the hyphens of a list, and whether the field begins the line.
fn own_line(before_id: &str) -> (String, bool) {
    let key = before_id.trim_end().trim_end_matches([':', '=']).trim_end();
    let name = key.trim_start_matches([' ', '\t', '-']);
    let indent: String = key[..key.len() - name.len()].replace('-', " ");
    let is_alone = matches!(name.trim_matches(['"', '\'']), "id");
    (indent, is_alone)
}

/// Returns a word without what formats take for the same: case, blanks, hyphens and underscores.
fn plain(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

/// Reads what came out, and makes sure that it is the same plan but for where tasks stand, and that they stand where they should.
fn check(reading: &Reading, changed: &[SyncedFile], expected: &[Standing]) -> Result<(), SyncError> {
    if changed.is_empty() {
        return Ok(());
    }
    let source = &reading.source;
    let files = reading.file_ranges();
    let texts = files.iter().map(|(path, range)| {
        let new = changed.iter().find(|file| file.path == *path);
        InputFile { path, bytes: new.map_or(&source.text()[range.clone()], |file| &file.text).as_bytes() }
    });
    let texts: Vec<InputFile<'_>> = texts.collect();
    let again = read_files(source.name(), &texts, reading.options()).map_err(SyncError::Unreadable)?.plan;
    let differs = |(before, after, standing): (&Task, Option<&Task>, &Standing)| {
        after.is_none_or(|after| after.standing != *standing || bare(before) != bare(after))
    };
    let tasks = reading.plan.tasks.iter().enumerate().zip(expected);
    for ((place, before), standing) in tasks {
        if differs((before, again.tasks.get(place), standing)) {
            return Err(SyncError::NotInPlace { task: before.id.clone() });
        }
    }
    match again.tasks.get(reading.plan.tasks.len()) {
        Some(more) => Err(SyncError::NotInPlace { task: more.id.clone() }),
        None => Ok(()),
    }
}

/// Returns the task without what it says of where it stands.
fn bare(task: &Task) -> Task {
    let mut bare = Task { standing: Standing::Pending, ..task.clone() };
    for field in ["status", "state"] {
        drop(bare.extra.remove(field));
    }
    bare
}

#[cfg(test)]
mod tests;
