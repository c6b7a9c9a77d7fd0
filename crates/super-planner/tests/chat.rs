//! Drives the real program in a conversation, and kills it in the middle of it, again and again.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use state_store::{Entry, Random, Seq, SqliteStore, StateStore, StreamName, SystemClock};
use super_planner::agent_runtime::model::Message;
use super_planner::agent_runtime::session::{Session, SessionName};

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    program.env_clear().env("HOME", folder).env("PATH", "/usr/bin:/bin").current_dir(folder);
    program.args(["chat", "--state", "state.db", "--seed", "5"]).args(arguments);
    if !arguments.contains(&"--latency") {
        program.args(["--latency", "1ms"]);
    }
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

fn talk(folder: &Path, arguments: &[&str], typed: &str) -> Output {
    let mut child = program(folder, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn messages(folder: &Path, session: &str) -> Vec<Message> {
    let store = SqliteStore::open(&folder.join("state.db"), Arc::new(SystemClock)).unwrap();
    let name = SessionName::new(session).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Session::open(Arc::new(store), name)).unwrap().messages().to_vec()
}

#[test]
fn a_session_goes_on_and_its_tools_work_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    let skill = folder.path().join("skills/greet");
    std::fs::create_dir_all(&work).unwrap();
    std::fs::create_dir_all(&skill).unwrap();
    std::fs::write(skill.join("SKILL.md"), "---\nname: greet\ndescription: Greets.\n---\nSay hello.")
        .unwrap();
    let arguments =
        ["--folder", "work", "--skills", "skills", "--allow-program", "cat", "--fact", "the key is 7"];
    let typed = "use greet\\nwrite a.txt with one\n/pin the lock is 8\n/nonsense\n/stats\n";
    let told = talk(folder.path(), &arguments, typed);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    assert!(text(&told.stdout).contains("Done: 3 calls of tools succeeded."), "{}", text(&told.stdout));
    assert!(text(&told.stderr).contains("there is no /nonsense"), "{}", text(&told.stderr));
    assert_eq!(std::fs::read_to_string(work.join("a.txt")).unwrap(), "one");

    let told =
        talk(folder.path(), &arguments, "run cat a.txt\nread ../state.db\n/fork two\n/export out.jsonl\n");
    let out = text(&told.stdout);
    assert!(out.contains("I could not do all of it"), "{out}");
    let exported = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert_eq!(exported.lines().count(), messages(folder.path(), "two").len());
    for part in ["the key is 7", "the lock is 8", "Say hello."] {
        assert_eq!(exported.matches(part).count(), 1, "{part} in {exported}");
    }
    assert!(exported.contains("leads out of its folder"), "{exported}");
    assert_eq!(messages(folder.path(), "two"), messages(folder.path(), "chat"));

    talk(folder.path(), &[], "/close\n");
    let told = talk(folder.path(), &[], "hello\n");
    assert_eq!(told.status.code(), Some(2), "{}", text(&told.stderr));
    assert!(text(&told.stderr).contains("is closed: fork it"), "{}", text(&told.stderr));
}

#[test]
fn after_an_interruption_the_next_request_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path(), &["--latency", "3s", "--update-every", "10ms"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "read a.txt").unwrap();
    // A tool has returned: for three seconds the model thinks about what to say to that.
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(told.any(|line| line.contains("read_file: Failed")));
    let process = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    writeln!(stdin, "/pin the key is 7\nlist .\n/pin the lock is 8").unwrap();
    drop(stdin);
    let err = told.collect::<Vec<_>>().join("\n");
    let told = child.wait_with_output().unwrap();
    let out = text(&told.stdout);
    assert_eq!(told.status.code(), Some(0), "{err}");
    assert!(err.contains("cancelled") && err.contains("the last request is not answered yet"), "{err}");
    assert!(out.contains("Done: 1 calls of tools succeeded."), "{out}\n{err}");
    let facts: Vec<Message> = messages(folder.path(), "chat")
        .into_iter()
        .filter(|message| matches!(message, Message::Fact(_)))
        .collect();
    assert_eq!(facts, [Message::Fact("the lock is 8".to_owned())]);
}

fn sessions(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_super-planner"));
    program.env_clear().env("HOME", folder).env("PATH", "/usr/bin:/bin").current_dir(folder);
    program.args(["sessions", "--state", "state.db"]).args(arguments).output().unwrap()
}

#[test]
fn sessions_are_listed_exported_and_put_away() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(text(&sessions(folder.path(), &["list"]).stdout), "there are no sessions\n");
    talk(folder.path(), &["--session", "one"], "hello\n");
    talk(folder.path(), &["--session", "two"], "/pin the key is 7\n/close\n");
    let list = || -> Vec<(String, String, u64)> {
        let told = sessions(folder.path(), &["list", "--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let of = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        let row = |row: &Value| (of(row, "name"), of(row, "standing"), row["messages"].as_u64().unwrap());
        told["sessions"].as_array().unwrap().iter().map(row).collect()
    };
    let row = |name: &str, standing: &str, messages| (name.to_owned(), standing.to_owned(), messages);
    assert_eq!(list(), [row("one", "open", 3), row("two", "closed", 1)]);
    assert!(text(&sessions(folder.path(), &["list"]).stdout).contains("one"));
    let exported = sessions(folder.path(), &["export", "two"]);
    assert_eq!(text(&exported.stdout), "{\"role\":\"fact\",\"text\":\"the key is 7\"}\n");
    let unknown = sessions(folder.path(), &["export", "ones"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("there is `one`"), "{}", text(&unknown.stderr));
    assert!(text(&sessions(folder.path(), &["archive", "--idle", "1h"]).stdout).starts_with("0 sessions"));
    assert!(text(&sessions(folder.path(), &["archive", "--idle", "0s"]).stdout).starts_with("1 sessions"));
    assert_eq!(list(), [row("one", "archived", 3), row("two", "closed", 1)]);
    talk(folder.path(), &["--session", "one"], "hello again\n");
    assert_eq!(list()[0], row("one", "open", 5));
}

#[test]
fn a_session_that_cannot_be_read_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    talk(folder.path(), &["--session", "one"], "hello\n");
    {
        let store = SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock)).unwrap();
        let stream = StreamName::new("sessions/broken").unwrap();
        let entry = Entry { kind: 999, version: 1, body: Vec::new() };
        store.begin(&stream, Seq::START).unwrap().commit(vec![entry]).unwrap();
    }
    let told = sessions(folder.path(), &["list"]);
    assert_eq!(told.status.code(), Some(0));
    let (out, err) = (text(&told.stdout), text(&told.stderr));
    assert!(out.contains("one") && out.contains("broken") && out.contains("unreadable"), "{out}");
    assert!(err.contains("message 1 of session `broken` cannot be read"), "{err}");
    let told = sessions(folder.path(), &["archive", "--idle", "0s"]);
    let (out, err) = (text(&told.stdout), text(&told.stderr));
    assert_eq!(told.status.code(), Some(1), "{out}{err}");
    assert!(out.starts_with("1 sessions") && out.contains("1 cannot be read"), "{out}");
    assert!(err.contains("message 1 of session `broken` cannot be read"), "{err}");
}

#[test]
fn the_exit_code_is_that_of_the_last_request() {
    let folder = tempfile::tempdir().unwrap();
    let told = talk(folder.path(), &["--tokens-max", "40", "--json"], "hello\nhello again\n");
    let out = text(&told.stdout);
    assert_eq!(told.status.code(), Some(1), "{out}");
    assert!(out.lines().last().unwrap().contains("\"limit\""), "{out}");
    let told = talk(folder.path(), &["--json"], "hello\n");
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stdout));
    // The session has used up more than a millionth of a dollar already.
    let budget = ["--prices", "3/15", "--cost-max", "0.000001", "--json"];
    let told = talk(folder.path(), &budget, "hello\n");
    assert_eq!(told.status.code(), Some(1), "{}", text(&told.stdout));
    assert!(text(&told.stdout).contains("cost"), "{}", text(&told.stdout));
}

#[test]
fn answers_are_told_as_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let told = talk(folder.path(), &["--json"], "hello\nlist .\n");
    let lines: Vec<Value> =
        text(&told.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["outcome"], &lines[1]["iterations"]), (&Value::from("answered"), &Value::from(2)));
}

#[test]
fn what_is_not_there_is_told_before_anything_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    for (model, told) in [
        ("oracle", "there is no model `oracle`"),
        ("anthropic:", "there is no model `anthropic:`"),
        // Without the feature it is not built in; with it, there is no key.
        (
            "openai:x",
            if cfg!(feature = "http-models") { "OPENAI_API_KEY holds no key" } else { "was built without" },
        ),
    ] {
        let output = talk(folder.path(), &["--model", model], "");
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
    let output = talk(folder.path(), &["--skills", "nowhere"], "hello\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there are no skills in nowhere"), "{}", text(&output.stderr));
    // `true` ends before it has said anything.
    let output = talk(folder.path(), &["--mcp", "t=true"], "");
    let told = if cfg!(feature = "mcp") { "an MCP server cannot be used" } else { "was built without MCP" };
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
}

/// Types requests until so many are answered, and kills the program a moment later.
fn talk_and_kill(folder: &Path, first: usize, answers: usize, moment: u64) -> usize {
    let mut child = program(folder, &["--json", "--latency", "3ms"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let typing = std::thread::spawn(move || {
        for number in first..first + answers + 20 {
            // Once it is killed nobody reads any more.
            if writeln!(stdin, "write f{number}.txt with {number}").is_err() {
                break;
            }
        }
    });
    let (mut acknowledged, mut told) = (0, 0);
    for line in stdout.lines().take(answers) {
        told += 1;
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(line["outcome"], "answered");
        acknowledged = usize::try_from(line["messages"].as_u64().unwrap()).unwrap();
    }
    assert_eq!(told, answers, "the program ended by itself");
    // Anywhere between two answers: as long as the process takes for a little work of the same kind.
    let spin = (0..moment * 20_000).fold(0_u64, |sum, number| std::hint::black_box(sum ^ number));
    std::hint::black_box(spin);
    child.kill().unwrap();
    child.wait().unwrap();
    typing.join().unwrap();
    acknowledged
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn a_session_that_is_killed_keeps_every_acknowledged_message() {
    let folder = tempfile::tempdir().unwrap();
    let rounds = 30 * from_environment("SUPER_PLANNER_TEST_SCALE", 1);
    let seed = from_environment("SUPER_PLANNER_TEST_SEED", 11);
    let mut random = Random::new(seed);
    let (mut before, mut requests, mut unanswered): (Vec<Message>, _, _) = (Vec::new(), 0, 0);
    for round in 0..rounds {
        // The answer to a request that was cut off comes first.
        let answers = 1 + random.below(4);
        let acknowledged = talk_and_kill(folder.path(), requests, answers, random.below(100) as u64);
        let now = messages(folder.path(), "chat");
        assert!(now.len() >= acknowledged, "seed {seed}, round {round}: {} of {acknowledged}", now.len());
        assert_eq!(now[..before.len()], before, "seed {seed}, round {round}: what was there has changed");
        requests = now.iter().filter(|message| matches!(message, Message::User(_))).count();
        unanswered +=
            usize::from(!matches!(now.last(), Some(Message::Assistant(reply)) if reply.calls.is_empty()));
        before = now;
    }
    // A last start answers what is open, and then every request has been answered once.
    talk(folder.path(), &[], "/quit\n");
    let all = messages(folder.path(), "chat");
    let is_answer =
        |message: &&Message| matches!(message, Message::Assistant(reply) if reply.calls.is_empty());
    assert_eq!(all.iter().filter(is_answer).count(), requests, "seed {seed}");
    assert!(unanswered > 0, "seed {seed}: no kill came in the middle of a request");
    for (number, message) in all.iter().filter(|message| matches!(message, Message::User(_))).enumerate() {
        assert_eq!(message, &Message::User(format!("write f{number}.txt with {number}")), "seed {seed}");
    }
}
