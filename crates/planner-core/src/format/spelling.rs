//! Names of fields that nobody reads but that are near the name of one that is read.

use std::collections::HashMap;

use crate::suggest::nearest_name;

/// What has the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Plan,
    Agent,
    Task,
    Check,
}

impl Owner {
    /// Returns it as messages say it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "a plan",
            Self::Agent => "an agent",
            Self::Task => "a task",
            Self::Check => "a check",
        }
    }

    /// Returns the names that the native format reads, those to be recommended first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Plan => &["name", "description", "agents", "tasks"],
            Self::Agent => &["name", "id", "capabilities", "slots", "lease_seconds", "labels"],
            Self::Task => &[
                "id",
                "title",
                "name",
                "description",
                "parent",
                "parent_id",
                "depends_on",
                "dependencies",
                "priority",
                "effort",
                "estimate",
                "capabilities",
                "check",
                "landing",
                "approval",
                "writes",
                "lease_seconds",
                "start_seconds",
                "silence_seconds",
                "attempt_seconds",
                "losses_max",
                "status",
                "standing",
                "children",
                "tasks",
            ],
            Self::Check => &["command", "timeout_seconds"],
        }
    }
}

/// What was found out about names, because a plan says the same ones over and over.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    found: HashMap<Owner, HashMap<String, Option<&'static str>>>,
}

impl Spellings {
    /// Returns the name that an unread one most likely stands for; none where it is read itself, or near nothing.
    pub(super) fn meant(&mut self, owner: Owner, unread: &str) -> Option<&'static str> {
        const NAMES_REMEMBERED_MAX: usize = 10_000;
        let found = self.found.entry(owner).or_default();
        if let Some(meant) = found.get(unread) {
            return *meant;
        }
        if found.len() >= NAMES_REMEMBERED_MAX {
            return None;
        }
        let meant = nearest_name(unread, owner.names()).filter(|name| *name != unread);
        found.insert(unread.to_owned(), meant);
        meant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_near_the_right_ones() {
        let mut spellings = Spellings::default();
        for (unread, meant) in [
            ("depends", "depends_on"),
            ("deps", "depends_on"),
            ("depend_on", "depends_on"),
            ("dependsOn", "depends_on"),
            ("depends-on", "depends_on"),
            ("dependency", "dependencies"),
            ("dependancies", "dependencies"),
            ("depnds", "depends_on"),
            ("effrt", "effort"),
            ("estimated", "estimate"),
            ("Priority", "priority"),
            ("prio", "priority"),
            ("capability", "capabilities"),
            ("parentId", "parent_id"),
            ("checks", "check"),
            ("titel", "title"),
            ("desc", "description"),
            ("child", "children"),
            ("ID", "id"),
        ] {
            assert_eq!(spellings.meant(Owner::Task, unread), Some(meant), "{unread}");
        }
        assert_eq!(spellings.meant(Owner::Plan, "task"), Some("tasks"));
        assert_eq!(spellings.meant(Owner::Agent, "slot"), Some("slots"));
        assert_eq!(spellings.meant(Owner::Check, "timeout"), Some("timeout_seconds"));
    }

    #[test]
    fn fields_of_people_are_near_nothing() {
        let mut spellings = Spellings::default();
        let own = "owner assignee assigned_to agent agent_id uid type kind category tags labels links url notes note comment \
                   created_at updated_at due due_date date milestone phase sprint wave risk acceptance files file prompt \
                   model team project repo branch version state stage metadata relations design export review reviewer \
                   check_output title_de display_name effort_hours x_id";
        for name in own.split_whitespace() {
            assert_eq!(spellings.meant(Owner::Task, name), None, "{name}");
        }
        for name in Owner::Task.names() {
            assert_eq!(spellings.meant(Owner::Task, name), None, "{name}");
        }
    }

    #[test]
    fn the_published_schema_names_what_is_read() {
        let schema: serde_json::Value = serde_json::from_str(crate::format::NATIVE_SCHEMA).unwrap();
        for (owner, place) in [(Owner::Plan, "plan"), (Owner::Agent, "agent"), (Owner::Task, "task")] {
            let properties = schema["$defs"][place]["properties"].as_object().unwrap();
            let mut names = owner.names().to_vec();
            names.sort_unstable();
            let mut published: Vec<&str> = properties.keys().map(String::as_str).collect();
            published.sort_unstable();
            assert_eq!(published, names, "{place}");
        }
        let statuses: Vec<&str> = schema["$defs"]["standing"]["oneOf"][0]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(serde_json::Value::as_str)
            .collect();
        let rules = crate::format::NATIVE_RULES.iter().filter(|rule| rule.field == "standing");
        assert_eq!(statuses, rules.map(|rule| rule.value).collect::<Vec<_>>());
    }
}
