//! Charges: slow, and the bank behind them fails now and then.

use super::{Work, problem};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Charge {
    order: String,
    amount: f64,
    currency: String,
}

pub(super) fn router(work: Work) -> Router {
    Router::new().route("/charges", post(charge)).with_state(work)
}

async fn charge(State(work): State<Work>, Json(charge): Json<Charge>) -> Response {
    let (late, broken) = work.with(|chance| (chance.one_in(14), chance.one_in(10)));
    if late {
        work.take(900.0).await;
        return problem(StatusCode::GATEWAY_TIMEOUT, "bank_timeout", "the bank did not answer in time");
    }
    work.take(170.0).await;
    if broken {
        return problem(StatusCode::BAD_GATEWAY, "bank_unavailable", "the bank hung up");
    }
    let body = json!({
        "id": work.with(|chance| chance.prefixed("ch")),
        "order": charge.order,
        "amount": charge.amount,
        "currency": charge.currency,
        "status": "succeeded"
    });
    (StatusCode::CREATED, Json(body)).into_response()
}
