//! Products: lists (slow when long), search (compressed), single ones.

use super::{Product, Upstream, Work, goods, problem};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{convert::Infallible, io::Write, sync::Arc, time::Duration};

/// From this length on a list is sent in pieces.
const LONG_LIST: usize = 200;
const MAX_LIST: usize = 1_000;

#[derive(Clone)]
struct Catalog {
    goods: Arc<[Product]>,
    inventory: Upstream,
    work: Work,
}

#[derive(Deserialize)]
struct List {
    category: Option<String>,
    page: Option<usize>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct Search {
    q: String,
}

pub(super) fn router(inventory: Upstream, work: Work) -> Router {
    Router::new()
        .route("/products", get(list))
        .route("/products/{slug}", get(by_slug))
        .route("/variants/{id}", get(by_id))
        .route("/search", get(search))
        .with_state(Catalog { goods: goods().into(), inventory, work })
}

async fn list(State(catalog): State<Catalog>, Query(query): Query<List>) -> Response {
    let limit = query.limit.unwrap_or(20).min(MAX_LIST);
    // The slow endpoint: it sorts what it returns, badly.
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
    catalog.work.take(3.0 + limit as f64 * 0.35).await;
    let wanted = |product: &&Product| query.category.as_ref().is_none_or(|c| product.category == c);
    let skip = query.page.unwrap_or(1).saturating_sub(1).saturating_mul(limit);
    let items: Vec<Product> =
        catalog.goods.iter().filter(wanted).cycle().skip(skip % 60).take(limit).cloned().collect();
    if limit >= LONG_LIST {
        return in_pieces(items);
    }
    Json(json!({"items": items, "page": query.page.unwrap_or(1), "limit": limit})).into_response()
}

/// Transfer-Encoding: chunked, fifty products at a time.
fn in_pieces(items: Vec<Product>) -> Response {
    let mut pieces = vec![Bytes::from_static(b"{\"items\":[")];
    for (i, chunk) in items.chunks(50).enumerate() {
        let json = json!(chunk).to_string();
        let inner = json.trim_start_matches('[').trim_end_matches(']');
        pieces.push(Bytes::from(if i == 0 { inner.to_owned() } else { format!(",{inner}") }));
    }
    pieces.push(Bytes::from_static(b"]}"));
    let stream = stream::unfold(pieces.into_iter(), |mut pieces| async {
        let piece = pieces.next()?;
        tokio::time::sleep(Duration::from_millis(2)).await;
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(stream)).into_response()
}

async fn by_slug(State(catalog): State<Catalog>, Path(slug): Path<String>) -> Response {
    catalog.work.take(0.8).await;
    let answer = catalog.inventory.get(&format!("/kv/products/{slug}")).await;
    if answer.status != StatusCode::OK {
        return problem(StatusCode::NOT_FOUND, "no_such_product", "this product does not exist");
    }
    let mut product = answer.value();
    let sku = product.get("sku").and_then(Value::as_str).unwrap_or_default().to_owned();
    let stock = catalog.inventory.get(&format!("/kv/stock/{sku}")).await.value();
    if let (Some(product), Some(available)) = (product.as_object_mut(), stock.get("available")) {
        product.insert("available".to_owned(), available.clone());
    }
    Json(product).into_response()
}

async fn by_id(State(catalog): State<Catalog>, Path(id): Path<String>) -> Response {
    let answer = catalog.inventory.get(&format!("/kv/product-ids/{id}")).await;
    let value = answer.value();
    let Some(slug) = value.get("slug").and_then(Value::as_str) else {
        return problem(StatusCode::NOT_FOUND, "no_such_variant", "this variant does not exist");
    };
    catalog.inventory.get(&format!("/kv/products/{slug}")).await.pass_on()
}

async fn search(State(catalog): State<Catalog>, Query(query): Query<Search>) -> Response {
    catalog.work.take(12.0).await;
    let hits: Vec<&Product> = catalog.goods.iter().filter(|p| p.name.contains(&query.q)).collect();
    let body = json!({"query": query.q, "total": hits.len(), "hits": hits}).to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let compressed = encoder.write_all(body.as_bytes()).and_then(|()| encoder.finish());
    let Ok(compressed) = compressed else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "compression", "could not compress");
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
    (headers, compressed).into_response()
}
