//! All series together over some time: what lists and maps are made of, without callers and endings of each series. So a
//! question about a thousand endpoints reads one blob for each minute, and not a thousand.

use crate::{
    EDGES,
    codec::{Damage, Latency, damage, pack, unpack},
};
use overhear_model::{OTHER, Sum, Tally, rank};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// By the numbers of series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    pub(crate) sums: BTreeMap<u32, Sum>,
    /// By the number of what is called, as a whole, and by who calls.
    pub(crate) edges: BTreeMap<(u32, Arc<str>), Sum>,
}

/// A sum, of a series, or of one that calls what is called.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    number: u32,
    #[serde(borrow)]
    caller: Option<&'a str>,
    requests: u64,
    errors: u64,
    errors_hidden: u64,
    bytes_in: u64,
    bytes_out: u64,
    latency: Latency<'a>,
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
        let sums = self.sums.iter().map(|(series, sum)| row(*series, None, sum));
        let edges = self.edges.iter().map(|((whole, caller), sum)| row(*whole, Some(caller), sum));
        pack(&sums.chain(edges).collect::<Vec<_>>())
    }

    /// What [`Self::encode`] was told.
    pub(crate) fn decode(blob: &[u8]) -> Result<Self, Damage> {
        let mut columns = Self::default();
        let plain = unpack(blob)?;
        let rows: Vec<Row<'_>> = postcard::from_bytes(&plain).map_err(damage)?;
        for row in rows {
            let Row { requests, errors, errors_hidden, bytes_in, bytes_out, .. } = row;
            let latency = row.latency.0.into_owned();
            let sum = Sum { requests, errors, errors_hidden, bytes_in, bytes_out, latency };
            match row.caller {
                None => drop(columns.sums.insert(row.number, sum)),
                Some(caller) => drop(columns.edges.insert((row.number, caller.into()), sum)),
            }
        }
        Ok(columns)
    }
}

fn row<'a>(number: u32, caller: Option<&'a str>, sum: &'a Sum) -> Row<'a> {
    let Sum { requests, errors, errors_hidden, bytes_in, bytes_out, ref latency } = *sum;
    Row {
        number,
        caller,
        requests,
        errors,
        errors_hidden,
        bytes_in,
        bytes_out,
        latency: Latency(Cow::Borrowed(latency)),
    }
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
