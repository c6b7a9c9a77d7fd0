//! A command that is asked how to break a task down: the question on its standard input, the answer on its standard output.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use planner_core::planning::{Ask, Decomposer, Part, parse_reply, prompt};

use crate::error::{CliError, ErrorKind};

/// How long an answer may be, and how long it may take.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15 * 60);

/// A program and its arguments; there is no shell.
pub(super) struct AskedCommand {
    program: String,
    arguments: Vec<String>,
    time_max: Duration,
}

impl AskedCommand {
    /// Returns the command of a text that is split at white space.
    pub(super) fn of(command: &str) -> Result<Self, CliError> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let program =
            words.next().ok_or_else(|| CliError::new(ErrorKind::Usage, "the command names no program"))?;
        Ok(Self { program, arguments: words.collect(), time_max: ANSWER_TIME_MAX })
    }

    fn answer(&self, question: &str) -> io::Result<String> {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut asked = Asked(child);
        let (stdin, stdout) = (asked.0.stdin.take(), asked.0.stdout.take());
        let (mut stdin, stdout) = stdin.zip(stdout).expect("they were asked for");
        let question = question.to_owned();
        // Whoever answers before it has read the whole question closes its input early: that is its own affair.
        std::thread::spawn(move || drop(stdin.write_all(question.as_bytes())));
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer);
            // Nobody may be waiting any more.
            let _ = said.send(read.map(|_| answer));
        });
        let too_late = |_| io::Error::other(format!("it took more than {:?}", self.time_max));
        let answer = heard.recv_timeout(self.time_max).map_err(too_late)??;
        if answer.len() as u64 > ANSWER_BYTES_MAX {
            return Err(io::Error::other(format!("it said more than {ANSWER_BYTES_MAX} bytes")));
        }
        match asked.0.wait()? {
            status if status.success() => Ok(String::from_utf8_lossy(&answer).into_owned()),
            status => Err(io::Error::other(format!("it ended with {status}"))),
        }
    }
}

impl Decomposer for AskedCommand {
    fn parts(&mut self, ask: &Ask<'_>) -> Result<Vec<Part>, String> {
        let answer =
            self.answer(&prompt(ask)).map_err(|error| format!("{} gave no answer: {error}", self.program))?;
        parse_reply(&answer)
    }
}

/// A program that was asked; one that is not listened to any more is ended.
struct Asked(Child);

impl Drop for Asked {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(program: &str, arguments: &[&str], time_max: Duration) -> Result<String, String> {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let command = AskedCommand { program: program.to_owned(), arguments, time_max };
        command.answer("what?").map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_is_bounded_in_length_and_time() {
        let long = Duration::from_secs(60);
        assert_eq!(answer("cat", &[], long).as_deref(), Ok("what?"));
        assert_eq!(answer("true", &[], long).as_deref(), Ok(""));
        assert!(answer("false", &[], long).unwrap_err().contains("it ended with"));
        assert!(answer("yes", &[], long).unwrap_err().contains("it said more than"));
        assert!(
            answer("sleep", &["600"], Duration::from_millis(50)).unwrap_err().contains("it took more than")
        );
        assert!(answer("/no/such/program", &[], long).is_err());
    }
}
