//! Changes to files that are in memory only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tool::files::{FileError, FilePath, Files};

/// Where files are read from before they are changed.
///
/// Called on the thread of the runtime, so it must be quick. What it holds must not change while it is used.
pub trait FileSource: Send + Sync + fmt::Debug + 'static {
    /// Returns the bytes of a file, `None` if there is no file at the path.
    fn read(&self, path: &FilePath) -> Result<Option<Vec<u8>>, SourceError>;

    /// Returns the paths of all files, in any order. Asked once, and only when it is needed.
    fn paths(&self) -> Result<Vec<String>, SourceError>;
}

/// Why a source could not be read.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Files in memory.
impl FileSource for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &FilePath) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.get(path.as_str()).cloned())
    }

    fn paths(&self) -> Result<Vec<String>, SourceError> {
        Ok(self.keys().cloned().collect())
    }
}

/// Files that an agent works on: a base, and what was written on top of it.
#[derive(Debug)]
pub struct WorkingSet {
    base: Box<dyn FileSource>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: BTreeMap<FilePath, Vec<u8>>,
    /// All paths, of the base and of the changes, once somebody has asked.
    paths: Option<BTreeSet<String>>,
}

impl WorkingSet {
    /// Returns the files of `base`, unchanged.
    pub fn new(base: impl FileSource) -> Self {
        Self { base: Box::new(base), state: Mutex::default() }
    }

    /// Returns what was written, by path. A file may have been written with what the base holds.
    pub fn changes(&self) -> BTreeMap<FilePath, Vec<u8>> {
        self.state().changes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paths<'a>(&self, state: &'a mut State) -> Result<&'a mut BTreeSet<String>, FileError> {
        if state.paths.is_none() {
            // Every write asks for the paths first, so there are no changes yet.
            debug_assert!(state.changes.is_empty());
            state.paths = Some(self.base.paths().map_err(FileError::Source)?.into_iter().collect());
        }
        Ok(state.paths.as_mut().expect("they were just put there"))
    }
}

impl Files for WorkingSet {
    fn blocks(&self) -> bool {
        false
    }

    fn read(&self, path: &FilePath) -> Result<Option<Vec<u8>>, FileError> {
        if let Some(content) = self.state().changes.get(path) {
            return Ok(Some(content.clone()));
        }
        self.base.read(path).map_err(FileError::Source)
    }

    fn write(&self, path: &FilePath, content: Vec<u8>) -> Result<(), FileError> {
        let mut state = self.state();
        let paths = self.paths(&mut state)?;
        if let Some(file) = path.folders().find(|folder| paths.contains(*folder)) {
            return Err(FileError::BelowFile { path: path.clone(), file: file.to_owned() });
        }
        if below(paths, &format!("{path}/")).next().is_some() {
            return Err(FileError::IsFolder { path: path.clone() });
        }
        paths.insert(path.as_str().to_owned());
        state.changes.insert(path.clone(), content);
        Ok(())
    }

    fn list(&self, folder: Option<&FilePath>) -> Result<BTreeSet<String>, FileError> {
        let mut state = self.state();
        let prefix = prefix(folder);
        let names = below(self.paths(&mut state)?, &prefix).map(|path| {
            let rest = &path[prefix.len()..];
            rest.find('/').map_or(rest, |at| &rest[..=at]).to_owned()
        });
        Ok(names.collect())
    }

    fn all(&self, folder: Option<&FilePath>) -> Result<Vec<FilePath>, FileError> {
        let mut state = self.state();
        let prefix = prefix(folder);
        Ok(below(self.paths(&mut state)?, &prefix).filter_map(|path| FilePath::new(path).ok()).collect())
    }
}

fn prefix(folder: Option<&FilePath>) -> String {
    folder.map(|folder| format!("{folder}/")).unwrap_or_default()
}

fn below<'a>(paths: &'a BTreeSet<String>, prefix: &'a str) -> impl Iterator<Item = &'a String> {
    paths.range(prefix.to_owned()..).take_while(move |path| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::new(text).unwrap()
    }

    fn files() -> WorkingSet {
        let base: BTreeMap<String, Vec<u8>> = ["a.txt", "src/lib.rs", "src/model/mod.rs", "src-old/x"]
            .map(|path| (path.to_owned(), b"base".to_vec()))
            .into();
        WorkingSet::new(base)
    }

    fn names(files: &WorkingSet, folder: &str) -> Vec<String> {
        let folder = (!folder.is_empty()).then(|| path(folder));
        files.list(folder.as_ref()).unwrap().into_iter().collect()
    }

    #[test]
    fn changes_cover_the_base_and_can_be_taken_out() {
        let files = files();
        assert_eq!(files.changes(), BTreeMap::new());
        files.write(&path("a.txt"), b"new".to_vec()).unwrap();
        files.write(&path("docs/b.md"), Vec::new()).unwrap();
        assert_eq!(files.read(&path("a.txt")).unwrap(), Some(b"new".to_vec()));
        assert_eq!(files.read(&path("src/lib.rs")).unwrap(), Some(b"base".to_vec()));
        assert_eq!(files.read(&path("docs/b.md")).unwrap(), Some(Vec::new()));
        assert_eq!(files.read(&path("docs")).unwrap(), None);
        let expected = [(path("a.txt"), b"new".to_vec()), (path("docs/b.md"), Vec::new())];
        assert_eq!(files.changes(), expected.into());
    }

    #[test]
    fn a_folder_lists_its_names_once() {
        let files = files();
        assert_eq!(names(&files, ""), ["a.txt", "src-old/", "src/"]);
        files.write(&path("src/model/new.rs"), Vec::new()).unwrap();
        assert_eq!(names(&files, "src"), ["lib.rs", "model/"]);
        assert_eq!(names(&files, "src/model"), ["mod.rs", "new.rs"]);
        assert_eq!(names(&files, "nowhere"), [""; 0]);
    }

    #[test]
    fn a_file_is_no_folder_and_a_folder_is_no_file() {
        let files = files();
        let refused = |text| files.write(&path(text), Vec::new()).unwrap_err().to_string();
        assert_eq!(refused("src"), "`src` is a folder");
        assert_eq!(refused("a.txt/b/c"), "`a.txt/b/c` cannot be: `a.txt` is a file");
        files.write(&path("new"), Vec::new()).unwrap();
        assert_eq!(refused("new/x"), "`new/x` cannot be: `new` is a file");
        assert_eq!(files.changes().len(), 1);
    }
}
