use bytes::Bytes;
use overhear_exchange::{Detail, Exchange};
use overhear_protocol::content;

/// Bytes of a body that are decoded at most; what looks at it needs no more.
const LIMIT: usize = 64 * 1024;

/// The beginning of the response body without its content coding; `None` where there is none to undo.
pub fn decoded_body(exchange: &Exchange) -> Option<Bytes> {
    let Detail::Http(http) = &exchange.detail;
    let body = &http.response_body;
    if body.codings.is_empty() || body.captured.expose().is_empty() {
        return None;
    }
    Some(content::decode(body, LIMIT).bytes.expose().clone())
}
