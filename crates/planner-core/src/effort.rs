//! How much work a task is: a whole number of milliseconds, so that sums and comparisons are exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MILLIS_PER_HOUR: f64 = 3_600_000.0;

/// Planned work, to the millisecond. Sums saturate.
///
/// In plan files it is a number of hours, or a text such as `30m`, `4h` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Effort(u64);

/// Why a value cannot be an effort.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidEffort {
    /// Not a number, negative, or beyond [`Effort::MAX`].
    #[error("an effort of {hours} hours is not between 0 and {}", Effort::MAX.as_hours())]
    OutOfRange {
        /// The number of hours given.
        hours: f64,
    },
    /// The text is no duration.
    #[error("`{text}` is no effort: write a number of hours, or a duration such as `30m`, `4h` or `1h 30m`")]
    NoDuration {
        /// The text given.
        text: String,
    },
}

impl Effort {
    /// No work.
    pub const ZERO: Self = Self(0);
    /// What a task is taken to be when its plan does not say: one hour.
    pub const DEFAULT: Self = Self(3_600_000);
    /// The most one task can be: a hundred thousand hours.
    pub const MAX: Self = Self(360_000_000_000);

    /// Returns the effort of that many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the effort of that many hours, if it is from 0 to [`Effort::MAX`].
    pub fn from_hours(hours: f64) -> Result<Self, InvalidEffort> {
        if !(0.0..=Self::MAX.as_hours()).contains(&hours) {
            return Err(InvalidEffort::OutOfRange { hours });
        }
        // In range, so the conversion neither wraps nor loses more than a fraction of a millisecond.
        Ok(Self((hours * MILLIS_PER_HOUR).round() as u64))
    }

    /// Returns the effort that a text names: `90`, `1.5` (hours), `30m`, `4h`, `1h 30m`, `2d` (days of 24 hours), `45s`.
    pub fn parse(text: &str) -> Result<Self, InvalidEffort> {
        if let Ok(hours) = text.trim().parse::<f64>() {
            return Self::from_hours(hours);
        }
        let invalid = || InvalidEffort::NoDuration { text: text.to_owned() };
        let mut hours = 0.0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(invalid());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
            let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = rest[digits..].trim_start();
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            hours += number * hours_per(&rest[..letters]).ok_or_else(invalid)?;
            rest = rest[letters..].trim_start();
        }
        Self::from_hours(hours)
    }

    /// Returns the work in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the work in hours.
    pub fn as_hours(self) -> f64 {
        self.0 as f64 / MILLIS_PER_HOUR
    }

    /// Returns the work as a length of time, if one agent did it without a break.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Returns the difference, or zero where `other` is more.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

fn hours_per(unit: &str) -> Option<f64> {
    match unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => Some(1.0 / 3600.0),
        "m" | "min" | "minute" | "minutes" => Some(1.0 / 60.0),
        "h" | "hr" | "hour" | "hours" => Some(1.0),
        "d" | "day" | "days" => Some(24.0),
        _ => None,
    }
}

impl Add for Effort {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Effort {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Effort {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Sum for Effort {
    fn sum<I: Iterator<Item = Self>>(efforts: I) -> Self {
        efforts.fold(Self::ZERO, Add::add)
    }
}

/// Hours with up to two decimals, such as `4h` or `0.25h`.
impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.as_hours());
        f.pad(&format!("{}h", text.trim_end_matches('0').trim_end_matches('.')))
    }
}

impl Serialize for Effort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_hours())
    }
}

impl<'de> Deserialize<'de> for Effort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EffortVisitor)
    }
}

struct EffortVisitor;

impl serde::de::Visitor<'_> for EffortVisitor {
    type Value = Effort;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of hours or a duration such as `30m`")
    }

    fn visit_f64<E: serde::de::Error>(self, hours: f64) -> Result<Effort, E> {
        Effort::from_hours(hours).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, hours: u64) -> Result<Effort, E> {
        self.visit_f64(hours as f64)
    }

    fn visit_i64<E: serde::de::Error>(self, hours: i64) -> Result<Effort, E> {
        self.visit_f64(hours as f64)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Effort, E> {
        Effort::parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_name_efforts() {
        for (text, millis) in [
            ("1.5", 5_400_000),
            ("30m", 1_800_000),
            ("1h 30m", 5_400_000),
            ("2d", 172_800_000),
            ("45s", 45_000),
        ] {
            assert_eq!(Effort::parse(text).unwrap().as_millis(), millis, "{text}");
        }
        for text in ["", "h", "4 parsecs", "-1", "NaN", "1h x", "1e99", "1.2.3h"] {
            assert!(Effort::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hours_print_without_needless_decimals() {
        assert_eq!(Effort::from_hours(4.0).unwrap().to_string(), "4h");
        assert_eq!(Effort::from_hours(0.25).unwrap().to_string(), "0.25h");
        assert_eq!(Effort::from_hours(100.0).unwrap().to_string(), "100h");
    }
}
