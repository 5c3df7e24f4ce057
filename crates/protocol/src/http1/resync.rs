//! Where a message starts after a loss.
//!
//! Only the first byte of an arrival is considered: without pipelining every message begins a write of its own, while
//! a body may contain anything, message heads included. And only a whole, regular head is believed.

use super::{
    detect::starts_like_request,
    head::{RequestHead, ResponseHead},
};
use overhear_exchange::{HttpVersion, Method};

/// Is a request head at the start of these bytes still possible?
pub(super) fn may_start_request(bytes: &[u8]) -> bool {
    starts_like_request(bytes)
}

/// Is a status line at the start of these bytes still possible?
pub(super) fn may_start_response(bytes: &[u8]) -> bool {
    let start = b"HTTP/1.";
    bytes.iter().zip(start).all(|(a, b)| a == b)
}

/// A request head that stands on its own: an unambiguous frame, a target of one of the four forms, and the Host field
/// that HTTP/1.1 demands (RFC 9112 §3.2).
pub(super) fn is_convincing_request(head: &RequestHead) -> bool {
    let hosted = head.has_host || head.version == HttpVersion::V1_0;
    head.framing.is_ok() && hosted && head.regular && is_well_known(&head.method)
}

/// After a loss a method may lack its first letters: only known ones are believed, and none that is the end of another.
fn is_well_known(method: &Method) -> bool {
    match method {
        Method::Get
        | Method::Head
        | Method::Post
        | Method::Put
        | Method::Delete
        | Method::Connect
        | Method::Options
        | Method::Trace
        | Method::Patch => true,
        Method::Other(token) => {
            ["PROPFIND", "MKCOL", "COPY", "MOVE", "REPORT", "SEARCH", "QUERY", "PURGE"].contains(&&**token)
        }
    }
}

/// A response head that stands on its own.
pub(super) const fn is_convincing_response(head: &ResponseHead) -> bool {
    head.regular
}
