//! Questions over time are answered out of a store and may take long: a thread of its own waits for them, so that keys do
//! not.

use overhear_query::monitor::{Asked, Covered, Health, History, Map, Unanswered};
use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Shortest time between two questions, …
const PAUSE: Duration = Duration::from_secs(1);
/// … and at least so many times what the last one took.
const SHARE: u32 = 4;

/// Who answers questions over time.
pub type Kept = Arc<dyn History + Send + Sync>;

/// What a view needs beside what was just heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Map,
    Health,
}

/// What was answered.
#[derive(Debug)]
pub(crate) enum Told {
    Map(Result<Covered<Map>, Unanswered>),
    Health(Health),
}

/// One question at a time.
pub(crate) struct Asking {
    questions: Sender<Wanted>,
    answers: Receiver<(Told, Duration)>,
    is_waiting: bool,
    /// What was asked last, and when it is time again.
    last: Option<(Wanted, Instant)>,
}

impl Asking {
    /// Ends its thread when it is dropped, as soon as that has its answer.
    pub(crate) fn start(kept: Kept) -> io::Result<Self> {
        let (questions, asked) = channel::<Wanted>();
        let (tell, answers) = channel();
        let work = move || {
            for wanted in asked {
                let began = Instant::now();
                let told = match wanted {
                    Wanted::Map => Told::Map(kept.map(Asked::default())),
                    Wanted::Health => Told::Health(kept.health()),
                };
                if tell.send((told, began.elapsed())).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name("asking".to_owned()).spawn(work)?;
        Ok(Self { questions, answers, is_waiting: false, last: None })
    }

    /// Asks, unless an answer is on its way or is fresh.
    pub(crate) fn want(&mut self, wanted: Wanted) {
        let is_fresh = self.last.is_some_and(|(what, due)| what == wanted && Instant::now() < due);
        if !self.is_waiting && !is_fresh && self.questions.send(wanted).is_ok() {
            self.is_waiting = true;
            self.last = Some((wanted, Instant::now()));
        }
    }

    /// An answer that has come.
    pub(crate) fn take(&mut self) -> Option<Told> {
        let (told, took) = self.answers.try_recv().ok()?;
        self.is_waiting = false;
        if let Some((_, due)) = &mut self.last {
            *due = Instant::now() + PAUSE.max(took * SHARE);
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asking, Told, Wanted};
    use crate::fixture::Fake;
    use std::{sync::Arc, thread, time::Duration};

    #[test]
    fn one_question_at_a_time_and_none_while_the_answer_is_fresh() {
        let mut asking = Asking::start(Arc::new(Fake::default())).unwrap();
        for _ in 0..3 {
            asking.want(Wanted::Health);
        }
        let told = loop {
            match asking.take() {
                Some(told) => break told,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        assert!(matches!(told, Told::Health(_)), "{told:?}");
        asking.want(Wanted::Health);
        assert!(!asking.is_waiting, "it is fresh");
        asking.want(Wanted::Map);
        assert!(asking.is_waiting, "that is another question");
    }
}
