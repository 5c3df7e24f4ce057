//! Exchanges as they come, as server-sent events.

use crate::{
    Shared,
    api::{LOOKED_THROUGH, parameters},
    asked::Query,
    json,
};
use axum::{
    extract::{Query as Extract, State, rejection::QueryRejection},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use overhear_exchange::Exchange;
use overhear_query::{Filter, LiveSource};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How often it is looked for new ones.
const PAUSE: Duration = Duration::from_millis(300);
/// Most exchanges of one event; nobody reads more in a moment. The others are counted.
const MOST_AT_ONCE: usize = 100;
/// Exchanges from before that a stream begins with.
const AT_FIRST: usize = 50;
/// Streams at once.
const MOST_STREAMS: usize = 32;

static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// One event `exchanges` per look: `{"exchanges": […], "passed_over": n}`, oldest first.
pub(crate) async fn stream(
    State(backend): State<Shared>,
    query: Result<Extract<Query>, QueryRejection>,
) -> Response {
    let filter = match parameters(query).and_then(|query| query.filter()) {
        Ok(filter) => filter,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(place) = Place::take() else {
        let sentence = "Too many pages are watching live: close one.";
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        return crate::respond::Refusal(status, sentence.into()).into_response();
    };
    let watch =
        Watch { backend, filter, known: HashSet::new(), held: Vec::new(), begun: false, _place: place };
    let events = stream::unfold(watch, |watch| async move {
        let (event, watch) = next(watch).await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// A place among the streams, given back when it is dropped.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let taken = STREAMS.fetch_add(1, Ordering::Relaxed);
        let place = Self; // counts down again when there is no room
        (taken < MOST_STREAMS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        STREAMS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one page has been told.
struct Watch {
    backend: Shared,
    filter: Option<Filter>,
    /// Where the exchanges of the last look are; `held` keeps those places from being used again.
    known: HashSet<usize>,
    held: Vec<Arc<Exchange>>,
    begun: bool,
    _place: Place,
}

async fn next(mut watch: Watch) -> Option<(Event, Watch)> {
    loop {
        if watch.begun {
            tokio::time::sleep(PAUSE).await;
        }
        let first = !watch.begun;
        let looked = tokio::task::spawn_blocking(move || {
            let news = watch.look();
            (news, watch)
        });
        let news;
        (news, watch) = looked.await.ok()?;
        // The first is sent though it may be empty: the page then knows that it is connected.
        if let Some(news) = news.or_else(|| first.then(|| json!({"exchanges": [], "passed_over": 0}))) {
            return Some((Event::default().event("exchanges").data(news.to_string()), watch));
        }
    }
}

impl Watch {
    /// What is new since the last look; the first time, what there is.
    fn look(&mut self) -> Option<Value> {
        let most = if self.begun { MOST_AT_ONCE } else { AT_FIRST };
        let recent = LiveSource::recent(&*self.backend, None, LOOKED_THROUGH);
        let news: Vec<_> = recent.iter().filter(|exchange| !self.known.contains(&place(exchange))).collect();
        let (mut told, mut passed_over) = (Vec::new(), 0);
        for exchange in news {
            if told.len() >= most {
                passed_over += 1;
                continue;
            }
            let route = self.backend.route(exchange);
            if self.filter.as_ref().is_none_or(|filter| filter.matches(exchange, route.as_deref())) {
                told.push(json::exchange(exchange, route.as_deref()));
            }
        }
        if !self.begun {
            passed_over = 0;
        }
        self.begun = true;
        self.known = recent.iter().map(place).collect();
        self.held = recent;
        told.reverse();
        let is_news = !told.is_empty() || passed_over > 0;
        is_news.then(|| json!({"exchanges": told, "passed_over": passed_over}))
    }
}

fn place(exchange: &Arc<Exchange>) -> usize {
    Arc::as_ptr(exchange).addr()
}
