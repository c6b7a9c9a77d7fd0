//! What a session may use up in all, and where it stands.

use std::time::Duration;

use crate::model::{Message, TokenUsage};
use crate::planted::{self, Bug};
use crate::summary::Summary;

/// An amount of money, in millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MicroDollars(pub u64);

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prices {
    /// For a million tokens that it is shown.
    pub input_per_million: MicroDollars,
    /// For a million tokens that it says.
    pub output_per_million: MicroDollars,
}

impl Prices {
    /// Returns what so many tokens cost, rounded up.
    pub fn cost(&self, usage: TokenUsage) -> MicroDollars {
        let of = |tokens: u64, price: MicroDollars| u128::from(tokens) * u128::from(price.0);
        let (input, output) =
            (of(usage.input, self.input_per_million), of(usage.output, self.output_per_million));
        let millionths = input.saturating_add(output);
        MicroDollars(u64::try_from(millionths.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

/// What a session may use up. At a limit a run ends, and no further request is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The tokens that models may read and write.
    pub tokens_max: u64,
    /// What they may cost.
    pub cost_max: MicroDollars,
    /// What a model costs.
    pub prices: Prices,
    /// The bytes of its messages in memory.
    pub bytes_max: usize,
    /// The time since its first message.
    pub age_max: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            tokens_max: u64::MAX,
            cost_max: MicroDollars(u64::MAX),
            prices: Prices::default(),
            bytes_max: 256 << 20,
            age_max: Duration::MAX,
        }
    }
}

/// What a session has used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// The tokens of all replies, and of summaries.
    pub usage: TokenUsage,
    /// The bytes of all messages.
    pub bytes: usize,
}

impl Spent {
    /// Adds what a message takes.
    pub fn add(&mut self, message: &Message) {
        self.bytes += size_of::<Message>() + message.texts().map(str::len).sum::<usize>();
        if let Message::Assistant(reply) = message {
            self.usage = self.usage + reply.usage;
        }
    }

    /// Adds what a summary has cost beyond the one before it.
    pub(crate) fn summed_up(&mut self, earlier: Option<&Summary>, summary: &Summary) {
        let before = earlier.map(|summary| summary.usage).unwrap_or_default();
        let bytes_before = earlier.map_or(0, |summary| summary.text.len());
        self.bytes = (self.bytes + summary.text.len()).saturating_sub(bytes_before);
        self.usage = self.usage
            + TokenUsage {
                input: summary.usage.input.saturating_sub(before.input),
                output: summary.usage.output.saturating_sub(before.output),
            };
    }
}

/// What a session has used up entirely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Its tokens.
    Tokens,
    /// Its money.
    Cost,
    /// Its memory.
    Memory,
    /// Its time.
    Age,
}

impl Budget {
    /// Says what is used up, if anything is.
    pub fn check(&self, spent: &Spent, age: Duration) -> Result<(), Exhausted> {
        if planted::is_on(Bug::BudgetIgnored) {
            return Ok(());
        }
        let tokens = spent.usage.input.saturating_add(spent.usage.output);
        if tokens >= self.tokens_max {
            Err(Exhausted::Tokens)
        } else if self.prices.cost(spent.usage) >= self.cost_max {
            Err(Exhausted::Cost)
        } else if spent.bytes >= self.bytes_max {
            Err(Exhausted::Memory)
        } else if age >= self.age_max {
            Err(Exhausted::Age)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reply;

    #[test]
    fn each_part_of_a_budget_is_looked_at() {
        let usage = TokenUsage { input: 1_000_000, output: 200_001 };
        let spent = Spent { usage, bytes: 5000 };
        let prices = Prices {
            input_per_million: MicroDollars(3_000_000),
            output_per_million: MicroDollars(15_000_000),
        };
        assert_eq!(prices.cost(usage), MicroDollars(3_000_000 + 3_000_015));
        let hour = Duration::from_secs(3600);
        let enough = Budget {
            tokens_max: 1_200_002,
            cost_max: MicroDollars(6_000_016),
            prices,
            bytes_max: 5001,
            age_max: hour * 2,
        };
        assert_eq!(enough.check(&spent, hour), Ok(()));
        for (budget, exhausted) in [
            (Budget { tokens_max: 1_200_001, ..enough.clone() }, Exhausted::Tokens),
            (Budget { cost_max: MicroDollars(6_000_015), ..enough.clone() }, Exhausted::Cost),
            (Budget { bytes_max: 5000, ..enough.clone() }, Exhausted::Memory),
            (Budget { age_max: hour, ..enough }, Exhausted::Age),
        ] {
            assert_eq!(budget.check(&spent, hour), Err(exhausted));
        }
    }

    #[test]
    fn no_number_that_a_provider_tells_overflows() {
        let usage = TokenUsage { input: u64::MAX, output: u64::MAX };
        let mut spent = Spent::default();
        for _ in 0..2 {
            spent.add(&Message::Assistant(Reply { usage, ..Reply::default() }));
        }
        assert_eq!(spent.usage, usage);
        let dear = MicroDollars(u64::MAX);
        let prices = Prices { input_per_million: dear, output_per_million: dear };
        assert_eq!(prices.cost(usage), MicroDollars(u64::MAX));
        assert_eq!(Budget::default().check(&spent, Duration::ZERO), Err(Exhausted::Tokens));
    }
}
