//! Backlog.md: a folder of Markdown files with YAML front matter.

use serde_json::{Map, Value, json};

use super::foreign::{Part, kept_fields, losses};
use super::{WriteError, Written};
use crate::{Plan, Priority, Standing, Task};

const PARTS_UNSAID: [Part; 7] = [
    Part::Effort,
    Part::Capabilities,
    Part::Check,
    Part::Landing,
    Part::Approval,
    Part::Writes,
    Part::Limits,
];

/// The names of statuses in a project that has none of its own.
const STATUSES: [&str; 3] = ["To Do", "In Progress", "Done"];

pub(super) fn write(plan: &Plan) -> Result<Written, WriteError> {
    let mut config = plan.extra.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
    config.insert("project_name".to_owned(), json!(plan.name));
    let statuses = config.entry("statuses").or_insert_with(|| json!(STATUSES));
    let word = |place: Option<&Value>, otherwise: &str| {
        place.and_then(Value::as_str).unwrap_or(otherwise).to_owned()
    };
    let list = statuses.as_array().cloned().unwrap_or_default();
    let (open, done) = (word(list.first(), STATUSES[0]), word(list.last(), STATUSES[2]));
    let mut files = vec![("config.yml".to_owned(), yaml(&Value::Object(config))?)];
    for task in &plan.tasks {
        let path = path(task);
        let told_by_folder =
            !path.starts_with("tasks/") && task.extra.get("file").is_some_and(|file| *file == path);
        let status = match (&task.standing, task.extra.get("status").and_then(Value::as_str)) {
            (_, Some(own)) if told_by_folder => own,
            (Standing::Completed, _) => done.as_str(),
            (Standing::Pending, Some(own)) if !own.eq_ignore_ascii_case(&done) => own,
            (Standing::OnHold, _) => "Draft",
            (Standing::Excluded(_), Some(own)) => own,
            (Standing::Pending | Standing::Excluded(_), _) => open.as_str(),
        };
        let front = yaml(&Value::Object(front_matter(task, status)))?;
        files.push((path, format!("---\n{front}---\n{}", body(task))));
    }
    Ok(Written { files, losses: losses(plan, &PARTS_UNSAID) })
}

fn yaml(value: &Value) -> Result<String, WriteError> {
    let text = serde_saphyr::to_string(value).map_err(|error| WriteError::Value("YAML", error.into()))?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}

/// Returns where the task was, if it is still at home in that folder.
fn path(task: &Task) -> String {
    let home = match task.standing {
        Standing::Excluded(_) => "archive/tasks",
        Standing::Pending | Standing::Completed | Standing::OnHold => "tasks",
    };
    let was = task.extra.get("file").and_then(Value::as_str).filter(|path| {
        let folder = path.rsplit_once('/').map_or("tasks", |(folder, _)| folder);
        match task.standing {
            Standing::Completed => folder.ends_with("completed") || folder == "tasks",
            Standing::OnHold => folder.ends_with("drafts") || folder == "tasks",
            Standing::Excluded(_) => folder.ends_with("archive/tasks"),
            Standing::Pending => folder == "tasks",
        }
    });
    if let Some(was) = was {
        return was.to_owned();
    }
    let safe = |text: &str| -> String {
        let kept = text.chars().map(|c| if c.is_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' });
        kept.take(80).collect()
    };
    format!("{home}/{} - {}.md", safe(&task.id.as_str().to_lowercase()), safe(&task.title))
}

fn front_matter(task: &Task, status: &str) -> Map<String, Value> {
    let mut front = kept_fields(task.extra.iter(), &["file", "body", "status"]);
    let mut set = |key: &str, value: Value| drop(front.insert(key.to_owned(), value));
    set("id", json!(task.id));
    set("title", json!(task.title));
    set("status", json!(status));
    set("dependencies", task.dependencies.iter().map(|dependency| json!(dependency.on)).collect());
    if let Some(parent) = &task.parent {
        set("parent_task_id", json!(parent));
    }
    if task.priority != Priority::default() {
        set("priority", json!(task.priority));
    }
    front
}

/// Returns the text that the file had, if it still describes the task.
fn body(task: &Task) -> String {
    let kept = task.extra.get("body").and_then(Value::as_str);
    match kept.filter(|body| crate::format::backlog_description(body) == task.description) {
        Some(body) => body.to_owned(),
        None if task.description.is_empty() => String::new(),
        None => format!("\n## Description\n\n{}\n", task.description.trim()),
    }
}
