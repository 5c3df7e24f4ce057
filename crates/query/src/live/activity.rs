use super::recent::Recent;
use overhear_exchange::Timestamp;
use overhear_model::Histogram;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// Rates are over this long.
const WINDOW: u64 = 10;
/// A sparkline has this many slices …
const SLICES: u64 = 20;
/// … of this many seconds: a minute in all.
const SLICE: u64 = 3;

/// How one endpoint is doing just now.
#[derive(Debug)]
pub(super) struct Activity {
    pub(super) recent: Recent,
    seconds: [Tally; WINDOW as usize],
    slices: [Slice; SLICES as usize],
    last: Timestamp,
}

/// Exchanges that ended within one second.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Since the epoch; a tally of another second is stale.
    second: u64,
    requests: u32,
    errors: u32,
}

#[derive(Clone, Debug, Default)]
struct Slice {
    /// Number of the slice since the epoch.
    number: u64,
    latency: Histogram,
}

impl Activity {
    pub(super) fn new(recent: usize) -> Self {
        Self {
            recent: Recent::new(recent),
            seconds: Default::default(),
            slices: std::array::from_fn(|_| Slice::default()),
            last: Timestamp::default(),
        }
    }

    /// Counts an exchange that ended at `time`; one older than the window replaces nothing newer. Says the how many-th
    /// of its kind (failed or not) it is in its second.
    pub(super) fn count(&mut self, time: Timestamp, failed: bool, duration: Option<Duration>) -> u32 {
        self.last = self.last.max(time);
        let second = time.as_nanos() / SECOND;
        let mut ordinal = 1;
        if let Some(tally) = slot(&mut self.seconds, second)
            && tally.second <= second
        {
            if tally.second < second {
                *tally = Tally { second, ..Tally::default() };
            }
            tally.requests = tally.requests.saturating_add(1);
            tally.errors = tally.errors.saturating_add(u32::from(failed));
            ordinal = if failed { tally.errors } else { tally.requests - tally.errors };
        }
        let number = second / SLICE;
        if let Some(slice) = slot(&mut self.slices, number)
            && slice.number <= number
            && let Some(duration) = duration
        {
            if slice.number < number {
                *slice = Slice { number, ..Slice::default() };
            }
            slice.latency.record(duration);
        }
        ordinal
    }

    /// Exchanges per second over the window and the share of errors among them. A session that began less than a
    /// window ago is measured from its beginning.
    pub(super) fn rate(&self, now: Timestamp, started: Timestamp) -> (f64, Option<f64>) {
        let second = now.as_nanos() / SECOND;
        let oldest = (second + 1).saturating_sub(WINDOW);
        let (mut requests, mut errors) = (0.0, 0.0);
        for tally in self.seconds.iter().filter(|tally| (oldest..=second).contains(&tally.second)) {
            requests += f64::from(tally.requests);
            errors += f64::from(tally.errors);
        }
        let covered = now.since(Timestamp::from_nanos(oldest * SECOND).max(started));
        let rate = requests / covered.as_secs_f64().max(1.0);
        (rate, (requests > 0.0).then(|| errors / requests))
    }

    /// Median latency per slice of the last minute, oldest first.
    pub(super) fn sparkline(&self, now: Timestamp) -> Vec<Option<f64>> {
        let newest = now.as_nanos() / SECOND / SLICE;
        let numbers = (0..SLICES).rev().map(|age| newest.checked_sub(age));
        let median = |number: u64| {
            self.slices
                .iter()
                .find(|slice| slice.number == number)
                .and_then(|slice| slice.latency.percentile(0.5))
        };
        numbers.map(|number| number.and_then(median)).collect()
    }

    /// Something ended within the last minute.
    pub(super) fn is_busy(&self, now: Timestamp) -> bool {
        now.since(self.last) < Duration::from_secs(SLICE * SLICES)
    }
}

/// A sparkline of an endpoint of which nothing is known.
pub(super) fn empty_sparkline() -> Vec<Option<f64>> {
    (0..SLICES).map(|_| None).collect()
}

fn slot<T>(slots: &mut [T], number: u64) -> Option<&mut T> {
    let at = number.checked_rem(slots.len() as u64)?;
    slots.get_mut(usize::try_from(at).ok()?)
}
