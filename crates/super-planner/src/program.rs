//! From the arguments to the exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::cli::{Cli, Command};
use crate::command;
use crate::config::Config;
use crate::error::{CliError, ErrorKind, Exit};
use crate::logging;
use crate::snippet::draw_error;
use crate::terminal::Terminal;

/// Does what the arguments say and returns how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version are no errors, and nothing can be done where they cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Fine }.into();
        }
    };
    let terminal = Terminal::detect(cli.global.color);
    let wants_json = cli.command.wants_json();
    let exit = run(cli, &terminal).unwrap_or_else(|error| {
        tell(&error, &terminal, wants_json);
        error.exit()
    });
    exit.into()
}

fn run(cli: Cli, terminal: &Terminal) -> Result<Exit, CliError> {
    if let Command::Completions(args) = &cli.command {
        return command::completions::run(args, terminal);
    }
    let config = Config::load(cli.global.config.as_deref(), &|name| std::env::var_os(name))?
        .with_limits(&cli.global.limits);
    logging::begin(&config.log.value)?;
    match cli.command {
        Command::Run(args) => command::run::run(&args, &config, terminal),
        Command::Demo(args) => command::demo::run(&args, &config, terminal),
        Command::Config(args) => command::config::run(&args, &config, terminal),
        Command::Completions(args) => command::completions::run(&args, terminal),
        Command::Chat(args) => command::chat::run(&args, &config, terminal),
        Command::Skills(args) => command::skills::run(&args, terminal),
        Command::Sessions(args) => command::sessions::run(&args, &config, terminal),
        Command::Validate(args) => command::validate::run(&args, &config, terminal),
        Command::Convert(args) => command::convert::run(&args, &config, terminal),
        Command::PlanDiff(args) => command::plan_diff::run(&args, &config, terminal),
        Command::Repair(args) => command::repair::run(&args, &config, terminal),
        Command::Plan(args) => command::plan::run(&args, &config, terminal),
        Command::Sync(args) => command::sync::run(&args, &config, terminal),
        Command::Generate(args) => command::generate::run(&args, terminal),
        Command::Schema => command::schema::run(terminal),
        Command::Analyze(args) => command::analyze::run(&args, &config, terminal),
        Command::Prove(args) => command::prove::run(&args, &config, terminal),
        Command::Simulate(args) => command::simulate::run(&args, &config, terminal),
        Command::Bench(args) => command::bench::run(&args, &config, terminal),
        Command::Apply(args) => command::apply::run(&args, &config, terminal),
        Command::Task(args) => command::task::run(&args, &config, terminal),
        Command::Agent(args) => command::fleet::run(&args, &config, terminal),
        Command::Approve(args) => command::review::approve(&args, &config, terminal),
        Command::Reject(args) => command::review::reject(&args, &config, terminal),
        Command::Pause(args) => command::pause::pause(&args, &config, terminal),
        Command::Continue(args) => command::pause::go_on(&args, &config, terminal),
        Command::Status(args) => command::status::run(&args, &config, terminal),
        Command::Explain(args) => command::explain::run(&args, &config, terminal),
        Command::Land(args) => command::land::run(&args, &config, terminal),
        Command::Worktrees(args) => command::worktrees::run(&args, &config, terminal),
        Command::Repack(args) => command::repack::run(&args, terminal),
        Command::Logs(args) => command::logs::run(&args, &config, terminal),
        Command::Log(args) => command::log::run(&args, &config, terminal),
        Command::Export(args) => command::export::run(&args, &config, terminal),
        Command::Import(args) => command::import::run(&args, &config, terminal),
        Command::Verify(args) => command::verify::run(&args, &config, terminal),
        Command::Recover(args) => command::recover::run(&args, &config, terminal),
        Command::Snapshot(args) => command::snapshot::run(&args, &config, terminal),
        Command::Compact(args) => command::compact::run(&args, &config, terminal),
        Command::Doctor(args) => command::doctor::run(&args, &config, terminal),
    }
}

/// Tells an error on standard error, as JSON on one line where the answer was to be JSON.
fn tell(error: &CliError, terminal: &Terminal, as_json: bool) {
    if error.kind() == ErrorKind::OutputClosed {
        return;
    }
    if !as_json {
        terminal.note(draw_error(error, terminal).trim_end());
        return;
    }
    let place = error.place().map(|(diagnostic, source)| {
        let offset = diagnostic.labels.first().map_or(0, |label| label.span.start);
        let (line, column) = source.line_column(offset);
        json!({
            "file": source.name(),
            "line": line,
            "column": column,
            "code": diagnostic.code,
            "message": diagnostic.message,
            "help": diagnostic.help,
        })
    });
    terminal.note(json!({
        "version": 1,
        "error": {
            "kind": error.kind().as_str(),
            "message": error.to_string(),
            "causes": error.causes(),
            "hint": error.advice(),
            "place": place,
            "exit_code": error.exit().code(),
        },
    }));
}
