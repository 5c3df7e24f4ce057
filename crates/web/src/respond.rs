//! Answers as JSON, and what is wrong as a sentence.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use overhear_query::monitor::Unanswered;
use serde_json::{Value, json};
use std::io::Write;

/// Smaller answers travel as they are.
const WORTH_PACKING: usize = 1_500;

/// Why a question got no answer.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl Refusal {
    pub(crate) fn bad(sentence: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.into())
    }

    pub(crate) fn missing(sentence: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, sentence.into())
    }
}

impl From<Unanswered> for Refusal {
    fn from(why: Unanswered) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, why.0)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_bytes(self.0, json!({"error": self.1}).to_string().into_bytes(), false)
    }
}

/// An answer, compressed where that is worth it.
pub(crate) fn answer(value: &Value, headers: &HeaderMap) -> Response {
    let bytes = value.to_string().into_bytes();
    let pack = bytes.len() > WORTH_PACKING && takes_gzip(headers);
    json_bytes(StatusCode::OK, if pack { gzip(&bytes) } else { bytes }, pack)
}

fn json_bytes(status: StatusCode, bytes: Vec<u8>, packed: bool) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    if packed {
        return (status, kind, [(header::CONTENT_ENCODING, "gzip")], bytes).into_response();
    }
    (status, kind, bytes).into_response()
}

pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|line| line.split(',')).any(|coding| coding.trim().starts_with("gzip"))
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(4));
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
