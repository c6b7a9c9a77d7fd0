//! The MCP servers that agents may use.

use std::sync::Arc;

use agent_runtime::tool::Tool;

use crate::error::{CliError, ErrorKind};
use crate::terminal::Terminal;

/// Servers that run as long as this is held.
#[cfg(not(feature = "mcp"))]
#[derive(Default)]
pub(crate) struct Servers;

#[cfg(not(feature = "mcp"))]
impl Servers {
    pub(crate) async fn start(named: &[String], _: &Terminal) -> Result<Self, CliError> {
        if named.is_empty() {
            return Ok(Self);
        }
        let message = "this program was built without MCP";
        Err(CliError::new(ErrorKind::Usage, message).hint("build it with `--features mcp`"))
    }

    pub(crate) fn tools(&self) -> Vec<Arc<dyn Tool>> {
        Vec::new()
    }
}

/// Servers that run as long as this is held.
#[cfg(feature = "mcp")]
pub(crate) struct Servers(Vec<agent_runtime::tool::mcp::McpServer>);

#[cfg(feature = "mcp")]
impl Servers {
    /// Starts the servers that are named, each as `NAME=COMMAND`.
    pub(crate) async fn start(named: &[String], terminal: &Terminal) -> Result<Self, CliError> {
        use agent_runtime::tool::mcp::{McpCommand, McpServer};

        use crate::escape::escaped;
        use crate::terminal::WARN;

        let mut servers = Vec::new();
        for text in named {
            let (name, command) = text.split_once('=').unwrap_or((text, ""));
            let mut words = command.split_whitespace().map(str::to_owned);
            let Some(program) = words.next() else {
                let message = format!("--mcp {} names no program", escaped(text));
                return Err(CliError::new(ErrorKind::Usage, message).hint("write it as NAME=COMMAND"));
            };
            let command = McpCommand { name: name.to_owned(), program, arguments: words.collect() };
            let server = McpServer::start(&command).await.map_err(|error| {
                CliError::new(ErrorKind::Input, "an MCP server cannot be used").caused_by(error)
            })?;
            for tool in server.left_out() {
                terminal.note(format!("{WARN}{} cannot be called by that name{WARN:#}", escaped(tool)));
            }
            servers.push(server);
        }
        Ok(Self(servers))
    }

    /// Returns their tools.
    pub(crate) fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.0.iter().flat_map(agent_runtime::tool::mcp::McpServer::tools).collect()
    }
}
