//! The questions under `/api/`. The backend may block, so each is asked in a thread that may.

use crate::{
    Backend, Shared,
    asked::Query,
    json, live,
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
    monitor::{Asked, History},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Steps of the time lines in lists.
const LIST_POINTS: usize = 30;
/// Steps of the time lines of one endpoint.
const POINTS: usize = 120;
/// Endpoints and changes that are told on the first page.
const TOLD: usize = 20;
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
        .route("/api/endpoints", ask(endpoints))
        .route("/api/endpoint", ask(endpoint))
        .route("/api/describe", ask(describe))
        .route("/api/map", ask(map))
        .route("/api/changes", ask(changes))
        .route("/api/health", ask(|backend, _| Ok(json::health(&backend.health()))))
        .route("/api/recent", ask(recent))
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

async fn blocking(work: impl FnOnce() -> Result<Response, Refusal> + Send + 'static) -> Response {
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
    let mut object = json::covered(&backend.services(asked, LIST_POINTS)?, "services", |rows, from| {
        list(rows, from, json::service)
    });
    let changes = backend.changes(asked)?.what;
    object["changes"] = changes.iter().take(TOLD).map(json::change).collect();
    object["changes_in_all"] = changes.len().into();
    object["health"] = json::health(&backend.health());
    let (worst, in_all) = worst(backend, asked)?;
    object["worse"] = worst;
    object["endpoints_in_all"] = in_all.into();
    Ok(object)
}

/// The endpoints that got worse, worst first, and how many there are in all.
fn worst(backend: &dyn Backend, asked: Asked) -> Result<(Value, usize), Refusal> {
    let covered = backend.endpoints(asked, LIST_POINTS)?;
    let rows = &covered.what;
    let mut worst: Vec<_> =
        rows.iter().filter_map(|row| Some((worse(&row.now, row.before.as_ref()?)?, row))).collect();
    worst.sort_by(|(a, left), (b, right)| b.weight.total_cmp(&a.weight).then_with(|| left.id.cmp(&right.id)));
    let told = worst.iter().take(TOLD).map(|(worse, row)| json::worse(worse, row, covered.from));
    Ok((told.collect(), rows.len()))
}

fn services(backend: &dyn Backend, query: &Query) -> Answer {
    let covered = backend.services(query.asked()?, query.points(LIST_POINTS)?)?;
    Ok(json::covered(&covered, "services", |rows, from| list(rows, from, json::service)))
}

fn endpoints(backend: &dyn Backend, query: &Query) -> Answer {
    let covered = backend.endpoints(query.asked()?, query.points(LIST_POINTS)?)?;
    Ok(json::covered(&covered, "endpoints", |rows, from| list(rows, from, json::endpoint)))
}

fn endpoint(backend: &dyn Backend, query: &Query) -> Answer {
    let (id, asked, points) = (query.endpoint()?, query.asked()?, query.points(POINTS)?);
    let found = History::endpoint(backend, &id, asked, points)?;
    let covered = found.ok_or_else(|| Refusal::missing("This endpoint was never called."))?;
    Ok(json::covered(&covered, "endpoint", json::history))
}

fn describe(backend: &dyn Backend, query: &Query) -> Answer {
    let found = backend.describe(&query.endpoint()?)?;
    let detail = found.ok_or_else(|| Refusal::missing("Nothing was learned of this endpoint."))?;
    Ok(json::detail(&detail))
}

fn map(backend: &dyn Backend, query: &Query) -> Answer {
    Ok(json::covered(&backend.map(query.asked()?)?, "map", |map, _| json::map(map)))
}

fn changes(backend: &dyn Backend, query: &Query) -> Answer {
    let covered = backend.changes(query.asked()?)?;
    Ok(json::covered(&covered, "changes", |rows, _| rows.iter().map(json::change).collect()))
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

fn route(backend: &dyn Backend, exchange: &Exchange, known: Option<&Arc<str>>) -> Option<Arc<str>> {
    known.cloned().or_else(|| backend.route(exchange))
}

/// One exchange with its heads and the shapes of its bodies.
async fn exchange(
    State(backend): State<Shared>,
    axum::extract::Path(key): axum::extract::Path<String>,
    headers: HeaderMap,
) -> Response {
    let find = move || {
        let recent = LiveSource::recent(&*backend, None, LOOKED_THROUGH);
        let found = recent.iter().find(|exchange| json::key(exchange) == key);
        let found = found
            .ok_or_else(|| Refusal::missing("This call is no longer kept: newer ones took its place."))?;
        Ok(answer(&json::whole(found, backend.route(found).as_deref()), &headers))
    };
    blocking(find).await
}
