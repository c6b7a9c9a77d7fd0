//! A tree while it is changed: folders are opened only where something changes, and turned into objects once at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use git2::{ObjectType, Oid};

use crate::object::{ObjectError, Objects};
use crate::pack_entry::PackEntry;
use crate::tree::{self, Item, TreeEntry};

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
    Opened(BTreeMap<Vec<u8>, Node>),
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

    /// Returns the names in this folder, reading it if that has not happened yet; `None` if it is not a folder.
    fn open(&mut self, objects: &Objects<'_>) -> Result<Option<&mut BTreeMap<Vec<u8>, Node>>, ObjectError> {
        if let Self::Stored(item) = self
            && item.is_folder()
        {
            let entries = objects.tree(Some(item.id))?;
            *self = Self::Opened(
                entries.into_iter().map(|entry| (entry.name, Self::Stored(entry.item))).collect(),
            );
        }
        Ok(match self {
            Self::Opened(names) => Some(names),
            Self::Stored(_) | Self::Fresh { .. } => None,
        })
    }

    fn write(self, objects: &Objects<'_>) -> Result<Option<Item>, ObjectError> {
        match self {
            Self::Stored(item) => Ok(Some(item)),
            Self::Fresh { mode, blob } => Ok(Some(Item { mode, id: objects.add(blob) })),
            Self::Opened(names) => {
                let mut entries = Vec::with_capacity(names.len());
                for (name, node) in names {
                    if let Some(item) = node.write(objects)? {
                        entries.push(TreeEntry { name, item });
                    }
                }
                if entries.is_empty() {
                    return Ok(None);
                }
                Ok(Some(Item { mode: tree::MODE_FOLDER, id: objects.add_tree(entries)? }))
            }
        }
    }
}

impl Draft {
    /// Returns a draft that starts as the given tree, or empty.
    pub(crate) fn new(tree: Option<Oid>) -> Self {
        let root = match tree {
            Some(id) => Node::Stored(Item { mode: tree::MODE_FOLDER, id }),
            None => Node::Opened(BTreeMap::new()),
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
            let Some(names) = node.open(objects)? else {
                return Ok(Err(Obstacle { path: path[..seen - 1].to_vec() }));
            };
            match names.get_mut(name) {
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
                *at = Node::Opened(BTreeMap::new());
            }
            let names = at.open(objects)?.expect("it was made a folder just now");
            at = names.entry(name.to_vec()).or_insert_with(|| Node::Opened(BTreeMap::new()));
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
    let Some(names) = node.open(objects)? else {
        return Ok(None);
    };
    if rest.is_empty() {
        return Ok(names.remove(*name));
    }
    let Some(child) = names.get_mut(*name) else {
        return Ok(None);
    };
    let taken = remove_below(child, objects, rest)?;
    if matches!(child, Node::Opened(left) if left.is_empty()) {
        names.remove(*name);
    }
    Ok(taken)
}
