//! Customers: log in with a password, then a bearer token or a session cookie.

use super::{CUSTOMERS, Upstream, Work, problem};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

#[derive(Clone)]
struct Users {
    inventory: Upstream,
    work: Work,
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

pub(super) fn router(inventory: Upstream, work: Work) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/users/me", get(me))
        .route("/users/{id}", get(profile))
        .with_state(Users { inventory, work })
}

async fn login(State(users): State<Users>, Json(login): Json<Login>) -> Response {
    // Hashing a password takes its time.
    users.work.take(35.0).await;
    let Some(id) = customer_of(&login.email).filter(|_| login.password == "correct horse") else {
        return problem(StatusCode::UNAUTHORIZED, "bad_credentials", "wrong address or password");
    };
    let cookie = format!("session={id}.{}; HttpOnly; Path=/", users.work.with(|c| c.prefixed("sess")));
    let token = format!("{id}.{}", users.work.with(|chance| chance.prefixed("tok")));
    ([(header::SET_COOKIE, cookie)], Json(json!({"token": token, "expires_in": 3600}))).into_response()
}

async fn me(State(users): State<Users>, headers: HeaderMap) -> Response {
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = cookie.split("; ").find_map(|pair| pair.strip_prefix("session=")).and_then(number);
    match id {
        Some(id) => users.profile_of(id).await,
        None => problem(StatusCode::UNAUTHORIZED, "no_session", "log in first"),
    }
}

async fn profile(State(users): State<Users>, Path(id): Path<u64>, headers: HeaderMap) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match bearer.and_then(|value| value.strip_prefix("Bearer ")).and_then(number) {
        Some(_) => users.profile_of(id).await,
        None => problem(StatusCode::UNAUTHORIZED, "no_token", "log in first"),
    }
}

impl Users {
    async fn profile_of(&self, id: u64) -> Response {
        self.work.take(0.6).await;
        self.inventory.get(&format!("/kv/users/{id}")).await.pass_on()
    }
}

fn customer_of(email: &str) -> Option<u64> {
    let id = email.strip_prefix("customer")?.strip_suffix("@shop.example")?.parse().ok()?;
    (1..=CUSTOMERS).contains(&id).then_some(id)
}

/// The customer number that a token or a session begins with.
fn number(token: &str) -> Option<u64> {
    token.split_once('.')?.0.parse().ok()
}
