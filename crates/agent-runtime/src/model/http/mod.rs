//! Models over HTTP: Anthropic Messages, and chat completions as OpenAI and many others have them; both stream.
//!
//! A key is read from the environment and goes into one header. No error holds it, even where a server sends it back. What
//! a model replies is handed on as it is.

mod anthropic;
mod key;
mod openai;
mod reading;
mod sse;

pub use key::{Key, NoKey};

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use crate::BoxFuture;
use crate::model::{LanguageModel, ModelError, Question, Reply};

use reading::{Progress, Reading};
use sse::SseParser;

/// How long a connection may take to come about, and how long it may be silent.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// The longest wait that a server can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// The bytes of an error that are looked at, and the characters that are told.
const ERROR_BYTES_MAX: usize = 16 * 1024;
const ERROR_CHARS_MAX: usize = 300;
/// The bytes of a whole reply.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// What the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI's chat completions, as many servers have them.
    OpenAi,
}

impl Dialect {
    /// Returns the address that is used where none is named.
    pub fn default_endpoint(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com/v1/messages",
            Self::OpenAi => "https://api.openai.com/v1/chat/completions",
        }
    }

    /// Returns the environment variable that holds the key by custom.
    pub fn key_variable(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::OpenAi => "OPENAI_API_KEY",
        }
    }

    fn headers(self, key: &Key) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let (name, value) = match self {
            Self::Anthropic => {
                headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
                ("x-api-key", key.header_value(""))
            }
            Self::OpenAi => ("authorization", key.header_value("Bearer ")),
        };
        headers.insert(HeaderName::from_static(name), value);
        headers
    }

    fn body(self, settings: &HttpSettings, question: &Question<'_>) -> Value {
        match self {
            Self::Anthropic => anthropic::body(settings, question),
            Self::OpenAi => openai::body(settings, question),
        }
    }

    fn reading(self) -> Box<dyn Reading + Send> {
        match self {
            Self::Anthropic => Box::<anthropic::Messages>::default(),
            Self::OpenAi => Box::<openai::Completion>::default(),
        }
    }
}

/// Which model is asked, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// What the server speaks.
    pub dialect: Dialect,
    /// The address that questions are sent to.
    pub endpoint: String,
    /// The name of the model.
    pub model: String,
    /// The tokens of a reply.
    pub reply_tokens_max: u32,
}

impl HttpSettings {
    /// Returns the settings for a model at the usual address.
    pub fn new(dialect: Dialect, model: impl Into<String>) -> Self {
        let endpoint = dialect.default_endpoint().to_owned();
        Self { dialect, endpoint, model: model.into(), reply_tokens_max: 8192 }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("no connections can be made")]
pub struct NoClient(#[source] reqwest::Error);

/// A model over HTTP.
#[derive(Debug)]
pub struct HttpModel {
    settings: HttpSettings,
    key: Key,
    client: Client,
}

impl HttpModel {
    /// Returns a model that is asked with that key.
    pub fn new(settings: HttpSettings, key: Key) -> Result<Self, NoClient> {
        // Another part of the program may have chosen one before, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .connect_timeout(CONNECT_TIME_MAX)
            .read_timeout(SILENCE_MAX)
            // A question goes where it was sent, and so does the key.
            .redirect(reqwest::redirect::Policy::none());
        let builder = if settings.endpoint.starts_with("https:") {
            builder
        } else {
            // A server of one's own, without TLS: a machine without root certificates will do.
            builder.tls_certs_only([])
        };
        let client = builder.build().map_err(NoClient)?;
        Ok(Self { settings, key, client })
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Reply, ModelError> {
        let dialect = self.settings.dialect;
        let response = self
            .client
            .post(&self.settings.endpoint)
            .headers(dialect.headers(&self.key))
            .header("content-type", "application/json")
            .header("accept", "text/event-stream")
            .body(dialect.body(&self.settings, question).to_string())
            .send()
            .await
            .map_err(|error| self.broken(&error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        self.read(response, question).await
    }

    /// Reads the events of a reply, and hands on its text as it comes.
    async fn read(&self, mut response: Response, question: &Question<'_>) -> Result<Reply, ModelError> {
        let (mut parser, mut reading) = (SseParser::default(), self.settings.dialect.reading());
        let mut bytes = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            bytes += chunk.len();
            if bytes > REPLY_BYTES_MAX {
                return Err(unavailable("the reply does not end"));
            }
            let events = parser.push(&chunk).map_err(|too_long| unavailable(too_long.to_string()))?;
            for event in events {
                match reading.take(&event).map_err(|error| self.redacted(error))? {
                    Progress::Heard(text) => (question.hear)(&text),
                    Progress::Nothing => {}
                    Progress::Done => return reading.reply(),
                }
            }
        }
        Err(unavailable("the connection ended within a reply"))
    }

    /// Returns what a status other than success means.
    async fn refused(&self, response: Response) -> ModelError {
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let told = self.error_text(response).await;
        match status.as_u16() {
            429 | 503 | 529 => ModelError::Overloaded { retry_after },
            408 | 500..=599 => unavailable(format!("{}: {told}", status_in_words(status))),
            _ => ModelError::Rejected { reason: format!("{}: {told}", status_in_words(status)) },
        }
    }

    /// Returns what the body of a refusal says, in a line.
    async fn error_text(&self, mut response: Response) -> String {
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ERROR_BYTES_MAX {
                break;
            }
        }
        let text = match serde_json::from_slice::<Value>(&bytes) {
            Ok(json) => reading::error_message(&json).unwrap_or_default(),
            Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        self.in_a_line(&text)
    }

    fn in_a_line(&self, text: &str) -> String {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        self.key.redact(text).chars().map(shown).take(ERROR_CHARS_MAX).collect()
    }

    /// Returns what a connection that failed means; its address is known to who reads this.
    fn broken(&self, error: &reqwest::Error) -> ModelError {
        let kind = if error.is_timeout() {
            "the server does not answer"
        } else if error.is_connect() {
            "the server cannot be reached"
        } else {
            "the connection broke off"
        };
        let mut causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
        match causes.next().and_then(|_| causes.last()) {
            Some(cause) => unavailable(format!("{kind}: {}", self.in_a_line(&cause.to_string()))),
            None => unavailable(kind),
        }
    }

    fn redacted(&self, error: ModelError) -> ModelError {
        match error {
            ModelError::Unavailable { reason } => unavailable(self.in_a_line(&reason)),
            ModelError::Rejected { reason } => ModelError::Rejected { reason: self.in_a_line(&reason) },
            error @ (ModelError::Overloaded { .. } | ModelError::CutOff | ModelError::Cancelled) => error,
        }
    }
}

impl LanguageModel for HttpModel {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = question.cancel.cancelled() => Err(ModelError::Cancelled),
                outcome = self.ask(&question) => outcome,
            }
        })
    }
}

fn unavailable(reason: impl Into<String>) -> ModelError {
    ModelError::Unavailable { reason: reason.into() }
}

fn status_in_words(status: StatusCode) -> String {
    status.to_string()
}

/// Returns how long the server wants to be left alone, where it says so as a number or as a moment.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"));
    let seconds = seconds.or_else(|| seconds_until_retry(headers))?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Returns the seconds to the moment of `Retry-After`, by the clock of the server: ours may be another.
fn seconds_until_retry(headers: &HeaderMap) -> Option<f64> {
    let moment = |name: &str| jiff::fmt::rfc2822::parse(headers.get(name)?.to_str().ok()?.trim()).ok();
    Some(moment("retry-after")?.duration_since(&moment("date")?).as_secs_f64())
}

#[cfg(test)]
mod tests;
