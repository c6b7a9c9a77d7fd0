//! What an agent did to the files: edits, and why some cannot be applied.

use std::sync::Arc;

use git2::ObjectType;

use crate::id::CommitId;
use crate::object::{ObjectError, Objects};
use crate::pack_entry::PackEntry;
use crate::path::RepoPath;
use crate::tree::{self, Item};
use crate::tree_edit::{Draft, Node, Obstacle};

/// Whether a file can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileMode {
    /// An ordinary file.
    Regular,
    /// A program.
    Executable,
}

/// One change to one file. Edits are applied in order; each sees those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Creates a file or replaces what it holds. A link at its place is replaced, never followed.
    Write {
        /// Where the file is.
        path: RepoPath,
        /// All of its bytes, exactly as they are stored.
        content: Vec<u8>,
        /// Whether it can be run.
        mode: FileMode,
    },
    /// Sets whether a file that exists can be run.
    SetMode {
        /// Where the file is.
        path: RepoPath,
        /// Whether it can be run.
        mode: FileMode,
    },
    /// Removes a file that exists.
    Delete {
        /// Where the file is.
        path: RepoPath,
    },
    /// Moves a file that exists to a place where there is none.
    Rename {
        /// Where the file is.
        from: RepoPath,
        /// Where it goes.
        to: RepoPath,
    },
}

/// Why the edits of one result cannot be applied. The other results of its batch are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The commit that the edits start from is not in the repository.
    #[error("the base commit {base} is not in the repository")]
    MissingBase {
        /// Its id.
        base: CommitId,
    },
    /// A file to be deleted, moved or given a mode is not there.
    #[error("there is no file {path}")]
    MissingFile {
        /// Where it was expected.
        path: RepoPath,
    },
    /// A folder is where a file was expected.
    #[error("{path} is a folder, not a file")]
    IsFolder {
        /// The folder.
        path: RepoPath,
    },
    /// A component of the path is a file, a link or a submodule, and so has nothing below it.
    #[error("{path} goes through {file}, which is not a folder")]
    NotAFolder {
        /// The path of the edit.
        path: RepoPath,
        /// The part of it that is not a folder.
        file: String,
    },
    /// A file would be moved onto another one.
    #[error("cannot move {from} to {to}, which exists")]
    TargetExists {
        /// Where the file is.
        from: RepoPath,
        /// Where it was to go.
        to: RepoPath,
    },
}

/// Why a list of edits failed: a fault of its own or a fault of the repository.
#[derive(Debug)]
pub(crate) enum ApplyError {
    Edit(EditError),
    Object(ObjectError),
}

impl From<EditError> for ApplyError {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl From<ObjectError> for ApplyError {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl FileMode {
    pub(crate) fn raw(self) -> u32 {
        match self {
            Self::Regular => tree::MODE_FILE,
            Self::Executable => tree::MODE_EXECUTABLE,
        }
    }

    /// Returns the mode of a tree's entry, or `None` if that is not a file.
    pub(crate) fn from_raw(mode: u32) -> Option<Self> {
        tree::is_file(mode).then_some(if mode & 0o100 == 0 { Self::Regular } else { Self::Executable })
    }
}

/// An edit whose content is an object already.
#[derive(Debug, Clone)]
pub(crate) enum ReadyEdit {
    Put { path: RepoPath, mode: FileMode, blob: Arc<PackEntry> },
    SetMode { path: RepoPath, mode: FileMode },
    Delete { path: RepoPath },
    Rename { from: RepoPath, to: RepoPath },
}

impl ReadyEdit {
    /// Names and compresses what the edit writes, which is most of the work of a commit.
    pub(crate) fn new(edit: Edit) -> Result<Self, ObjectError> {
        Ok(match edit {
            Edit::Write { path, content, mode } => {
                let blob = PackEntry::new(ObjectType::Blob, content);
                let blob = blob.map_err(|source| ObjectError::Write { kind: "blob", source })?;
                Self::Put { path, mode, blob: Arc::new(blob) }
            }
            Edit::SetMode { path, mode } => Self::SetMode { path, mode },
            Edit::Delete { path } => Self::Delete { path },
            Edit::Rename { from, to } => Self::Rename { from, to },
        })
    }

    /// Returns the paths that the edit looks at.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        let (first, second) = match self {
            Self::Put { path, .. } | Self::SetMode { path, .. } | Self::Delete { path } => (path, None),
            Self::Rename { from, to } => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }
}

/// Applies the edits in order to a draft of a tree.
pub(crate) fn apply(objects: &Objects<'_>, draft: &mut Draft, edits: &[ReadyEdit]) -> Result<(), ApplyError> {
    for edit in edits {
        match edit {
            ReadyEdit::Put { path, mode, blob } => {
                put(objects, draft, path, Node::Fresh { mode: mode.raw(), blob: Arc::clone(blob) })?;
            }
            ReadyEdit::SetMode { path, mode } => set_mode(objects, draft, path, *mode)?,
            ReadyEdit::Delete { path } => {
                take(objects, draft, path)?;
            }
            ReadyEdit::Rename { from, to } => rename(objects, draft, from, to)?,
        }
    }
    Ok(())
}

fn put(objects: &Objects<'_>, draft: &mut Draft, path: &RepoPath, node: Node) -> Result<(), ApplyError> {
    match draft.find(objects, path.as_str().as_bytes())? {
        Ok(Some(found)) if found.is_folder() => Err(EditError::IsFolder { path: path.clone() }.into()),
        Ok(_) => Ok(draft.set(objects, path.as_str().as_bytes(), node)?),
        Err(obstacle) => Err(not_a_folder(path, &obstacle).into()),
    }
}

fn take(objects: &Objects<'_>, draft: &mut Draft, path: &RepoPath) -> Result<Node, ApplyError> {
    match draft.find(objects, path.as_str().as_bytes())? {
        Ok(None) => Err(EditError::MissingFile { path: path.clone() }.into()),
        Ok(Some(found)) if found.is_folder() => Err(EditError::IsFolder { path: path.clone() }.into()),
        Ok(Some(_)) => {
            let taken = draft.remove(objects, path.as_str().as_bytes())?;
            Ok(taken.expect("the file was found just now"))
        }
        Err(obstacle) => Err(not_a_folder(path, &obstacle).into()),
    }
}

fn set_mode(
    objects: &Objects<'_>,
    draft: &mut Draft,
    path: &RepoPath,
    mode: FileMode,
) -> Result<(), ApplyError> {
    let node = match take(objects, draft, path)? {
        Node::Fresh { blob, .. } => Node::Fresh { mode: mode.raw(), blob },
        Node::Stored(item) if item.is_file() => Node::Stored(Item { mode: mode.raw(), id: item.id }),
        Node::Stored(_) | Node::Opened(_) => {
            return Err(EditError::MissingFile { path: path.clone() }.into());
        }
    };
    put(objects, draft, path, node)
}

fn rename(
    objects: &Objects<'_>,
    draft: &mut Draft,
    from: &RepoPath,
    to: &RepoPath,
) -> Result<(), ApplyError> {
    let node = take(objects, draft, from)?;
    if let Ok(Some(_)) = draft.find(objects, to.as_str().as_bytes())? {
        return Err(EditError::TargetExists { from: from.clone(), to: to.clone() }.into());
    }
    put(objects, draft, to, node)
}

fn not_a_folder(path: &RepoPath, obstacle: &Obstacle) -> EditError {
    EditError::NotAFolder { path: path.clone(), file: String::from_utf8_lossy(&obstacle.path).into_owned() }
}
