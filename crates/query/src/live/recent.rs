use overhear_exchange::{Detail, Exchange, Headers};
use std::{collections::VecDeque, sync::Arc};

/// The last exchanges, bounded by number and, when asked, by memory.
#[derive(Debug)]
pub(super) struct Recent {
    capacity: usize,
    /// Oldest first, each with its weight.
    exchanges: VecDeque<(usize, Arc<Exchange>)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, exchanges: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, exchange: Arc<Exchange>) {
        if self.capacity == 0 {
            return;
        }
        if self.exchanges.len() >= self.capacity {
            self.drop_oldest();
        }
        let weight = weight(&exchange);
        self.bytes += weight;
        self.exchanges.push_back((weight, exchange));
    }

    /// Forgets the oldest until no more than `bytes` are taken.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        while self.bytes > bytes && self.drop_oldest() {}
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn newest(&self, limit: usize) -> Vec<Arc<Exchange>> {
        self.exchanges.iter().rev().take(limit).map(|(_, exchange)| Arc::clone(exchange)).collect()
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.exchanges.pop_front();
        self.bytes -= oldest.as_ref().map_or(0, |(weight, _)| *weight);
        oldest.is_some()
    }
}

/// About the memory an exchange takes, in bytes.
fn weight(exchange: &Exchange) -> usize {
    let Detail::Http(http) = &exchange.detail;
    let headers =
        |headers: &Headers| headers.iter().map(|(name, value)| name.len() + value.len() + 16).sum::<usize>();
    size_of::<Exchange>()
        + size_of_val(&**http)
        + http.path.len()
        + http.query.as_deref().map_or(0, str::len)
        + http.authority.as_deref().map_or(0, str::len)
        + headers(&http.request_headers)
        + headers(&http.response_headers)
        + headers(&http.trailers)
        + http.request_body.captured.expose().len()
        + http.response_body.captured.expose().len()
}
