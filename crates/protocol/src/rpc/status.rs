//! How a call ended, where each of the protocols says so.

use overhear_exchange::{Body, Headers, Http, RpcStatus};
use serde::Deserialize;
use std::borrow::Cow;

/// In the trailers, or in the only head there is (gRPC over HTTP/2, Trailers-Only).
pub(super) fn of_grpc(http: &Http) -> Option<RpcStatus> {
    let said = |headers: &Headers| headers.get("grpc-status").map(number);
    said(&http.trailers).or_else(|| said(&http.response_headers))
}

/// In the last frame of the body, or where gRPC has it.
pub(super) fn of_web(http: &Http, ending: Option<&[u8]>) -> Option<RpcStatus> {
    ending.and_then(in_lines).or_else(|| of_grpc(http))
}

/// In the object that ends the stream.
pub(super) fn of_stream(http: &Http, ending: Option<&[u8]>) -> Option<RpcStatus> {
    #[derive(Deserialize)]
    struct Ending<'a> {
        #[serde(borrow)]
        error: Option<Failure<'a>>,
    }
    if http.status? != 200 {
        return of_single(http);
    }
    let ending: Ending<'_> = serde_json::from_slice(ending?).ok()?;
    Some(ending.error.map_or(RpcStatus::Ok, |error| by_name(&error.code)))
}

/// By the HTTP status; what failed says more in its body.
pub(super) fn of_single(http: &Http) -> Option<RpcStatus> {
    let status = http.status?;
    if status == 200 {
        return Some(RpcStatus::Ok);
    }
    let told = failure(&http.response_body);
    Some(told.unwrap_or(match status {
        // Connect, "HTTP to Error Code".
        400 => RpcStatus::Internal,
        401 => RpcStatus::Unauthenticated,
        403 => RpcStatus::PermissionDenied,
        404 => RpcStatus::Unimplemented,
        429 | 502..=504 => RpcStatus::Unavailable,
        _ => RpcStatus::Unknown,
    }))
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

fn failure(body: &Body) -> Option<RpcStatus> {
    let failure: Failure<'_> = serde_json::from_slice(body.captured.expose()).ok()?;
    Some(by_name(&failure.code))
}

fn by_name(name: &str) -> RpcStatus {
    match name {
        // The one that is spelled otherwise.
        "canceled" => RpcStatus::Cancelled,
        name => RpcStatus::named(&name.to_ascii_uppercase()).unwrap_or(RpcStatus::Unknown),
    }
}

/// Codes that nobody knows are unknown errors (gRPC, Status codes).
fn number(digits: &[u8]) -> RpcStatus {
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.trim().parse().ok());
    number.and_then(RpcStatus::new).unwrap_or(RpcStatus::Unknown)
}

fn in_lines(trailers: &[u8]) -> Option<RpcStatus> {
    trailers.split(|byte| *byte == b'\n').find_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(at)?;
        name.eq_ignore_ascii_case(b"grpc-status")
            .then(|| number(value.get(1..).unwrap_or_default().trim_ascii()))
    })
}
