//! A tree while it is changed: folders are opened only where something changes, and turned into objects once at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use git2::{ObjectType, Oid};

use crate::object::{ObjectError, Objects};
use crate::pack_entry::PackEntry;
use crate::tree::{self, Item, StoredEntry};

/// A tree under change. No object is made of it before [`Draft::write`].
pub(crate) struct Draft {
    root: Node,
}

/// What a name stands for in a draft.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// As it is in the database.
    Stored(Item),
    /// A file that is not in the database yet.
    Fresh { mode: u32, blob: Arc<PackEntry> },
    /// A folder that was looked into.
    Opened(Folder),
}

/// A folder under change: what is stored of it, and what was looked at or is different. The rest is never taken apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folder {
    /// The folder as it is stored, which was looked through; nothing where it is new.
    stored: Vec<u8>,
    /// By name; `None` is one that is gone.
    touched: BTreeMap<Vec<u8>, Option<Node>>,
}

/// The part of a path that is not a folder.
#[derive(Debug)]
pub(crate) struct Obstacle {
    pub(crate) path: Vec<u8>,
}

impl Node {
    /// Returns a new file.
    pub(crate) fn fresh(mode: u32, content: Vec<u8>) -> Result<Self, ObjectError> {
        let blob = PackEntry::new(ObjectType::Blob, content);
        let blob = blob.map_err(|source| ObjectError::Write { kind: "blob", source })?;
        Ok(Self::Fresh { mode, blob: Arc::new(blob) })
    }

    pub(crate) fn is_folder(&self) -> bool {
        match self {
            Self::Stored(item) => item.is_folder(),
            Self::Fresh { .. } => false,
            Self::Opened(_) => true,
        }
    }

    /// Returns this folder, reading it if that has not happened yet; `None` if it is not a folder.
    fn open(&mut self, objects: &Objects<'_>) -> Result<Option<&mut Folder>, ObjectError> {
        if let Self::Stored(item) = self
            && item.is_folder()
        {
            let stored = objects.tree_bytes(item.id)?;
            *self = Self::Opened(Folder { stored, touched: BTreeMap::new() });
        }
        Ok(match self {
            Self::Opened(folder) => Some(folder),
            Self::Stored(_) | Self::Fresh { .. } => None,
        })
    }

    fn write(self, objects: &Objects<'_>) -> Result<Option<Item>, ObjectError> {
        match self {
            Self::Stored(item) => Ok(Some(item)),
            Self::Fresh { mode, blob } => Ok(Some(Item { mode, id: objects.add(blob) })),
            Self::Opened(folder) => folder.write(objects),
        }
    }
}

impl Folder {
    fn stored(&self) -> impl Iterator<Item = StoredEntry<'_>> {
        // Nothing is damaged, or it would not have been opened.
        tree::entries(&self.stored).map_while(Result::ok)
    }

    /// Returns the place of a name, which may have nothing in it.
    fn place(&mut self, name: &[u8]) -> &mut Option<Node> {
        if !self.touched.contains_key(name) {
            let stored = self.stored().find(|entry| entry.name == name);
            let node = stored.map(|entry| Node::Stored(entry.item));
            self.touched.insert(name.to_vec(), node);
        }
        self.touched.get_mut(name).expect("it was put there just now")
    }

    fn is_empty(&self) -> bool {
        self.touched.values().all(Option::is_none)
            && self.stored().all(|entry| self.touched.contains_key(entry.name))
    }

    fn write(mut self, objects: &Objects<'_>) -> Result<Option<Item>, ObjectError> {
        let mut touched = BTreeMap::new();
        let mut new = Vec::new();
        for (name, node) in std::mem::take(&mut self.touched) {
            let item = node.map(|node| node.write(objects)).transpose()?.flatten();
            new.extend(item.map(|item| (name.clone(), item)));
            touched.insert(name, item);
        }
        new.sort_by(|(a, a_item), (b, b_item)| tree::order((a, *a_item), (b, *b_item)));
        let mut new = new.iter().peekable();
        let mut bytes = Vec::with_capacity(self.stored.len() + 64 * touched.len());
        for entry in self.stored().filter(|entry| !touched.contains_key(entry.name)) {
            let is_before =
                |new: &&(Vec<u8>, Item)| tree::order((&new.0, new.1), (entry.name, entry.item)).is_lt();
            while let Some((name, item)) = new.next_if(is_before) {
                tree::push(&mut bytes, name, *item);
            }
            bytes.extend_from_slice(entry.bytes);
        }
        new.for_each(|(name, item)| tree::push(&mut bytes, name, *item));
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some(Item { mode: tree::MODE_FOLDER, id: objects.add_tree_bytes(bytes)? }))
    }
}

impl Draft {
    /// Returns a draft that starts as the given tree, or empty.
    pub(crate) fn new(tree: Option<Oid>) -> Self {
        let root = match tree {
            Some(id) => Node::Stored(Item { mode: tree::MODE_FOLDER, id }),
            None => Node::Opened(Folder::default()),
        };
        Self { root }
    }

    /// Returns what is at a path, or the part of the path that is in the way.
    pub(crate) fn find(
        &mut self,
        objects: &Objects<'_>,
        path: &[u8],
    ) -> Result<Result<Option<&Node>, Obstacle>, ObjectError> {
        let mut node = &mut self.root;
        let mut seen = 0;
        for name in path.split(|&byte| byte == b'/') {
            let Some(folder) = node.open(objects)? else {
                return Ok(Err(Obstacle { path: path[..seen - 1].to_vec() }));
            };
            match folder.place(name) {
                Some(found) => node = found,
                None => return Ok(Ok(None)),
            }
            seen += name.len() + 1;
        }
        Ok(Ok(Some(node)))
    }

    /// Puts a node at a path, in place of whatever is there and of any file above it.
    pub(crate) fn set(&mut self, objects: &Objects<'_>, path: &[u8], node: Node) -> Result<(), ObjectError> {
        let mut at = &mut self.root;
        for name in path.split(|&byte| byte == b'/') {
            if at.open(objects)?.is_none() {
                *at = Node::Opened(Folder::default());
            }
            let folder = at.open(objects)?.expect("it was made a folder just now");
            at = folder.place(name).get_or_insert_with(|| Node::Opened(Folder::default()));
        }
        *at = node;
        Ok(())
    }

    /// Takes away and returns what is at a path, and the folders that become empty by it.
    pub(crate) fn remove(&mut self, objects: &Objects<'_>, path: &[u8]) -> Result<Option<Node>, ObjectError> {
        let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
        remove_below(&mut self.root, objects, &names)
    }

    /// Adds every new file and changed folder to the batch and returns the id of the tree.
    pub(crate) fn write(self, objects: &Objects<'_>) -> Result<Oid, ObjectError> {
        match self.root.write(objects)? {
            Some(item) => Ok(item.id),
            None => objects.add_tree(Vec::new()),
        }
    }
}

fn remove_below(node: &mut Node, objects: &Objects<'_>, path: &[&[u8]]) -> Result<Option<Node>, ObjectError> {
    let [name, rest @ ..] = path else { return Ok(None) };
    let Some(folder) = node.open(objects)? else {
        return Ok(None);
    };
    let place = folder.place(name);
    if rest.is_empty() {
        return Ok(place.take());
    }
    let Some(child) = place else {
        return Ok(None);
    };
    let taken = remove_below(child, objects, rest)?;
    if matches!(child, Node::Opened(left) if left.is_empty()) {
        *place = None;
    }
    Ok(taken)
}
