//! The list of endpoints, a page at a time: ten thousand of them are too many to travel every few seconds.
//!
//! What was counted is kept for a while under a number, so that who scrolls goes through one list that stays as it was.

use crate::{
    Shared,
    asked::Query,
    json,
    respond::{Refusal, answer},
};
use axum::{
    Router,
    extract::{Query as Extract, State, rejection::QueryRejection},
    http::HeaderMap,
    response::IntoResponse,
    routing::get,
};
use overhear_exchange::Timestamp;
use overhear_query::{
    EndpointId,
    monitor::{Covered, EndpointFigures, Figures},
};
use serde_json::{Value, json};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Steps of the time lines.
const POINTS: usize = 30;
/// Lists that somebody may still scroll through, and how long.
const KEPT: usize = 4;
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Paths of one service that are told, and how deep.
const BRANCHES: usize = 300;
const DEPTH: usize = 3;

pub(crate) fn routes(backend: Shared) -> Router {
    let lists = Arc::new(Lists { backend, kept: Mutex::default() });
    let ask = async move |State(lists): State<Arc<Lists>>, headers: HeaderMap, query: Parameters| {
        let query = match crate::api::parameters(query) {
            Ok(query) => query,
            Err(refusal) => return refusal.into_response(),
        };
        crate::api::blocking(move || lists.tell(&query).map(|value| answer(&value, &headers))).await
    };
    Router::new().route("/api/endpoints", get(ask)).with_state(lists)
}

type Parameters = Result<Extract<Query>, QueryRejection>;

struct Lists {
    backend: Shared,
    kept: Mutex<VecDeque<(u64, Instant, Arc<List>)>>,
}

/// What was counted, and by what each row is found.
struct List {
    covered: Covered<Vec<EndpointFigures>>,
    rows: Vec<Row>,
}

struct Row {
    /// Service, server, method, route: what ties are ordered by.
    key: String,
    /// The same in small letters: what is searched.
    text: String,
    line: Value,
}

/// Which rows, in which order.
struct Wish {
    words: Vec<String>,
    service: Option<String>,
    under: Option<String>,
    by: By,
    descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Route,
    Service,
    Rate,
    Errors,
    P50,
    P95,
    P99,
    Change,
}

impl Lists {
    fn tell(&self, query: &Query) -> Result<Value, Refusal> {
        let wish = Wish::of(query)?;
        let (offset, limit) = (query.offset()?, query.limit(usize::MAX)?);
        let (number, list) = match query.list().and_then(|number| self.find(number)) {
            Some(known) => known,
            None => self.count(query)?,
        };
        Ok(list.tell(number, &wish, offset, limit))
    }

    fn find(&self, number: u64) -> Option<(u64, Arc<List>)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, at, _)| at.elapsed() < KEPT_FOR);
        kept.iter().find(|(known, ..)| *known == number).map(|(known, _, list)| (*known, Arc::clone(list)))
    }

    fn count(&self, query: &Query) -> Result<(u64, Arc<List>), Refusal> {
        let covered = self.backend.endpoints(query.asked()?, query.points(POINTS)?)?;
        let list = Arc::new(List::new(covered));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.back().map_or(1, |(number, ..)| number + 1);
        kept.push_back((number, Instant::now(), Arc::clone(&list)));
        while kept.len() > KEPT {
            kept.pop_front();
        }
        Ok((number, list))
    }
}

impl List {
    fn new(mut covered: Covered<Vec<EndpointFigures>>) -> Self {
        let from = covered.from;
        let rows = covered.what.iter_mut().map(|row| {
            let key = key(&row.id);
            // The figures of every step are much more than the line that is told of them.
            let line = json::line(&std::mem::take(&mut row.points), from);
            Row { text: key.to_lowercase(), key, line }
        });
        Self { rows: rows.collect(), covered }
    }

    fn each(&self) -> impl Iterator<Item = (&EndpointFigures, &Row)> {
        self.covered.what.iter().zip(&self.rows)
    }

    fn tell(&self, number: u64, wish: &Wish, offset: usize, limit: usize) -> Value {
        let mut found: Vec<_> =
            self.each().filter(|(figures, row)| wish.includes(&figures.id, row)).collect();
        wish.sort(&mut found);
        let slowest = found.iter().filter_map(|(row, _)| p95(&row.now)).fold(0.0, f64::max);
        let services = self.services();
        let open = wish.service.as_deref().or(match services.iter().collect::<Vec<_>>()[..] {
            [(only, _)] => Some(*only),
            _ => None,
        });
        let shown = found.iter().skip(offset).take(limit);
        let mut object = json::covered(&self.covered, "endpoints", |_, from| {
            shown.map(|(figures, row)| of_list(figures, row, from)).collect()
        });
        object["list"] = number.into();
        object["offset"] = offset.into();
        object["found"] = found.len().into();
        object["in_all"] = self.rows.len().into();
        // As the rows have it, of which it is one.
        object["slowest"] = json::significant(slowest, 4).into();
        object["paths"] = open.map(|service| self.branches(service)).unwrap_or_default();
        object["services"] = services.into_iter().map(|(name, number)| json!([name, number])).collect();
        object
    }

    fn services(&self) -> BTreeMap<&str, usize> {
        let mut services = BTreeMap::new();
        for row in &self.covered.what {
            *services.entry(&*row.id.service).or_default() += 1;
        }
        services
    }

    /// The paths of a service as far as two levels, with how many endpoints are there.
    fn branches(&self, service: &str) -> Value {
        let mut paths = BTreeMap::<String, (usize, usize)>::new();
        for row in self.covered.what.iter().filter(|row| *row.id.service == *service) {
            let mut path = String::new();
            for (depth, part) in row.id.route.split('/').skip(1).take(DEPTH).enumerate() {
                path.push('/');
                path.push_str(part);
                paths.entry(path.clone()).or_insert((depth, 0)).1 += 1;
            }
        }
        let told = paths.into_iter().take(BRANCHES);
        told.map(|(path, (depth, number))| json!({"path": path, "depth": depth, "number": number})).collect()
    }
}

fn of_list(figures: &EndpointFigures, row: &Row, from: Timestamp) -> Value {
    let mut object = json::endpoint(figures, from);
    object["line"] = row.line.clone();
    object
}

fn key(id: &EndpointId) -> String {
    [&*id.service, id.way.server().unwrap_or_default(), &*id.method, &*id.route].join(" ")
}

impl Wish {
    fn of(query: &Query) -> Result<Self, Refusal> {
        let by = match query.sort() {
            "route" => By::Route,
            "service" => By::Service,
            "" | "rate" => By::Rate,
            "errors" => By::Errors,
            "p50" => By::P50,
            "p95" => By::P95,
            "p99" => By::P99,
            "change" => By::Change,
            other => {
                let names = "route, service, rate, errors, p50, p95, p99 or change";
                return Err(Refusal::bad(format!("sort is {other:?}: it is {names}.")));
            }
        };
        let descending = match query.order() {
            "" => !matches!(by, By::Route | By::Service),
            "down" => true,
            "up" => false,
            other => return Err(Refusal::bad(format!("order is {other:?}: it is \"up\" or \"down\"."))),
        };
        Ok(Self {
            words: query.find().split_whitespace().map(str::to_lowercase).collect(),
            service: query.service().map(str::to_owned),
            under: query.under().map(str::to_owned),
            by,
            descending,
        })
    }

    fn includes(&self, id: &EndpointId, row: &Row) -> bool {
        let is_under = |under: &str| {
            id.route.strip_prefix(under).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.service.as_deref().is_none_or(|service| service == &*id.service)
            && self.under.as_deref().is_none_or(is_under)
            && self.words.iter().all(|word| row.text.contains(word.as_str()))
    }

    fn sort(&self, rows: &mut [(&EndpointFigures, &Row)]) {
        rows.sort_by(|(a, row), (b, other)| {
            let order = self.by.compare(a, b);
            let order = if self.descending { order.reverse() } else { order };
            order.then_with(|| row.key.cmp(&other.key))
        });
    }
}

impl By {
    fn compare(self, a: &EndpointFigures, b: &EndpointFigures) -> Ordering {
        match self {
            Self::Route => a.id.route.cmp(&b.id.route),
            Self::Service => a.id.service.cmp(&b.id.service),
            Self::Rate | Self::Errors | Self::P50 | Self::P95 | Self::P99 | Self::Change => {
                self.number(a).total_cmp(&self.number(b))
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "to order by")]
    fn number(self, row: &EndpointFigures) -> f64 {
        let latency = row.now.latency;
        match self {
            Self::Route | Self::Service => 0.0,
            Self::Rate => json::rate(&row.now),
            Self::Errors => row.now.errors as f64 / row.now.requests.max(1) as f64,
            Self::P50 => latency.map_or(0.0, |latency| latency.p50),
            Self::P95 => latency.map_or(0.0, |latency| latency.p95),
            Self::P99 => latency.map_or(0.0, |latency| latency.p99),
            Self::Change => change(row),
        }
    }
}

/// By how much the 95th percentile grew; most where there was none before.
fn change(row: &EndpointFigures) -> f64 {
    let Some(before) = &row.before else { return f64::INFINITY };
    match (p95(&row.now), p95(before)) {
        (Some(now), Some(before)) if before > 0.0 => now / before - 1.0,
        _ => 0.0,
    }
}

fn p95(figures: &Figures) -> Option<f64> {
    figures.latency.map(|latency| latency.p95)
}
