//! A disk as a file system keeps it: what is sure to be there after a crash, and what may be.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use planner_core::random::Random;

use crate::image::{Image, Node, Survival};
use crate::trace::Operation;

/// When a changed name is sure to outlive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Once its folder was flushed: what POSIX promises.
    Strict,
    /// At once.
    DurableAtOnce,
}

/// A trace names a file that it has not seen being made, and that was not there before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` was neither there before nor made in the trace", path.display())]
pub struct UnknownFile {
    /// Its path.
    pub path: PathBuf,
}

/// The files below one folder, those that the programs see and those that the disk is sure to have.
#[derive(Debug, Clone)]
pub struct Disk {
    files: Vec<FileState>,
    by_inode: HashMap<u64, NodeId>,
    names_now: BTreeMap<Place, NodeId>,
    names_sure: BTreeMap<Place, NodeId>,
    name_changes: Vec<Pending<NameChange>>,
}

/// The number of a file, folder or link among all that there ever were. The root is 0.
type NodeId = usize;

/// A name in a folder.
type Place = (NodeId, OsString);

const ROOT: NodeId = 0;

/// How deep an image goes.
const DEPTH_MAX: usize = 64;

#[derive(Debug, Clone)]
enum FileState {
    Folder,
    Symlink(PathBuf),
    File { sure: Vec<u8>, changes: Vec<Pending<Change>> },
}

/// A change that may or may not outlive a crash.
#[derive(Debug, Clone)]
struct Pending<T> {
    change: T,
    certainty: Certainty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// A flush would make it sure.
    Open,
    /// It was flushed, and waits only for an earlier change that is not.
    Sure,
    /// Its flush failed; no later one helps it.
    Doomed,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

/// What happens to names in one step: all of it or nothing.
#[derive(Debug, Clone)]
struct NameChange {
    edits: Vec<(Place, Option<NodeId>)>,
    /// The folder whose flush makes it sure.
    folder: NodeId,
}

impl Disk {
    /// Returns the disk that has, and is sure to have, what a folder holds now.
    pub fn capture(root: &Path) -> io::Result<Self> {
        let mut disk = Self {
            files: vec![FileState::Folder],
            by_inode: HashMap::from([(root.metadata()?.ino(), ROOT)]),
            names_now: BTreeMap::new(),
            names_sure: BTreeMap::new(),
            name_changes: Vec::new(),
        };
        disk.capture_folder(root, ROOT)?;
        disk.names_sure.clone_from(&disk.names_now);
        Ok(disk)
    }

    fn capture_folder(&mut self, path: &Path, folder: NodeId) -> io::Result<()> {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let state = if kind.is_dir() {
                FileState::Folder
            } else if kind.is_symlink() {
                FileState::Symlink(std::fs::read_link(&path)?)
            } else {
                FileState::File { sure: std::fs::read(&path)?, changes: Vec::new() }
            };
            let inode = entry.metadata()?.ino();
            let node = match self.by_inode.get(&inode) {
                Some(linked) => *linked,
                None => self.add(inode, state),
            };
            self.names_now.insert((folder, entry.file_name()), node);
            if kind.is_dir() {
                self.capture_folder(&path, node)?;
            }
        }
        Ok(())
    }

    /// Does what a program did.
    pub fn apply(&mut self, operation: &Operation, names: Names) -> Result<(), UnknownFile> {
        match operation {
            Operation::Create { inode, path } => {
                let file = self.add(*inode, FileState::File { sure: Vec::new(), changes: Vec::new() });
                self.name(path, file, names)?;
            }
            Operation::MakeFolder { inode, path } => {
                let folder = self.add(*inode, FileState::Folder);
                self.name(path, folder, names)?;
            }
            Operation::Symlink { path, target } => {
                let link = self.files.len();
                self.files.push(FileState::Symlink(target.clone()));
                self.name(path, link, names)?;
            }
            Operation::Write { inode, path, offset, bytes } => {
                self.change(*inode, path, Change::Write { offset: *offset, bytes: bytes.clone() })?;
            }
            Operation::Truncate { inode, path, length } => {
                self.change(*inode, path, Change::Length(*length))?;
            }
            Operation::Sync { inode, path } => self.flush(*inode, path, Certainty::Sure)?,
            Operation::FailedSync { inode, path } => self.flush(*inode, path, Certainty::Doomed)?,
            Operation::Rename { from, to } => {
                let (source, target, node) = (self.place(from)?, self.place(to)?, self.node(from)?);
                let folder = target.0;
                self.rename_places(vec![(source, None), (target, Some(node))], folder, names);
            }
            Operation::Link { from, to } => {
                let node = self.node(from)?;
                self.name(to, node, names)?;
            }
            Operation::Unlink { path } | Operation::RemoveFolder { path } => {
                let place = self.place(path)?;
                let folder = place.0;
                self.rename_places(vec![(place, None)], folder, names);
            }
            Operation::Mark(_) => {}
        }
        Ok(())
    }

    /// Returns what a crash at this moment leaves.
    pub fn image(&self, survival: Survival, random: &mut Random) -> Image {
        let chance = Chance::draw(survival, random);
        let mut names = self.names_sure.clone();
        for pending in &self.name_changes {
            if pending.certainty == Certainty::Sure || chance.keeps(random) {
                rename(&mut names, &pending.change.edits);
            }
        }
        let mut image = Image::default();
        let mut contents = HashMap::new();
        self.collect(&names, ROOT, Path::new(""), &mut image, &mut |node| {
            contents.entry(node).or_insert_with(|| self.content(node, chance, random)).clone()
        });
        image
    }

    fn collect(
        &self,
        names: &BTreeMap<Place, NodeId>,
        folder: NodeId,
        path: &Path,
        image: &mut Image,
        content: &mut dyn FnMut(NodeId) -> Node,
    ) {
        for ((_, name), node) in names.range((folder, OsString::new())..(folder + 1, OsString::new())) {
            let path = path.join(name);
            // Lost moves can leave a folder within itself; nobody could get there from the root and back.
            if path.components().count() > DEPTH_MAX {
                continue;
            }
            image.nodes.insert(path.clone(), content(*node));
            if matches!(self.files[*node], FileState::Folder) {
                self.collect(names, *node, &path, image, content);
            }
        }
    }

    fn content(&self, node: NodeId, chance: Chance, random: &mut Random) -> Node {
        match &self.files[node] {
            FileState::Folder => Node::Folder,
            FileState::Symlink(target) => Node::Symlink(target.clone()),
            FileState::File { sure, changes } => {
                let mut bytes = sure.clone();
                for pending in changes {
                    match pending.certainty {
                        Certainty::Sure => pending.change.apply(&mut bytes),
                        Certainty::Open | Certainty::Doomed => {
                            pending.change.survive(&mut bytes, chance, random);
                        }
                    }
                }
                Node::File(bytes)
            }
        }
    }

    fn add(&mut self, inode: u64, state: FileState) -> NodeId {
        let node = self.files.len();
        self.files.push(state);
        self.by_inode.insert(inode, node);
        node
    }

    fn change(&mut self, inode: u64, path: &Path, change: Change) -> Result<(), UnknownFile> {
        let unknown = || UnknownFile { path: path.to_owned() };
        let node = *self.by_inode.get(&inode).ok_or_else(unknown)?;
        match &mut self.files[node] {
            FileState::File { changes, .. } => {
                changes.push(Pending { change, certainty: Certainty::Open });
                Ok(())
            }
            FileState::Folder | FileState::Symlink(_) => Err(unknown()),
        }
    }

    fn flush(&mut self, inode: u64, path: &Path, outcome: Certainty) -> Result<(), UnknownFile> {
        let node = self.by_inode.get(&inode).copied();
        let node = node.ok_or_else(|| UnknownFile { path: path.to_owned() })?;
        match &mut self.files[node] {
            FileState::File { sure, changes } => {
                settle(changes, outcome, |_| true, |change| change.apply(sure));
            }
            FileState::Folder if outcome == Certainty::Sure => {
                let names = &mut self.names_sure;
                let is_its = |change: &NameChange| change.folder == node;
                settle(&mut self.name_changes, outcome, is_its, |change| rename(names, &change.edits));
            }
            // Names that could not be flushed are tried again by the next flush.
            FileState::Folder | FileState::Symlink(_) => {}
        }
        Ok(())
    }

    /// Gives a node a name.
    fn name(&mut self, path: &Path, node: NodeId, names: Names) -> Result<(), UnknownFile> {
        let place = self.place(path)?;
        let folder = place.0;
        self.rename_places(vec![(place, Some(node))], folder, names);
        Ok(())
    }

    fn rename_places(&mut self, edits: Vec<(Place, Option<NodeId>)>, folder: NodeId, names: Names) {
        rename(&mut self.names_now, &edits);
        match names {
            Names::DurableAtOnce => rename(&mut self.names_sure, &edits),
            Names::Strict => {
                let change = NameChange { edits, folder };
                self.name_changes.push(Pending { change, certainty: Certainty::Open });
            }
        }
    }

    /// Returns the folder and the name that a path stands for.
    fn place(&self, path: &Path) -> Result<Place, UnknownFile> {
        let unknown = || UnknownFile { path: path.to_owned() };
        let name = path.file_name().ok_or_else(unknown)?.to_owned();
        Ok((self.node(path.parent().ok_or_else(unknown)?)?, name))
    }

    fn node(&self, path: &Path) -> Result<NodeId, UnknownFile> {
        path.components().try_fold(ROOT, |folder, component| match component {
            Component::Normal(name) => self
                .names_now
                .get(&(folder, name.to_owned()))
                .copied()
                .ok_or_else(|| UnknownFile { path: path.to_owned() }),
            _ => Ok(folder),
        })
    }
}

/// Marks the open changes that are meant, and moves what is sure, up to the first that is not, to where it is kept.
fn settle<T>(
    changes: &mut Vec<Pending<T>>,
    outcome: Certainty,
    is_meant: impl Fn(&T) -> bool,
    mut keep: impl FnMut(&T),
) {
    for pending in changes.iter_mut() {
        if pending.certainty == Certainty::Open && is_meant(&pending.change) {
            pending.certainty = outcome;
        }
    }
    let sure = changes.iter().take_while(|pending| pending.certainty == Certainty::Sure).count();
    changes.drain(..sure).for_each(|pending| keep(&pending.change));
}

fn rename(names: &mut BTreeMap<Place, NodeId>, edits: &[(Place, Option<NodeId>)]) {
    for (place, node) in edits {
        match node {
            Some(node) => names.insert(place.clone(), *node),
            None => names.remove(place),
        };
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write(file, *offset as usize, bytes),
            Self::Length(length) => file.resize(*length as usize, 0),
        }
    }

    /// Happens wholly, in part or not at all.
    fn survive(&self, file: &mut Vec<u8>, chance: Chance, random: &mut Random) {
        match self {
            Self::Write { offset, bytes } if chance.tears(random) => {
                tear(file, *offset as usize, bytes, random);
            }
            change if chance.keeps(random) => change.apply(file),
            _ => {}
        }
    }
}

fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

/// Writes some of the sectors or pages of the file that the bytes touch.
fn tear(file: &mut Vec<u8>, offset: usize, bytes: &[u8], random: &mut Random) {
    let unit = if random.percent(50) { 512 } else { 4096 };
    let end = offset + bytes.len();
    let mut from = offset;
    while from < end {
        let to = ((from / unit + 1) * unit).min(end);
        if random.percent(50) {
            write(file, from, &bytes[from - offset..to - offset]);
        }
        from = to;
    }
}

/// How likely it is that a change outlives a crash.
#[derive(Debug, Clone, Copy)]
struct Chance {
    keeps_percent: usize,
    tears_percent: usize,
}

impl Chance {
    fn draw(survival: Survival, random: &mut Random) -> Self {
        match survival {
            Survival::Least => Self { keeps_percent: 0, tears_percent: 0 },
            Survival::Most => Self { keeps_percent: 100, tears_percent: 0 },
            Survival::Random => Self {
                keeps_percent: [20, 50, 80, 95][random.below(4)],
                tears_percent: [0, 10, 40][random.below(3)],
            },
        }
    }

    fn keeps(self, random: &mut Random) -> bool {
        random.percent(self.keeps_percent)
    }

    fn tears(self, random: &mut Random) -> bool {
        random.percent(self.tears_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk {
            files: vec![FileState::Folder],
            by_inode: HashMap::from([(1, ROOT)]),
            names_now: BTreeMap::new(),
            names_sure: BTreeMap::new(),
            name_changes: Vec::new(),
        }
    }

    fn path(text: &str) -> PathBuf {
        PathBuf::from(text)
    }

    fn create(inode: u64, name: &str) -> Operation {
        Operation::Create { inode, path: path(name) }
    }

    fn written(inode: u64, offset: u64, bytes: &[u8]) -> Operation {
        Operation::Write { inode, path: path("?"), offset, bytes: bytes.to_vec() }
    }

    fn sync(inode: u64) -> Operation {
        Operation::Sync { inode, path: path("?") }
    }

    fn failed_sync(inode: u64) -> Operation {
        Operation::FailedSync { inode, path: path("?") }
    }

    fn after(operations: &[Operation], names: Names) -> Disk {
        let mut disk = disk();
        for operation in operations {
            disk.apply(operation, names).unwrap();
        }
        disk
    }

    fn image(disk: &Disk, survival: Survival, seed: u64) -> BTreeMap<PathBuf, Node> {
        disk.image(survival, &mut Random::new(seed)).nodes
    }

    /// Returns all that a file can be after a crash, `None` for its not being there.
    fn fates(operations: &[Operation], names: Names, name: &str) -> Vec<Option<Vec<u8>>> {
        let disk = after(operations, names);
        let mut found: Vec<_> = (0..2000)
            .map(|seed| match image(&disk, Survival::Random, seed).get(Path::new(name)) {
                Some(Node::File(bytes)) => Some(bytes.clone()),
                _ => None,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    fn some(text: &[u8]) -> Option<Vec<u8>> {
        Some(text.to_vec())
    }

    #[test]
    fn what_was_flushed_is_sure_and_the_rest_is_not() {
        let operations = [
            create(2, "a"),
            written(2, 0, b"one"),
            sync(2),
            sync(1),
            written(2, 3, b"two"),
            written(2, 0, b"O"),
        ];
        let expected = [some(b"One"), some(b"Onetwo"), some(b"one"), some(b"onetwo")];
        assert_eq!(fates(&operations, Names::Strict, "a"), expected);
        let disk = after(&operations, Names::Strict);
        assert_eq!(image(&disk, Survival::Least, 1)[Path::new("a")], Node::File(b"one".to_vec()));
        assert_eq!(image(&disk, Survival::Most, 1)[Path::new("a")], Node::File(b"Onetwo".to_vec()));
    }

    #[test]
    fn a_name_is_sure_once_its_folder_was_flushed() {
        let operations = [create(2, "a"), written(2, 0, b"x"), sync(2)];
        assert_eq!(fates(&operations, Names::Strict, "a"), [None, some(b"x")]);
        assert_eq!(fates(&operations, Names::DurableAtOnce, "a"), [some(b"x")]);
        let flushed = [&operations[..], &[sync(1)]].concat();
        assert_eq!(fates(&flushed, Names::Strict, "a"), [some(b"x")]);
        let removed = [&flushed[..], &[Operation::Unlink { path: path("a") }]].concat();
        assert_eq!(fates(&removed, Names::Strict, "a"), [None, some(b"x")]);
        assert_eq!(fates(&[&removed[..], &[sync(1)]].concat(), Names::Strict, "a"), [None]);
    }

    #[test]
    fn a_rename_happens_wholly_or_not_at_all() {
        let operations = [
            create(2, "a"),
            written(2, 0, b"old"),
            sync(2),
            create(3, "b"),
            written(3, 0, b"new"),
            sync(3),
            sync(1),
            Operation::Rename { from: path("b"), to: path("a") },
        ];
        let disk = after(&operations, Names::Strict);
        for seed in 0..200 {
            let image = image(&disk, Survival::Random, seed);
            let content = |name: &str| image.get(Path::new(name)).cloned();
            let before = (Some(Node::File(b"old".to_vec())), Some(Node::File(b"new".to_vec())));
            let after = (Some(Node::File(b"new".to_vec())), None);
            let found = (content("a"), content("b"));
            assert!(found == before || found == after, "{found:?}");
        }
    }

    #[test]
    fn a_failed_flush_is_not_mended_by_a_later_one() {
        let operations = [create(2, "a"), sync(1), written(2, 0, b"x"), failed_sync(2), sync(2)];
        assert_eq!(fates(&operations, Names::Strict, "a"), [some(b""), some(b"x")]);
        let written_again = [&operations[..], &[written(2, 0, b"x"), sync(2)]].concat();
        assert_eq!(fates(&written_again, Names::Strict, "a"), [some(b"x")]);
    }

    #[test]
    fn a_name_that_could_not_be_flushed_is_made_sure_by_the_next_flush() {
        let operations = [create(2, "a"), failed_sync(1)];
        assert_eq!(fates(&operations, Names::Strict, "a"), [None, some(b"")]);
        assert_eq!(fates(&[&operations[..], &[sync(1)]].concat(), Names::Strict, "a"), [some(b"")]);
    }

    #[test]
    fn a_write_is_torn_at_sectors_and_pages() {
        let operations = [create(2, "a"), sync(1), written(2, 100, &[7; 9000])];
        let disk = after(&operations, Names::Strict);
        let mut torn_inside = [false; 2];
        for seed in 0..500 {
            let Some(Node::File(bytes)) = image(&disk, Survival::Random, seed).remove(Path::new("a")) else {
                panic!("its name is sure")
            };
            let edges = (1..bytes.len()).filter(|at| bytes[*at] != bytes[*at - 1] && *at != 100);
            for edge in edges {
                assert_eq!(edge % 512, 0);
                torn_inside[usize::from(edge % 4096 == 0)] = true;
            }
        }
        assert_eq!(torn_inside, [true, true]);
    }

    #[test]
    fn a_folder_moves_with_what_it_holds_and_hides_it_where_it_is_lost() {
        let operations = [
            Operation::MakeFolder { inode: 5, path: path("d") },
            create(2, "d/a"),
            sync(5),
            Operation::Rename { from: path("d"), to: path("e") },
        ];
        let disk = after(&operations, Names::Strict);
        assert!(image(&disk, Survival::Least, 1).is_empty());
        let moved: Vec<_> = image(&disk, Survival::Most, 1).into_keys().collect();
        assert_eq!(moved, [path("e"), path("e/a")]);
    }

    #[test]
    fn what_was_never_made_is_an_error() {
        assert_eq!(disk().apply(&written(9, 0, b"x"), Names::Strict), Err(UnknownFile { path: path("?") }));
        let rename = Operation::Rename { from: path("a"), to: path("b") };
        assert_eq!(disk().apply(&rename, Names::Strict), Err(UnknownFile { path: path("a") }));
    }
}
