//! What is new in the messages of endpoints.

use overhear_model::Model;
use overhear_query::{
    EndpointId,
    monitor::{Change, Firsts},
};
use overhear_store::Window;
use std::sync::Arc;

/// What came first within its window at each endpoint that was known before: of a new one all is.
pub(super) fn within(
    model: &Model,
    firsts: &Firsts,
    windows: &[Window],
    window_of: impl Fn(&EndpointId) -> Option<Window>,
) -> Vec<Change> {
    let Some(earliest) = windows.iter().map(|window| window.from).min() else { return Vec::new() };
    let was_known = |id: &Arc<EndpointId>, window: &Window| {
        firsts.get(id).is_some_and(|all| all.values().any(|slot| *slot < window.from))
    };
    let endpoints = model.endpoints_with_news(earliest.start()).into_iter();
    let known = endpoints.filter_map(|(id, endpoint)| {
        let window = window_of(&id).filter(|window| was_known(&id, window))?;
        Some((id, endpoint, window))
    });
    let news = known.flat_map(|(id, endpoint, window)| {
        let news = endpoint.shapes.news(window.from.start(), window.until.start()).into_iter();
        news.map(move |new| Change::of((*id).clone(), new))
    });
    news.collect()
}
