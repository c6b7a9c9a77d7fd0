//! What answers: the one place where language models are plugged in.

#[cfg(feature = "http-models")]
pub mod http;
mod language_model;
mod message;
pub mod scripted;
pub mod simulated;

pub use language_model::{LanguageModel, ModelError, Question};
pub use message::{Message, Reply, TokenUsage};
pub use scripted::Scripted;
pub use simulated::{Simulated, SimulatedProfile};
