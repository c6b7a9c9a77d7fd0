//! Which model answers.

use std::sync::Arc;
use std::time::Duration;

use agent_runtime::guard::{Provider, ProviderLimits, Providers};
use agent_runtime::model::{LanguageModel, Simulated, SimulatedProfile};
use agent_runtime::token::{Estimate, TokenCounter};

use crate::cli::ChatArgs;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;

/// How long a question waits for a model that is overloaded or away.
const PATIENCE: Duration = Duration::from_secs(60);
const FORMS: &str = "a model is simulated, anthropic:NAME or openai:NAME; --endpoint names another server";

/// A model, and what counts its tokens.
pub(super) struct Chosen {
    pub(super) model: Arc<dyn LanguageModel>,
    pub(super) counter: Arc<dyn TokenCounter>,
}

/// Returns the model that the arguments name.
pub(super) fn choose(args: &ChatArgs, seed: u64) -> Result<Chosen, CliError> {
    let (model, counter) = match args.model.split_once(':') {
        None if args.model == "simulated" => simulated(args, seed),
        Some((dialect @ ("anthropic" | "openai"), name)) if !name.is_empty() => remote(args, dialect, name)?,
        _ => {
            let message = format!("there is no model `{}`", escaped(&args.model));
            return Err(CliError::new(ErrorKind::Usage, message).hint(FORMS));
        }
    };
    let provider = Provider::new(args.model.clone(), model, ProviderLimits::default());
    Ok(Chosen { model: Arc::new(Providers::new(vec![provider], PATIENCE)), counter })
}

type ModelAndCounter = (Arc<dyn LanguageModel>, Arc<dyn TokenCounter>);

fn simulated(args: &ChatArgs, seed: u64) -> ModelAndCounter {
    let profile = SimulatedProfile {
        seed,
        latency: args.latency,
        word_every: args.latency / 10,
        ..SimulatedProfile::default()
    };
    (Arc::new(Simulated::new(profile)), Arc::new(Estimate::default()))
}

#[cfg(not(feature = "http-models"))]
fn remote(_: &ChatArgs, _: &str, _: &str) -> Result<ModelAndCounter, CliError> {
    let message = "this program was built without models over HTTP";
    Err(CliError::new(ErrorKind::Usage, message).hint("build it with `--features http-models`"))
}

#[cfg(feature = "http-models")]
fn remote(args: &ChatArgs, dialect: &str, name: &str) -> Result<ModelAndCounter, CliError> {
    use agent_runtime::model::http::{Dialect, HttpModel, HttpSettings, Key};
    use agent_runtime::token::{Vocabulary, VocabularyName};
    let (dialect, counter): (_, Arc<dyn TokenCounter>) = match dialect {
        "anthropic" => (Dialect::Anthropic, Arc::new(Estimate::default())),
        _ => (Dialect::OpenAi, Arc::new(Vocabulary::in_background(VocabularyName::O200k))),
    };
    let mut settings = HttpSettings::new(dialect, name);
    if let Some(endpoint) = &args.endpoint {
        settings.endpoint.clone_from(endpoint);
    }
    let key = Key::from_environment(dialect.key_variable())
        .map_err(|error| CliError::new(ErrorKind::Usage, "there is no key for the model").caused_by(error))?;
    let model = HttpModel::new(settings, key)
        .map_err(|error| CliError::new(ErrorKind::Internal, "the model cannot be asked").caused_by(error))?;
    Ok((Arc::new(model), counter))
}
