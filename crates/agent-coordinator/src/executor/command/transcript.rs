//! What agents print, kept for people: a file for each attempt, of a bounded size, in a folder of a bounded size.
//!
//! A file holds a line for each line that was printed: when, on which stream, and the text with what could steer a terminal
//! written out. Where it grows too large its older half goes, into a file beside it that takes the place of the one before.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use state_store::Timestamp;

use crate::process::Stream;

/// The longest line that is kept whole.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The folder of the transcripts, and how much it may hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Transcripts {
    folder: PathBuf,
    attempt_bytes_max: u64,
    bytes_max: u64,
    /// How much is in there, about.
    bytes: Arc<AtomicU64>,
}

/// A transcript that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptFile {
    /// The attempt, by its token.
    pub token: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Where its older part is, if there is one.
    pub older: Option<PathBuf>,
}

impl Transcripts {
    /// Returns the transcripts of a folder, which is made with the first of them; one of an attempt may hold so many bytes, all
    /// of them together so many, or the oldest go.
    pub fn new(folder: PathBuf, attempt_bytes_max: u64, bytes_max: u64) -> Self {
        let transcripts = Self { folder, attempt_bytes_max, bytes_max, bytes: Arc::default() };
        transcripts
            .bytes
            .store(transcripts.files().iter().map(|(_, _, bytes)| bytes).sum(), Ordering::Relaxed);
        transcripts
    }

    /// Returns the transcripts of a task, the earliest attempt first.
    pub fn of_task(folder: &Path, project: &str, task: &str) -> Vec<TranscriptFile> {
        let folder = folder.join(file_name(project)).join(file_name(task));
        let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        let tokens =
            entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log")?.parse::<u64>().ok());
        let mut tokens: Vec<u64> = tokens.collect();
        tokens.sort_unstable();
        let file = |token: u64| {
            let older = folder.join(format!("{token}.older"));
            TranscriptFile {
                token,
                path: folder.join(format!("{token}.log")),
                older: older.exists().then_some(older),
            }
        };
        tokens.into_iter().map(file).collect()
    }

    /// Returns the transcript of an attempt, which is made with its first line.
    pub(super) fn of_attempt(&self, project: &str, task: &str, token: u64) -> Transcript {
        let folder = self.folder.join(file_name(project)).join(file_name(task));
        let (path, older) = (folder.join(format!("{token}.log")), folder.join(format!("{token}.older")));
        Transcript { all: self.clone(), path, older, file: None, bytes: 0 }
    }

    /// Removes the oldest transcripts until there is room for new ones.
    fn make_room(&self) {
        let mut files = self.files();
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
        for (_, path, size) in files {
            // Room for a while, so that this is not done again at once.
            if bytes <= self.bytes_max / 10 * 9 {
                break;
            }
            if std::fs::remove_file(&path).is_ok() {
                bytes -= size;
                // The folders of its task and project go with the last file in them.
                let folders = path.ancestors().skip(1).take(2);
                folders.for_each(|folder| drop(std::fs::remove_dir(folder)));
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns all files with when each was written last, and its size.
    fn files(&self) -> Vec<(std::time::SystemTime, PathBuf, u64)> {
        let below = |folder: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            entries.map(|entry| entry.path()).collect()
        };
        let tasks = below(&self.folder).into_iter().flat_map(|project| below(&project));
        let files = tasks.flat_map(|task| below(&task));
        let sized = files.filter_map(|path| {
            let found = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((found.modified().ok()?, path, found.len()))
        });
        sized.collect()
    }
}

/// Returns a name as that of a file: letters, digits, `-` and `_` as they are, all else as numbers, and no more than a file
/// name may hold.
fn file_name(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
            other => drop(write!(text, "%{other:02x}")),
        }
    }
    if text.is_empty() || text.len() > 200 {
        // Two names that begin alike are still told apart.
        let sum = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        text.truncate(180);
        let _ = write!(text, "%{sum:016x}");
    }
    text
}

/// The transcript of one attempt, while it is written.
#[derive(Debug)]
pub(super) struct Transcript {
    all: Transcripts,
    path: PathBuf,
    older: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl Transcript {
    /// Adds a line.
    pub(super) fn add(&mut self, at: Timestamp, stream: Stream, line: &[u8]) -> io::Result<()> {
        let (kept, cut) = line.split_at(line.len().min(LINE_BYTES_MAX));
        let mut text = format!("{} {} ", at.as_millis(), stream.as_str());
        for character in String::from_utf8_lossy(kept).chars() {
            // A tab is only a wide space.
            if character.is_control() && character != '\t' {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        if !cut.is_empty() {
            let _ = write!(text, " (and {} bytes more)", cut.len());
        }
        text.push('\n');
        if self.bytes + text.len() as u64 > self.all.attempt_bytes_max / 2 {
            self.set_aside()?;
        }
        if self.file.is_none() {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            self.file = Some(File::options().create(true).append(true).open(&self.path)?);
        }
        let file = self.file.as_mut().expect("it was opened just now");
        file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        let all = self.all.bytes.fetch_add(text.len() as u64, Ordering::Relaxed) + text.len() as u64;
        if all > self.all.bytes_max {
            self.all.make_room();
        }
        Ok(())
    }

    /// Makes what was written so far the older part.
    fn set_aside(&mut self) -> io::Result<()> {
        if self.file.take().is_some() {
            let gone = self.older.symlink_metadata().map_or(0, |found| found.len());
            std::fs::rename(&self.path, &self.older)?;
            self.all.bytes.fetch_sub(gone, Ordering::Relaxed);
            self.bytes = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn bytes_below(folder: &Path) -> u64 {
        Transcripts::new(folder.to_owned(), 1, 1).bytes.load(Ordering::Relaxed)
    }

    #[test]
    fn lines_are_kept_with_their_time_and_steer_no_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let transcripts = Transcripts::new(folder.path().to_owned(), 1 << 20, 1 << 20);
        let mut transcript = transcripts.of_attempt("../x", "a/b", 3);
        transcript.add(at(7), Stream::Out, b"a\x1b[31mb\xff\tc").unwrap();
        transcript.add(at(8), Stream::Err, b"oops").unwrap();
        let found = Transcripts::of_task(folder.path(), "../x", "a/b");
        assert_eq!(found.len(), 1);
        assert!(found[0].path.starts_with(folder.path()) && !found[0].path.to_string_lossy().contains(".."));
        let text = std::fs::read_to_string(&found[0].path).unwrap();
        assert_eq!(text, "7 out a\\u{1b}[31mb\u{fffd}\tc\n8 err oops\n");
        assert_eq!(Transcripts::of_task(folder.path(), "other", "a/b"), []);
        assert_ne!(file_name(&"x".repeat(300)), file_name(&"x".repeat(301)));
        transcript.add(at(9), Stream::Out, &vec![b'y'; 1 << 18]).unwrap();
        assert!(std::fs::read_to_string(&found[0].path).unwrap().ends_with("(and 196608 bytes more)\n"));
    }

    #[test]
    fn an_attempt_that_prints_without_end_keeps_its_end_and_takes_no_more_room_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let transcripts = Transcripts::new(folder.path().to_owned(), 10_000, 1 << 20);
        let mut transcript = transcripts.of_attempt("p", "t", 1);
        for line in 0..5_000 {
            transcript.add(at(line), Stream::Out, format!("line {line}").as_bytes()).unwrap();
        }
        let bytes = bytes_below(folder.path());
        assert!((2_000..=10_000).contains(&bytes), "{bytes}");
        assert_eq!(transcripts.bytes.load(Ordering::Relaxed), bytes);
        let found = &Transcripts::of_task(folder.path(), "p", "t")[0];
        let older = std::fs::read_to_string(found.older.as_ref().unwrap()).unwrap();
        let text = older + &std::fs::read_to_string(&found.path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.last().unwrap().ends_with("line 4999") && lines.len() > 200);
    }

    #[test]
    fn the_oldest_transcripts_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let transcripts = Transcripts::new(folder.path().to_owned(), 10_000, 20_000);
        for token in 1..=40 {
            let mut transcript = transcripts.of_attempt("p", &format!("t{token}"), token);
            transcript.add(at(0), Stream::Out, &[b'x'; 1_000]).unwrap();
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(token);
            transcript.file.as_ref().unwrap().set_modified(time).unwrap();
        }
        let bytes = bytes_below(folder.path());
        assert!((10_000..=20_000).contains(&bytes), "{bytes}");
        assert_eq!(Transcripts::of_task(folder.path(), "p", "t1"), []);
        assert_eq!(Transcripts::of_task(folder.path(), "p", "t40").len(), 1);
    }
}
