//! A model made of several providers, the preferred one first.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::BoxFuture;
use crate::guard::{Breaker, BreakerLimits, Rate, RateLimit};
use crate::model::{LanguageModel, ModelError, Question, Reply};

/// How a provider is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderLimits {
    /// How often it may be asked.
    pub rate: Rate,
    /// When it is left alone.
    pub breaker: BreakerLimits,
    /// How long it may take for a whole reply.
    pub reply_time_max: Duration,
}

impl Default for ProviderLimits {
    fn default() -> Self {
        Self {
            rate: Rate::per_second(NonZeroU32::new(1000).expect("a thousand is not zero")),
            breaker: BreakerLimits::default(),
            reply_time_max: Duration::from_secs(600),
        }
    }
}

/// One provider. A clone is the same one.
#[derive(Clone)]
pub struct Provider {
    model: Arc<dyn LanguageModel>,
    guard: Arc<Guard>,
}

/// What all who ask a provider have in common.
struct Guard {
    name: String,
    limits: ProviderLimits,
    rate: RateLimit,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    /// It has asked to be left alone until then.
    blocked_until: Option<Instant>,
    record: ProviderRecord,
}

/// How a provider has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProviderRecord {
    /// Questions that it answered.
    pub answered: u64,
    /// Questions for which it was overloaded.
    pub overloaded: u64,
    /// Questions at which it failed in another way.
    pub failed: u64,
}

/// Several providers that are asked as one.
pub struct Providers {
    providers: Vec<Provider>,
    /// How long a question may wait for one that takes it.
    patience: Duration,
    /// Somebody has heard from a provider.
    news: Notify,
}

impl Provider {
    /// Returns a provider of that name.
    pub fn new(name: impl Into<String>, model: Arc<dyn LanguageModel>, limits: ProviderLimits) -> Self {
        let state = State {
            breaker: Breaker::new(limits.breaker),
            blocked_until: None,
            record: ProviderRecord::default(),
        };
        let rate = RateLimit::new(limits.rate);
        let guard = Guard { name: name.into(), limits, rate, state: Mutex::new(state) };
        Self { model, guard: Arc::new(guard) }
    }

    /// Returns the same provider asked through another model: limits, breaker and record are those of both.
    #[must_use]
    pub fn through(&self, model: Arc<dyn LanguageModel>) -> Self {
        Self { model, guard: Arc::clone(&self.guard) }
    }

    async fn ask(&self, question: Question<'_>) -> Result<Reply, ModelError> {
        let mut asked = Asked { guard: &self.guard, is_noted: false };
        let time_max = self.guard.limits.reply_time_max;
        let outcome = match timeout(time_max, self.model.respond(question)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ModelError::Unavailable { reason: format!("no reply within {time_max:?}") }),
        };
        self.guard.note(&outcome, Instant::now());
        asked.is_noted = true;
        outcome
    }
}

impl Guard {
    fn record(&self) -> (&str, ProviderRecord, bool) {
        let state = self.state();
        (&self.name, state.record, state.breaker.is_open())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a question through, or returns how long it takes until one may be.
    fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        if let Some(until) = state.blocked_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        state.breaker.check(now)?;
        self.rate.take()?;
        state.breaker.asked(now, self.limits.reply_time_max);
        Ok(())
    }

    fn note(&self, outcome: &Result<Reply, ModelError>, now: Instant) {
        let mut state = self.state();
        match outcome {
            Ok(_) => {
                state.record.answered += 1;
                state.breaker.succeeded();
            }
            Err(ModelError::Overloaded { retry_after: Some(wait) }) => {
                // It is there, and says when it will be asked again.
                state.record.overloaded += 1;
                let until = now + *wait;
                state.blocked_until = Some(state.blocked_until.map_or(until, |known| known.max(until)));
                state.breaker.succeeded();
            }
            Err(ModelError::Overloaded { retry_after: None }) => {
                state.record.overloaded += 1;
                state.breaker.failed(now);
            }
            Err(ModelError::Unavailable { .. }) => {
                state.record.failed += 1;
                state.breaker.failed(now);
            }
            // It has looked at the question, so it is there; or nobody knows.
            Err(ModelError::Rejected { .. } | ModelError::CutOff) => state.breaker.succeeded(),
            Err(ModelError::Cancelled) => {}
        }
    }
}

/// A question to a provider. Where it is dropped before its outcome is noted, another may try.
struct Asked<'a> {
    guard: &'a Guard,
    is_noted: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.is_noted {
            self.guard.state().breaker.abandoned(Instant::now());
        }
    }
}

impl Providers {
    /// Returns a model that asks the first of these that takes questions; one may wait that long for it.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(providers: Vec<Provider>, patience: Duration) -> Self {
        assert!(!providers.is_empty(), "a model needs a provider");
        Self { providers, patience, news: Notify::new() }
    }

    /// Returns how each provider has done so far, by name, and whether questions are kept from it.
    pub fn records(&self) -> Vec<(&str, ProviderRecord, bool)> {
        self.providers.iter().map(|provider| provider.guard.record()).collect()
    }

    /// Asks until one replies, a question is refused for good, something was heard of a reply that broke off, or patience
    /// is at its end.
    async fn ask(&self, question: Question<'_>) -> Result<Reply, ModelError> {
        let deadline = Instant::now() + self.patience;
        let has_heard = AtomicBool::new(false);
        let hear = |piece: &str| {
            has_heard.store(true, Ordering::Relaxed);
            (question.hear)(piece);
        };
        let mut last = None;
        loop {
            let mut soonest = Duration::MAX;
            for provider in &self.providers {
                match provider.guard.admit(Instant::now()) {
                    Ok(()) => {}
                    Err(wait) => {
                        soonest = soonest.min(wait);
                        continue;
                    }
                }
                let outcome = provider.ask(Question { hear: &hear, ..question }).await;
                self.news.notify_waiters();
                match outcome {
                    Err(error) if error.is_retryable() && !has_heard.load(Ordering::Relaxed) => {
                        last = Some(error);
                    }
                    outcome => return outcome,
                }
            }
            // Nothing is certain of one that was asked a moment ago; but it must not be asked without a pause.
            let wait = soonest.min(self.pause());
            let now = Instant::now();
            if now + wait > deadline {
                let retry_after = Some(if soonest == Duration::MAX { wait } else { soonest });
                return Err(last.unwrap_or(ModelError::Overloaded { retry_after }));
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.news.notified() => {}
            }
        }
    }

    /// The shortest time after which a provider that has failed is asked again.
    fn pause(&self) -> Duration {
        let probes = self.providers.iter().map(|provider| provider.guard.limits.breaker.probe_every);
        probes.min().expect("there is a provider")
    }
}

impl LanguageModel for Providers {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = question.cancel.cancelled() => Err(ModelError::Cancelled),
                outcome = self.ask(question) => outcome,
            }
        })
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("records", &self.records()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
