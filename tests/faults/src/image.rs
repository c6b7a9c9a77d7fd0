//! What a crash left: the files of a folder, as somebody who comes after it finds them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The content of a folder. Names that meant one file are copies here; rights and times are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Image {
    /// What each path, from the folder, is; a folder comes before what it holds.
    pub nodes: BTreeMap<PathBuf, Node>,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file and its bytes.
    File(Vec<u8>),
    /// A symbolic link and where it points.
    Symlink(PathBuf),
}

/// How much of what was not flushed outlives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Least,
    /// Everything: what a killed process leaves.
    Most,
    /// Whatever chance has it: each write whole, in part or not at all, each name or not.
    Random,
}

impl Image {
    /// Writes the files into an empty folder.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        for (path, node) in &self.nodes {
            let path = folder.join(path);
            match node {
                Node::Folder => std::fs::create_dir(path)?,
                Node::File(bytes) => std::fs::write(path, bytes)?,
                Node::Symlink(target) => std::os::unix::fs::symlink(target, path)?,
            }
        }
        Ok(())
    }
}
