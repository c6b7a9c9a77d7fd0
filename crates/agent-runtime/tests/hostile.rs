//! What a model could be talked into: hundreds of calls that try to get out of a folder, to run something, or to break the
//! tools. None reads or changes anything outside, and each ends soon with one bounded result.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_runtime::skill::{ACTIVATE_SKILL, Catalogue, READ_SKILL_FILE, SkillCache, SkillTools};
use agent_runtime::tool::command::{Commands, RUN_COMMAND};
use agent_runtime::tool::files::{Folder, LIST_FILES, READ_FILE, SEARCH_FILES, WRITE_FILE, tools};
use agent_runtime::tool::{Registry, Tool, ToolCall, ToolLimits, ToolResult, ToolStatus};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Stands in every file that must not be read.
const SECRET: &str = "TOP-SECRET-7261";

/// A folder that may be worked on, with links out of it and a skill, and beside it what must stay untouched.
struct Place {
    folder: tempfile::TempDir,
    registry: Registry,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for made in ["outside/skill", "inside/src", "inside/skills/s", "inside/.git"] {
            fs::create_dir_all(path(made)).unwrap();
        }
        for (file, text) in [
            ("outside/secret", SECRET),
            ("outside/skill/SKILL.md", &format!("---\nname: out\ndescription: {SECRET}\n---\n{SECRET}")),
            ("inside/a.txt", "hello"),
            ("inside/.git/config", SECRET),
            ("inside/skills/s/SKILL.md", "---\nname: s\ndescription: d\n---\nbody"),
        ] {
            fs::write(path(file), text).unwrap();
        }
        symlink(path("outside"), path("inside/link")).unwrap();
        symlink(path("outside/secret"), path("inside/linked")).unwrap();
        symlink("../outside/secret", path("inside/src/relative")).unwrap();
        symlink(path("outside/skill"), path("inside/skills/out")).unwrap();
        symlink(path("outside/secret"), path("inside/skills/s/linked.md")).unwrap();
        let registry = registry(&path("inside"));
        Self { folder, registry }
    }

    /// Returns every file outside the folder, and inside it those that are not for the tools.
    fn untouchable(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.folder.path().to_owned()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let within = path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap().to_owned();
                let is_worked_on = within.starts_with("inside/") && !within.starts_with("inside/.git/");
                let kind = entry.file_type().unwrap();
                if kind.is_symlink() {
                    found.insert(within, fs::read_link(path).unwrap().into_os_string().into_encoded_bytes());
                } else if kind.is_dir() {
                    waiting.push(path);
                } else if !is_worked_on {
                    found.insert(within, fs::read(path).unwrap());
                }
            }
        }
        found
    }

    async fn call(&self, name: &str, arguments: &str) -> ToolResult {
        let call = ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
        let begun = Instant::now();
        let result = self.registry.call(&call, &CancellationToken::new()).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{name} {arguments:.200}");
        assert!(result.text.len() < 80_000, "{name} {arguments:.200}");
        assert_ne!(result.status, ToolStatus::Panicked, "{name} {arguments:.200}");
        assert_ne!(result.status, ToolStatus::TimedOut, "{name} {arguments:.200}");
        assert!(!result.text.contains(SECRET), "{name} {arguments:.200} got out");
        result
    }
}

fn registry(folder: &Path) -> Registry {
    let mut all: Vec<Arc<dyn Tool>> = tools(&Arc::new(Folder::open(folder).unwrap())).into();
    let catalogue = Arc::new(Catalogue::load(&[folder.join("skills")]));
    all.extend(SkillTools::new(catalogue, Arc::new(SkillCache::default()), &[]).tools());
    let commands = Commands {
        programs: vec!["printf".to_owned()],
        folder: folder.to_owned(),
        time_max: Duration::from_secs(10),
        output_bytes_max: 10_000,
    };
    all.push(commands.tool());
    Registry::new(all, ToolLimits::default()).unwrap()
}

/// Paths that lead out by name, link, case, Unicode or encoding, or name what is not for the tools.
fn hostile_paths(outside: &Path) -> Vec<String> {
    let secret = outside.join("secret").to_str().unwrap().to_owned();
    let mut paths: Vec<String> = [
        "..",
        ".",
        "",
        "/",
        "//",
        "../",
        "./..",
        "a.txt/..",
        "src/..",
        "~",
        "~root",
        "link",
        "link/",
        "linked",
        "src/relative",
        "src/../link/secret",
        "link/../outside/secret",
        "link/secret",
        "LINK/secret",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        "proc/self/root/etc/passwd",
        ".git/config",
        ".GIT/config",
        ".git./config",
        "git~1/config",
        ".g\u{200c}it/config",
        "\u{ff0e}\u{ff0e}/outside/secret",
        "\u{2024}\u{2024}/outside/secret",
        "..\u{2215}outside\u{2215}secret",
        "..\u{ff0f}outside\u{ff0f}secret",
        "..%2foutside%2fsecret",
        "%2e%2e/outside/secret",
        "%252e%252e%252foutside",
        "..%c0%afoutside",
        "\\..\\outside\\secret",
        "..\\outside\\secret",
        "C:\\secret",
        "c:secret",
        "\\\\host\\share",
        "con",
        "nul.txt",
        "a.txt\0.png",
        "a.txt\n",
        "\u{202e}txt.a",
        "a.txt::$DATA",
        "file:///etc/passwd",
        "$HOME/secret",
        "`id`",
        "${PWD}/../outside/secret",
        "*",
        "?.txt",
        "-rf",
        "--help",
        "a.txt ",
        "a.txt.",
    ]
    .map(str::to_owned)
    .into();
    for depth in 1..8 {
        paths.push(format!("{}outside/secret", "../".repeat(depth)));
        paths.push(format!("src/{}outside/secret", "../".repeat(depth)));
        paths.push(format!("./{}outside/secret", "x/../".repeat(depth)));
        paths.push(format!("{}secret", "link/../".repeat(depth)));
    }
    paths.extend([
        secret.clone(),
        format!("/{secret}"),
        format!("x/{secret}"),
        "x/".repeat(5000),
        "x".repeat(100_000),
    ]);
    paths
}

fn hostile_words() -> Vec<String> {
    let injections = ["touch ../outside/owned", "cat ../outside/secret", "rm -rf ../outside"];
    let wraps: [fn(&str) -> String; 12] = [
        |c| format!("; {c}"),
        |c| format!("&& {c}"),
        |c| format!("| {c}"),
        |c| format!("|| {c} #"),
        |c| format!("$({c})"),
        |c| format!("`{c}`"),
        |c| format!("\n{c}\n"),
        |c| format!("' ; {c} ; '"),
        |c| format!("\" ; {c} ; \""),
        |c| format!("\u{0}{c}"),
        |c| c.replace(' ', "${IFS}"),
        |c| format!("> ../outside/owned {c}"),
    ];
    injections.iter().flat_map(|command| wraps.iter().map(move |wrap| wrap(command))).collect()
}

/// Arguments that are not what any schema asks for.
fn hostile_arguments() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "null",
        "[]",
        "0",
        "\"a\"",
        "{",
        "}",
        "{\"path\"}",
        "{\"path\": null}",
        "{\"path\": []}",
        "{\"path\": {}}",
        "{\"path\": 1e999}",
        "{\"path\": \"a\", \"path\": \"../outside/secret\"}",
        "{\"path\": \"a.txt\", \"mode\": 511}",
        "{\"__proto__\": {}}",
        "{\"path\": \"\\ud800\"}",
        "{\"path\": \"a.txt\", \"from_line\": -9223372036854775808}",
        "{\"path\": \"a.txt\", \"from_line\": 9223372036854775808}",
        "{\"path\": \"a.txt\", \"from_line\": 1.5}",
        "{\"program\": \"printf\", \"arguments\": \"x\"}",
        "{\"program\": \"printf\", \"arguments\": [[]]}",
        "{\"program\": \"sh\"}",
        "{\"program\": [\"printf\"]}",
        "{\"name\": \"../out\"}",
        "{\"name\": \"out\"}",
        "{\"name\": \"s\", \"path\": \"linked.md\"}",
        "{\"name\": \"s\", \"path\": \"../out/SKILL.md\"}",
        "{\"name\": \"s\", \"path\": \"/etc/passwd\"}",
        "{'path': 'a'}",
        "\u{feff}{}",
        "{\"path\": \"a\"} trailing",
    ]
    .map(str::to_owned)
    .into();
    all.push("[".repeat(200_000));
    all.push("{\"a\":".repeat(100_000));
    all.push(format!("{{\"path\": \"{}\"}}", "x".repeat(5 << 20)));
    all.push(json!({ "program": "printf", "arguments": vec!["x"; 50_000] }).to_string());
    all
}

#[tokio::test]
async fn no_call_gets_out_hangs_or_breaks_anything() {
    let place = Place::new();
    let before = place.untouchable();
    let mut calls: Vec<(&str, Value)> = Vec::new();
    for path in hostile_paths(&place.folder.path().join("outside")) {
        calls.push((READ_FILE, json!({ "path": path })));
        calls.push((WRITE_FILE, json!({ "path": path, "content": "owned" })));
        calls.push((LIST_FILES, json!({ "folder": path })));
        calls.push((SEARCH_FILES, json!({ "text": "SECRET", "folder": path })));
        calls.push((READ_SKILL_FILE, json!({ "name": "s", "path": path })));
        calls.push((ACTIVATE_SKILL, json!({ "name": path })));
        calls.push((RUN_COMMAND, json!({ "program": path })));
    }
    for word in hostile_words() {
        calls.push((RUN_COMMAND, json!({ "program": "printf", "arguments": ["ok", word] })));
        calls.push((RUN_COMMAND, json!({ "program": word })));
    }
    let mut made = calls.len();
    for (name, arguments) in &calls {
        place.call(name, &arguments.to_string()).await;
    }
    let names: Vec<String> = place.registry.specs().into_iter().map(|spec| spec.name).collect();
    for arguments in hostile_arguments() {
        for name in names.iter().map(String::as_str).chain(["", "read_file ", "sh", "\u{0}"]) {
            place.call(name, &arguments).await;
            made += 1;
        }
    }
    assert!(made > 700, "{made} calls");
    assert_eq!(place.untouchable(), before);
    // The tools still work, and see what they may.
    let read = place.call(READ_FILE, &json!({ "path": "a.txt" }).to_string()).await;
    assert_eq!((read.status, read.text.as_str()), (ToolStatus::Succeeded, "hello"));
}
