//! Streams that go on. Each was given its place among the paths when it was first told of; when it is over it is counted
//! there, and its path is not counted again.

use overhear_exchange::{Detail, Exchange, Timestamp, wire::ConnectionId};
use rustc_hash::FxHashSet;

/// Those of a model. No part of the sum: it is neither merged nor saved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open(FxHashSet<Key>);

/// Tells a stream from others: its connection, and when its request began; of several on one connection at once also
/// what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(ConnectionId, Timestamp, Box<str>);

/// More at once are not remembered: their paths are counted twice.
const MOST: usize = 1 << 16;

impl Open {
    /// Whether it was told of before; from now on it was.
    pub(crate) fn was_told(&mut self, exchange: &Exchange) -> bool {
        self.0.contains(&key(exchange)) || (self.0.len() < MOST && !self.0.insert(key(exchange)))
    }

    /// It is over: whether it was told of before.
    pub(crate) fn ends(&mut self, exchange: &Exchange) -> bool {
        !self.0.is_empty() && self.0.remove(&key(exchange))
    }
}

fn key(exchange: &Exchange) -> Key {
    let Detail::Http(http) = &exchange.detail;
    Key(exchange.connection, exchange.time, http.path.clone())
}
