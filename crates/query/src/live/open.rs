use crate::{EndpointId, OpenStream};
use overhear_exchange::{Detail, Exchange, Timestamp, wire::ConnectionId};
use rustc_hash::FxHashMap;
use std::{collections::HashMap, sync::Arc};

/// More streams at once are not told.
const MOST: usize = 1 << 16;
/// Of more than so many only the number is told, not how far each is.
const MOST_KEPT: usize = 1000;

/// The streams that are open.
#[derive(Debug, Default)]
pub(super) struct Open {
    streams: FxHashMap<Key, (Arc<EndpointId>, Option<Arc<Exchange>>)>,
    /// Those of which the exchange is kept.
    kept: usize,
}

/// Its connection, when its request began, and what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(ConnectionId, Timestamp, Box<str>);

impl Key {
    fn of(exchange: &Exchange) -> Self {
        let Detail::Http(http) = &exchange.detail;
        Self(exchange.connection, exchange.time, http.path.clone())
    }
}

impl Open {
    /// It goes on, and is this far. `masked` gives what may be kept of it.
    pub(super) fn goes_on(
        &mut self,
        exchange: &Exchange,
        id: Arc<EndpointId>,
        masked: impl FnOnce() -> Arc<Exchange>,
    ) {
        let key = Key::of(exchange);
        self.remove(&key);
        if self.streams.len() < MOST {
            let kept = (self.kept < MOST_KEPT).then(masked);
            self.kept += usize::from(kept.is_some());
            self.streams.insert(key, (id, kept));
        }
    }

    /// It is over.
    pub(super) fn ends(&mut self, exchange: &Exchange) {
        if !self.streams.is_empty() {
            self.remove(&Key::of(exchange));
        }
    }

    /// How many there are of each endpoint.
    pub(super) fn counts(&self) -> HashMap<Arc<EndpointId>, u64> {
        let mut counts = HashMap::new();
        for (id, _) in self.streams.values() {
            *counts.entry(Arc::clone(id)).or_default() += 1;
        }
        counts
    }

    /// Those that are kept, the longest open first.
    pub(super) fn streams(&self) -> Vec<OpenStream> {
        let kept = self.streams.values().filter_map(|(id, exchange)| Some((id, exchange.as_ref()?)));
        let mut streams: Vec<_> = kept
            .map(|(id, exchange)| OpenStream { id: Arc::clone(id), exchange: Arc::clone(exchange) })
            .collect();
        streams.sort_by_key(|stream| (stream.exchange.time, stream.exchange.connection));
        streams
    }

    fn remove(&mut self, key: &Key) {
        if let Some((_, Some(_))) = self.streams.remove(key) {
            self.kept -= 1;
        }
    }
}
