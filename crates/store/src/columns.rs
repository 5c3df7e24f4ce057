//! All series together over some time: what lists and maps are made of, without callers and endings of each series. So a
//! question about a thousand endpoints reads one blob for each minute, and not a thousand.

use crate::{
    EDGES,
    codec::{Damage, damage, finish, in_streams},
    rows,
    streams::{Eye, Pen, Stream, Streams},
};
use overhear_model::{Histogram, OTHER, Sum, Tally, rank};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What is wanted of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    Nothing,
    /// All but the latency.
    Counts,
    All,
}

/// By the numbers of series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    pub(crate) sums: BTreeMap<u32, Sum>,
    /// By the number of what is called, as a whole, and by who calls.
    pub(crate) edges: BTreeMap<(u32, Arc<str>), Sum>,
}

impl Columns {
    /// Adds what was counted of a series, which is part of a whole.
    pub(crate) fn add(&mut self, series: u32, whole: u32, tally: &Tally) {
        for (caller, ending, count) in tally.cells() {
            self.sums.entry(series).or_default().add(ending, count);
            self.edges.entry((whole, Arc::clone(caller))).or_default().add(ending, count);
        }
    }

    pub(crate) fn merge(&mut self, more: &Self) {
        for (series, sum) in &more.sums {
            self.sums.entry(*series).or_default().merge(sum);
        }
        for (ends, sum) in &more.edges {
            self.edges.entry(ends.clone()).or_default().merge(sum);
        }
    }

    /// Keeps [`EDGES`] callers of each whole apart: which is decided by their names, not by who came first.
    pub(crate) fn bound(&mut self, key: u64) {
        let mut callers = BTreeMap::<u32, Vec<Arc<str>>>::new();
        for (whole, caller) in self.edges.keys().filter(|(_, caller)| **caller != *OTHER) {
            callers.entry(*whole).or_default().push(Arc::clone(caller));
        }
        for (whole, mut callers) in callers.into_iter().filter(|(_, callers)| callers.len() > EDGES) {
            callers.sort_by_cached_key(|caller| rank(key, caller));
            for caller in callers.split_off(EDGES) {
                let sum = self.edges.remove(&(whole, caller)).unwrap_or_default();
                self.edges.entry((whole, OTHER.into())).or_default().merge(&sum);
            }
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Damage> {
        finish([self.write_sums(), self.write_edges()])
    }

    fn write_sums(&self) -> Pen {
        let mut pen = Pen::default();
        pen.number(Stream::Names, self.sums.len() as u64);
        let (mut before, mut last) = (0, 0);
        for (series, sum) in &self.sums {
            pen.number(Stream::Names, u64::from(series - std::mem::replace(&mut before, *series)));
            write(&mut pen, sum, &mut last);
        }
        pen
    }

    fn write_edges(&self) -> Pen {
        let mut pen = Pen::default();
        pen.number(Stream::Names, self.edges.len() as u64);
        let (mut before, mut last) = (0, 0);
        let mut callers = HashMap::<&str, usize>::new();
        for ((whole, caller), sum) in &self.edges {
            pen.number(Stream::Names, u64::from(whole - std::mem::replace(&mut before, *whole)));
            let next = callers.len();
            let number = *callers.entry(caller).or_insert(next);
            pen.number(Stream::Names, number as u64);
            if number == next {
                pen.text(Stream::Names, caller);
            }
            write(&mut pen, sum, &mut last);
        }
        pen
    }

    /// What [`Self::encode`] was told.
    pub(crate) fn decode(blob: &[u8]) -> Result<Self, Damage> {
        let mut columns = Self::default();
        Self::each_sum(blob, &|_| Extent::All, &mut |series, sum| {
            columns.sums.insert(series, sum.clone());
        })?;
        Self::each_edge(blob, &mut |whole, caller, sum| {
            columns.edges.insert((whole, Arc::clone(caller)), sum.clone());
        })?;
        Ok(columns)
    }

    /// The sums of [`Self::decode`] alone, ascending, as far as they are wanted.
    pub(crate) fn each_sum(
        blob: &[u8],
        wanted: &dyn Fn(u32) -> Extent,
        put: &mut dyn FnMut(u32, &Sum),
    ) -> Result<(), Damage> {
        let Some(mut text) = in_streams(blob) else {
            rows::columns(blob)?.sums.iter().for_each(|(series, sum)| put(*series, sum));
            return Ok(());
        };
        let streams = Streams::of(&mut text)?;
        let mut eye = streams.read();
        let (mut number, mut last, mut sum) = (0, 0, Sum::default());
        for _ in 0..eye.number(Stream::Names)? {
            number = next(&mut eye, number)?;
            let wanted = wanted(number);
            sum = read(&mut eye, &mut last, wanted == Extent::All, sum)?;
            if wanted > Extent::Nothing {
                put(number, &sum);
            }
        }
        Ok(())
    }

    /// The edges of [`Self::decode`] alone, ascending.
    pub(crate) fn each_edge(blob: &[u8], put: &mut dyn FnMut(u32, &Arc<str>, &Sum)) -> Result<(), Damage> {
        let Some(mut text) = in_streams(blob) else {
            rows::columns(blob)?
                .edges
                .into_iter()
                .for_each(|((whole, caller), sum)| put(whole, &caller, &sum));
            return Ok(());
        };
        Streams::skip(&mut text)?;
        let streams = Streams::of(&mut text)?;
        let mut eye = streams.read();
        let mut callers = Vec::<Arc<str>>::new();
        let (mut number, mut last, mut sum) = (0, 0, Sum::default());
        for _ in 0..eye.number(Stream::Names)? {
            number = next(&mut eye, number)?;
            let at = usize::try_from(eye.number(Stream::Names)?).map_err(damage)?;
            if at == callers.len() {
                callers.push(eye.text(Stream::Names)?.into());
            }
            let caller = callers.get(at).ok_or_else(|| damage("a caller that has no name"))?;
            sum = read(&mut eye, &mut last, true, sum)?;
            put(number, caller, &sum);
        }
        Ok(())
    }
}

/// The number after one.
fn next(eye: &mut Eye<'_>, number: u32) -> Result<u32, Damage> {
    let step = u32::try_from(eye.number(Stream::Names)?).map_err(damage)?;
    number.checked_add(step).ok_or_else(|| damage("a series of no known number"))
}

fn write(pen: &mut Pen, sum: &Sum, last: &mut i16) {
    let Sum { requests, errors, errors_hidden, bytes_in, bytes_out, latency } = sum;
    pen.signed(Stream::Requests, requests.wrapping_sub(latency.count()).cast_signed());
    pen.number(Stream::Errors, *errors);
    pen.number(Stream::Errors, *errors_hidden);
    pen.number(Stream::BytesIn, *bytes_in);
    pen.number(Stream::BytesOut, *bytes_out);
    pen.histogram(last, latency);
}

/// In the room of another one; without its latency where it is not wanted.
fn read(eye: &mut Eye<'_>, last: &mut i16, wanted: bool, room: Sum) -> Result<Sum, Damage> {
    let untimed = eye.signed(Stream::Requests)?.cast_unsigned();
    let [errors, errors_hidden] = [eye.number(Stream::Errors)?, eye.number(Stream::Errors)?];
    let [bytes_in, bytes_out] = [eye.number(Stream::BytesIn)?, eye.number(Stream::BytesOut)?];
    let (timed, latency) = if wanted {
        let latency = eye.histogram(last, room.latency)?;
        (latency.count(), latency)
    } else {
        (eye.histogram_count(last)?, Histogram::default())
    };
    let requests = untimed.wrapping_add(timed);
    Ok(Sum { requests, errors, errors_hidden, bytes_in, bytes_out, latency })
}

#[cfg(test)]
mod tests {
    use super::Columns;
    use crate::{EDGES, codec::tests::arbitrary_tally};
    use overhear_model::{Count, Ending, OTHER, Sum, Tally};
    use proptest::prelude::*;

    fn of(tallies: &[(u32, Tally)]) -> Columns {
        let mut columns = Columns::default();
        tallies.iter().for_each(|(series, tally)| columns.add(*series, series % 2, tally));
        columns
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_a_merge_is_an_addition(
            tallies in prop::collection::vec((0u32..9, arbitrary_tally()), 0..30),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = of(&tallies);
            prop_assert_eq!(&Columns::decode(&whole.encode().unwrap()).unwrap(), &whole);
            let (left, right) = tallies.split_at(cut.index(tallies.len() + 1));
            let mut merged = of(right);
            merged.merge(&of(left));
            prop_assert_eq!(&merged, &whole);
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(blob in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Columns::decode(&blob);
        }
    }

    #[test]
    fn a_hostile_crowd_is_bounded_and_nothing_is_forgotten() {
        let crowd = |from: u32| {
            let mut columns = Columns::default();
            for caller in from..from + 500 {
                let mut tally = Tally::default();
                let count = Count { requests: 1, ..Count::default() };
                tally.add(1, &format!("10.0.{}.{}", caller / 256, caller % 256), Ending::default(), &count);
                columns.add(1, 2, &tally);
            }
            columns
        };
        let total = |columns: &Columns| columns.edges.values().map(|sum: &Sum| sum.requests).sum::<u64>();
        let mut once = crowd(0);
        once.merge(&crowd(500));
        once.bound(7);
        assert_eq!((once.edges.len(), total(&once)), (EDGES + 1, 1000));
        assert!(once.edges.contains_key(&(2, OTHER.into())));
        let mut twice = crowd(0);
        twice.bound(7);
        twice.merge(&crowd(500));
        twice.bound(7);
        assert_eq!(twice, once, "whoever came first");
    }
}
