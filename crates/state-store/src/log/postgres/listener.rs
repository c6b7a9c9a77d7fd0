//! Hearing of what other processes have appended: PostgreSQL's LISTEN, on a connection of its own.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio_postgres::{AsyncMessage, NoTls};

use super::PostgresAddress;
use super::runtime::{NoAnswer, Runtime};
use super::session::client_config;

/// Counts what it hears. Where the connection is lost, whoever waits looks for themselves from time to time.
#[derive(Debug, Default)]
pub(super) struct Listener {
    ear: Arc<Ear>,
}

#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<u64>,
    rang: Condvar,
    is_open: AtomicBool,
}

impl Listener {
    /// Makes sure that somebody listens, as far as the database can be reached.
    pub(super) fn open(&self, runtime: &Runtime, address: &PostgresAddress) {
        if !self.ear.is_open.swap(true, Ordering::AcqRel) {
            let listening = listen(Arc::clone(&self.ear), address.clone());
            if runtime.answer(listening).is_err() {
                self.ear.is_open.store(false, Ordering::Release);
            }
        }
    }

    /// Returns whether it hears of what is appended.
    pub(super) fn is_open(&self) -> bool {
        self.ear.is_open.load(Ordering::Acquire)
    }

    /// Returns how often something was heard.
    pub(super) fn count(&self) -> u64 {
        *self.ear.heard.lock()
    }

    /// Waits until something was heard more often than `count` times, or until then.
    pub(super) fn wait(&self, count: u64, until: Instant) {
        let mut heard = self.ear.heard.lock();
        while *heard == count && !self.ear.rang.wait_until(&mut heard, until).timed_out() {}
    }
}

/// Why nobody listens. Those who wait look for themselves then, so nobody asks for more.
#[derive(Debug, thiserror::Error)]
enum NotListening {
    #[error(transparent)]
    Refused(#[from] tokio_postgres::Error),
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

async fn listen(ear: Arc<Ear>, address: PostgresAddress) -> Result<(), NotListening> {
    let (client, mut connection) = client_config(&address).connect(NoTls).await?;
    let (subscribed, subscribing) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message, AsyncMessage::Notification(_)) {
                *ear.heard.lock() += 1;
                ear.rang.notify_all();
            }
        }
        ear.is_open.store(false, Ordering::Release);
        *ear.heard.lock() += 1;
        ear.rang.notify_all();
    });
    tokio::spawn(async move {
        let outcome = client.batch_execute("LISTEN super_planner").await;
        let is_listening = outcome.is_ok();
        // Nobody to tell is no failure.
        let _ = subscribed.send(outcome);
        if is_listening {
            // The connection ends with the client: it is kept for as long as the runtime.
            std::future::pending::<()>().await;
        }
        drop(client);
    });
    Ok(subscribing.await.unwrap_or(Ok(()))?)
}
