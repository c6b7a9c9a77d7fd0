//! What skills cost in tokens: all of it at once, or each part when it is needed.

use crate::skill::{Catalogue, Skill, SkillError};
use crate::token::TokenCounter;

/// The lines and tokens that the format advises a body to stay below.
pub const BODY_LINES_ADVISED: usize = 500;
/// The tokens that the format advises a body to stay below.
pub const BODY_TOKENS_ADVISED: u64 = 5000;

/// How much of a file, and of all files of a skill, is counted.
const FILE_BYTES_COUNTED_MAX: u64 = 1 << 20;
const SKILL_BYTES_COUNTED_MAX: u64 = 16 << 20;
/// How much of a file tells whether it is text.
const BYTES_LOOKED_AT: u64 = 512;

/// What one skill costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillCost {
    /// Its name.
    pub name: String,
    /// Tokens of its line in the catalogue.
    pub line: u64,
    /// Tokens of its body.
    pub body: u64,
    /// Lines of its body.
    pub body_lines: usize,
    /// Tokens of what a model gets to see when it activates the skill: the body, and the names of its files.
    pub activation: u64,
    /// Tokens of each of its supporting files that is text, the largest first; of a long one those of its beginning.
    pub files: Vec<u64>,
    /// How many of the files are longer than was counted.
    pub files_cut: usize,
}

/// What all skills of a catalogue cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// Each skill, by name.
    pub skills: Vec<SkillCost>,
    /// Tokens of the catalogue, with the sentence before it.
    pub catalogue: u64,
    /// Whether the tokens are exact or estimates.
    pub is_exact: bool,
}

/// A session that uses some skills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCost {
    /// The skills that it activates.
    pub skills: Vec<String>,
    /// Tokens of the catalogue, of the activations, and of the files that are read.
    pub tokens: u64,
}

impl SkillCost {
    /// Counts a skill. Reads on the calling thread.
    pub fn of(skill: &Skill, counter: &dyn TokenCounter) -> Result<Self, SkillError> {
        let body = skill.body()?;
        let (mut files, mut files_cut, mut bytes_left) = (Vec::new(), 0, SKILL_BYTES_COUNTED_MAX);
        for path in skill.files()? {
            // A file that is no text is not for a model to read.
            let bytes_max = FILE_BYTES_COUNTED_MAX.min(bytes_left).max(BYTES_LOOKED_AT);
            let Ok((text, size)) = skill.beginning(&path, bytes_max) else { continue };
            let counted = text.len() as u64;
            bytes_left = bytes_left.saturating_sub(counted);
            files_cut += usize::from(counted < size);
            files.push(counter.count(&text));
        }
        files.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Self {
            name: skill.name.clone(),
            line: counter.count(&skill.line()),
            body: counter.count(&body),
            body_lines: body.lines().count(),
            activation: counter.count(&skill.activation()?),
            files,
            files_cut,
        })
    }

    /// Returns whether the body is as short as the format advises.
    pub fn is_as_advised(&self) -> bool {
        self.body_lines < BODY_LINES_ADVISED && self.body < BODY_TOKENS_ADVISED
    }

    fn files_total(&self) -> u64 {
        self.files.iter().sum()
    }

    /// The activation, and so many of the files, those of middling size.
    fn used(&self, files: usize) -> u64 {
        let skipped = self.files.len().saturating_sub(files) / 2;
        self.activation + self.files.iter().skip(skipped).take(files).sum::<u64>()
    }
}

impl Costs {
    /// Counts all skills of a catalogue. Reads on the calling thread.
    pub fn of(catalogue: &Catalogue, counter: &dyn TokenCounter) -> Result<Self, SkillError> {
        Ok(Self {
            skills: catalogue
                .skills()
                .map(|skill| SkillCost::of(skill, counter))
                .collect::<Result<_, _>>()?,
            catalogue: catalogue.text().map_or(0, |text| counter.count(&text)),
            is_exact: counter.is_exact(),
        })
    }

    /// Returns the tokens of loading every body at the start.
    pub fn eager_bodies(&self) -> u64 {
        self.skills.iter().map(|skill| skill.body).sum()
    }

    /// Returns the tokens of loading every body and every file at the start.
    pub fn eager_everything(&self) -> u64 {
        self.skills.iter().map(|skill| skill.body + skill.files_total()).sum()
    }

    /// Returns a session that activates the `count` skills with the largest bodies and reads `files` files of each: the
    /// dearest one.
    pub fn dearest_session(&self, count: usize, files: usize) -> SessionCost {
        self.session(self.by_body().into_iter().rev().take(count), files)
    }

    /// Returns a session that activates the `count` skills with bodies of middling size and reads `files` files of each.
    pub fn typical_session(&self, count: usize, files: usize) -> SessionCost {
        let skipped = self.skills.len().saturating_sub(count) / 2;
        self.session(self.by_body().into_iter().skip(skipped).take(count), files)
    }

    /// Returns the tokens of a session that activates `count` skills and reads `files` files of each: the mean over all
    /// choices of skills.
    pub fn mean_session(&self, count: usize, files: usize) -> u64 {
        let used: u64 = self.skills.iter().map(|skill| skill.used(files)).sum();
        let count = count.min(self.skills.len()) as u64;
        self.catalogue + (count * used).div_ceil((self.skills.len() as u64).max(1))
    }

    fn by_body(&self) -> Vec<&SkillCost> {
        let mut skills: Vec<&SkillCost> = self.skills.iter().collect();
        skills.sort_by_key(|skill| skill.body);
        skills
    }

    fn session<'a>(&self, skills: impl Iterator<Item = &'a SkillCost>, files: usize) -> SessionCost {
        let used: Vec<&SkillCost> = skills.collect();
        SessionCost {
            tokens: self.catalogue + used.iter().map(|skill| skill.used(files)).sum::<u64>(),
            skills: used.into_iter().map(|skill| skill.name.clone()).collect(),
        }
    }
}

/// Returns the share of `eager` tokens that `progressive` ones save: below 0 where it costs more.
pub fn saving(progressive: u64, eager: u64) -> f64 {
    if eager == 0 { 0.0 } else { 1.0 - progressive as f64 / eager as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Estimate;

    fn skill(name: &str, body: u64, files: &[u64]) -> SkillCost {
        let (name, files) = (name.to_owned(), files.to_vec());
        SkillCost { name, line: 10, body, body_lines: 50, activation: body + 5, files, files_cut: 0 }
    }

    #[test]
    fn sessions_cost_what_they_use() {
        let skills = vec![
            skill("a", 1000, &[30, 20, 10]),
            skill("b", 4000, &[]),
            skill("c", 6000, &[500]),
            skill("d", 2000, &[5]),
        ];
        let costs = Costs { skills, catalogue: 50, is_exact: true };
        assert_eq!((costs.eager_bodies(), costs.eager_everything()), (13_000, 13_565));
        let dearest = costs.dearest_session(2, 1);
        assert_eq!((dearest.skills, dearest.tokens), (vec!["c".into(), "b".into()], 50 + 6505 + 4005));
        let typical = costs.typical_session(2, 1);
        assert_eq!((typical.skills, typical.tokens), (vec!["d".into(), "b".into()], 50 + 2010 + 4005));
        assert_eq!(costs.skills[0].used(1), 1025);
        assert_eq!(costs.typical_session(9, 9).tokens, 50 + 13_565 + 20);
        assert_eq!(costs.mean_session(9, 9), 50 + 13_565 + 20);
        assert_eq!(costs.mean_session(1, 0), 50 + 13_020 / 4);
        let advised: Vec<bool> = costs.skills.iter().map(SkillCost::is_as_advised).collect();
        assert_eq!(advised, [true, true, false, true]);
    }

    #[test]
    fn long_files_are_counted_as_far_as_they_are_read_and_said_to_be_cut() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("long");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("SKILL.md"), "---\nname: long\ndescription: is long\n---\nbody\n")
            .unwrap();
        // The last character that is read is cut in two.
        let long = format!("x{}", "ß".repeat(1 << 20));
        std::fs::write(folder.join("long.md"), &long).unwrap();
        std::fs::write(folder.join("short.md"), "ß").unwrap();
        std::fs::write(folder.join("image.png"), [0xff; 100]).unwrap();
        let cost_of = || {
            let catalogue = Catalogue::load(&[root.path().to_owned()]);
            SkillCost::of(catalogue.get("long").unwrap(), &Estimate::default()).unwrap()
        };
        let cost = cost_of();
        assert_eq!((cost.files.len(), cost.files_cut), (2, 1));
        for number in 0..20 {
            std::fs::write(folder.join(format!("{number}.md")), &long).unwrap();
        }
        let cost = cost_of();
        assert_eq!((cost.files.len(), cost.files_cut), (22, 21));
        assert!(cost.files[16..].iter().all(|tokens| *tokens < 1000), "16 MiB are counted: {:?}", cost.files);
    }

    #[test]
    fn a_saving_is_a_share_of_the_eager_cost() {
        assert_eq!(saving(25, 100), 0.75);
        assert_eq!(saving(0, 0), 0.0);
        assert!(saving(150, 100) < 0.0);
    }
}
