//! What can be set: one file in TOML, outside every repository, so that what a repository contains decides nothing.
//!
//! A flag goes before the environment, that before the file, that before the default; every setting knows which it was.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_coordinator::{LandingRules, MessageStyle};
use git_ops::{PathPattern, WorktreeOptions};
use planner_core::{Diagnostic, Format, Limits, ReadOptions, Source};
use state_store::task::OverlappingWrites;
use toml::de::{DeTable, DeValue};

use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;
use crate::landing_config::{self, ConflictRule};
use crate::nearest::nearest;
use crate::session::ATTEMPT_TIME;
use crate::state_location;

/// The variable of the environment that names another file.
pub const FILE_VARIABLE: &str = "SUPER_PLANNER_CONFIG";

const FILE_BYTES_MAX: u64 = 1 << 20;

/// The settings. A command that has a flag for one asks [`Setting::or_flag`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that was looked for.
    pub file: ConfigFile,
    /// How many agents, where a plan names none.
    pub agents: Setting<NonZeroU32>,
    /// How many times faster than the plan's efforts simulated agents work.
    pub time_scale: Setting<f64>,
    /// How long an agent's lease lasts before it must be renewed.
    pub lease: Setting<Duration>,
    /// How many attempts of a task may fail; then the task has failed.
    pub failures_max: Setting<u32>,
    /// How many attempts of a task may end in silence; then the task has failed.
    pub losses_max: Setting<u32>,
    /// How long an attempt may take.
    pub attempt_timeout: Setting<Duration>,
    /// Whether tasks run at once that could write the same file.
    pub overlapping_writes: Setting<OverlappingWrites>,
    /// After how many failed attempts without a completed task between them a project is paused.
    pub project_failures_in_row_max: Setting<Option<NonZeroU32>>,
    /// After how many failed attempts in all a project is paused.
    pub project_failures_max: Setting<Option<NonZeroU32>>,
    /// The branch that results land on; `{project}` stands for the name of the project.
    pub branch: Setting<String>,
    /// Where the state is; `None` is the default place in the repository's git folder.
    pub state: Setting<Option<String>>,
    /// The checks that may be run.
    pub trusted_checks: Setting<Vec<TrustedCheck>>,
    /// How long a check may take where its plan does not say.
    pub check_timeout: Setting<Duration>,
    /// What everything random is drawn from; `None` draws a new one for each run.
    pub seed: Setting<Option<u64>>,
    /// What of the program's own log goes to standard error.
    pub log: Setting<String>,
    /// What the files of the branch must pass with a result, before it lands.
    pub landing_check: Setting<Option<Vec<String>>>,
    /// What the first line of a commit looks like.
    pub landing_message: Setting<MessageStyle>,
    /// What becomes of conflicts, by path.
    pub landing_conflicts: Setting<Vec<ConflictRule>>,
    /// Where the folders are that agents and checks work in; `None` is a folder of the user's among the temporary ones.
    pub worktrees_folder: Setting<Option<String>>,
    /// How many bytes these may hold together.
    pub worktrees_bytes_max: Setting<u64>,
    /// Which files agents are shown; all of them where there is no pattern.
    pub worktrees_paths: Setting<Vec<PathPattern>>,
    /// How much of a plan is read, in the order of [`Limits::NAMES`].
    pub limits: [Setting<usize>; 7],
}

/// The file of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigFile {
    /// It was read.
    Read(PathBuf),
    /// There is none, here.
    Missing(PathBuf),
    /// The environment does not say where it would be.
    Nowhere,
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command.
    Flag,
    /// This variable of the environment.
    Environment(&'static str),
    /// This line of the file, from 1.
    File {
        /// The line.
        line: usize,
    },
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(variable) => f.write_str(variable),
            Self::File { line } => write!(f, "file, line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl<T> Setting<T> {
    /// Returns the value of the flag if it was given, else this one.
    pub fn or_flag(&self, flag: Option<T>) -> Self
    where
        T: Clone,
    {
        flag.map_or_else(|| self.clone(), |value| Self { value, origin: Origin::Flag })
    }
}

/// A command that may be run as a check: exactly this one, or, where the last word is `*`, every one that begins so.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct TrustedCheck(Vec<String>);

impl TrustedCheck {
    /// Returns the rule of these words; a program must be among them.
    pub fn new(words: Vec<String>) -> Result<Self, String> {
        match words.first().map(String::as_str) {
            None => Err("a check needs a program".to_owned()),
            Some("*") => {
                Err("`*` alone would trust every command; --trust-checks trusts those of one plan".to_owned())
            }
            Some(_) => Ok(Self(words)),
        }
    }

    /// Returns whether the command may be run.
    pub fn allows(&self, command: &[String]) -> bool {
        match self.0.split_last() {
            Some((last, prefix)) if last == "*" => command.starts_with(prefix),
            _ => command == self.0,
        }
    }
}

/// A setting as it is shown.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ShownSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: serde_json::Value,
    /// Where that comes from.
    pub origin: String,
}

/// The settings of the limits, in the order of [`Limits::NAMES`].
const LIMITS: [&str; 7] = [
    "limit_bytes",
    "limit_line_bytes",
    "limit_depth",
    "limit_alias_values",
    "limit_tasks",
    "limit_dependencies",
    "limit_diagnostics",
];

const SETTINGS: [(&str, &str); 21] = [
    ("agents", "SUPER_PLANNER_AGENTS"),
    ("time_scale", "SUPER_PLANNER_TIME_SCALE"),
    ("lease", "SUPER_PLANNER_LEASE"),
    ("failures_max", "SUPER_PLANNER_FAILURES_MAX"),
    ("losses_max", "SUPER_PLANNER_LOSSES_MAX"),
    ("attempt_timeout", "SUPER_PLANNER_ATTEMPT_TIMEOUT"),
    ("overlapping_writes", "SUPER_PLANNER_OVERLAPPING_WRITES"),
    ("project_failures_in_row_max", "SUPER_PLANNER_PROJECT_FAILURES_IN_ROW_MAX"),
    ("project_failures_max", "SUPER_PLANNER_PROJECT_FAILURES_MAX"),
    ("branch", "SUPER_PLANNER_BRANCH"),
    ("state", "SUPER_PLANNER_STATE"),
    ("check_timeout", "SUPER_PLANNER_CHECK_TIMEOUT"),
    ("seed", "SUPER_PLANNER_SEED"),
    ("log", "SUPER_PLANNER_LOG"),
    ("limit_bytes", "SUPER_PLANNER_LIMIT_BYTES"),
    ("limit_line_bytes", "SUPER_PLANNER_LIMIT_LINE_BYTES"),
    ("limit_depth", "SUPER_PLANNER_LIMIT_DEPTH"),
    ("limit_alias_values", "SUPER_PLANNER_LIMIT_ALIAS_VALUES"),
    ("limit_tasks", "SUPER_PLANNER_LIMIT_TASKS"),
    ("limit_dependencies", "SUPER_PLANNER_LIMIT_DEPENDENCIES"),
    ("limit_diagnostics", "SUPER_PLANNER_LIMIT_DIAGNOSTICS"),
];
/// The tables of the file with the settings in each; these are set there alone.
const TABLES: [(&str, &[&str]); 3] = [
    ("checks", &["trusted"]),
    ("landing", &["check", "message", "conflicts"]),
    ("worktrees", &["folder", "bytes_max", "paths"]),
];

impl Config {
    /// Returns the settings: from the file that is named, or the default one if there is one, and the environment.
    pub fn load(
        named: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, CliError> {
        let named = named.map(Path::to_owned).or_else(|| environment(FILE_VARIABLE).map(PathBuf::from));
        let (file, text) = match named {
            Some(path) => {
                let text = read_file(&path)?;
                (ConfigFile::Read(path), text)
            }
            None => match default_file(environment) {
                None => (ConfigFile::Nowhere, String::new()),
                Some(path) if !path.exists() => (ConfigFile::Missing(path), String::new()),
                Some(path) => {
                    let text = read_file(&path)?;
                    (ConfigFile::Read(path), text)
                }
            },
        };
        let name = match &file {
            ConfigFile::Read(path) | ConfigFile::Missing(path) => escaped(&path.to_string_lossy()),
            ConfigFile::Nowhere => String::new(),
        };
        let source = Source::new(&name, text.as_str().into());
        let layers = Layers { written: Written::read(&text, &source)?, source: &source, environment };
        layers.config(file)
    }

    /// Returns how results come to their branch.
    pub fn landing_rules(&self) -> LandingRules {
        let check = self.landing_check.value.clone();
        LandingRules {
            check: check.map(|command| planner_core::Check { command, timeout_seconds: None }),
            conflicts: landing_config::policy(&self.landing_conflicts.value),
            message: self.landing_message.value.clone(),
        }
    }

    /// Returns what the folders may use that agents and checks work in.
    pub fn worktree_options(&self) -> WorktreeOptions {
        let default = WorktreeOptions::default();
        WorktreeOptions {
            folder: self.worktrees_folder.value.as_ref().map_or(default.folder, PathBuf::from),
            bytes_max: self.worktrees_bytes_max.value,
            paths: self.worktrees_paths.value.clone(),
            ..WorktreeOptions::default()
        }
    }

    /// Returns the settings with the limits that flags set, each by its name in [`Limits::NAMES`].
    #[must_use]
    pub fn with_limits(mut self, flags: &[(&'static str, usize)]) -> Self {
        for (name, value) in flags {
            let places = Limits::NAMES.iter().zip(&mut self.limits);
            for (_, limit) in places.filter(|(known, _)| *known == name) {
                *limit = limit.or_flag(Some(*value));
            }
        }
        self
    }

    /// Returns how a plan is to be read, in the format and with the tag that flags name.
    pub fn read_options(&self, format: Option<Format>, tag: Option<&str>) -> ReadOptions {
        let mut limits = Limits::default();
        for (name, limit) in Limits::NAMES.into_iter().zip(&self.limits) {
            *limits.named(name).expect("every limit has a name") = limit.value;
        }
        ReadOptions { format, tag: tag.map(str::to_owned), limits }
    }

    /// Returns all settings in the order of their documentation.
    pub fn shown(&self) -> Vec<ShownSetting> {
        fn one<T>(
            name: &'static str,
            setting: &Setting<T>,
            value: impl Fn(&T) -> serde_json::Value,
        ) -> ShownSetting {
            ShownSetting { name, value: value(&setting.value), origin: setting.origin.to_string() }
        }
        let length = |length: &Duration| serde_json::json!(humantime::format_duration(*length).to_string());
        let mut shown = vec![
            one("agents", &self.agents, |value| serde_json::json!(value)),
            one("time_scale", &self.time_scale, |value| serde_json::json!(value)),
            one("lease", &self.lease, length),
            one("failures_max", &self.failures_max, |value| serde_json::json!(value)),
            one("losses_max", &self.losses_max, |value| serde_json::json!(value)),
            one("attempt_timeout", &self.attempt_timeout, length),
            one("overlapping_writes", &self.overlapping_writes, |value| {
                serde_json::json!(overlap_name(*value))
            }),
            one("project_failures_in_row_max", &self.project_failures_in_row_max, |value| {
                serde_json::json!(value)
            }),
            one("project_failures_max", &self.project_failures_max, |value| serde_json::json!(value)),
            one("branch", &self.branch, |value| serde_json::json!(value)),
            one("state", &self.state, |value| serde_json::json!(value.as_deref().map(state_location::shown))),
            one("check_timeout", &self.check_timeout, length),
            one("seed", &self.seed, |value| serde_json::json!(value)),
            one("log", &self.log, |value| serde_json::json!(value)),
            one("checks.trusted", &self.trusted_checks, |value| serde_json::json!(value)),
            one("landing.check", &self.landing_check, |value| serde_json::json!(value)),
            one("landing.message", &self.landing_message, |value| serde_json::json!(value.to_string())),
            one("landing.conflicts", &self.landing_conflicts, |value| serde_json::json!(value)),
            one("worktrees.folder", &self.worktrees_folder, |value| serde_json::json!(value)),
            one("worktrees.bytes_max", &self.worktrees_bytes_max, |value| serde_json::json!(value)),
            one("worktrees.paths", &self.worktrees_paths, |value| {
                value.iter().map(ToString::to_string).collect()
            }),
        ];
        let limits = LIMITS.into_iter().zip(&self.limits);
        shown.extend(limits.map(|(name, limit)| one(name, limit, |value| serde_json::json!(value))));
        shown
    }
}

/// Returns the file of somebody who names none; relative folders in the environment do not count.
fn default_file(environment: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let folder = environment("XDG_CONFIG_HOME").map(PathBuf::from).and_then(absolute);
    let folder = folder.or_else(|| {
        let home = environment("HOME").map(PathBuf::from).and_then(absolute)?;
        Some(home.join(".config"))
    });
    Some(folder?.join("super-planner").join("config.toml"))
}

fn read_file(path: &Path) -> Result<String, CliError> {
    let shown = escaped(&path.to_string_lossy());
    let unreadable =
        |message: String| CliError::new(ErrorKind::Config, format!("the configuration {shown} {message}"));
    let metadata =
        std::fs::metadata(path).map_err(|error| unreadable("cannot be read".to_owned()).caused_by(error))?;
    if !metadata.is_file() {
        return Err(unreadable("is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable("cannot be read".to_owned()).caused_by(error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| unreadable("is no UTF-8 text".to_owned()).caused_by(error))
}

/// What the file says, with its place.
#[derive(Default)]
struct Written {
    values: BTreeMap<&'static str, (String, Range<usize>)>,
    /// What the tables hold, by the name of the table and that in it.
    tables: BTreeMap<(&'static str, &'static str), (serde_json::Value, Range<usize>)>,
}

impl Written {
    fn read(text: &str, source: &Source) -> Result<Self, CliError> {
        let table = DeTable::parse(text).map_err(|error| {
            let place = error.span().unwrap_or(0..0);
            refused(source, "syntax", escaped(error.message().trim()), place, None)
        })?;
        let mut written = Self::default();
        for (key, value) in table.into_inner() {
            let (name, place) = (key.get_ref().as_ref(), key.span());
            if let Some(&(known, settings)) = TABLES.iter().find(|(known, _)| *known == name) {
                written.read_table((known, settings), value.get_ref(), &value.span(), source)?;
                continue;
            }
            let Some((known, _)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
                let tables = TABLES.iter().map(|(known, _)| *known);
                let names = SETTINGS.iter().map(|(known, _)| *known).chain(tables);
                return Err(unknown(source, name, place, &nearest(name, names, 1)));
            };
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                DeValue::Float(number) => number.as_str().to_owned(),
                other => {
                    let message = format!("`{known}` is no {}", other.type_str());
                    return Err(refused(source, "wrong-type", message, value.span(), None));
                }
            };
            written.values.insert(known, (text, value.span()));
        }
        Ok(written)
    }

    fn read_table(
        &mut self,
        (table, settings): (&'static str, &'static [&'static str]),
        value: &DeValue<'_>,
        place: &Range<usize>,
        source: &Source,
    ) -> Result<(), CliError> {
        let Some(entries) = value.as_table() else {
            let help = Some(format!("write [{table}] on a line of its own, and its settings below"));
            return Err(refused(source, "wrong-type", format!("`{table}` is a table"), place.clone(), help));
        };
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            let Some(known) = settings.iter().find(|known| **known == name) else {
                return Err(unknown(source, name, key.span(), &nearest(name, settings.iter().copied(), 1)));
            };
            self.tables.insert((table, known), (plain(value.get_ref()), value.span()));
        }
        Ok(())
    }
}

/// Returns a value without its places. What cannot be a setting, such as a date, is null.
fn plain(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) if number.radix() == 10 => {
            number.as_str().parse::<i64>().map_or(serde_json::Value::Null, Into::into)
        }
        DeValue::Boolean(is_so) => (*is_so).into(),
        DeValue::Array(values) => values.iter().map(|value| plain(value.get_ref())).collect(),
        DeValue::Table(entries) => {
            entries.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect()
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => serde_json::Value::Null,
    }
}

fn trusted(value: &serde_json::Value) -> Result<Vec<TrustedCheck>, String> {
    let shape = || {
        "a list of commands, each a list of words: trusted = [[\"cargo\", \"test\"], [\"make\", \"*\"]]"
            .to_owned()
    };
    let commands = value.as_array().ok_or_else(shape)?;
    commands
        .iter()
        .map(|command| {
            let words = command.as_array().ok_or_else(shape)?;
            let words: Option<Vec<String>> =
                words.iter().map(|word| Some(word.as_str()?.to_owned())).collect();
            TrustedCheck::new(words.ok_or_else(shape)?)
        })
        .collect()
}

fn unknown(source: &Source, name: &str, place: Range<usize>, near: &[&str]) -> CliError {
    let help = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let tables = TABLES.map(|(table, settings)| format!("[{table}] {}", settings.join(", ")));
            format!("settings are {}; {}", SETTINGS.map(|(known, _)| known).join(", "), tables.join("; "))
        }
    };
    refused(source, "unknown-setting", format!("there is no setting `{}`", escaped(name)), place, Some(help))
}

fn refused(
    source: &Source,
    code: &'static str,
    message: String,
    place: Range<usize>,
    help: Option<String>,
) -> CliError {
    let (line, _) = source.line_column(place.start);
    let told = format!("the configuration cannot be used: {}, line {line}: {message}", source.name());
    let mut diagnostic = Diagnostic::error(code, message).at(place, "");
    diagnostic.help.clone_from(&help);
    let error = CliError::new(ErrorKind::Config, told).at(diagnostic, source.clone());
    match help {
        Some(help) => error.hint(help),
        None => error,
    }
}

/// The environment above the file.
struct Layers<'a> {
    written: Written,
    source: &'a Source,
    environment: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Layers<'_> {
    fn config(self, file: ConfigFile) -> Result<Config, CliError> {
        let agents = const { NonZeroU32::new(8).expect("8 is not 0") };
        Ok(Config {
            file,
            agents: self.pick("agents", agents, whole)?,
            time_scale: self.pick("time_scale", 3600.0, scale)?,
            lease: self.pick("lease", Duration::from_secs(60), length)?,
            failures_max: self.pick("failures_max", 3, |text| whole(text).map(NonZeroU32::get))?,
            losses_max: self.pick("losses_max", 5, |text| whole(text).map(NonZeroU32::get))?,
            attempt_timeout: self.pick("attempt_timeout", ATTEMPT_TIME, length)?,
            overlapping_writes: self.pick("overlapping_writes", OverlappingWrites::default(), overlap)?,
            project_failures_in_row_max: self
                .pick("project_failures_in_row_max", None, |text| whole(text).map(Some))?,
            project_failures_max: self.pick("project_failures_max", None, |text| whole(text).map(Some))?,
            branch: self.pick("branch", "planner/{project}".to_owned(), filled)?,
            state: self.pick("state", None, |text| filled(text).map(Some))?,
            trusted_checks: self.pick_in("checks", "trusted", Vec::new(), trusted)?,
            check_timeout: self.pick("check_timeout", Duration::from_secs(600), length)?,
            seed: self.pick("seed", None, |text| {
                text.parse().map(Some).map_err(|_| "a whole number from 0 on".to_owned())
            })?,
            log: self.pick("log", "warn".to_owned(), filled)?,
            landing_check: self.pick_in("landing", "check", None, landing_config::check)?,
            landing_message: self.pick_in(
                "landing",
                "message",
                MessageStyle::default(),
                landing_config::message,
            )?,
            landing_conflicts: self.pick_in("landing", "conflicts", Vec::new(), landing_config::conflicts)?,
            worktrees_folder: self.pick_in("worktrees", "folder", None, landing_config::folder)?,
            worktrees_bytes_max: self.pick_in(
                "worktrees",
                "bytes_max",
                WorktreeOptions::default().bytes_max,
                landing_config::bytes,
            )?,
            worktrees_paths: self.pick_in("worktrees", "paths", Vec::new(), landing_config::paths)?,
            limits: self.limits()?,
        })
    }

    fn limits(&self) -> Result<[Setting<usize>; 7], CliError> {
        let mut defaults = Limits::default();
        let mut found = Vec::with_capacity(LIMITS.len());
        for (setting, name) in LIMITS.into_iter().zip(Limits::NAMES) {
            let default = *defaults.named(name).expect("every limit has a name");
            found.push(self.pick(setting, default, number)?);
        }
        Ok(found.try_into().expect("there is one for each"))
    }

    /// Returns the value of a setting; `parse` says what is expected where it cannot take the text.
    fn pick<T>(
        &self,
        name: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Setting<T>, CliError> {
        let (_, variable) =
            SETTINGS.iter().find(|(known, _)| *known == name).expect("only known settings are asked for");
        if let Some(text) = (self.environment)(variable) {
            let text = text.to_string_lossy();
            let value = parse(&text).map_err(|expected| {
                let message = format!("{variable} is `{}`, not {expected}", escaped(&text));
                CliError::new(ErrorKind::Config, message)
            })?;
            return Ok(Setting { value, origin: Origin::Environment(variable) });
        }
        if let Some((text, place)) = self.written.values.get(name) {
            let value = parse(text).map_err(|expected| {
                let message = format!("`{name}` is `{}`, not {expected}", escaped(text));
                refused(self.source, "bad-value", message, place.clone(), None)
            })?;
            return Ok(Setting { value, origin: self.origin_in_file(place) });
        }
        Ok(Setting { value: default, origin: Origin::Default })
    }

    /// Returns the value of a setting of a table; `parse` says what is expected where it cannot take what is there.
    fn pick_in<T>(
        &self,
        table: &'static str,
        name: &'static str,
        default: T,
        parse: impl Fn(&serde_json::Value) -> Result<T, String>,
    ) -> Result<Setting<T>, CliError> {
        let Some((value, place)) = self.written.tables.get(&(table, name)) else {
            return Ok(Setting { value: default, origin: Origin::Default });
        };
        let value = parse(value).map_err(|expected| {
            let message = format!("`{table}.{name}` is not {}", escaped(&expected));
            refused(self.source, "bad-value", message, place.clone(), None)
        })?;
        Ok(Setting { value, origin: self.origin_in_file(place) })
    }

    fn origin_in_file(&self, place: &Range<usize>) -> Origin {
        Origin::File { line: self.source.line_column(place.start).0 }
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "a whole number from 0 on".to_owned())
}

fn whole(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "a whole number from 1 on".to_owned())
}

fn overlap(text: &str) -> Result<OverlappingWrites, String> {
    let known = [OverlappingWrites::Wait, OverlappingWrites::Allowed];
    let named = known.into_iter().find(|overlap| overlap_name(*overlap) == text);
    named.ok_or_else(|| "`wait` or `allowed`".to_owned())
}

fn overlap_name(overlap: OverlappingWrites) -> &'static str {
    match overlap {
        OverlappingWrites::Wait => "wait",
        OverlappingWrites::Allowed => "allowed",
    }
}

fn scale(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "a number above 0".to_owned())
}

fn length(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text).ok().filter(|length| !length.is_zero());
    length.ok_or_else(|| "a length of time such as 90s or 10m".to_owned())
}

fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("something".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, CliError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), &|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn flag_goes_before_environment_before_file_before_default() {
        let config = load("agents = 4\nlease = '90s'\n", &[("SUPER_PLANNER_AGENTS", "5")]).unwrap();
        assert_eq!(config.agents.origin, Origin::Environment("SUPER_PLANNER_AGENTS"));
        assert_eq!(config.agents.value.get(), 5);
        assert_eq!(config.agents.or_flag(NonZeroU32::new(6)).value.get(), 6);
        assert_eq!(config.agents.or_flag(None), config.agents);
        assert_eq!(
            config.lease,
            Setting { value: Duration::from_secs(90), origin: Origin::File { line: 2 } }
        );
        assert_eq!(config.failures_max, Setting { value: 3, origin: Origin::Default });
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_line_and_a_near_name() {
        let error = load("agents = 4\n\nleese = '90s'\n", &[]).unwrap_err();
        assert!(error.to_string().ends_with("line 3: there is no setting `leese`"), "{error}");
        assert_eq!(error.advice(), Some("did you mean `lease`?"));
        let error = load("[checks]\ntrustde = []\n", &[]).unwrap_err();
        assert_eq!(error.advice(), Some("did you mean `trusted`?"));
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for text in [
            "agents = 0",
            "agents = [1]",
            "time_scale = -1.0",
            "lease = 'soon'",
            "seed = -1",
            "checks = 1",
            "[checks]\ntrusted = [['*']]",
            "[checks]\ntrusted = [[]]",
            "[checks]\ntrusted = ['cargo test']",
            "landing = 1",
            "[landing]\ncheck = 'cargo test'",
            "[landing]\ncheck = []",
            "[landing]\nmessage = '{titel}'",
            "[[landing.conflicts]]\npaths = '**.lock'",
            "[[landing.conflicts]]\npaths = '**.lock'\nresolve = 'mine'",
            "[[landing.conflicts]]\npaths = '**.lock'\nresolve = 'ours'\ndriver = ['d', '{ours}', '{theirs}']",
            "[[landing.conflicts]]\npaths = '**.lock'\ndriver = ['d']",
            "[[landing.conflicts]]\npaths = ''\nresolve = 'ours'",
            "[worktrees]\nbytes_max = 0",
            "[worktrees]\nbytes_max = 1999-01-01",
            "[worktrees]\nfolder = 'relative'",
            "[worktrees]\npaths = 'src'",
            "agents = ",
            "agents = 1\nagents = 2",
        ] {
            let error = load(text, &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        }
        assert!(
            load("", &[("SUPER_PLANNER_LEASE", "x\u{1b}y")]).unwrap_err().to_string().contains("x\\u{1b}y")
        );
    }

    #[test]
    fn a_check_is_trusted_word_for_word_or_by_its_beginning() {
        let config = load("[checks]\ntrusted = [['cargo', 'test'], ['make', 'check', '*']]\n", &[]).unwrap();
        let allows = |command: &str| {
            let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
            config.trusted_checks.value.iter().any(|check| check.allows(&words))
        };
        assert!(allows("cargo test") && allows("make check") && allows("make check all"));
        assert!(!allows("cargo test --all") && !allows("cargo") && !allows("make") && !allows("make *"));
    }

    #[test]
    fn how_results_land_is_set_in_tables() {
        let text = "
            [landing]
            check = ['cargo', 'test']
            message = '{type}: {title}'
            [[landing.conflicts]]
            paths = 'CHANGELOG.md'
            resolve = 'union'
            [[landing.conflicts]]
            paths = '**.lock'
            driver = ['lock-merge', '{base}', '{ours}', '{theirs}']
            [worktrees]
            folder = '/var/agents'
            bytes_max = 5_000_000
            paths = ['src/**']
        ";
        let config = load(text, &[]).unwrap();
        let rules = config.landing_rules();
        assert_eq!(rules.check.unwrap().command, ["cargo", "test"]);
        assert_eq!(rules.message.to_string(), "{type}: {title}");
        assert_ne!(rules.conflicts, git_ops::MergePolicy::default());
        assert_eq!(config.landing_conflicts.origin, Origin::File { line: 5 });
        let options = config.worktree_options();
        assert_eq!((options.folder, options.bytes_max), (PathBuf::from("/var/agents"), 5_000_000));
        let shown = serde_json::to_string(&config.landing_conflicts.value).unwrap();
        assert_eq!(
            shown,
            r#"[{"paths":"CHANGELOG.md","resolve":"union"},{"paths":"**.lock","driver":["lock-merge","{base}","{ours}","{theirs}"]}]"#
        );
    }

    #[test]
    fn the_default_file_is_in_the_folder_of_the_user() {
        let at = |variables: &'static [(&str, &str)]| {
            default_file(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| v.into()))
        };
        let file = |path: &str| Some(PathBuf::from(path));
        assert_eq!(at(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")]), file("/x/super-planner/config.toml"));
        assert_eq!(
            at(&[("XDG_CONFIG_HOME", "x"), ("HOME", "/h")]),
            file("/h/.config/super-planner/config.toml")
        );
        assert_eq!(at(&[]), None);
    }
}
