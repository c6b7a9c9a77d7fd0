//! How a command ends: the exit codes, and errors with their kind, hint and causes.

use std::error::Error;
use std::fmt;

use agent_coordinator::engine::Refusal;
use agent_coordinator::{ScriptAgentError, TurnError};
use planner_core::{Diagnostic, Source};
use state_store::log::PostgresOpenError;
use state_store::task::{LoadError, ReplayError};
use state_store::{Seq, StoreError, StreamName};

/// How a command ended, told to the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// Everything is fine.
    Fine,
    /// The plan, the run or a check has problems.
    Problems,
    /// The command was not understood, or its input cannot be read.
    Usage,
    /// The store or the repository cannot be used.
    Store,
    /// It was interrupted; the work is kept.
    Interrupted,
    /// The program itself is at fault.
    Internal,
}

/// The end of `--help`. The table in the documentation says the same.
pub const EXIT_CODES_HELP: &str = "\
Exit codes:
  0   fine
  1   the plan, the run or a check has problems: defects, failed or blocked tasks
  2   the command was not understood, or its input cannot be read
  3   the store or the repository cannot be used
  4   interrupted; the work is kept, and the same command goes on
  70  a mistake in the program itself";

impl Exit {
    /// All of them, by code.
    pub const ALL: [Self; 6] =
        [Self::Fine, Self::Problems, Self::Usage, Self::Store, Self::Interrupted, Self::Internal];

    /// Returns the exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Problems => 1,
            Self::Usage => 2,
            Self::Store => 3,
            Self::Interrupted => 4,
            Self::Internal => 70,
        }
    }

    /// Returns `Problems` if there are some, else `Fine`.
    pub const fn problems_if(there_are: bool) -> Self {
        if there_are { Self::Problems } else { Self::Fine }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What kind of trouble it is; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The command cannot be carried out as it was given.
    Usage,
    /// A file that was named cannot be read.
    Input,
    /// The configuration cannot be used.
    Config,
    /// The plan has defects.
    Plan,
    /// What was asked for does not exist.
    NotFound,
    /// What was asked for is not possible now; nothing has changed.
    Refused,
    /// The store cannot be used.
    Store,
    /// The repository cannot be used.
    Repository,
    /// Somebody stopped it.
    Interrupted,
    /// Whoever read the output has gone; nothing is said about it.
    OutputClosed,
    /// The program is at fault, or the system does not do what it must.
    Internal,
}

impl ErrorKind {
    /// Returns the name, as JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Input => "input",
            Self::Config => "config",
            Self::Plan => "plan",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::Store => "store",
            Self::Repository => "repository",
            Self::Interrupted => "interrupted",
            Self::OutputClosed => "output-closed",
            Self::Internal => "internal",
        }
    }

    /// Returns how a command with this trouble ends.
    pub const fn exit(self) -> Exit {
        match self {
            Self::OutputClosed => Exit::Fine,
            Self::Plan | Self::NotFound | Self::Refused => Exit::Problems,
            Self::Usage | Self::Input | Self::Config => Exit::Usage,
            Self::Store | Self::Repository => Exit::Store,
            Self::Interrupted => Exit::Interrupted,
            Self::Internal => Exit::Internal,
        }
    }
}

/// Why a command came to nothing.
#[derive(Debug)]
pub struct CliError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    place: Option<Box<(Diagnostic, Source)>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CliError {
    /// Returns an error of that kind; the message is one sentence without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, place: None, source: None }
    }

    fn unusable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Store, "the store cannot be used").caused_by(source)
    }

    /// Returns it with advice.
    #[must_use = "the error is returned, not changed"]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns it with what caused it.
    #[must_use = "the error is returned, not changed"]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns it with the place in a text that it is about.
    #[must_use = "the error is returned, not changed"]
    pub fn at(mut self, diagnostic: Diagnostic, text: Source) -> Self {
        self.place = Some(Box::new((diagnostic, text)));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns how a command with this error ends.
    pub fn exit(&self) -> Exit {
        self.kind.exit()
    }

    /// Returns the advice.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the place in a text that it is about.
    pub fn place(&self) -> Option<(&Diagnostic, &Source)> {
        self.place.as_ref().map(|place| (&place.0, &place.1))
    }

    /// Returns the texts of its causes, the nearest first.
    pub fn causes(&self) -> Vec<String> {
        std::iter::successors(Error::source(self), |error| (*error).source())
            .map(ToString::to_string)
            .collect()
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

const BUSY_HINT: &str = "another process is writing; try again when it is done";

const RESTORE_HINT: &str = "nothing was changed; `super-planner verify` tells what is well, and `super-planner import` \
                            restores an export";

/// What can be done with a workspace that is damaged from an entry on.
fn damaged_from(at: Seq) -> String {
    let Some(well @ 1..) = at.get().checked_sub(1) else { return RESTORE_HINT.to_owned() };
    format!(
        "nothing was changed; entries up to {well} are well: `status`, `explain` and `log` show them with --at {well}, \
         and `super-planner recover --to {well} --out URL` makes a new store of them"
    )
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Busy { .. } => Some(BUSY_HINT.to_owned()),
            StoreError::Corrupt { stream, at, .. } if *stream == StreamName::workspace() => {
                Some(damaged_from(*at))
            }
            StoreError::Corrupt { .. } => Some(RESTORE_HINT.to_owned()),
            StoreError::Full => {
                Some("free some room on the disk, then run the same command again".to_owned())
            }
            StoreError::Replaced { .. } => {
                Some("put the file back, or run the same command again to begin a new one".to_owned())
            }
            StoreError::Compacted { .. } => {
                Some("what was dropped is only in the exports that were made before".to_owned())
            }
            StoreError::Poisoned | StoreError::Engine { .. } => None,
        };
        let error = Self::unusable(error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<Refusal> for CliError {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::UnsoundChange { .. } => Self::new(ErrorKind::Plan, refusal.to_string())
                .hint("leave out one of the dependencies that it names; nothing was changed"),
            _ => Self::new(ErrorKind::Refused, refusal.to_string())
                .hint("nothing was changed; `super-planner explain` tells where the task stands"),
        }
    }
}

impl From<ScriptAgentError> for CliError {
    fn from(error: ScriptAgentError) -> Self {
        match error {
            ScriptAgentError::Turn(source) => source.into(),
            ScriptAgentError::Refused(refusal) => refusal.into(),
            ScriptAgentError::LeaseOver { .. } => Self::new(ErrorKind::Refused, error.to_string())
                .hint("stop working on it: nothing of it is accepted"),
        }
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        TurnError::from(error).into()
    }
}

impl From<TurnError> for CliError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::NotBegun(source) => source.into(),
            TurnError::Unfit { at, .. } => Self::unusable(error).hint(damaged_from(at)),
            TurnError::Snapshot { .. } => Self::unusable(error).hint(RESTORE_HINT),
            error @ (TurnError::NotRecorded(_) | TurnError::InDoubt(_)) => {
                Self::new(ErrorKind::Store, "the change was not recorded for certain")
                    .hint("run the same command again: it finds out")
                    .caused_by(error)
            }
        }
    }
}

impl From<ReplayError> for CliError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Load(source) => source.into(),
            ReplayError::Beyond { .. } => Self::new(ErrorKind::NotFound, error.to_string()),
        }
    }
}

impl From<state_store::log::OpenError> for CliError {
    fn from(error: state_store::log::OpenError) -> Self {
        use state_store::log::OpenError;
        let hint = match &error {
            OpenError::Missing { .. } => {
                Some("`super-planner run` makes it; --repo and --state say where to look")
            }
            OpenError::Newer { .. } => Some("use the newer program that wrote it"),
            OpenError::Foreign { .. } => Some("--state names another file"),
            OpenError::NoLog { .. } => Some("--state names a file in another folder, or a database"),
            OpenError::Emptied { .. } => Some("if that was meant, remove both files; else bring a copy back"),
            OpenError::Folder { .. } | OpenError::UnsafeEngine { .. } | OpenError::Engine { .. } => None,
        };
        let error = Self::new(ErrorKind::Store, "the store cannot be opened").caused_by(error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<PostgresOpenError> for CliError {
    fn from(error: PostgresOpenError) -> Self {
        let hint = match &error {
            PostgresOpenError::Missing { .. } => Some("`super-planner run` makes it"),
            PostgresOpenError::Newer { .. } => Some("use the newer program that wrote it"),
            PostgresOpenError::Foreign { .. } => Some("--state names another database"),
            PostgresOpenError::UnsafeSetting { .. } => Some(
                "change the setting of the server, the database or the user; --unsafe-durability takes it as it is",
            ),
            PostgresOpenError::Client(_)
            | PostgresOpenError::NoAnswer { .. }
            | PostgresOpenError::Engine { .. } => None,
        };
        let error = Self::new(ErrorKind::Store, "the store cannot be opened").caused_by(error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<git_ops::OpenError> for CliError {
    fn from(error: git_ops::OpenError) -> Self {
        Self::new(ErrorKind::Repository, "the repository cannot be used").caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_exit_code_once() {
        let told: Vec<u8> = EXIT_CODES_HELP
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(told, Exit::ALL.map(Exit::code));
    }
}
