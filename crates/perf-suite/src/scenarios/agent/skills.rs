//! SK-TOKENS: what is saved by showing a model of skills only what it needs, in exact tokens of real skills.

use std::path::Path;

use agent_runtime::skill::Catalogue;
use agent_runtime::skill::cost::{BODY_TOKENS_ADVISED, Costs, saving};
use agent_runtime::token::{Vocabulary, VocabularyName};

use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::series::Unit;

/// What progressive loading of skills saves.
#[derive(Debug, Clone, Copy)]
pub struct SkillTokens;

/// The variable that names a folder with real data, which is not part of the project.
const CORPUS_VARIABLE: &str = "SUPER_PLANNER_CORPUS";
/// The skills that a session uses, and the files of each that it reads.
const SKILLS_USED: usize = 3;
const FILES_READ: usize = 1;
/// Counts are exact: the same figure so often makes an interval of no width.
const SAMPLES: usize = 6;

impl Scenario for SkillTokens {
    fn id(&self) -> &'static str {
        "SK-TOKENS"
    }

    fn statement(&self) -> &'static str {
        "tokens of real skills: all at the start, or names first, bodies and files when they are needed"
    }

    fn run(&self, _: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let Some(corpus) = std::env::var_os(CORPUS_VARIABLE) else {
            recorder.note(format!("{CORPUS_VARIABLE} names no folder with real skills: nothing was counted"));
            return Ok(());
        };
        let catalogue = Catalogue::load(&[Path::new(&corpus).join("skills")]);
        if catalogue.skills().len() == 0 {
            return Err(format!("there are none below {CORPUS_VARIABLE}"))
                .map_err(ScenarioFailed::during("finding skills"));
        }
        let costs = Costs::of(&catalogue, &Vocabulary::now(VocabularyName::O200k))
            .map_err(ScenarioFailed::during("counting tokens"))?;
        let mut ratio = |metric: &str, what, value| {
            recorder.record(metric, what, Unit::Ratio, vec![value; SAMPLES]);
        };
        let bodies = costs.eager_bodies();
        let advised = |tokens: u64| tokens as f64 / BODY_TOKENS_ADVISED as f64;
        ratio("saved/start", "at the start, of loading every body", saving(costs.catalogue, bodies));
        ratio(
            "saved/mean-session",
            "in a session of three skills and a file of each, mean over all choices, of loading every body",
            saving(costs.mean_session(SKILLS_USED, FILES_READ), bodies),
        );
        ratio(
            "saved/dearest-session",
            "the same with the three dearest skills",
            saving(costs.dearest_session(SKILLS_USED, FILES_READ).tokens, bodies),
        );
        ratio(
            "saved/dearest-of-everything",
            "the same, of loading every body and every file",
            saving(costs.dearest_session(SKILLS_USED, FILES_READ).tokens, costs.eager_everything()),
        );
        ratio("initial/catalogue", "the start, in units of 5,000 tokens", advised(costs.catalogue));
        let largest = costs.skills.iter().map(|skill| skill.body).max().unwrap_or_default();
        ratio("initial/largest-body", "the largest body, in units of 5,000 tokens", advised(largest));
        let beyond = costs.skills.iter().filter(|skill| !skill.is_as_advised());
        let names: Vec<&str> = beyond.map(|skill| skill.name.as_str()).collect();
        recorder.note(format!(
            "{} skills, tokens of o200k_base; bodies of 500 lines or 5,000 tokens and more: {}",
            costs.skills.len(),
            names.join(", ")
        ));
        Ok(())
    }
}
