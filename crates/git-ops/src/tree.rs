//! One folder as git stores it: entries with a mode, a name and an id. Pure; works on bytes.

use std::cmp::Ordering;
use std::io::Write as _;

use git2::Oid;

use crate::object::{ObjectError, Objects};
use crate::path::{DEPTH_MAX, RepoPath};

/// The mode of a folder.
pub(crate) const MODE_FOLDER: u32 = 0o040_000;
/// The mode of an ordinary file.
pub(crate) const MODE_FILE: u32 = 0o100_644;
/// The mode of a program.
pub(crate) const MODE_EXECUTABLE: u32 = 0o100_755;
/// The mode of a symbolic link.
pub(crate) const MODE_LINK: u32 = 0o120_000;
const TYPE_MASK: u32 = 0o170_000;

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) item: Item,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) mode: u32,
    pub(crate) id: Oid,
}

impl Item {
    pub(crate) fn is_folder(self) -> bool {
        is_folder(self.mode)
    }

    pub(crate) fn is_file(self) -> bool {
        is_file(self.mode)
    }

    pub(crate) fn same_type(self, other: Self) -> bool {
        self.mode & TYPE_MASK == other.mode & TYPE_MASK
    }
}

pub(crate) fn is_folder(mode: u32) -> bool {
    mode & TYPE_MASK == MODE_FOLDER
}

pub(crate) fn is_file(mode: u32) -> bool {
    mode & TYPE_MASK == MODE_FILE & TYPE_MASK
}

/// One name in a folder, where it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredEntry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) item: Item,
    /// The whole entry.
    pub(crate) bytes: &'a [u8],
}

/// Returns the entries of a tree object, or what is wrong with it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<TreeEntry>, &'static str> {
    entries(bytes)
        .map(|entry| entry.map(|StoredEntry { name, item, .. }| TreeEntry { name: name.to_vec(), item }))
        .collect()
}

/// Returns the entries of a tree object one by one, up to the first that is damaged.
pub(crate) fn entries(bytes: &[u8]) -> impl Iterator<Item = Result<StoredEntry<'_>, &'static str>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = parse_entry(rest);
        rest = entry.map_or(&[], |entry| &rest[entry.bytes.len()..]);
        Some(entry)
    })
}

fn parse_entry(bytes: &[u8]) -> Result<StoredEntry<'_>, &'static str> {
    let space = bytes.iter().position(|&b| b == b' ').ok_or("an entry has no name")?;
    let digits = std::str::from_utf8(&bytes[..space]).map_err(|_| "a mode is not a number")?;
    let mode = u32::from_str_radix(digits, 8).map_err(|_| "a mode is not a number")?;
    let rest = &bytes[space + 1..];
    let end = rest.iter().position(|&b| b == 0).ok_or("a name has no end")?;
    let name = &rest[..end];
    if name.is_empty() || name.contains(&b'/') {
        return Err("a name is empty or holds a slash");
    }
    let id = rest.get(end + 1..end + 21).ok_or("an id is cut off")?;
    let id = Oid::from_bytes(id).map_err(|_| "an id is cut off")?;
    Ok(StoredEntry { name, item: Item { mode, id }, bytes: &bytes[..space + end + 22] })
}

/// Returns the tree object with these entries.
pub(crate) fn encode(mut entries: Vec<TreeEntry>) -> Vec<u8> {
    entries.sort_by(|a, b| order((&a.name, a.item), (&b.name, b.item)));
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.name.len() + 28).sum());
    for entry in &entries {
        push(&mut bytes, &entry.name, entry.item);
    }
    bytes
}

/// Adds an entry at the end of a tree object.
pub(crate) fn push(bytes: &mut Vec<u8>, name: &[u8], item: Item) {
    write!(bytes, "{:o} ", item.mode).expect("there is always room in memory");
    bytes.extend_from_slice(name);
    bytes.push(0);
    bytes.extend_from_slice(item.id.as_bytes());
}

/// Git sorts a folder as if its name ended with a slash.
pub(crate) fn order((a, a_item): (&[u8], Item), (b, b_item): (&[u8], Item)) -> Ordering {
    let common = a.len().min(b.len());
    let after = |name: &[u8], item: Item| name.get(common).copied().or(item.is_folder().then_some(b'/'));
    a[..common]
        .cmp(&b[..common])
        .then_with(|| after(a, a_item).cmp(&after(b, b_item)))
        .then_with(|| a.len().cmp(&b.len()))
}

/// Returns what is at a path, `None` if there is nothing or a file above it.
pub(crate) fn find(objects: &Objects<'_>, tree: Oid, path: &RepoPath) -> Result<Option<Item>, ObjectError> {
    let mut item = None;
    let mut folder = Some(tree);
    for name in path.components() {
        let Some(id) = folder else { return Ok(None) };
        item = objects.entry(id, name.as_bytes())?;
        folder = item.filter(|item| item.is_folder()).map(|item| item.id);
    }
    Ok(item)
}

/// Returns how many files, links and submodules differ between two trees.
pub(crate) fn count_changes(
    objects: &Objects<'_>,
    old: Option<Oid>,
    new: Option<Oid>,
) -> Result<usize, ObjectError> {
    count_below(objects, old, new, 0)
}

fn count_below(
    objects: &Objects<'_>,
    old: Option<Oid>,
    new: Option<Oid>,
    depth: usize,
) -> Result<usize, ObjectError> {
    if depth > DEPTH_MAX {
        return Err(ObjectError::TooDeep { path: String::new() });
    }
    if old == new {
        return Ok(0);
    }
    let mut count = 0;
    for (_, [old, new]) in align([objects.tree(old)?, objects.tree(new)?]) {
        if old == new {
            continue;
        }
        let folder = |item: Option<Item>| item.filter(|item| item.is_folder()).map(|item| item.id);
        let file = |item: Option<Item>| item.filter(|item| !item.is_folder());
        count += usize::from(file(old) != file(new));
        count += count_below(objects, folder(old), folder(new), depth + 1)?;
    }
    Ok(count)
}

/// Returns every name of several versions of a folder together with what it is in each, sorted by name.
pub(crate) fn align<const N: usize>(
    versions: [Vec<TreeEntry>; N],
) -> std::collections::BTreeMap<Vec<u8>, [Option<Item>; N]> {
    let mut rows = std::collections::BTreeMap::new();
    for (column, entries) in versions.into_iter().enumerate() {
        for entry in entries {
            rows.entry(entry.name).or_insert([None; N])[column] = Some(entry.item);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, mode: u32) -> TreeEntry {
        let id = Oid::hash_object(git2::ObjectType::Blob, name.as_bytes()).unwrap();
        TreeEntry { name: name.as_bytes().to_vec(), item: Item { mode, id } }
    }

    #[test]
    fn a_tree_survives_its_bytes_in_the_order_of_git() {
        let entries = vec![
            entry("a0", MODE_FILE),
            entry("a", MODE_FOLDER),
            entry("a.b", MODE_EXECUTABLE),
            entry("b", 0o160_000),
        ];
        let parsed = parse(&encode(entries)).unwrap();
        let names: Vec<_> =
            parsed.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect();
        assert_eq!(names, ["a.b", "a", "a0", "b"]);
        assert_eq!(parsed[1], entry("a", MODE_FOLDER));
    }

    #[test]
    fn folders_are_sorted_as_if_they_ended_with_a_slash() {
        let names: [&[u8]; 6] = [b"a", b"a-b", b"a.b", b"a0", b"ab", b"b"];
        let id = Oid::hash_object(git2::ObjectType::Blob, b"").unwrap();
        for mode_a in [MODE_FILE, MODE_FOLDER] {
            for mode_b in [MODE_FILE, MODE_FOLDER] {
                for (a, b) in names.iter().flat_map(|a| names.iter().map(move |b| (a, b))) {
                    let long = |name: &[u8], mode| {
                        if is_folder(mode) { [name, b"/"].concat() } else { name.to_vec() }
                    };
                    let expected = long(a, mode_a).cmp(&long(b, mode_b));
                    let found = order((a, Item { mode: mode_a, id }), (b, Item { mode: mode_b, id }));
                    assert_eq!(found, expected, "{a:?} {mode_a:o} {b:?} {mode_b:o}");
                }
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = encode(vec![entry("name", MODE_FILE)]);
        for cut in 1..bytes.len() {
            assert!(parse(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(parse(b"100644 a/b\0aaaaaaaaaaaaaaaaaaaa").is_err());
        assert!(parse(b"zzz a\0aaaaaaaaaaaaaaaaaaaa").is_err());
    }
}
