//! How many tokens a text is: what a model has room for, and what it costs.
//!
//! [`Vocabulary`] counts exactly, for models of OpenAI. For all others there is an estimate, which says that it is one and
//! comes nearer the more often the provider has told what a conversation really took.

mod estimate;
#[cfg(feature = "vocabularies")]
mod vocabulary;

pub use estimate::{Estimate, estimate};
#[cfg(feature = "vocabularies")]
pub use vocabulary::{Vocabulary, VocabularyName};

use crate::model::Message;
use crate::tool::ToolSpec;

/// Tokens that a message takes beside its text: its role and where it ends.
const FRAME_TOKENS: u64 = 4;

/// Counts tokens.
pub trait TokenCounter: Send + Sync + std::fmt::Debug + 'static {
    /// Returns how many tokens a text is. Quick, and the same for the same text unless the counter has learned more.
    fn count(&self, text: &str) -> u64;

    /// Returns whether that is the number which the model counts itself, or an estimate.
    fn is_exact(&self) -> bool;

    /// Learns that what it counted as `counted` tokens were `actual` ones. An exact counter has nothing to learn.
    fn learn(&self, counted: u64, actual: u64);
}

/// Returns how many tokens a message is, its frame included.
pub fn count_message(counter: &dyn TokenCounter, message: &Message) -> u64 {
    message.texts().map(|text| counter.count(text)).sum::<u64>() + FRAME_TOKENS
}

/// Returns how many tokens a model is told of its tools, about: each provider has a form of its own for them.
pub fn count_tools(counter: &dyn TokenCounter, tools: &[ToolSpec]) -> u64 {
    let of_tool = |tool: &ToolSpec| {
        let schema = tool.arguments.to_json().to_string();
        [&tool.name, &tool.description, &schema].map(|text| counter.count(text)).iter().sum::<u64>()
            + FRAME_TOKENS
    };
    tools.iter().map(of_tool).sum()
}
