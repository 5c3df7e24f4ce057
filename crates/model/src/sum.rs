use crate::{Count, Ending, Histogram, Tally, histogram::Dense};

/// The calls of some time, whoever called and however it ended. A merge is an addition, without bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Exchanges.
    pub requests: u64,
    /// Of those: 5xx or `error.type`.
    pub errors: u64,
    /// Of those: answers that say 2xx and whose body says error.
    pub errors_hidden: u64,
    /// Request body bytes on the wire.
    pub bytes_in: u64,
    /// Response body bytes on the wire.
    pub bytes_out: u64,
    /// From the last request byte to the last response byte.
    pub latency: Histogram,
}

impl Sum {
    /// Adds calls that ended alike.
    pub fn add(&mut self, ending: Ending, count: &Count) {
        let Count { requests, bytes_in, bytes_out, latency } = count;
        self.requests = self.requests.saturating_add(*requests);
        self.errors = self.errors.saturating_add(if ending.error.is_some() { *requests } else { 0 });
        self.errors_hidden =
            self.errors_hidden.saturating_add(if ending.hidden_error { *requests } else { 0 });
        self.bytes_in = self.bytes_in.saturating_add(*bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(*bytes_out);
        self.latency.merge(latency);
    }

    /// Adds another sum. Many are added up faster by a [`Total`].
    pub fn merge(&mut self, more: &Self) {
        self.count(more);
        self.latency.merge(&more.latency);
    }

    /// The same, but for the latency.
    #[must_use]
    pub fn without_latency(&self) -> Self {
        Self { latency: Histogram::default(), ..*self }
    }

    /// All but the latency.
    fn count(&mut self, more: &Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.errors = self.errors.saturating_add(more.errors);
        self.errors_hidden = self.errors_hidden.saturating_add(more.errors_hidden);
        self.bytes_in = self.bytes_in.saturating_add(more.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
    }
}

impl From<&Tally> for Sum {
    fn from(tally: &Tally) -> Self {
        let mut sum = Self::default();
        tally.cells().for_each(|(_, ending, count)| sum.add(ending, count));
        sum
    }
}

/// Many sums added up: faster than one merge after the other.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// All but the latency.
    plain: Sum,
    latency: Dense,
}

impl Total {
    /// Adds a sum.
    pub fn add(&mut self, more: &Sum) {
        self.plain.count(more);
        self.latency.add(&more.latency);
    }
}

impl From<Total> for Sum {
    fn from(total: Total) -> Self {
        Self { latency: total.latency.histogram(), ..total.plain }
    }
}

impl<'a> FromIterator<&'a Sum> for Total {
    fn from_iter<I: IntoIterator<Item = &'a Sum>>(sums: I) -> Self {
        let mut total = Self::default();
        sums.into_iter().for_each(|sum| total.add(sum));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::{Sum, Total};
    use crate::Histogram;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn a_total_is_what_merging_gives(all in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..20), 0..20)) {
            let sum = |nanos: &Vec<u64>| {
                let mut latency = Histogram::default();
                nanos.iter().for_each(|n| latency.record(Duration::from_nanos(*n >> (n % 60))));
                Sum { requests: nanos.len() as u64, errors: 1, errors_hidden: 2, bytes_in: 3, bytes_out: 4, latency }
            };
            let sums: Vec<Sum> = all.iter().map(sum).collect();
            let mut merged = Sum::default();
            sums.iter().for_each(|sum| merged.merge(sum));
            prop_assert_eq!(Sum::from(sums.iter().collect::<Total>()), merged);
        }
    }
}
