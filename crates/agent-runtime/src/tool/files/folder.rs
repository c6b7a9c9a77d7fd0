//! A folder of a disk that nobody gets out of.
//!
//! Every path is walked from the opened root, name by name, and no name that is a link is followed: what lies behind a link
//! is refused, even where it lies inside, and a link that is put there in the meantime leads nowhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::tool::files::{FileError, FilePath, Files};

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// The most files that are looked through below a folder.
const FILES_MAX: usize = 20_000;
/// What of a mode says who may do what.
const PERMISSIONS: u32 = 0o777;
/// How deep folders are looked through.
const DEPTH_MAX: usize = 64;

const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder of a disk, held open.
#[derive(Debug)]
pub struct Folder {
    root: OwnedFd,
    written: AtomicU64,
    files_max: usize,
}

/// A file, as far as it was read.
pub(crate) struct Beginning {
    /// The bytes that were read, from the first on.
    pub(crate) bytes: Vec<u8>,
    /// How many there are.
    pub(crate) size: u64,
}

impl Folder {
    /// Opens a folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        // The root itself is the caller's word and may be a link.
        let flags = FOLDER_FLAGS.difference(OFlags::NOFOLLOW);
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { root, written: AtomicU64::new(0), files_max: FILES_MAX })
    }

    /// Returns the beginning of a file, `None` if there is no file at the path.
    pub(crate) fn read_beginning(
        &self,
        path: &FilePath,
        bytes_max: u64,
    ) -> Result<Option<Beginning>, FileError> {
        let Some(parent) = self.parent(path, Missing::Leave)? else { return Ok(None) };
        // Without blocking, since opening a pipe waits for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&parent, name_of(path), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(FileError::NotAFile { path: path.clone() }),
            Err(errno) => return Err(system(path, errno)),
        };
        let io = |source| FileError::Io { path: path.to_string(), source };
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Ok(None);
        }
        if !metadata.is_file() {
            return Err(FileError::NotAFile { path: path.clone() });
        }
        let mut bytes = Vec::new();
        // It may have grown since it was looked at.
        let read = file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(io)? as u64;
        bytes.truncate(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        Ok(Some(Beginning { bytes, size: metadata.len().max(read) }))
    }

    /// Returns the folder that a path lies in, opened; `None` if there is none.
    fn parent(&self, path: &FilePath, missing: Missing) -> Result<Option<OwnedFd>, FileError> {
        match path.folders().last() {
            Some(folder) => self.walk(folder, path, missing),
            None => self.root_again(path).map(Some),
        }
    }

    fn root_again(&self, path: &FilePath) -> Result<OwnedFd, FileError> {
        self.root.try_clone().map_err(|source| FileError::Io { path: path.to_string(), source })
    }

    fn walk(&self, folder: &str, path: &FilePath, missing: Missing) -> Result<Option<OwnedFd>, FileError> {
        let mut at = self.root_again(path)?;
        let mut walked = 0;
        for name in folder.split('/') {
            walked += name.len() + 1;
            if missing == Missing::Make
                && let Err(errno) = rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o777))
                && errno != Errno::EXIST
            {
                return Err(system(path, errno));
            }
            at = match rustix::fs::openat(&at, name, FOLDER_FLAGS, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    return Err(not_a_folder(&at, name, path, &folder[..walked - 1]));
                }
                Err(errno) => return Err(system(path, errno)),
            };
        }
        Ok(Some(at))
    }

    /// Returns what is in a folder, with its kind; nothing where it is not there.
    fn entries(&self, folder: Option<&FilePath>) -> Result<Vec<(String, FileType)>, FileError> {
        let io = |errno: Errno| FileError::Io {
            path: folder.map_or_else(|| ".".to_owned(), ToString::to_string),
            source: errno.into(),
        };
        let opened = match folder {
            Some(folder) => self.walk(folder.as_str(), folder, Missing::Leave)?,
            None => Some(
                self.root
                    .try_clone()
                    .map_err(|error| FileError::Io { path: ".".to_owned(), source: error })?,
            ),
        };
        let Some(opened) = opened else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        for entry in Dir::read_from(&opened).map_err(io)? {
            let entry = entry.map_err(io)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            // `.`, `..` and whatever no model may name.
            if FilePath::new(name).is_err() {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            entries.push((name.to_owned(), kind));
        }
        Ok(entries)
    }

    fn collect(
        &self,
        folder: Option<&FilePath>,
        depth: usize,
        found: &mut Vec<FilePath>,
    ) -> Result<(), FileError> {
        let mut entries = self.entries(folder)?;
        entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        for (name, kind) in entries {
            let joined = folder.map_or_else(|| name.clone(), |folder| format!("{folder}/{name}"));
            let Ok(path) = FilePath::new(&joined) else { continue };
            match kind {
                FileType::RegularFile if found.len() == self.files_max => {
                    return Err(FileError::TooMany { files_max: self.files_max });
                }
                FileType::RegularFile => found.push(path),
                FileType::Directory if depth < DEPTH_MAX => self.collect(Some(&path), depth + 1, found)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// What to do about a folder that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Leave,
}

impl Files for Folder {
    fn blocks(&self) -> bool {
        true
    }

    fn read(&self, path: &FilePath) -> Result<Option<Vec<u8>>, FileError> {
        match self.read_beginning(path, FILE_BYTES_MAX)? {
            Some(Beginning { size, .. }) if size > FILE_BYTES_MAX => {
                Err(FileError::TooLarge { path: path.clone(), bytes: size, bytes_max: FILE_BYTES_MAX })
            }
            beginning => Ok(beginning.map(|beginning| beginning.bytes)),
        }
    }

    /// The file is replaced as a whole: who reads it meanwhile sees the old one or the new one.
    fn write(&self, path: &FilePath, content: Vec<u8>) -> Result<(), FileError> {
        let parent = self.parent(path, Missing::Make)?.ok_or_else(|| system(path, Errno::NOENT))?;
        let name = name_of(path);
        let replaced = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Some(Mode::from_raw_mode(stat.st_mode & PERMISSIONS)),
                FileType::Directory => return Err(FileError::IsFolder { path: path.clone() }),
                _ => return Err(FileError::NotAFile { path: path.clone() }),
            },
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(system(path, errno)),
        };
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(".{}-{number}.part", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, &temporary, flags, Mode::from_raw_mode(0o666))
            .map_err(|errno| system(path, errno))?;
        // A program stays one, and what only its owner may read stays so.
        let kept = replaced.map_or(Ok(()), |mode| rustix::fs::fchmod(&file, mode));
        let written = kept
            .map_err(io::Error::from)
            .and_then(|()| File::from(file).write_all(&content))
            .and_then(|()| Ok(rustix::fs::renameat(&parent, &temporary, &parent, name)?));
        written.map_err(|source| {
            // What is left behind is only half a file; nothing more can be done where it cannot be removed.
            let _ = rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty());
            FileError::Io { path: path.to_string(), source }
        })
    }

    fn list(&self, folder: Option<&FilePath>) -> Result<BTreeSet<String>, FileError> {
        let named = |(name, kind)| match kind {
            FileType::RegularFile => Some(name),
            FileType::Directory => Some(format!("{name}/")),
            _ => None,
        };
        Ok(self.entries(folder)?.into_iter().filter_map(named).collect())
    }

    fn all(&self, folder: Option<&FilePath>) -> Result<Vec<FilePath>, FileError> {
        let mut found = Vec::new();
        self.collect(folder, 0, &mut found)?;
        Ok(found)
    }
}

fn name_of(path: &FilePath) -> &str {
    path.as_str().rsplit('/').next().expect("a path has a name")
}

fn system(path: &FilePath, errno: Errno) -> FileError {
    FileError::Io { path: path.to_string(), source: errno.into() }
}

/// Returns why a name on the way is no folder.
fn not_a_folder(at: &OwnedFd, name: &str, path: &FilePath, walked: &str) -> FileError {
    match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
            FileError::BelowFile { path: path.clone(), file: walked.to_owned() }
        }
        _ => FileError::NotAFile { path: path.clone() },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::new(text).unwrap()
    }

    struct Place {
        _folder: tempfile::TempDir,
        outside: std::path::PathBuf,
        inside: std::path::PathBuf,
        files: Folder,
    }

    /// A folder with a file, and beside it a secret.
    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let (outside, inside) = (folder.path().join("outside"), folder.path().join("inside"));
        for made in [&outside, &inside] {
            fs::create_dir(made).unwrap();
        }
        fs::write(outside.join("secret"), "secret").unwrap();
        fs::write(inside.join("a.txt"), "one").unwrap();
        Place { files: Folder::open(&inside).unwrap(), _folder: folder, outside, inside }
    }

    #[test]
    fn files_are_read_written_and_listed() {
        let Place { files, inside, _folder, .. } = place();
        assert_eq!(files.read(&path("a.txt")).unwrap().unwrap(), b"one");
        assert_eq!(files.read(&path("b/c/d")).unwrap(), None);
        files.write(&path("b/c/d"), b"new".to_vec()).unwrap();
        files.write(&path("a.txt"), b"two".to_vec()).unwrap();
        assert_eq!(fs::read(inside.join("b/c/d")).unwrap(), b"new");
        assert_eq!(fs::read(inside.join("a.txt")).unwrap(), b"two");
        assert_eq!(files.list(None).unwrap(), ["a.txt", "b/"].map(str::to_owned).into());
        assert_eq!(files.list(Some(&path("b/c"))).unwrap(), ["d".to_owned()].into());
        assert_eq!(files.list(Some(&path("nowhere"))).unwrap(), BTreeSet::new());
        assert_eq!(files.all(None).unwrap(), ["a.txt", "b/c/d"].map(path));
        assert_eq!(files.read(&path("b")).unwrap(), None);
        let refused = |text| files.write(&path(text), Vec::new()).unwrap_err().to_string();
        assert_eq!(refused("b/c"), "`b/c` is a folder");
        assert_eq!(refused("b/c/d/e"), "`b/c/d/e` cannot be: `b/c/d` is a file");
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let Place { files, inside, _folder, .. } = place();
        for mode in [0o755, 0o600, 0o444] {
            fs::set_permissions(inside.join("a.txt"), fs::Permissions::from_mode(mode)).unwrap();
            files.write(&path("a.txt"), b"new".to_vec()).unwrap();
            assert_eq!(fs::metadata(inside.join("a.txt")).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn more_files_than_are_looked_through_are_told() {
        let Place { mut files, inside, _folder, .. } = place();
        files.files_max = 3;
        for name in ["b", "c"] {
            fs::write(inside.join(name), "").unwrap();
        }
        assert_eq!(files.all(None).unwrap().len(), 3);
        fs::write(inside.join("d"), "").unwrap();
        let told = files.all(None).unwrap_err().to_string();
        assert_eq!(told, "there are more than 3 files: name a folder that holds fewer");
    }

    #[test]
    fn no_link_leads_anywhere() {
        let Place { files, outside, inside, _folder } = place();
        symlink(&outside, inside.join("folder")).unwrap();
        symlink(outside.join("secret"), inside.join("file")).unwrap();
        symlink("a.txt", inside.join("within")).unwrap();
        symlink(outside.join("missing"), inside.join("dangling")).unwrap();
        symlink(".", inside.join("loop")).unwrap();
        for text in ["folder/secret", "file", "within", "dangling", "loop/a.txt", "loop/loop/file"] {
            assert!(files.read(&path(text)).is_err(), "{text} is read");
            assert!(files.write(&path(text), b"x".to_vec()).is_err(), "{text} is written");
        }
        assert!(files.list(Some(&path("folder"))).is_err());
        assert_eq!(files.list(None).unwrap(), ["a.txt".to_owned()].into());
        assert_eq!(files.all(None).unwrap(), [path("a.txt")]);
        assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
        assert!(!outside.join("missing").exists());
    }

    #[test]
    fn a_root_that_is_moved_away_stays_the_root() {
        let Place { files, outside, inside, _folder } = place();
        fs::rename(&inside, outside.join("moved")).unwrap();
        symlink(&outside, &inside).unwrap();
        assert_eq!(files.read(&path("secret")).unwrap(), None);
        assert_eq!(files.read(&path("a.txt")).unwrap().unwrap(), b"one");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let Place { files, inside, _folder, .. } = place();
        let pipe = rustix::fs::mknodat(
            rustix::fs::CWD,
            inside.join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        );
        pipe.unwrap();
        assert!(matches!(files.read(&path("pipe")), Err(FileError::NotAFile { .. })));
        assert!(matches!(files.write(&path("pipe"), Vec::new()), Err(FileError::NotAFile { .. })));
        let large = File::create(inside.join("large")).unwrap();
        large.set_len(1 << 40).unwrap();
        assert!(matches!(files.read(&path("large")), Err(FileError::TooLarge { .. })));
    }
}
