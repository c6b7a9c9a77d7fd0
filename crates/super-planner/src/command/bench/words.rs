//! `--words`: what follows from the figures, in the words of a language model.

use agent_runtime::guard::{ProviderLimits, Providers};
use agent_runtime::model::SimulatedProfile;
use perf_suite::{Report, Words, advise};

use crate::cli::ModelArgs;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;
use crate::models::Models;
use crate::terminal::Terminal;

/// A model that can be asked for words.
pub(super) struct Wording {
    name: String,
    model: Providers,
}

impl Wording {
    /// Returns the model of that name; one that cannot be asked is told before anything is measured.
    pub(super) fn by(name: &str) -> Result<Self, CliError> {
        let args = ModelArgs { models: vec![name.to_owned()], ..ModelArgs::default() };
        let models = Models::choose(&args, ProviderLimits::default())?;
        Ok(Self { name: name.to_owned(), model: models.as_one(&SimulatedProfile::default()) })
    }

    /// Adds the words to a report. Where the model has none the report is whole without them, and a note says why.
    pub(super) fn add_to(&self, report: &mut Report, terminal: &Terminal) -> Result<(), CliError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                CliError::new(ErrorKind::Internal, "the model cannot be asked").caused_by(error)
            })?;
        match runtime.block_on(Words::of(&advise(report), &self.name, &self.model)) {
            Ok(words) => report.words = words,
            Err(error) => {
                let (name, why) = (escaped(&self.name), escaped(&error.to_string()));
                terminal.note(format!("no words of {name}: {why}"));
            }
        }
        Ok(())
    }
}
