//! Pictures of plans and runs.

mod svg;

pub use svg::{Bar, BarKind, Gantt, Lane};
