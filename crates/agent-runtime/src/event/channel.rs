//! The way of events to those who watch: bounded, never in the way of the run, and without loss of text for a reader that is
//! merely slow, because pieces of text that wait beside each other become one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::event::Event;
use crate::planted::{self, Bug};

/// The bytes up to which pieces of text that wait become one.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Returns both ends of a channel that keeps the `capacity` latest events for each reader.
///
/// # Panics
/// If `capacity` is 0.
pub fn channel(capacity: usize) -> (EventSender, EventReceiver) {
    assert!(capacity > 0, "a channel holds one event at least");
    let sender = EventSender(Arc::new(Shared { capacity, readers: Mutex::default() }));
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// Where a run tells of its events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventSender(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    capacity: usize,
    readers: Mutex<Vec<Weak<Queue>>>,
}

/// What one reader has not read yet.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    missed: u64,
    is_closed: bool,
}

impl EventSender {
    /// Returns one that nobody listens to, until somebody subscribes.
    pub fn unheard() -> Self {
        channel(1).0
    }

    /// Returns a reader of the events from now on.
    pub fn subscribe(&self) -> EventReceiver {
        let queue = Arc::new(Queue::default());
        self.0.readers().push(Arc::downgrade(&queue));
        EventReceiver(queue)
    }

    /// Tells every reader; waits for none.
    pub fn send(&self, event: &Event) {
        let mut readers = self.0.readers();
        readers.retain(|reader| reader.strong_count() > 0);
        for queue in readers.iter().filter_map(Weak::upgrade) {
            queue.push(event.clone(), self.0.capacity);
        }
    }

    /// Returns whether anybody would hear of an event.
    pub fn is_heard(&self) -> bool {
        self.0.readers().iter().any(|reader| reader.strong_count() > 0)
    }
}

impl Shared {
    fn readers(&self) -> MutexGuard<'_, Vec<Weak<Queue>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for queue in self.readers().iter().filter_map(Weak::upgrade) {
            queue.waiting().is_closed = true;
            queue.changed.notify_one();
        }
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event, capacity: usize) {
        self.waiting().push(event, capacity);
        self.changed.notify_one();
    }
}

impl Waiting {
    fn push(&mut self, event: Event, capacity: usize) {
        let before = if planted::is_on(Bug::ReorderedUpdate) {
            self.events.iter_mut().rfind(|waiting| matches!(waiting, Event::Text(_)))
        } else {
            self.events.back_mut()
        };
        if let (Some(Event::Text(waiting)), Event::Text(more)) = (before, &event)
            && waiting.len() + more.len() <= TEXT_BYTES_MAX
        {
            waiting.push_str(more);
            return;
        }
        if self.events.len() == capacity {
            self.events.pop_front();
            self.missed += 1;
        }
        self.events.push_back(event);
    }

    fn take(&mut self) -> Option<Told> {
        if self.missed > 0 {
            return Some(Told::Missed(std::mem::take(&mut self.missed)));
        }
        self.events.pop_front().map(Told::Event)
    }
}

/// A reader of events.
#[derive(Debug)]
pub struct EventReceiver(Arc<Queue>);

/// What a reader is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// This happened.
    Event(Event),
    /// The reader was too slow for that many events, which are lost to it.
    Missed(u64),
}

impl EventReceiver {
    /// Waits for the next event; `None` when every sender is gone. Nothing is lost where the future is dropped.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            {
                let mut waiting = self.0.waiting();
                if let Some(told) = waiting.take() {
                    return Some(told);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(number: usize) -> Event {
        Event::Failed { error: number.to_string() }
    }

    fn text(text: &str) -> Event {
        Event::Text(text.to_owned())
    }

    async fn rest(mut receiver: EventReceiver) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(next) = receiver.next().await {
            told.push(next);
        }
        told
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_much_it_missed() {
        let (sender, receiver) = channel(4);
        (0..10).for_each(|number| sender.send(&failed(number)));
        drop(sender);
        let latest = (6..10).map(|number| Told::Event(failed(number)));
        assert_eq!(rest(receiver).await, [Told::Missed(6)].into_iter().chain(latest).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_slow_reader_of_text_loses_none_of_it() {
        let (sender, receiver) = channel(4);
        (0..1000).for_each(|number| sender.send(&text(&format!("{number} "))));
        sender.send(&failed(0));
        sender.send(&text("end"));
        drop(sender);
        let all: String = (0..1000).map(|number| format!("{number} ")).collect();
        let expected = [text(&all), failed(0), text("end")].map(Told::Event);
        assert_eq!(rest(receiver).await, expected);
    }

    #[tokio::test]
    async fn text_that_nobody_reads_stays_bounded() {
        let (sender, receiver) = channel(2);
        let piece = "x".repeat(1000);
        (0..10_000).for_each(|_| sender.send(&text(&piece)));
        drop(sender);
        let told = rest(receiver).await;
        assert!(matches!(told[0], Told::Missed(missed) if missed > 100), "{:?}", told[0]);
        let bytes = |told: &Told| if let Told::Event(Event::Text(text)) = told { text.len() } else { 0 };
        assert!(told.iter().map(bytes).sum::<usize>() <= 2 * TEXT_BYTES_MAX);
    }

    #[tokio::test]
    async fn each_reader_hears_everything_from_its_beginning_on() {
        let (sender, first) = channel(8);
        sender.send(&failed(1));
        let second = sender.subscribe();
        drop(sender.subscribe());
        sender.send(&failed(2));
        drop(sender);
        assert_eq!(rest(first).await, [1, 2].map(|number| Told::Event(failed(number))));
        assert_eq!(rest(second).await, [Told::Event(failed(2))]);
    }
}
