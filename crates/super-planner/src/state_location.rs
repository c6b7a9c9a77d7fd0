//! Where the state of a workspace is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git_ops::Repository;
use state_store::log::{Origin, PostgresAddress, PostgresOptions, PostgresStore, Provenance};
use state_store::{MemoryStore, SqliteStore, StateStore, SystemClock};

use crate::cli::PlaceArgs;
use crate::config::Config;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;

/// The default place, in the git folder of the repository.
pub const DEFAULT_IN_GIT_FOLDER: &str = "super-planner/state.db";

/// Where the state of a workspace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateLocation {
    /// In this SQLite file.
    File(PathBuf),
    /// In this PostgreSQL database, which processes on many machines share.
    Postgres(PostgresAddress, PostgresOptions),
    /// In memory: it ends with its process.
    Memory,
}

impl StateLocation {
    /// Returns the place that the flags name, else the configuration, else the default one in the repository.
    pub fn find(place: &PlaceArgs, config: &Config) -> Result<Self, CliError> {
        let location = Self::named(place, config)?;
        match location {
            Self::Postgres(address, options) if place.unsafe_durability => {
                tracing::warn!(
                    "--unsafe-durability: the settings of {address} are not looked at; what is told to be recorded may \
                     be lost when the server or its machine fails"
                );
                Ok(Self::Postgres(address, PostgresOptions { unsafe_durability: true, ..options }))
            }
            Self::File(_) | Self::Memory if place.unsafe_durability => {
                let message = "--unsafe-durability is for a state in PostgreSQL: a file is always flushed";
                Err(CliError::new(ErrorKind::Usage, message))
            }
            location => Ok(location),
        }
    }

    fn named(place: &PlaceArgs, config: &Config) -> Result<Self, CliError> {
        match config.state.or_flag(place.state.clone().map(Some)).value {
            Some(url) => Self::parse(&url),
            None => {
                let folder = place.repo.as_deref().unwrap_or(Path::new("."));
                let repository = Repository::open(folder).map_err(|error| {
                    CliError::from(error)
                        .hint("--repo names a repository, or --state the file that the state is in")
                })?;
                Ok(Self::in_repository(&repository))
            }
        }
    }

    /// Returns the default place in a repository.
    pub fn in_repository(repository: &Repository) -> Self {
        Self::File(repository.git_dir().join(DEFAULT_IN_GIT_FOLDER))
    }

    /// Returns the folder in which what agents print is kept on this machine; none where the state ends with its process, or
    /// the environment names no home.
    pub fn transcripts_folder(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Some(path.with_file_name(format!("{name}-transcripts")))
            }
            Self::Postgres(address, _) => {
                let folder =
                    |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
                let home = || Some(folder("HOME")?.join(".local/state"));
                let name: String = address.to_string();
                let name = name.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
                Some(folder("XDG_STATE_HOME").or_else(home)?.join("super-planner/transcripts").join(name))
            }
            Self::Memory => None,
        }
    }

    /// Returns the place that `sqlite:PATH`, `postgres://...`, `memory:` or a bare path names.
    pub fn parse(url: &str) -> Result<Self, CliError> {
        let usage = |message: String| CliError::new(ErrorKind::Usage, message);
        let forms = "a state is a file, sqlite:FILE, postgres://USER@HOST/DATABASE or memory:";
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        let path = match url.split_once(':') {
            Some(("sqlite", path)) => path.strip_prefix("//").unwrap_or(path),
            Some(("postgres" | "postgresql", _)) => {
                let address = PostgresAddress::parse(url);
                return address
                    .map(|address| Self::Postgres(address, PostgresOptions::default()))
                    .map_err(|error| usage(error.to_string()).hint(forms));
            }
            // What follows may hold a password.
            Some((scheme, rest)) if scheme == "memory" || rest.starts_with("//") => {
                let message = format!("`{}:` names no state that this program knows", escaped(scheme));
                return Err(usage(message).hint(forms));
            }
            Some(_) | None => url,
        };
        if path.is_empty() {
            return Err(usage("the state has no path".to_owned()).hint(forms));
        }
        Ok(Self::File(path.into()))
    }

    /// Opens the store; makes it where there is none. One that holds only a part of what was copied into it is refused.
    pub fn open(&self) -> Result<Arc<dyn StateStore>, CliError> {
        let store: Arc<dyn StateStore> = match self {
            Self::File(path) => Arc::new(SqliteStore::open(path, Arc::new(SystemClock))?),
            Self::Postgres(address, options) => Arc::new(PostgresStore::open(address, *options)?),
            Self::Memory => return Ok(Arc::new(MemoryStore::new(Arc::new(SystemClock)))),
        };
        check_whole(&*store)?;
        Ok(store)
    }

    /// Opens the store to copy something into it; makes it where there is none.
    pub fn open_durable(&self) -> Result<Arc<dyn StateStore>, CliError> {
        match self {
            Self::File(_) | Self::Postgres(..) => self.open(),
            Self::Memory => {
                let message = "a state in memory ends with its process: nothing can be kept there";
                Err(CliError::new(ErrorKind::Usage, message).hint("--state names a file or a database"))
            }
        }
    }

    /// Opens the store to look at it; where there is none, none is made.
    pub fn open_existing(&self) -> Result<Arc<dyn StateStore>, CliError> {
        let store = self.open_as_it_is()?;
        check_whole(&*store)?;
        Ok(store)
    }

    /// Opens the store that is there, also where it holds only a part of what it was to hold.
    pub fn open_as_it_is(&self) -> Result<Arc<dyn StateStore>, CliError> {
        match self {
            Self::File(path) => Ok(Arc::new(SqliteStore::open_existing(path, Arc::new(SystemClock))?)),
            Self::Postgres(address, options) => {
                Ok(Arc::new(PostgresStore::open_existing(address, *options)?))
            }
            Self::Memory => Err(CliError::new(
                ErrorKind::Usage,
                "a state in memory ends with its process: there is nothing to look at",
            )),
        }
    }
}

fn check_whole(store: &dyn StateStore) -> Result<(), CliError> {
    match Provenance::of(store)? {
        Provenance::Grown | Provenance::Copied(_) => Ok(()),
        Provenance::Unfinished(origin) => Err(CliError::new(ErrorKind::Store, "the store cannot be used")
            .caused_by(unfinished(&origin))
            .hint("remove it, and do the same again into an empty store")),
    }
}

/// Returns what an origin that has come to no end means.
pub(crate) fn unfinished(origin: &Origin) -> &'static str {
    match origin {
        Origin::Import { .. } => "an import into it did not come to its end",
        Origin::Recovery { .. } => "a recovery into it did not come to its end",
    }
}

impl fmt::Display for StateLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(&escaped(&path.to_string_lossy())),
            Self::Postgres(address, _) => f.write_str(&escaped(&address.to_string())),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

/// Returns the text that named a place, fit to be shown: an address of a database without its password.
pub fn shown(url: &str) -> String {
    match StateLocation::parse(url) {
        Ok(StateLocation::Postgres(address, _)) => address.to_string(),
        Ok(StateLocation::File(_) | StateLocation::Memory) => url.to_owned(),
        Err(_) => match url.split_once(':') {
            Some((scheme, _)) => format!("{scheme}:..."),
            None => url.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_name_states() {
        let file = |path: &str| StateLocation::File(path.into());
        assert_eq!(StateLocation::parse("memory:").unwrap(), StateLocation::Memory);
        assert_eq!(StateLocation::parse("a/state.db").unwrap(), file("a/state.db"));
        assert_eq!(StateLocation::parse("sqlite:a.db").unwrap(), file("a.db"));
        assert_eq!(StateLocation::parse("sqlite:///a.db").unwrap(), file("/a.db"));
        assert_eq!(StateLocation::parse("odd:name.db").unwrap(), file("odd:name.db"));
        let StateLocation::Postgres(address, _) =
            StateLocation::parse("postgresql://ann:s3cret@host/x").unwrap()
        else {
            panic!("a database");
        };
        assert_eq!(address.to_string(), "postgres://ann@host:5432/x");
        for (url, kind) in [
            ("postgres://", ErrorKind::Usage),
            ("postgres:x", ErrorKind::Usage),
            ("http://x", ErrorKind::Usage),
            ("memory:x", ErrorKind::Usage),
            ("sqlite:", ErrorKind::Usage),
            ("", ErrorKind::Usage),
        ] {
            assert_eq!(StateLocation::parse(url).unwrap_err().kind(), kind, "{url}");
        }
    }
    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown("postgres://ann:s3cret@host/x"), "postgres://ann@host:5432/x");
        assert_eq!(shown("postgres://ann:s3cret@host:port/x"), "postgres:...");
        assert_eq!(shown("sqlite:a.db"), "sqlite:a.db");
        let error = StateLocation::parse("mysql://ann:s3cret@host/x").unwrap_err();
        assert_eq!(error.to_string(), "`mysql:` names no state that this program knows");
    }
}
