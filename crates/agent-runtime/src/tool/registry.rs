//! The tools on offer, and the guard around each call: whatever a tool does, the caller gets one result of bounded size
//! within a bounded time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::tool::text::{cut, presentable};
use crate::tool::{Access, Arguments, Record, Tool, ToolCall, ToolError, ToolResult, ToolSpec, ToolStatus};

/// How much one call may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolLimits {
    /// The time after which it is stopped.
    pub time_max: Duration,
    /// The bytes of its output that the model gets to see, where the tool says nothing else; the rest is cut off, and the model is told. Control characters
    /// are written out.
    pub output_bytes_max: usize,
    /// How often it is made again where it fails for the moment.
    pub retries_max: u32,
    /// How long the first wait before that is; each later one is twice the one before.
    pub retry_after: Duration,
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self {
            time_max: Duration::from_secs(120),
            output_bytes_max: 64 * 1024,
            retries_max: 3,
            retry_after: Duration::from_millis(50),
        }
    }
}

/// Two tools of one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are two tools of the name `{name}`")]
pub struct DuplicateTool {
    /// The name.
    pub name: String,
}

/// Tools by name.
pub struct Registry {
    tools: BTreeMap<String, Registered>,
    limits: ToolLimits,
}

struct Registered {
    tool: Arc<dyn Tool>,
    spec: ToolSpec,
    record: Mutex<Record>,
}

impl Registry {
    /// Returns the registry of these tools.
    pub fn new(
        tools: impl IntoIterator<Item = Arc<dyn Tool>>,
        limits: ToolLimits,
    ) -> Result<Self, DuplicateTool> {
        let mut registered = BTreeMap::new();
        for tool in tools {
            let spec = tool.spec();
            let name = spec.name.clone();
            let entry = Registered { tool, spec, record: Mutex::default() };
            if registered.insert(name.clone(), entry).is_some() {
                return Err(DuplicateTool { name });
            }
        }
        Ok(Self { tools: registered, limits })
    }

    /// Returns what a model is told of the tools, by name: the same each time, so that models can cache it.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.tools.values().map(|registered| registered.spec.clone()).collect()
    }

    /// Returns how each tool has done so far, by name.
    pub fn records(&self) -> Vec<(&str, Record)> {
        self.tools.iter().map(|(name, registered)| (name.as_str(), registered.record())).collect()
    }

    /// Returns what the calls of a tool do to the world. Calls of a tool that does not exist do nothing.
    pub fn access(&self, name: &str) -> Access {
        self.tools.get(name).map_or(Access::Reads, |registered| registered.tool.access())
    }

    /// Makes a call and returns what came of it.
    ///
    /// The tool runs as a task of its own, which is aborted when the call takes too long or is dropped. A tool that blocks
    /// its thread cannot be stopped.
    pub async fn call(&self, call: &ToolCall, cancel: &CancellationToken) -> ToolResult {
        let tool = self.tools.get(&call.name);
        let (status, text) = match tool {
            Some(registered) => registered.call(call, &self.limits, cancel).await,
            None => (ToolStatus::UnknownTool, format!("there is no tool {:?}", cut(call.name.clone(), 80))),
        };
        let own_bytes_max = tool.and_then(|registered| registered.tool.output_bytes_max());
        let text = presentable(text, own_bytes_max.unwrap_or(self.limits.output_bytes_max));
        ToolResult { call_id: call.id.clone(), status, text }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("records", &self.records()).field("limits", &self.limits).finish()
    }
}

impl Registered {
    fn record(&self) -> Record {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn call(
        &self,
        call: &ToolCall,
        limits: &ToolLimits,
        cancel: &CancellationToken,
    ) -> (ToolStatus, String) {
        self.note(Record::begin);
        let started = Instant::now();
        let (status, text) = self.call_guarded(call, limits, cancel).await;
        self.note(|record| record.end(status, started.elapsed()));
        (status, text)
    }

    async fn call_guarded(
        &self,
        call: &ToolCall,
        limits: &ToolLimits,
        cancel: &CancellationToken,
    ) -> (ToolStatus, String) {
        let arguments = match self.spec.arguments.read(&call.arguments) {
            Ok(arguments) => arguments,
            Err(invalid) => return (ToolStatus::InvalidArguments, invalid.to_string()),
        };
        // However this call ends, what the tool has started elsewhere is told to stop.
        let cancel = cancel.child_token();
        let _cancelled_at_the_end = cancel.clone().drop_guard();
        let ended = timeout(limits.time_max, self.call_patiently(arguments, limits, &cancel)).await;
        ended.unwrap_or_else(|_| {
            let text = format!("the tool took more than {:?} and was stopped", limits.time_max);
            (ToolStatus::TimedOut, text)
        })
    }

    /// Makes the call, and makes it again where it fails for the moment.
    async fn call_patiently(
        &self,
        arguments: Arguments,
        limits: &ToolLimits,
        cancel: &CancellationToken,
    ) -> (ToolStatus, String) {
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(limits.retry_after)
            .without_max_delay()
            .with_max_times(limits.retries_max as usize)
            .build();
        loop {
            let (tool, arguments, cancel) = (Arc::clone(&self.tool), arguments.clone(), cancel.clone());
            let work = async move { tool.call(arguments, cancel).await };
            match AbortOnDropHandle::new(tokio::spawn(work)).await {
                Ok(Ok(text)) => return (ToolStatus::Succeeded, text),
                Ok(Err(ToolError::Failed(text))) => return (ToolStatus::Failed, text),
                Ok(Err(ToolError::Passing(text))) => match waits.next() {
                    Some(wait) => {
                        sleep(wait).await;
                        self.note(Record::retry);
                    }
                    None => return (ToolStatus::Failed, text),
                },
                Err(_broken) => return (ToolStatus::Panicked, "the tool broke".to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::BoxFuture;
    use crate::tool::{Kind, Schema};

    /// Behaves as its argument says.
    #[derive(Default)]
    struct Moody {
        hesitations: std::sync::atomic::AtomicU32,
    }

    impl Tool for Moody {
        fn spec(&self) -> ToolSpec {
            ToolSpec {
                name: "moody".to_owned(),
                description: "behaves as told".to_owned(),
                arguments: Schema::new().required("mood", Kind::Text, "how"),
            }
        }

        fn access(&self) -> Access {
            Access::Reads
        }

        fn call(
            &self,
            arguments: Arguments,
            cancel: CancellationToken,
        ) -> BoxFuture<'_, Result<String, ToolError>> {
            Box::pin(async move {
                match arguments.text("mood") {
                    Some("panics") => panic!("as told"),
                    Some("hangs") => std::future::pending().await,
                    Some("waits for the end") => {
                        cancel.cancelled().await;
                        Ok("cancelled".to_owned())
                    }
                    Some("talks") => Ok("é".repeat(5 << 20)),
                    Some("hesitates") => match self.hesitations.fetch_add(1, Ordering::Relaxed) {
                        0..=2 => Err(ToolError::Passing("in a moment".to_owned())),
                        _ => Ok("now".to_owned()),
                    },
                    Some("never comes") => Err(ToolError::Passing("in a moment".to_owned())),
                    Some("sulks") => Err(ToolError::Failed("not today ".repeat(1 << 20))),
                    Some("takes a second") => {
                        sleep(Duration::from_secs(1)).await;
                        Ok("here".to_owned())
                    }
                    _ => Ok("fine".to_owned()),
                }
            })
        }
    }

    fn registry() -> Registry {
        let limits =
            ToolLimits { time_max: Duration::from_secs(5), output_bytes_max: 1001, ..ToolLimits::default() };
        Registry::new([Arc::new(Moody::default()) as Arc<dyn Tool>], limits).unwrap()
    }

    fn call(mood: &str) -> ToolCall {
        let arguments = serde_json::json!({ "mood": mood }).to_string();
        ToolCall { id: "1".to_owned(), name: "moody".to_owned(), arguments }
    }

    async fn outcome(registry: &Registry, mood: &str) -> (ToolStatus, String) {
        let result = registry.call(&call(mood), &CancellationToken::new()).await;
        assert!(result.text.len() < 1100, "{} bytes are shown to the model", result.text.len());
        (result.status, result.text)
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_a_tool_does_there_is_one_result_of_bounded_size_and_time() {
        let registry = registry();
        assert_eq!(outcome(&registry, "is fine").await, (ToolStatus::Succeeded, "fine".to_owned()));
        assert_eq!(outcome(&registry, "panics").await.0, ToolStatus::Panicked);
        assert_eq!(outcome(&registry, "sulks").await.0, ToolStatus::Failed);
        let started = Instant::now();
        assert_eq!(outcome(&registry, "hangs").await.0, ToolStatus::TimedOut);
        assert_eq!(started.elapsed(), Duration::from_secs(5));
        let (status, text) = outcome(&registry, "talks").await;
        assert_eq!(status, ToolStatus::Succeeded);
        assert!(text.ends_with("é\n[cut: the first 1000 of 10485760 bytes]"), "{}", &text[990..]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_as_declared_never_reaches_the_tool() {
        let registry = registry();
        let broken = ToolCall { arguments: "{\"mood\": 1}".to_owned(), ..call("") };
        let result = registry.call(&broken, &CancellationToken::new()).await;
        assert_eq!(result.status, ToolStatus::InvalidArguments);
        let unknown = ToolCall { name: "x".repeat(10 << 20), ..call("") };
        let result = registry.call(&unknown, &CancellationToken::new()).await;
        assert_eq!(result.status, ToolStatus::UnknownTool);
        assert!(result.text.len() < 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_for_the_moment_is_made_again() {
        let registry = registry();
        let started = Instant::now();
        assert_eq!(outcome(&registry, "hesitates").await, (ToolStatus::Succeeded, "now".to_owned()));
        // A timer may be a millisecond late.
        let waited = started.elapsed().abs_diff(Duration::from_millis(50 + 100 + 200));
        assert!(waited <= Duration::from_millis(3), "{waited:?}");
        assert_eq!(outcome(&registry, "never comes").await, (ToolStatus::Failed, "in a moment".to_owned()));
        assert_eq!(outcome(&registry, "sulks").await.0, ToolStatus::Failed);
        let (_, record) = registry.records()[0];
        assert_eq!((record.calls, record.succeeded, record.failed, record.retries), (3, 1, 2, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn each_tool_has_a_record() {
        let registry = registry();
        for mood in ["is fine", "takes a second", "panics", "hangs"] {
            outcome(&registry, mood).await;
        }
        let given_up = timeout(Duration::from_secs(1), outcome(&registry, "hangs")).await;
        assert!(given_up.is_err());
        let expected = Record {
            calls: 5,
            succeeded: 2,
            failed: 2,
            elapsed_total: Duration::from_secs(6),
            elapsed_max: Duration::from_secs(5),
            ..Record::default()
        };
        assert_eq!(registry.records(), [("moody", expected)]);
        assert_eq!(expected.elapsed_mean(), Some(Duration::from_millis(1500)));
        assert_eq!(Record::default().elapsed_mean(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tool_hears_of_cancellation() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let result = registry().call(&call("waits for the end"), &cancel).await;
        assert_eq!((result.status, result.text.as_str()), (ToolStatus::Succeeded, "cancelled"));
    }

    #[test]
    fn two_tools_of_one_name_are_refused() {
        let tools = [Arc::new(Moody::default()) as Arc<dyn Tool>, Arc::new(Moody::default())];
        let error = Registry::new(tools, ToolLimits::default()).unwrap_err();
        assert_eq!(error.to_string(), "there are two tools of the name `moody`");
    }
}
