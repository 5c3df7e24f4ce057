//! What is pushed by OTLP: metrics, log records and spans, as the bytes of its protobuf encoding
//! (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! Names follow OpenTelemetry's semantic conventions for HTTP. Durations go in the buckets they are counted in: an
//! exponential histogram of scale 5, cumulative. A call without a complete response took nobody knows how long: it is in the
//! number of requests, and in no histogram.
//!
//! Neither bodies nor headers nor the query are told, and secrets in a path are masked.

mod message;

use message::{Any, AnyValue, Data, KeyValue};
use overhear_exchange::{Authority, Detail, Direction, ErrorType, Exchange, Timestamp};
use overhear_model::{Count, Histogram};
use overhear_query::{Attribute, EndpointId, Metric, Value, attributes, redact};
use prost::Message;
use std::{collections::BTreeMap, sync::Arc};

const CUMULATIVE: i32 = 2;
/// About how many bytes a request has at most: receivers of gRPC take 4 MiB, unless they are told otherwise.
const ROOM: usize = 1 << 20;

/// Of the resource, of the record itself, or never told.
const ELSEWHERE: [Attribute; 4] =
    [Attribute::ServiceName, Attribute::Time, Attribute::Query, Attribute::ErrorType];

/// An exchange that matters.
#[derive(Clone, Debug)]
pub struct Event {
    /// Masked, see [`Event::new`].
    exchange: Exchange,
    route: Arc<str>,
    error: Option<ErrorType>,
    why: Why,
    trace: Trace,
}

/// Why an exchange matters; the first that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It counts as an error.
    Failed,
    /// Slower than nearly all of its endpoint before it.
    Slow,
    /// The first of its endpoint with this status.
    First,
}

/// Where a span belongs (W3C Trace Context).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace: that of the request, or a new one.
    pub id: u128,
    /// The span of the exchange.
    pub span: u64,
    /// The span that the request names.
    pub parent: Option<u64>,
    /// The flags that the request names.
    pub flags: u8,
}

impl Why {
    /// `failed`, `slow` or `first`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::First => "first",
        }
    }

    /// `SeverityNumber` with its name.
    const fn severity(self) -> (i32, &'static str) {
        match self {
            Self::Failed => (17, "ERROR"),
            Self::Slow => (13, "WARN"),
            Self::First => (9, "INFO"),
        }
    }
}

impl Trace {
    /// The trace that a request says it is part of; else `id`. `span` is new.
    pub fn of(exchange: &Exchange, id: u128, span: u64) -> Self {
        let Detail::Http(http) = &exchange.detail;
        let named = http.request_headers.get("traceparent").and_then(traceparent);
        named.map_or(Self { id, span, parent: None, flags: 0 }, |(id, parent, flags)| Self {
            id,
            span,
            parent: Some(parent),
            flags,
        })
    }
}

/// `version-traceid-parentid-flags` (W3C Trace Context §3.2); later versions may add to it.
fn traceparent(value: &[u8]) -> Option<(u128, u64, u8)> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.trim().split('-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let version = hex(2)?;
    let id = u128::from_str_radix(hex(32)?, 16).ok()?;
    let parent = u64::from_str_radix(hex(16)?, 16).ok()?;
    let flags = u8::from_str_radix(hex(2)?, 16).ok()?;
    let is_whole = version != "ff" && (version != "00" || parts.next().is_none());
    (is_whole && id != 0 && parent != 0).then_some((id, parent, flags))
}

impl Event {
    /// Of an exchange as it was heard; its secrets are masked here.
    pub fn new(
        exchange: &Exchange,
        route: Arc<str>,
        error: Option<ErrorType>,
        why: Why,
        trace: Trace,
    ) -> Self {
        let mut exchange = exchange.clone();
        let Detail::Http(http) = &mut exchange.detail;
        http.query = None;
        (http.request_body.captured, http.response_body.captured) = Default::default();
        Self { exchange: redact::exchange(exchange), route, error, why, trace }
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut all = Vec::new();
        attributes(&self.exchange, Some(&self.route), |attribute, value| {
            if !ELSEWHERE.contains(&attribute) {
                all.push(pair(attribute.name(), any(value)));
            }
        });
        all.extend(self.error.map(|error| pair(Attribute::ErrorType.name(), text(error.to_string()))));
        all.push(pair("overhear.reason", text(self.why.as_str())));
        all
    }

    fn name(&self) -> String {
        let Detail::Http(http) = &self.exchange.detail;
        format!("{} {}", known_method(http.method.as_str()), self.route)
    }

    fn sentence(&self) -> String {
        let Detail::Http(http) = &self.exchange.detail;
        let status = http.status.map(|status| status.to_string());
        let ended = status.or_else(|| self.error.map(|error| error.to_string()));
        let took = self.exchange.duration.map(|took| format!(" in {:.3} s", took.as_secs_f64()));
        format!("{} {}{}", self.name(), ended.as_deref().unwrap_or("no response"), took.unwrap_or_default())
    }

    /// From the first byte of the request, until its response ended as far as that is known.
    fn ended(&self) -> u64 {
        let took = self.exchange.duration.unwrap_or_default().as_nanos();
        self.exchange.time.as_nanos().saturating_add(u64::try_from(took).unwrap_or(u64::MAX))
    }

    fn record(&self, observed: Timestamp) -> message::Record {
        let (severity, name) = self.why.severity();
        message::Record {
            time: self.ended(),
            severity,
            severity_text: name.to_owned(),
            body: Some(text(self.sentence())),
            attributes: self.attributes(),
            flags: self.trace.flags.into(),
            trace: self.trace.id.to_be_bytes().to_vec(),
            span: self.trace.span.to_be_bytes().to_vec(),
            observed: observed.as_nanos(),
            event_name: "overhear.exchange".to_owned(),
        }
    }

    fn span(&self) -> message::Span {
        message::Span {
            trace: self.trace.id.to_be_bytes().to_vec(),
            id: self.trace.span.to_be_bytes().to_vec(),
            parent: self.trace.parent.map(|parent| parent.to_be_bytes().to_vec()).unwrap_or_default(),
            name: self.name(),
            kind: match self.exchange.direction {
                Direction::Inbound => 2,
                Direction::Outbound => 3,
            },
            start: self.exchange.time.as_nanos(),
            end: self.ended(),
            attributes: self.attributes(),
            status: self.error.map(|_| message::Status { code: 2 }),
            flags: self.trace.flags.into(),
        }
    }
}

/// Calls so far, as one `ExportMetricsServiceRequest` after another; none without any.
pub fn metrics(metrics: &[Metric], now: Timestamp, version: &str) -> Vec<Vec<u8>> {
    // The same attributes may come from several endpoints: methods that are not usual are one.
    let mut sums = BTreeMap::<_, BTreeMap<_, (Count, Timestamp)>>::new();
    for metric in metrics {
        let id = EndpointId {
            method: known_method(&metric.id.method).into(),
            protocol: "http",
            ..metric.id.clone()
        };
        let calls = sums.entry(Arc::clone(&id.service)).or_default().entry((id, metric.status, metric.error));
        let (count, since) = calls.or_insert_with(|| (Count::default(), metric.since));
        count.merge(&metric.count);
        *since = (*since).min(metric.since);
    }
    let mut requests = Requests::new(version);
    for (service, calls) in &sums {
        for ((id, status, error), (count, since)) in calls {
            requests.add(id, labels(id, *status, *error), count, [since.as_nanos(), now.as_nanos()]);
            if requests.size > ROOM {
                requests.end_service(service);
                requests.end();
            }
        }
        requests.end_service(service);
    }
    requests.end();
    requests.done
}

/// Requests as they fill up: the points of one service by side, whole services, whole requests.
struct Requests<'a> {
    version: &'a str,
    sides: [(Vec<message::Number>, Vec<message::Point>); 2],
    resources: Vec<message::ResourceMetrics>,
    size: usize,
    done: Vec<Vec<u8>>,
}

impl<'a> Requests<'a> {
    fn new(version: &'a str) -> Self {
        Self { version, sides: Default::default(), resources: Vec::new(), size: 0, done: Vec::new() }
    }

    /// `times`: since when it counts, until when.
    fn add(&mut self, id: &EndpointId, attributes: Vec<KeyValue>, count: &Count, times: [u64; 2]) {
        let [server, client] = &mut self.sides;
        let (requests, durations) = if id.way.server().is_some() { client } else { server };
        let [start, time] = times;
        if count.latency.count() > 0 {
            let point = point(&count.latency, attributes.clone(), start, time);
            self.size += point.encoded_len();
            durations.push(point);
        }
        let value = Some(i64::try_from(count.requests).unwrap_or(i64::MAX));
        let number = message::Number { start, time, value, attributes };
        self.size += number.encoded_len();
        requests.push(number);
    }

    fn end_service(&mut self, service: &str) {
        let [server, client] = std::mem::take(&mut self.sides);
        let mut metrics = of_side("server", server.0, server.1);
        metrics.extend(of_side("client", client.0, client.1));
        if !metrics.is_empty() {
            let scopes = vec![message::ScopeMetrics { scope: scope(self.version), metrics }];
            self.resources.push(message::ResourceMetrics { resource: resource(service), scopes });
        }
    }

    fn end(&mut self) {
        let resources = std::mem::take(&mut self.resources);
        if !resources.is_empty() {
            self.done.push(message::Metrics { resources }.encode_to_vec());
        }
        self.size = 0;
    }
}

fn of_side(
    side: &str,
    requests: Vec<message::Number>,
    durations: Vec<message::Point>,
) -> Vec<message::Metric> {
    let mut all = Vec::new();
    if !durations.is_empty() {
        all.push(message::Metric {
            name: format!("http.{side}.request.duration"),
            description: "From the last request byte to the last response byte.".to_owned(),
            unit: "s".to_owned(),
            data: Some(Data::Exponential(message::Exponential {
                points: durations,
                temporality: CUMULATIVE,
            })),
        });
    }
    if !requests.is_empty() {
        all.push(message::Metric {
            name: format!("overhear.http.{side}.requests"),
            description: "Calls, also those without a complete response.".to_owned(),
            unit: "{request}".to_owned(),
            data: Some(Data::Sum(message::Sum {
                points: requests,
                temporality: CUMULATIVE,
                monotonic: true,
            })),
        });
    }
    all
}

fn point(latency: &Histogram, attributes: Vec<KeyValue>, start: u64, time: u64) -> message::Point {
    let (mut offset, mut counts) = (0, Vec::new());
    for (index, count) in latency.indexed() {
        let index = i32::from(index);
        if counts.is_empty() {
            offset = index;
        }
        // Ascending, and the indices of a histogram are few: no more than 1,472 between the ends.
        let at = usize::try_from(index.saturating_sub(offset)).unwrap_or(0);
        counts.resize(at, 0);
        counts.push(count);
    }
    message::Point {
        attributes,
        start,
        time,
        count: latency.count(),
        sum: Some(latency.sum().as_secs_f64()),
        scale: Histogram::SCALE.cast_signed(),
        positive: Some(message::Buckets { offset, counts }),
    }
}

fn labels(id: &EndpointId, status: Option<u16>, error: Option<ErrorType>) -> Vec<KeyValue> {
    let mut all = vec![
        pair(Attribute::Method.name(), text(&*id.method)),
        pair(Attribute::Route.name(), text(&*id.route)),
    ];
    if let Some(server) = id.way.server() {
        let at = Authority::parse(server);
        all.push(pair(Attribute::ServerAddress.name(), text(at.host)));
        all.extend(at.port.map(|port| pair(Attribute::ServerPort.name(), integer(port.into()))));
    }
    all.extend(status.map(|status| pair(Attribute::StatusCode.name(), integer(status.into()))));
    all.extend(error.map(|error| pair(Attribute::ErrorType.name(), text(error.to_string()))));
    all
}

/// The methods that OpenTelemetry tells apart.
fn known_method(method: &str) -> &str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    if KNOWN.contains(&method) { method } else { "_OTHER" }
}

/// How many of these, from the first on, go in one request: at least that one.
pub fn fitting(events: &[Event]) -> usize {
    let mut size = 0;
    let fits = |event: &&Event| {
        size += event.record(event.exchange.time).encoded_len();
        size <= ROOM
    };
    events.iter().take_while(fits).count().max(1)
}

/// What happened, as `ExportLogsServiceRequest`.
pub fn logs(events: &[Event], now: Timestamp, version: &str) -> Vec<u8> {
    let resources = by_service(events).into_iter().map(|(service, events)| {
        let records = events.iter().map(|event| event.record(now)).collect();
        let scopes = vec![message::ScopeLogs { scope: scope(version), records }];
        message::ResourceLogs { resource: resource(service), scopes }
    });
    message::Logs { resources: resources.collect() }.encode_to_vec()
}

/// What happened, as `ExportTraceServiceRequest`.
pub fn traces(events: &[Event], version: &str) -> Vec<u8> {
    let resources = by_service(events).into_iter().map(|(service, events)| {
        let spans = events.iter().map(|event| event.span()).collect();
        let scopes = vec![message::ScopeSpans { scope: scope(version), spans }];
        message::ResourceSpans { resource: resource(service), scopes }
    });
    message::Traces { resources: resources.collect() }.encode_to_vec()
}

fn by_service(events: &[Event]) -> BTreeMap<&str, Vec<&Event>> {
    let mut all = BTreeMap::<&str, Vec<&Event>>::new();
    for event in events {
        all.entry(&event.exchange.service).or_default().push(event);
    }
    all
}

fn resource(service: &str) -> Option<message::Resource> {
    Some(message::Resource { attributes: vec![pair(Attribute::ServiceName.name(), text(service))] })
}

fn scope(version: &str) -> Option<message::Scope> {
    Some(message::Scope { name: "overhear".to_owned(), version: version.to_owned() })
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value) }
}

fn any(value: Value<'_>) -> AnyValue {
    match value {
        Value::String(said) => text(said),
        Value::Integer(number) => integer(number),
        Value::Double(number) => AnyValue { value: Some(Any::Double(number)) },
    }
}

fn text(said: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Any::Text(said.into())) }
}

const fn integer(number: i64) -> AnyValue {
    AnyValue { value: Some(Any::Integer(number)) }
}

#[cfg(test)]
mod tests {
    use super::{point, traceparent};
    use overhear_model::Histogram;
    use std::time::Duration;

    #[test]
    fn buckets_stand_at_their_index() {
        let mut latency = Histogram::default();
        for nanos in [500_000_000, 1_000_000_000, 1_000_000_001] {
            latency.record(Duration::from_nanos(nanos));
        }
        let point = point(&latency, Vec::new(), 1, 2);
        let buckets = point.positive.unwrap();
        // Bucket -1 ends at a second, and -33 at half of it.
        assert_eq!((buckets.offset, buckets.counts.len(), point.count), (-33, 34, 3));
        assert_eq!((buckets.counts[0], &buckets.counts[32..]), (1, &[1, 1][..]));
        assert_eq!(buckets.counts.iter().sum::<u64>(), point.count);
    }

    #[test]
    fn a_trace_is_joined_where_it_is_named_rightly() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let named = Some((0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7, 1));
        for (value, expected) in [
            (format!("00-{trace}"), named),
            (format!("cc-{trace}-more"), named),
            (format!("00-{trace}-more"), None),
            (format!("ff-{trace}"), None),
            (format!("00-{}", trace.to_uppercase()), None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(), None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(traceparent(value.as_bytes()), expected, "{value}");
        }
    }
}
