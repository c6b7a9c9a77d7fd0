//! Files that a model may read, write, list and search: a set of changes in memory, or a folder of a disk.
//!
//! A [`WorkingSet`] touches no disk: whoever runs the agent takes its changes and does with them what is right: commits
//! them, shows them, drops them. A [`Folder`] is changed for good.

mod folder;
mod path;
mod tools;
mod working_set;

pub(crate) use folder::Beginning;
pub use folder::Folder;
pub use path::{FilePath, InvalidFilePath};
pub(crate) use tools::from_line;
pub use tools::{LIST_FILES, READ_FILE, SEARCH_FILES, WRITE_FILE, tools};
pub use working_set::{FileSource, SourceError, WorkingSet};

use std::collections::BTreeSet;
use std::fmt;

/// Files below a root. No path leads out of it.
pub trait Files: Send + Sync + fmt::Debug + 'static {
    /// Returns whether the other methods wait for a disk; they are then called where that holds up nobody.
    fn blocks(&self) -> bool;

    /// Returns the bytes of a file, `None` if there is no file at the path.
    fn read(&self, path: &FilePath) -> Result<Option<Vec<u8>>, FileError>;

    /// Makes or replaces a file, and the folders that it lies in.
    fn write(&self, path: &FilePath, content: Vec<u8>) -> Result<(), FileError>;

    /// Returns the names in a folder, or at the root: those of folders end with `/`. A folder that is not there is empty.
    fn list(&self, folder: Option<&FilePath>) -> Result<BTreeSet<String>, FileError>;

    /// Returns the paths of all files below a folder, or the root, sorted; those that no [`FilePath`] can name are left out.
    fn all(&self, folder: Option<&FilePath>) -> Result<Vec<FilePath>, FileError>;
}

/// Why a file could not be read or written; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path is that of a folder.
    #[error("`{path}` is a folder")]
    IsFolder {
        /// The path.
        path: FilePath,
    },
    /// A folder of the path is a file.
    #[error("`{path}` cannot be: `{file}` is a file")]
    BelowFile {
        /// The path.
        path: FilePath,
        /// The file in its way.
        file: String,
    },
    /// The path, or a folder of it, is a link, a device or another thing that is neither file nor folder.
    #[error("`{path}` is, or lies behind, a link or another thing that is neither file nor folder")]
    NotAFile {
        /// The path.
        path: FilePath,
    },
    /// The file is larger than a model could use.
    #[error("`{path}` has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// The path.
        path: FilePath,
        /// Its size.
        bytes: u64,
        /// The largest size.
        bytes_max: u64,
    },
    /// There are more files than are looked through.
    #[error("there are more than {files_max} files: name a folder that holds fewer")]
    TooMany {
        /// How many are.
        files_max: usize,
    },
    /// The files to begin from could not be read.
    #[error("the files could not be read")]
    Source(#[source] SourceError),
    /// The system refused.
    #[error("`{path}` cannot be used")]
    Io {
        /// The path, or the folder that was opened.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}
