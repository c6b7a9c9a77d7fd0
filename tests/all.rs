//! Tests that need more than one crate.

mod dependency_edges;
