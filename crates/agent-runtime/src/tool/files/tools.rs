//! The tools that read, write, list and search files.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::model::Message;
use crate::tool::files::{FileError, FilePath, Files, WorkingSet};
use crate::tool::{Access, Arguments, Kind, Schema, Tool, ToolError, ToolSpec, ToolStatus};

/// The name of the tool that reads a file.
pub const READ_FILE: &str = "read_file";
/// The name of the tool that writes a file.
pub const WRITE_FILE: &str = "write_file";
/// The name of the tool that lists a folder.
pub const LIST_FILES: &str = "list_files";

/// The name of the tool that finds a text in files.
pub const SEARCH_FILES: &str = "search_files";

/// The most lines that a search returns.
const MATCHES_MAX: usize = 200;
/// The characters of each of them.
const MATCH_CHARS_MAX: usize = 200;

/// Returns the tools that work on `files`.
///
/// A write that is under way when its call is dropped may still be carried out.
pub fn tools(files: &Arc<impl Files>) -> [Arc<dyn Tool>; 4] {
    let files: Arc<dyn Files> = Arc::clone(files) as _;
    let tool = |operation| Arc::new(FileTool { operation, files: Arc::clone(&files) }) as Arc<dyn Tool>;
    [Operation::Read, Operation::Write, Operation::List, Operation::Search].map(tool)
}

impl WorkingSet {
    /// Writes again what the conversation says was written with success.
    ///
    /// A session that goes on in another process needs this, since the changes themselves are kept in memory only.
    pub fn restore(&self, messages: &[Message]) -> Result<(), FileError> {
        let succeeded: BTreeSet<&str> = messages
            .iter()
            .filter_map(|message| match message {
                Message::Tool(result) if result.status == ToolStatus::Succeeded => {
                    Some(result.call_id.as_str())
                }
                _ => None,
            })
            .collect();
        let calls = messages.iter().flat_map(Message::calls);
        for call in calls.filter(|call| call.name == WRITE_FILE && succeeded.contains(call.id.as_str())) {
            let Ok(arguments) = Operation::Write.schema().read(&call.arguments) else { continue };
            let Ok(path) = path_of(&arguments) else { continue };
            self.write(&path, content_of(&arguments))?;
        }
        Ok(())
    }
}

struct FileTool {
    operation: Operation,
    files: Arc<dyn Files>,
}

#[derive(Clone, Copy)]
enum Operation {
    Read,
    Write,
    List,
    Search,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => READ_FILE,
            Self::Write => WRITE_FILE,
            Self::List => LIST_FILES,
            Self::Search => SEARCH_FILES,
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Read => "Returns the text of a file, from a line on if you name one.",
            Self::Write => "Makes a file with this text, or replaces the whole text of one.",
            Self::List => "Returns the names in a folder, one a line; names of folders end with a slash.",
            Self::Search => "Returns the lines that hold a text, each with its file and number.",
        }
    }

    fn schema(self) -> Schema {
        const PATH: &str = "The path of the file, relative to the root, such as src/lib.rs.";
        const FOLDER: &str = "The path of the folder, relative to the root; leave it out for the root.";
        match self {
            Self::Read => Schema::new().required("path", Kind::Text, PATH).optional(
                "from_line",
                Kind::Integer,
                "The number of the first line to return, from 1.",
            ),
            Self::Write => Schema::new().required("path", Kind::Text, PATH).required(
                "content",
                Kind::Text,
                "The whole text of the file.",
            ),
            Self::List => Schema::new().optional("folder", Kind::Text, FOLDER),
            Self::Search => Schema::new()
                .required("text", Kind::Text, "The text to find, as it stands: no pattern.")
                .optional("folder", Kind::Text, FOLDER)
                .optional("any_case", Kind::Boolean, "Whether small and capital letters are the same."),
        }
    }
}

impl Tool for FileTool {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: self.operation.name().to_owned(),
            description: self.operation.description().to_owned(),
            arguments: self.operation.schema(),
        }
    }

    fn access(&self) -> Access {
        match self.operation {
            Operation::Read | Operation::List | Operation::Search => Access::Reads,
            Operation::Write => Access::Writes,
        }
    }

    fn call(
        &self,
        arguments: Arguments,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<String, ToolError>> {
        let (operation, files) = (self.operation, Arc::clone(&self.files));
        let work = move || match operation {
            Operation::Read => read(&*files, &arguments),
            Operation::Write => write(&*files, &arguments),
            Operation::List => list(&*files, &arguments),
            Operation::Search => search(&*files, &arguments, &cancel),
        };
        Box::pin(async move {
            if !self.files.blocks() {
                return work();
            }
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|error| Err(ToolError::Failed(format!("the files broke: {error}"))))
        })
    }
}

fn read(files: &dyn Files, arguments: &Arguments) -> Result<String, ToolError> {
    let path = path_of(arguments)?;
    let content = files.read(&path).map_err(in_words)?;
    let content = content.ok_or_else(|| ToolError::Failed(format!("there is no file `{path}`")))?;
    let text = String::from_utf8(content).map_err(|error| {
        ToolError::Failed(format!("`{path}` is not text ({} bytes)", error.as_bytes().len()))
    })?;
    from_line(text, arguments)
}

/// Returns the text from the line on that the arguments name, all of it where they name none.
pub(crate) fn from_line(text: String, arguments: &Arguments) -> Result<String, ToolError> {
    let skipped = match arguments.integer("from_line") {
        None => return Ok(text),
        Some(line) => usize::try_from(line.saturating_sub(1))
            .map_err(|_| ToolError::Failed("lines are numbered from 1".to_owned()))?,
    };
    Ok(text.split_inclusive('\n').skip(skipped).collect())
}

fn write(files: &dyn Files, arguments: &Arguments) -> Result<String, ToolError> {
    let path = path_of(arguments)?;
    let content = content_of(arguments);
    let bytes = content.len();
    files.write(&path, content).map_err(in_words)?;
    Ok(format!("wrote {bytes} bytes to `{path}`"))
}

/// Looks through the files one after the other, and no further once it is cancelled: nobody waits for the rest.
fn search(files: &dyn Files, arguments: &Arguments, cancel: &CancellationToken) -> Result<String, ToolError> {
    let any_case = arguments.boolean("any_case") == Some(true);
    let folded = |text: &str| if any_case { text.to_lowercase() } else { text.to_owned() };
    let wanted = folded(arguments.text("text").expect("the schema requires it"));
    if wanted.is_empty() {
        return Err(ToolError::Failed("there is nothing to search for".to_owned()));
    }
    let mut matches = Vec::new();
    for path in files.all(folder_of(arguments)?.as_ref()).map_err(in_words)? {
        if cancel.is_cancelled() {
            return Err(ToolError::Failed("the search was stopped".to_owned()));
        }
        // What cannot be read, or is no text, holds no line.
        let Ok(Some(content)) = files.read(&path) else { continue };
        let Ok(text) = String::from_utf8(content) else { continue };
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| folded(line).contains(&wanted)) {
            if matches.len() == MATCHES_MAX {
                matches.push(format!("[only the first {MATCHES_MAX} lines are shown]"));
                return Ok(matches.join("\n"));
            }
            let shown: String = line.chars().take(MATCH_CHARS_MAX).collect();
            matches.push(format!("{path}:{number}: {shown}"));
        }
    }
    if matches.is_empty() { Ok("(no lines)".to_owned()) } else { Ok(matches.join("\n")) }
}

fn list(files: &dyn Files, arguments: &Arguments) -> Result<String, ToolError> {
    let folder = folder_of(arguments)?;
    let names = files.list(folder.as_ref()).map_err(in_words)?;
    if names.is_empty() {
        return Ok("(no files)".to_owned());
    }
    Ok(names.into_iter().collect::<Vec<_>>().join("\n"))
}

fn path_of(arguments: &Arguments) -> Result<FilePath, ToolError> {
    parse(arguments.text("path").expect("the schema requires it"))
}

/// Returns the folder that is meant, `None` for the root.
fn folder_of(arguments: &Arguments) -> Result<Option<FilePath>, ToolError> {
    match arguments.text("folder") {
        None | Some("" | "." | "/") => Ok(None),
        Some(text) => parse(text.strip_suffix('/').unwrap_or(text)).map(Some),
    }
}

fn content_of(arguments: &Arguments) -> Vec<u8> {
    arguments.text("content").expect("the schema requires it").as_bytes().to_vec()
}

fn parse(text: &str) -> Result<FilePath, ToolError> {
    FilePath::new(text).map_err(|invalid| ToolError::Failed(invalid.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn in_words(error: FileError) -> ToolError {
    match std::error::Error::source(&error) {
        Some(cause) => ToolError::Failed(format!("{error}: {cause}")),
        None => ToolError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::Reply;
    use crate::tool::{Registry, ToolCall, ToolLimits, ToolResult};

    fn files() -> Arc<WorkingSet> {
        let base = [("a.txt", &b"one\ntwo\nthree"[..]), ("logo.png", &[0xff, 0, 1]), ("src/lib.rs", b"")];
        let base: BTreeMap<String, Vec<u8>> =
            base.map(|(path, content)| (path.to_owned(), content.to_vec())).into();
        Arc::new(WorkingSet::new(base))
    }

    async fn call(files: &Arc<WorkingSet>, name: &str, arguments: &Value) -> Result<String, String> {
        let registry = Registry::new(tools(files), ToolLimits::default()).unwrap();
        let call = ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: arguments.to_string() };
        let result = registry.call(&call, &CancellationToken::new()).await;
        if result.status == ToolStatus::Succeeded { Ok(result.text) } else { Err(result.text) }
    }

    #[tokio::test]
    async fn files_are_read_written_and_listed() {
        let files = files();
        let read = |path: &str| json!({ "path": path });
        assert_eq!(call(&files, READ_FILE, &read("a.txt")).await.unwrap(), "one\ntwo\nthree");
        let from_line = |line: i64| json!({ "path": "a.txt", "from_line": line });
        assert_eq!(call(&files, READ_FILE, &from_line(2)).await.unwrap(), "two\nthree");
        assert_eq!(call(&files, READ_FILE, &from_line(9)).await.unwrap(), "");
        assert_eq!(call(&files, READ_FILE, &from_line(0)).await.unwrap_err(), "lines are numbered from 1");
        assert!(call(&files, READ_FILE, &from_line(i64::MIN)).await.is_err());
        assert_eq!(
            call(&files, READ_FILE, &read("logo.png")).await.unwrap_err(),
            "`logo.png` is not text (3 bytes)"
        );
        assert_eq!(call(&files, READ_FILE, &read("no")).await.unwrap_err(), "there is no file `no`");
        let written = call(&files, WRITE_FILE, &json!({ "path": "src/new.rs", "content": "// é" })).await;
        assert_eq!(written.unwrap(), "wrote 5 bytes to `src/new.rs`");
        assert_eq!(call(&files, LIST_FILES, &json!({})).await.unwrap(), "a.txt\nlogo.png\nsrc/");
        for folder in ["src", "src/"] {
            let names = call(&files, LIST_FILES, &json!({ "folder": folder })).await;
            assert_eq!(names.unwrap(), "lib.rs\nnew.rs");
        }
        assert_eq!(call(&files, LIST_FILES, &json!({ "folder": "docs" })).await.unwrap(), "(no files)");
    }

    #[tokio::test]
    async fn lines_are_found_with_their_places() {
        let files = files();
        let find = |text: &str| json!({ "text": text });
        assert_eq!(call(&files, SEARCH_FILES, &find("t")).await.unwrap(), "a.txt:2: two\na.txt:3: three");
        assert_eq!(call(&files, SEARCH_FILES, &find("TWO")).await.unwrap(), "(no lines)");
        let any_case = json!({ "text": "TWO", "any_case": true });
        assert_eq!(call(&files, SEARCH_FILES, &any_case).await.unwrap(), "a.txt:2: two");
        let elsewhere = json!({ "text": "two", "folder": "src" });
        assert_eq!(call(&files, SEARCH_FILES, &elsewhere).await.unwrap(), "(no lines)");
        assert!(call(&files, SEARCH_FILES, &find("")).await.is_err());
        let many = "a line\n".repeat(1000);
        files.write(&FilePath::new("many").unwrap(), many.into_bytes()).unwrap();
        let found = call(&files, SEARCH_FILES, &find("line")).await.unwrap();
        assert_eq!(found.lines().count(), MATCHES_MAX + 1);
    }

    #[tokio::test]
    async fn no_tool_takes_a_hostile_path() {
        let files = files();
        for path in ["../x", "/etc/passwd", ".git/config", "a/../../x", "C:\\x", "a\0b", "src/.GIT/x", "~/x"]
        {
            for (name, arguments) in [
                (READ_FILE, json!({ "path": path })),
                (WRITE_FILE, json!({ "path": path, "content": "" })),
                (LIST_FILES, json!({ "folder": path })),
                (SEARCH_FILES, json!({ "text": "x", "folder": path })),
            ] {
                assert!(call(&files, name, &arguments).await.is_err(), "{name} takes {path:?}");
            }
        }
        assert!(files.changes().is_empty());
    }

    #[test]
    fn what_a_conversation_says_was_written_can_be_written_again() {
        let write = |id: &str, path: &str, content: &str| ToolCall {
            id: id.to_owned(),
            name: WRITE_FILE.to_owned(),
            arguments: json!({ "path": path, "content": content }).to_string(),
        };
        let result = |id: &str, status| {
            Message::Tool(ToolResult { call_id: id.to_owned(), status, text: String::new() })
        };
        let calls = vec![
            write("1", "b", "first"),
            write("2", "b", "second"),
            write("3", "c", "failed"),
            write("4", "d", "not made"),
            write("5", "../e", "forged"),
        ];
        let messages = [
            Message::Assistant(Reply { calls, ..Reply::default() }),
            result("1", ToolStatus::Succeeded),
            result("2", ToolStatus::Succeeded),
            result("3", ToolStatus::Failed),
            result("5", ToolStatus::Succeeded),
        ];
        let files = files();
        files.restore(&messages).unwrap();
        assert_eq!(files.changes(), [(FilePath::new("b").unwrap(), b"second".to_vec())].into());
    }
}
