//! A made-up source for the tests: the same answers every time.

use bytes::Bytes;
use overhear_exchange::{
    Address, Body, ContentCoding, Detail, ErrorType, Exchange, Headers, Http, HttpVersion, Method, Peer,
    Process, Redacted, Scheme, Statistics, Timestamp, wire::ConnectionId,
};
use overhear_query::{
    CallerRow, EndpointDetail, EndpointId, EndpointRow, LatencyBucket, Link, Links, LiveRow, LiveSource,
    Percentiles, Way,
    monitor::{
        Asked, Change, Covered, EndpointFigures, EndpointHistory, Figures, Health, History, Latency, Map,
        MapEdge, MapNode, ServiceFigures, StoreHealth, Unanswered,
    },
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// 2026-01-02 12:00:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_767_355_200_000_000_000);

/// Rows and statistics to be set by the test; details and exchanges follow from the rows.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) rows: Vec<LiveRow>,
    pub(crate) statistics: Statistics,
}

impl LiveSource for Fake {
    fn open(&self) -> Vec<overhear_query::OpenStream> {
        Vec::new()
    }

    fn rows(&self) -> Vec<LiveRow> {
        self.rows.clone()
    }

    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail> {
        let row = self.rows.iter().find(|row| row.row.id == *id)?.row.clone();
        Some(detail(row))
    }

    fn links(&self, id: &EndpointId) -> Option<Links> {
        let of = |row: &LiveRow| Link {
            id: Arc::new(row.row.id.clone()),
            calls: row.row.requests,
            errors: row.row.errors,
            mean: Duration::from_millis(3),
            each: Some(0.6),
        };
        let calls =
            self.rows.iter().filter(|row| row.row.id.way != Way::Inbound && row.row.id != *id).map(of);
        Some(Links { answered: 500, calls: calls.collect(), callers: Vec::new(), unsure: 0 })
    }

    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>> {
        let all = self.rows.iter().filter(|row| id.is_none_or(|id| row.row.id == *id));
        all.flat_map(|row| (0..12).map(|n| Arc::new(exchange(&row.row.id, n)))).take(limit).collect()
    }

    fn statistics(&self) -> Statistics {
        self.statistics.clone()
    }
}

impl History for Fake {
    fn endpoints(&self, _: Asked, _: usize) -> Result<Covered<Vec<EndpointFigures>>, Unanswered> {
        Err(Unanswered("not asked here".into()))
    }

    fn services(&self, _: Asked, _: usize) -> Result<Covered<Vec<ServiceFigures>>, Unanswered> {
        Err(Unanswered("not asked here".into()))
    }

    fn endpoint(
        &self,
        _: &EndpointId,
        _: Asked,
        _: usize,
    ) -> Result<Option<Covered<EndpointHistory>>, Unanswered> {
        Err(Unanswered("not asked here".into()))
    }

    fn map(&self, _: Asked) -> Result<Covered<Map>, Unanswered> {
        let edges = self.rows.iter().flat_map(edges);
        let mut edges: Vec<_> = edges.collect();
        edges.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        edges.dedup_by(|a, b| (&a.from, &a.to) == (&b.from, &b.to));
        let outside = ["api.payments.example", "203.0.113.7"];
        let nodes = outside.map(|name| MapNode { name: name.into(), is_external: true });
        let what = Map { nodes: nodes.into(), edges };
        let (from, until) = (Timestamp::from_nanos(NOW.as_nanos() - 3_600_000_000_000), NOW);
        let (deploys, since) = (Vec::new(), Vec::new());
        Ok(Covered { what, from, until, listened_from: from, step: Duration::ZERO, deploys, since })
    }

    fn changes(&self, _: Asked) -> Result<Covered<Vec<Change>>, Unanswered> {
        Err(Unanswered("not asked here".into()))
    }

    fn health(&self) -> Health {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        Health {
            statistics: self.statistics.clone(),
            store: Some(StoreHealth {
                path: "/var/lib/overhear/overhear.db".into(),
                bytes: 63_000_000,
                most_bytes: 2 << 30,
                kept: [hours(2), hours(72), hours(90 * 24)],
                oldest: Some(Timestamp::from_nanos(NOW.as_nanos() - 8_000_000_000_000)),
            }),
            trouble: None,
            resident: Some(58_000_000),
            started: Some(Timestamp::from_nanos(NOW.as_nanos() - 43_000_000_000)),
        }
    }

    fn describe(&self, _: &EndpointId) -> Result<Option<EndpointDetail>, Unanswered> {
        Err(Unanswered("not asked here".into()))
    }
}

/// Every service is called by the gateway, which is called from outside.
fn edges(row: &LiveRow) -> Vec<MapEdge> {
    let edge = |from: &str, to: &str, slower: f64| {
        let (requests, seconds) = (row.row.requests, 3_600.0);
        let latency = row.row.latency.map(|it| Latency {
            p50: it.p50,
            p90: it.p90,
            p95: it.p95 * slower,
            p99: it.p99,
            max: it.p99,
        });
        let now = Figures { requests, errors: row.row.errors, latency, seconds, ..Figures::default() };
        let latency = row.row.latency.map(|it| Latency {
            p50: it.p50,
            p90: it.p90,
            p95: it.p95,
            p99: it.p99,
            max: it.p99,
        });
        let before = Figures { requests: requests / 2, latency, seconds, ..Figures::default() };
        let before = (to != "users").then_some(before).or_else(|| Some(Figures::default()));
        MapEdge { from: from.into(), to: to.into(), now, before }
    };
    match row.row.id.way.server() {
        Some(server) => vec![edge(&row.row.id.service, server, 4.0)],
        None => vec![edge("gateway", &row.row.id.service, 1.0), edge("203.0.113.7", "gateway", 1.1)],
    }
}

/// A small shop.
pub(crate) fn busy() -> Fake {
    let rows = vec![
        row("orders", "GET", "/orders/{orderId}", 12.3, (1_204, 14), 0.012),
        row("orders", "POST", "/orders", 3.1, (310, 0), 0.087),
        row("orders", "GET", "/orders/{orderId}/items/{itemId}/history/{historyId}", 0.4, (41, 0), 0.004),
        outbound(row("orders", "POST", "/charges", 2.9, (290, 58), 1.31)),
        row("catalog", "GET", "/products", 21.0, (2_100, 0), 0.000_84),
        row("catalog", "GET", "/products/{product}", 9.9, (12_345, 1), 0.0031),
        row("users", "DELETE", "/users/{userId}", 0.0, (2, 0), 0.02),
        row("inventory", "GET", "/kv/{table}/{key}", 128.0, (1_280_000, 0), 0.000_21),
    ];
    let mut statistics = Statistics { exchanges: 1_296_292, connections: 38, ..Statistics::default() };
    statistics.unreadable.insert("tls", 12);
    Fake { rows, statistics }
}

pub(crate) fn row(
    service: &str,
    method: &str,
    route: &str,
    rate: f64,
    (requests, errors): (u64, u64),
    p50: f64,
) -> LiveRow {
    let id = EndpointId {
        service: service.into(),
        way: Way::Inbound,
        protocol: "http",
        method: method.into(),
        route: route.into(),
    };
    let row = EndpointRow {
        id,
        requests,
        errors,
        errors_hidden: if route == "/orders" { 7 } else { 0 },
        latency: Some(Percentiles { p50, p90: p50 * 2.0, p95: p50 * 3.0, p99: p50 * 9.0 }),
        bytes_in: requests * 120,
        bytes_out: requests * 1_400,
        first_seen: Timestamp::from_nanos(NOW.as_nanos() - 60_000_000_000),
        last_seen: Timestamp::from_nanos(NOW.as_nanos() - requests % 50 * 1_000_000_000),
    };
    let sparkline = (0..20u32)
        .map(|i| (rate > 1.0 || i % 5 == 0).then(|| p50 * f64::from(1 + (i * 7 + route.len() as u32) % 5)))
        .collect();
    LiveRow { row, rate, open: 0, error_share: Some(if errors > 20 { 0.2 } else { 0.0 }), sparkline }
}

fn outbound(mut row: LiveRow) -> LiveRow {
    row.row.id.way = Way::Outbound("api.payments.example".into());
    row
}

fn detail(row: EndpointRow) -> EndpointDetail {
    let p50 = row.latency.map_or(0.01, |latency| latency.p50);
    let fine = row.requests - row.errors;
    let latency = (0..24i32)
        .map(|i| LatencyBucket {
            from: p50 / 4.0 * 1.19f64.powi(i),
            to: p50 / 4.0 * 1.19f64.powi(i + 1),
            count: u64::from(120u32.saturating_sub(i.abs_diff(8).pow(2))) + u64::from(i == 20) * 30,
        })
        .collect();
    let callers = vec![
        CallerRow { name: "gateway".into(), requests: fine, errors: 0 },
        CallerRow { name: "127.0.0.1".into(), requests: row.errors, errors: row.errors },
    ];
    EndpointDetail {
        statuses: vec![(None, 2), (Some(200), fine), (Some(404), 31), (Some(503), row.errors)],
        errors: vec![(ErrorType::Status(503), row.errors), (ErrorType::ConnectionReset, 2)],
        latency,
        callers,
        path: Vec::new(),
        shape: Default::default(),
        names: Default::default(),
        why: Vec::new(),
        row,
    }
}

pub(crate) fn exchange(id: &EndpointId, n: u64) -> Exchange {
    let process = |pid, service: &str| Some(Arc::new(Process::new(pid, service)));
    let peer =
        |port, process| Peer { address: Address::Ip(SocketAddr::from(([127, 0, 0, 1], port))), process };
    let failed = n % 5 == 4;
    Exchange {
        connection: ConnectionId(40 + n),
        time: Timestamp::from_nanos(NOW.as_nanos() - n * 700_000_000),
        duration: (!failed).then(|| Duration::from_micros(2_400 + n * 1_310)),
        time_to_first_byte: (!failed).then(|| Duration::from_micros(2_100 + n * 1_300)),
        direction: id.way.direction(),
        client: peer(51_000, process(812, "gateway")),
        server: peer(8_080, process(815, &id.service)),
        service: Arc::clone(&id.service),
        error: failed.then_some(ErrorType::ConnectionReset),
        detail: Detail::Http(Box::new(http(id, n, failed))),
    }
}

fn http(id: &EndpointId, n: u64, failed: bool) -> Http {
    let json =
        br#"{"id":"ord_81","items":[{"sku":"A-1","quantity":2},{"sku":"B-7","quantity":1}],"note":null}"#;
    Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Http,
        method: Method::new(&id.method),
        authority: Some("shop.local".into()),
        path: id.route.replace("{orderId}", &format!("ord_{}", 80 + n)).into(),
        query: Some("expand=items".into()),
        status: (!failed).then_some(if n % 4 == 3 { 404 } else { 200 }),
        request_headers: Headers::new([
            (&b"Host"[..], &b"shop.local"[..]),
            (b"Authorization", b"[masked]"),
            (b"X-Odd", b"\x1b[31mred\x1b[0m"),
        ]),
        response_headers: Headers::new([
            (&b"Content-Type"[..], &b"application/json"[..]),
            (b"Content-Length", b"95"),
        ]),
        request_body: Body::default(),
        response_body: Body {
            size: json.len() as u64,
            captured: Redacted::new(Bytes::from_static(json)),
            complete: n != 1,
            codings: if n == 2 { [ContentCoding::Brotli].into_iter().collect() } else { Default::default() },
        },
        trailers: Headers::default(),
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    }
}
