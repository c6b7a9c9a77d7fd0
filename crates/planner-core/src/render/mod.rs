//! Pictures of plans and runs.

mod graph;
mod svg;

pub use graph::GraphPicture;
pub use svg::{Bar, BarKind, Gantt, Lane};
