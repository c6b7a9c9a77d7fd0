//! What an agent is made of: the loop of model and tools, and sessions kept in the log.
//!
//! [`react`] turns a request into an answer: it asks a [`model`], carries out the calls of [`tool`]s that the model wants,
//! shows it what they returned, and asks again. Each message is kept in a [`session`] before it is acted on, so that a
//! conversation goes on where it was cut off. [`event`] tells whoever watches; [`retry`] says how long to wait for a model
//! that is overloaded, [`window`] what of a long conversation it is shown and [`summary`] what it says of the rest, [`budget`]
//! what a session may use up.
//! [`guard`] stands between agents and models that are far away: limits for users and providers, and what to do when one fails.
//!
//! ```
//! # use std::{collections::BTreeMap, sync::Arc};
//! # use agent_runtime::event::EventSender;
//! # use agent_runtime::model::Simulated;
//! # use agent_runtime::react::{Outcome, ReAct, Request};
//! # use agent_runtime::session::{Session, SessionName};
//! # use agent_runtime::tool::files::{WorkingSet, tools};
//! # use agent_runtime::tool::{Registry, ToolLimits};
//! # use state_store::{MemoryStore, SystemClock};
//! # use tokio_util::sync::CancellationToken;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = Arc::new(WorkingSet::new(BTreeMap::new()));
//! let tools = Registry::new(tools(&files), ToolLimits::default())?;
//! let agent = ReAct::new(Arc::new(Simulated::default()), Arc::new(tools));
//! let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
//! let mut session = Session::open(store, SessionName::new("example")?).await?;
//! let request = Request { text: "write notes.txt with hello".to_owned(), ..Request::default() };
//! let run = agent.run(&mut session, &request, &EventSender::unheard(), &CancellationToken::new()).await?;
//! assert!(matches!(run.outcome, Outcome::Answered(_)));
//! assert_eq!(files.changes().len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here knows of plans, git or coordination: a caller hands over a request and takes the answer and, from
//! [`tool::files`], the files that were changed.

pub mod budget;
pub mod event;
mod future;
pub mod guard;
pub mod model;
mod planted;
pub mod react;
pub mod retry;
pub mod session;
pub mod skill;
pub mod summary;
pub mod token;
pub mod tool;
pub mod window;

pub use future::BoxFuture;
