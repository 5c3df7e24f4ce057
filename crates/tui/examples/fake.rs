#![expect(clippy::print_stdout, clippy::panic, reason = "an example that is looked at by hand")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "made-up numbers"
)]
//! The live table over a made-up shop that moves, to look at the views without a kernel: `cargo run --example fake`.
//! `fake empty` shows what there is before the first exchange, `fake panic` that the terminal survives one.

use overhear_exchange::{
    Address, Body, Detail, ErrorType, Exchange, Headers, Http, HttpVersion, LossReason, Method, Peer,
    Process, Redacted, Scheme, Statistics, Timestamp, wire::ConnectionId,
};
use overhear_query::{
    CallerRow, EndpointDetail, EndpointId, EndpointRow, LatencyBucket, LiveRow, LiveSource, Percentiles, Way,
};
use std::{
    error::Error,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

fn main() -> Result<(), Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let mode = std::env::args().nth(1).unwrap_or_default();
    if mode == "panic" {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            panic!("a thread of the example fails on purpose");
        });
    }
    let source = Moving { began: Instant::now(), empty: mode == "empty" };
    let options = overhear_tui::Options { listening_to: "port 8080".to_owned(), ..Default::default() };
    let outcome = overhear_tui::run(&source, None, &options, &stop)?;
    println!("{outcome:?}");
    Ok(())
}

/// Endpoints: service, outbound, method, route, calls per second, share of errors, median seconds.
const SHOP: [(&str, bool, &str, &str, f64, f64, f64); 14] = [
    ("shop-gateway", false, "GET", "/api/products", 9.0, 0.0, 0.004),
    ("shop-gateway", false, "GET", "/api/products/{product}", 6.5, 0.01, 0.003),
    ("shop-gateway", false, "POST", "/api/orders", 2.0, 0.02, 0.045),
    ("shop-gateway", false, "POST", "/api/orders/{orderId}/pay", 1.6, 0.08, 0.41),
    ("shop-gateway", false, "GET", "/api/users/me", 3.0, 0.0, 0.002),
    ("shop-orders", false, "POST", "/orders", 2.0, 0.02, 0.038),
    ("shop-orders", false, "GET", "/orders/{orderId}", 4.0, 0.0, 0.006),
    ("shop-orders", true, "POST", "/charges", 1.6, 0.08, 0.4),
    (
        "shop-orders",
        false,
        "GET",
        "/orders/{orderId}/shipments/{shipmentId}/events/{eventId}/attachments",
        0.1,
        0.0,
        0.02,
    ),
    ("shop-catalog", false, "GET", "/products", 9.0, 0.0, 0.002),
    ("shop-users", false, "GET", "/users/{userId}", 5.0, 0.0, 0.001),
    ("shop-payments", false, "POST", "/charges", 1.6, 0.08, 0.39),
    ("shop-inventory", false, "GET", "/kv/{table}/{key}", 31.0, 0.0, 0.000_31),
    ("shop-evil", false, "GET", "/a\u{1b}[31m\u{202e}evil/{x}/漢字", 0.5, 0.0, 0.01),
];

struct Moving {
    began: Instant,
    empty: bool,
}

impl Moving {
    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64() + 1.0
    }

    fn row(&self, index: usize) -> Option<LiveRow> {
        let (service, outbound, method, route, rate, errors, p50) = *SHOP.get(index)?;
        let seconds = self.seconds();
        let wave = 1.0 + 0.4 * (seconds / 5.0 + index as f64).sin();
        let requests = (rate * seconds) as u64;
        let way = if outbound { Way::Outbound("api.payments.example".into()) } else { Way::Inbound };
        let slow = 1.0 + 0.5 * (seconds / 9.0 + index as f64).cos();
        let row = EndpointRow {
            id: EndpointId {
                service: service.into(),
                way,
                protocol: "http",
                method: method.into(),
                route: route.into(),
            },
            requests,
            errors: (requests as f64 * errors) as u64,
            errors_hidden: if route == "/orders" { requests / 40 } else { 0 },
            latency: (requests > 0).then(|| percentiles(p50 * slow)),
            bytes_in: requests * 180,
            bytes_out: requests * 2_300,
            first_seen: ago(seconds),
            last_seen: ago(if rate < 1.0 { seconds % (1.0 / rate) } else { 0.1 }),
        };
        let slice = (seconds / 3.0) as u32;
        let sparkline = (0..20u32)
            .map(|i| {
                let at = f64::from(slice + i);
                (rate > 0.9 || (slice + i).is_multiple_of(4))
                    .then(|| p50 * (1.2 + (at * 0.9 + index as f64).sin()))
            })
            .collect();
        Some(LiveRow {
            row,
            rate: rate * wave,
            open: 0,
            error_share: Some(errors * (wave - 0.8).max(0.0)),
            sparkline,
        })
    }

    fn exchange(&self, id: &EndpointId, age: u64) -> Exchange {
        let at = ((self.seconds() * 3.0) as u64).saturating_sub(age);
        let process = |pid, service: &str| Some(Arc::new(Process::new(pid, service)));
        let failed = at.is_multiple_of(11);
        Exchange {
            connection: ConnectionId(at),
            time: ago(age as f64 / 3.0),
            duration: (!failed).then(|| Duration::from_micros(900 + at * 7_919 % 60_000)),
            time_to_first_byte: (!failed).then(|| Duration::from_micros(800 + at * 7_919 % 60_000)),
            direction: id.way.direction(),
            client: Peer { address: local(50_000), process: process(4_100, "shop-gateway") },
            server: Peer { address: local(8_080), process: process(4_101, &id.service) },
            service: Arc::clone(&id.service),
            error: failed.then_some(ErrorType::ConnectionReset),
            detail: Detail::Http(Box::new(http(id, at, failed))),
        }
    }
}

impl LiveSource for Moving {
    fn open(&self) -> Vec<overhear_query::OpenStream> {
        Vec::new()
    }

    fn rows(&self) -> Vec<LiveRow> {
        if self.empty { Vec::new() } else { (0..SHOP.len()).filter_map(|index| self.row(index)).collect() }
    }

    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail> {
        let row = self.rows().into_iter().find(|row| row.row.id == *id)?.row;
        let fine = row.requests - row.errors;
        let p50 = row.latency.map_or(0.01, |latency| latency.p50);
        let latency = (0..40)
            .map(|i| LatencyBucket {
                from: p50 / 5.0 * 1.12f64.powi(i),
                to: p50 / 5.0 * 1.12f64.powi(i + 1),
                count: (fine as f64 * (-(f64::from(i) - 14.0).powi(2) / 60.0).exp() / 13.0) as u64,
            })
            .collect();
        Some(EndpointDetail {
            statuses: vec![(Some(200), fine), (Some(502), row.errors)],
            errors: vec![(ErrorType::Status(502), row.errors)],
            latency,
            callers: vec![CallerRow {
                name: "shop-gateway".into(),
                requests: row.requests,
                errors: row.errors,
            }],
            path: Vec::new(),
            shape: Default::default(),
            names: Default::default(),
            why: Vec::new(),
            row,
        })
    }

    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>> {
        let Some(id) = id else { return Vec::new() };
        (0..limit.min(60) as u64).map(|age| Arc::new(self.exchange(id, age))).collect()
    }

    fn statistics(&self) -> Statistics {
        let mut statistics = Statistics { connections: 41, ..Statistics::default() };
        statistics.unreadable.insert("tls", 12);
        if self.empty {
            return statistics;
        }
        statistics.exchanges = self.rows().iter().map(|row| row.row.requests).sum();
        if self.seconds() > 20.0 {
            statistics.lose(LossReason::RingFull, self.seconds() as u64, 100_000);
        }
        statistics
    }
}

fn http(id: &EndpointId, at: u64, failed: bool) -> Http {
    let body = format!(r#"{{"id":"ord_{at}","items":[{{"sku":"A-1","quantity":2}}],"total":{at}.50}}"#);
    Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Http,
        method: Method::new(&id.method),
        authority: Some("127.0.0.1:8080".into()),
        path: id.route.replace("{orderId}", &format!("ord_{at}")).into(),
        query: Some(format!("page={}", at % 7).into()),
        status: (!failed).then_some(200),
        request_headers: Headers::new([(&b"Host"[..], &b"127.0.0.1"[..]), (b"Authorization", b"[masked]")]),
        response_headers: Headers::new([(&b"Content-Type"[..], &b"application/json"[..])]),
        request_body: Body::default(),
        response_body: Body {
            size: body.len() as u64,
            captured: Redacted::new(body.into()),
            complete: true,
            ..Body::default()
        },
        trailers: Headers::default(),
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    }
}

fn percentiles(p50: f64) -> Percentiles {
    Percentiles { p50, p90: p50 * 2.1, p95: p50 * 3.0, p99: p50 * 7.0 }
}

fn local(port: u16) -> Address {
    Address::Ip(SocketAddr::from(([127, 0, 0, 1], port)))
}

fn ago(seconds: f64) -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let then = now.saturating_sub(Duration::from_secs_f64(seconds.max(0.0)));
    Timestamp::from_nanos(u64::try_from(then.as_nanos()).unwrap_or(u64::MAX))
}
