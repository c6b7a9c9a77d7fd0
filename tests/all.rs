//! Tests that need more than one crate.

mod dependency_edges;
mod sample_plan;
