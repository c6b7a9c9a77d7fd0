//! What the log of a workspace holds. These types are the stored format: see [`EVENT_VERSION`] before changing one.

use planner_core::CapabilitySet;
use serde::{Deserialize, Serialize};

use crate::task::{
    AgentKey, Deliverable, FencingToken, Host, InstanceKey, ProjectKey, ProjectSettings, TaskKey, Transition,
};
use crate::{Entry, Timestamp};

/// The kind of the entries that hold an [`Event`].
pub const EVENT_KIND: u16 = 1;

/// The version of the format: [postcard](https://postcard.jamesmunns.com/wire-format) of [`Event`] and all within it.
///
/// Variants may be appended. Anything else (a field, an order) needs a new version, with a frozen copy of the old types
/// to read the old entries by; the golden bytes in the tests tell.
pub const EVENT_VERSION: u16 = 1;

/// Something that has happened in a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A coordinator begins; its key is the number of those before it.
    InstanceStarted {
        /// Its id.
        id: [u8; 16],
        /// The process it runs in.
        host: Host,
        /// When its lease ends.
        expires_at: Timestamp,
    },
    /// A coordinator is still there.
    InstanceRenewed {
        /// Which.
        instance: InstanceKey,
        /// When its lease ends now.
        expires_at: Timestamp,
    },
    /// A coordinator is gone; its agents are retired.
    InstanceEnded {
        /// Which.
        instance: InstanceKey,
    },
    /// A project is added; its key is the number of those before it.
    ProjectAdded {
        /// Its name.
        name: String,
        /// The plan, as JSON in the native format.
        plan: Vec<u8>,
        /// How its results are treated.
        settings: ProjectSettings,
    },
    /// An agent is there; its key is the number of those before it, or the one it had under the same name.
    AgentRegistered {
        /// Its name.
        name: String,
        /// What it can do.
        capabilities: CapabilitySet,
        /// How many tasks it takes at once.
        slots: u32,
        /// The coordinator that looks after it.
        instance: InstanceKey,
    },
    /// A task has moved.
    Task {
        /// Which.
        task: TaskKey,
        /// How.
        transition: Transition,
    },
    /// A result came too late to be accepted, and is kept.
    LateResult {
        /// Of which task.
        task: TaskKey,
        /// Of which attempt.
        token: FencingToken,
        /// By whom.
        agent: AgentKey,
        /// The result.
        deliverable: Deliverable,
    },
    /// A project's settings are changed.
    ProjectSettingsChanged {
        /// Which.
        project: ProjectKey,
        /// How its results are treated from now on.
        settings: ProjectSettings,
    },
    /// A coordinator works on a project from now on.
    ProjectEntered {
        /// Which project.
        project: ProjectKey,
        /// Which coordinator.
        instance: InstanceKey,
    },
}

/// An entry that is no event this program can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEvent {
    /// It is of a kind or version that this program does not know.
    #[error(
        "an entry of kind {kind}, version {version}; this program reads kind {EVENT_KIND}, version {EVENT_VERSION}"
    )]
    Unknown {
        /// Its kind.
        kind: u16,
        /// Its version.
        version: u16,
    },
    /// Its bytes are not what its version says.
    #[error("an event that does not decode: {reason}")]
    Malformed {
        /// Why not.
        reason: String,
    },
}

impl Event {
    /// Returns the event as it is stored.
    pub fn to_entry(&self) -> Entry {
        let body = postcard::to_stdvec(self).expect("an event is plain data of known length");
        Entry { kind: EVENT_KIND, version: EVENT_VERSION, body }
    }

    /// Returns the event that an entry holds.
    pub fn from_entry(entry: &Entry) -> Result<Self, UnreadableEvent> {
        let (kind, version) = (entry.kind, entry.version);
        if (kind, version) != (EVENT_KIND, EVENT_VERSION) {
            return Err(UnreadableEvent::Unknown { kind, version });
        }
        match postcard::take_from_bytes(&entry.body) {
            Ok((event, [])) => Ok(event),
            Ok((_, rest)) => {
                Err(UnreadableEvent::Malformed { reason: format!("{} bytes are left over", rest.len()) })
            }
            Err(error) => Err(UnreadableEvent::Malformed { reason: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{CommitHash, Landed, Lease};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn moved(transition: Transition) -> Event {
        Event::Task { task: TaskKey { project: ProjectKey(1), task: 300 }, transition }
    }

    /// The bytes of version 1. A change here is a change of the stored format.
    #[test]
    fn golden_bytes_of_version_1() {
        let lease = Lease {
            agent: AgentKey(2),
            instance: InstanceKey(3),
            token: FencingToken::new(4),
            attempt: 1,
            expires_at: Timestamp::from_millis(1_000),
        };
        let host = Host { boot: "b".to_owned(), pid: 7, started: 8 };
        let landed = Landed::Commit { commit: CommitHash([9; 20]), merged: true };
        let settings = ProjectSettings { branch: Some("main".to_owned()), checks: true };
        let golden = [
            (
                Event::InstanceStarted { id: [1; 16], host, expires_at: Timestamp::from_millis(300) },
                "0001010101010101010101010101010101016207 08ac02",
            ),
            (
                Event::ProjectAdded { name: "p".to_owned(), plan: b"{}".to_vec(), settings },
                "030170027b7d01046d61696e01",
            ),
            (moved(Transition::Assign(lease)), "0501ac02 00020304 01e807"),
            (moved(Transition::Start(FencingToken::new(4))), "0501ac02 0104"),
            (
                moved(Transition::Land { token: FencingToken::new(4), landed }),
                "0501ac02 0604 0009090909090909090909090909090909090909 0901",
            ),
        ];
        for (event, bytes) in golden {
            let entry = event.to_entry();
            assert_eq!(hex(&entry.body), bytes.replace(' ', ""), "{event:?}");
            assert_eq!(Event::from_entry(&entry).unwrap(), event);
        }
    }

    #[test]
    fn an_entry_of_the_future_is_refused_by_name() {
        let mut entry = moved(Transition::Hold).to_entry();
        entry.version = 2;
        assert_eq!(
            Event::from_entry(&entry).unwrap_err().to_string(),
            "an entry of kind 1, version 2; this program reads kind 1, version 1"
        );
    }

    #[test]
    fn no_truncation_of_an_event_decodes() {
        let entry =
            moved(Transition::Cancel(crate::task::CancelReason::Operator("enough".to_owned()))).to_entry();
        for length in 0..entry.body.len() {
            let cut = Entry { body: entry.body[..length].to_vec(), ..entry.clone() };
            assert!(Event::from_entry(&cut).is_err(), "{length}");
        }
    }
}
