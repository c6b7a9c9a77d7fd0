//! From a goal to a plan: what is to be done is broken down, part by part, until every part is small.
//!
//! Who breaks down is a [`Decomposer`]: methods in a data file ([`Methods`]; hierarchical task networks, K. Erol, J. Hendler,
//! D. S. Nau, "HTN planning: complexity and expressivity", AAAI 1994), or somebody outside, such as a language model, whose
//! replies are text ([`prompt`], [`parse_reply`]). An outline in Markdown needs none: it is read as a plan. [`propose`] asks,
//! checks every answer, asks again with what was wrong with it, and returns a [`Proposal`] that somebody has to approve.

mod methods;
mod part;
mod proposal;
mod reply;

pub use methods::{InvalidMethods, Methods};
pub use part::Part;
pub use proposal::{Ask, Bounds, Decomposer, PlanningError, Proposal, propose};
pub use reply::{parse_reply, prompt};

#[cfg(test)]
mod tests;
