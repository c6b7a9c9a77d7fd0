//! Which models answer, and what stands between them and those who ask.

use std::sync::Arc;
use std::time::Duration;

use agent_runtime::budget::Budget;
use agent_runtime::guard::{Provider, ProviderLimits, Providers};
use agent_runtime::model::{LanguageModel, Simulated, SimulatedProfile};
use agent_runtime::token::{Estimate, TokenCounter};

use crate::cli::ModelArgs;
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;

/// How long a question waits for a model that is overloaded or away.
const PATIENCE: Duration = Duration::from_secs(60);
const FORMS: &str = "a model is simulated, anthropic:NAME or openai:NAME; --endpoint names another server";
const SIMULATED: &str = "simulated";

/// The models of a command, the preferred one first.
#[derive(Clone)]
pub(crate) struct Models {
    providers: Vec<Provider>,
    counter: Arc<dyn TokenCounter>,
    kind: Kind,
}

/// What kind the models are of: all of them are of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Simulations.
    Simulated,
    /// Models over HTTP.
    Remote,
}

/// Returns what a session may use up.
pub(crate) fn budget(args: &ModelArgs) -> Budget {
    let otherwise = Budget::default();
    Budget {
        tokens_max: args.tokens_max.unwrap_or(otherwise.tokens_max),
        cost_max: args.cost_max.unwrap_or(otherwise.cost_max),
        prices: args.prices.unwrap_or(otherwise.prices),
        ..otherwise
    }
}

impl Kind {
    /// Returns the kind of the models that the arguments name.
    pub(crate) fn of(args: &ModelArgs) -> Self {
        let is_simulated = args.models.iter().all(|name| name == SIMULATED);
        if is_simulated { Self::Simulated } else { Self::Remote }
    }
}

impl Models {
    /// Returns the models that the arguments name: a simulated one, where they name none.
    pub(crate) fn choose(args: &ModelArgs, limits: ProviderLimits) -> Result<Self, CliError> {
        let simulated = [SIMULATED.to_owned()];
        let names = if args.models.is_empty() { &simulated[..] } else { &args.models };
        if Kind::of(args) == Kind::Simulated {
            if args.summarise {
                let message = "a simulated model cannot sum up a conversation";
                return Err(CliError::new(ErrorKind::Usage, message).hint("--model names another"));
            }
            let provider = |name: &String| Provider::new(name, Arc::new(Simulated::default()), limits);
            return Ok(Self {
                providers: names.iter().map(provider).collect(),
                counter: Arc::new(Estimate::default()),
                kind: Kind::Simulated,
            });
        }
        if names.iter().any(|name| name == SIMULATED) {
            let message = "a simulated model cannot take over from a real one";
            return Err(CliError::new(ErrorKind::Usage, message));
        }
        let mut providers = Vec::with_capacity(names.len());
        let mut counter = None;
        for name in names {
            let (model, counts) = remote(args, name)?;
            providers.push(Provider::new(name, model, limits));
            counter.get_or_insert(counts);
        }
        Ok(Self { providers, counter: counter.expect("there is a model"), kind: Kind::Remote })
    }

    /// Returns what they are.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what counts the tokens of the preferred one.
    pub(crate) fn counter(&self) -> Arc<dyn TokenCounter> {
        Arc::clone(&self.counter)
    }

    /// Returns them as one; those that are simulated behave so, each by a seed of its own.
    pub(crate) fn as_one(&self, simulation: &SimulatedProfile) -> Providers {
        let behaving = |(number, provider): (u64, &Provider)| match self.kind {
            Kind::Remote => provider.clone(),
            Kind::Simulated => {
                let seed = simulation.seed.wrapping_add(number);
                provider.through(Arc::new(Simulated::new(SimulatedProfile { seed, ..simulation.clone() })))
            }
        };
        Providers::new((0..).zip(&self.providers).map(behaving).collect(), PATIENCE)
    }
}

type ModelAndCounter = (Arc<dyn LanguageModel>, Arc<dyn TokenCounter>);

fn remote(args: &ModelArgs, name: &str) -> Result<ModelAndCounter, CliError> {
    match name.split_once(':') {
        Some((dialect @ ("anthropic" | "openai"), name)) if !name.is_empty() => {
            over_http(args, dialect, name)
        }
        _ => {
            let message = format!("there is no model `{}`", escaped(name));
            Err(CliError::new(ErrorKind::Usage, message).hint(FORMS))
        }
    }
}

#[cfg(not(feature = "http-models"))]
fn over_http(_: &ModelArgs, _: &str, _: &str) -> Result<ModelAndCounter, CliError> {
    let message = "this program was built without models over HTTP";
    Err(CliError::new(ErrorKind::Usage, message).hint("build it with `--features http-models`"))
}

#[cfg(feature = "http-models")]
fn over_http(args: &ModelArgs, dialect: &str, name: &str) -> Result<ModelAndCounter, CliError> {
    use agent_runtime::model::http::{Dialect, HttpModel, HttpSettings, Key};
    use agent_runtime::token::{Vocabulary, VocabularyName};
    let (dialect, counter): (_, Arc<dyn TokenCounter>) = match dialect {
        "anthropic" => (Dialect::Anthropic, Arc::new(Estimate::default())),
        _ => match VocabularyName::of_model(name) {
            Some(vocabulary) => (Dialect::OpenAi, Arc::new(Vocabulary::in_background(vocabulary))),
            // A server of another kind speaks the dialect, too: what its models count is not known.
            None => (Dialect::OpenAi, Arc::new(Estimate::default())),
        },
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
