//! A guess at the number of tokens, by the number of bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Message;
use crate::token::{FRAME_TOKENS, TokenCounter};

/// Bytes a token in English text and code; on real skills this is 7 % above the exact number.
const BYTES_PER_TOKEN: u64 = 4;

/// How much of the difference to what a provider told is taken over at once.
const LEARNING_SHARE: f64 = 0.25;
/// The bounds of the correction: a provider that tells nonsense must not ruin the count.
const CORRECTION: std::ops::RangeInclusive<f64> = 0.5..=3.0;

/// Returns a guess at the tokens of a message, its frame included.
pub fn estimate(message: &Message) -> u64 {
    message.texts().map(of_text).sum::<u64>() + FRAME_TOKENS
}

fn of_text(text: &str) -> u64 {
    (text.len() as u64).div_ceil(BYTES_PER_TOKEN)
}

/// An estimate that learns from what providers tell.
#[derive(Debug)]
pub struct Estimate {
    /// What a guess is multiplied with, as the bits of an `f64`.
    correction: AtomicU64,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { correction: AtomicU64::new(1.0_f64.to_bits()) }
    }
}

impl Estimate {
    fn correction(&self) -> f64 {
        f64::from_bits(self.correction.load(Ordering::Relaxed))
    }
}

impl TokenCounter for Estimate {
    fn count(&self, text: &str) -> u64 {
        (of_text(text) as f64 * self.correction()).ceil() as u64
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn learn(&self, counted: u64, actual: u64) {
        if counted == 0 || actual == 0 {
            return;
        }
        let correction = self.correction();
        let told = correction * actual as f64 / counted as f64;
        let learned = correction + LEARNING_SHARE * (told - correction);
        // Two who learn at the same time: one of them is lost, which only makes it slower.
        self.correction
            .store(learned.clamp(*CORRECTION.start(), *CORRECTION.end()).to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_comes_nearer_with_what_it_is_told() {
        let (counter, text) = (Estimate::default(), "x".repeat(4000));
        assert_eq!((counter.count(&text), counter.is_exact()), (1000, false));
        for _ in 0..20 {
            counter.learn(counter.count(&text), 1300);
        }
        assert!((1290..=1310).contains(&counter.count(&text)), "{}", counter.count(&text));
    }

    #[test]
    fn nonsense_from_a_provider_does_not_ruin_it() {
        let (counter, text) = (Estimate::default(), "x".repeat(4000));
        for actual in [0, u64::MAX, u64::MAX, u64::MAX] {
            counter.learn(1, actual);
        }
        counter.learn(0, 5);
        assert_eq!(counter.count(&text), 3000);
    }
}
