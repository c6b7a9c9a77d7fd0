//! The sessions that a process has in memory. One that nobody uses for long is archived, and its memory given back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use state_store::StateStore;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::session::{Session, SessionError, SessionName};

/// Sessions in memory, by name.
#[derive(Debug)]
pub struct Shelf {
    store: Arc<dyn StateStore>,
    idle_max: Duration,
    places: Mutex<HashMap<SessionName, Arc<Mutex<Place>>>>,
}

#[derive(Debug)]
struct Place {
    session: Option<Session>,
    used_at: Instant,
}

/// A session in use: nobody else has it meanwhile, and it does not go stale.
#[derive(Debug)]
pub struct Held(OwnedMutexGuard<Place>);

impl std::ops::Deref for Held {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0.session.as_ref().expect("a session that is held is in its place")
    }
}

impl std::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Session {
        self.0.session.as_mut().expect("a session that is held is in its place")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.used_at = Instant::now();
    }
}

impl Shelf {
    /// Returns an empty one; sessions that are not used for `idle_max` go stale.
    pub fn new(store: Arc<dyn StateStore>, idle_max: Duration) -> Self {
        Self { store, idle_max, places: Mutex::default() }
    }

    /// Returns a session, from memory or from the store. Waits while another holds it.
    pub async fn hold(&self, name: &SessionName) -> Result<Held, SessionError> {
        loop {
            let place = self.place(name).await;
            let mut held = place.lock_owned().await;
            // It may have been swept away while this waited.
            if !self.is_current(name, &held).await {
                continue;
            }
            if held.session.is_none() {
                held.session = Some(Session::open(Arc::clone(&self.store), name.clone()).await?);
            }
            return Ok(Held(held));
        }
    }

    async fn place(&self, name: &SessionName) -> Arc<Mutex<Place>> {
        let mut places = self.places.lock().await;
        let empty = || Arc::new(Mutex::new(Place { session: None, used_at: Instant::now() }));
        Arc::clone(places.entry(name.clone()).or_insert_with(empty))
    }

    async fn is_current(&self, name: &SessionName, held: &OwnedMutexGuard<Place>) -> bool {
        let places = self.places.lock().await;
        places.get(name).is_some_and(|place| Arc::ptr_eq(place, OwnedMutexGuard::mutex(held)))
    }

    /// Archives the sessions that were not used for too long, takes them out of memory and returns their names.
    ///
    /// One that cannot be archived stays, and its error is returned beside its name.
    pub async fn sweep(&self) -> Vec<(SessionName, Result<(), SessionError>)> {
        let mut swept = Vec::new();
        for (name, mut held) in self.stale().await {
            let archived = match &mut held.session {
                Some(session) if !session.messages().is_empty() => session.archive().await,
                _ => Ok(()),
            };
            // A session that is closed, or went on elsewhere, is not ours to change.
            let is_gone =
                matches!(archived, Ok(()) | Err(SessionError::Closed { .. } | SessionError::Moved { .. }));
            if is_gone {
                self.places.lock().await.remove(&name);
            }
            swept.push((name, if is_gone { Ok(()) } else { archived }));
        }
        swept
    }

    /// Returns the places that nobody holds and nobody has used for too long, held.
    async fn stale(&self) -> Vec<(SessionName, OwnedMutexGuard<Place>)> {
        let now = Instant::now();
        let places = self.places.lock().await;
        let mut stale: Vec<_> = places
            .iter()
            .filter_map(|(name, place)| Some((name.clone(), Arc::clone(place).try_lock_owned().ok()?)))
            .filter(|(_, held)| now.duration_since(held.used_at) >= self.idle_max)
            .collect();
        stale.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        stale
    }

    /// Returns how many sessions are in memory.
    pub async fn len(&self) -> usize {
        self.places.lock().await.len()
    }

    /// Returns whether no session is in memory.
    pub async fn is_empty(&self) -> bool {
        self.len().await == 0
    }
}

#[cfg(test)]
mod tests {
    use state_store::{MemoryStore, SqliteStore, SystemClock};

    use super::*;
    use crate::model::Message;
    use crate::session::Standing;

    const HOUR: Duration = Duration::from_secs(3600);

    fn name(number: usize) -> SessionName {
        SessionName::new(&format!("s{number}")).unwrap()
    }

    fn text(text: &str) -> Vec<Message> {
        vec![Message::User(text.to_owned())]
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lives_for_days_and_goes_when_nobody_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let open = || SqliteStore::open(&folder.path().join("state.db"), Arc::new(SystemClock)).unwrap();
        let store: Arc<dyn StateStore> = Arc::new(open());
        let shelf = Shelf::new(Arc::clone(&store), HOUR);
        for round in 0..150 {
            shelf.hold(&name(1)).await.unwrap().append(text(&round.to_string())).await.unwrap();
            tokio::time::advance(HOUR / 3).await;
            assert!(shelf.sweep().await.is_empty(), "round {round}");
        }
        shelf.hold(&name(2)).await.unwrap().append(text("two")).await.unwrap();
        tokio::time::advance(HOUR * 2).await;
        let swept = shelf.sweep().await;
        assert!(swept.iter().all(|(_, archived)| archived.is_ok()), "{swept:?}");
        assert_eq!(swept.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), [name(1), name(2)]);
        assert!(shelf.is_empty().await);
        // 50 hours later, in another process.
        drop((shelf, store));
        let shelf = Shelf::new(Arc::new(open()), HOUR);
        let session = shelf.hold(&name(1)).await.unwrap();
        assert_eq!((session.messages().len(), session.standing()), (150, Standing::Archived));
        assert_eq!(session.messages()[149], Message::User("149".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_in_use_is_never_swept_and_never_used_twice() {
        let shelf = Arc::new(Shelf::new(Arc::new(MemoryStore::new(Arc::new(SystemClock))), HOUR));
        let mut held = shelf.hold(&name(1)).await.unwrap();
        held.append(text("one")).await.unwrap();
        tokio::time::advance(HOUR * 5).await;
        assert!(shelf.sweep().await.is_empty());
        let second = tokio::spawn({
            let shelf = Arc::clone(&shelf);
            async move { shelf.hold(&name(1)).await.unwrap().messages().len() }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        held.append(text("two")).await.unwrap();
        drop(held);
        assert_eq!(second.await.unwrap(), 2);
        assert!(shelf.sweep().await.is_empty(), "it was used a moment ago");
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_hold_and_sweep_lose_nothing() {
        let shelf = Arc::new(Shelf::new(Arc::new(MemoryStore::new(Arc::new(SystemClock))), Duration::ZERO));
        let mut users = tokio::task::JoinSet::new();
        for user in 0..20 {
            let shelf = Arc::clone(&shelf);
            users.spawn(async move {
                for round in 0..20 {
                    let mut held = shelf.hold(&name(round % 3)).await.unwrap();
                    held.append(text(&user.to_string())).await.unwrap();
                    drop(held);
                    let swept = shelf.sweep().await;
                    assert!(swept.iter().all(|(_, archived)| archived.is_ok()), "{swept:?}");
                }
            });
        }
        while let Some(ended) = users.join_next().await {
            ended.unwrap();
        }
        let mut messages = 0;
        for number in 0..3 {
            messages += shelf.hold(&name(number)).await.unwrap().messages().len();
        }
        assert_eq!(messages, 400);
    }
}
