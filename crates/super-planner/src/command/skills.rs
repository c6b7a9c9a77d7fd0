//! `skills`: which skills there are, what is in one, and what they cost in tokens, all at once or when they are needed.

use agent_runtime::skill::cost::{BODY_LINES_ADVISED, BODY_TOKENS_ADVISED, Costs, SessionCost, saving};
use agent_runtime::skill::{Catalogue, Skill, SkillError};
use agent_runtime::token::{Vocabulary, VocabularyName};
use agent_runtime::tool::files::FilePath;
use serde_json::{Value, json};

use crate::cli::{SkillsArgs, SkillsCommand, SkillsCostArgs, SkillsListArgs, SkillsShowArgs};
use crate::error::{CliError, ErrorKind, Exit};
use crate::escape::{Escaped, escaped};
use crate::nearest::nearest;
use crate::table::{Cell, Table};
use crate::terminal::{BAD, DIM, HEADING, Terminal, WARN};

/// The tokens are those of this vocabulary.
const VOCABULARY: VocabularyName = VocabularyName::O200k;
/// How many files of each of its skills a session is taken to read.
const FILES_READ: usize = 1;

/// Shows skills.
pub fn run(args: &SkillsArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    match &args.command {
        SkillsCommand::List(args) => list(args, terminal),
        SkillsCommand::Show(args) => show(args, terminal),
        SkillsCommand::Cost(args) => cost(args, terminal),
    }
}

/// Returns the skills of the folders that were named; it is an error where some were, and none has a skill.
pub(crate) fn named(folders: &[std::path::PathBuf]) -> Result<Catalogue, CliError> {
    if folders.is_empty() { Ok(Catalogue::default()) } else { load(folders) }
}

fn load(folders: &[std::path::PathBuf]) -> Result<Catalogue, CliError> {
    let catalogue = Catalogue::load(folders);
    if catalogue.skills().len() == 0 {
        let named: Vec<String> = folders.iter().map(|folder| escaped(&folder.to_string_lossy())).collect();
        let mut error =
            CliError::new(ErrorKind::NotFound, format!("there are no skills in {}", named.join(", ")))
                .hint("a skill is a folder with a SKILL.md that says in its head what it is for");
        if let Some(warning) = catalogue.warnings().first() {
            error = error.caused_by(escaped(&warning.to_string()));
        }
        return Err(error);
    }
    Ok(catalogue)
}

fn unreadable(error: SkillError) -> CliError {
    CliError::new(ErrorKind::Input, "a skill cannot be read").caused_by(error)
}

fn list(args: &SkillsListArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let catalogue = load(&args.folders)?;
    if args.json {
        let skills: Vec<Value> = catalogue
            .skills()
            .map(|skill| {
                json!({ "name": skill.name, "description": skill.description, "folder": skill.folder })
            })
            .collect();
        let warnings: Vec<String> = catalogue.warnings().iter().map(ToString::to_string).collect();
        terminal.json(&json!({ "version": 1, "skills": skills, "warnings": warnings }))?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(["skill", "what it is for"].map(|title| Cell::styled(title, HEADING)));
    for skill in catalogue.skills() {
        table.row([escaped(&skill.name), escaped(&skill.description)].map(Cell::plain));
    }
    terminal.print(table.draw(terminal.width()))?;
    tell_warnings(&catalogue, terminal);
    Ok(Exit::Fine)
}

/// Tells what is odd about skills.
pub(crate) fn tell_warnings(catalogue: &Catalogue, terminal: &Terminal) {
    for warning in catalogue.warnings() {
        terminal.note(format!("{WARN}warning:{WARN:#} {}", escaped(&warning.to_string())));
    }
}

fn show(args: &SkillsShowArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let catalogue = load(std::slice::from_ref(&args.folder))?;
    let skill = find(&catalogue, &args.name)?;
    let text = match &args.file {
        Some(path) => {
            let path = FilePath::new(path).map_err(|invalid| {
                CliError::new(ErrorKind::Usage, "that is no path in a skill").caused_by(invalid)
            })?;
            skill.file(&path).map_err(unreadable)?
        }
        None => skill.activation().map_err(unreadable)?,
    };
    if args.json {
        terminal.json(&json!({ "version": 1, "name": skill.name, "text": text }))?;
        return Ok(Exit::Fine);
    }
    text.lines().try_for_each(|line| terminal.line(Escaped(line)))?;
    Ok(Exit::Fine)
}

fn find<'c>(catalogue: &'c Catalogue, name: &str) -> Result<&'c Skill, CliError> {
    catalogue.get(name).ok_or_else(|| {
        let error = CliError::new(ErrorKind::NotFound, format!("there is no skill `{}`", escaped(name)));
        match nearest(name, catalogue.skills().map(|skill| skill.name.as_str()), 1).first() {
            Some(near) => error.hint(format!("did you mean `{}`?", escaped(near))),
            None => error.hint("`super-planner skills list` names those that there are"),
        }
    })
}

/// One way to hand skills to a model.
struct Way {
    name: &'static str,
    what: String,
    tokens: u64,
}

fn cost(args: &SkillsCostArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let catalogue = load(&args.folders)?;
    let costs = Costs::of(&catalogue, &Vocabulary::now(VOCABULARY)).map_err(unreadable)?;
    let ways = ways(&costs, args.skills);
    if args.json {
        terminal.json(&cost_json(&costs, &ways))?;
        return Ok(Exit::Fine);
    }
    terminal.print(skills_table(&costs).draw(terminal.width()))?;
    terminal.line("")?;
    terminal.print(ways_table(&costs, &ways).draw(terminal.width()))?;
    let beyond = costs.skills.iter().filter(|skill| !skill.is_as_advised()).count();
    terminal.line(format_args!(
        "{DIM}tokens of {}; {beyond} of {} bodies break the advice of fewer than {BODY_LINES_ADVISED} lines and \
         {BODY_TOKENS_ADVISED} tokens{DIM:#}",
        VOCABULARY.as_str(),
        costs.skills.len()
    ))?;
    for skill in costs.skills.iter().filter(|skill| skill.files_cut > 0) {
        terminal.note(format!(
            "{WARN}warning:{WARN:#} {} has {} files that are too long to be counted to their end",
            escaped(&skill.name),
            skill.files_cut
        ));
    }
    Ok(Exit::Fine)
}

fn ways(costs: &Costs, skills: usize) -> [Way; 6] {
    let session = |name, session: SessionCost| {
        let what = format!("{}; {FILES_READ} file of each", session.skills.join(", "));
        Way { name, what, tokens: session.tokens }
    };
    let whole = |name, what: &str, tokens| Way { name, what: what.to_owned(), tokens };
    [
        whole("everything", "every body and file at the start", costs.eager_everything()),
        whole("all bodies", "every body at the start", costs.eager_bodies()),
        whole("start", "names and descriptions only", costs.catalogue),
        whole(
            "mean session",
            &format!("{skills} skills, {FILES_READ} file of each; the mean over all choices"),
            costs.mean_session(skills, FILES_READ),
        ),
        session("typical session", costs.typical_session(skills, FILES_READ)),
        session("dearest session", costs.dearest_session(skills, FILES_READ)),
    ]
}

fn skills_table(costs: &Costs) -> Table {
    let mut table = Table::new(
        ["skill", "at start", "body", "lines", "activated", "files", "in files"]
            .map(|title| Cell::styled(title, HEADING)),
    );
    for skill in &costs.skills {
        let name = escaped(&skill.name);
        let name = if skill.is_as_advised() { Cell::plain(name) } else { Cell::styled(name, BAD) };
        table.row([
            name,
            Cell::number(skill.line),
            Cell::number(skill.body),
            Cell::number(skill.body_lines),
            Cell::number(skill.activation),
            Cell::number(skill.files.len()),
            Cell::number(skill.files.iter().sum::<u64>()),
        ]);
    }
    table
}

fn ways_table(costs: &Costs, ways: &[Way]) -> Table {
    let mut table = Table::new(
        ["loaded", "tokens", "saved of all bodies", "saved of everything", "what"]
            .map(|title| Cell::styled(title, HEADING)),
    );
    for way in ways {
        let share = |eager| Cell::number(format!("{:.1} %", 100.0 * saving(way.tokens, eager)));
        table.row([
            Cell::plain(way.name),
            Cell::number(way.tokens),
            share(costs.eager_bodies()),
            share(costs.eager_everything()),
            Cell::dim(escaped(&way.what)),
        ]);
    }
    table
}

fn cost_json(costs: &Costs, ways: &[Way]) -> Value {
    let skills: Vec<Value> = costs
        .skills
        .iter()
        .map(|skill| {
            json!({
                "name": skill.name,
                "start_tokens": skill.line,
                "body_tokens": skill.body,
                "body_lines": skill.body_lines,
                "activated_tokens": skill.activation,
                "file_tokens": skill.files,
                "files_cut": skill.files_cut,
                "as_advised": skill.is_as_advised(),
            })
        })
        .collect();
    let ways: Vec<Value> = ways
        .iter()
        .map(|way| {
            json!({
                "name": way.name,
                "what": way.what,
                "tokens": way.tokens,
                "saved_of_bodies": saving(way.tokens, costs.eager_bodies()),
                "saved_of_everything": saving(way.tokens, costs.eager_everything()),
            })
        })
        .collect();
    json!({
        "version": 1,
        "vocabulary": VOCABULARY.as_str(),
        "exact": costs.is_exact,
        "skills": skills,
        "ways": ways,
    })
}
