//! Skills: folders with instructions that a model takes up when it needs them.
//!
//! The format is that of Agent Skills (agentskills.io): a `SKILL.md` with YAML before a Markdown body, and supporting files
//! beside it. A model sees as little as possible: at first the name and the description of each skill
//! ([`Catalogue::text`]), the body when it activates one, a supporting file when it asks for it. [`cost`] says what that
//! saves.
//!
//! A skill is somebody's text: nothing in it is executed, and none of its paths leads out of its folder.

mod cache;
mod catalogue;
pub mod cost;
mod front_matter;
mod tools;

pub use cache::{CacheCounts, CacheLimits, SkillCache};
pub use catalogue::{Catalogue, Skill, SkillError, Warning};
pub use front_matter::{FrontMatter, InvalidFrontMatter};
pub use tools::{ACTIVATE_SKILL, READ_SKILL_FILE, SkillTools};
