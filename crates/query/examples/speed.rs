//! How long the model and the live session take for one exchange: `cargo run --release -p overhear-query --example speed`.

#![expect(clippy::print_stdout, reason = "its figures are its purpose")]

use overhear_exchange::{
    Address, Body, Detail, Direction, Exchange, Headers, Http, HttpVersion, Method, Peer, Process, Redacted,
    Scheme, Timestamp, wire::ConnectionId,
};
use overhear_model::{Model, route};
use overhear_query::{
    Filter,
    live::{Retention, Session},
    redact,
};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

const ROUNDS: u64 = 400_000;

fn main() {
    many_endpoints();
    let exchanges: Vec<Exchange> = (0..64).map(exchange).collect();
    let pick = |n: u64| exchanges.get(usize::try_from(n % 64).unwrap_or(0));
    let paths =
        ["/api/v1/users/42/orders/7", "/health", "/orders/550e8400-e29b-41d4-a716-446655440000/items"];
    let mut route = String::new();
    for path in paths {
        measure(&format!("route {path}"), |_| {
            route.clear();
            route::write_template(black_box(path), &mut route);
        });
    }
    let mut model = Model::default();
    measure("learn, known endpoints", |n| {
        if let Some(exchange) = pick(n) {
            model.learn(exchange);
        }
    });
    measure("clone an exchange", |n| {
        black_box(pick(n).cloned());
    });
    measure("clone and redact", |n| {
        black_box(pick(n).cloned().map(redact::exchange));
    });
    let mut session = Session::new(Model::default(), Retention::default());
    measure("clone and observe", |n| {
        if let Some(mut exchange) = pick(n).cloned() {
            exchange.time = Timestamp::from_nanos(1_714_557_600_000_000_000 + n * 50_000);
            session.observe(&exchange);
        }
    });
    for text in
        ["http.response.status_code >= 500", r#"service.name == "shop" && url.path.startsWith("/api")"#]
    {
        let Ok(filter) = Filter::compile(text) else { continue };
        measure(text, |n| {
            black_box(pick(n).map(|exchange| filter.matches(exchange, Some("/x"))));
        });
    }
}

/// Ten thousand endpoints: what they take, and how long it takes to decide what they are.
fn many_endpoints() {
    let before = resident_bytes();
    let mut model = Model::default();
    for n in 0..30_000 {
        let mut call = exchange(n);
        let endpoint = n % 10_000;
        let letter = |n: u64| char::from(b'a' + u8::try_from(n % 20).unwrap_or(0));
        let Detail::Http(http) = &mut call.detail;
        http.path = format!("/v1/{}{}x/y{}", letter(endpoint), letter(endpoint / 20), endpoint).into();
        let body = format!(
            r#"{{"id":{n},"f{endpoint}":1,"g{endpoint}":"x","h{endpoint}":[1,2],"note":"{}"}}"#,
            "x".repeat(900)
        );
        http.response_body.captured = Redacted::new(body.into_bytes().into());
        model.learn(&call);
    }
    let start = Instant::now();
    let found = model.endpoints().len();
    let took = start.elapsed();
    let megabytes = resident_bytes().saturating_sub(before) >> 20;
    println!("{:>8} ms  decide the routes of {found} endpoints, {megabytes} MB", took.as_millis());
}

/// Of this process (`/proc/self/statm`, pages of 4 KiB); zero where there is no such file.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn measure(what: &str, mut work: impl FnMut(u64)) {
    let (start, wall) = (cpu_nanos(), Instant::now());
    (0..ROUNDS).for_each(&mut work);
    let nanos = match (start, cpu_nanos()) {
        (Some(start), Some(end)) => (end - start) as f64,
        _ => wall.elapsed().as_secs_f64() * 1e9,
    };
    println!("{:>8.0} ns  {what}", nanos / ROUNDS as f64);
}

/// Time on a CPU, so that the figures hold on a busy machine too; absent off Linux.
fn cpu_nanos() -> Option<u64> {
    std::fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// A usual call of a JSON API: eight header fields each way and a body of some 250 bytes.
fn exchange(n: u64) -> Exchange {
    let request: [(&[u8], &[u8]); 6] = [
        (b"Host", b"shop.example:8080"),
        (b"User-Agent", b"python-requests/2.32.3"),
        (b"Accept", b"application/json"),
        (b"Accept-Encoding", b"gzip, deflate"),
        (b"Connection", b"keep-alive"),
        (b"Authorization", b"Bearer 0123456789abcdef0123456789abcdef"),
    ];
    let response: [(&[u8], &[u8]); 4] = [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"250"),
        (b"Date", b"Wed, 01 May 2024 10:00:00 GMT"),
        (b"Server", b"nginx/1.27"),
    ];
    let body = r#"{"id":42,"user":{"id":7,"name":"Ann Example","email":"ann@example.org"},"items":[{"sku":"A-1","count":2,"price":12.5},{"sku":"B-2","count":1,"price":3.25}],"total":28.25,"currency":"EUR","note":null,"error":null,"created":"2024-05-01T10:00:00Z"}"#;
    let http = Http {
        version: HttpVersion::V1_1,
        scheme: Scheme::Http,
        method: Method::Get,
        authority: Some("shop.example:8080".into()),
        path: format!("/api/v1/users/{n}/orders/{}", n * 7).into(),
        query: Some("limit=20&sort=created".into()),
        status: Some(200),
        request_headers: Headers::new(request),
        response_headers: Headers::new(response),
        request_body: Body::default(),
        response_body: Body {
            size: 250,
            captured: Redacted::new(body.as_bytes().into()),
            complete: true,
            ..Body::default()
        },
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    };
    let caller = Process::new(100, "web");
    Exchange {
        connection: ConnectionId(n),
        time: Timestamp::from_nanos(1_714_557_600_000_000_000),
        duration: Some(Duration::from_micros(900 + n * 37)),
        time_to_first_byte: Some(Duration::from_micros(800 + n * 37)),
        direction: Direction::Inbound,
        client: Peer { address: Address::Ip(([10, 0, 0, 9], 4000).into()), process: Some(Arc::new(caller)) },
        server: Peer::default(),
        service: "shop".into(),
        error: None,
        detail: Detail::Http(Box::new(http)),
    }
}
