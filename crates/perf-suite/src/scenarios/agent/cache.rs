//! KH-CACHE: texts of skills that many sessions take up.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use agent_runtime::skill::{ACTIVATE_SKILL, Catalogue, SkillCache, SkillTools};
use agent_runtime::tool::{Registry, ToolCall, ToolLimits, ToolStatus};
use serde_json::json;
use state_store::Random;
use tokio_util::sync::CancellationToken;

use super::runtime;
use crate::profile::Profile;
use crate::scenario::{Recorder, Scenario, ScenarioFailed};
use crate::scenarios::by_profile;
use crate::series::Unit;

/// The cache of skills.
#[derive(Debug, Clone, Copy)]
pub struct SkillTexts;

const SKILLS: usize = 14;
const BODY_BYTES: usize = 6000;
/// The sessions of a round, and the skills that each takes up.
const SESSIONS: usize = 200;
const SKILLS_USED: usize = 3;

impl Scenario for SkillTexts {
    fn id(&self) -> &'static str {
        "KH-CACHE"
    }

    fn statement(&self) -> &'static str {
        "two hundred sessions that take up three of fourteen skills each, through a cache that begins empty"
    }

    fn run(&self, profile: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let rounds = by_profile(profile, [1, 8, 8, 30]);
        let folder = tempfile::tempdir().map_err(ScenarioFailed::during("making a folder"))?;
        for skill in 0..SKILLS {
            write(folder.path(), skill).map_err(ScenarioFailed::during("writing a skill"))?;
        }
        let catalogue = Arc::new(Catalogue::load(&[folder.path().to_owned()]));
        let runtime = runtime()?;
        let (mut rates, mut times) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let cache = Arc::new(SkillCache::default());
            times.push(runtime.block_on(take_up(&catalogue, &cache, round))?);
            rates.push(cache.counts().hit_rate().unwrap_or_default());
        }
        recorder.record(
            "hit-rate",
            "texts that were there already, of all that were asked for",
            Unit::Ratio,
            rates,
        );
        recorder.record(
            "time",
            "taking up a skill, the call of the tool and a read now and then included: the mean of a round",
            Unit::Seconds,
            times,
        );
        Ok(())
    }
}

fn write(folder: &Path, skill: usize) -> std::io::Result<()> {
    let folder = folder.join(format!("skill-{skill}"));
    std::fs::create_dir(&folder)?;
    let body = "Do it so. ".repeat(BODY_BYTES / 10);
    let text = format!("---\nname: skill-{skill}\ndescription: Does what skill {skill} does.\n---\n{body}\n");
    std::fs::write(folder.join("SKILL.md"), text)
}

/// Returns the mean time of a call.
async fn take_up(
    catalogue: &Arc<Catalogue>,
    cache: &Arc<SkillCache>,
    seed: u64,
) -> Result<f64, ScenarioFailed> {
    let mut random = Random::new(seed);
    let mut elapsed = 0.0;
    for _ in 0..SESSIONS {
        let skills = SkillTools::new(Arc::clone(catalogue), Arc::clone(cache), &[]);
        let registry = Registry::new(skills.tools(), ToolLimits::default())
            .map_err(ScenarioFailed::during("registering tools"))?;
        let first = random.below(SKILLS);
        for used in 0..SKILLS_USED {
            let arguments = json!({ "name": format!("skill-{}", (first + 5 * used) % SKILLS) }).to_string();
            let call = ToolCall { id: used.to_string(), name: ACTIVATE_SKILL.to_owned(), arguments };
            let begun = Instant::now();
            let result = registry.call(&call, &CancellationToken::new()).await;
            elapsed += begun.elapsed().as_secs_f64();
            if result.status != ToolStatus::Succeeded {
                return Err(result.text).map_err(ScenarioFailed::during("taking up a skill"));
            }
        }
    }
    Ok(elapsed / (SESSIONS * SKILLS_USED) as f64)
}
