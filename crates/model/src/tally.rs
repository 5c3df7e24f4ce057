use crate::{Histogram, OTHER, bounded::rank};
use overhear_exchange::{ErrorType, Timestamp};
use std::{fmt, sync::Arc, time::Duration};

/// A stretch of ten seconds: what monitoring counts by. Its number since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// Its length in seconds.
    pub const SECONDS: u64 = 10;
    /// How many there are in an hour.
    pub const IN_AN_HOUR: u32 = 360;
    const NANOS: u64 = Self::SECONDS * 1_000_000_000;

    /// The one that a time is in; the last one for times beyond the year 3330.
    pub fn of(time: Timestamp) -> Self {
        Self(u32::try_from(time.as_nanos() / Self::NANOS).unwrap_or(u32::MAX))
    }

    /// The first one of its hour.
    #[must_use]
    pub const fn hour(self) -> Self {
        Self(self.0 - self.0 % Self::IN_AN_HOUR)
    }

    /// When it begins.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_nanos((self.0 as u64).saturating_mul(Self::NANOS))
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ending {
    /// Response status; none without a response.
    pub status: Option<u16>,
    /// Why it counts as an error, where it does.
    pub error: Option<ErrorType>,
    /// The answer says 2xx and its body says error.
    pub hidden_error: bool,
}

impl Ending {
    /// The same with no more than the class of its status.
    #[must_use]
    pub fn coarse(self) -> Self {
        let class = |status: u16| status / 100 * 100;
        let error = self.error.map(|error| match error {
            ErrorType::Status(status) => ErrorType::Status(class(status)),
            ErrorType::ConnectionRefused
            | ErrorType::ConnectionReset
            | ErrorType::Timeout
            | ErrorType::HostUnreachable
            | ErrorType::ClientClosed
            | ErrorType::ServerClosed
            | ErrorType::InvalidResponse
            | ErrorType::WebSocketClose(_) => error,
        });
        Self { status: self.status.map(class), error, ..self }
    }
}

/// Calls that are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Exchanges.
    pub requests: u64,
    /// Request body bytes on the wire.
    pub bytes_in: u64,
    /// Response body bytes on the wire.
    pub bytes_out: u64,
    /// From the last request byte to the last response byte.
    pub latency: Histogram,
}

impl Count {
    /// Adds another count.
    pub fn merge(&mut self, more: &Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.bytes_in = self.bytes_in.saturating_add(more.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
        self.latency.merge(&more.latency);
    }

    fn record(&mut self, bytes_in: u64, bytes_out: u64, duration: Option<Duration>) {
        self.requests += 1;
        self.bytes_in = self.bytes_in.saturating_add(bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(bytes_out);
        if let Some(duration) = duration {
            self.latency.record(duration);
        }
    }
}

/// The calls of some time, by caller and ending. A merge is an addition.
///
/// Beyond [`Tally::CALLERS`] names and [`Tally::CELLS`] combinations, callers are counted under [`OTHER`] and statuses
/// by their class; what is counted so may then depend on the order, sums never do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ascending by caller and ending.
    cells: Vec<(Arc<str>, Ending, Count)>,
}

impl Tally {
    /// Callers told apart: those whose keyed hash is smallest.
    pub const CALLERS: usize = 16;
    /// Combinations of caller and ending told apart.
    pub const CELLS: usize = 256;

    /// All there is: caller, ending, count; ascending by the first two.
    pub fn cells(&self) -> impl Iterator<Item = (&Arc<str>, Ending, &Count)> {
        self.cells.iter().map(|(caller, ending, count)| (caller, *ending, count))
    }

    /// True when nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Counts one call.
    pub(crate) fn record(&mut self, key: u64, caller: &str, ending: Ending, call: Call) {
        let Call { bytes_in, bytes_out, duration } = call;
        self.cell(key, caller, ending).record(bytes_in, bytes_out, duration);
    }

    /// Adds calls of one caller that ended alike. `key` is the model's.
    pub fn add(&mut self, key: u64, caller: &str, ending: Ending, count: &Count) {
        self.cell(key, caller, ending).merge(count);
    }

    /// Adds calls like [`Self::add`]; fast for what comes in the order of [`Self::cells`].
    pub fn push(&mut self, key: u64, caller: &Arc<str>, ending: Ending, count: Count) {
        let follows = self.cells.last().is_none_or(|(last, known, _)| (last, *known) < (caller, ending));
        if follows && self.cells.len() < Self::CELLS {
            self.cells.push((Arc::clone(caller), ending, count));
        } else {
            self.add(key, caller, ending, &count);
        }
    }

    /// Adds another tally. `key` is the model's.
    pub fn merge(&mut self, key: u64, more: &Self) {
        if self.cells.is_empty() {
            self.cells.clone_from(&more.cells);
            return;
        }
        for (caller, ending, count) in &more.cells {
            self.add(key, caller, *ending, count);
        }
    }

    fn cell(&mut self, key: u64, caller: &str, ending: Ending) -> &mut Count {
        let (caller, ending, at) = match self.find(caller, ending) {
            Ok(at) => (caller, ending, Ok(at)),
            Err(at) if self.has_room(caller) => (caller, ending, Err(at)),
            Err(_) => self.make_room(key, caller, ending),
        };
        let at = at.unwrap_or_else(|at| {
            let name = self.cells.iter().find(|(name, ..)| **name == *caller);
            let name = name.map_or_else(|| caller.into(), |(name, ..)| Arc::clone(name));
            self.cells.insert(at, (name, ending, Count::default()));
            at
        });
        // Just found or inserted.
        #[expect(clippy::indexing_slicing, reason = "at is where it was found or put")]
        let (.., count) = &mut self.cells[at];
        count
    }

    fn find(&self, caller: &str, ending: Ending) -> Result<usize, usize> {
        self.cells.binary_search_by(|(name, known, _)| (&**name, *known).cmp(&(caller, ending)))
    }

    fn has_room(&self, caller: &str) -> bool {
        self.cells.len() < Self::CELLS
            && (caller == OTHER
                || self.callers().count() < Self::CALLERS
                || self.callers().any(|c| c == caller))
    }

    /// The names that are told apart, each once.
    fn callers(&self) -> impl Iterator<Item = &str> {
        let mut last = "";
        let names = self.cells.iter().map(|(name, ..)| &**name).filter(|name| *name != OTHER);
        names.filter(move |name| std::mem::replace(&mut last, *name) != *name || name.is_empty())
    }

    /// Where a call is counted that there is no room for.
    fn make_room<'a>(
        &mut self,
        key: u64,
        caller: &'a str,
        ending: Ending,
    ) -> (&'a str, Ending, Result<usize, usize>) {
        if self.cells.len() >= Self::CELLS {
            let ending = ending.coarse();
            return (OTHER, ending, self.find(OTHER, ending));
        }
        let last = self.callers().max_by_key(|name| (rank(key, name), *name)).map(str::to_owned);
        let Some(last) = last.filter(|last| (rank(key, caller), caller) < (rank(key, last), last)) else {
            return (OTHER, ending, self.find(OTHER, ending));
        };
        let (evicted, kept) =
            std::mem::take(&mut self.cells).into_iter().partition(|(name, ..)| **name == *last);
        self.cells = kept;
        let evicted: Vec<_> = evicted;
        for (_, ending, count) in &evicted {
            self.add(key, OTHER, *ending, count);
        }
        (caller, ending, self.find(caller, ending))
    }
}

/// What a call adds to a count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) duration: Option<Duration>,
}

/// What was counted of an endpoint since it was last taken out, by time; nothing while a model does not record.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Recent(Vec<(Slot, Tally)>);

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(slot, _)| slot)).finish()
    }
}

impl Recent {
    pub(crate) fn tally(&mut self, slot: Slot) -> &mut Tally {
        let at = self.0.binary_search_by_key(&slot, |(known, _)| *known).unwrap_or_else(|at| {
            self.0.insert(at, (slot, Tally::default()));
            at
        });
        // Just found or inserted.
        #[expect(clippy::indexing_slicing, reason = "at is where it was found or put")]
        let (_, tally) = &mut self.0[at];
        tally
    }

    pub(crate) fn merge(&mut self, key: u64, more: &Self) {
        for (slot, tally) in &more.0 {
            self.tally(*slot).merge(key, tally);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<(Slot, Tally)> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Count, Ending, Slot, Tally};
    use crate::OTHER;
    use overhear_exchange::{ErrorType, Timestamp};
    use proptest::prelude::*;
    use std::time::Duration;

    const KEY: u64 = 7;

    fn record(tally: &mut Tally, caller: &str, status: u16) {
        let error = (status >= 500).then_some(ErrorType::Status(status));
        let ending = Ending { status: Some(status), error, hidden_error: false };
        let call =
            Call { bytes_in: 1, bytes_out: 10, duration: Some(Duration::from_millis(u64::from(status))) };
        tally.record(KEY, caller, ending, call);
    }

    fn of(calls: &[(u8, u16)]) -> Tally {
        let mut tally = Tally::default();
        calls.iter().for_each(|(caller, status)| record(&mut tally, &format!("c{caller}"), *status));
        tally
    }

    fn total(tally: &Tally) -> Count {
        let mut sum = Count::default();
        tally.cells().for_each(|(.., count)| sum.merge(count));
        sum
    }

    #[test]
    fn slots_are_ten_seconds() {
        assert_eq!(Slot::of(Timestamp::from_nanos(1_714_557_609_999_999_999)), Slot(171_455_760));
        assert_eq!(Slot(171_455_760).start(), Timestamp::from_nanos(1_714_557_600_000_000_000));
    }

    #[test]
    fn a_hostile_crowd_is_bounded() {
        let mut tally = Tally::default();
        for status in 100..1000 {
            for caller in 0..40 {
                record(&mut tally, &format!("c{caller}"), status);
            }
        }
        assert!(tally.cells().count() <= Tally::CELLS + 20, "{}", tally.cells().count());
        assert_eq!(total(&tally).requests, 900 * 40);
    }

    proptest! {
        #[test]
        fn a_merge_is_an_addition(
            calls in prop::collection::vec((0u8..40, prop::sample::select(vec![200, 404, 500])), 0..120),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = of(&calls);
            let (left, right) = calls.split_at(cut.index(calls.len() + 1));
            let mut merged = of(right);
            merged.merge(KEY, &of(left));
            prop_assert_eq!(&merged, &whole);
            let names: std::collections::BTreeSet<_> =
                whole.cells().map(|(name, ..)| name).filter(|name| ***name != *OTHER).collect();
            prop_assert!(names.len() <= Tally::CALLERS);
            prop_assert_eq!(total(&whole).requests, calls.len() as u64);
        }
    }
}
