//! The picture of a run: who worked on what, when.

use planner_core::render::{Bar, BarKind, Gantt, Lane};
use state_store::task::State;

use crate::report::{Fate, Report};

impl Report {
    /// Returns the picture; `state` is that of the log that the report was read from.
    pub fn gantt(&self, state: &State) -> Gantt {
        let first = self.timeline.iter().map(|attempt| attempt.begin).min().unwrap_or_default();
        let lanes = state.agents().iter().enumerate().map(|(key, agent)| {
            let own = self.timeline.iter().filter(|attempt| attempt.lease.agent.index() == key);
            let bars = own.map(|attempt| {
                let end_ms = attempt.end.map_or(self.makespan_ms, |end| end.since(first).as_millis() as u64);
                Bar {
                    start_ms: attempt.begin.since(first).as_millis() as u64,
                    end_ms,
                    label: attempt.id.clone(),
                    kind: match attempt.fate {
                        Fate::UnderWay => BarKind::Running,
                        Fate::Accepted => BarKind::Done,
                        Fate::Retried | Fate::Lost => BarKind::Retried,
                        Fate::Failed => BarKind::Failed,
                        Fate::Conflict => BarKind::Conflict,
                    },
                }
            });
            Lane { name: agent.name.clone(), bars: bars.collect() }
        });
        Gantt { title: format!("{}: who worked on what", self.project), lanes: lanes.collect() }
    }
}
