//! `/metrics`, as Prometheus asks for it: classic histograms as text, native ones as protobuf.

use crate::Shared;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use overhear_export::prometheus::{Exposition, Format, exposition};

pub(crate) fn routes(backend: Shared) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(backend)
}

async fn metrics(State(backend): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept);
    let written = tokio::task::spawn_blocking(move || {
        let (metrics, health, deploys) = (backend.metrics(), backend.health(), backend.running());
        let what = Exposition {
            metrics: &metrics,
            health: &health,
            deploys: &deploys,
            version: env!("CARGO_PKG_VERSION"),
        };
        exposition(what, format)
    });
    match written.await {
        Ok(bytes) => ([(header::CONTENT_TYPE, format.content_type())], bytes).into_response(),
        // The panic hook has said why.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
