//! Presets for coding agents: those that come with the program, and those of a file of the user's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_coordinator::executor::AgentProgram;

use crate::config::{Config, ConfigFile};
use crate::error::{CliError, ErrorKind};
use crate::escape::escaped;
use crate::nearest::nearest;

const SHIPPED: &str = include_str!("../data/agents.toml");

/// The name of the user's file, in the folder of the configuration.
const FILE: &str = "agents.toml";

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The presets by name.
#[derive(Debug)]
pub(crate) struct AgentPresets(BTreeMap<String, AgentPreset>);

/// A preset.
#[derive(Debug)]
pub(crate) struct AgentPreset {
    /// What it says.
    pub(crate) program: AgentProgram,
    /// The user's file that it is from; none where it came with this program.
    pub(crate) file: Option<PathBuf>,
}

impl AgentPresets {
    /// Returns those that came with this program, and those of the user's file instead of them where they have the same name.
    pub(crate) fn load(config: &Config) -> Result<Self, CliError> {
        let shipped = read(SHIPPED).expect("what comes with the program can be read");
        let mut presets: BTreeMap<_, _> =
            shipped.into_iter().map(|(name, program)| (name, AgentPreset { program, file: None })).collect();
        let Some(file) = user_file(config).filter(|file| file.exists()) else { return Ok(Self(presets)) };
        let shown = escaped(&file.to_string_lossy());
        let refused = |what: String| CliError::new(ErrorKind::Config, format!("the presets {shown} {what}"));
        let size = file.metadata().map_err(|error| refused("cannot be read".to_owned()).caused_by(error))?;
        if !size.is_file() || size.len() > FILE_BYTES_MAX {
            return Err(refused(format!("are no regular file of {FILE_BYTES_MAX} bytes at the most")));
        }
        let text = std::fs::read_to_string(&file)
            .map_err(|error| refused("cannot be read".to_owned()).caused_by(error))?;
        let own = read(&text).map_err(|error| {
            refused("cannot be understood".to_owned())
                .caused_by(error)
                .hint("`super-planner agent presets NAME` shows what one looks like")
        })?;
        for (name, program) in own {
            if let Err(error) = program.check() {
                return Err(refused(format!("hold a preset `{}` that cannot work: {error}", escaped(&name))));
            }
            presets.insert(name, AgentPreset { program, file: Some(file.clone()) });
        }
        Ok(Self(presets))
    }

    /// Returns the preset of that name.
    pub(crate) fn named(&self, name: &str) -> Result<&AgentPreset, CliError> {
        self.0.get(name).ok_or_else(|| {
            let message = format!("there is no preset `{}`", escaped(name));
            let near = nearest(name, self.0.keys().map(String::as_str), 1);
            let error = CliError::new(ErrorKind::NotFound, message);
            match near.first() {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`super-planner agent presets` lists them"),
            }
        })
    }

    /// Returns all of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &AgentPreset)> {
        self.0.iter().map(|(name, preset)| (name.as_str(), preset))
    }
}

/// Returns where the user's file would be.
pub(crate) fn user_file(config: &Config) -> Option<PathBuf> {
    match &config.file {
        ConfigFile::Read(path) | ConfigFile::Missing(path) => Some(path.with_file_name(FILE)),
        ConfigFile::Nowhere => None,
    }
}

fn read(text: &str) -> Result<BTreeMap<String, AgentProgram>, toml::de::Error> {
    toml::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_that_comes_along_can_work_and_says_what_it_is() {
        let shipped = read(SHIPPED).unwrap();
        assert_eq!(
            shipped.keys().collect::<Vec<_>>(),
            ["aider", "claude", "codex", "gemini", "goose", "opencode"]
        );
        for (name, program) in shipped {
            program.check().unwrap();
            assert!(
                !program.about.is_empty() && program.arguments.iter().any(|argument| argument == "{more}"),
                "{name}"
            );
            let told = toml::to_string(&BTreeMap::from([(name.clone(), program.clone())])).unwrap();
            assert_eq!(read(&told).unwrap()[&name], program, "what is shown can be used");
        }
    }
}
