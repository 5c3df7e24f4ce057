//! All series together over some time: what lists and maps are made of, without callers and endings of each series. So a
//! question about a thousand endpoints reads one blob for each minute, and not a thousand.

use crate::{
    EDGES,
    codec::{Damage, damage},
    rows,
    streams::{Eye, Pen, Stream, Streams},
};
use overhear_model::{Histogram, OTHER, Sum, Tally, rank};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// All of it as it is in a file: what asks for less has less to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Blobs<T> {
    /// Sums without their latencies. All there is, in earlier layouts.
    pub(crate) counts: T,
    /// Of the sums.
    pub(crate) latencies: Option<T>,
    /// Between whom.
    pub(crate) edges: Option<T>,
}

/// How it is laid out in streams: the first byte of a blob; lower ones are [`rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Layout {
    /// In one blob, sums before edges; of requests only those whose duration is not known: to count them, latencies have
    /// to be read.
    Together = 2,
    /// In three.
    Apart = 3,
}

impl Layout {
    /// Of a blob, and what is laid out so; none: in rows.
    fn of(blob: &[u8]) -> Option<(Self, &[u8])> {
        let (first, text) = blob.split_first()?;
        let layout = [Self::Together, Self::Apart].into_iter().find(|layout| *layout as u8 == *first)?;
        Some((layout, text))
    }

    /// Streams of sums; in how far latencies are among them, see [`Blobs`].
    fn sums<'a>(self, mut text: &'a [u8], latencies: Option<&'a [u8]>) -> Result<Streams<'a>, Damage> {
        match self {
            Self::Together => Streams::of(&mut text),
            Self::Apart => Streams::apart(text, latencies),
        }
    }

    /// Streams of edges.
    fn edges(self, mut text: &[u8]) -> Result<Streams<'_>, Damage> {
        if self == Self::Together {
            Streams::skip(&mut text)?;
        }
        Streams::of(&mut text)
    }
}

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

    pub(crate) fn encode(&self) -> Result<Blobs<Vec<u8>>, Damage> {
        let begun = || vec![Layout::Apart as u8];
        let (mut counts, mut latencies, mut edges) = (begun(), Vec::new(), begun());
        self.write_sums().finish_apart(&mut counts, &mut latencies)?;
        self.write_edges().finish(&mut edges)?;
        Ok(Blobs { counts, latencies: Some(latencies), edges: Some(edges) })
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
    pub(crate) fn decode(blobs: Blobs<&[u8]>) -> Result<Self, Damage> {
        let mut columns = Self::default();
        Self::each_sum(blobs.counts, blobs.latencies, &|_| Extent::All, &mut |series, sum| {
            columns.sums.insert(series, sum.clone());
        })?;
        Self::each_edge(blobs.edges.unwrap_or(blobs.counts), &mut |whole, caller, sum| {
            columns.edges.insert((whole, Arc::clone(caller)), sum.clone());
        })?;
        Ok(columns)
    }

    /// The sums of [`Self::decode`] alone, ascending, as far as they are wanted. Where nobody wants them there need not be
    /// latencies.
    pub(crate) fn each_sum(
        counts: &[u8],
        latencies: Option<&[u8]>,
        wanted: &dyn Fn(u32) -> Extent,
        put: &mut dyn FnMut(u32, &Sum),
    ) -> Result<(), Damage> {
        let Some((layout, text)) = Layout::of(counts) else {
            rows::columns(counts)?.sums.iter().for_each(|(series, sum)| put(*series, sum));
            return Ok(());
        };
        let streams = layout.sums(text, latencies)?;
        let has_latencies = layout == Layout::Together || latencies.is_some();
        let mut reader = Reader { eye: streams.read(), layout, has_latencies, last: 0 };
        let (mut number, mut sum) = (0, Sum::default());
        for _ in 0..reader.eye.number(Stream::Names)? {
            number = next(&mut reader.eye, number)?;
            let wanted = wanted(number);
            sum = reader.sum(wanted, sum)?;
            if wanted > Extent::Nothing {
                put(number, &sum);
            }
        }
        Ok(())
    }

    /// The edges of [`Self::decode`] alone, ascending: of their blob, or of the only one there is.
    pub(crate) fn each_edge(blob: &[u8], put: &mut dyn FnMut(u32, &Arc<str>, &Sum)) -> Result<(), Damage> {
        let Some((layout, text)) = Layout::of(blob) else {
            rows::columns(blob)?
                .edges
                .into_iter()
                .for_each(|((whole, caller), sum)| put(whole, &caller, &sum));
            return Ok(());
        };
        let streams = layout.edges(text)?;
        let mut reader = Reader { eye: streams.read(), layout, has_latencies: true, last: 0 };
        let mut callers = Vec::<Arc<str>>::new();
        let (mut number, mut sum) = (0, Sum::default());
        for _ in 0..reader.eye.number(Stream::Names)? {
            number = next(&mut reader.eye, number)?;
            let at = usize::try_from(reader.eye.number(Stream::Names)?).map_err(damage)?;
            if at == callers.len() {
                callers.push(reader.eye.text(Stream::Names)?.into());
            }
            let caller = callers.get(at).ok_or_else(|| damage("a caller that has no name"))?;
            sum = reader.sum(Extent::All, sum)?;
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
    pen.number(Stream::Requests, *requests);
    pen.number(Stream::Errors, *errors);
    pen.number(Stream::Errors, *errors_hidden);
    pen.number(Stream::BytesIn, *bytes_in);
    pen.number(Stream::BytesOut, *bytes_out);
    pen.histogram(last, latency);
}

/// Reads what [`write`] wrote.
struct Reader<'a> {
    eye: Eye<'a>,
    layout: Layout,
    has_latencies: bool,
    /// Where the histogram before began.
    last: i16,
}

impl Reader<'_> {
    /// The next sum, in the room of another one; without its latency where it is not wanted.
    fn sum(&mut self, wanted: Extent, room: Sum) -> Result<Sum, Damage> {
        let eye = &mut self.eye;
        let requests = match self.layout {
            Layout::Apart => eye.number(Stream::Requests)?,
            Layout::Together => eye.signed(Stream::Requests)?.cast_unsigned(),
        };
        let [errors, errors_hidden] = [eye.number(Stream::Errors)?, eye.number(Stream::Errors)?];
        let [bytes_in, bytes_out] = [eye.number(Stream::BytesIn)?, eye.number(Stream::BytesOut)?];
        let (timed, latency) = self.latency(wanted, room.latency)?;
        let requests = requests.wrapping_add(timed);
        Ok(Sum { requests, errors, errors_hidden, bytes_in, bytes_out, latency })
    }

    /// And how many requests it is of that are not counted yet.
    fn latency(&mut self, wanted: Extent, room: Histogram) -> Result<(u64, Histogram), Damage> {
        let is_counted = self.layout == Layout::Apart;
        if wanted == Extent::All {
            let latency = self.eye.histogram(&mut self.last, room)?;
            return Ok((if is_counted { 0 } else { latency.count() }, latency));
        }
        if self.layout == Layout::Together {
            return Ok((self.eye.histogram_count(&mut self.last)?, Histogram::default()));
        }
        if self.has_latencies {
            self.eye.skip_histogram(&mut self.last)?;
        }
        Ok((0, Histogram::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Blobs, Columns, Extent, Layout};
    use crate::{
        EDGES,
        codec::tests::arbitrary_tally,
        streams::{Pen, Stream},
    };
    use overhear_model::{Count, Ending, OTHER, Sum, Tally};
    use proptest::prelude::*;

    fn of(tallies: &[(u32, Tally)]) -> Columns {
        let mut columns = Columns::default();
        tallies.iter().for_each(|(series, tally)| columns.add(*series, series % 2, tally));
        columns
    }

    /// As versions before 7 wrote sums.
    fn together(columns: &Columns) -> Vec<u8> {
        let mut pen = Pen::default();
        pen.number(Stream::Names, columns.sums.len() as u64);
        let (mut before, mut last) = (0, 0);
        for (series, sum) in &columns.sums {
            pen.number(Stream::Names, u64::from(series - std::mem::replace(&mut before, *series)));
            pen.signed(Stream::Requests, sum.requests.wrapping_sub(sum.latency.count()).cast_signed());
            let counts = [(Stream::Errors, sum.errors), (Stream::Errors, sum.errors_hidden)];
            let bytes = [(Stream::BytesIn, sum.bytes_in), (Stream::BytesOut, sum.bytes_out)];
            counts.into_iter().chain(bytes).for_each(|(stream, number)| pen.number(stream, number));
            pen.histogram(&mut last, &sum.latency);
        }
        let mut blob = vec![Layout::Together as u8];
        pen.finish(&mut blob).unwrap();
        blob
    }

    fn decode(blobs: &Blobs<Vec<u8>>) -> Columns {
        let Blobs { counts, latencies, edges } = blobs;
        let blobs = Blobs { counts: &**counts, latencies: latencies.as_deref(), edges: edges.as_deref() };
        Columns::decode(blobs).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_a_merge_is_an_addition(
            tallies in prop::collection::vec((0u32..9, arbitrary_tally()), 0..30),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = of(&tallies);
            prop_assert_eq!(&decode(&whole.encode().unwrap()), &whole);
            let (left, right) = tallies.split_at(cut.index(tallies.len() + 1));
            let mut merged = of(right);
            merged.merge(&of(left));
            prop_assert_eq!(&merged, &whole);
        }

        #[test]
        fn what_is_not_wanted_is_left_out_of_either_layout(
            tallies in prop::collection::vec((0u32..9, arbitrary_tally()), 0..30),
            wanted in prop::collection::vec(0..3usize, 9),
        ) {
            let whole = of(&tallies);
            let extents = [Extent::Nothing, Extent::Counts, Extent::All];
            let extent = |series: u32| extents[wanted[series as usize]];
            let is_all = whole.sums.keys().any(|series| extent(*series) == Extent::All);
            let mut expected = whole.sums.clone();
            expected.retain(|series, _| extent(*series) > Extent::Nothing);
            for (series, sum) in &mut expected {
                if extent(*series) == Extent::Counts {
                    *sum = sum.without_latency();
                }
            }
            let Blobs { counts, latencies, .. } = whole.encode().unwrap();
            for (counts, latencies) in [(counts, latencies), (together(&whole), None)] {
                let mut read = std::collections::BTreeMap::new();
                let mut put = |series, sum: &Sum| drop(read.insert(series, sum.clone()));
                let latencies = latencies.as_deref().filter(|_| is_all);
                Columns::each_sum(&counts, latencies, &extent, &mut put).unwrap();
                prop_assert_eq!(&read, &expected);
            }
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(blob in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Columns::decode(Blobs { counts: &blob, latencies: None, edges: None });
            let _ = Columns::decode(Blobs { counts: &blob, latencies: Some(&blob), edges: Some(&blob) });
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
