//! `logs`: what the programs have printed that worked on a task, also while they print it.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use agent_coordinator::executor::{TranscriptFile, Transcripts};
use serde_json::json;
use state_store::Timestamp;

use crate::cli::LogsArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::local_time::local_time;
use crate::project_view::ProjectView;
use crate::terminal::{DIM, HEADING, Terminal};

/// How soon something new is seen.
const POLL: Duration = Duration::from_millis(200);

/// Shows the transcripts of a task.
pub fn run(args: &LogsArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut view = ProjectView::open(&args.place, config)?;
    let key = view.find_task(&args.task, args.project.as_deref())?;
    let project =
        view.engine().state().project(key.project).map(|project| project.name.clone()).unwrap_or_default();
    let folder = view.location().transcripts_folder();
    let found = || {
        let all = folder.as_deref().map(|folder| Transcripts::of_task(folder, &project, &args.task));
        let wanted = all.unwrap_or_default().into_iter();
        wanted.filter(|found| args.attempt.is_none_or(|token| token == found.token)).collect::<Vec<_>>()
    };
    let mut shown: Vec<Follower> = Vec::new();
    loop {
        // Looked at first, so that what was printed before the end is shown.
        let is_over = view.engine().state().task(key).is_none_or(|record| record.state.is_settled());
        for file in found() {
            if !shown.iter().any(|follower| follower.token == file.token) {
                if !args.json {
                    terminal.line(format_args!("{HEADING}attempt with token {}{HEADING:#}", file.token))?;
                }
                shown.push(Follower::new(file.token));
            }
            let follower = shown.iter_mut().find(|follower| follower.token == file.token);
            let follower = follower.expect("it was added where it was missing");
            follower.read_on(&file, |line| tell(line, file.token, args.json, terminal))?;
        }
        if !args.follow || is_over {
            break;
        }
        view.wait_for_news(POLL)?;
        view.read_on()?;
    }
    if shown.is_empty() {
        let message = format!("nothing is kept of what programs have printed for {}", escaped(&args.task));
        return Err(CliError::new(ErrorKind::NotFound, message)
            .hint("only what agents print that are programs is kept, on the machine on which they ran"));
    }
    Ok(Exit::Fine)
}

fn tell(line: &str, token: u64, as_json: bool, terminal: &Terminal) -> Result<(), CliError> {
    let mut words = line.splitn(3, ' ');
    let (at, stream, text) = (words.next(), words.next(), words.next());
    let at_ms = at.and_then(|at| at.parse::<u64>().ok()).unwrap_or_default();
    let (stream, text) = (stream.unwrap_or_default(), text.unwrap_or_default());
    if as_json {
        return terminal
            .json_line(&json!({ "at_ms": at_ms, "token": token, "stream": stream, "text": text }));
    }
    let time = local_time(Timestamp::from_millis(at_ms));
    let time = time.split(' ').nth(1).unwrap_or_default().to_owned();
    let mark = if stream == "err" { "!" } else { " " };
    terminal.line(format_args!("{DIM}{time}{DIM:#} {mark} {}", escaped(text)))
}

/// Reads a transcript on while it grows, and while its older part is set aside.
struct Follower {
    token: u64,
    /// Which file was read last, and how far.
    file: Option<(u64, u64)>,
}

impl Follower {
    fn new(token: u64) -> Self {
        Self { token, file: None }
    }

    /// Tells each whole line that was not told yet.
    fn read_on(
        &mut self,
        found: &TranscriptFile,
        mut tell: impl FnMut(&str) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        for path in found.older.iter().chain([&found.path]) {
            let Some(file) = self.begin(path) else { continue };
            let mut reader = BufReader::new(file);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) && line.ends_with(b"\n") {
                tell(String::from_utf8_lossy(&line).trim_end_matches('\n'))?;
                if let Some((_, told)) = &mut self.file {
                    *told += line.len() as u64;
                }
                line.clear();
            }
        }
        Ok(())
    }

    /// Opens a file at the first line that was not told; none where all of it was, or it is gone.
    fn begin(&mut self, path: &Path) -> Option<File> {
        let mut file = File::open(path).ok()?;
        let number = file.metadata().ok()?.ino();
        let is_older = path.extension().is_some_and(|extension| extension == "older");
        match self.file {
            Some((known, told)) if known == number => {
                file.seek(SeekFrom::Start(told)).ok()?;
            }
            // An older part that was not read last was told before what was.
            Some(_) if is_older => return None,
            _ => self.file = Some((number, 0)),
        }
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_followed_across_the_moment_at_which_its_older_part_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (path, older) = (folder.path().join("1.log"), folder.path().join("1.older"));
        let mut follower = Follower::new(1);
        let mut told = Vec::new();
        let mut read_on = |follower: &mut Follower| {
            let older = older.exists().then(|| older.clone());
            let found = TranscriptFile { token: 1, path: path.clone(), older };
            let mut tell = |line: &str| {
                told.push(line.to_owned());
                Ok(())
            };
            follower.read_on(&found, &mut tell).unwrap();
        };
        std::fs::write(&path, "a\nb\nhal").unwrap();
        read_on(&mut follower);
        std::fs::write(&path, "a\nb\nhalf\nc\n").unwrap();
        std::fs::rename(&path, &older).unwrap();
        std::fs::write(&path, "d\n").unwrap();
        read_on(&mut follower);
        std::fs::write(&path, "d\ne\n").unwrap();
        read_on(&mut follower);
        read_on(&mut follower);
        assert_eq!(told, ["a", "b", "half", "c", "d", "e"]);
    }
}
