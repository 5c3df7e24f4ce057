//! What waits to be pushed, and how the pushing of a signal goes.

use super::{Ended, RETRY, Report, Signal, Target, Wire};
use overhear_exchange::Timestamp;
use overhear_export::otlp::{self, Event};
use std::time::{Duration, Instant};

/// Exchanges that wait to be pushed; what comes then is dropped, and counted.
const WAITING: usize = 2_048;

/// Where to and how, and whom to tell how it goes.
pub(super) struct Way {
    pub(super) target: Target,
    pub(super) wire: Wire,
    pub(super) report: Report,
}

/// How the pushing of a signal goes.
pub(super) struct Line {
    signal: Signal,
    failing: bool,
    pause: Duration,
    not_before: Option<Instant>,
    /// What was not pushed, and has not been told yet.
    dropped: u64,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Taken,
    Later,
    Refused,
}

impl Line {
    pub(super) const fn new(signal: Signal) -> Self {
        Self { signal, failing: false, pause: RETRY.0, not_before: None, dropped: 0 }
    }

    pub(super) fn send(&mut self, way: &mut Way, body: &[u8]) -> Sent {
        if !self.may_send() {
            return Sent::Later;
        }
        let (name, url) = (self.signal.name(), way.target.url.clone());
        match way.wire.send(&way.target, self.signal, body) {
            Ended::Taken => {
                if self.failing {
                    let dropped = self
                        .take_dropped()
                        .map(|dropped| format!("; {dropped} were dropped in the meantime"));
                    (way.report)(&format!("{name} are pushed to {url} again{}", dropped.unwrap_or_default()));
                }
                *self = Self { dropped: self.dropped, ..Self::new(self.signal) };
                Sent::Taken
            }
            Ended::Later(why, after) => {
                self.fails(&way.report, &format!("{name} cannot be pushed to {url} now: {why}"));
                self.not_before = Some(Instant::now() + after.unwrap_or(self.pause).min(RETRY.1));
                self.pause = (self.pause * 2).min(RETRY.1);
                Sent::Later
            }
            Ended::Refused(why) => {
                self.fails(&way.report, &format!("{name} are not taken by {url}: {why}"));
                Sent::Refused
            }
        }
    }

    fn may_send(&self) -> bool {
        self.not_before.is_none_or(|time| Instant::now() >= time)
    }

    /// How many of what, if any.
    fn take_dropped(&mut self) -> Option<String> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then(|| format!("{dropped} {}", self.signal.items()))
    }

    /// Says so, the first time.
    fn fails(&mut self, report: &Report, sentence: &str) {
        if !self.failing {
            report(sentence);
        }
        self.failing = true;
    }
}

/// A request of these, seen at this time by this version.
type Encode = fn(&[Event], Timestamp, &str) -> Vec<u8>;

/// Exchanges that wait to be pushed as one signal.
pub(super) struct Queue {
    line: Line,
    encode: Encode,
    waiting: Vec<Event>,
}

impl Queue {
    pub(super) const fn new(signal: Signal, encode: Encode) -> Self {
        Self { line: Line::new(signal), encode, waiting: Vec::new() }
    }

    pub(super) fn add(&mut self, event: Event) {
        if self.waiting.len() < WAITING {
            self.waiting.push(event);
        } else {
            self.line.dropped += 1;
        }
    }

    /// So many never came as far as here.
    pub(super) const fn missed(&mut self, missed: u64) {
        self.line.dropped += missed;
    }

    /// One request after another, as long as they are taken.
    pub(super) fn push(&mut self, way: &mut Way, now: Timestamp) {
        while !self.waiting.is_empty() && self.line.may_send() {
            let fitting = otlp::fitting(&self.waiting).min(self.waiting.len());
            let first = self.waiting.get(..fitting).unwrap_or_default();
            let body = (self.encode)(first, now, way.target.version);
            match self.line.send(way, &body) {
                Sent::Later => return,
                Sent::Taken => {}
                Sent::Refused => self.line.dropped += fitting as u64,
            }
            self.waiting.drain(..fitting);
        }
    }

    /// It is over: what is left is told.
    pub(super) fn end(&mut self, way: &Way) {
        self.line.dropped += self.waiting.drain(..).count() as u64;
        if let Some(dropped) = self.line.take_dropped() {
            (way.report)(&format!("{dropped} were not pushed to {}", way.target.url));
        }
    }
}
