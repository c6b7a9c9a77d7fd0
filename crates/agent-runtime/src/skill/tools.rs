//! The tools with which a model takes up a skill and reads its files.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::model::Message;
use crate::skill::{Catalogue, Skill, SkillCache, SkillError};
use crate::tool::files::{FilePath, from_line};
use crate::tool::{Access, Arguments, Kind, Schema, Tool, ToolError, ToolSpec, ToolStatus};

/// The name of the tool that activates a skill. What it returns stays in sight of the model for good.
pub const ACTIVATE_SKILL: &str = "activate_skill";
/// The name of the tool that reads a file of a skill.
pub const READ_SKILL_FILE: &str = "read_skill_file";
/// The bytes of a skill's text that a model gets to see: instructions that end in the middle are worse than long ones.
const ACTIVATION_BYTES_MAX: usize = 256 * 1024;

/// The tools of one session; they remember which skills it has activated.
#[derive(Debug)]
pub struct SkillTools {
    catalogue: Arc<Catalogue>,
    cache: Arc<SkillCache>,
    active: Mutex<BTreeSet<String>>,
}

impl SkillTools {
    /// Returns the tools of a session whose conversation so far is `messages`.
    pub fn new(catalogue: Arc<Catalogue>, cache: Arc<SkillCache>, messages: &[Message]) -> Arc<Self> {
        let active = Mutex::new(activated(messages));
        Arc::new(Self { catalogue, cache, active })
    }

    /// Takes the conversation as it is now: a skill is active if its text stands in it, and no other one is.
    pub fn follow(&self, messages: &[Message]) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = activated(messages);
    }

    /// Returns the tools: none where there are no skills.
    pub fn tools(self: &Arc<Self>) -> Vec<Arc<dyn Tool>> {
        if self.catalogue.skills().len() == 0 {
            return Vec::new();
        }
        let tool = |operation| Arc::new(SkillTool { operation, skills: Arc::clone(self) }) as Arc<dyn Tool>;
        [Operation::Activate, Operation::Read].map(tool).to_vec()
    }

    fn activate(&self, skill: &Skill) -> Result<String, SkillError> {
        let text = self.cache.get_or_read(&skill.name, Instant::now(), || skill.activation())?;
        let is_new = self.active.lock().unwrap_or_else(PoisonError::into_inner).insert(skill.name.clone());
        if is_new {
            return Ok(text.to_string());
        }
        Ok(format!("The skill `{}` is active already: its text stands above.", skill.name))
    }

    fn read(&self, skill: &Skill, path: &FilePath) -> Result<String, SkillError> {
        // No name of a skill holds a slash, so no two keys are the same.
        let key = format!("{}/{path}", skill.name);
        Ok(self.cache.get_or_read(&key, Instant::now(), || skill.file(path))?.to_string())
    }
}

/// Returns the names of the skills that a conversation has activated.
fn activated(messages: &[Message]) -> BTreeSet<String> {
    let succeeded = |id: &str| {
        messages.iter().any(|message| {
            matches!(message, Message::Tool(result) if result.call_id == id && result.status == ToolStatus::Succeeded)
        })
    };
    messages
        .iter()
        .flat_map(Message::calls)
        .filter(|call| call.name == ACTIVATE_SKILL && succeeded(&call.id))
        .filter_map(|call| {
            let arguments: serde_json::Value = serde_json::from_str(&call.arguments).ok()?;
            Some(arguments.get("name")?.as_str()?.to_owned())
        })
        .collect()
}

struct SkillTool {
    operation: Operation,
    skills: Arc<SkillTools>,
}

#[derive(Clone, Copy)]
enum Operation {
    Activate,
    Read,
}

impl Tool for SkillTool {
    fn spec(&self) -> ToolSpec {
        let names = self.skills.catalogue.skills().map(|skill| skill.name.clone()).collect();
        let named = Schema::new().required("name", Kind::Choice(names), "The skill.");
        match self.operation {
            Operation::Activate => ToolSpec {
                name: ACTIVATE_SKILL.to_owned(),
                description: "Returns the instructions of a skill.".to_owned(),
                arguments: named,
            },
            Operation::Read => ToolSpec {
                name: READ_SKILL_FILE.to_owned(),
                description: "Returns a file of a skill.".to_owned(),
                arguments: named
                    .required("path", Kind::Text, "Its path in the folder of the skill.")
                    .optional("from_line", Kind::Integer, "The number of the first line to return, from 1."),
            },
        }
    }

    fn access(&self) -> Access {
        Access::Reads
    }

    fn output_bytes_max(&self) -> Option<usize> {
        match self.operation {
            Operation::Activate => Some(ACTIVATION_BYTES_MAX),
            Operation::Read => None,
        }
    }

    fn call(
        &self,
        arguments: Arguments,
        _cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<String, ToolError>> {
        let (operation, skills) = (self.operation, Arc::clone(&self.skills));
        let work = move || {
            let name = arguments.text("name").expect("the schema requires it");
            let skill = skills.catalogue.get(name).expect("the schema names those that there are");
            let done = match operation {
                Operation::Activate => skills.activate(skill),
                Operation::Read => {
                    let path = arguments.text("path").expect("the schema requires it");
                    let path =
                        FilePath::new(path).map_err(|invalid| ToolError::Failed(invalid.to_string()))?;
                    let text = skills.read(skill, &path);
                    return from_line(
                        text.map_err(|error| ToolError::Failed(error.to_string()))?,
                        &arguments,
                    );
                }
            };
            done.map_err(|error| ToolError::Failed(error.to_string()))
        };
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|error| Err(ToolError::Failed(format!("the skills broke: {error}"))))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Reply;
    use crate::tool::{Registry, ToolCall, ToolLimits, ToolResult};

    fn catalogue(folder: &std::path::Path) -> Arc<Catalogue> {
        std::fs::create_dir(folder.join("a")).unwrap();
        std::fs::write(folder.join("a/SKILL.md"), "---\nname: a\ndescription: b\n---\nDo it.").unwrap();
        std::fs::write(folder.join("a/more.md"), "More.").unwrap();
        std::fs::write(folder.join("secret"), "secret").unwrap();
        Arc::new(Catalogue::load(&[folder.to_owned()]))
    }

    async fn call(tools: &Arc<SkillTools>, name: &str, arguments: Value) -> ToolResult {
        let registry = Registry::new(tools.tools(), ToolLimits::default()).unwrap();
        let call = ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: arguments.to_string() };
        registry.call(&call, &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn a_skill_is_shown_once_and_its_files_when_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (catalogue, cache) = (catalogue(folder.path()), Arc::new(SkillCache::default()));
        let tools = SkillTools::new(Arc::clone(&catalogue), Arc::clone(&cache), &[]);
        let activate = json!({ "name": "a" });
        let shown = call(&tools, ACTIVATE_SKILL, activate.clone()).await;
        assert!(shown.text.contains("Do it.") && shown.text.contains("- more.md"), "{}", shown.text);
        let again = call(&tools, ACTIVATE_SKILL, activate.clone()).await;
        assert_eq!(again.text, "The skill `a` is active already: its text stands above.");
        for _ in 0..3 {
            let file = call(&tools, READ_SKILL_FILE, json!({ "name": "a", "path": "more.md" })).await;
            assert_eq!((file.status, file.text.as_str()), (ToolStatus::Succeeded, "More."));
        }
        assert_eq!((cache.counts().hits, cache.counts().misses), (3, 2));

        // The next process knows it from the conversation.
        let activation =
            ToolCall { id: "7".to_owned(), name: ACTIVATE_SKILL.to_owned(), arguments: activate.to_string() };
        let messages = [
            Message::Assistant(Reply { calls: vec![activation], ..Reply::default() }),
            Message::Tool(ToolResult { call_id: "7".to_owned(), ..shown }),
        ];
        let tools = SkillTools::new(Arc::clone(&catalogue), Arc::clone(&cache), &messages);
        assert!(call(&tools, ACTIVATE_SKILL, activate).await.text.contains("is active already"));
        let none = SkillTools::new(Arc::new(Catalogue::default()), cache, &[]);
        assert_eq!(none.tools().len(), 0);
    }

    #[tokio::test]
    async fn a_long_skill_is_shown_whole_and_a_long_file_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = catalogue(folder.path());
        let body: String = (0..11_000).map(|line| format!("rule {line}\n")).collect();
        assert!(body.len() > 100_000);
        let text = format!("---\nname: a\ndescription: b\n---\n{body}");
        std::fs::write(folder.path().join("a/SKILL.md"), text).unwrap();
        std::fs::write(folder.path().join("a/more.md"), &body).unwrap();
        let tools = SkillTools::new(catalogue, Arc::default(), &[]);
        let shown = call(&tools, ACTIVATE_SKILL, json!({ "name": "a" })).await.text;
        assert!(shown.contains("rule 10999\n") && !shown.contains("[cut:"));
        let read = async |from_line: u64| {
            let arguments = json!({ "name": "a", "path": "more.md", "from_line": from_line });
            call(&tools, READ_SKILL_FILE, arguments).await.text
        };
        assert!(read(1).await.contains("[cut: the first "));
        assert_eq!(read(10_999).await, "rule 10998\nrule 10999\n");
    }

    #[tokio::test]
    async fn a_skill_whose_text_was_not_kept_is_shown_again() {
        let folder = tempfile::tempdir().unwrap();
        let tools = SkillTools::new(catalogue(folder.path()), Arc::default(), &[]);
        for _ in 0..2 {
            assert!(call(&tools, ACTIVATE_SKILL, json!({ "name": "a" })).await.text.contains("Do it."));
            tools.follow(&[]);
        }
    }

    #[tokio::test]
    async fn no_name_and_no_path_leads_out_of_a_skill() {
        let folder = tempfile::tempdir().unwrap();
        let tools = SkillTools::new(catalogue(folder.path()), Arc::default(), &[]);
        for name in ["b", "../a", "", "A", "a/", "a\0"] {
            let result = call(&tools, ACTIVATE_SKILL, json!({ "name": name })).await;
            assert_eq!(result.status, ToolStatus::InvalidArguments, "{name:?}");
        }
        for path in ["../secret", "/etc/passwd", "a/../../secret", "..", "", "%2e%2e/secret", "..\\secret"] {
            let result = call(&tools, READ_SKILL_FILE, json!({ "name": "a", "path": path })).await;
            assert_eq!(result.status, ToolStatus::Failed, "{path:?}: {}", result.text);
        }
    }
}
