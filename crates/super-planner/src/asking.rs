//! How commands ask something of a workspace: once, also where they are made again.

use agent_coordinator::engine::{Command, Request};
use state_store::task::RequestId;

use crate::cli::AskingArgs;

/// Returns the request that a command makes.
pub(crate) fn request(args: &AskingArgs, command: Command) -> Request {
    Request { id: id(args), command }
}

/// Returns the id by which it can be asked again.
pub(crate) fn id(args: &AskingArgs) -> Option<RequestId> {
    args.request_id.as_deref().map(RequestId::from_text)
}
