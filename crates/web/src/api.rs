//! The questions under `/api/`. The backend may block, so each is asked in a thread that may.

use crate::{
    Backend, Shared,
    asked::{Query, nanos},
    json, live, look,
    respond::{Refusal, answer},
    worse::worse,
};
use axum::{
    Router,
    extract::{Query as Extract, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use overhear_exchange::{Exchange, Timestamp};
use overhear_query::{
    LiveSource,
    monitor::{Asked, Change, EndpointFigures, History, Novelty},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Steps of the time lines in lists.
const LIST_POINTS: usize = 30;
/// The same on the first page, whose hour would else be one step: counts are kept by minutes and hours.
const OVERVIEW_POINTS: usize = 60;
/// Steps of the time lines of one endpoint.
const POINTS: usize = 120;
/// Endpoints and changes that are told on the first page.
const TOLD: usize = 20;
/// Endpoints that fail or are slow, of each.
const LOOKED_AT: usize = 5;
/// How long a listening takes to hear what is called all the time: what comes later is news.
const SETTLING: Duration = Duration::from_secs(120);
/// Exchanges of one answer, where nothing else is asked.
const EXCHANGES: usize = 200;
/// Exchanges that are looked through.
pub(crate) const LOOKED_THROUGH: usize = 10_000;

type Answer = Result<Value, Refusal>;

pub(crate) fn routes(backend: Shared) -> Router {
    let nothing = || async { Refusal::missing("There is no such question.") };
    Router::new()
        .route("/api/overview", ask(overview))
        .route("/api/services", ask(services))
        .route("/api/endpoint", ask(endpoint))
        .route("/api/links", ask(links))
        .route("/api/describe", ask(describe))
        .route("/api/map", ask(map))
        .route("/api/changes", ask(changes))
        .route("/api/health", ask(|backend, _| Ok(json::health(&backend.health()))))
        .route("/api/recent", ask(recent))
        .route("/api/open", ask(open))
        .route("/api/exchange/{key}", get(exchange))
        .route("/api/live", get(live::stream))
        .route("/api/{*other}", get(nothing))
        .with_state(backend)
}

/// Asks in a thread that may block.
fn ask(question: fn(&dyn Backend, &Query) -> Answer) -> MethodRouter<Shared> {
    get(async move |State(backend): State<Shared>, headers: HeaderMap, query| {
        let query = match parameters(query) {
            Ok(query) => query,
            Err(refusal) => return refusal.into_response(),
        };
        blocking(move || question(&*backend, &query).map(|value| answer(&value, &headers))).await
    })
}

pub(crate) fn parameters(query: Result<Extract<Query>, QueryRejection>) -> Result<Query, Refusal> {
    query.map(|query| query.0).map_err(|_| Refusal::bad("The parameters cannot be read: is one given twice?"))
}

pub(crate) async fn blocking(work: impl FnOnce() -> Result<Response, Refusal> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer.into_response(),
        Err(_) => {
            let sentence = "This question broke off inside Overhear; the others go on.";
            Refusal(StatusCode::INTERNAL_SERVER_ERROR, sentence.into()).into_response()
        }
    }
}

fn list<T>(rows: &[T], from: Timestamp, each: fn(&T, Timestamp) -> Value) -> Value {
    rows.iter().map(|row| each(row, from)).collect()
}

fn overview(backend: &dyn Backend, query: &Query) -> Answer {
    let asked = query.asked()?;
    let mut object = json::covered(&backend.services(asked, OVERVIEW_POINTS)?, "services", |rows, from| {
        list(rows, from, json::service)
    });
    let covered = backend.endpoints(asked, OVERVIEW_POINTS)?;
    let rows = &covered.what;
    let changes = backend.changes(asked)?.what;
    let start = first_start(&changes, rows.len());
    let settled = start.map(|(began, _)| began.as_nanos().saturating_add(nanos(SETTLING)));
    let news = changes.iter().filter(|change| settled.is_none_or(|settled| change.at.as_nanos() >= settled));
    object["changes"] = news.take(TOLD).map(json::change).collect();
    object["changes_in_all"] = changes.len().into();
    object["first_heard"] = start
        .map(|(began, endpoints)| json!({"since": json::time(began), "endpoints": endpoints}))
        .unwrap_or_default();
    object["health"] = json::health(&backend.health());
    object["worse"] = worst(rows, covered.from);
    object["compared"] = rows.iter().any(|row| row.before.is_some()).into();
    object["failing"] = failing(backend, asked, rows, covered.from)?;
    object["slow"] = look::slow(rows, LOOKED_AT).map(|row| json::endpoint(row, covered.from)).collect();
    object["endpoints_in_all"] = rows.len().into();
    Ok(object)
}

/// When nearly everything is new, the listening only just began: since when, and how many endpoints were heard.
fn first_start(changes: &[Change], in_all: usize) -> Option<(Timestamp, usize)> {
    let new = changes.iter().filter(|change| change.what == Novelty::Endpoint).count();
    let began = changes.iter().map(|change| change.at).min()?;
    (new > 0 && new.saturating_mul(10) >= in_all.saturating_mul(9)).then_some((began, new))
}

/// The endpoints that got worse, worst first.
fn worst(rows: &[EndpointFigures], from: Timestamp) -> Value {
    let mut worst: Vec<_> =
        rows.iter().filter_map(|row| Some((worse(&row.now, row.before.as_ref()?)?, row))).collect();
    worst.sort_by(|(a, left), (b, right)| b.weight.total_cmp(&a.weight).then_with(|| left.id.cmp(&right.id)));
    worst.iter().take(TOLD).map(|(worse, row)| json::worse(worse, row, from)).collect()
}

/// The endpoints with the most errors, and what most of these are.
fn failing(backend: &dyn Backend, asked: Asked, rows: &[EndpointFigures], from: Timestamp) -> Answer {
    let mut told = Vec::new();
    for row in look::failing(rows, LOOKED_AT) {
        let mut object = json::endpoint(row, from);
        let history = History::endpoint(backend, &row.id, asked, 1)?;
        let most = history.and_then(|history| Some(history.what.errors.first()?.0.to_string()));
        object["error.type"] = most.into();
        told.push(object);
    }
    Ok(told.into())
}

fn services(backend: &dyn Backend, query: &Query) -> Answer {
    let covered = backend.services(query.asked()?, query.points(LIST_POINTS)?)?;
    Ok(json::covered(&covered, "services", |rows, from| list(rows, from, json::service)))
}

/// Of an endpoint that was never called, or whose first call is not written yet, `{"endpoint": null}`: which endpoints there
/// are changes by the second, and a browser takes every 404 for a mistake of the page.
fn endpoint(backend: &dyn Backend, query: &Query) -> Answer {
    let (id, asked, points) = (query.endpoint()?, query.asked()?, query.points(POINTS)?);
    let found = History::endpoint(backend, &id, asked, points)?;
    Ok(found.map_or_else(
        || json!({"endpoint": null}),
        |covered| json::covered(&covered, "endpoint", json::history),
    ))
}

/// What was learned of an endpoint; null where nothing was, yet.
fn describe(backend: &dyn Backend, query: &Query) -> Answer {
    let found = backend.describe(&query.endpoint()?)?;
    Ok(found.as_ref().map_or(Value::Null, json::detail))
}

fn map(backend: &dyn Backend, query: &Query) -> Answer {
    Ok(json::covered(&backend.map(query.asked()?)?, "map", |map, _| json::map(map)))
}

fn changes(backend: &dyn Backend, query: &Query) -> Answer {
    let covered = backend.changes(query.asked()?)?;
    Ok(json::covered(&covered, "changes", |rows, _| rows.iter().map(json::change).collect()))
}

/// What the calls of an endpoint make, and whose calls make them; null where nobody listens.
fn links(backend: &dyn Backend, query: &Query) -> Answer {
    let links = backend.links(&query.endpoint()?);
    Ok(json!({"links": links.as_ref().map(json::links)}))
}

/// The most recent exchanges, newest first: of an endpoint or all, in a window where one is named, that a filter holds for.
fn recent(backend: &dyn Backend, query: &Query) -> Answer {
    let id = query.names_endpoint().then(|| query.endpoint()).transpose()?;
    let (asked, filter, limit) = (query.asked()?, query.filter()?, query.limit(EXCHANGES)?);
    let within = |exchange: &Exchange| {
        asked.since.is_none_or(|since| exchange.time >= since)
            && asked.until.is_none_or(|until| exchange.time < until)
    };
    let mut told = Vec::new();
    for exchange in backend.recent(id.as_ref(), LOOKED_THROUGH) {
        if told.len() >= limit {
            break;
        }
        if !within(&exchange) {
            continue;
        }
        let route = route(backend, &exchange, id.as_ref().map(|id| &id.route));
        if filter.as_ref().is_none_or(|filter| filter.matches(&exchange, route.as_deref())) {
            told.push(json::exchange(&exchange, route.as_deref()));
        }
    }
    Ok(json!({"exchanges": told}))
}

/// Streams that are open, the longest open first: of an endpoint or all.
fn open(backend: &dyn Backend, query: &Query) -> Answer {
    let id = query.names_endpoint().then(|| query.endpoint()).transpose()?;
    let (filter, limit) = (query.filter()?, query.limit(EXCHANGES)?);
    let streams = LiveSource::open(backend);
    let wanted: Vec<_> = streams
        .iter()
        .filter(|stream| id.as_ref().is_none_or(|id| *stream.id == *id))
        .filter(|stream| filter.as_ref().is_none_or(|f| f.matches(&stream.exchange, Some(&stream.id.route))))
        .collect();
    let told: Vec<_> = wanted
        .iter()
        .take(limit)
        .map(|stream| json::exchange(&stream.exchange, Some(&stream.id.route)))
        .collect();
    Ok(json!({"streams": told, "in_all": wanted.len()}))
}

fn route(backend: &dyn Backend, exchange: &Exchange, known: Option<&Arc<str>>) -> Option<Arc<str>> {
    known.cloned().or_else(|| backend.route(exchange))
}

/// One exchange with its heads and the shapes of its bodies; null when newer ones took its place.
async fn exchange(
    State(backend): State<Shared>,
    axum::extract::Path(key): axum::extract::Path<String>,
    headers: HeaderMap,
) -> Response {
    let find = move || {
        let recent = LiveSource::recent(&*backend, None, LOOKED_THROUGH);
        let found = recent.iter().find(|exchange| json::key(exchange) == key);
        let whole = found.map(|found| json::whole(found, backend.route(found).as_deref()));
        Ok(answer(&whole.unwrap_or_default(), &headers))
    };
    blocking(find).await
}
