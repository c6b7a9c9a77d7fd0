//! What each user may take, so that none takes the share of the others.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::BoxFuture;
use crate::guard::{Rate, RateLimits};
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

/// The users of models.
#[derive(Debug)]
pub struct Users {
    limits: UserLimits,
    rates: RateLimits<String>,
    /// The room that each has for questions under way.
    rooms: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Users {
    /// Returns users of whom each may take that much.
    pub fn new(limits: UserLimits) -> Arc<Self> {
        Arc::new(Self { limits, rates: RateLimits::new(limits.rate), rooms: Mutex::default() })
    }

    /// Returns a model as that user gets to see it.
    pub fn model_of(
        self: &Arc<Self>,
        user: impl Into<String>,
        model: Arc<dyn LanguageModel>,
    ) -> Arc<dyn LanguageModel> {
        Arc::new(ModelOfUser { users: Arc::clone(self), user: user.into(), model })
    }

    fn room(&self, user: &str) -> Arc<Semaphore> {
        let places = self.limits.together_max.get() as usize;
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if rooms.len() >= FORGET_ABOVE && !rooms.contains_key(user) {
            self.rates.forget_idle();
            // Whoever waits for a place, or has one, holds the room too.
            rooms.retain(|_, room| Arc::strong_count(room) > 1);
        }
        Arc::clone(rooms.entry(user.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(places))))
    }

    /// Waits for a turn; fails where that takes too long.
    async fn admit(&self, user: &String) -> Result<OwnedSemaphorePermit, ModelError> {
        let turned_away = |retry_after| ModelError::Overloaded { retry_after: Some(retry_after) };
        let deadline = Instant::now() + self.limits.wait_max;
        let permit = tokio::time::timeout_at(deadline, self.room(user).acquire_owned())
            .await
            .map_err(|_| turned_away(self.limits.rate.every))?
            .expect("the room of a user is never closed");
        loop {
            match self.rates.take(user) {
                Ok(()) => return Ok(permit),
                Err(wait) if Instant::now() + wait > deadline => return Err(turned_away(wait)),
                Err(wait) => sleep(wait).await,
            }
        }
    }
}

struct ModelOfUser {
    users: Arc<Users>,
    user: String,
    model: Arc<dyn LanguageModel>,
}

impl LanguageModel for ModelOfUser {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            let admitted = tokio::select! {
                biased;
                () = question.cancel.cancelled() => return Err(ModelError::Cancelled),
                admitted = self.users.admit(&self.user) => admitted?,
            };
            let reply = self.model.respond(question).await;
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

    async fn all(users: &Arc<Users>, names: &[&str], each: usize) -> Vec<(String, Duration, bool)> {
        let begun = Instant::now();
        let answers = Arc::new(Simulated::new(SimulatedProfile::steady(Duration::from_secs(1))));
        let mut asked = JoinSet::new();
        for name in names {
            for _ in 0..each {
                let (model, name) = (users.model_of(*name, Arc::clone(&answers) as _), (*name).to_owned());
                asked.spawn(async move { (name, ask(&*model).await.is_ok(), begun.elapsed()) });
            }
        }
        let ended = asked.join_all().await;
        ended.into_iter().map(|(name, is_ok, elapsed)| (name, elapsed, is_ok)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_user_does_not_hold_up_another() {
        let limits = UserLimits { wait_max: Duration::from_secs(600), ..UserLimits::default() };
        let users = Users::new(limits);
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
        let ended = all(&Users::new(limits), &["a"], 100).await;
        let answered = ended.iter().filter(|(_, _, is_ok)| *is_ok).count();
        assert!((20..=35).contains(&answered), "{answered}");
        assert!(ended.iter().all(|(_, elapsed, _)| *elapsed <= Duration::from_secs(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn users_that_ask_nothing_are_forgotten() {
        let users = Users::new(UserLimits::default());
        for number in 0..5000 {
            drop(users.admit(&number.to_string()).await.unwrap());
        }
        assert!(users.rooms.lock().unwrap().len() <= FORGET_ABOVE);
    }
}
