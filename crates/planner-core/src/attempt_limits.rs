//! What an attempt at a task may take, where its plan says so.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::KeptFields;

/// What an attempt at a task may take; what is `None` is for whoever coordinates to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct AttemptLimits {
    /// How long its lease lasts, in seconds, before it must be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored")]
    pub lease_seconds: Option<NonZeroU32>,
    /// How long its agent may take, in seconds, until it shows anything.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored")]
    pub start_seconds: Option<NonZeroU32>,
    /// For how long its agent may show nothing after that, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored")]
    pub silence_seconds: Option<NonZeroU32>,
    /// How long it may take in all, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored")]
    pub attempt_seconds: Option<NonZeroU32>,
    /// How many attempts may end in silence; then the task has failed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored")]
    pub losses_max: Option<NonZeroU32>,
}

impl AttemptLimits {
    /// The names of the fields, in files as here.
    pub const NAMES: [&str; 5] =
        ["lease_seconds", "start_seconds", "silence_seconds", "attempt_seconds", "losses_max"];

    /// Returns what is said, by the order of [`Self::NAMES`].
    pub fn values(&self) -> [Option<NonZeroU32>; 5] {
        [self.lease_seconds, self.start_seconds, self.silence_seconds, self.attempt_seconds, self.losses_max]
    }

    /// Returns the limits of these values, by the order of [`Self::NAMES`].
    pub fn of(values: [Option<NonZeroU32>; 5]) -> Self {
        let [lease_seconds, start_seconds, silence_seconds, attempt_seconds, losses_max] = values;
        Self { lease_seconds, start_seconds, silence_seconds, attempt_seconds, losses_max }
    }

    /// Takes them out of fields that were kept when they had no meaning yet.
    pub fn taken_from(kept: &mut KeptFields) -> Self {
        Self::of(Self::NAMES.map(|name| whole_number(&kept.remove(name)?)))
    }

    /// Returns whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns how long a lease lasts, if that is said.
    pub fn lease(&self) -> Option<Duration> {
        self.lease_seconds.map(seconds)
    }

    /// Returns how long its agent may take until it shows anything, if that is said.
    pub fn start(&self) -> Option<Duration> {
        self.start_seconds.map(seconds)
    }

    /// Returns for how long its agent may show nothing, if that is said.
    pub fn silence(&self) -> Option<Duration> {
        self.silence_seconds.map(seconds)
    }

    /// Returns how long an attempt may take, if that is said.
    pub fn attempt(&self) -> Option<Duration> {
        self.attempt_seconds.map(seconds)
    }
}

pub(crate) fn seconds(number: NonZeroU32) -> Duration {
    Duration::from_secs(u64::from(number.get()))
}

/// Reads what was stored. A field of that name that a plan had for a purpose of its own, before it had a meaning here, asks
/// for nothing.
pub(crate) fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    Ok(whole_number(&Value::deserialize(deserializer)?))
}

fn whole_number(value: &Value) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(value.as_u64()?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_seconds_asks_for_nothing() {
        let of = |text: &str| serde_json::from_str::<AttemptLimits>(text).unwrap();
        assert_eq!(of(r#"{"lease_seconds": 90}"#).lease(), Some(Duration::from_secs(90)));
        for value in ["0", "-1", "1.5", "\"long\"", "null", "[1]", "4294967296"] {
            assert!(
                of(&format!(r#"{{"lease_seconds": {value}, "losses_max": {value}}}"#)).is_empty(),
                "{value}"
            );
        }
        let all = AttemptLimits::of(std::array::from_fn(|place| NonZeroU32::new(place as u32 + 1)));
        let written = serde_json::to_value(all).unwrap();
        let named = AttemptLimits::NAMES.map(|name| written[name].as_u64());
        assert_eq!(named, [1, 2, 3, 4, 5].map(Some));
        assert_eq!(of(&written.to_string()), all);
    }
}
