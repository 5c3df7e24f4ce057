//! Orders: made, listed, paid. It asks the inventory once per item where once would do.

use super::{Upstream, Work, problem};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Orders that a list knows of.
const MAX_RECENT: usize = 50;
/// Most items of an order.
const MAX_ITEMS: usize = 20;

#[derive(Clone)]
struct Orders {
    inventory: Upstream,
    payments: Upstream,
    work: Work,
    recent: Arc<Mutex<VecDeque<String>>>,
}

#[derive(Deserialize)]
struct NewOrder {
    customer: u64,
    items: Vec<Item>,
    note: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Item {
    sku: String,
    quantity: u32,
}

#[derive(Deserialize)]
struct List {
    status: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct Coupon {
    code: String,
}

pub(super) fn router(inventory: Upstream, payments: Upstream, work: Work) -> Router {
    Router::new()
        .route("/orders", post(create).get(list))
        .route("/orders/{id}", get(read))
        .route("/orders/{id}/pay", post(pay))
        .route("/orders/{id}/items/{position}", delete(remove_item))
        .route("/coupons/apply", post(coupon))
        .route("/reports/sales/{date}", get(report))
        .with_state(Orders { inventory, payments, work, recent: Arc::default() })
}

async fn create(State(orders): State<Orders>, Json(new): Json<NewOrder>) -> Response {
    if new.items.is_empty() || new.items.len() > MAX_ITEMS {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "bad_items", "an order has 1 to 20 items");
    }
    let mut total = 0.0;
    for item in &new.items {
        let stock = orders.inventory.get(&format!("/kv/stock/{}", item.sku)).await;
        if stock.status != StatusCode::OK {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, "no_such_item", "an item does not exist");
        }
        total += f64::from(item.quantity) * 9.5;
    }
    let id = orders.work.with(|chance| chance.prefixed("ord"));
    let order = json!({
        "id": id,
        "customer": new.customer,
        "status": "open",
        "items": new.items,
        "note": new.note,
        "total": total
    });
    orders.inventory.json(Method::PUT, &format!("/kv/orders/{id}"), &order).await;
    orders.remember(id);
    (StatusCode::CREATED, Json(order)).into_response()
}

async fn read(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    orders.work.take(0.7).await;
    let answer = orders.inventory.get(&format!("/kv/orders/{id}")).await;
    if answer.status == StatusCode::NOT_FOUND {
        return problem(StatusCode::NOT_FOUND, "no_such_order", "this order does not exist");
    }
    answer.pass_on()
}

/// One call for every order in the list: the N+1 there is in every shop.
async fn list(State(orders): State<Orders>, Query(query): Query<List>) -> Response {
    let status = query.status.unwrap_or_else(|| "open".to_owned());
    let mut found = Vec::new();
    for id in orders.latest(query.limit.unwrap_or(10)) {
        let order = orders.inventory.get(&format!("/kv/orders/{id}")).await.value();
        if order.get("status").and_then(Value::as_str) == Some(status.as_str()) {
            found.push(order);
        }
    }
    Json(json!({"orders": found, "status": status})).into_response()
}

async fn pay(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    let path = format!("/kv/orders/{id}");
    let mut order = orders.inventory.get(&path).await.value();
    let Some(amount) = order.get("total").and_then(Value::as_f64) else {
        return problem(StatusCode::NOT_FOUND, "no_such_order", "this order does not exist");
    };
    let charge = json!({"order": id, "amount": amount, "currency": "EUR"});
    let answer = orders.payments.json(Method::POST, "/charges", &charge).await;
    if !answer.status.is_success() {
        return problem(StatusCode::BAD_GATEWAY, "payment_failed", "the payment did not go through");
    }
    if let Some(order) = order.as_object_mut() {
        order.insert("status".to_owned(), json!("paid"));
    }
    orders.inventory.json(Method::PUT, &path, &order).await;
    Json(json!({"order": id, "status": "paid", "charge": answer.value().get("id")})).into_response()
}

async fn remove_item(State(orders): State<Orders>, Path((id, position)): Path<(String, usize)>) -> Response {
    let path = format!("/kv/orders/{id}");
    let mut order = orders.inventory.get(&path).await.value();
    match order.get_mut("items").and_then(Value::as_array_mut) {
        Some(items) if position < items.len() => {
            items.remove(position);
        }
        _ => return problem(StatusCode::NOT_FOUND, "no_such_item", "this item does not exist"),
    }
    orders.inventory.json(Method::PUT, &path, &order).await;
    StatusCode::NO_CONTENT.into_response()
}

/// An error that hides in a 200.
async fn coupon(State(orders): State<Orders>, Json(coupon): Json<Coupon>) -> Response {
    orders.work.take(2.0).await;
    match coupon.code.as_str() {
        "WELCOME10" => Json(json!({"code": coupon.code, "discount": 0.1})).into_response(),
        _ => Json(json!({"error": "coupon expired", "code": coupon.code})).into_response(),
    }
}

/// Fails for two seconds of every ten.
async fn report(State(orders): State<Orders>, Path(date): Path<String>) -> Response {
    orders.work.take(25.0).await;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if seconds % 10 < 2 {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "division by zero in sales report");
    }
    let sales = orders.work.with(|chance| chance.below(900));
    Json(json!({"date": date, "orders": sales, "currency": "EUR"})).into_response()
}

impl Orders {
    fn remember(&self, id: String) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front(id);
        recent.truncate(MAX_RECENT);
    }

    fn latest(&self, limit: usize) -> Vec<String> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().take(limit).cloned().collect()
    }
}
