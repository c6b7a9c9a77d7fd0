//! Files: a set of changes in memory on top of a base that is only read, and the tools that work on it.
//!
//! Nothing here touches a disk. Whoever runs the agent takes the changes with [`WorkingSet::changes`] and does with them
//! what is right: commits them, shows them, drops them.

mod path;
mod tools;
mod working_set;

pub use path::{FilePath, InvalidFilePath};
pub use tools::{LIST_FILES, READ_FILE, WRITE_FILE, tools};
pub use working_set::{FileError, FileSource, SourceError, WorkingSet};
