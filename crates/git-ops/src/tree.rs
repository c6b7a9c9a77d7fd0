//! One folder as git stores it: entries with a mode, a name and an id. Pure; works on bytes.

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

/// Returns the entries of a tree object, or what is wrong with it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<TreeEntry>, &'static str> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (entry, after) = parse_entry(rest)?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

fn parse_entry(bytes: &[u8]) -> Result<(TreeEntry, &[u8]), &'static str> {
    let space = bytes.iter().position(|&b| b == b' ').ok_or("an entry has no name")?;
    let digits = std::str::from_utf8(&bytes[..space]).map_err(|_| "a mode is not a number")?;
    let mode = u32::from_str_radix(digits, 8).map_err(|_| "a mode is not a number")?;
    let rest = &bytes[space + 1..];
    let end = rest.iter().position(|&b| b == 0).ok_or("a name has no end")?;
    let name = rest[..end].to_vec();
    if name.is_empty() || name.contains(&b'/') {
        return Err("a name is empty or holds a slash");
    }
    let id = rest.get(end + 1..end + 21).ok_or("an id is cut off")?;
    let id = Oid::from_bytes(id).map_err(|_| "an id is cut off")?;
    Ok((TreeEntry { name, item: Item { mode, id } }, &rest[end + 21..]))
}

/// Returns the tree object with these entries.
pub(crate) fn encode(mut entries: Vec<TreeEntry>) -> Vec<u8> {
    entries.sort_by(|a, b| order(a).cmp(order(b)));
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.name.len() + 28).sum());
    for entry in &entries {
        bytes.extend_from_slice(format!("{:o} ", entry.item.mode).as_bytes());
        bytes.extend_from_slice(&entry.name);
        bytes.push(0);
        bytes.extend_from_slice(entry.item.id.as_bytes());
    }
    bytes
}

/// Git sorts a folder as if its name ended with a slash.
fn order(entry: &TreeEntry) -> impl Iterator<Item = &u8> {
    let slash: &[u8] = if entry.item.is_folder() { b"/" } else { b"" };
    entry.name.iter().chain(slash)
}

/// Returns what is at a path, `None` if there is nothing or a file above it.
pub(crate) fn find(objects: &Objects<'_>, tree: Oid, path: &RepoPath) -> Result<Option<Item>, ObjectError> {
    let mut item = None;
    let mut folder = Some(tree);
    for name in path.components() {
        let Some(id) = folder else { return Ok(None) };
        let entries = objects.tree(Some(id))?;
        item = entries.into_iter().find(|entry| entry.name == name.as_bytes()).map(|entry| entry.item);
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
    fn damage_is_an_error() {
        let bytes = encode(vec![entry("name", MODE_FILE)]);
        for cut in 1..bytes.len() {
            assert!(parse(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(parse(b"100644 a/b\0aaaaaaaaaaaaaaaaaaaa").is_err());
        assert!(parse(b"zzz a\0aaaaaaaaaaaaaaaaaaaa").is_err());
    }
}
