//! `sessions`: the conversations with agents that the state holds, those of `chat` and those of `react` agents.

use std::sync::Arc;
use std::time::Duration;

use agent_runtime::session::{Session, SessionError, SessionName, Standing};
use serde_json::json;
use state_store::StateStore;

use crate::cli::{SessionsArchiveArgs, SessionsArgs, SessionsCommand, SessionsExportArgs, SessionsListArgs};
use crate::command::chat::session_error;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::escaped;
use crate::nearest::nearest;
use crate::state_location::StateLocation;
use crate::table::{Cell, Table};
use crate::terminal::{Terminal, WARN};

/// How a session stands that this program cannot read.
const UNREADABLE: &str = "unreadable";

/// Shows sessions, or puts them away.
pub fn run(args: &SessionsArgs, config: &Config, terminal: &Terminal) -> Result<Exit, CliError> {
    let store = StateLocation::find(&args.place, config)?.open()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        CliError::new(ErrorKind::Internal, "the runtime cannot be started").caused_by(error)
    })?;
    runtime.block_on(async {
        match &args.command {
            SessionsCommand::List(args) => list(&store, args, terminal).await,
            SessionsCommand::Export(args) => export(&store, args, terminal).await,
            SessionsCommand::Archive(args) => archive(&store, args, terminal).await,
        }
    })
}

async fn open(store: &Arc<dyn StateStore>, name: SessionName) -> Result<Session, CliError> {
    Session::open(Arc::clone(store), name).await.map_err(session_error)
}

async fn list(
    store: &Arc<dyn StateStore>,
    args: &SessionsListArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let mut table = Table::new(["session", "stands", "messages", "tokens", "idle"].map(Cell::plain));
    let mut told = Vec::new();
    for name in Session::list(&**store)? {
        let session = match Session::open(Arc::clone(store), name.clone()).await {
            Ok(session) => session,
            // The others are listed all the same.
            Err(error @ SessionError::Unreadable { .. }) => {
                terminal.note(format!("{WARN}warning:{WARN:#} {}", escaped(&error.to_string())));
                told.push(json!({ "name": name.as_str(), "standing": UNREADABLE }));
                let none = || Cell::plain("");
                table.row([Cell::plain(name.as_str()), Cell::plain(UNREADABLE), none(), none(), none()]);
                continue;
            }
            Err(error) => return Err(session_error(error)),
        };
        let (name, standing) = (session.name().as_str(), in_a_word(session.standing()));
        let (messages, usage) = (session.messages().len(), session.spent().usage);
        let idle = whole_seconds(session.idle(store.now()));
        told.push(json!({
            "name": name,
            "standing": standing,
            "messages": messages,
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "bytes": session.spent().bytes,
            "idle_seconds": idle.as_secs(),
        }));
        table.row([
            Cell::plain(name),
            Cell::plain(standing),
            Cell::number(messages as u64),
            Cell::number(usage.input.saturating_add(usage.output)),
            Cell::plain(humantime::format_duration(idle).to_string()),
        ]);
    }
    if args.json {
        terminal.json(&json!({ "version": 1, "sessions": told }))?;
    } else if told.is_empty() {
        terminal.line("there are no sessions")?;
    } else {
        terminal.print(table.draw(terminal.width()))?;
    }
    Ok(Exit::Fine)
}

async fn export(
    store: &Arc<dyn StateStore>,
    args: &SessionsExportArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let names = Session::list(&**store)?;
    let Some(name) = names.iter().find(|name| name.as_str() == args.session) else {
        let message = format!("there is no session `{}`", escaped(&args.session));
        let error = CliError::new(ErrorKind::NotFound, message);
        return Err(match nearest(&args.session, names.iter().map(SessionName::as_str), 1).first() {
            Some(near) => error.hint(format!("there is `{near}`")),
            None => error.hint("`super-planner sessions list` names all"),
        });
    };
    let mut lines = Vec::new();
    open(store, name.clone()).await?.export(&mut lines).expect("writing to memory does not fail");
    // JSON escapes what a terminal would act on.
    terminal.print(String::from_utf8_lossy(&lines))?;
    Ok(Exit::Fine)
}

async fn archive(
    store: &Arc<dyn StateStore>,
    args: &SessionsArchiveArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (mut archived, mut unreadable) = (0, 0);
    for name in Session::list(&**store)? {
        let mut session = match Session::open(Arc::clone(store), name).await {
            Ok(session) => session,
            // The others are put away all the same.
            Err(error @ SessionError::Unreadable { .. }) => {
                terminal.note(format!("{WARN}warning:{WARN:#} {}", escaped(&error.to_string())));
                unreadable += 1;
                continue;
            }
            Err(error) => return Err(session_error(error)),
        };
        if session.standing() != Standing::Open || session.idle(store.now()) < args.idle {
            continue;
        }
        match session.archive().await {
            Ok(()) => archived += 1,
            // Somebody goes on with it at this moment.
            Err(SessionError::Moved { .. }) => {}
            Err(error) => return Err(session_error(error)),
        }
    }
    terminal.line(format_args!("{archived} sessions are put away; the next message opens one again"))?;
    if unreadable > 0 {
        terminal.line(format_args!("{unreadable} cannot be read, and stay as they are"))?;
    }
    Ok(Exit::problems_if(unreadable > 0))
}

fn in_a_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Open => "open",
        Standing::Archived => "archived",
        Standing::Closed => "closed",
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
