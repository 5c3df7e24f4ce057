use crate::{Count, Ending, Histogram, Tally};

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

    /// Adds another sum.
    pub fn merge(&mut self, more: &Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.errors = self.errors.saturating_add(more.errors);
        self.errors_hidden = self.errors_hidden.saturating_add(more.errors_hidden);
        self.bytes_in = self.bytes_in.saturating_add(more.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
        self.latency.merge(&more.latency);
    }
}

impl From<&Tally> for Sum {
    fn from(tally: &Tally) -> Self {
        let mut sum = Self::default();
        tally.cells().for_each(|(_, ending, count)| sum.add(ending, count));
        sum
    }
}
