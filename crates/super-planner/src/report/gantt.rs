//! The picture of a run: who worked on what, when.

use std::collections::BTreeMap;

use planner_core::render::{Bar, BarKind, Gantt, Lane};

use crate::report::{Attempt, Fate, Report};

impl Report {
    /// Returns the picture.
    pub fn gantt(&self) -> Gantt {
        let first = self.timeline.iter().map(|attempt| attempt.begin).min().unwrap_or_default();
        let bar = |attempt: &Attempt| Bar {
            start_ms: attempt.begin.since(first).as_millis() as u64,
            end_ms: attempt.end.map_or(self.makespan_ms, |end| end.since(first).as_millis() as u64),
            label: attempt.id.clone(),
            kind: match attempt.fate {
                Fate::UnderWay => BarKind::Running,
                Fate::Accepted => BarKind::Done,
                Fate::Retried | Fate::Lost => BarKind::Retried,
                Fate::Failed => BarKind::Failed,
                Fate::Conflict => BarKind::Conflict,
            },
        };
        let mut lanes: BTreeMap<&str, Vec<Bar>> = BTreeMap::new();
        for attempt in &self.timeline {
            lanes.entry(&attempt.agent).or_default().push(bar(attempt));
        }
        let lanes = lanes.into_iter().map(|(name, bars)| Lane { name: name.to_owned(), bars });
        Gantt { title: format!("{}: who worked on what", self.project), lanes: lanes.collect() }
    }
}
