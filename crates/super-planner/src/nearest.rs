//! What somebody may have meant.

/// How many names are compared: each comparison costs time.
const NAMES_COMPARED_MAX: usize = 50_000;

/// Returns the names that `unknown` may stand for, the nearest first: at most `count`, and none that has little in common.
pub fn nearest<'n>(unknown: &str, names: impl IntoIterator<Item = &'n str>, count: usize) -> Vec<&'n str> {
    let wanted = unknown.to_lowercase();
    let length = wanted.chars().count();
    let changes_max = (length / 3).max(1);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .take(NAMES_COMPARED_MAX)
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let changes = if lower == wanted {
                0
            } else if lower.starts_with(&wanted) || (!lower.is_empty() && wanted.starts_with(&lower)) {
                1
            } else if lower.len().abs_diff(wanted.len()) > changes_max * 4 {
                return None;
            } else {
                changes_between(&wanted, &lower)
            };
            (changes <= changes_max).then_some((changes, name))
        })
        .collect();
    near.sort_by_key(|(changes, _)| *changes);
    near.into_iter().take(count).map(|(_, name)| name).collect()
}

/// Returns how many characters to insert, remove or replace to turn one text into the other.
fn changes_between(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let replaced = above[column] + usize::from(from != *to);
            current.push(replaced.min(above[column + 1] + 1).min(current[column] + 1));
        }
        above = current;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first_and_far_ones_not_at_all() {
        let names = ["agents", "lease", "seed", "BASE-1", "BASE-12"];
        assert_eq!(nearest("agent", names, 3), ["agents"]);
        assert_eq!(nearest("leese", names, 3), ["lease"]);
        assert_eq!(nearest("base-1", names, 3), ["BASE-1", "BASE-12"]);
        assert!(nearest("colour", names, 3).is_empty());
    }
}
