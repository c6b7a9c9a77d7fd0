//! How thorough a run is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The environment variable that names the profile.
pub(crate) const PROFILE_VARIABLE: &str = "PERF_PROFILE";

/// How thorough a run is; a later variant says more and takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A few small samples: shows that everything runs, and decides no claim.
    Smoke,
    /// Enough samples for every claim in seconds.
    #[default]
    Quick,
    /// What a change is judged by: minutes.
    Standard,
    /// The sizes and repetitions that the claims name: over an hour.
    Full,
    /// As `Full`, with endurance for hours.
    Soak,
}

/// A name that is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no profile: it is one of smoke, quick, standard, full, soak")]
pub struct UnknownProfile {
    /// The name given.
    pub name: String,
}

impl Profile {
    /// All profiles, the shortest first.
    pub const ALL: [Self; 5] = [Self::Smoke, Self::Quick, Self::Standard, Self::Full, Self::Soak];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
            Self::Soak => "soak",
        }
    }

    /// Returns the profile that `PERF_PROFILE` names, or the default where it is not set.
    pub fn from_environment() -> Result<Self, UnknownProfile> {
        match std::env::var_os(PROFILE_VARIABLE) {
            None => Ok(Self::default()),
            Some(name) => name.to_string_lossy().parse(),
        }
    }

    /// Returns how long one scenario may go on taking samples.
    pub fn scenario_budget(self) -> Duration {
        match self {
            Self::Smoke => Duration::from_secs(1),
            Self::Quick => Duration::from_secs(8),
            Self::Standard => Duration::from_secs(60),
            Self::Full => Duration::from_secs(2400),
            Self::Soak => Duration::from_secs(6 * 3600),
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == name)
            .ok_or_else(|| UnknownProfile { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_profiles_go_both_ways() {
        for profile in Profile::ALL {
            assert_eq!(profile.as_str().parse(), Ok(profile));
        }
        assert!("fast".parse::<Profile>().unwrap_err().to_string().contains("quick"));
    }
}
