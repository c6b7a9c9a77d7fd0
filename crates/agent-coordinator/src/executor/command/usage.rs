//! What agents use up: tokens, and money.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// How many tokens were read.
    pub tokens_input: u64,
    /// How many tokens were written.
    pub tokens_output: u64,
    /// What it cost, in millionths of a dollar of the United States.
    pub cost_micros: u64,
}

impl Usage {
    /// Returns how many tokens were read or written.
    pub fn tokens(&self) -> u64 {
        self.tokens_input.saturating_add(self.tokens_output)
    }

    /// Returns the sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            tokens_input: self.tokens_input.saturating_add(other.tokens_input),
            tokens_output: self.tokens_output.saturating_add(other.tokens_output),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
        }
    }

    /// Returns what this has beyond another one.
    #[must_use]
    pub(super) fn beyond(&self, other: &Self) -> Self {
        Self {
            tokens_input: self.tokens_input.saturating_sub(other.tokens_input),
            tokens_output: self.tokens_output.saturating_sub(other.tokens_output),
            cost_micros: self.cost_micros.saturating_sub(other.cost_micros),
        }
    }

    /// Returns the greater of each.
    #[must_use]
    pub(super) fn at_least(&self, other: &Self) -> Self {
        Self {
            tokens_input: self.tokens_input.max(other.tokens_input),
            tokens_output: self.tokens_output.max(other.tokens_output),
            cost_micros: self.cost_micros.max(other.cost_micros),
        }
    }

    /// Returns whether there is nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.tokens())?;
        if self.cost_micros > 0 {
            write!(f, ", {} USD", dollars(self.cost_micros))?;
        }
        Ok(())
    }
}

/// Returns an amount in dollars, to the cent or, where that would be nothing, to the millionth.
pub(super) fn dollars(micros: u64) -> String {
    if micros < 10_000 {
        format!("{:.6}", micros as f64 / 1e6)
    } else {
        format!("{:.2}", micros as f64 / 1e6)
    }
}
