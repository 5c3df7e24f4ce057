//! The files of the page, inside the binary.

use crate::respond::{gzip, takes_gzip};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::OnceLock,
};

/// Paths of views: all of them are the one page.
const VIEWS: [&str; 7] = ["/", "/endpoints", "/endpoint", "/live", "/map", "/changes", "/health"];

struct Asset {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    /// Compressed and named by its content, once it is asked for.
    packed: OnceLock<(Vec<u8>, String)>,
}

macro_rules! asset {
    ($path:literal, $kind:ident) => {
        Asset {
            path: concat!("/assets/", $path),
            kind: $kind,
            bytes: include_bytes!(concat!("../assets/", $path)),
            packed: OnceLock::new(),
        }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PAGE: &str = "text/html; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

static ASSETS: [Asset; 21] = [
    asset!("index.html", PAGE),
    asset!("icon.svg", IMAGE),
    asset!("style.css", STYLE),
    asset!("app.js", SCRIPT),
    asset!("url.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("parts.js", SCRIPT),
    asset!("chart.js", SCRIPT),
    asset!("heat.js", SCRIPT),
    asset!("home.js", SCRIPT),
    asset!("endpoints.js", SCRIPT),
    asset!("endpoint.js", SCRIPT),
    asset!("edit.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("map.js", SCRIPT),
    asset!("changes.js", SCRIPT),
    asset!("health.js", SCRIPT),
    asset!("vendor/preact.mjs", SCRIPT),
    asset!("vendor/uplot.mjs", SCRIPT),
    asset!("vendor/dagre.mjs", SCRIPT),
];

/// A file, or the page for the path of a view.
pub(crate) async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = if VIEWS.contains(&uri.path()) { "/assets/index.html" } else { uri.path() };
    match ASSETS.iter().find(|asset| asset.path == path) {
        Some(asset) => asset.respond(&headers),
        None => (StatusCode::NOT_FOUND, "There is no such page.\n").into_response(),
    }
}

impl Asset {
    fn respond(&'static self, headers: &HeaderMap) -> Response {
        let (packed, tag) = self.packed.get_or_init(|| (gzip(self.bytes), tag(self.bytes)));
        let known =
            headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else if takes_gzip(headers) {
            ([(header::CONTENT_ENCODING, "gzip")], packed.as_slice()).into_response()
        } else {
            self.bytes.into_response()
        };
        let answer = response.headers_mut();
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(tag) = HeaderValue::from_str(tag) {
            answer.insert(header::ETAG, tag);
        }
        response
    }
}

fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::{ASSETS, gzip};

    #[test]
    fn the_page_is_small() {
        let all: usize = ASSETS.iter().map(|asset| gzip(asset.bytes).len()).sum();
        assert!(all < 150_000, "{all} bytes");
    }
}
