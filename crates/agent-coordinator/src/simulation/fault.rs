//! What can go wrong in a simulated world, how often, and how often it did.

use std::fmt;
use std::str::FromStr;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// An agent is gone without a word.
    AgentCrash,
    /// An agent is there and does nothing any more.
    AgentHang,
    /// An agent stops for longer than its lease and then goes on as if nothing had been.
    AgentPause,
    /// An attempt fails.
    AttemptFailure,
    /// A message does not arrive.
    MessageLoss,
    /// A message arrives twice.
    MessageRepeat,
    /// A message arrives late, and so after others that were sent later.
    MessageDelay,
    /// Some agents cannot be reached, and reach nobody, for a while.
    Partition,
    /// The store's lock is not to be had.
    StoreBusy,
    /// The store refuses a commit; nothing is written.
    StoreRefusal,
    /// The store fails in a commit, and whether it was written is not known.
    StoreDoubt,
    /// The store's clock jumps, in either direction.
    ClockJump,
    /// A coordinator is gone without a word, and begins again later.
    CoordinatorCrash,
    /// A coordinator stops for longer than its lease and then goes on.
    CoordinatorPause,
    /// Somebody changes what is to be done.
    PlanChange,
}

impl FaultKind {
    /// Every kind, in the order in which they are told.
    pub const ALL: [Self; 15] = [
        Self::AgentCrash,
        Self::AgentHang,
        Self::AgentPause,
        Self::AttemptFailure,
        Self::MessageLoss,
        Self::MessageRepeat,
        Self::MessageDelay,
        Self::Partition,
        Self::StoreBusy,
        Self::StoreRefusal,
        Self::StoreDoubt,
        Self::ClockJump,
        Self::CoordinatorCrash,
        Self::CoordinatorPause,
        Self::PlanChange,
    ];

    /// Returns its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentCrash => "agent-crash",
            Self::AgentHang => "agent-hang",
            Self::AgentPause => "agent-pause",
            Self::AttemptFailure => "attempt-failure",
            Self::MessageLoss => "message-loss",
            Self::MessageRepeat => "message-repeat",
            Self::MessageDelay => "message-delay",
            Self::Partition => "partition",
            Self::StoreBusy => "store-busy",
            Self::StoreRefusal => "store-refusal",
            Self::StoreDoubt => "store-doubt",
            Self::ClockJump => "clock-jump",
            Self::CoordinatorCrash => "coordinator-crash",
            Self::CoordinatorPause => "coordinator-pause",
            Self::PlanChange => "plan-change",
        }
    }

    /// Returns how probable it is, whenever it could happen, in a storm.
    fn storm_rate(self) -> f64 {
        match self {
            Self::AgentCrash | Self::AgentHang => 0.01,
            Self::AgentPause => 0.02,
            Self::AttemptFailure => 0.1,
            Self::MessageLoss | Self::MessageRepeat | Self::MessageDelay => 0.03,
            Self::Partition | Self::ClockJump => 0.02,
            Self::StoreBusy => 0.01,
            Self::StoreRefusal | Self::StoreDoubt => 0.002,
            Self::CoordinatorCrash | Self::CoordinatorPause => 0.03,
            Self::PlanChange => 0.1,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often each kind of fault strikes, whenever it could.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    rates: [f64; FaultKind::ALL.len()],
}

/// A text that names no faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no profile and no kind of fault")]
pub struct UnknownFault(String);

impl Faults {
    /// Returns a world in which all goes well.
    pub fn none() -> Self {
        Self::of(&[], 1.0)
    }

    /// Returns a world in which everything goes wrong at times.
    pub fn storm() -> Self {
        Self::of(&FaultKind::ALL, 1.0)
    }

    /// Returns a world in which these kinds strike, so many times as often as in a storm.
    pub fn of(kinds: &[FaultKind], factor: f64) -> Self {
        let rate = |kind: FaultKind| if kinds.contains(&kind) { kind.storm_rate() * factor } else { 0.0 };
        Self { rates: FaultKind::ALL.map(|kind| rate(kind).min(1.0)) }
    }

    /// Returns the kinds that strike.
    pub fn kinds(&self) -> Vec<FaultKind> {
        FaultKind::ALL.into_iter().filter(|kind| self.rate(*kind) > 0.0).collect()
    }

    /// Returns the same world without one kind.
    pub fn without(&self, kind: FaultKind) -> Self {
        let mut faults = self.clone();
        faults.rates[kind as usize] = 0.0;
        faults
    }

    pub(super) fn rate(&self, kind: FaultKind) -> f64 {
        self.rates[kind as usize]
    }
}

impl FromStr for Faults {
    type Err = UnknownFault;

    /// Reads `none`, `drizzle` (a tenth of a storm), `storm`, or the names of kinds with commas between them.
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        match text {
            "none" => Ok(Self::none()),
            "drizzle" => Ok(Self::of(&FaultKind::ALL, 0.1)),
            "storm" => Ok(Self::storm()),
            names => {
                let kind = |name: &str| {
                    let found = FaultKind::ALL.into_iter().find(|kind| kind.as_str() == name.trim());
                    found.ok_or_else(|| UnknownFault(name.trim().to_owned()))
                };
                let kinds: Vec<_> = names.split(',').map(kind).collect::<Result<_, _>>()?;
                Ok(Self::of(&kinds, 1.0))
            }
        }
    }
}

/// How often each kind of fault has struck.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultKind::ALL.len()]);

impl FaultCounts {
    /// Counts one.
    pub(super) fn count(&mut self, kind: FaultKind) {
        self.0[kind as usize] += 1;
    }

    /// Returns how often a kind has struck.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0[kind as usize]
    }

    /// Returns each kind with how often it has struck.
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, u64)> + '_ {
        FaultKind::ALL.into_iter().zip(self.0)
    }

    /// Adds what another run has counted.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_one_by_one_or_by_profile() {
        let named: Faults = "agent-crash, clock-jump".parse().unwrap();
        assert_eq!(named.kinds(), [FaultKind::AgentCrash, FaultKind::ClockJump]);
        assert_eq!(named.without(FaultKind::AgentCrash).kinds(), [FaultKind::ClockJump]);
        assert_eq!("storm".parse::<Faults>().unwrap().kinds(), FaultKind::ALL);
        assert_eq!("none".parse::<Faults>().unwrap(), Faults::none());
        assert_eq!(
            "hail".parse::<Faults>().unwrap_err().to_string(),
            "`hail` is no profile and no kind of fault"
        );
    }

    #[test]
    fn kinds_stand_at_the_place_of_their_number() {
        assert!(FaultKind::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
    }
}
