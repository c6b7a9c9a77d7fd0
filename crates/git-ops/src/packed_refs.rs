//! The file `packed-refs`: many refs in one file, sorted. Pure; works on bytes.

use std::collections::BTreeMap;

use crate::id::CommitId;

/// What git writes first where all names are sorted and every tag comes with its target. Branches have no target.
const HEADER: &[u8] = b"# pack-refs with: peeled fully-peeled sorted \n";
/// What is true of a file that did not promise its tags to come with their targets.
const MODEST_HEADER: &[u8] = b"# pack-refs with: sorted \n";

/// Returns where a ref is according to the file.
pub(crate) fn find(file: &[u8], name: &str) -> Option<CommitId> {
    let is_it = |line: &Line<'_>| line.name == name.as_bytes();
    match sorted_from(file) {
        Some(start) => lines(&file[lower_bound(file, start, name.as_bytes())..]).next().filter(is_it),
        None => lines(file).find(is_it),
    }?
    .commit()
}

/// Returns every ref below a folder of refs such as `refs/heads/`, with the rest of its name.
pub(crate) fn below<'a>(file: &'a [u8], folder: &'a str) -> impl Iterator<Item = (&'a str, CommitId)> {
    let is_below = move |line: &Line<'_>| line.name.starts_with(folder.as_bytes());
    let start = sorted_from(file);
    let from = start.map_or(0, |start| lower_bound(file, start, folder.as_bytes()));
    let near = lines(&file[from..]).take_while(move |line| start.is_none() || is_below(line));
    near.filter(is_below).filter_map(move |line| {
        let rest = line.name.strip_prefix(folder.as_bytes())?;
        Some((std::str::from_utf8(rest).ok()?, line.commit()?))
    })
}

/// Returns from where on the refs are sorted, if the file says that they are; then not all have to be looked at.
fn sorted_from(file: &[u8]) -> Option<usize> {
    let (head, _) = split_line(file);
    (head.starts_with(b"# pack-refs with:") && head.ends_with(b" sorted \n")).then_some(head.len())
}

/// Returns the place of the first ref that is not before a name, in a file whose refs are sorted from a place on.
fn lower_bound(file: &[u8], start: usize, name: &[u8]) -> usize {
    let (mut low, mut high) = (start, file.len());
    while low < high {
        let middle = start_of_ref(file, low, low + (high - low) / 2);
        match lines(&file[middle..high]).next() {
            Some(line) if line.name < name => low = middle + line.at + line.bytes.len(),
            Some(_) | None => high = middle,
        }
    }
    low
}

/// Returns where the lines of the ref begin that a place lies in, not before `low`.
fn start_of_ref(file: &[u8], low: usize, at: usize) -> usize {
    let line_start =
        |at: usize| file[low..at].iter().rposition(|&byte| byte == b'\n').map_or(low, |end| low + end + 1);
    let mut start = line_start(at);
    // What a tag stands for is on a line of its own behind it.
    while start > low && file[start] == b'^' {
        start = line_start(start - 1);
    }
    start
}

/// Returns the file with some refs set or, where there is no commit, removed. All else stays as it is.
pub(crate) fn updated(file: &[u8], changes: &BTreeMap<&str, Option<CommitId>>) -> Vec<u8> {
    let mut refs: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    for line in lines(file) {
        refs.insert(line.name, line.bytes.to_vec());
    }
    for (name, commit) in changes {
        match commit {
            Some(commit) => drop(refs.insert(name.as_bytes(), format!("{commit} {name}\n").into_bytes())),
            None => drop(refs.remove(name.as_bytes())),
        }
    }
    header(file).iter().copied().chain(refs.into_values().flatten()).collect()
}

fn header(file: &[u8]) -> &[u8] {
    match split_line(file).0 {
        [] => HEADER,
        line if line.starts_with(b"# pack-refs with:") && line.ends_with(b" sorted \n") => line,
        _ => MODEST_HEADER,
    }
}

/// A ref of the file with all that is said of it: its own line, and the one of a tag's target.
struct Line<'a> {
    /// Where it begins.
    at: usize,
    id: &'a [u8],
    name: &'a [u8],
    bytes: &'a [u8],
}

impl Line<'_> {
    fn commit(&self) -> Option<CommitId> {
        std::str::from_utf8(self.id).ok()?.parse().ok()
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = file;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (line, after) = split_line(rest);
            let whole = rest;
            rest = after;
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            if line.starts_with(b"#") || line.starts_with(b"^") || text.len() < 42 || text[40] != b' ' {
                continue;
            }
            let mut length = line.len();
            if after.starts_with(b"^") {
                let (peeled, after) = split_line(after);
                length += peeled.len();
                rest = after;
            }
            return Some(Line {
                at: file.len() - whole.len(),
                id: &text[..40],
                name: &text[41..],
                bytes: &whole[..length],
            });
        }
    })
}

/// Returns the first line with its end, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
    bytes.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> CommitId {
        CommitId::from_bytes([byte; 20])
    }

    fn file() -> Vec<u8> {
        let tag = format!("{} refs/tags/t\n^{}\n", id(3), id(1));
        format!("{}{} refs/heads/b\n{tag}", String::from_utf8_lossy(HEADER), id(2)).into_bytes()
    }

    #[test]
    fn halving_finds_what_looking_at_every_line_finds() {
        for count in [0, 1, 2, 3, 50] {
            let mut text = String::from_utf8_lossy(HEADER).into_owned();
            for n in 0..count {
                text += &format!("{} refs/heads/d{}/n{n:03}\n", id(n), n % 3 + n / 20);
            }
            let mut refs: Vec<&str> = text.lines().skip(1).collect();
            refs.sort_by_key(|line| &line[41..]);
            let with_targets: Vec<String> = refs
                .iter()
                .enumerate()
                .map(
                    |(at, line)| {
                        if at % 4 == 1 { format!("{line}\n^{}\n", id(9)) } else { format!("{line}\n") }
                    },
                )
                .collect();
            let sorted = [HEADER, with_targets.concat().as_bytes()].concat();
            let unsorted = [b"# pack-refs with: peeled \n", with_targets.concat().as_bytes()].concat();
            let names =
                refs.iter().map(|line| &line[41..]).chain(["", "refs/heads/d1/", "refs/heads/d", "a", "z"]);
            for name in names {
                assert_eq!(find(&sorted, name), find(&unsorted, name), "{name} of {count}");
                let [a, b] = [&sorted, &unsorted].map(|file| below(file, name).collect::<Vec<_>>());
                assert_eq!(a, b, "below {name} of {count}");
            }
        }
    }

    #[test]
    fn refs_are_found_and_others_are_not() {
        assert_eq!(find(&file(), "refs/heads/b"), Some(id(2)));
        assert_eq!(find(&file(), "refs/tags/t"), Some(id(3)));
        for name in ["refs/heads/", "refs/heads/bb", "heads/b", ""] {
            assert_eq!(find(&file(), name), None, "{name}");
        }
        assert_eq!(below(&file(), "refs/heads/").collect::<Vec<_>>(), [("b", id(2))]);
    }

    #[test]
    fn changes_leave_all_else_as_it_is() {
        let changes = BTreeMap::from([("refs/heads/a", Some(id(5))), ("refs/heads/b", None)]);
        let changed = updated(&file(), &changes);
        let expected =
            [HEADER, format!("{} refs/heads/a\n{} refs/tags/t\n^{}\n", id(5), id(3), id(1)).as_bytes()]
                .concat();
        assert_eq!(changed, expected);
        assert_eq!(updated(&expected, &BTreeMap::new()), expected);
    }

    #[test]
    fn damage_is_passed_over() {
        for cut in 0..file().len() {
            let cut = &file()[..cut];
            assert!(find(cut, "refs/heads/absent").is_none());
            assert!(below(cut, "refs/").count() <= 2);
        }
    }
}
