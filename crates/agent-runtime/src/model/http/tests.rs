use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use state_store::{MemoryStore, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::event::{Event, Told, channel};
use crate::model::{Message, TokenUsage};
use crate::react::{Outcome, ReAct, Request};
use crate::retry::RetryPolicy;
use crate::session::{Session, SessionName};
use crate::tool::files::{FilePath, WorkingSet, tools};
use crate::tool::{Kind, Registry, Schema, ToolCall, ToolLimits, ToolResult, ToolSpec, ToolStatus};

const KEY: &str = "sk-secret-0815";

/// What the server does with a connection, after it has read the request.
#[derive(Clone)]
enum Answer {
    /// Sends these bytes, in pieces of that many, and closes.
    Bytes(String, usize),
    /// Sends these bytes and no more, and keeps the connection.
    Silence(String),
}

fn whole(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}"), usize::MAX)
}

/// A stream of events that ends with the connection, cut into pieces of that many bytes.
fn stream(body: &str, piece: usize) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    Answer::Bytes(format!("{head}{body}"), piece)
}

struct Server {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers one connection after the other so; the last answer is repeated.
    async fn begin(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for number in 0.. {
                let (mut connection, _) = listener.accept().await.unwrap();
                let request = read_request(&mut connection).await;
                seen.lock().unwrap().push(request);
                let answer = answers[number.min(answers.len() - 1)].clone();
                tokio::spawn(answer_with(connection, answer));
            }
        });
        Self { endpoint, requests }
    }

    fn model(&self, dialect: Dialect) -> HttpModel {
        let settings =
            HttpSettings { endpoint: self.endpoint.clone(), ..HttpSettings::new(dialect, "a-model") };
        HttpModel::new(settings, Key::new(KEY).unwrap()).unwrap()
    }

    /// Returns the headers of a request, and its body as JSON.
    fn request(&self, number: usize) -> (String, Value) {
        let requests = self.requests.lock().unwrap();
        let (head, body) = requests[number].split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), serde_json::from_str(body).unwrap())
    }
}

async fn read_request(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.lines().next().unwrap().trim().parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        assert!(connection.read_buf(&mut bytes).await.unwrap() > 0, "the request is whole");
    }
}

async fn answer_with(mut connection: TcpStream, answer: Answer) {
    // The client may go away at any time.
    match answer {
        Answer::Bytes(bytes, piece) => {
            for piece in bytes.as_bytes().chunks(piece.min(bytes.len())) {
                if connection.write_all(piece).await.is_err() {
                    return;
                }
                let _ = connection.flush().await;
                tokio::task::yield_now().await;
            }
            let _ = connection.shutdown().await;
        }
        Answer::Silence(bytes) => {
            let _ = connection.write_all(bytes.as_bytes()).await;
            std::future::pending::<()>().await;
        }
    }
}

async fn ask(model: &HttpModel) -> (Result<Reply, ModelError>, String) {
    let (system, user) = (Message::System("rules".to_owned()), Message::User("hello".to_owned()));
    let heard = Mutex::new(String::new());
    let hear = |piece: &str| heard.lock().unwrap().push_str(piece);
    let cancel = CancellationToken::new();
    let question = Question { messages: &[&system, &user], tools: &[], hear: &hear, cancel: &cancel };
    let outcome = model.respond(question).await;
    (outcome, heard.into_inner().unwrap())
}

fn anthropic_events(events: &[Value]) -> String {
    let event = |json: &Value| format!("event: {}\ndata: {json}\n\n", json["type"].as_str().unwrap());
    events.iter().map(event).collect()
}

fn anthropic_reply() -> String {
    anthropic_events(&[
        json!({ "type": "message_start", "message": { "usage": { "input_tokens": 20, "cache_read_input_tokens": 5 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Grüß " } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Gott" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "something_new", "index": 9, "delta": {} }),
        json!({ "type": "content_block_start", "index": 1,
            "content_block": { "type": "tool_use", "id": "t1", "name": "write_file", "input": {} } }),
        json!({ "type": "content_block_delta", "index": 1,
            "delta": { "type": "input_json_delta", "partial_json": "{\"path\": \"b\"," } }),
        json!({ "type": "content_block_delta", "index": 1,
            "delta": { "type": "input_json_delta", "partial_json": "\"content\": \"x\"}" } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 9 } }),
        json!({ "type": "message_stop" }),
    ])
}

fn openai_events(events: &[Value]) -> String {
    events.iter().map(|json| format!("data: {json}\n\n")).collect::<String>() + "data: [DONE]\n\n"
}

fn openai_reply() -> String {
    let choice = |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    openai_events(&[
        choice(json!({ "role": "assistant", "content": "" })),
        choice(json!({ "content": "Grüß " })),
        choice(json!({ "content": "Gott" })),
        choice(json!({ "tool_calls": [{ "index": 0, "id": "t1", "type": "function",
            "function": { "name": "write_file", "arguments": "" } }] })),
        choice(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"path\": \"b\"," } }] })),
        choice(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "\"content\": \"x\"}" } }] })),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 25, "completion_tokens": 9 } }),
    ])
}

fn expected_reply() -> Reply {
    let call = ToolCall {
        id: "t1".to_owned(),
        name: "write_file".to_owned(),
        arguments: "{\"path\": \"b\",\"content\": \"x\"}".to_owned(),
    };
    let usage = TokenUsage { input: 25, output: 9 };
    Reply { text: "Grüß Gott".to_owned(), calls: vec![call], usage }
}

fn reply_in(dialect: Dialect) -> String {
    match dialect {
        Dialect::Anthropic => anthropic_reply(),
        Dialect::OpenAi => openai_reply(),
    }
}

const BOTH: [Dialect; 2] = [Dialect::Anthropic, Dialect::OpenAi];

#[tokio::test]
async fn a_reply_is_heard_as_it_comes_and_read_whole_however_it_is_cut() {
    for dialect in BOTH {
        for piece in [1, 7, 100_000] {
            let server = Server::begin(vec![stream(&reply_in(dialect), piece)]).await;
            let (outcome, heard) = ask(&server.model(dialect)).await;
            assert_eq!(outcome, Ok(expected_reply()), "{dialect:?} in pieces of {piece}");
            assert_eq!(heard, "Grüß Gott");
        }
    }
}

#[tokio::test]
async fn every_refusal_is_told_for_what_it_is() {
    let overloaded = |seconds| ModelError::Overloaded { retry_after: Some(Duration::from_millis(seconds)) };
    for dialect in BOTH {
        for (status, headers, expected) in [
            ("429 Too Many Requests", "retry-after: 7\r\n", overloaded(7000)),
            ("429 Too Many Requests", "retry-after: 7\r\nretry-after-ms: 1500\r\n", overloaded(1500)),
            ("529 Overloaded", "", ModelError::Overloaded { retry_after: None }),
            ("503 Unavailable", "retry-after: 99999999\r\n", overloaded(600_000)),
            (
                "429 Too Many",
                "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:44 GMT\r\n",
                overloaded(67_000),
            ),
            (
                "429 Too Many",
                "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:00 GMT\r\n",
                ModelError::Overloaded { retry_after: None },
            ),
            ("429 Too Many", "retry-after: -1\r\n", ModelError::Overloaded { retry_after: None }),
            ("429 Too Many", "retry-after: soon\r\n", ModelError::Overloaded { retry_after: None }),
        ] {
            let server = Server::begin(vec![whole(status, headers, "{}")]).await;
            assert_eq!(ask(&server.model(dialect)).await.0, Err(expected), "{status} {headers}");
        }
        for status in ["500 Oh", "502 Bad Gateway", "504 Gateway Timeout", "408 Timeout"] {
            let server = Server::begin(vec![whole(status, "", "<html>\u{1b}[2J")]).await;
            let error = ask(&server.model(dialect)).await.0.unwrap_err();
            assert!(error.is_retryable() && !error.to_string().contains('\u{1b}'), "{error:?}");
        }
        for status in ["400 Bad", "401 Unauthorized", "403 No", "404 Not Found", "413 Too Large", "302 Found"]
        {
            let location = "location: http://127.0.0.1:1/elsewhere\r\n";
            let server = Server::begin(vec![whole(status, location, "{}")]).await;
            let error = ask(&server.model(dialect)).await.0.unwrap_err();
            assert!(matches!(error, ModelError::Rejected { .. }), "{status}: {error:?}");
        }
    }
}

#[tokio::test]
async fn what_breaks_off_or_is_garbage_can_be_tried_again_and_hangs_nobody() {
    let start = r#"data: {"type":"message_start","message":{}}"#.to_owned() + "\n\n";
    for dialect in BOTH {
        let reply = reply_in(dialect);
        let mut cuts: Vec<usize> = (0..reply.len() - 30).step_by(97).collect();
        cuts.retain(|at| reply.is_char_boundary(*at));
        for cut in cuts {
            let server = Server::begin(vec![stream(&reply[..cut], 50)]).await;
            let error = ask(&server.model(dialect)).await.0.unwrap_err();
            assert!(matches!(error, ModelError::Unavailable { .. }), "{dialect:?} cut at {cut}: {error:?}");
        }
        for body in [
            "",
            "<html>a proxy</html>",
            "data: {\n\n",
            "data: [1, 2\n\n",
            "data: null\n\n",
            &"\u{0}\u{ff}".repeat(1000),
            &format!("{start}data: {{\"type\":\"content_block_delta\"}}\n\n"),
            "data: {\"type\":\"message_stop\"}\n\n",
            "data: [DONE]\n\n",
        ] {
            let server = Server::begin(vec![stream(body, 1000)]).await;
            let error = ask(&server.model(dialect)).await.0.unwrap_err();
            assert!(matches!(error, ModelError::Unavailable { .. }), "{body:.40}: {error:?}");
        }
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings =
        HttpSettings { endpoint: format!("http://{nobody}/"), ..HttpSettings::new(Dialect::OpenAi, "m") };
    let model = HttpModel::new(settings, Key::new(KEY).unwrap()).unwrap();
    let error = ask(&model).await.0.unwrap_err();
    assert!(error.to_string().contains("the server cannot be reached"), "{error}");
}

#[tokio::test]
async fn errors_within_a_stream_are_told_for_what_they_are() {
    let error = |kind: &str| {
        let error = json!({ "type": "error", "error": { "type": kind, "message": "because" } });
        stream(&anthropic_events(&[error]), 1000)
    };
    for (kind, expected) in [
        ("overloaded_error", ModelError::Overloaded { retry_after: None }),
        ("api_error", ModelError::Unavailable { reason: "api_error: because".to_owned() }),
        (
            "invalid_request_error",
            ModelError::Rejected { reason: "invalid_request_error: because".to_owned() },
        ),
    ] {
        let server = Server::begin(vec![error(kind)]).await;
        assert_eq!(ask(&server.model(Dialect::Anthropic)).await.0, Err(expected));
    }
    let broken = "data: {\"error\": {\"message\": \"because\"}}\n\n";
    let server = Server::begin(vec![stream(broken, 1000)]).await;
    let error = ask(&server.model(Dialect::OpenAi)).await.0.unwrap_err();
    assert_eq!(error, ModelError::Unavailable { reason: "because".to_owned() });
}

#[tokio::test]
async fn a_reply_that_was_cut_off_is_no_answer() {
    let delta = |delta: Value| json!({ "type": "content_block_delta", "index": 0, "delta": delta });
    let anthropic = |reason: &str| {
        anthropic_events(&[
            json!({ "type": "message_start", "message": {} }),
            delta(json!({ "type": "text_delta", "text": "half an ans" })),
            json!({ "type": "message_delta", "delta": { "stop_reason": reason } }),
            json!({ "type": "message_stop" }),
        ])
    };
    let openai = |reason: &str| {
        let delta = json!({ "content": "half an ans" });
        openai_events(&[json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] })])
    };
    for (dialect, body, is_cut_off) in [
        (Dialect::Anthropic, anthropic("max_tokens"), true),
        (Dialect::Anthropic, anthropic("end_turn"), false),
        (Dialect::OpenAi, openai("length"), true),
        (Dialect::OpenAi, openai("stop"), false),
    ] {
        let server = Server::begin(vec![stream(&body, 1000)]).await;
        let outcome = ask(&server.model(dialect)).await.0;
        let expected = if is_cut_off { Err(ModelError::CutOff) } else { Ok("half an ans".to_owned()) };
        assert_eq!(outcome.map(|reply| reply.text), expected, "{dialect:?}");
    }
}

#[tokio::test]
async fn the_key_goes_into_a_header_and_nowhere_else() {
    for dialect in BOTH {
        let body = json!({ "error": { "message": format!("bad key {KEY}") } }).to_string();
        let inside = match dialect {
            Dialect::Anthropic => {
                let error = json!({ "type": "error", "error": { "type": "x", "message": KEY } });
                anthropic_events(&[error])
            }
            Dialect::OpenAi => format!("data: {}\n\n", json!({ "error": { "message": KEY } })),
        };
        let answers = vec![
            whole("401 Unauthorized", "", &body),
            whole("500 Oh", "", &format!("{KEY} {KEY}")),
            stream(&inside, 1000),
            stream(&format!("data: {{\"{KEY}\n\n"), 1000),
        ];
        let server = Server::begin(answers.clone()).await;
        let model = server.model(dialect);
        for number in 0..answers.len() {
            let error = ask(&model).await.0.unwrap_err();
            let told = format!("{error} {error:?} {model:?}");
            assert!(!told.contains("0815"), "{told}");
            let (head, body) = server.request(number);
            assert_eq!(head.matches(KEY).count(), 1, "{head}");
            assert!(!body.to_string().contains(KEY));
        }
    }
}

#[tokio::test]
async fn what_is_sent_is_what_the_dialect_asks_for() {
    let reply = Reply { text: String::new(), ..expected_reply() };
    let result = ToolResult { call_id: "t1".to_owned(), status: ToolStatus::Failed, text: "no".to_owned() };
    let messages = [
        Message::System("rules".to_owned()),
        Message::Fact("it is 7".to_owned()),
        Message::Assistant(reply),
        Message::Tool(result),
        Message::User("go on".to_owned()),
    ];
    let spec = ToolSpec {
        name: "look".to_owned(),
        description: "looks".to_owned(),
        arguments: Schema::new().required("at", Kind::Text, "what"),
    };
    let cancel = CancellationToken::new();
    let shown: Vec<&Message> = messages.iter().collect();
    let question = Question { messages: &shown, tools: &[spec], hear: &|_| {}, cancel: &cancel };
    let body = |dialect: Dialect| dialect.body(&HttpSettings::new(dialect, "m"), &question);

    let sent = body(Dialect::Anthropic);
    assert_eq!(sent["system"], "rules\n\nit is 7");
    assert_eq!(sent["tools"][0]["input_schema"]["required"], json!(["at"]));
    let roles: Vec<&str> =
        sent["messages"].as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(sent["messages"][1]["content"][0]["input"], json!({ "path": "b", "content": "x" }));
    assert_eq!(sent["messages"][2]["content"][0]["is_error"], true);
    assert_eq!(sent["messages"][2]["content"][1]["text"], "go on");

    let sent = body(Dialect::OpenAi);
    let roles: Vec<&str> =
        sent["messages"].as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "system", "assistant", "tool", "user"]);
    assert_eq!(sent["messages"][2]["tool_calls"][0]["function"]["name"], "write_file");
    assert_eq!(sent["messages"][3]["tool_call_id"], "t1");
    assert_eq!(sent["tools"][0]["function"]["parameters"]["type"], "object");
}

#[tokio::test]
async fn a_question_that_is_taken_back_ends_at_once() {
    let server = Server::begin(vec![Answer::Silence("HTTP/1.1 200 OK\r\n\r\n: wait\n\n".to_owned())]).await;
    let model = server.model(Dialect::Anthropic);
    let cancel = CancellationToken::new();
    let question = Question { messages: &[], tools: &[], hear: &|_| {}, cancel: &cancel };
    let taken_back = async {
        while server.requests.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(model.respond(question), taken_back);
    assert_eq!(outcome, Err(ModelError::Cancelled));
}

#[tokio::test]
async fn an_agent_works_through_a_server_that_fails_now_and_then() {
    for dialect in BOTH {
        let answer = match dialect {
            Dialect::Anthropic => anthropic_events(&[
                json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Done." } }),
                json!({ "type": "message_stop" }),
            ]),
            Dialect::OpenAi => openai_events(&[
                json!({ "choices": [{ "delta": { "content": "Done." }, "finish_reason": "stop" }] }),
            ]),
        };
        let reply = reply_in(dialect);
        let server = Server::begin(vec![
            whole("429 Too Many", "retry-after-ms: 1\r\n", "{}"),
            stream(&reply[..reply.len() / 2], 20),
            stream(&reply, 20),
            whole("500 Oh", "", "oh"),
            stream(&answer, 20),
        ])
        .await;
        let files = Arc::new(WorkingSet::new(BTreeMap::new()));
        let tools = Arc::new(Registry::new(tools(&files), ToolLimits::default()).unwrap());
        let mut agent = ReAct::new(Arc::new(server.model(dialect)), tools);
        agent.options.retry =
            RetryPolicy { backoff_base: Duration::from_millis(1), ..RetryPolicy::default() };
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let mut session = Session::open(store, SessionName::new("s").unwrap()).await.unwrap();
        let (events, mut receiver) = channel(1000);
        let request = Request { text: "write b".to_owned(), ..Request::default() };
        let run = agent.run(&mut session, &request, &events, &CancellationToken::new()).await.unwrap();
        assert_eq!(run.outcome, Outcome::Answered("Done.".to_owned()));
        assert_eq!(run.usage.input, 25);
        assert_eq!(files.changes()[&FilePath::new("b").unwrap()], b"x");
        drop(events);
        let mut retries = 0;
        while let Some(told) = receiver.next().await {
            assert!(!format!("{told:?}").contains(KEY));
            retries += usize::from(matches!(told, Told::Event(Event::Retrying { .. })));
        }
        assert_eq!(retries, 3);
    }
}
