//! What somebody may have meant by an id or a name that does not exist.

use std::collections::HashMap;

use crate::graph::Defect;
use crate::{Plan, TaskId};

/// How many unknown ids are compared by spelling, of which length, and among how many tasks: each comparison costs time.
const SPELLINGS_MAX: usize = 10;
const TASKS_COMPARED_MAX: usize = 20_000;
const CHARS_COMPARED_MAX: usize = 40;
/// How many unknown ids are looked for under another case or prefix: each costs memory.
const ALIKE_MAX: usize = 10_000;

/// What may have been meant by the ids of some defects.
#[derive(Debug)]
pub(crate) struct Suggestions<'p> {
    plan: &'p Plan,
    alike: HashMap<String, Alike<'p>>,
    spellings_left: usize,
}

/// The known ids that are like an unknown one.
#[derive(Debug, Default)]
struct Alike<'p> {
    /// The first that only case tells from it.
    same: Option<&'p TaskId>,
    /// Those that a prefix such as `api-` tells from it, on this side or that.
    prefixed: Vec<&'p TaskId>,
}

impl<'p> Suggestions<'p> {
    pub(crate) fn new(plan: &'p Plan, defects: &[Defect]) -> Self {
        let unknown = defects.iter().filter_map(Defect::unknown_id).take(ALIKE_MAX);
        let mut alike: HashMap<String, Alike<'p>> =
            unknown.map(|id| (id.as_str().to_lowercase(), Alike::default())).collect();
        let without_prefix: HashMap<String, Vec<String>> =
            alike.keys().fold(HashMap::new(), |mut all: HashMap<String, Vec<String>>, unknown| {
                if let Some(rest) = rest(unknown) {
                    all.entry(rest.to_owned()).or_default().push(unknown.clone());
                }
                all
            });
        let known = plan.tasks.iter().map(|task| &task.id);
        for known in known.take(if alike.is_empty() { 0 } else { usize::MAX }) {
            let lower = known.as_str().to_lowercase();
            if let Some(alike) = alike.get_mut(&lower) {
                alike.same.get_or_insert(known);
            }
            let shorter = rest(&lower).and_then(|rest| alike.get_mut(rest));
            shorter.into_iter().for_each(|alike| alike.add(known));
            for longer in without_prefix.get(&lower).into_iter().flatten() {
                alike.entry(longer.clone()).or_default().add(known);
            }
        }
        Self { plan, alike, spellings_left: SPELLINGS_MAX }
    }

    /// Returns the id that only case, or else only a prefix, tells from an unknown one; of several prefixes none.
    pub(crate) fn alike(&self, unknown: &TaskId) -> Option<&'p TaskId> {
        let alike = self.alike.get(&unknown.as_str().to_lowercase())?;
        alike.same.or(match alike.prefixed[..] {
            [only] => Some(only),
            _ => None,
        })
    }

    /// Returns the id that `unknown` most likely stands for: the same but for case or a prefix, else the only one that begins with
    /// it or that it begins with, else the one that the fewest changed characters lead to.
    pub(crate) fn nearest(&mut self, unknown: &TaskId) -> Option<&'p TaskId> {
        if let Some(alike) = self.alike(unknown) {
            return Some(alike);
        }
        self.spellings_left = self.spellings_left.checked_sub(1)?;
        let unknown = unknown.as_str();
        let ids = || self.plan.tasks.iter().take(TASKS_COMPARED_MAX).map(|task| &task.id);
        let mut related =
            ids().filter(|id| id.as_str().starts_with(unknown) || unknown.starts_with(id.as_str()));
        if let (Some(only), None) = (related.next(), related.next()) {
            return Some(only);
        }
        let length = unknown.chars().count();
        if length > CHARS_COMPARED_MAX {
            return None;
        }
        let changes_max = (length / 3).max(1);
        ids()
            .filter(|id| id.as_str().chars().count().abs_diff(length) <= changes_max)
            .map(|id| (edit_distance(unknown, id.as_str()), id))
            .filter(|(changes, _)| *changes <= changes_max && *changes < length)
            .min_by_key(|(changes, _)| *changes)
            .map(|(_, id)| id)
    }
}

impl<'p> Alike<'p> {
    fn add(&mut self, known: &'p TaskId) {
        // Two are as good as many: nobody knows which is meant.
        if self.prefixed.len() < 2 && !self.prefixed.contains(&known) {
            self.prefixed.push(known);
        }
    }
}

/// Returns what follows the prefix of an id, such as the number in `api-7`.
fn rest(id: &str) -> Option<&str> {
    id.split_once('-').map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
}

/// Returns the name of few that `unknown` most likely stands for: the same but for case and hyphens, else the first that it
/// shortens, else the one that, or whose first word, the fewest changed characters lead to. Stricter than for ids, because a
/// name of its own is nothing wrong.
pub(crate) fn nearest_name(unknown: &str, names: &[&'static str]) -> Option<&'static str> {
    const STEM_CHARS_MIN: usize = 3;
    let plain = unknown.to_lowercase().replace(['-', ' '], "_");
    let length = plain.chars().count();
    if length > CHARS_COMPARED_MAX {
        return None;
    }
    let stem = plain.strip_suffix('s').unwrap_or(&plain);
    let names = || names.iter().copied();
    let same = names().find(|name| *name == plain);
    let longer = || names().find(|name| stem.chars().count() >= STEM_CHARS_MIN && name.starts_with(stem));
    let few_changes = |part: &str| {
        let allowed = changes_allowed(&plain, part);
        let is_near = part.len().abs_diff(length) <= allowed;
        is_near.then(|| edit_distance(&plain, part)).filter(|changes| *changes <= allowed)
    };
    let changed = || {
        names()
            .filter_map(|name| {
                Some(([name, first_word(name)].into_iter().filter_map(few_changes).min()?, name))
            })
            .min_by_key(|(changes, _)| *changes)
            .map(|(_, name)| name)
    };
    same.or_else(longer).or_else(changed)
}

fn first_word(name: &str) -> &str {
    name.split_once('_').map_or(name, |(first, _)| first)
}

/// Short names are near many, and few people misspell a beginning.
fn changes_allowed(a: &str, b: &str) -> usize {
    match a.chars().count().min(b.chars().count()) {
        0..4 => 0,
        length @ 8.. if a.chars().next() == b.chars().next() => length / 3,
        _ => 1,
    }
}

/// Returns how many characters to insert, remove, replace or swap with their neighbour to turn one text into the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut two_up: Vec<usize> = Vec::new();
    let mut up: Vec<usize> = (0..=b.len()).collect();
    let mut before = None;
    for (row, from) in a.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let replaced = up[column] + usize::from(from != *to);
            let mut best = replaced.min(up[column + 1] + 1).min(line[column] + 1);
            if column > 0 && before == Some(*to) && from == b[column - 1] {
                best = best.min(two_up[column - 1] + 1);
            }
            line.push(best);
        }
        before = Some(from);
        two_up = std::mem::replace(&mut up, line);
    }
    up[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Task, TaskIndex};

    #[test]
    fn distances_count_changed_characters() {
        for (a, b, changes) in
            [("", "", 0), ("ab", "ba", 1), ("kitten", "sitting", 3), ("abc", "", 3), ("größe", "grösse", 2)]
        {
            assert_eq!(edit_distance(a, b), changes, "{a} {b}");
        }
    }

    fn plan(ids: &[&str]) -> Plan {
        Plan {
            name: "test".to_owned(),
            description: String::new(),
            agents: Vec::new(),
            tasks: ids.iter().map(|id| Task::new(id.parse().unwrap())).collect(),
            extra: serde_json::Map::new(),
        }
    }

    fn unknown(id: &str) -> Defect {
        Defect::UnknownParent { task: TaskIndex(0), id: "x".parse().unwrap(), parent: id.parse().unwrap() }
    }

    #[test]
    fn the_nearest_id_is_meant() {
        let plan = plan(&["setup-database", "API", "deploy", "bd-a1", "T-7", "U-7", "9"]);
        let nearest = |id: &str| {
            let mut suggestions = Suggestions::new(&plan, &[unknown(id)]);
            suggestions.nearest(&id.parse().unwrap()).map(TaskId::as_str)
        };
        assert_eq!(nearest("api"), Some("API"));
        assert_eq!(nearest("setup"), Some("setup-database"));
        assert_eq!(nearest("delpoy"), Some("deploy"));
        assert_eq!(nearest("A1"), Some("bd-a1"));
        assert_eq!(nearest("x-9"), Some("9"));
        assert_eq!(nearest("7"), None, "nobody knows which of two");
        assert_eq!(nearest("unrelated"), None);
    }

    #[test]
    fn ids_that_are_alike_are_found_however_many_there_are() {
        let ids: Vec<String> = (0..500).map(|number| format!("T-{number}")).collect();
        let plan = plan(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        let defects: Vec<Defect> = (0..500).map(|number| unknown(&format!("t-{number}"))).collect();
        let suggestions = Suggestions::new(&plan, &defects);
        for (defect, task) in defects.iter().zip(&plan.tasks) {
            assert_eq!(suggestions.alike(defect.unknown_id().unwrap()), Some(&task.id));
        }
    }
}
