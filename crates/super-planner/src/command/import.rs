//! `import`: an exported history into an empty store.

use std::fs::File;
use std::io::BufReader;

use serde_json::json;
use state_store::log::{ImportError, OriginError, import};

use crate::cli::ImportArgs;
use crate::command::export::told;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::state_location::StateLocation;
use crate::terminal::Terminal;

/// Reads the file into the store.
pub fn run(args: &ImportArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let location = StateLocation::find(&args.place, config)?;
    let shown = escaped(&args.file.to_string_lossy());
    let file = File::open(&args.file).map_err(|error| {
        CliError::new(ErrorKind::Input, format!("`{shown}` cannot be read")).caused_by(error)
    })?;
    let store = location.open_durable()?;
    let streams = import(&*store, &mut BufReader::new(file)).map_err(|error| failed(error, &shown))?;
    if args.json {
        let streams = streams.iter().map(|archived| {
            json!({
                "stream": archived.stream.as_str(),
                "entries": archived.end.head,
                "hash": archived.end.hash.to_string(),
            })
        });
        let streams: Vec<_> = streams.collect();
        terminal.json(&json!({ "version": 1, "state": location.to_string(), "streams": streams }))?;
    } else {
        terminal.line(told(&streams, "imported", &location))?;
    }
    Ok(Exit::Fine)
}

fn failed(error: ImportError, file: &str) -> CliError {
    match error {
        ImportError::Store(error) | ImportError::Origin(OriginError::Store(error)) => error.into(),
        ImportError::Origin(error) => CliError::new(ErrorKind::Store, "nothing was imported")
            .caused_by(error)
            .hint("an import needs an empty store: --state names one; a file that does not exist is made"),
        error @ (ImportError::Read(_)
        | ImportError::Foreign
        | ImportError::Newer { .. }
        | ImportError::CutOff { .. }
        | ImportError::Damaged { .. }) => {
            CliError::new(ErrorKind::Input, format!("`{file}` cannot be imported; nothing was written"))
                .caused_by(error)
        }
        ImportError::Copy(error) => CliError::new(ErrorKind::Store, "the import did not come to its end")
            .caused_by(error)
            .hint("the store refuses to be used as it is: remove it, and import again"),
    }
}
