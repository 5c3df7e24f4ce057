//! The answers: plain data with public fields. Front ends turn them into JSON, tables or pages at their rim.

use crate::PathParameter;
use overhear_exchange::{ErrorType, Exchange, Timestamp};
pub use overhear_model::EndpointId;
use overhear_model::{Descriptors, shape::schema::Operation};
use std::{sync::Arc, time::Duration};

/// One line of `endpoints`. Latencies in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointRow {
    /// Which endpoint.
    pub id: EndpointId,
    /// Exchanges.
    pub requests: u64,
    /// Of those: 5xx or `error.type`.
    pub errors: u64,
    /// Of those: answers that say 2xx and whose body says error.
    pub errors_hidden: u64,
    /// Latency percentiles (last request byte to last response byte); absent before the first complete response.
    pub latency: Option<Percentiles>,
    /// Request body bytes.
    pub bytes_in: u64,
    /// Response body bytes.
    pub bytes_out: u64,
    /// Time of the first exchange.
    pub first_seen: Timestamp,
    /// Time of the last exchange.
    pub last_seen: Timestamp,
}

/// Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the percentiles are their names")]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
}

/// Everything about one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointDetail {
    /// The line of `endpoints`.
    pub row: EndpointRow,
    /// Count per status, ascending; `None` = no response.
    pub statuses: Vec<(Option<u16>, u64)>,
    /// Count per `error.type`, most frequent first.
    pub errors: Vec<(ErrorType, u64)>,
    /// Latency histogram, ascending, empty buckets left out.
    pub latency: Vec<LatencyBucket>,
    /// Who calls, most frequent first.
    pub callers: Vec<CallerRow>,
    /// The placeholders of the route, in its order.
    pub path: Vec<PathParameter>,
    /// Parameters, bodies, security.
    pub shape: Operation,
    /// Of a remote procedure, what its messages and fields are called, as far as its server was heard to say.
    pub names: Descriptors,
    /// Why segments of the route are parameters or literals, where there was something to weigh.
    pub why: Vec<RouteReason>,
}

/// Why a segment of a route is a parameter or a literal.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteReason {
    /// The route up to and with the segment.
    pub route: Arc<str>,
    /// Above zero for a parameter (natural logarithm of the odds).
    pub log_odds: f64,
    /// What spoke for a parameter (above zero) and against, most telling first.
    pub terms: Vec<(String, f64)>,
}

/// One bucket of a latency histogram: `from < latency <= to`, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "explained above")]
pub struct LatencyBucket {
    pub from: f64,
    pub to: f64,
    pub count: u64,
}

/// One caller of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerRow {
    /// Service name of the calling process, else its address.
    pub name: Arc<str>,
    /// Its exchanges.
    pub requests: u64,
    /// Of those: errors.
    pub errors: u64,
}

/// One line of the live table: an endpoint and how it is doing just now.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRow {
    /// Since the start of listening.
    pub row: EndpointRow,
    /// Exchanges per second over the last ten seconds.
    pub rate: f64,
    /// Streams that are open: WebSockets, server-sent events, bodies that take long.
    pub open: u64,
    /// Share of errors over the last ten seconds, 0..=1; absent without exchanges.
    pub error_share: Option<f64>,
    /// Median latency in seconds per time slice of the last minute, oldest first; `None` = no exchange in it.
    pub sparkline: Vec<Option<f64>>,
}

/// What the calls of an endpoint make, and whose calls make them, since the listening began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Links {
    /// Calls of it that were answered by a process of this machine.
    pub answered: u64,
    /// What was asked while they were answered, and for no other.
    pub calls: Vec<Link>,
    /// What was answered when it was asked.
    pub callers: Vec<Link>,
    /// What was asked while calls of it were answered, and others too: for whom is not known.
    pub unsure: u64,
}

/// The calls between two endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The other one.
    pub id: Arc<EndpointId>,
    /// Calls.
    pub calls: u64,
    /// Of those: 5xx or `error.type`.
    pub errors: u64,
    /// How long they took, in the mean.
    pub mean: Duration,
    /// How many each call of the one that makes them makes, in the mean over those of which all is certain; absent without
    /// any.
    pub each: Option<f64>,
}

/// A stream that goes on.
#[derive(Clone, Debug)]
pub struct OpenStream {
    /// What it is counted to.
    pub id: Arc<EndpointId>,
    /// The exchange as far as it is, with its secrets masked: [`overhear_exchange::Http::stream`] says how far.
    pub exchange: Arc<Exchange>,
}
