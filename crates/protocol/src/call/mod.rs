//! Protocols on top of HTTP that name what they call in the body, so that one path serves many operations.
//!
//! They read whole exchanges, not bytes: what is on the wire is HTTP's business.

mod graphql;
mod jsonrpc;

use crate::{
    content,
    gen_ai::{self, Follower},
    rpc::{self, Carried},
};
use bytes::Bytes;
use overhear_exchange::{Body, Call, Http, Method, Timestamp};
use serde_json::value::RawValue;

/// Bytes of a request that are looked at.
const LIMIT: usize = 256 * 1024;
/// Longest name of an operation, in bytes; a longer one is none.
const LONGEST_NAME: usize = 96;

/// Adds what the bodies of a whole exchange say of it: what is called, and which model.
pub fn tell(http: &mut Http) {
    tell_streamed(http, None, None);
}

/// As [`tell`], with what was counted of its messages, and what the events of the answer said and when the request was
/// whole.
pub(crate) fn tell_streamed(
    http: &mut Http,
    carried: Option<&Carried>,
    events: Option<(&Follower, Timestamp)>,
) {
    http.call = rpc::of(http, carried).or_else(|| in_content(http)).map(Box::new);
    tell_model(http, events);
}

/// Adds which model is called.
fn tell_model(http: &mut Http, events: Option<(&Follower, Timestamp)>) {
    if gen_ai::may_be(http) {
        let (request, response) = (plain(&http.request_body), plain(&http.response_body));
        http.gen_ai = gen_ai::of(http, &request, &response, events).map(Box::new);
    }
}

/// What a request calls, where it does so in its body (or, for GraphQL, in its query), or is a remote procedure call.
pub fn of(http: &Http) -> Option<Call> {
    rpc::of(http, None).or_else(|| in_content(http))
}

/// What the content says.
fn in_content(http: &Http) -> Option<Call> {
    if http.method == Method::Get {
        return graphql::in_query(http.query.as_deref()?);
    }
    let body = &http.request_body;
    if http.method != Method::Post || body.captured.expose().is_empty() {
        return None;
    }
    let media = http.request_headers.get("content-type").unwrap_or_default();
    if media.starts_with(b"application/graphql") && !media.starts_with(b"application/graphql+json") {
        return graphql::document(&text(http)?, None);
    }
    // Most bodies are neither, and finding that out must cost next to nothing.
    let captured = body.captured.expose();
    let may_be = |word: &str| memchr::memmem::find(captured, word.as_bytes()).is_some();
    let encoded = !body.codings.is_empty();
    if !encoded && !["\"jsonrpc\"", "\"query\"", "\"operationName\""].into_iter().any(may_be) {
        return None;
    }
    let text = text(http)?;
    let speaks_mcp = http.request_headers.get("mcp-protocol-version").is_some()
        || http.request_headers.get("mcp-session-id").is_some();
    jsonrpc::of(&text, speaks_mcp).or_else(|| graphql::in_body(&text))
}

/// The request's body without its coding, as far as it is text.
fn text(http: &Http) -> Option<String> {
    let bytes = plain(&http.request_body);
    let bytes = bytes.get(..bytes.len().min(LIMIT))?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// A body without its coding, as far as it was kept.
fn plain(body: &Body) -> Bytes {
    if body.codings.is_empty() {
        body.captured.expose().clone()
    } else {
        content::decode(body, LIMIT).bytes.expose().clone()
    }
}

/// The first element of a batch, or the value itself; whether it was a batch.
fn first(text: &str) -> Option<(&RawValue, bool)> {
    if text.trim_start().starts_with('[') {
        let batch: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        return batch.first().map(|first| (*first, batch.len() > 1));
    }
    serde_json::from_str(text).ok().map(|value| (value, false))
}

/// A name as it may stand in a route: printable, not too long, without what routes are made of.
fn name(text: &str) -> Option<Box<str>> {
    let fine = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '{' | '}' | '#' | '?');
    (!text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(fine)).then(|| text.into())
}

/// Stands for a batch of several calls.
const BATCH: &str = "batch";
/// Stands for an operation that nobody named.
const ANONYMOUS: &str = "anonymous";

#[cfg(test)]
mod tests;
