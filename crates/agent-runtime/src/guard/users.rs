//! What each user may take, so that none takes the share of the others.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::BoxFuture;
use crate::guard::{Rate, TokenBucket};
use crate::model::{LanguageModel, ModelError, Question, Reply};

/// The users that are remembered before those that ask nothing are forgotten.
const FORGET_ABOVE: usize = 1024;

/// What one user may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLimits {
    /// How often a question may be asked.
    pub rate: Rate,
    /// How many questions may be under way.
    pub together_max: NonZeroU32,
    /// How long a question may wait for its turn before it is turned away.
    pub wait_max: Duration,
}

impl Default for UserLimits {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).expect("it is not zero");
        Self {
            rate: Rate::per_second(number(10)),
            together_max: number(16),
            wait_max: Duration::from_secs(60),
        }
    }
}

/// The users of a model.
pub struct Users {
    model: Arc<dyn LanguageModel>,
    limits: UserLimits,
    known: Mutex<HashMap<String, User>>,
}

#[derive(Clone)]
struct User {
    bucket: Arc<Mutex<TokenBucket>>,
    room: Arc<Semaphore>,
}

impl Users {
    /// Returns the users of a model; each may take that much.
    pub fn new(model: Arc<dyn LanguageModel>, limits: UserLimits) -> Arc<Self> {
        Arc::new(Self { model, limits, known: Mutex::default() })
    }

    /// Returns the model as that user gets to see it.
    pub fn model_of(self: &Arc<Self>, user: impl Into<String>) -> Arc<dyn LanguageModel> {
        Arc::new(ModelOfUser { users: Arc::clone(self), user: user.into() })
    }

    fn user(&self, name: &str, now: Instant) -> User {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= FORGET_ABOVE && !known.contains_key(name) {
            known.retain(|_, user| !user.is_idle(self.limits, now));
        }
        known
            .entry(name.to_owned())
            .or_insert_with(|| User {
                bucket: Arc::new(Mutex::new(TokenBucket::new(self.limits.rate))),
                room: Arc::new(Semaphore::new(self.limits.together_max.get() as usize)),
            })
            .clone()
    }

    /// Waits for a turn; fails where that takes too long.
    async fn admit(&self, name: &str) -> Result<OwnedSemaphorePermit, ModelError> {
        let user = self.user(name, Instant::now());
        let turned_away = |retry_after| ModelError::Overloaded { retry_after: Some(retry_after) };
        let deadline = Instant::now() + self.limits.wait_max;
        let permit = tokio::time::timeout_at(deadline, user.room.acquire_owned())
            .await
            .map_err(|_| turned_away(self.limits.rate.every))?
            .expect("the room of a user is never closed");
        loop {
            let now = Instant::now();
            let taken = user.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now);
            match taken {
                Ok(()) => return Ok(permit),
                Err(wait) if now + wait > deadline => return Err(turned_away(wait)),
                Err(wait) => sleep(wait).await,
            }
        }
    }
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl User {
    fn is_idle(&self, limits: UserLimits, now: Instant) -> bool {
        self.room.available_permits() == limits.together_max.get() as usize
            && self.bucket.lock().unwrap_or_else(PoisonError::into_inner).is_full(now)
    }
}

struct ModelOfUser {
    users: Arc<Users>,
    user: String,
}

impl LanguageModel for ModelOfUser {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            let admitted = tokio::select! {
                biased;
                () = question.cancel.cancelled() => return Err(ModelError::Cancelled),
                admitted = self.users.admit(&self.user) => admitted?,
            };
            let reply = self.users.model.respond(question).await;
            drop(admitted);
            reply
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::model::{Message, Simulated, SimulatedProfile};

    async fn ask(model: &dyn LanguageModel) -> Result<Reply, ModelError> {
        let message = Message::User("hello".to_owned());
        let cancel = CancellationToken::new();
        model.respond(Question { messages: &[&message], tools: &[], hear: &|_| {}, cancel: &cancel }).await
    }

    fn users(limits: UserLimits) -> Arc<Users> {
        let profile = SimulatedProfile::steady(Duration::from_secs(1));
        Users::new(Arc::new(Simulated::new(profile)), limits)
    }

    async fn all(users: &Arc<Users>, names: &[&str], each: usize) -> Vec<(String, Duration, bool)> {
        let begun = Instant::now();
        let mut asked = JoinSet::new();
        for name in names {
            for _ in 0..each {
                let (model, name) = (users.model_of(*name), (*name).to_owned());
                asked.spawn(async move { (name, ask(&*model).await.is_ok(), begun.elapsed()) });
            }
        }
        let ended = asked.join_all().await;
        ended.into_iter().map(|(name, is_ok, elapsed)| (name, elapsed, is_ok)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_user_does_not_hold_up_another() {
        let limits = UserLimits { wait_max: Duration::from_secs(600), ..UserLimits::default() };
        let users = users(limits);
        let greedy = tokio::spawn({
            let users = Arc::clone(&users);
            async move { all(&users, &["greedy"], 200).await }
        });
        tokio::task::yield_now().await;
        let modest = all(&users, &["modest"], 5).await;
        assert!(modest.iter().all(|(_, elapsed, is_ok)| *is_ok && *elapsed < Duration::from_millis(1010)));
        let greedy = greedy.await.unwrap();
        let last = greedy.iter().map(|(_, elapsed, _)| *elapsed).max().unwrap();
        // Ten at once, and ten a second after that.
        assert!(greedy.iter().all(|(_, _, is_ok)| *is_ok));
        assert!(last > Duration::from_secs(19) && last < Duration::from_secs(22), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_turned_away_with_the_time() {
        let limits = UserLimits { wait_max: Duration::from_secs(2), ..UserLimits::default() };
        let ended = all(&users(limits), &["a"], 100).await;
        let answered = ended.iter().filter(|(_, _, is_ok)| *is_ok).count();
        assert!((20..=35).contains(&answered), "{answered}");
        assert!(ended.iter().all(|(_, elapsed, _)| *elapsed <= Duration::from_secs(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn users_that_ask_nothing_are_forgotten() {
        let users = users(UserLimits::default());
        for number in 0..5000 {
            users.user(&number.to_string(), Instant::now());
        }
        assert!(users.known.lock().unwrap().len() <= FORGET_ABOVE);
    }
}
