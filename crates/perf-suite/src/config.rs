//! What a user may set about measuring: thresholds by scenario, how many pairs, alerts. One TOML file; what it does not name is as
//! the claims state it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::compare::{Rules, Severity};

/// The settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BenchConfig {
    /// By how much a service may be slower, as a share, by its name. `general` is for scenarios without one.
    pub thresholds: BTreeMap<String, f64>,
    /// Which service a scenario belongs to; the longest name that a scenario begins with decides.
    pub services: BTreeMap<String, String>,
    /// How many pairs a comparison of two programs takes.
    pub pairs: usize,
    /// The least severity at which a comparison ends with an exit code for the build to fail.
    pub fail_on: Severity,
    /// What is watched for while something runs.
    pub alerts: Vec<AlertRule>,
}

/// When somebody is told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// What is watched.
    pub figure: AlertFigure,
    /// The alert is raised above this.
    pub above: f64,
    /// What happens then.
    #[serde(default)]
    pub action: AlertAction,
}

/// What can be watched, second by second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertFigure {
    /// The share of operations that failed in the last second.
    ErrorRate,
    /// The 99th percentile of the last second, in seconds.
    LatencyP99,
    /// Resident memory in bytes.
    ResidentMemory,
    /// The longest stall of the platform in the last second, in seconds.
    Pause,
}

impl AlertFigure {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ErrorRate => "error rate",
            Self::LatencyP99 => "99th percentile of latencies",
            Self::ResidentMemory => "resident memory",
            Self::Pause => "the longest pause",
        }
    }
}

/// What an alert does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertAction {
    /// It is told.
    #[default]
    Tell,
    /// The scenario comes to its end; its report says that it was cut short.
    Stop,
}

/// Why a file of settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBenchConfig {
    /// It is not the TOML that was expected.
    #[error("the settings cannot be read: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A share that is none.
    #[error("the threshold of `{service}` is {value}: it is a share from 0 up, such as 0.1 for 10 %")]
    Threshold {
        /// Of what.
        service: String,
        /// What was given.
        value: f64,
    },
    /// A service without a threshold.
    #[error("`{scenario}` belongs to `{service}`, which has no threshold; there are {known}")]
    NoThreshold {
        /// Which scenario.
        scenario: String,
        /// Which service.
        service: String,
        /// What there is.
        known: String,
    },
    /// Too few pairs to tell anything.
    #[error("{pairs} pairs can tell nothing: six are the fewest")]
    TooFewPairs {
        /// How many were given.
        pairs: usize,
    },
}

/// The service of scenarios that belong to none.
const GENERAL: &str = "general";
/// The fewest pairs that have an interval.
const PAIRS_MIN: usize = 6;

impl Default for BenchConfig {
    fn default() -> Self {
        let thresholds = [(GENERAL, 0.1), ("orchestration", 0.2), ("cache", 0.15), ("session", 0.3)];
        let services = [
            ("BENCH-002", "orchestration"),
            ("SK-CONCURRENT", "orchestration"),
            ("PR-", "session"),
            ("SK-LOOP", "session"),
        ];
        Self {
            thresholds: thresholds.map(|(service, share)| (service.to_owned(), share)).into(),
            services: services.map(|(scenario, service)| (scenario.to_owned(), service.to_owned())).into(),
            pairs: 12,
            fail_on: Severity::Minor,
            alerts: Vec::new(),
        }
    }
}

impl BenchConfig {
    /// Returns the settings of a file; thresholds and services that it does not name stay as they are.
    pub fn parse(text: &str) -> Result<Self, InvalidBenchConfig> {
        let given: Self = toml::from_str(text)?;
        let mut config = Self::default();
        config.thresholds.extend(given.thresholds);
        config.services.extend(given.services);
        let config = Self { pairs: given.pairs, fail_on: given.fail_on, alerts: given.alerts, ..config };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), InvalidBenchConfig> {
        for (service, value) in &self.thresholds {
            if !value.is_finite() || *value < 0.0 {
                return Err(InvalidBenchConfig::Threshold { service: service.clone(), value: *value });
            }
        }
        for (scenario, service) in &self.services {
            if !self.thresholds.contains_key(service) {
                return Err(InvalidBenchConfig::NoThreshold {
                    scenario: scenario.clone(),
                    service: service.clone(),
                    known: self.thresholds.keys().cloned().collect::<Vec<_>>().join(", "),
                });
            }
        }
        if self.pairs < PAIRS_MIN {
            return Err(InvalidBenchConfig::TooFewPairs { pairs: self.pairs });
        }
        Ok(())
    }

    /// Returns the rules for a scenario.
    pub fn rules(&self, scenario: &str) -> Rules {
        let fitting = self.services.iter().filter(|(name, _)| scenario.starts_with(name.as_str()));
        let service = fitting.max_by_key(|(name, _)| name.len()).map_or(GENERAL, |(_, service)| service);
        Rules { threshold: self.thresholds.get(service).copied().unwrap_or(0.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_as_the_claims_state_it() {
        let config = BenchConfig::parse("").unwrap();
        assert_eq!(config, BenchConfig::default());
        for (scenario, threshold) in
            [("BENCH-001", 0.1), ("BENCH-002", 0.2), ("PR-USERS", 0.3), ("anything", 0.1)]
        {
            assert_eq!(config.rules(scenario).threshold, threshold, "{scenario}");
        }
    }

    #[test]
    fn a_file_changes_what_it_names() {
        let text = "pairs = 20\nfail_on = 'critical'\n[thresholds]\ngeneral = 0.05\nmine = 0.4\n\
                    [services]\nBENCH-003 = 'mine'\n[[alerts]]\nfigure = 'error_rate'\nabove = 0.05\naction = 'stop'\n";
        let config = BenchConfig::parse(text).unwrap();
        assert_eq!((config.rules("BENCH-001").threshold, config.rules("BENCH-003").threshold), (0.05, 0.4));
        assert_eq!((config.pairs, config.fail_on), (20, Severity::Critical));
        assert_eq!(config.alerts[0].action, AlertAction::Stop);
    }

    #[test]
    fn unusable_files_are_refused_with_the_reason() {
        for (text, message) in [
            ("pears = 3", "unknown field `pears`"),
            ("pairs = 3", "six are the fewest"),
            ("[thresholds]\ngeneral = -0.1", "`general` is -0.1"),
            ("[services]\nX = 'nobody'", "`nobody`, which has no threshold"),
            ("[[alerts]]\nfigure = 'mood'\nabove = 1.0", "unknown variant `mood`"),
            ("pairs = ", "cannot be read"),
        ] {
            let refused = BenchConfig::parse(text).unwrap_err().to_string();
            assert!(refused.contains(message), "{refused}");
        }
    }
}
