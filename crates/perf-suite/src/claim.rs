//! What somebody stated about the speed of such a system, and whether the figures bear it out.
//!
//! Claims are data: `data/claims.toml` lists them with their sources. A row that gives a number which its source leaves
//! open says so in `reading`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::profile::Profile;
use crate::run::ScenarioReport;
use crate::series::{Series, Summary, Unit};

/// A bound on one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Its name, such as `SP-LOAD.time`, unique.
    pub id: String,
    /// Who stated it.
    pub source: String,
    /// What was stated.
    pub statement: String,
    /// How the statement was turned into a number, where its source leaves that open.
    pub reading: Option<String>,
    /// The scenario that measures it.
    pub scenario: String,
    /// The metric in that scenario.
    pub metric: String,
    /// What the metric must keep.
    pub bound: Bound,
    /// The unit of the bound and of the metric.
    pub unit: Unit,
    /// The least thorough profile whose figures can decide it.
    pub profile: Profile,
}

/// What a metric must keep.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// It is this or less.
    AtMost(f64),
    /// It is this or more.
    AtLeast(f64),
}

/// What the figures say of a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The claim.
    pub claim: Claim,
    /// What was measured, if anything was.
    pub measured: Option<Summary>,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// Whether a claim holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The whole interval keeps the bound.
    Holds,
    /// The whole interval breaks the bound.
    Fails,
    /// The figures do not decide it.
    Inconclusive {
        /// Why not.
        why: String,
    },
}

/// Why a claims file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidClaims {
    /// It is not the TOML that was expected.
    #[error("the claims file cannot be read")]
    Syntax(#[from] toml::de::Error),
    /// It is of a version that this program does not know.
    #[error("the claims file has version {found}; this program reads version {VERSION}")]
    Version {
        /// The version given.
        found: u32,
    },
    /// Two claims have one name.
    #[error("the claim {id} stands twice")]
    Repeated {
        /// The name.
        id: String,
    },
    /// A bound that no figure can be compared with.
    #[error("the bound of the claim {id} is not a finite number")]
    BoundNotFinite {
        /// The name of the claim.
        id: String,
    },
    /// A claim names a profile that does not exist.
    #[error("the claim {id} cannot be used")]
    Profile {
        /// The name of the claim.
        id: String,
        /// What is wrong with its profile.
        #[source]
        cause: crate::profile::UnknownProfile,
    },
}

impl Outcome {
    /// Returns it as a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }
}

const VERSION: u32 = 1;

/// Everything that was stated, measured or not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// What is measured.
    pub measured: Vec<Claim>,
    /// What is not a figure, and is shown by something else.
    pub shown: Vec<Shown>,
    /// What is not measured yet.
    pub not_yet: Vec<NotYet>,
}

/// A statement that is not about a figure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Its name, unique.
    pub id: String,
    /// Who stated it.
    pub source: String,
    /// What was stated.
    pub statement: String,
    /// The command or the test that shows it.
    pub by: String,
}

/// A statement that nothing measures yet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotYet {
    /// Its name, unique.
    pub id: String,
    /// Who stated it.
    pub source: String,
    /// What was stated.
    pub statement: String,
    /// What is missing.
    pub why: String,
}

/// The file as it is stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimsFile {
    version: u32,
    #[serde(default)]
    claim: Vec<ClaimRow>,
    #[serde(default)]
    shown: Vec<Shown>,
    #[serde(default)]
    not_yet: Vec<NotYet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimRow {
    id: String,
    source: String,
    statement: String,
    reading: Option<String>,
    scenario: String,
    metric: String,
    bound: Bound,
    unit: Unit,
    profile: String,
}

/// Returns the claims that the suite comes with and measures.
pub fn claims() -> Vec<Claim> {
    ledger().measured
}

/// Returns everything that was stated of a system such as this one.
pub fn ledger() -> Ledger {
    parse_ledger(include_str!("../data/claims.toml")).expect("a test reads the file that is compiled in")
}

/// Returns the ledger of a file, each table in its order.
pub fn parse_ledger(text: &str) -> Result<Ledger, InvalidClaims> {
    let file: ClaimsFile = toml::from_str(text)?;
    if file.version != VERSION {
        return Err(InvalidClaims::Version { found: file.version });
    }
    let measured = file.claim.into_iter().map(ClaimRow::into_claim).collect::<Result<Vec<_>, _>>()?;
    let ledger = Ledger { measured, shown: file.shown, not_yet: file.not_yet };
    let mut ids = BTreeSet::new();
    let repeated = ledger.ids().find(|id| !ids.insert(*id)).map(str::to_owned);
    match repeated {
        Some(id) => Err(InvalidClaims::Repeated { id }),
        None => Ok(ledger),
    }
}

impl Ledger {
    /// Returns the names of all rows.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let measured = self.measured.iter().map(|claim| claim.id.as_str());
        let shown = self.shown.iter().map(|row| row.id.as_str());
        measured.chain(shown).chain(self.not_yet.iter().map(|row| row.id.as_str()))
    }
}

impl ClaimRow {
    fn into_claim(self) -> Result<Claim, InvalidClaims> {
        if !self.bound.value().is_finite() {
            return Err(InvalidClaims::BoundNotFinite { id: self.id });
        }
        let profile = match self.profile.parse() {
            Ok(profile) => profile,
            Err(cause) => return Err(InvalidClaims::Profile { id: self.id, cause }),
        };
        Ok(Claim {
            id: self.id,
            source: self.source,
            statement: self.statement,
            reading: self.reading,
            scenario: self.scenario,
            metric: self.metric,
            bound: self.bound,
            unit: self.unit,
            profile,
        })
    }
}

impl Bound {
    /// Returns the number of the bound.
    pub fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::AtLeast(value) => value,
        }
    }

    fn keeps(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl Claim {
    /// Returns what the scenarios that ran in that profile say of this claim.
    pub fn verdict(&self, profile: Profile, reports: &[ScenarioReport]) -> Verdict {
        let measured = reports
            .iter()
            .filter(|report| report.id == self.scenario)
            .flat_map(|report| &report.series)
            .find(|series| series.metric == self.metric && series.unit == self.unit)
            .and_then(Series::summary);
        Verdict { claim: self.clone(), measured, outcome: self.outcome(profile, measured) }
    }

    fn outcome(&self, profile: Profile, measured: Option<Summary>) -> Outcome {
        let inconclusive = |why: String| Outcome::Inconclusive { why };
        let Some(summary) = measured else {
            return inconclusive("not measured in this run".to_owned());
        };
        if profile < self.profile {
            return inconclusive(format!("needs the {} profile", self.profile.as_str()));
        }
        let Some(interval) = summary.interval else {
            return inconclusive(format!("{} samples are too few for an interval", summary.count));
        };
        match (self.bound.keeps(interval.low), self.bound.keeps(interval.high)) {
            (true, true) => Outcome::Holds,
            (false, false) => Outcome::Fails,
            (true, false) | (false, true) => inconclusive("the bound lies within the interval".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(bound: Bound) -> Claim {
        Claim {
            id: "X".to_owned(),
            source: String::new(),
            statement: String::new(),
            reading: None,
            scenario: "BENCH-001".to_owned(),
            metric: "load/1000".to_owned(),
            bound,
            unit: Unit::Seconds,
            profile: Profile::Quick,
        }
    }

    /// Returns the outcome for six samples from `low` to `high`, whose interval is just that.
    fn outcome(bound: Bound, profile: Profile, low: f64, high: f64) -> Outcome {
        let report = ScenarioReport {
            series: vec![Series {
                metric: "load/1000".to_owned(),
                what: String::new(),
                unit: Unit::Seconds,
                samples: vec![low, low, low, high, high, high],
            }],
            ..ScenarioReport::empty("BENCH-001")
        };
        claim(bound).verdict(profile, &[report]).outcome
    }

    fn is_inconclusive(outcome: &Outcome, reason: &str) -> bool {
        matches!(outcome, Outcome::Inconclusive { why } if why.contains(reason))
    }

    #[test]
    fn a_claim_holds_or_fails_only_with_its_whole_interval() {
        let quick = Profile::Quick;
        assert_eq!(outcome(Bound::AtMost(3.0), quick, 1.0, 3.0), Outcome::Holds);
        assert_eq!(outcome(Bound::AtMost(0.5), quick, 1.0, 3.0), Outcome::Fails);
        assert_eq!(outcome(Bound::AtLeast(1.0), quick, 1.0, 3.0), Outcome::Holds);
        assert_eq!(outcome(Bound::AtLeast(4.0), quick, 1.0, 3.0), Outcome::Fails);
        for bound in [Bound::AtMost(2.0), Bound::AtLeast(2.0)] {
            assert!(is_inconclusive(&outcome(bound, quick, 1.0, 3.0), "within the interval"));
        }
    }

    #[test]
    fn a_claim_is_not_decided_by_too_little() {
        let bound = Bound::AtMost(3.0);
        assert!(is_inconclusive(&outcome(bound, Profile::Smoke, 1.0, 2.0), "quick profile"));
        let unmeasured = claim(bound).verdict(Profile::Full, &[]).outcome;
        assert!(is_inconclusive(&unmeasured, "not measured"));
    }

    #[test]
    fn the_file_that_comes_with_the_suite_is_sound() {
        let claims = parse_ledger(include_str!("../data/claims.toml")).unwrap().measured;
        let scenarios = crate::scenarios::all();
        for claim in claims {
            assert!(
                scenarios.iter().any(|scenario| scenario.id() == claim.scenario),
                "{}: no scenario {}",
                claim.id,
                claim.scenario
            );
        }
    }

    #[test]
    fn every_row_that_was_stated_is_in_the_ledger() {
        // The names in the list of claims that was given; a row may stand for a part of one, as `SP-LOAD.time` does.
        const STATED: [&str; 56] = [
            "SP-LOAD",
            "SP-ASSIGN",
            "SP-TRANSITION",
            "SP-ANALYSIS",
            "SP-GIT",
            "SP-SPAWN",
            "SP-AGENTS",
            "SP-FILEOPS",
            "SP-STATEMODS",
            "SP-COMMITS",
            "SP-PLANNING",
            "SP-MULTI",
            "SP-SCALE",
            "BENCH-001",
            "BENCH-002",
            "BENCH-003",
            "BENCH-004",
            "BENCH-005",
            "SP-MODE",
            "SP-DATA",
            "SP-REGRESSION",
            "SP-MONITOR",
            "KH-COMPOSE",
            "KH-MIN",
            "KH-MEMORY",
            "KH-DB",
            "KH-CACHE",
            "KH-SUCCESS",
            "KH-SCALE",
            "KH-OVERHEAD",
            "KH-CITIME",
            "KH-REGRESSION",
            "KH-HISTORY",
            "PR-LATENCY",
            "PR-STREAM",
            "PR-TOOLS",
            "PR-SESSION",
            "PR-MEMORY",
            "PR-USERS",
            "PR-RECOVERY",
            "PR-UPTIME",
            "PR-WINDOW",
            "PR-LIMITS",
            "PR-OPS",
            "SK-ITERATION",
            "SK-TASK",
            "SK-PREPROCESS",
            "SK-EVENT",
            "SK-TOKENS",
            "SK-INITIAL",
            "SK-CONCURRENT",
            "SK-MEMORY",
            "EV-SPEEDUP",
            "EV-MEMORY",
            "EV-CPU",
            "EV-LEAKS",
        ];
        let ledger = ledger();
        let ids: BTreeSet<_> = ledger.ids().map(|id| id.split('.').next().unwrap_or(id)).collect();
        let missing: Vec<_> = STATED.iter().filter(|name| !ids.contains(**name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn unsound_files_are_refused_with_the_reason() {
        let row = |id: &str, bound: &str, profile: &str| {
            format!(
                "[[claim]]\nid = '{id}'\nsource = ''\nstatement = ''\nscenario = ''\nmetric = ''\n\
                 bound = {{ at_most = {bound} }}\nunit = 'ratio'\nprofile = '{profile}'\n"
            )
        };
        let twice = format!("version = 1\n{}{}", row("a", "1.0", "full"), row("a", "2.0", "full"));
        for (text, message) in [
            (String::new(), "cannot be read"),
            ("version = 9".to_owned(), "version 9"),
            (twice, "a stands twice"),
            (format!("version = 1\n{}", row("a", "nan", "full")), "not a finite number"),
            (format!("version = 1\n{}", row("a", "1.0", "long")), "a cannot be used"),
        ] {
            let failure = parse_ledger(&text).unwrap_err().to_string();
            assert!(failure.contains(message), "{failure}");
        }
    }
}
