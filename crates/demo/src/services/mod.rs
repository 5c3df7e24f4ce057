//! What the processes that listen answer: one file per role.

mod catalog;
mod gateway;
mod goods;
mod inventory;
mod orders;
mod payments;
mod upstream;
mod users;

pub(crate) use goods::{Product, goods};
pub(crate) use upstream::Upstream;

use crate::{Role, chance::Chance, process};
use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Largest customer number.
pub(crate) const CUSTOMERS: u64 = 400;

/// What this role answers.
pub(crate) fn router(orders: &process::Orders) -> Router {
    let inventory = Upstream::new(orders.role, orders.ports.url(Role::Inventory));
    let work = Work::new();
    let router = match orders.role {
        Role::Gateway => gateway::router(orders.ports),
        Role::Orders => {
            let payments = Upstream::new(orders.role, orders.ports.url(Role::Payments));
            orders::router(inventory, payments, work)
        }
        Role::Catalog => catalog::router(inventory, work),
        Role::Users => users::router(inventory, work),
        Role::Payments => payments::router(work),
        Role::Inventory => inventory::router(work),
        Role::Shopper => Router::new(),
    };
    router.route("/healthz", get(|| async { Json(json!({"status": "ok"})) }))
}

/// Pretended work: time that passes, and chance.
#[derive(Clone)]
pub(crate) struct Work(Arc<Mutex<Chance>>);

impl Work {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Chance::new(u64::from(std::process::id())))))
    }

    /// Lets about so much time pass.
    pub(crate) async fn take(&self, milliseconds: f64) {
        let time = self.with(|chance| chance.latency(Duration::from_secs_f64(milliseconds / 1e3)));
        tokio::time::sleep(time).await;
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Chance) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An error as this shop words it.
pub(crate) fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message}}))).into_response()
}
