//! The answers of monitoring: how services and endpoints did over a window of time, beside the time before.

mod sum;

pub use sum::{ByEndpoint, ByEnds, Counts, Depth, Edges, Ends, Firsts, Steps, changes, ends};

use crate::{Api, EndpointId, EndpointRow, LatencyBucket, Metric, Percentiles};
use overhear_exchange::{ErrorType, Statistics, Timestamp};
pub use overhear_model::shape::Spot;
use overhear_model::{
    Hints,
    shape::{New, News},
};
use std::{sync::Arc, time::Duration};

/// Which time is asked about. Absent ends: an hour ago, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// From when on.
    pub since: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// What it is compared with.
    pub beside: Beside,
}

/// What a window is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beside {
    /// As long a time right before it.
    #[default]
    WindowBefore,
    /// The time from the last deploy but one until the last, of each service; its window begins with the last. Services
    /// that were not deployed while they were listened to: as [`Self::WindowBefore`].
    DeployBefore,
}

/// An answer and the time it covers.
#[derive(Clone, Debug, PartialEq)]
pub struct Covered<T> {
    /// The answer.
    pub what: T,
    /// From when on: as asked, or earlier where counts are no longer kept so fine.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// From when on somebody listened, where that was not all of it.
    pub listened_from: Timestamp,
    /// Length of the steps of time lines.
    pub step: Duration,
    /// Deploys within it, oldest first.
    pub deploys: Vec<Deploy>,
    /// The deploys from which on services are looked at ([`Beside::DeployBefore`]), each beside the time before its own; all
    /// others are looked at over the window that was asked for.
    pub since: Vec<Deploy>,
}

/// A service began to run another build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// `service.name`.
    pub service: Arc<str>,
    /// When the first process of it started.
    pub at: Timestamp,
    /// A git commit, an image, a build id, or none of these: a restart.
    pub version: Option<Arc<str>>,
}

/// How some calls did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Exchanges.
    pub requests: u64,
    /// Of those: 5xx or `error.type`.
    pub errors: u64,
    /// Of those: answers that say 2xx and whose body says error.
    pub errors_hidden: u64,
    /// Request body bytes.
    pub bytes_in: u64,
    /// Response body bytes.
    pub bytes_out: u64,
    /// Absent before the first complete response.
    pub latency: Option<Latency>,
    /// The time they are of, in seconds: `requests / seconds` is the rate.
    pub seconds: f64,
}

/// Seconds, from the last request byte to the last response byte.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the percentiles are their names")]
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// One step of a time line; steps without calls are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When it begins.
    pub at: Timestamp,
    /// What happened in it.
    pub figures: Figures,
}

/// An endpoint over a window.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointFigures {
    /// Which.
    pub id: EndpointId,
    /// The window.
    pub now: Figures,
    /// What it is compared with; absent where nothing was listening then.
    pub before: Option<Figures>,
    /// Its time line; in lists without latencies.
    pub points: Vec<Point>,
}

impl EndpointFigures {
    /// The line of `endpoints`, with the first and the last call as fine as the time line, whose steps take `step`
    /// nanoseconds; nothing is later than `until`.
    pub fn total(self, step: u64, until: Timestamp) -> EndpointRow {
        let first = self.points.first().map(|point| point.at);
        let last =
            self.points.last().map(|point| Timestamp::from_nanos(point.at.as_nanos().saturating_add(step)));
        let latency =
            self.now.latency.map(|it| Percentiles { p50: it.p50, p90: it.p90, p95: it.p95, p99: it.p99 });
        EndpointRow {
            id: self.id,
            requests: self.now.requests,
            errors: self.now.errors,
            errors_hidden: self.now.errors_hidden,
            latency,
            bytes_in: self.now.bytes_in,
            bytes_out: self.now.bytes_out,
            first_seen: first.unwrap_or_default(),
            last_seen: last.unwrap_or_default().min(until),
        }
    }
}

/// A service over a window: what it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceFigures {
    /// `service.name`.
    pub name: Arc<str>,
    /// Endpoints that were called.
    pub endpoints: u64,
    /// The window.
    pub now: Figures,
    /// What it is compared with.
    pub before: Option<Figures>,
    /// Its time line.
    pub points: Vec<Point>,
}

/// One endpoint over a window, in depth.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointHistory {
    /// Itself, with its time line.
    pub figures: EndpointFigures,
    /// Latencies by step: when, and its histogram, ascending.
    pub heat: Vec<(Timestamp, Vec<LatencyBucket>)>,
    /// Status (absent: no response), exchanges in the window, exchanges before.
    pub statuses: Vec<(Option<u16>, u64, u64)>,
    /// `error.type` and exchanges in the window, most frequent first.
    pub errors: Vec<(ErrorType, u64)>,
    /// Caller, in the window, before; most frequent first.
    pub callers: Vec<(Arc<str>, Figures, Option<Figures>)>,
}

/// Who calls whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    /// Services, callers and servers, by name.
    pub nodes: Vec<MapNode>,
    /// From callers to the called, by their names.
    pub edges: Vec<MapEdge>,
}

impl Map {
    /// One of several, of different services.
    #[must_use]
    pub fn of_all(maps: impl Iterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for map in maps {
            all.nodes.extend(map.nodes);
            all.edges.extend(map.edges);
        }
        // Whoever is outside for one is for all.
        all.nodes.sort_by(|a, b| (&a.name, b.is_external).cmp(&(&b.name, a.is_external)));
        all.nodes.dedup_by(|a, b| a.name == b.name);
        all.edges.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        all
    }
}

/// Somebody on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapNode {
    /// Its name.
    pub name: Arc<str>,
    /// Not a process of this machine.
    pub is_external: bool,
}

/// Calls between two on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapEdge {
    /// Who calls.
    pub from: Arc<str>,
    /// Who is called.
    pub to: Arc<str>,
    /// In the window.
    pub now: Figures,
    /// Before.
    pub before: Option<Figures>,
}

/// Something that was not there before.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Since when, as fine as is known.
    pub at: Timestamp,
    /// Where.
    pub endpoint: EndpointId,
    /// What is new.
    pub what: Novelty,
}

impl Change {
    /// The order in which changes are told.
    pub fn newest_first(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at).then_with(|| self.endpoint.cmp(&other.endpoint))
    }
}

/// What is new at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Novelty {
    /// The endpoint.
    Endpoint,
    /// A status (absent: no response).
    Status(Option<u16>),
    /// Somebody who calls it.
    Caller(Arc<str>),
    /// A field of its messages.
    Field(Spot, String),
    /// A type (JSON Schema's name) that a field had not had.
    Type(Spot, String, &'static str),
    /// Bodies of a media type.
    Media(Spot, String),
}

impl Change {
    /// What is new in the messages of an endpoint.
    pub fn of(endpoint: EndpointId, New { at, spot, name, what }: New) -> Self {
        let what = match what {
            News::Field => Novelty::Field(spot, name),
            News::Type(kind) => Novelty::Type(spot, name, kind),
            News::Media => Novelty::Media(spot, name),
        };
        Self { at, endpoint, what }
    }
}

/// How the listening goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Captured, lost and unreadable since the start.
    pub statistics: Statistics,
    /// What is kept; absent without a store.
    pub store: Option<StoreHealth>,
    /// Why nothing is kept, or what is wrong with it.
    pub trouble: Option<String>,
    /// Memory of this process, in bytes.
    pub resident: Option<u64>,
    /// When it began to listen; absent where it only reads.
    pub started: Option<Timestamp>,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreHealth {
    /// Its file.
    pub path: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Its bound.
    pub most_bytes: u64,
    /// How long ten-second, minute and hour counts are kept.
    pub kept: [Duration; 3],
    /// The oldest calls.
    pub oldest: Option<Timestamp>,
}

/// Why there is no answer: a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered(pub String);

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What front ends ask of what is kept over time, together with what was just heard.
pub trait History {
    /// Endpoints that were called, in no particular order; with time lines of about `points` steps (0: none).
    ///
    /// # Errors
    /// When the store cannot be read.
    fn endpoints(&self, asked: Asked, points: usize) -> Result<Covered<Vec<EndpointFigures>>, Unanswered>;
    /// Services that answered calls.
    ///
    /// # Errors
    /// As [`Self::endpoints`].
    fn services(&self, asked: Asked, points: usize) -> Result<Covered<Vec<ServiceFigures>>, Unanswered>;
    /// One endpoint; `None` when it was never called.
    ///
    /// # Errors
    /// As [`Self::endpoints`].
    fn endpoint(
        &self,
        id: &EndpointId,
        asked: Asked,
        points: usize,
    ) -> Result<Option<Covered<EndpointHistory>>, Unanswered>;
    /// Who calls whom.
    ///
    /// # Errors
    /// As [`Self::endpoints`].
    fn map(&self, asked: Asked) -> Result<Covered<Map>, Unanswered>;
    /// What is new in the window, newest first.
    ///
    /// # Errors
    /// As [`Self::endpoints`].
    fn changes(&self, asked: Asked) -> Result<Covered<Vec<Change>>, Unanswered>;
    /// How the listening goes.
    fn health(&self) -> Health;
    /// Counts since the listening began, that never become less; none where nobody listens.
    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }
    /// The build that each service runs; none where nobody listens.
    fn running(&self) -> Vec<Deploy> {
        Vec::new()
    }
    /// All that was learned of an endpoint: schema, parameters, reasons.
    ///
    /// # Errors
    /// As [`Self::endpoints`].
    fn describe(&self, id: &EndpointId) -> Result<Option<crate::EndpointDetail>, Unanswered>;
    /// The APIs of a service, or of the server of this name, as they would be if these hints were given.
    ///
    /// # Errors
    /// As [`Self::endpoints`].
    fn apis(&self, _service: &str, _hints: Hints) -> Result<Vec<Api>, Unanswered> {
        Ok(Vec::new())
    }
    /// From now on these hints hold, for the past as well.
    fn know(&self, _hints: Hints) {}
}
