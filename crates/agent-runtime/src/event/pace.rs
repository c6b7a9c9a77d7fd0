//! Updates for somebody who watches: the first as soon as there is something to see, the others at a steady pace.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::event::{Event, EventReceiver, Told};
use crate::react::Outcome;

/// How often somebody wants to see something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time from one update to the next.
    pub interval: Duration,
    /// The bytes of text that are not kept waiting.
    pub bytes_max: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: Duration::from_millis(2500), bytes_max: 16 * 1024 }
    }
}

/// The shortest silence that is felt as a stall, however short the interval is.
const STALL_MIN: Duration = Duration::from_secs(5);
/// By how much the interval grows at most for a reader that is slow itself.
const STRETCH_MAX: u32 = 8;

/// What somebody who watched has felt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Experience {
    /// The updates so far.
    pub updates: u64,
    /// How long each run took from its start to the first text, in the order of the runs; those without text have none.
    pub first_text: Vec<Duration>,
    /// How often nothing was to be seen for twice the interval, and five seconds at least, though a run went on.
    pub stalls: u64,
    /// How often the model had to be asked again.
    pub retries: u64,
    /// How many runs were cancelled.
    pub cancels: u64,
    /// How many events were lost, because the reader was far too slow.
    pub missed: u64,
}

/// Events in updates.
#[derive(Debug)]
pub struct Paced {
    receiver: EventReceiver,
    pace: Pace,
    run: Option<Run>,
    updated_at: Option<Instant>,
    returned_at: Option<Instant>,
    interval: Duration,
    has_ended: bool,
    experience: Experience,
}

/// The run that is watched.
#[derive(Debug, Clone, Copy)]
struct Run {
    started_at: Instant,
    has_text: bool,
}

impl Paced {
    /// Returns the updates of a reader.
    pub fn new(receiver: EventReceiver, pace: Pace) -> Self {
        Self {
            receiver,
            pace,
            run: None,
            updated_at: None,
            returned_at: None,
            interval: pace.interval,
            has_ended: false,
            experience: Experience::default(),
        }
    }

    /// Returns what was felt so far.
    pub fn experience(&self) -> &Experience {
        &self.experience
    }

    /// Waits for the next update: everything since the last one, in order, with pieces of text beside each other joined.
    /// `None` when every sender is gone.
    ///
    /// An update that a run begins or ends with, or that holds its first text, does not wait. A future that is dropped may
    /// lose what it has gathered.
    pub async fn next(&mut self) -> Option<Vec<Told>> {
        if self.has_ended {
            return None;
        }
        self.adapt();
        let mut update = Vec::new();
        let due = self.updated_at.map_or_else(Instant::now, |at| at + self.interval);
        self.wait_for_first(&mut update).await?;
        while !self.is_pressing(&update) {
            let Ok(next) = timeout_at(due, self.receiver.next()).await else { break };
            match next {
                Some(told) => join(&mut update, told),
                None => {
                    self.has_ended = true;
                    break;
                }
            }
        }
        self.note(&update, due);
        Some(update)
    }

    /// Waits for something to tell, and counts stalls.
    async fn wait_for_first(&mut self, update: &mut Vec<Told>) -> Option<()> {
        loop {
            let stalled_at = Instant::now() + (2 * self.interval).max(STALL_MIN);
            tokio::select! {
                biased;
                told = self.receiver.next() => {
                    join(update, told?);
                    return Some(());
                }
                () = sleep_until(stalled_at) => self.experience.stalls += u64::from(self.run.is_some()),
            }
        }
    }

    /// A reader that takes long to come back is told less often.
    fn adapt(&mut self) {
        let away = self.returned_at.map_or(Duration::ZERO, |at| at.elapsed());
        self.interval = (2 * away).clamp(self.pace.interval, STRETCH_MAX * self.pace.interval);
    }

    fn is_pressing(&self, update: &[Told]) -> bool {
        let is_first_text = self.run.is_none_or(|run| !run.has_text);
        let mut bytes = 0;
        update.iter().any(|told| match told {
            Told::Event(Event::Text(text)) => {
                bytes += text.len();
                is_first_text || bytes >= self.pace.bytes_max
            }
            Told::Event(event) => matches!(
                event,
                Event::Started { .. } | Event::LimitReached(_) | Event::Finished(_) | Event::Failed { .. }
            ),
            Told::Missed(_) => false,
        })
    }

    fn note(&mut self, update: &[Told], due: Instant) {
        let now = Instant::now();
        for told in update {
            match told {
                Told::Event(event) => self.note_event(event, now),
                Told::Missed(missed) => self.experience.missed += missed,
            }
        }
        self.experience.updates += 1;
        // An update that came when it was due does not move the next one.
        let is_on_time = now >= due && now.duration_since(due) < self.interval / 2;
        self.updated_at = Some(if is_on_time { due } else { now });
        self.returned_at = Some(now);
    }

    fn note_event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Started { .. } => self.run = Some(Run { started_at: now, has_text: false }),
            Event::Text(_) => {
                if let Some(run) = self.run.as_mut().filter(|run| !run.has_text) {
                    run.has_text = true;
                    self.experience.first_text.push(now.duration_since(run.started_at));
                }
            }
            Event::Retrying { .. } => self.experience.retries += 1,
            Event::Finished(outcome) => {
                self.run = None;
                self.experience.cancels += u64::from(*outcome == Outcome::Cancelled);
            }
            Event::Failed { .. } => self.run = None,
            Event::Preprocessed { .. }
            | Event::Compacted(_)
            | Event::Replied { .. }
            | Event::ToolCalled { .. }
            | Event::ToolReturned { .. }
            | Event::LimitReached(_) => {}
        }
    }
}

/// Adds something that was told; pieces of text that follow each other become one.
fn join(update: &mut Vec<Told>, told: Told) {
    match (update.last_mut(), told) {
        (Some(Told::Event(Event::Text(text))), Told::Event(Event::Text(more))) => text.push_str(&more),
        (_, told) => update.push(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::channel;
    use crate::session::SessionName;

    const SECOND: Duration = Duration::from_secs(1);

    fn started() -> Event {
        Event::Started { session: SessionName::new("s").unwrap(), messages: 1 }
    }

    fn text(text: &str) -> Event {
        Event::Text(text.to_owned())
    }

    fn texts(update: &[Told]) -> String {
        let texts = update.iter().filter_map(|told| match told {
            Told::Event(Event::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Speaks for that long, a word each tenth of a second, after a silence of a second.
    fn speak(words: usize) -> EventReceiver {
        let (sender, receiver) = channel(64);
        tokio::spawn(async move {
            sender.send(&started());
            tokio::time::sleep(SECOND).await;
            for word in 0..words {
                sender.send(&text(&format!("{word} ")));
                tokio::time::sleep(SECOND / 10).await;
            }
            sender.send(&Event::Finished(Outcome::Answered(String::new())));
        });
        receiver
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_text_comes_at_once_and_the_rest_steadily_without_loss() {
        let mut paced = Paced::new(speak(200), Pace::default());
        let begun = Instant::now();
        let (mut all, mut times) = (String::new(), Vec::new());
        while let Some(update) = paced.next().await {
            all.push_str(&texts(&update));
            times.push(begun.elapsed());
        }
        assert_eq!(all, (0..200).map(|word| format!("{word} ")).collect::<String>());
        assert!(times[1] < SECOND + SECOND / 100, "{times:?}");
        let gaps: Vec<Duration> = times[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (last, steady) = gaps.split_last().unwrap();
        for gap in steady {
            assert!(gap.abs_diff(Pace::default().interval) < SECOND / 100, "{gaps:?}");
        }
        assert!(*last <= Pace::default().interval, "{gaps:?}");
        let experience = paced.experience();
        assert_eq!((experience.stalls, experience.missed), (0, 0));
        assert!(experience.first_text[0].abs_diff(SECOND) < SECOND / 100, "{experience:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_told_less_often_and_loses_nothing() {
        let mut paced = Paced::new(speak(600), Pace::default());
        let mut all = String::new();
        while let Some(update) = paced.next().await {
            all.push_str(&texts(&update));
            tokio::time::sleep(6 * SECOND).await;
        }
        assert_eq!(all, (0..600).map(|word| format!("{word} ")).collect::<String>());
        assert!((5..12).contains(&paced.experience().updates), "{:?}", paced.experience());
    }

    #[tokio::test(start_paused = true)]
    async fn much_text_is_not_kept_waiting() {
        let (sender, receiver) = channel(64);
        let mut paced = Paced::new(receiver, Pace::default());
        sender.send(&started());
        sender.send(&text("first"));
        paced.next().await.unwrap();
        paced.next().await.unwrap();
        let begun = Instant::now();
        sender.send(&text(&"x".repeat(20_000)));
        assert_eq!(texts(&paced.next().await.unwrap()).len(), 20_000);
        assert!(begun.elapsed() < SECOND / 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_felt_is_recorded() {
        let (sender, receiver) = channel(64);
        let mut paced = Paced::new(receiver, Pace::default());
        tokio::spawn(async move {
            sender.send(&started());
            tokio::time::sleep(12 * SECOND).await;
            let error = "overloaded".to_owned();
            sender.send(&Event::Retrying { failures: 1, wait: SECOND, error });
            tokio::time::sleep(SECOND).await;
            sender.send(&Event::Finished(Outcome::Cancelled));
            // After a run, silence is no stall.
            tokio::time::sleep(60 * SECOND).await;
        });
        while paced.next().await.is_some() {}
        let experience = paced.experience();
        assert_eq!((experience.stalls, experience.retries, experience.cancels), (2, 1, 1));
        assert_eq!(experience.first_text, []);
    }
}
