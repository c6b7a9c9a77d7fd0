//! The tools that read, write and list the files of a working set.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::model::Message;
use crate::tool::files::{FileError, FilePath, WorkingSet};
use crate::tool::{Access, Arguments, Kind, Schema, Tool, ToolError, ToolSpec, ToolStatus};

/// The name of the tool that reads a file.
pub const READ_FILE: &str = "read_file";
/// The name of the tool that writes a file.
pub const WRITE_FILE: &str = "write_file";
/// The name of the tool that lists a folder.
pub const LIST_FILES: &str = "list_files";

/// Returns the tools that work on `files`.
pub fn tools(files: &Arc<WorkingSet>) -> [Arc<dyn Tool>; 3] {
    let tool = |operation| Arc::new(FileTool { operation, files: Arc::clone(files) }) as Arc<dyn Tool>;
    [Operation::Read, Operation::Write, Operation::List].map(tool)
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
        let calls = messages.iter().flat_map(|message| match message {
            Message::Assistant(reply) => reply.calls.as_slice(),
            Message::System(_) | Message::User(_) | Message::Tool(_) => &[],
        });
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
    files: Arc<WorkingSet>,
}

#[derive(Clone, Copy)]
enum Operation {
    Read,
    Write,
    List,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => READ_FILE,
            Self::Write => WRITE_FILE,
            Self::List => LIST_FILES,
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Read => "Returns the text of a file, from a line on if you name one.",
            Self::Write => "Makes a file with this text, or replaces the whole text of one.",
            Self::List => "Returns the names in a folder, one a line; names of folders end with a slash.",
        }
    }

    fn schema(self) -> Schema {
        const PATH: &str = "The path of the file, relative to the root, such as src/lib.rs.";
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
            Self::List => Schema::new().optional(
                "folder",
                Kind::Text,
                "The path of the folder, relative to the root; leave it out for the root.",
            ),
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
            Operation::Read | Operation::List => Access::Reads,
            Operation::Write => Access::Writes,
        }
    }

    fn call(
        &self,
        arguments: Arguments,
        _cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            match self.operation {
                Operation::Read => read(&self.files, &arguments),
                Operation::Write => write(&self.files, &arguments),
                Operation::List => list(&self.files, &arguments),
            }
        })
    }
}

fn read(files: &WorkingSet, arguments: &Arguments) -> Result<String, ToolError> {
    let path = path_of(arguments)?;
    let content = files.read(&path).map_err(in_words)?;
    let content = content.ok_or_else(|| ToolError(format!("there is no file `{path}`")))?;
    let text = String::from_utf8(content)
        .map_err(|error| ToolError(format!("`{path}` is not text ({} bytes)", error.as_bytes().len())))?;
    let skipped = match arguments.integer("from_line") {
        None => return Ok(text),
        Some(line) => usize::try_from(line.saturating_sub(1))
            .map_err(|_| ToolError("lines are numbered from 1".to_owned()))?,
    };
    Ok(text.split_inclusive('\n').skip(skipped).collect())
}

fn write(files: &WorkingSet, arguments: &Arguments) -> Result<String, ToolError> {
    let path = path_of(arguments)?;
    let content = content_of(arguments);
    let bytes = content.len();
    files.write(&path, content).map_err(in_words)?;
    Ok(format!("wrote {bytes} bytes to `{path}`"))
}

fn list(files: &WorkingSet, arguments: &Arguments) -> Result<String, ToolError> {
    let folder = match arguments.text("folder") {
        None | Some("" | "." | "/") => None,
        Some(text) => Some(parse(text.strip_suffix('/').unwrap_or(text))?),
    };
    let names = files.list(folder.as_ref()).map_err(in_words)?;
    if names.is_empty() {
        return Ok("(no files)".to_owned());
    }
    Ok(names.into_iter().collect::<Vec<_>>().join("\n"))
}

fn path_of(arguments: &Arguments) -> Result<FilePath, ToolError> {
    parse(arguments.text("path").expect("the schema requires it"))
}

fn content_of(arguments: &Arguments) -> Vec<u8> {
    arguments.text("content").expect("the schema requires it").as_bytes().to_vec()
}

fn parse(text: &str) -> Result<FilePath, ToolError> {
    FilePath::new(text).map_err(|invalid| ToolError(invalid.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn in_words(error: FileError) -> ToolError {
    match &error {
        FileError::Source(source) => ToolError(format!("{error}: {source}")),
        FileError::IsFolder { .. } | FileError::BelowFile { .. } => ToolError(error.to_string()),
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
    async fn no_tool_takes_a_hostile_path() {
        let files = files();
        for path in ["../x", "/etc/passwd", ".git/config", "a/../../x", "C:\\x", "a\0b", "src/.GIT/x", "~/x"]
        {
            for (name, arguments) in [
                (READ_FILE, json!({ "path": path })),
                (WRITE_FILE, json!({ "path": path, "content": "" })),
                (LIST_FILES, json!({ "folder": path })),
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
