use crate::{
    Callers, Calls, Histogram,
    shape::Shapes,
    tally::{Call, Ending, Recent, Slot, Tally},
};
use overhear_exchange::{Authority, Direction, ErrorType, Exchange, Timestamp};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::{sync::Arc, time::Duration};

/// What identifies an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId {
    /// `service.name`.
    pub service: Arc<str>,
    /// Answered by that service, or asked of which server.
    pub way: Way,
    /// `network.protocol.name`.
    pub protocol: &'static str,
    /// Request method.
    pub method: Arc<str>,
    /// Route template with `{name}` placeholders.
    pub route: Arc<str>,
}

/// Which way the calls of an endpoint go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way<S = Arc<str>> {
    /// The service answers them.
    Inbound,
    /// The service asks them of this server: its host in lower case, with the port where that is not the scheme's own;
    /// address and port where it has no name; [`crate::OTHER`] for the servers that are not told apart.
    Outbound(S),
}

impl<S: AsRef<str>> Way<S> {
    /// Whether the service answers or asks.
    pub const fn direction(&self) -> Direction {
        match self {
            Self::Inbound => Direction::Inbound,
            Self::Outbound(_) => Direction::Outbound,
        }
    }

    /// The server that is asked.
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Inbound => None,
            Self::Outbound(server) => Some(server.as_ref()),
        }
    }

    /// Whether a server of this name is asked; the port may be left out.
    pub fn asks(&self, name: &str) -> bool {
        self.server().is_some_and(|server| server == name || Authority::parse(server).host == name)
    }

    /// The same without owning its text.
    pub fn as_deref(&self) -> Way<&str> {
        self.server().map_or(Way::Inbound, Way::Outbound)
    }
}

/// What is known of one endpoint: counts, sums, extremes and sketches, so that a merge is exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
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
    /// Times of the first and the last exchange.
    pub seen: Option<(Timestamp, Timestamp)>,
    /// From the last request byte to the last response byte; of a WebSocket, until it was open.
    pub latency: Histogram,
    /// From the last request byte to the first response byte.
    pub time_to_first_byte: Histogram,
    /// Who calls.
    pub callers: Callers,
    /// Where it was asked: scheme and authority.
    pub servers: Callers,
    /// What its calls are made of.
    pub shapes: Shapes,
    pub(crate) statuses: Counts<Option<u16>>,
    pub(crate) error_types: Counts<ErrorType>,
    /// What was counted since it was last taken out.
    pub(crate) recent: Recent,
}

/// One exchange reduced to what an endpoint counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<ErrorType>,
    pub(crate) hidden_error: bool,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) caller: &'a str,
    pub(crate) server: &'a str,
    /// When it ended, where times are recorded.
    pub(crate) slot: Option<Slot>,
}

impl Endpoint {
    /// Count per status, ascending; `None` = no response. No status beyond 16 bits exists, so this is bounded.
    pub fn statuses(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        self.statuses.iter()
    }

    /// Count per `error.type`.
    pub fn error_types(&self) -> impl Iterator<Item = (ErrorType, u64)> {
        self.error_types.iter()
    }

    /// What was counted and learned apart. `key` is the model's.
    pub fn of(key: u64, tally: &Tally, seen: Option<(Timestamp, Timestamp)>, shapes: Shapes) -> Self {
        let mut endpoint = Self { seen, shapes, ..Self::default() };
        for (caller, ending, count) in tally.cells() {
            let failed = if ending.error.is_some() { count.requests } else { 0 };
            endpoint.requests = endpoint.requests.saturating_add(count.requests);
            endpoint.errors = endpoint.errors.saturating_add(failed);
            let hidden = if ending.hidden_error { count.requests } else { 0 };
            endpoint.errors_hidden = endpoint.errors_hidden.saturating_add(hidden);
            endpoint.bytes_in = endpoint.bytes_in.saturating_add(count.bytes_in);
            endpoint.bytes_out = endpoint.bytes_out.saturating_add(count.bytes_out);
            endpoint.latency.merge(&count.latency);
            endpoint.statuses.add(ending.status, count.requests);
            if let Some(error) = ending.error {
                endpoint.error_types.add(error, count.requests);
            }
            endpoint.callers.add(key, caller, Calls { requests: count.requests, errors: failed });
        }
        endpoint
    }

    pub(crate) fn learn(&mut self, key: u64, exchange: &Exchange, outcome: Outcome<'_>) {
        let failed = u64::from(outcome.error.is_some());
        self.requests += 1;
        self.errors += failed;
        self.errors_hidden += u64::from(outcome.hidden_error);
        self.bytes_in = self.bytes_in.saturating_add(outcome.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(outcome.bytes_out);
        self.see(exchange.time, exchange.time);
        record(&mut self.latency, exchange.latency());
        record(&mut self.time_to_first_byte, exchange.time_to_first_byte);
        self.statuses.add(outcome.status, 1);
        if let Some(error) = outcome.error {
            self.error_types.add(error, 1);
        }
        let calls = Calls { requests: 1, errors: failed };
        self.callers.add(key, outcome.caller, calls);
        self.servers.add(key, outcome.server, calls);
        if let Some(slot) = outcome.slot {
            let Outcome { status, error, hidden_error, bytes_in, bytes_out, .. } = outcome;
            let call = Call { bytes_in, bytes_out, duration: exchange.latency() };
            let ending = Ending { status, error, hidden_error };
            self.recent.tally(slot).record(key, outcome.caller, ending, call);
        }
    }

    pub(crate) fn merge(&mut self, key: u64, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.errors_hidden = self.errors_hidden.saturating_add(other.errors_hidden);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        if let Some((first, last)) = other.seen {
            self.see(first, last);
        }
        self.latency.merge(&other.latency);
        self.time_to_first_byte.merge(&other.time_to_first_byte);
        self.statuses.merge(&other.statuses);
        self.error_types.merge(&other.error_types);
        self.callers.merge(key, &other.callers);
        self.servers.merge(key, &other.servers);
        self.shapes.merge(key, &other.shapes);
        self.recent.merge(key, &other.recent);
    }

    pub(crate) fn see(&mut self, first: Timestamp, last: Timestamp) {
        self.seen = Some(match self.seen {
            Some((earliest, latest)) => (earliest.min(first), latest.max(last)),
            None => (first, last),
        });
    }
}

fn record(histogram: &mut Histogram, duration: Option<Duration>) {
    if let Some(duration) = duration {
        histogram.record(duration);
    }
}

/// Counts per value of a small set, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts<T>(SmallVec<[(T, u64); 1]>);

impl<T> Default for Counts<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Ord + Copy> Counts<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (T, u64)> {
        self.0.iter().copied()
    }

    pub(crate) fn add(&mut self, value: T, count: u64) {
        match self.0.binary_search_by_key(&value, |(v, _)| *v) {
            Ok(at) => {
                if let Some((_, present)) = self.0.get_mut(at) {
                    *present = present.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (value, count)),
        }
    }

    fn merge(&mut self, other: &Self) {
        for (value, count) in other.iter() {
            self.add(value, count);
        }
    }
}
