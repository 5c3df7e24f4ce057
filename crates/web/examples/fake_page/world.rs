//! A made-up shop whose past can be asked for: everything is a function of the time.

#[path = "shape.rs"]
mod shape;

use overhear_exchange::{
    Address, Body, Cipher, Detail, Direction, ErrorType, Exchange, Headers, Http, HttpVersion, Loss,
    LossReason, Method, Peer, Process, Redacted, Scheme, Statistics, Timestamp, Unread, UnreadKey,
    UnreadReason, wire::ConnectionId,
};
use overhear_query::{
    EndpointDetail, EndpointId, EndpointRow, LatencyBucket, LiveRow, LiveSource, PathParameter, Way,
    monitor::{
        Asked, Beside, Change, Covered, Deploy, EndpointFigures, EndpointHistory, Figures, Health, History,
        Latency, Map, MapEdge, MapNode, Novelty, Point, ServiceFigures, Spot, StoreHealth, Unanswered,
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const HOUR: u64 = 3_600_000_000_000;
const SERVICES: [&str; 6] = ["web", "orders", "catalog", "payments", "users", "search"];
const NOUNS: [&str; 12] = [
    "orders",
    "carts",
    "products",
    "charges",
    "users",
    "sessions",
    "reviews",
    "shipments",
    "refunds",
    "coupons",
    "invoices",
    "addresses",
];
const FORMS: [(&str, &str); 7] = [
    ("GET", "/{noun}"),
    ("GET", "/{noun}/{id}"),
    ("POST", "/{noun}"),
    ("PATCH", "/{noun}/{id}"),
    ("DELETE", "/{noun}/{id}/items/{itemId}"),
    ("GET", "/{noun}/{id}/items"),
    ("GET", "/{noun}/search"),
];

/// The shop.
pub(crate) struct World {
    endpoints: Vec<One>,
    born: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    until: u64,
    exchanges: VecDeque<Arc<Exchange>>,
}

/// An endpoint: calls per second, share of errors, median in seconds, and what happens to it with the last deploy.
struct One {
    id: EndpointId,
    rate: f64,
    errors: f64,
    median: f64,
    fate: Fate,
    seed: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Same,
    Slower,
    Failing,
    New,
}

impl World {
    /// A shop of so many endpoints.
    pub(crate) fn new(endpoints: usize) -> Self {
        let endpoints = (0..endpoints).map(one).collect();
        Self { endpoints, born: now(), kept: Mutex::default() }
    }

    fn deploy(&self) -> u64 {
        self.born - HOUR * 2 / 5
    }

    fn window(&self, asked: Asked) -> (u64, u64) {
        let until = asked.until.map_or_else(now, Timestamp::as_nanos);
        let since = asked.since.map_or(until.saturating_sub(HOUR), Timestamp::as_nanos);
        match asked.beside {
            Beside::WindowBefore => (since, until),
            Beside::DeployBefore => (self.deploy(), until.max(self.deploy() + 1)),
        }
    }

    fn covered<T>(&self, asked: Asked, points: usize, what: T) -> Covered<T> {
        let (from, until) = self.window(asked);
        let step = Duration::from_nanos((until - from) / points.max(1) as u64);
        let deploy = Deploy {
            service: "orders".into(),
            at: Timestamp::from_nanos(self.deploy()),
            version: Some("9f3c2e1".into()),
        };
        let since = (asked.beside == Beside::DeployBefore).then(|| deploy.clone());
        let deploys = [deploy].into_iter().filter(|one| (from..until).contains(&one.at.as_nanos()));
        Covered {
            what,
            from: Timestamp::from_nanos(from),
            until: Timestamp::from_nanos(until),
            listened_from: Timestamp::from_nanos(from),
            step,
            deploys: deploys.collect(),
            since: since.into_iter().collect(),
        }
    }

    fn row(&self, one: &One, (from, until): (u64, u64), points: usize) -> EndpointFigures {
        let length = until - from;
        let earlier = (one.fate != Fate::New || from < self.deploy())
            .then(|| self.figures(one, from.saturating_sub(length), from));
        EndpointFigures {
            id: one.id.clone(),
            now: self.figures(one, from, until),
            before: earlier.filter(|figures| figures.requests > 0),
            points: self.points(one, (from, until), points),
        }
    }

    fn points(&self, one: &One, (from, until): (u64, u64), points: usize) -> Vec<Point> {
        let step = (until - from) / points.max(1) as u64;
        let steps = (0..points as u64).map(|n| from + n * step);
        let points = steps
            .map(|at| Point { at: Timestamp::from_nanos(at), figures: self.figures(one, at, at + step) });
        points.filter(|point| point.figures.requests > 0).collect()
    }

    fn figures(&self, one: &One, from: u64, until: u64) -> Figures {
        let deploy = self.deploy();
        if (from + 1..until).contains(&deploy) && one.fate != Fate::Same {
            return both(&self.figures(one, from, deploy), &self.figures(one, deploy, until));
        }
        let seconds = (until - from) as f64 / 1e9;
        let middle = from + (until - from) / 2;
        let after = middle > self.deploy();
        if one.fate == Fate::New && !after {
            return Figures { seconds, ..Figures::default() };
        }
        let wave =
            1.0 + 0.3 * (middle as f64 / 6e11 + one.seed as f64).sin() + 0.15 * noise(one.seed ^ middle);
        let requests = (one.rate * seconds * wave).round() as u64;
        let worse = after && one.fate == Fate::Failing;
        let share = one.errors * (0.5 + noise(one.seed + middle)) + if worse { 0.04 } else { 0.0 };
        let slow = if after && one.fate == Fate::Slower { 3.7 } else { 1.0 };
        let p50 = one.median * slow * (0.95 + 0.1 * noise(middle ^ one.seed));
        let tail = 0.9 + 0.2 * noise(middle.rotate_left(7) ^ one.seed);
        let latency = Latency {
            p50,
            p90: p50 * 2.2 * tail,
            p95: p50 * 3.0 * tail,
            p99: p50 * 6.5 * tail,
            max: p50 * 14.0 * tail,
        };
        Figures {
            requests,
            errors: (requests as f64 * share).round() as u64,
            errors_hidden: if worse { requests / 300 } else { 0 },
            bytes_in: requests * 220,
            bytes_out: requests * 1_800,
            latency: (requests > 0).then_some(latency),
            seconds,
        }
    }

    fn find(&self, id: &EndpointId) -> Option<&One> {
        self.endpoints.iter().find(|one| one.id == *id)
    }

    /// Makes the exchanges of the time since the last call: sixty a second, and the last minute at first.
    fn advance(&self) -> Vec<Arc<Exchange>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        if kept.until == 0 {
            kept.until = now.saturating_sub(30 * 1_000_000_000);
        }
        while kept.until < now && !self.endpoints.is_empty() {
            kept.until += 16_000_000;
            let at = kept.until;
            let pick = (noise(at).powi(3) * self.endpoints.len().min(200) as f64) as usize;
            if let Some(one) = self.endpoints.get(pick) {
                kept.exchanges.push_front(Arc::new(self.exchange(one, at)));
            }
        }
        kept.exchanges.truncate(5_000);
        kept.exchanges.iter().cloned().collect()
    }

    fn exchange(&self, one: &One, at: u64) -> Exchange {
        let figures = self.figures(one, at, at + 60_000_000_000);
        let failed = noise(at ^ 77) < figures.errors as f64 / figures.requests.max(1) as f64;
        let latency = figures.latency.map_or(0.01, |latency| latency.p50 * (0.4 + 3.0 * noise(at).powi(4)));
        let fields: [(&[u8], &[u8]); 4] = [
            (b"Host", b"orders.internal:8080"),
            (b"Authorization", "••••••".as_bytes()),
            (b"User-Agent", b"curl/8.5.0"),
            (b"Accept", b"application/json"),
        ];
        let answered: [(&[u8], &[u8]); 2] =
            [(b"Content-Type", b"application/json"), (b"Set-Cookie", "session=••••••".as_bytes())];
        let body = br#"{"id":"7f3e","status":"paid","total":42.5,"items":[{"sku":"a-1"},{"sku":"b-2"}]}"#;
        let number = (at / 16_000_000 % 9_000 + 1_000).to_string();
        let path = one.id.route.replace("{id}", &number).replace("{itemId}", "3");
        let http = Http {
            version: HttpVersion::V1_1,
            scheme: Scheme::Http,
            method: Method::new(&one.id.method),
            authority: Some(one.id.way.server().unwrap_or("orders.internal:8080").into()),
            path: path.into(),
            query: (one.seed.is_multiple_of(3)).then(|| "limit=20&token=REDACTED".into()),
            status: Some(if failed { 500 } else { 200 }),
            request_headers: Headers::new(fields),
            response_headers: Headers::new(answered),
            request_body: Body::default(),
            response_body: Body {
                size: body.len() as u64,
                captured: Redacted::new(bytes::Bytes::from_static(body)),
                complete: true,
                ..Body::default()
            },
            trailers: Headers::default(),
            call: None,
            stream: None,
            gen_ai: None,
            anomalies: Default::default(),
        };
        Exchange {
            connection: ConnectionId(at / 16_000_000),
            time: Timestamp::from_nanos(at),
            duration: Some(Duration::from_secs_f64(latency)),
            time_to_first_byte: Some(Duration::from_secs_f64(latency * 0.9)),
            direction: one.id.way.direction(),
            client: peer([10, 0, 0, 9], 41_000, 100, "web"),
            server: peer([10, 0, 0, 1], 8080, 200, "orders"),
            service: Arc::clone(&one.id.service),
            error: failed.then_some(ErrorType::Status(500)),
            detail: Detail::Http(Box::new(http)),
        }
    }
}

impl History for World {
    fn endpoints(&self, asked: Asked, points: usize) -> Result<Covered<Vec<EndpointFigures>>, Unanswered> {
        let window = self.window(asked);
        let rows = self.endpoints.iter().map(|one| self.row(one, window, points));
        Ok(self.covered(asked, points, rows.filter(|row| row.now.requests > 0).collect()))
    }

    fn services(&self, asked: Asked, points: usize) -> Result<Covered<Vec<ServiceFigures>>, Unanswered> {
        let window = self.window(asked);
        let mut services: BTreeMap<Arc<str>, ServiceFigures> = BTreeMap::new();
        let answered = self.endpoints.iter().filter(|one| one.id.way == Way::Inbound);
        for one in answered {
            let row = self.row(one, window, points);
            let service = services.entry(Arc::clone(&one.id.service)).or_insert_with(|| ServiceFigures {
                name: Arc::clone(&one.id.service),
                endpoints: 0,
                now: Figures::default(),
                before: None,
                points: Vec::new(),
            });
            service.endpoints += 1;
            add(&mut service.now, &row.now);
            if let Some(before) = &row.before {
                add(service.before.get_or_insert_default(), before);
            }
            if service.points.is_empty() {
                service.points = row.points;
            } else {
                service.points.iter_mut().zip(&row.points).for_each(|(a, b)| add(&mut a.figures, &b.figures));
            }
        }
        Ok(self.covered(asked, points, services.into_values().collect()))
    }

    fn endpoint(
        &self,
        id: &EndpointId,
        asked: Asked,
        points: usize,
    ) -> Result<Option<Covered<EndpointHistory>>, Unanswered> {
        let window = self.window(asked);
        let Some(one) = self.find(id) else { return Ok(None) };
        let figures = self.row(one, window, points);
        let heat = figures.points.iter().map(|point| (point.at, buckets(&point.figures))).collect();
        let before = figures.before.clone().unwrap_or_default();
        let missing = figures.now.requests / 90;
        let statuses = vec![
            (Some(200), figures.now.requests - figures.now.errors - missing, before.requests - before.errors),
            (Some(404), missing, before.requests / 95),
            (Some(500), figures.now.errors, before.errors),
        ];
        let callers = vec![
            ("web".into(), part(&figures.now, 0.7), figures.before.as_ref().map(|one| part(one, 0.72))),
            ("billing".into(), part(&figures.now, 0.25), figures.before.as_ref().map(|one| part(one, 0.28))),
            ("curl".into(), part(&figures.now, 0.05), None),
        ];
        let errors = vec![(ErrorType::Status(500), figures.now.errors)];
        let history = EndpointHistory { figures, heat, statuses, errors, callers };
        Ok(Some(self.covered(asked, points, history)))
    }

    fn map(&self, asked: Asked) -> Result<Covered<Map>, Unanswered> {
        let window = self.window(asked);
        if self.endpoints.is_empty() {
            return Ok(self.covered(asked, 0, Map::default()));
        }
        let pairs = [
            ("web", "orders"),
            ("web", "catalog"),
            ("web", "users"),
            ("web", "search"),
            ("orders", "payments"),
            ("orders", "catalog"),
            ("orders", "users"),
            ("search", "catalog"),
            ("payments", "api.stripe.com"),
            ("users", "api.sendgrid.com"),
            ("203.0.113.7", "web"),
        ];
        let edges = pairs.iter().zip(&self.endpoints).map(|((from, to), one)| {
            let row = self.row(one, window, 0);
            MapEdge { from: (*from).into(), to: (*to).into(), now: row.now, before: row.before }
        });
        let nodes = SERVICES.iter().map(|name| (*name, false));
        let nodes =
            nodes.chain([("api.stripe.com", true), ("api.sendgrid.com", true), ("203.0.113.7", true)]);
        let map = Map {
            nodes: nodes.map(|(name, is_external)| MapNode { name: name.into(), is_external }).collect(),
            edges: edges.collect(),
        };
        Ok(self.covered(asked, 0, map))
    }

    fn changes(&self, asked: Asked) -> Result<Covered<Vec<Change>>, Unanswered> {
        let window = self.window(asked);
        let at = |n: u64| Timestamp::from_nanos(self.deploy() + n * 40_000_000_000);
        let new = self.endpoints.iter().take(200).enumerate().filter_map(|(n, one)| {
            let what = match one.fate {
                Fate::New => Novelty::Endpoint,
                Fate::Failing => Novelty::Status(Some(502)),
                Fate::Slower => match n % 7 {
                    0 => Novelty::Caller("billing".into()),
                    1 => Novelty::Field(Spot::Response(200), "items[].discount".into()),
                    2 => Novelty::Field(Spot::Request, "shipping.express".into()),
                    3 => Novelty::Field(Spot::Query, "include".into()),
                    4 => Novelty::Type(Spot::Response(200), "total".into(), "string"),
                    5 => Novelty::Media(Spot::Response(400), "application/problem+json".into()),
                    _ => Novelty::Field(Spot::ResponseHeader(200), "x-ratelimit-remaining".into()),
                },
                Fate::Same => return None,
            };
            Some(Change { at: at(n as u64 % 20), endpoint: one.id.clone(), what })
        });
        let mut new: Vec<_> =
            new.filter(|change| (window.0..window.1).contains(&change.at.as_nanos())).collect();
        new.sort_by_key(|change| std::cmp::Reverse(change.at));
        Ok(self.covered(asked, 0, new))
    }

    fn health(&self) -> Health {
        let store = StoreHealth {
            path: "/var/lib/overhear/overhear.db".into(),
            bytes: 184_000_000,
            most_bytes: 1_000_000_000,
            kept: [
                Duration::from_secs(6 * 3600),
                Duration::from_secs(8 * 86_400),
                Duration::from_secs(400 * 86_400),
            ],
            oldest: Some(Timestamp::from_nanos(self.born - 72 * HOUR)),
        };
        Health {
            statistics: self.statistics(),
            store: (!self.endpoints.is_empty()).then_some(store),
            trouble: self.endpoints.is_empty().then(|| "Nothing is kept: there is no store.".into()),
            resident: Some(61_000_000),
            started: Some(Timestamp::from_nanos(self.born - 3 * HOUR)),
        }
    }

    fn describe(&self, id: &EndpointId) -> Result<Option<EndpointDetail>, Unanswered> {
        Ok(LiveSource::endpoint(self, id))
    }
}

impl LiveSource for World {
    fn open(&self) -> Vec<overhear_query::OpenStream> {
        Vec::new()
    }

    fn rows(&self) -> Vec<LiveRow> {
        Vec::new()
    }

    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail> {
        let one = self.find(id)?;
        let figures = self.figures(one, self.born - HOUR, self.born);
        let row = EndpointRow {
            id: id.clone(),
            requests: figures.requests,
            errors: figures.errors,
            errors_hidden: 0,
            latency: None,
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            first_seen: Timestamp::from_nanos(self.born - 72 * HOUR),
            last_seen: Timestamp::from_nanos(now()),
        };
        let path = id.route.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        Some(EndpointDetail {
            row,
            statuses: Vec::new(),
            errors: Vec::new(),
            latency: buckets(&figures),
            callers: Vec::new(),
            path: path
                .map(|name| PathParameter { name: name.into(), schema: shape::number(1000.0, 9999.0) })
                .collect(),
            shape: shape::operation(id),
            names: Default::default(),
            why: Vec::new(),
        })
    }

    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>> {
        let all = self.advance().into_iter();
        let of = all.filter(|exchange| {
            id.is_none_or(|id| {
                let Detail::Http(http) = &exchange.detail;
                exchange.service == id.service
                    && http.method.as_str() == &*id.method
                    && self.route(exchange).is_some_and(|route| route == id.route)
            })
        });
        of.take(limit).collect()
    }

    fn route(&self, exchange: &Exchange) -> Option<Arc<str>> {
        let Detail::Http(http) = &exchange.detail;
        let parts = http.path.split('/').map(|part| match part.parse::<u64>() {
            Ok(0..1000) => "{itemId}",
            Ok(_) => "{id}",
            Err(_) => part,
        });
        Some(parts.collect::<Vec<_>>().join("/").into())
    }

    fn statistics(&self) -> Statistics {
        let since = (now() - self.born) / 1_000_000 + 8_000_000;
        let mut statistics = Statistics {
            events: since * 4,
            bytes: since * 2_100,
            connections: since / 90,
            exchanges: since / 2,
            unreadable: [("tls", 12), ("unknown", 3), ("postgres", 41)].into(),
            ..Statistics::default()
        };
        statistics.lost.insert(LossReason::OverCap, Loss { events: 310, bytes: 9_400_000 });
        let key = UnreadKey {
            program: "ledger".into(),
            executable: Some("java".into()),
            direction: Direction::Outbound,
            cipher: Cipher::Tls,
            reason: UnreadReason::Java,
        };
        let mut what =
            Unread { connections: 12, open: 2, sent: 81_000, received: 2_400_000, ..Unread::default() };
        what.duration = Duration::from_secs(741);
        what.names.add(&"api.bank.example".into(), 12);
        statistics.unread.add(key, &what);
        statistics
    }
}

fn one(n: usize) -> One {
    let seed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let service = SERVICES.get(n % SERVICES.len()).copied().unwrap_or_default();
    let noun = NOUNS.get(n / SERVICES.len() % NOUNS.len()).copied().unwrap_or_default();
    let (method, form) = FORMS.get(n / 7 % FORMS.len()).copied().unwrap_or_default();
    let generation = n / (SERVICES.len() * NOUNS.len());
    let prefix = if generation > 0 { format!("/v{generation}") } else { String::new() };
    // One route is hostile: it must be shown, not run.
    let route = if n == 3 {
        "/<script>alert(1)</script>".into()
    } else {
        format!("{prefix}{}", form.replace("{noun}", noun))
    };
    let is_asked = n % 23 == 11;
    let fate = match n % 37 {
        1 => Fate::Slower,
        8 => Fate::Failing,
        15 => Fate::New,
        _ => Fate::Same,
    };
    One {
        id: EndpointId {
            service: service.into(),
            way: if is_asked { Way::Outbound("api.stripe.com".into()) } else { Way::Inbound },
            protocol: "http",
            method: method.into(),
            route: route.into(),
        },
        rate: 0.05 + 120.0 * noise(seed).powi(5),
        errors: if n.is_multiple_of(3) { 0.0 } else { 0.01 * noise(seed ^ 5).powi(3) },
        median: 0.001 + 0.2 * noise(seed ^ 9).powi(3),
        fate,
        seed: seed >> 32,
    }
}

fn add(sum: &mut Figures, other: &Figures) {
    sum.requests += other.requests;
    sum.errors += other.errors;
    sum.errors_hidden += other.errors_hidden;
    sum.bytes_in += other.bytes_in;
    sum.bytes_out += other.bytes_out;
    sum.seconds = other.seconds;
    sum.latency = match (sum.latency, other.latency) {
        (Some(a), Some(b)) => Some(if a.p95 > b.p95 { a } else { b }),
        (a, b) => a.or(b),
    };
}

/// Two times after each other.
fn both(first: &Figures, second: &Figures) -> Figures {
    let mut sum = first.clone();
    add(&mut sum, second);
    sum.seconds = first.seconds + second.seconds;
    sum
}

fn part(figures: &Figures, share: f64) -> Figures {
    let of = |count: u64| (count as f64 * share) as u64;
    Figures { requests: of(figures.requests), errors: of(figures.errors), ..figures.clone() }
}

fn buckets(figures: &Figures) -> Vec<LatencyBucket> {
    let Some(latency) = figures.latency else { return Vec::new() };
    let bounds = (-10..12).map(|n| (latency.p50 * 1.3_f64.powi(n), n));
    let buckets = bounds.map(|(from, n)| {
        let share = (-0.5 * (f64::from(n) / 2.6).powi(2)).exp() / 6.5;
        LatencyBucket { from, to: from * 1.3, count: (figures.requests as f64 * share) as u64 }
    });
    buckets.filter(|bucket| bucket.count > 0).collect()
}

fn peer(ip: [u8; 4], port: u16, pid: u32, service: &str) -> Peer {
    let process = Process::new(pid, service);
    Peer { address: Address::Ip((ip, port).into()), process: Some(Arc::new(process)) }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// 0..1, the same for the same seed.
fn noise(seed: u64) -> f64 {
    let mixed = (seed ^ (seed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
