//! The skills that there are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::skill::{FrontMatter, InvalidFrontMatter};
use crate::tool::files::{Beginning, FileError, FilePath, Files, Folder};

/// The file that makes a folder a skill.
const SKILL_FILE: &str = "SKILL.md";
/// How deep below a root a skill may lie.
const DEPTH_MAX: usize = 6;
/// Folders that hold other people's packages, not skills.
const FOLDERS_SKIPPED: [&str; 2] = ["node_modules", "target"];

/// Skills by name.
#[derive(Debug, Default)]
pub struct Catalogue {
    skills: BTreeMap<String, Skill>,
    warnings: Vec<Warning>,
}

/// A skill, as far as it is known before it is activated.
#[derive(Debug, Clone)]
pub struct Skill {
    /// Its name, unique in the catalogue.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it lies, for people.
    pub folder: PathBuf,
    root: Arc<Folder>,
    /// Where it lies below the root, `None` for the root itself.
    within: Option<FilePath>,
}

/// Something about a skill that is put up with, or why a folder is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The folder.
    pub folder: PathBuf,
    /// What about it, in words.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.folder.display(), self.text)
    }
}

/// Why a file of a skill could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SkillError {
    /// There is no such file.
    #[error("the skill `{skill}` has no file `{path}`")]
    NoFile {
        /// The skill.
        skill: String,
        /// The path in its folder.
        path: FilePath,
    },
    /// It is no text.
    #[error("`{path}` of the skill `{skill}` is no text")]
    NoText {
        /// The skill.
        skill: String,
        /// The path in its folder.
        path: FilePath,
    },
    /// Its head is not what it was when the catalogue was made.
    #[error("the skill `{skill}` has changed: {reason}")]
    Changed {
        /// The skill.
        skill: String,
        /// What is wrong with it now.
        reason: InvalidFrontMatter,
    },
    /// It could not be read.
    #[error("the skill `{skill}` could not be read")]
    File {
        /// The skill.
        skill: String,
        /// Why not.
        #[source]
        source: FileError,
    },
}

impl Catalogue {
    /// Returns the skills below these folders; of two of one name, that of the earlier folder.
    ///
    /// A skill that cannot be used, and a folder that cannot be read, is a warning. Reads on the calling thread.
    pub fn load(roots: &[PathBuf]) -> Self {
        let mut catalogue = Self::default();
        for root in roots {
            match Folder::open(root) {
                Ok(folder) => catalogue.load_root(root, &Arc::new(folder)),
                Err(error) => catalogue.warn(root, format!("it cannot be opened: {error}")),
            }
        }
        catalogue
    }

    /// Returns the skills, by name.
    pub fn skills(&self) -> impl ExactSizeIterator<Item = &Skill> {
        self.skills.values()
    }

    /// Returns a skill.
    pub fn get(&self, name: &str) -> Option<&Skill> {
        self.skills.get(name)
    }

    /// Returns what is odd about the skills, and which folders are none.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns what a model is told of the skills at the beginning; `None` where there are none.
    pub fn text(&self) -> Option<String> {
        if self.skills.is_empty() {
            return None;
        }
        let mut text = String::from(
            "Skills hold instructions for certain work. Before you do what one is for, call activate_skill with its name.\n",
        );
        text.extend(self.skills().map(Skill::line));
        Some(text)
    }

    fn warn(&mut self, folder: &Path, text: impl Into<String>) {
        self.warnings.push(Warning { folder: folder.to_owned(), text: text.into() });
    }

    fn load_root(&mut self, root: &Path, files: &Arc<Folder>) {
        let paths = match files.all(None) {
            Ok(paths) => paths,
            Err(error) => return self.warn(root, format!("it cannot be read: {error}")),
        };
        let mut found: Vec<Option<FilePath>> = Vec::new();
        for path in &paths {
            let Some(within) = folder_of_skill(path) else { continue };
            let is_below_a_skill = |skill: &Option<FilePath>| match (skill, &within) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(skill), Some(within)) => within.as_str().starts_with(&format!("{skill}/")),
            };
            // What lies in the folder of a skill is a file of that skill.
            if !found.iter().any(is_below_a_skill) {
                found.push(within);
            }
        }
        // A root that is a skill sorts after its folders.
        if found.contains(&None) {
            found = vec![None];
        }
        for within in found {
            self.load_skill(root, files, within);
        }
    }

    fn load_skill(&mut self, root: &Path, files: &Arc<Folder>, within: Option<FilePath>) {
        let folder = within.as_ref().map_or_else(|| root.to_owned(), |within| root.join(within.as_str()));
        let mut skill = Skill {
            name: String::new(),
            description: String::new(),
            folder: folder.clone(),
            root: Arc::clone(files),
            within,
        };
        let text = match skill.file(&skill_file()) {
            Ok(text) => text,
            Err(error) => return self.warn(&folder, error_in_words(&error)),
        };
        let head = match FrontMatter::read(&text) {
            Ok((head, _)) => head,
            Err(invalid) => return self.warn(&folder, invalid.to_string()),
        };
        for oddity in head.oddities {
            self.warn(&folder, oddity);
        }
        let folder_name =
            folder.file_name().map_or_else(|| "skill".to_owned(), |name| name.to_string_lossy().into_owned());
        let name = head.name.unwrap_or_else(|| folder_name.clone());
        if name != folder_name {
            self.warn(&folder, format!("its name is {name:?}, and its folder's another"));
        }
        if let Some(earlier) = self.skills.get(&name) {
            let text = format!("{name:?} is already the name of {}", earlier.folder.display());
            return self.warn(&folder, text);
        }
        (skill.name, skill.description) = (name.clone(), head.description);
        self.skills.insert(name, skill);
    }
}

/// Returns the folder whose `SKILL.md` this is, `Some(None)` for the root.
fn folder_of_skill(path: &FilePath) -> Option<Option<FilePath>> {
    let Some((folder, file)) = path.as_str().rsplit_once('/') else {
        return (path.as_str() == SKILL_FILE).then_some(None);
    };
    let skipped = |name: &str| FOLDERS_SKIPPED.contains(&name);
    if file != SKILL_FILE || folder.split('/').count() > DEPTH_MAX || folder.split('/').any(skipped) {
        return None;
    }
    FilePath::new(folder).ok().map(Some)
}

fn skill_file() -> FilePath {
    FilePath::new(SKILL_FILE).expect("it is an ordinary name")
}

fn error_in_words(error: &SkillError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl Skill {
    /// Returns the line that stands for it in the catalogue.
    pub fn line(&self) -> String {
        format!("- {}: {}\n", self.name, self.description)
    }

    /// Returns its body. Reads on the calling thread.
    pub fn body(&self) -> Result<String, SkillError> {
        let text = self.file(&skill_file())?;
        match FrontMatter::read(&text) {
            Ok((_, body)) => Ok(body.trim().to_owned()),
            Err(reason) => Err(SkillError::Changed { skill: self.name.clone(), reason }),
        }
    }

    /// Returns what a model gets to see when it activates the skill: the body, and the names of its files. Reads on the
    /// calling thread.
    pub fn activation(&self) -> Result<String, SkillError> {
        const NAMES_MAX: usize = 100;
        let (body, files) = (self.body()?, self.files()?);
        let mut text = format!("<skill_content name=\"{}\">\n{body}\n", self.name);
        if !files.is_empty() {
            text.push_str("\nFiles of this skill, which read_skill_file returns:\n");
            text.extend(files.iter().take(NAMES_MAX).map(|path| format!("- {path}\n")));
        }
        if files.len() > NAMES_MAX {
            text.push_str(&format!("- and {} more\n", files.len() - NAMES_MAX));
        }
        text.push_str("</skill_content>");
        Ok(text)
    }

    /// Returns the paths of its supporting files in its folder. Reads on the calling thread.
    pub fn files(&self) -> Result<Vec<FilePath>, SkillError> {
        let all = self.root.all(self.within.as_ref()).map_err(|source| self.failed(source))?;
        let skipped = self.within.as_ref().map_or(0, |within| within.as_str().len() + 1);
        let paths = all.into_iter().filter_map(|path| FilePath::new(&path.as_str()[skipped..]).ok());
        Ok(paths.filter(|path| path.as_str() != SKILL_FILE).collect())
    }

    /// Returns the text of one of its files. Reads on the calling thread.
    pub fn file(&self, path: &FilePath) -> Result<String, SkillError> {
        let content = self.root.read(&self.in_root(path)?).map_err(|source| self.failed(source))?;
        let content = content.ok_or_else(|| self.no_file(path))?;
        String::from_utf8(content).map_err(|_| self.no_text(path))
    }

    /// Returns the beginning of the text of one of its files, and how many bytes the file has. Reads on the calling thread.
    pub(crate) fn beginning(&self, path: &FilePath, bytes_max: u64) -> Result<(String, u64), SkillError> {
        let read = self
            .root
            .read_beginning(&self.in_root(path)?, bytes_max)
            .map_err(|source| self.failed(source))?;
        let Beginning { mut bytes, size } = read.ok_or_else(|| self.no_file(path))?;
        if size > bytes.len() as u64 {
            // The last character may have been cut.
            let whole = bytes.utf8_chunks().map(|chunk| chunk.valid().len()).next().unwrap_or_default();
            if bytes.len() - whole < 4 {
                bytes.truncate(whole);
            }
        }
        Ok((String::from_utf8(bytes).map_err(|_| self.no_text(path))?, size))
    }

    fn in_root(&self, path: &FilePath) -> Result<FilePath, SkillError> {
        match &self.within {
            Some(within) => FilePath::new(&format!("{within}/{path}")).map_err(|_| self.no_file(path)),
            None => Ok(path.clone()),
        }
    }

    fn no_file(&self, path: &FilePath) -> SkillError {
        SkillError::NoFile { skill: self.name.clone(), path: path.clone() }
    }

    fn no_text(&self, path: &FilePath) -> SkillError {
        SkillError::NoText { skill: self.name.clone(), path: path.clone() }
    }

    fn failed(&self, source: FileError) -> SkillError {
        SkillError::File { skill: self.name.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(folder: &Path, path: &str, text: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn skill_text(name: &str) -> String {
        format!("---\nname: {name}\ndescription: does {name}\n---\n# {name}\n")
    }

    fn load(roots: &[&Path]) -> Catalogue {
        Catalogue::load(&roots.iter().map(|&root| root.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn skills_are_found_below_their_roots_and_the_earlier_root_wins() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(first.path(), "a/SKILL.md", &skill_text("a"));
        put(first.path(), "a/more/SKILL.md", &skill_text("inner"));
        put(first.path(), "group/b/SKILL.md", &skill_text("b"));
        put(first.path(), "group/b/references/x.md", "text");
        put(first.path(), "node_modules/c/SKILL.md", &skill_text("c"));
        put(second.path(), "a/SKILL.md", &skill_text("a"));
        put(second.path(), "d/SKILL.md", &skill_text("d"));
        let catalogue = load(&[first.path(), second.path(), Path::new("/nowhere")]);
        let names: Vec<&str> = catalogue.skills().map(|skill| skill.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d"]);
        assert_eq!(catalogue.get("a").unwrap().folder, first.path().join("a"));
        let warnings: Vec<String> = catalogue.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].contains("already the name of") && warnings[1].contains("/nowhere"),
            "{warnings:?}"
        );
        let text = catalogue.text().unwrap();
        assert!(text.ends_with("- a: does a\n- b: does b\n- d: does d\n"), "{text}");
        assert_eq!(Catalogue::default().text(), None);

        let b = catalogue.get("b").unwrap();
        let activation = "<skill_content name=\"b\">\n# b\n\nFiles of this skill, which read_skill_file returns:\n- \
                          references/x.md\n</skill_content>";
        assert_eq!(b.activation().unwrap(), activation);
        assert_eq!(b.file(&FilePath::new("references/x.md").unwrap()).unwrap(), "text");
        let missing = b.file(&FilePath::new("y").unwrap()).unwrap_err();
        assert_eq!(missing.to_string(), "the skill `b` has no file `y`");
    }

    #[test]
    fn a_root_may_be_a_skill_itself() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "SKILL.md", &skill_text("itself"));
        put(folder.path(), "A/SKILL.md", &skill_text("inner"));
        let catalogue = load(&[folder.path()]);
        assert_eq!(catalogue.skills().map(|skill| skill.name.as_str()).collect::<Vec<_>>(), ["itself"]);
        let files = catalogue.get("itself").unwrap().files().unwrap();
        assert_eq!(files, [FilePath::new("A/SKILL.md").unwrap()]);
    }

    #[test]
    fn a_skill_that_points_outside_shows_nothing_of_it() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(outside.path(), "s/SKILL.md", &skill_text("outside"));
        put(outside.path(), "secret", "secret");
        put(folder.path(), "a/SKILL.md", &skill_text("a"));
        symlink(outside.path().join("secret"), folder.path().join("a/notes.md")).unwrap();
        symlink(outside.path().join("s"), folder.path().join("linked")).unwrap();
        put(folder.path(), "b/other", "");
        symlink(outside.path().join("s/SKILL.md"), folder.path().join("b/SKILL.md")).unwrap();
        let catalogue = load(&[folder.path()]);
        assert_eq!(catalogue.skills().len(), 1);
        let skill = catalogue.get("a").unwrap();
        assert_eq!(skill.files().unwrap(), []);
        assert!(skill.file(&FilePath::new("notes.md").unwrap()).is_err());
        assert!(!skill.activation().unwrap().contains("secret"));
    }

    #[test]
    fn a_skill_that_cannot_be_used_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/SKILL.md", "# no head");
        put(folder.path(), "b/SKILL.md", "---\nname: b\n---\n");
        fs::create_dir(folder.path().join("c")).unwrap();
        fs::write(folder.path().join("c/SKILL.md"), [0xff, 0xfe]).unwrap();
        put(folder.path(), "d/SKILL.md", &skill_text("other"));
        let catalogue = load(&[folder.path()]);
        assert_eq!(catalogue.skills().map(|skill| skill.name.as_str()).collect::<Vec<_>>(), ["other"]);
        assert_eq!(catalogue.warnings().len(), 4, "{:?}", catalogue.warnings());
    }
}
