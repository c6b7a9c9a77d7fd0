//! What an agent is made of: the loop of model and tools, and sessions kept in the log.
//!
//! [`react`] turns a request into an answer: it asks a [`model`], carries out the calls of [`tool`]s that the model wants,
//! shows it what they returned, and asks again. Each message is kept in a [`session`] before it is acted on, so that a
//! conversation goes on where it was cut off. [`event`] tells whoever watches; [`retry`] says how long to wait for a model
//! that is overloaded.
//!
//! Nothing here knows of plans, git or coordination: a caller hands over a request and takes the answer and, from
//! [`tool::files`], the files that were changed.

pub mod event;
mod future;
pub mod model;
mod random;
pub mod react;
pub mod retry;
pub mod session;
pub mod tool;

pub use future::BoxFuture;
