//! One run of the loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::event::{Event, EventSender};
use crate::model::{Message, Question, Reply};
use crate::react::outcome::Halt;
use crate::react::step::{self, Step, next_step};
use crate::react::stop::Stop;
use crate::react::{Limit, ReAct, RunError};
use crate::session::Session;
use crate::summary::{self, Summary};
use crate::tool::{Registry, ToolCall};
use crate::window::{Compaction, Instead, Window};

/// How long a summary may take.
const SUMMARY_TIME_MAX: Duration = Duration::from_secs(120);

/// One run, and what it needs throughout.
pub(super) struct Attempt<'a> {
    pub(super) agent: &'a ReAct,
    pub(super) window: Window,
    pub(super) events: &'a EventSender,
    pub(super) stop: Stop,
}

impl Attempt<'_> {
    /// The loop. Appending is never cut short, so that session and log stay together.
    pub(super) async fn drive(
        mut self,
        session: &mut Session,
        opening: Vec<Message>,
    ) -> Result<String, Halt> {
        self.stop.check()?;
        // What cannot be answered any more is not even taken.
        self.check_budget(session)?;
        session.append(opening).await?;
        self.look(session).await?;
        self.events
            .send(&Event::Started { session: session.name().clone(), messages: session.messages().len() });
        self.events
            .send(&Event::Preprocessed { tokens: self.window.tokens(), is_exact: self.window.is_exact() });
        loop {
            match next_step(session.messages()) {
                Step::Answered(text) => return Ok(text),
                Step::Call(calls) => self.call(calls, session).await?,
                Step::Ask => self.ask(session).await?,
                Step::AwaitRequest => unreachable!("a run begins with a request"),
            }
        }
    }

    fn check_budget(&self, session: &Session) -> Result<(), Halt> {
        let budget = &self.agent.options.budget;
        budget.check(session.spent(), session.age()).map_err(|exhausted| Halt::Limit(exhausted.into()))
    }

    /// Brings the window up to the conversation.
    async fn look(&mut self, session: &mut Session) -> Result<(), Halt> {
        if let Some(compaction) = self.window.follow(session.messages())? {
            let instead = self.sum_up(session).await?;
            let tokens_after = self.window.tokens();
            self.events.send(&Event::Compacted(Compaction { tokens_after, instead, ..compaction }));
        }
        Ok(())
    }

    /// Has what is no longer shown summed up, if somebody can. It is asked once: there is a note already.
    async fn sum_up(&mut self, session: &mut Session) -> Result<Instead, Halt> {
        let Some(model) = &self.agent.summariser else { return Ok(Instead::Note) };
        let earlier = session.summary();
        let begun = earlier.map_or(0, |summary| summary.messages);
        // What was summed up already is not asked for again.
        let Some(left_out @ [_, ..]) = session.messages().get(begun..self.window.left_out()) else {
            return Ok(Instead::Note);
        };
        let messages = summary::question(earlier, left_out);
        let messages = messages.each_ref();
        let question =
            Question { messages: &messages, tools: &[], hear: &|_| {}, cancel: self.stop.cancel() };
        let asked = tokio::time::timeout(SUMMARY_TIME_MAX, model.respond(question));
        let Ok(Ok(reply)) = self.stop.race(asked).await? else { return Ok(Instead::Note) };
        let bytes_max = self.window.summary_bytes_max();
        let before = session.spent_on_summaries();
        let summary = Summary::of(&reply, self.window.left_out(), before, bytes_max)
            .filter(|summary| self.window.sum_up(summary.clone(), session.messages()));
        let Some(summary) = summary else {
            // It is of no use, and has to be paid for all the same.
            let usage = before + reply.usage;
            let kept = earlier.cloned().unwrap_or_else(|| Summary::of_nothing(usage));
            session.keep_summary(Summary { usage, ..kept }).await?;
            return Ok(Instead::Note);
        };
        session.keep_summary(summary).await?;
        Ok(Instead::Summary)
    }

    async fn ask(&mut self, session: &mut Session) -> Result<(), Halt> {
        if step::iterations(session.messages()) >= self.agent.options.iterations_max.get() {
            return Err(Halt::Limit(Limit::Iterations));
        }
        self.check_budget(session)?;
        self.look(session).await?;
        let reply = self.reply(session).await?;
        self.window.learn(reply.usage.input);
        let reply = step::with_distinct_ids(reply, session.messages());
        session.append(vec![Message::Assistant(reply.clone())]).await?;
        self.events.send(&Event::Replied {
            iteration: step::iterations(session.messages()),
            calls: reply.calls.len(),
            usage: reply.usage,
            text: reply.text,
        });
        Ok(())
    }

    /// Asks the model until it replies, for as long as the policy allows.
    async fn reply(&self, session: &Session) -> Result<Reply, Halt> {
        let (model, options) = (&self.agent.model, &self.agent.options);
        let messages = self.window.view(session.messages());
        // Agents that were turned away together do not come back together.
        let seed = options.seed ^ session.name().seed() ^ session.messages().len() as u64;
        let hear = |piece: &str| {
            if !piece.is_empty() {
                self.events.send(&Event::Text(piece.to_owned()));
            }
        };
        let cancel = self.stop.cancel();
        let (mut waits, mut failures) = (options.retry.waits(seed), 0);
        loop {
            let question = Question { messages: &messages, tools: self.window.tools(), hear: &hear, cancel };
            let error = match self.stop.race(model.respond(question)).await? {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            failures += 1;
            let Some(wait) = waits.after(&error) else {
                return Err(Halt::Failed(RunError::Model { failures, source: error }));
            };
            self.events.send(&Event::Retrying { failures, wait, error: error.to_string() });
            self.stop.race(tokio::time::sleep(wait)).await?;
        }
    }

    /// Makes calls: those that are independent at the same time, and each batch is kept before the next begins.
    async fn call(&self, calls: Vec<ToolCall>, session: &mut Session) -> Result<(), Halt> {
        let together_max = self.agent.options.calls_together_max.get() as usize;
        let access = |name: &str| self.agent.tools.access(name);
        for batch in step::batches(calls, together_max, access) {
            let results = self.stop.race(self.call_together(batch)).await?;
            session.append(results).await?;
        }
        Ok(())
    }

    /// Returns the results in the order of the calls. Dropping it stops the tools.
    async fn call_together(&self, calls: Vec<ToolCall>) -> Vec<Message> {
        // One alone needs no task beside the one that the registry gives it.
        let calls = match <[ToolCall; 1]>::try_from(calls) {
            Ok([call]) => {
                return vec![call_one(&self.agent.tools, call, self.events, self.stop.cancel()).await];
            }
            Err(calls) => calls,
        };
        let mut running = JoinSet::new();
        for (index, call) in calls.into_iter().enumerate() {
            let (tools, cancel) = (Arc::clone(&self.agent.tools), self.stop.cancel().clone());
            let events = self.events.clone();
            running.spawn(async move { (index, call_one(&tools, call, &events, &cancel).await) });
        }
        let mut results = Vec::with_capacity(running.len());
        while let Some(ended) = running.join_next().await {
            results.push(ended.expect("the registry catches what tools do, and nothing here is aborted"));
        }
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, message)| message).collect()
    }
}

async fn call_one(
    tools: &Registry,
    call: ToolCall,
    events: &EventSender,
    cancel: &CancellationToken,
) -> Message {
    events.send(&Event::ToolCalled {
        call_id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
    });
    let started = Instant::now();
    let result = tools.call(&call, cancel).await;
    events.send(&Event::ToolReturned {
        call_id: call.id,
        name: call.name,
        status: result.status,
        bytes: result.text.len(),
        elapsed: started.elapsed(),
    });
    Message::Tool(result)
}
