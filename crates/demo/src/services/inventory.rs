//! Keys and values over HTTP: what a database is to the other processes.

use super::{CUSTOMERS, Work, goods, problem};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Most rows that were written; the oldest make room.
const MAX_WRITTEN: usize = 2_000;

type Key = (String, String);

#[derive(Clone)]
struct Shelves {
    rows: Arc<Mutex<Rows>>,
    work: Work,
}

#[derive(Default)]
struct Rows {
    values: BTreeMap<Key, Value>,
    written: VecDeque<Key>,
}

pub(super) fn router(work: Work) -> Router {
    let shelves = Shelves { rows: Arc::new(Mutex::new(Rows::stocked(&work))), work };
    Router::new().route("/kv/{table}/{key}", get(read).put(write).delete(remove)).with_state(shelves)
}

async fn read(State(shelves): State<Shelves>, Path(key): Path<Key>) -> Response {
    shelves.work.take(0.4).await;
    let value = shelves.rows().values.get(&key).cloned();
    match value {
        Some(value) => Json(value).into_response(),
        None => problem(StatusCode::NOT_FOUND, "no_such_key", "nothing under this key"),
    }
}

async fn write(State(shelves): State<Shelves>, Path(key): Path<Key>, body: Bytes) -> Response {
    shelves.work.take(1.2).await;
    let Ok(value) = serde_json::from_slice(&body) else {
        return problem(StatusCode::BAD_REQUEST, "bad_value", "the value is not JSON");
    };
    shelves.rows().write(key, value);
    StatusCode::NO_CONTENT.into_response()
}

async fn remove(State(shelves): State<Shelves>, Path(key): Path<Key>) -> StatusCode {
    shelves.work.take(0.9).await;
    match shelves.rows().values.remove(&key) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

impl Shelves {
    fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn stocked(work: &Work) -> Self {
        let mut values = BTreeMap::new();
        for product in goods() {
            let stock = json!({
                "sku": product.sku,
                "available": work.with(|chance| chance.below(80)),
                "warehouse": "north"
            });
            values.insert(("stock".to_owned(), product.sku.clone()), stock);
            values.insert(("product-ids".to_owned(), product.id.clone()), json!({"slug": product.slug}));
            values.insert(("products".to_owned(), product.slug.clone()), json!(product));
        }
        for id in 1..=CUSTOMERS {
            values.insert(("users".to_owned(), id.to_string()), customer(id));
        }
        Self { values, written: VecDeque::new() }
    }

    fn write(&mut self, key: Key, value: Value) {
        if self.values.insert(key.clone(), value).is_none() {
            self.written.push_back(key);
        }
        if self.written.len() > MAX_WRITTEN
            && let Some(oldest) = self.written.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

fn customer(id: u64) -> Value {
    json!({
        "id": id,
        "email": format!("customer{id}@shop.example"),
        "name": format!("Customer {id}"),
        "phone": id.is_multiple_of(3).then(|| format!("+49 30 5550{id:03}")),
        "newsletter": id.is_multiple_of(2),
        "address": {"city": "Berlin", "postcode": format!("10{id:03}")}
    })
}
