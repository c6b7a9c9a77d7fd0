//! Who is gone, and that nobody is taken over from who has come back meanwhile.
//!
//! Whoever looks does so before the lock is had: by a clock, and for a process. A coordinator that has renewed its lease between
//! that look and the turn is not gone, and keeps what it has.

use state_store::Timestamp;
use state_store::task::{InstanceKey, InstanceRecord, InstanceStatus, Lost};

use crate::engine::decide::Events;
use crate::engine::{Command, Engine, Refusal};

impl Engine {
    /// Returns the take-overs of all other coordinators that are not at work, as far as whoever asks can see.
    pub fn take_overs(&self, is_at_work: impl Fn(&InstanceRecord) -> bool) -> Vec<Command> {
        let others = (0..).map(InstanceKey).zip(self.state.instances());
        let gone = others.filter_map(|(instance, record)| match record.status {
            InstanceStatus::Active { expires_at } if Some(instance) != self.me && !is_at_work(record) => {
                Some(Command::TakeOver { instance, expires_at })
            }
            InstanceStatus::Active { .. } | InstanceStatus::Ended => None,
        });
        gone.collect()
    }

    /// The caller has made sure that the other coordinator was gone when its lease was to end at that moment.
    pub(super) fn decide_take_over(&self, gone: InstanceKey, seen: Timestamp) -> Events {
        let me = self.begun()?;
        let status = self.state.instance(gone).map(|found| found.status);
        if gone == me || status != Some(InstanceStatus::Active { expires_at: seen }) {
            return Err(Refusal::NotGone { instance: gone });
        }
        Ok(self.end_of(gone, Lost::CoordinatorGone))
    }
}
