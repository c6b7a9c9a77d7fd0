//! What a model may do: the one place where tools are plugged in, and the registry that guards each call of them.

mod call;
pub mod command;
pub mod files;
#[cfg(feature = "mcp")]
mod foreign_schema;
#[cfg(feature = "mcp")]
pub mod mcp;
mod process_group;
mod record;
mod registry;
mod schema;
pub(crate) mod text;

pub use call::{Access, Tool, ToolCall, ToolError, ToolResult, ToolSpec, ToolStatus};
#[cfg(feature = "mcp")]
pub use foreign_schema::UnusableSchema;
pub use record::Record;
pub use registry::{DuplicateTool, Registry, ToolLimits};
pub use schema::{Arguments, InvalidArguments, Kind, Schema};
