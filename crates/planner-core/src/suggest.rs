//! What somebody may have meant by an id or a name that does not exist.

use crate::{Plan, TaskId};

/// How many unknown ids of which length get a suggestion, and among how many tasks: each comparison costs time.
const SUGGESTIONS_MAX: usize = 10;
const TASKS_COMPARED_MAX: usize = 20_000;
const CHARS_COMPARED_MAX: usize = 40;

/// Looks for near matches in a plan, a limited number of times.
#[derive(Debug)]
pub(crate) struct Suggestions<'p> {
    plan: &'p Plan,
    left: usize,
}

impl<'p> Suggestions<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self { plan, left: SUGGESTIONS_MAX }
    }

    /// Returns the id that `unknown` most likely stands for: the same but for case, else the only one that begins with it or
    /// that it begins with, else the one that the fewest changed characters lead to.
    pub(crate) fn nearest(&mut self, unknown: &TaskId) -> Option<&'p TaskId> {
        self.left = self.left.checked_sub(1)?;
        let unknown = unknown.as_str();
        let ids = || self.plan.tasks.iter().take(TASKS_COMPARED_MAX).map(|task| &task.id);
        let lower = unknown.to_lowercase();
        if let Some(same) = ids().find(|id| id.as_str().to_lowercase() == lower) {
            return Some(same);
        }
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
    use crate::Task;

    #[test]
    fn distances_count_changed_characters() {
        for (a, b, changes) in
            [("", "", 0), ("ab", "ba", 1), ("kitten", "sitting", 3), ("abc", "", 3), ("größe", "grösse", 2)]
        {
            assert_eq!(edit_distance(a, b), changes, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_id_is_meant() {
        let plan = Plan {
            name: "test".to_owned(),
            description: String::new(),
            agents: Vec::new(),
            tasks: ["setup-database", "API", "deploy"].map(|id| Task::new(id.parse().unwrap())).into(),
            extra: serde_json::Map::new(),
        };
        let nearest = |id: &str| Suggestions::new(&plan).nearest(&id.parse().unwrap()).map(TaskId::as_str);
        assert_eq!(nearest("api"), Some("API"));
        assert_eq!(nearest("setup"), Some("setup-database"));
        assert_eq!(nearest("delpoy"), Some("deploy"));
        assert_eq!(nearest("unrelated"), None);
    }
}
