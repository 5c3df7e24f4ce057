//! How fast the shapes of calls are learned: all of each call, and the structure alone once it is settled.

use crate::{Effort as Extent, Figure, Result, median, process::cpu, yardstick};
use overhear_exchange::Headers;
use overhear_model::shape::{Call, Content, Effort, Scratch, Shapes};

const RUNS: usize = 5;
/// Different bodies, so that values repeat as little as they do in life.
const BODIES: u64 = 4_096;
const CALLS: usize = 100_000;
const KEY: u64 = 7;

pub(crate) fn measure(extent: Extent) -> Result<Vec<Figure>> {
    let bodies: Vec<String> = (0..BODIES).map(body).collect();
    let size = bodies.iter().map(String::len).sum::<usize>() / bodies.len().max(1);
    let calls = if extent.pairs > 2 { CALLS * 2 } else { CALLS };
    let whole = rates(&bodies, calls, |_| Effort::Whole)?;
    let adaptive = rates(&bodies, calls, |at| Effort::Adaptive(at as u64))?;
    Ok(vec![
        Figure::new(
            format!("shapes of calls with {size} bytes of JSON, learned whole, per second of CPU"),
            format!("{:.0}", median(&whole)),
            "≥ 60 000",
        ),
        yardstick::figure(&bodies)?,
        Figure::new(
            "adaptively, structure settled (one in 64 learned whole)",
            format!("{:.0}", median(&adaptive)),
            "≥ 250 000",
        ),
    ])
}

/// Calls per second of CPU, of each run.
fn rates(bodies: &[String], calls: usize, effort: impl Fn(usize) -> Effort) -> Result<Vec<f64>> {
    let request_headers = headers(&[
        ("Host", "api.example.com"),
        ("User-Agent", "client/2.1"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip"),
        ("Authorization", "Bearer 3f9a0b7cc1de42"),
        ("X-Tenant", "acme"),
    ]);
    let response_headers = headers(&[
        ("Date", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("Content-Length", "1024"),
        ("Server", "nginx"),
        ("X-RateLimit-Remaining", "4711"),
    ]);
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let (mut shapes, mut scratch) = (Shapes::default(), Scratch::default());
        let before = cpu(std::process::id())?;
        for (at, body) in bodies.iter().cycle().take(calls).enumerate() {
            let call = Call {
                query: Some("page=3&limit=50&status=active"),
                request_headers: &request_headers,
                request_body: None,
                status: Some(200),
                response_headers: &response_headers,
                response_body: Some(Content { bytes: body.as_bytes(), complete: true }),
                stream: None,
                gen_ai: None,
                effort: effort(at),
                at: overhear_exchange::Timestamp::from_nanos(1_780_876_800_000_000_000 + at as u64),
            };
            shapes.learn(KEY, &call, &mut scratch);
        }
        let seconds = (cpu(std::process::id())? - before) as f64 / 1e9;
        if shapes.operation().requests != calls as u64 {
            return Err("not all calls were learned".into());
        }
        rates.push(calls as f64 / seconds);
    }
    Ok(rates)
}

fn headers(fields: &[(&str, &str)]) -> Headers {
    Headers::new(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

/// About 1 KiB: a page of orders, with ids, times, words, prices, optional and null members.
fn body(seed: u64) -> String {
    let mut random = Random(seed);
    let orders: Vec<String> = (0..4).map(|_| order(&mut random)).collect();
    format!(
        r#"{{"data":[{}],"total":{},"next":"https://api.example.com/orders?cursor={:016x}"}}"#,
        orders.join(","),
        random.below(5_000),
        random.next()
    )
}

fn order(random: &mut Random) -> String {
    let status =
        ["pending", "paid", "shipped", "cancelled"].get(random.below(4) as usize).copied().unwrap_or("paid");
    let note = if random.below(4) == 0 { r#""note":"leave at the door please","# } else { "" };
    let coupon = if random.below(2) == 0 { "null".into() } else { format!("\"C{}\"", random.below(1_000)) };
    format!(
        r#"{{"id":"{:08x}-{:04x}-4e1c-8f0a-{:012x}",{note}"status":"{status}","total":{}.{:02},"coupon":{coupon},"paid":{},"created_at":"2026-{:02}-{:02}T10:{:02}:00Z","customer":{{"id":{},"email":"user{}@example.com"}}}}"#,
        random.below(1 << 32),
        random.below(1 << 16),
        random.below(1 << 48),
        random.below(500),
        random.below(100),
        random.below(2) == 0,
        1 + random.below(12),
        1 + random.below(28),
        random.below(60),
        random.below(100_000),
        random.below(100_000),
    )
}

/// `SplitMix64`: the same bodies in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
