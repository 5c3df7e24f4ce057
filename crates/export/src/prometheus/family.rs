//! What is told, before it is written in one way or the other.

use super::{Exposition, native};
use overhear_exchange::{Authority, Loss, Statistics, Timestamp};
use overhear_model::Count;
use overhear_query::{EndpointId, Metric, monitor::Health};
use std::{borrow::Cow, collections::BTreeMap};

/// Samples of one name.
pub(super) struct Family<'a> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) samples: Samples<'a>,
}

pub(super) enum Samples<'a> {
    Counter(Vec<(Labels<'a>, f64)>),
    Gauge(Vec<(Labels<'a>, f64)>),
    /// Without quantiles: sum and count.
    Summary(Vec<(Labels<'a>, f64, u64)>),
    Histogram(Vec<(Labels<'a>, Distribution)>),
}

/// Names and values, in the order they are written.
pub(super) type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// Latencies of calls.
pub(super) struct Distribution {
    /// All calls.
    pub(super) count: u64,
    /// Of those that are known, in seconds.
    pub(super) sum: f64,
    /// Calls up to each of [`super::BOUNDS`], cumulative.
    pub(super) classic: Vec<u64>,
    /// Index and count of native buckets, ascending.
    pub(super) native: Vec<(i32, u64)>,
    /// When it began to count.
    pub(super) since: Timestamp,
}

/// The same labels may come from several endpoints: methods that are not usual are one.
struct Calls {
    count: Count,
    errors_hidden: u64,
    since: Timestamp,
}

struct Names {
    duration: (&'static str, &'static str),
    request: (&'static str, &'static str),
    response: (&'static str, &'static str),
    hidden: (&'static str, &'static str),
}

const SERVER: Names = Names {
    duration: (
        "http_server_request_duration_seconds",
        "From the last request byte to the last response byte of calls that services answer; above every bound without a complete response.",
    ),
    request: (
        "http_server_request_body_size_bytes",
        "Request bodies of calls that services answer, as sent.",
    ),
    response: (
        "http_server_response_body_size_bytes",
        "Response bodies of calls that services answer, as sent.",
    ),
    hidden: (
        "overhear_http_server_hidden_errors_total",
        "Answers of services that say 2xx and whose body says error.",
    ),
};

const CLIENT: Names = Names {
    duration: (
        "http_client_request_duration_seconds",
        "From the last request byte to the last response byte of calls that services ask; above every bound without a complete response.",
    ),
    request: ("http_client_request_body_size_bytes", "Request bodies of calls that services ask, as sent."),
    response: (
        "http_client_response_body_size_bytes",
        "Response bodies of calls that services ask, as sent.",
    ),
    hidden: (
        "overhear_http_client_hidden_errors_total",
        "Answers to services that say 2xx and whose body says error.",
    ),
};

/// Everything, in a stable order; families without samples are left out.
pub(super) fn families(what: Exposition<'_>) -> Vec<Family<'_>> {
    let mut families = Vec::new();
    for (names, is_client) in [(SERVER, false), (CLIENT, true)] {
        let metrics = what.metrics.iter().filter(|metric| metric.id.way.server().is_some() == is_client);
        families.extend(calls(&names, metrics));
    }
    families.extend(own(what));
    families.retain(|family| !family.samples.is_empty());
    families
}

fn calls<'a>(names: &Names, metrics: impl Iterator<Item = &'a Metric>) -> [Family<'a>; 4] {
    let mut sums = BTreeMap::<Labels<'a>, Calls>::new();
    for metric in metrics {
        let sum = sums.entry(labels(metric)).or_insert_with(|| Calls {
            count: Count::default(),
            errors_hidden: 0,
            since: metric.since,
        });
        sum.count.merge(&metric.count);
        sum.errors_hidden = sum.errors_hidden.saturating_add(metric.errors_hidden);
        sum.since = sum.since.min(metric.since);
    }
    let (mut durations, mut requests, mut responses, mut hidden) = (vec![], vec![], vec![], vec![]);
    for (labels, Calls { count, errors_hidden, since }) in sums {
        requests.push((labels.clone(), float(count.bytes_in), count.requests));
        responses.push((labels.clone(), float(count.bytes_out), count.requests));
        if errors_hidden > 0 {
            hidden.push((labels.clone(), float(errors_hidden)));
        }
        durations.push((labels, Distribution::of(&count, since)));
    }
    [
        (names.duration, Samples::Histogram(durations)),
        (names.request, Samples::Summary(requests)),
        (names.response, Samples::Summary(responses)),
        (names.hidden, Samples::Counter(hidden)),
    ]
    .map(|((name, help), samples)| Family { name, help, samples })
}

/// Those of OpenTelemetry that are known; what is not known has no label.
fn labels(metric: &Metric) -> Labels<'_> {
    let EndpointId { service, way, method, route, .. } = &metric.id;
    let mut labels: Labels<'_> = vec![("service_name", Cow::Borrowed(&**service))];
    if let Some(server) = way.server() {
        let at = Authority::parse(server);
        labels.push(("server_address", at.host.into()));
        labels.extend(at.port.map(|port| ("server_port", port.to_string().into())));
    }
    labels.push(("http_request_method", known_method(method).into()));
    labels.push(("http_route", Cow::Borrowed(&**route)));
    labels.extend(metric.status.map(|status| ("http_response_status_code", status.to_string().into())));
    labels.extend(metric.error.map(|error| ("error_type", error.to_string().into())));
    labels
}

/// The methods that OpenTelemetry tells apart.
fn known_method(method: &str) -> &str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    if KNOWN.contains(&method) { method } else { "_OTHER" }
}

impl Distribution {
    fn of(count: &Count, since: Timestamp) -> Self {
        let latency = &count.latency;
        let mut classic = vec![0_u64; super::BOUNDS.len()];
        for (_, to, calls) in latency.buckets() {
            let first = super::BOUNDS.partition_point(|bound| *bound < to);
            for cumulative in classic.iter_mut().skip(first) {
                *cumulative = cumulative.saturating_add(calls);
            }
        }
        // As many as there are calls, whatever a damaged file says.
        let all = count.requests.max(latency.count());
        Self {
            count: all,
            sum: latency.sum().as_secs_f64(),
            classic,
            native: native::buckets(latency, all.saturating_sub(latency.count())),
            since,
        }
    }
}

/// What is told of this program itself.
fn own<'a>(what: Exposition<'a>) -> Vec<Family<'a>> {
    let Exposition { health, deploys, version, .. } = what;
    let deployed = deploys.iter().map(|deploy| {
        let mut labels: Labels<'a> = vec![("service_name", (&*deploy.service).into())];
        labels.extend(deploy.version.as_deref().map(|version| ("service_version", version.into())));
        (labels, seconds(deploy.at))
    });
    let gauge = |name, help, value: Option<f64>| Family {
        name,
        help,
        samples: Samples::Gauge(value.map(|value| (Labels::new(), value)).into_iter().collect()),
    };
    let mut families = vec![
        Family {
            name: "overhear_build_info",
            help: "Always 1.",
            samples: Samples::Gauge(vec![(vec![("version", version.into())], 1.0)]),
        },
        Family {
            name: "overhear_deploy_timestamp_seconds",
            help: "When a service began to run its present build.",
            samples: Samples::Gauge(deployed.collect()),
        },
    ];
    families.extend(heard(&health.statistics));
    let Health { store, resident, started, .. } = health;
    let store = store.as_ref().map(|store| float(store.bytes));
    let start = "Start time of the process since unix epoch in seconds.";
    families.extend([
        gauge("overhear_store_bytes", "Size of what is kept.", store),
        gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident.map(float)),
        gauge("process_start_time_seconds", start, started.map(seconds)),
    ]);
    families
}

/// What was captured, lost and unreadable.
fn heard(statistics: &Statistics) -> [Family<'_>; 7] {
    let Statistics { events, bytes, connections, exchanges, unreadable, lost, unread: _ } = statistics;
    let one = |count: &u64| vec![(Labels::new(), float(*count))];
    let lost = |of: fn(&Loss) -> u64| -> Vec<_> {
        lost.iter()
            .map(|(reason, loss)| (vec![("reason", reason.as_str().into())], float(of(loss))))
            .collect()
    };
    let unreadable = unreadable.iter();
    let unreadable = unreadable.map(|(what, count)| (vec![("protocol", (*what).into())], float(*count)));
    [
        ("overhear_exchanges_total", "Calls heard.", one(exchanges)),
        ("overhear_events_total", "Socket calls or packets seen.", one(events)),
        ("overhear_bytes_total", "Payload bytes seen.", one(bytes)),
        ("overhear_connections_total", "Connections seen.", one(connections)),
        (
            "overhear_lost_events_total",
            "Socket calls, packets or calls that were not heard, by reason.",
            lost(|loss| loss.events),
        ),
        (
            "overhear_lost_bytes_total",
            "Bytes that were not heard, as far as they are known, by reason.",
            lost(|loss| loss.bytes),
        ),
        (
            "overhear_unreadable_connections_total",
            "Connections that speak nothing that is read, by what they look like.",
            unreadable.collect(),
        ),
    ]
    .map(|(name, help, samples)| Family { name, help, samples: Samples::Counter(samples) })
}

impl Samples<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Counter(samples) | Self::Gauge(samples) => samples.is_empty(),
            Self::Summary(samples) => samples.is_empty(),
            Self::Histogram(samples) => samples.is_empty(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in 64-bit floats")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

fn seconds(time: Timestamp) -> f64 {
    float(time.as_nanos()) / 1e9
}
