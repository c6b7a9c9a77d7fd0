//! Merging three trees in memory: base, ours and theirs. Reads objects, writes none.
//!
//! The rules are git's own but for renames: those are not guessed, because an unattended merge that guesses wrong
//! corrupts silently. Attributes and merge drivers of a repository are not consulted, so that the outcome follows from
//! the three trees and the policy of the caller.

use git2::{FileFavor, MergeFileInput, MergeFileOptions, Oid};

use crate::conflict::{ConflictedPath, Version};
use crate::merge_driver::MergeDriver;
use crate::merge_policy::{MergePolicy, Resolution};
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
pub(crate) fn merge(
    objects: &Objects<'_>,
    policy: &MergePolicy,
    [base, ours, theirs]: [Oid; 3],
) -> Result<Merged, ObjectError> {
    if base == ours || ours == theirs {
        return Ok(Merged::Clean(Draft::new(Some(theirs))));
    }
    let mut merge = Merge { objects, policy, draft: Draft::new(Some(ours)), conflicts: Vec::new() };
    if base != theirs {
        merge.folder(&[], [Some(base), Some(ours), Some(theirs)], 0)?;
    }
    #[cfg(feature = "planted-bugs")]
    merge.guess_renames(base, ours)?;
    if merge.conflicts.is_empty() {
        return Ok(Merged::Clean(merge.draft));
    }
    merge.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Merged::Conflict(merge.conflicts))
}

struct Merge<'a> {
    objects: &'a Objects<'a>,
    policy: &'a MergePolicy,
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
            return Err(ObjectError::TooDeep { path: String::from_utf8_lossy(path).into_owned() });
        }
        let [base, ours, theirs] = versions.map(|id| self.objects.tree(id));
        let mut remains = false;
        for (name, three) in tree::align([base?, ours?, theirs?]) {
            let path = if path.is_empty() { name } else { [path, &name].join(&b'/') };
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
        let outcome = match self.file(path, files)? {
            FileOutcome::Conflict => self.resolve(path, files)?,
            decided => decided,
        };
        let file_remains = !matches!(outcome, FileOutcome::Gone);
        match outcome {
            FileOutcome::Conflict => self.conflict(path, files),
            FileOutcome::Gone | FileOutcome::Ours | FileOutcome::Becomes(_)
                if folder_remains && file_remains =>
            {
                self.conflict(path, files);
            }
            FileOutcome::Becomes(node) => self.draft.set(self.objects, path, node)?,
            FileOutcome::Gone if !folder_remains && files[1].is_some() => {
                self.draft.remove(self.objects, path)?;
            }
            FileOutcome::Gone | FileOutcome::Ours => {}
        }
        Ok(folder_remains || file_remains)
    }

    /// Merges three versions of a file, link or submodule that are not three folders.
    fn file(&self, path: &[u8], [base, ours, theirs]: Three) -> Result<FileOutcome, ObjectError> {
        if ours == theirs || base == theirs {
            return Ok(if ours.is_some() { FileOutcome::Ours } else { FileOutcome::Gone });
        }
        if base == ours {
            return Ok(theirs.map_or(FileOutcome::Gone, |item| FileOutcome::Becomes(Node::Stored(item))));
        }
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.same_type(theirs) => self.content(path, base, ours, theirs),
            _ => Ok(FileOutcome::Conflict),
        }
    }

    /// Resolves a conflict as the policy has it.
    fn resolve(&self, path: &[u8], [base, ours, theirs]: Three) -> Result<FileOutcome, ObjectError> {
        match self.policy.resolution_of(path) {
            Resolution::Return => Ok(FileOutcome::Conflict),
            Resolution::Ours => Ok(if ours.is_some() { FileOutcome::Ours } else { FileOutcome::Gone }),
            Resolution::Theirs => {
                Ok(theirs.map_or(FileOutcome::Gone, |item| FileOutcome::Becomes(Node::Stored(item))))
            }
            Resolution::Union => match (ours, theirs) {
                (Some(ours), Some(theirs)) if ours.is_file() && ours.mode == theirs.mode => {
                    self.texts(path, base, [ours, theirs], FileFavor::Union)
                }
                _ => Ok(FileOutcome::Conflict),
            },
            Resolution::Driver(driver) => match (ours, theirs) {
                (Some(ours), Some(theirs)) if ours.is_file() && ours.mode == theirs.mode => {
                    self.driven(path, base, [ours, theirs], driver)
                }
                _ => Ok(FileOutcome::Conflict),
            },
        }
    }

    /// Has a program merge the contents of two files of one mode.
    fn driven(
        &self,
        path: &[u8],
        base: Option<Item>,
        [ours, theirs]: [Item; 2],
        driver: &MergeDriver,
    ) -> Result<FileOutcome, ObjectError> {
        let [base, ours_content, theirs] = self.contents(base, [ours, theirs])?;
        let merged = driver.merge(path, [&base, &ours_content, &theirs], &self.objects.driver_time);
        let merged = merged.map_err(|source| ObjectError::MergeDriver {
            path: String::from_utf8_lossy(path).into_owned(),
            source,
        })?;
        match merged {
            Some(content) => Ok(FileOutcome::Becomes(Node::fresh(ours.mode, content)?)),
            None => Ok(FileOutcome::Conflict),
        }
    }

    /// Returns what three files hold; one that is none holds nothing.
    fn contents(&self, base: Option<Item>, [ours, theirs]: [Item; 2]) -> Result<[Vec<u8>; 3], ObjectError> {
        let base = match base.filter(|item| item.is_file()) {
            Some(item) => self.objects.blob(item.id)?,
            None => Vec::new(),
        };
        Ok([base, self.objects.blob(ours.id)?, self.objects.blob(theirs.id)?])
    }

    /// Merges mode and content of two items of one type that both differ from the base.
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
        if !ours.is_file() {
            return Ok(FileOutcome::Conflict);
        }
        self.texts(path, base, [Item { mode, id: ours.id }, Item { mode, id: theirs.id }], FileFavor::Normal)
    }

    /// Merges the contents of two files of one mode.
    fn texts(
        &self,
        path: &[u8],
        base: Option<Item>,
        [ours, theirs]: [Item; 2],
        favor: FileFavor,
    ) -> Result<FileOutcome, ObjectError> {
        let [base, ours_content, theirs] = self.contents(base, [ours, theirs])?;
        let merged = merge_text([&base, &ours_content, &theirs], favor).map_err(|source| {
            ObjectError::MergeFile { path: String::from_utf8_lossy(path).into_owned(), source }
        })?;
        match merged {
            Some(content) => Ok(FileOutcome::Becomes(Node::fresh(ours.mode, content)?)),
            None => Ok(FileOutcome::Conflict),
        }
    }

    /// Takes a file of ours with the content of one that is gone for that file, as a guess at renames would.
    #[cfg(feature = "planted-bugs")]
    fn guess_renames(&mut self, base: Oid, ours: Oid) -> Result<(), ObjectError> {
        use crate::planted::{Bug, is_on};
        let mut guessed = |conflict: &ConflictedPath| -> Result<bool, ObjectError> {
            let (Some(base_file), None, Some(theirs)) = (conflict.base, conflict.ours, conflict.theirs)
            else {
                return Ok(false);
            };
            let gone = base_file.blob.oid();
            let found = self.objects.tree(Some(ours))?.into_iter().find(|entry| entry.item.id == gone);
            let Some(entry) = found.filter(|_| base != ours) else { return Ok(false) };
            let item = Item { mode: entry.item.mode, id: theirs.blob.oid() };
            self.draft.set(self.objects, &entry.name, Node::Stored(item))?;
            Ok(true)
        };
        if is_on(Bug::GuessedRenames) {
            let mut left = Vec::new();
            for conflict in std::mem::take(&mut self.conflicts) {
                if !guessed(&conflict)? {
                    left.push(conflict);
                }
            }
            self.conflicts = left;
        }
        Ok(())
    }

    fn conflict(&mut self, path: &[u8], three: Three) {
        let [base, ours, theirs] = three.map(|item| item.map(Version::of));
        let path = String::from_utf8_lossy(path).into_owned();
        self.conflicts.push(ConflictedPath { path, base, ours, theirs });
    }
}

/// Returns the merged text, or `None` if the two sides changed the same lines or one of the files is not text.
fn merge_text([base, ours, theirs]: [&[u8]; 3], favor: FileFavor) -> Result<Option<Vec<u8>>, git2::Error> {
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
    // Of libgit2's ways to compare texts this is the one that ends as git's own default does; Myers at times merges
    // cleanly what git calls a conflict.
    let mut options = MergeFileOptions::new();
    options.patience(true).favor(favor);
    let merged = git2::merge_file(&input(base), &input(ours), &input(theirs), Some(&mut options))?;
    Ok(merged.is_automergeable().then(|| merged.content().to_vec()))
}

fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(BINARY_SEARCH_BYTES)].contains(&0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::object_cache::ObjectCache;
    use crate::pack_folder::PackFolder;
    use crate::testing::*;

    /// Paths that nest in each other, so that files and folders get in each other's way.
    const PATHS: [&[u8]; 14] = [
        b"a",
        b"a/a",
        b"a/b",
        b"a/b/c",
        b"a.b",
        b"a0",
        b"b",
        b"b/a",
        b"b/a/c/d",
        b"c",
        b"d/e/f/g",
        b"d/e",
        b"\xff\xfe",
        b"d/\xe9t\xe9",
    ];

    /// Lines at the beginning of each file that no other path has.
    const OWN_LINES: usize = 12;

    /// Returns content unlike that of any other path, because git 2.47 cannot be kept from guessing renames.
    fn content(random: &mut Random, path: &str) -> Vec<u8> {
        if random.one_in(12) {
            return Vec::new();
        }
        if random.one_in(12) {
            return format!("{}\0{}", path.repeat(20), random.below(4)).into_bytes();
        }
        let own = (0..OWN_LINES).map(|line| format!("{line} of {path}"));
        let lines =
            (0..random.below(9)).map(|_| (*random.pick(&["one", "two", "three", "", "}"])).to_owned());
        let mut text = own.chain(lines).collect::<Vec<_>>().join("\n");
        if !random.one_in(6) {
            text.push('\n');
        }
        if random.one_in(6) {
            text = text.replace('\n', "\r\n");
        }
        text.into_bytes()
    }

    /// Changes, adds or removes some lines.
    fn edited(random: &mut Random, path: &str, old: &[u8]) -> Vec<u8> {
        if old.is_empty() {
            return content(random, path);
        }
        let text = String::from_utf8_lossy(old).into_owned();
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        for _ in 0..=random.below(2) {
            let at = usize::try_from(random.below(lines.len() as u64 + 1)).unwrap();
            match random.below(3) {
                0 if at < lines.len() => drop(lines.remove(at)),
                1 if at < lines.len() => lines[at] = format!("changed {}\n", random.below(3)),
                _ => {
                    let end = if random.one_in(8) { "\r\n" } else { "\n" };
                    lines.insert(at, format!("new {}{end}", random.below(3)));
                }
            }
        }
        lines.concat().into_bytes()
    }

    fn change(random: &mut Random, objects: &Objects<'_>, draft: &mut Draft) {
        let path = *random.pick(&PATHS);
        let name = &*String::from_utf8_lossy(path);
        let old = match draft.find(objects, path).unwrap() {
            Ok(Some(Node::Stored(item))) if item.is_file() => Some(*item),
            _ => None,
        };
        let mode = match random.below(12) {
            0 => tree::MODE_LINK,
            1 => tree::MODE_EXECUTABLE,
            _ => old.map_or(tree::MODE_FILE, |item| item.mode),
        };
        let node = match old {
            _ if random.one_in(4) => {
                draft.remove(objects, path).unwrap();
                return;
            }
            Some(item) if random.one_in(6) => Node::Stored(Item { mode, id: item.id }),
            Some(item) => Node::fresh(mode, edited(random, name, &objects.blob(item.id).unwrap())).unwrap(),
            None => Node::fresh(mode, content(random, name)).unwrap(),
        };
        draft.set(objects, path, node).unwrap();
    }

    fn changed(random: &mut Random, objects: &Objects<'_>, tree: Option<Oid>, changes: u64) -> Oid {
        let mut draft = Draft::new(tree);
        for _ in 0..changes {
            change(random, objects, &mut draft);
        }
        draft.write(objects).unwrap()
    }

    /// Returns the merged tree, or the conflicted paths without the suffixes that git makes up.
    fn git_merges(
        git: impl Fn(&[&str]) -> (bool, String),
        [base, ours, theirs]: [Oid; 3],
    ) -> Result<String, BTreeSet<String>> {
        let base = format!("--merge-base={base}");
        let options = ["-z", "--name-only", "--no-messages"];
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        let arguments: Vec<&str> =
            ["-c", "merge.directoryRenames=false", "merge-tree", "--write-tree", &base]
                .into_iter()
                .chain(options)
                .chain([&*ours, &*theirs])
                .collect();
        let (clean, said) = git(&arguments);
        let mut lines = said.split_terminator('\0');
        let tree = lines.next().unwrap_or_default().to_owned();
        assert_eq!(tree.len(), 40, "{said}");
        let paths = lines.map(|line| line.split('~').next().unwrap().to_owned()).collect();
        if clean { Ok(tree) } else { Err(paths) }
    }

    /// Returns what we make of it, in the same form.
    fn we_merge(objects: &Objects<'_>, trees: [Oid; 3]) -> Result<String, BTreeSet<String>> {
        match merge(objects, &MergePolicy::default(), trees).unwrap() {
            Merged::Clean(draft) => Ok(draft.write(objects).unwrap().to_string()),
            Merged::Conflict(paths) => Err(paths.into_iter().map(|conflict| conflict.path).collect()),
        }
    }

    /// Returns the repositories with real histories that there are: that of this project, where the tests run in one, and
    /// those in the folder `histories` of the corpus.
    fn histories() -> Vec<std::path::PathBuf> {
        let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let corpus = std::env::var_os("SUPER_PLANNER_CORPUS").map(std::path::PathBuf::from);
        let others = corpus.and_then(|folder| std::fs::read_dir(folder.join("histories")).ok());
        let others = others.into_iter().flatten().map(|entry| entry.unwrap().path());
        others.chain([own]).filter(|path| path.join(".git").exists() || path.join("HEAD").exists()).collect()
    }

    #[test]
    fn changes_of_real_histories_go_together_only_where_git_says_so() {
        let scale: f64 = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
        let seed: u64 = std::env::var("SUPER_PLANNER_TEST_SEED").map_or(1, |text| text.parse().unwrap());
        let (mut clean, mut conflicts, mut renamed) = (0, 0, 0);
        let mut more = Vec::new();
        let histories = histories();
        for place in &histories {
            // What git writes goes elsewhere; the repository is only read.
            let written = tempfile::tempdir().unwrap();
            let git_dir = git(place, &["rev-parse", "--absolute-git-dir"]).1;
            let objects_of = std::path::Path::new(git_dir.trim()).join("objects");
            let reading = |arguments: &[&str]| {
                let mut command = std::process::Command::new("git");
                command.arg("-C").arg(place).args(arguments);
                command.env("GIT_OBJECT_DIRECTORY", written.path());
                command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &objects_of).env("LC_ALL", "C");
                let output = command.output().unwrap();
                (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
            };
            let listed =
                reading(&["log", "--no-merges", "--min-parents=1", "--format=%T %P", "-n", "5000"]).1;
            let commits: Vec<(Oid, String)> = listed
                .lines()
                .map(|line| line.split_once(' ').unwrap())
                .map(|(tree, parent)| (Oid::from_str(tree).unwrap(), format!("{parent}^{{tree}}")))
                .collect();
            let raw = git2::Repository::open(place).unwrap();
            let known = ObjectCache::default();
            let random = &mut Random(seed);
            for _ in 0..(60.0 * scale) as u64 * u64::from(commits.len() > 1) {
                let at = random.below(commits.len() as u64) as usize;
                let near = commits.len().min(at + 40) - at.saturating_sub(40);
                let other = at.saturating_sub(40) + random.below(near as u64) as usize;
                let (theirs, parent) = &commits[at];
                let base = raw.revparse_single(parent).unwrap().id();
                let trees = [base, commits[other].0, *theirs];
                // Git guesses renames and we do not; where there is anything to guess the two may differ.
                let has_renames = [1, 2].iter().any(|side| {
                    let [base, side] = [trees[0], trees[*side]].map(|tree| tree.to_string());
                    !reading(&["diff-tree", "-r", "-M30", "--diff-filter=R", "--name-only", &base, &side])
                        .1
                        .is_empty()
                });
                if has_renames {
                    renamed += 1;
                    continue;
                }
                let objects = Objects::open(&raw, &known).unwrap();
                match (we_merge(&objects, trees), git_merges(reading, trees)) {
                    (found, expected) if found == expected => {
                        *if found.is_ok() { &mut clean } else { &mut conflicts } += 1;
                    }
                    (Err(found), Ok(_)) => more.push((found, BTreeSet::new())),
                    (Err(found), Err(expected)) if found.is_superset(&expected) => {
                        more.push((found, expected));
                    }
                    (found, expected) => {
                        panic!("{}, seed {seed}, {trees:?}: {found:?} and not {expected:?}", place.display())
                    }
                }
            }
        }
        println!(
            "{clean} clean, {conflicts} in conflict, {renamed} with renames, of {} histories",
            histories.len()
        );
        assert!(
            histories.is_empty() || clean + conflicts > 0,
            "{renamed} had renames, and nothing was compared"
        );
    }

    #[test]
    fn random_merges_end_as_those_of_git() {
        let test = TestRepository::new(&[]);
        let raw = git2::Repository::open_bare(test.repository.git_dir()).unwrap();
        let known = ObjectCache::default();
        let objects = Objects::open(&raw, &known).unwrap();
        let packs = PackFolder::new(test.repository.git_dir());
        let scale: f64 = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
        let cases = (500.0 * scale) as u64;
        let first: u64 = std::env::var("SUPER_PLANNER_TEST_SEED").map_or(0, |text| text.parse().unwrap());
        let (mut clean, mut conflicts) = (0, 0);
        for seed in first..first + cases {
            let random = &mut Random(seed);
            let base = changed(random, &objects, None, 8);
            let (few, more) = (1 + random.below(2), 1 + random.below(6));
            let ours = changed(random, &objects, Some(base), more);
            let theirs = changed(random, &objects, Some(base), few);
            objects.store(&packs).unwrap();
            let expected = git_merges(|arguments| test.git(arguments), [base, ours, theirs]);
            let found = we_merge(&objects, [base, ours, theirs]);
            objects.store(&packs).unwrap();
            if seed % 50 == 0 {
                packs.join_small(test.repository.git_dir()).unwrap();
            }
            let listing = |tree: Oid| test.git(&["ls-tree", "-r", &tree.to_string()]).1;
            let input = || [base, ours, theirs].map(listing).join("--\n");
            assert_eq!(found, expected, "seed {seed}, base, ours and theirs:\n{}", input());
            *if found.is_ok() { &mut clean } else { &mut conflicts } += 1;
        }
        assert!(
            clean * 10 > cases && conflicts * 10 > cases,
            "one-sided: {clean} clean, {conflicts} in conflict"
        );
    }

    #[test]
    fn nobody_reads_attributes() {
        let test = TestRepository::new(&[("f", "base\n"), (".gitattributes", "* merge=union\n")]);
        std::fs::create_dir_all(test.repository.git_dir().join("info")).unwrap();
        std::fs::write(test.repository.git_dir().join("info/attributes"), "* merge=union\n").unwrap();
        let one = test.pin(test.first, &[write("f", "one\n")]);
        let two = test.pin(test.first, &[write("f", "two\n")]);
        test.land(one);
        assert!(matches!(test.land(two), crate::Preparation::Conflict(_)));
    }
}
