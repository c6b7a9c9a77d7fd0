//! Merging three trees in memory: base, ours and theirs. Reads objects, writes none.
//!
//! The rules are those of `git merge-tree -X no-renames`: renames are not guessed, because an unattended merge that
//! guesses wrong corrupts silently. Attributes and merge drivers are not consulted, so that the outcome follows from
//! the three trees alone.

use git2::{MergeFileInput, MergeFileOptions, Oid};

use crate::conflict::{ConflictedPath, Version};
use crate::object::{ObjectError, Objects};
use crate::path::DEPTH_MAX;
use crate::tree::{self, Item};
use crate::tree_edit::{Draft, Node};

/// How far git looks for a NUL byte before it takes a file for text.
const BINARY_SEARCH_BYTES: usize = 8000;

/// What became of a merge.
pub(crate) enum Merged {
    /// A draft of the merged tree.
    Clean(Draft),
    /// The paths that need a decision, sorted.
    Conflict(Vec<ConflictedPath>),
}

/// Merges what happened between `base` and `theirs` into `ours`.
pub(crate) fn merge(objects: &Objects<'_>, base: Oid, ours: Oid, theirs: Oid) -> Result<Merged, ObjectError> {
    if base == ours || ours == theirs {
        return Ok(Merged::Clean(Draft::new(Some(theirs))));
    }
    let mut merge = Merge {
        objects,
        draft: Draft::new(Some(ours)),
        conflicts: Vec::new(),
    };
    if base != theirs {
        merge.folder(&[], [Some(base), Some(ours), Some(theirs)], 0)?;
    }
    if merge.conflicts.is_empty() {
        return Ok(Merged::Clean(merge.draft));
    }
    merge.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Merged::Conflict(merge.conflicts))
}

struct Merge<'a> {
    objects: &'a Objects<'a>,
    draft: Draft,
    conflicts: Vec<ConflictedPath>,
}

/// What a path has in the base, in ours and in theirs.
type Three = [Option<Item>; 3];

/// What merging the files at one path came to.
enum FileOutcome {
    /// There is none.
    Gone,
    /// It stays as ours.
    Ours,
    /// It becomes this.
    Becomes(Node),
    /// It needs a decision.
    Conflict,
}

impl Merge<'_> {
    /// Merges three versions of a folder. Returns whether anything is left in it.
    fn folder(&mut self, path: &[u8], versions: [Option<Oid>; 3], depth: usize) -> Result<bool, ObjectError> {
        if depth > DEPTH_MAX {
            return Err(ObjectError::TooDeep {
                path: String::from_utf8_lossy(path).into_owned(),
            });
        }
        let [base, ours, theirs] = versions.map(|id| self.objects.tree(id));
        let mut remains = false;
        for (name, three) in tree::align([base?, ours?, theirs?]) {
            let path = if path.is_empty() {
                name
            } else {
                [path, &name].join(&b'/')
            };
            remains |= self.entry(&path, three, depth)?;
        }
        Ok(remains)
    }

    /// Merges three versions of one name. Returns whether anything is left there.
    fn entry(&mut self, path: &[u8], three: Three, depth: usize) -> Result<bool, ObjectError> {
        let [base, ours, theirs] = three;
        if ours == theirs || base == theirs {
            return Ok(ours.is_some());
        }
        if base == ours {
            match theirs {
                Some(item) => self.draft.set(self.objects, path, Node::Stored(item))?,
                None => drop(self.draft.remove(self.objects, path)?),
            }
            return Ok(theirs.is_some());
        }
        let folders = three.map(|item| item.filter(|item| item.is_folder()).map(|item| item.id));
        let files = three.map(|item| item.filter(|item| !item.is_folder()));
        let folder_remains = folders.iter().any(Option::is_some) && self.folder(path, folders, depth + 1)?;
        let outcome = self.file(path, files)?;
        let file_remains = !matches!(outcome, FileOutcome::Gone);
        match outcome {
            FileOutcome::Conflict => self.conflict(path, files),
            FileOutcome::Gone | FileOutcome::Ours | FileOutcome::Becomes(_)
                if folder_remains && file_remains =>
            {
                self.conflict(path, files);
            }
            FileOutcome::Becomes(node) => self.draft.set(self.objects, path, node)?,
            FileOutcome::Gone | FileOutcome::Ours => {}
        }
        Ok(folder_remains || file_remains)
    }

    /// Merges three versions of a file, link or submodule that are not three folders.
    fn file(&self, path: &[u8], [base, ours, theirs]: Three) -> Result<FileOutcome, ObjectError> {
        if ours == theirs || base == theirs {
            return Ok(if ours.is_some() {
                FileOutcome::Ours
            } else {
                FileOutcome::Gone
            });
        }
        if base == ours {
            return Ok(theirs.map_or(FileOutcome::Gone, |item| FileOutcome::Becomes(Node::Stored(item))));
        }
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.is_file() && theirs.is_file() => {
                self.content(path, base, ours, theirs)
            }
            _ => Ok(FileOutcome::Conflict),
        }
    }

    /// Merges mode and content of two files that both differ from the base.
    fn content(
        &self,
        path: &[u8],
        base: Option<Item>,
        ours: Item,
        theirs: Item,
    ) -> Result<FileOutcome, ObjectError> {
        let base_mode = base.map_or(0, |item| item.mode);
        let mode = match (ours.mode, theirs.mode) {
            (a, b) if a == b || a == base_mode => b,
            (a, b) if b == base_mode => a,
            _ => return Ok(FileOutcome::Conflict),
        };
        let base_id = base.map(|item| item.id);
        if ours.id == theirs.id || base_id == Some(ours.id) {
            return Ok(FileOutcome::Becomes(Node::Stored(Item { mode, id: theirs.id })));
        }
        if base_id == Some(theirs.id) {
            return Ok(FileOutcome::Becomes(Node::Stored(Item { mode, id: ours.id })));
        }
        let base = match base.filter(|item| item.is_file()) {
            Some(item) => self.objects.blob(item.id)?,
            None => Vec::new(),
        };
        let merged = merge_text(
            &base,
            &self.objects.blob(ours.id)?,
            &self.objects.blob(theirs.id)?,
        );
        let merged = merged.map_err(|source| ObjectError::MergeFile {
            path: String::from_utf8_lossy(path).into_owned(),
            source,
        })?;
        Ok(merged.map_or(FileOutcome::Conflict, |content| {
            FileOutcome::Becomes(Node::Fresh { mode, content })
        }))
    }

    fn conflict(&mut self, path: &[u8], three: Three) {
        let [base, ours, theirs] = three.map(|item| item.map(Version::of));
        let path = String::from_utf8_lossy(path).into_owned();
        self.conflicts.push(ConflictedPath {
            path,
            base,
            ours,
            theirs,
        });
    }
}

/// Returns the merged text, or `None` if the two sides changed the same lines or one of the files is not text.
fn merge_text(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Option<Vec<u8>>, git2::Error> {
    if [base, ours, theirs].into_iter().any(is_binary) {
        return Ok(None);
    }
    // Besides saving work this keeps an empty outcome of one side from libgit2, whose null pointer git2 would trip over.
    if base == ours {
        return Ok(Some(theirs.to_vec()));
    }
    if base == theirs {
        return Ok(Some(ours.to_vec()));
    }
    let input = |content| {
        let mut input = MergeFileInput::new();
        input.content(content);
        input
    };
    let mut options = MergeFileOptions::new();
    let merged = git2::merge_file(&input(base), &input(ours), &input(theirs), Some(&mut options))?;
    Ok(merged.is_automergeable().then(|| merged.content().to_vec()))
}

fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(BINARY_SEARCH_BYTES)].contains(&0)
}
