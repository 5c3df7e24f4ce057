//! What is new in the messages of endpoints.

use overhear_model::Model;
use overhear_query::{
    EndpointId,
    monitor::{Change, Firsts},
};
use overhear_store::Window;
use std::sync::Arc;

/// What came first within a window, of endpoints that were known before: of a new one all is.
pub(super) fn within(
    model: &Model,
    firsts: &Firsts,
    window: Window,
    is_meant: impl Fn(&EndpointId) -> bool,
) -> Vec<Change> {
    let (since, until) = (window.from.start(), window.until.start());
    let was_known =
        |id: &Arc<EndpointId>| firsts.get(id).is_some_and(|all| all.values().any(|slot| *slot < window.from));
    let endpoints = model.endpoints_with_news(since).into_iter();
    let known = endpoints.filter(|(id, _)| is_meant(id) && was_known(id));
    let news = known.flat_map(|(id, endpoint)| {
        let news = endpoint.shapes.news(since, until).into_iter();
        news.map(move |new| Change::of((*id).clone(), new))
    });
    news.collect()
}
