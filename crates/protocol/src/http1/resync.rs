//! Where a message starts after a loss.
//!
//! Only the first byte of an arrival is considered: without pipelining every message begins a write of its own, while
//! a body may contain anything, message heads included. And only a whole, regular head is believed.

use super::{
    detect::starts_like_request,
    head::{RequestHead, ResponseHead},
};
use overhear_exchange::HttpVersion;

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
    head.framing.is_ok() && (head.has_host || head.version == HttpVersion::V1_0) && head.regular
}

/// A response head that stands on its own.
pub(super) const fn is_convincing_response(head: &ResponseHead) -> bool {
    head.regular
}
