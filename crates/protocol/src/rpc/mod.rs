//! Remote procedure calls over HTTP: gRPC, gRPC-Web and Connect. They read whole exchanges; only messages are counted as
//! they go by.

mod carried;
mod envelope;
mod status;
#[cfg(test)]
mod tests;

use crate::{content, http1};
use bytes::Bytes;
pub(crate) use carried::Carried;
use envelope::Envelopes;
use overhear_exchange::{Body, Call, CallSystem, Headers, Http, Messages, Method, Redacted, Rpc};
use std::time::Duration;

/// Longest name of a service with its method, in bytes.
const LONGEST_NAME: usize = 256;

/// What a media type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavor {
    Grpc,
    GrpcWeb,
    /// The same in Base64.
    GrpcWebText,
    ConnectStream,
    /// A single message; that it is Connect, another field says.
    Single,
}

impl Flavor {
    fn of(media: &[u8]) -> Option<Self> {
        let end = media.iter().position(|b| matches!(b, b';' | b' ')).unwrap_or(media.len());
        let media = media.get(..end)?.to_ascii_lowercase();
        let rest = media.strip_prefix(b"application/")?;
        Some(match rest {
            b"grpc" | [b'g', b'r', b'p', b'c', b'+', ..] => Self::Grpc,
            b"grpc-web-text" | b"grpc-web-text+proto" => Self::GrpcWebText,
            _ if rest.starts_with(b"grpc-web") => Self::GrpcWeb,
            _ if rest.starts_with(b"connect+") => Self::ConnectStream,
            b"proto" | b"json" => Self::Single,
            _ => return None,
        })
    }

    const fn is_enveloped(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb | Self::ConnectStream)
    }
}

/// What is called, and how that went. What was counted while the bodies went by is given where it was.
pub(crate) fn of(http: &Http, carried: Option<&Carried>) -> Option<Call> {
    let flavor = flavor(http)?;
    let name = name(&http.path)?;
    let counted = |envelopes: Option<&Envelopes>, body: &Body| match envelopes {
        Some(envelopes) => envelopes.clone(),
        None => read(body, flavor),
    };
    let sent = counted(carried.and_then(|carried| carried.sent.as_ref()), &http.request_body);
    let received = counted(carried.and_then(|carried| carried.received.as_ref()), &http.response_body);
    let (system, status) = match flavor {
        Flavor::Grpc => (CallSystem::Grpc, status::of_grpc(http)),
        Flavor::GrpcWeb | Flavor::GrpcWebText => {
            (CallSystem::GrpcWeb, status::of_web(http, received.ending.as_deref()))
        }
        Flavor::ConnectStream => (CallSystem::Connect, status::of_stream(http, received.ending.as_deref())),
        Flavor::Single => (CallSystem::Connect, status::of_single(http)),
    };
    let rpc = Rpc {
        status,
        sent: messages(&sent, &http.request_body),
        received: messages(&received, &http.response_body),
        deadline: deadline(&http.request_headers),
    };
    Some(Call { system, name, rpc: Some(Box::new(rpc)) })
}

/// The messages of a body, in envelopes and without compression, where the body itself is not just that: at most
/// `limit` bytes of them. Nothing is told of calls whose messages are not written in protocol buffers.
pub fn plain(headers: &Headers, body: &Body, limit: usize) -> Option<Vec<u8>> {
    let media = headers.get("content-type")?;
    let captured = body.captured.expose();
    let mut out = Vec::new();
    match Flavor::of(media)? {
        Flavor::Single if media.starts_with(b"application/proto") => {
            let decoded = content::decode(body, limit);
            add(&mut out, decoded.bytes.expose(), limit);
        }
        Flavor::Single => return None,
        Flavor::GrpcWebText => {
            envelope::messages(&unarmored(captured).0).for_each(|(_, message)| add(&mut out, message, limit))
        }
        Flavor::Grpc | Flavor::GrpcWeb | Flavor::ConnectStream => {
            if !envelope::messages(captured).any(|(compressed, _)| compressed) {
                return None;
            }
            let encoding =
                headers.get("grpc-encoding").or_else(|| headers.get("connect-content-encoding"))?;
            for (compressed, message) in envelope::messages(captured) {
                let room = limit.saturating_sub(out.len());
                if compressed {
                    let whole =
                        Body { captured: Redacted::new(Bytes::copy_from_slice(message)), ..coded(encoding) };
                    let decoded = content::decode(&whole, room);
                    if decoded.damaged || decoded.truncated {
                        break;
                    }
                    add(&mut out, decoded.bytes.expose(), limit);
                } else {
                    add(&mut out, message, limit);
                }
            }
        }
    }
    Some(out)
}

/// A body that is encoded so.
fn coded(encoding: &[u8]) -> Body {
    Body { complete: true, codings: http1::content_codings(encoding).collect(), ..Body::default() }
}

fn add(out: &mut Vec<u8>, message: &[u8], limit: usize) {
    if let Ok(length) = u32::try_from(message.len())
        && out.len() + message.len() + 5 <= limit
    {
        out.push(0);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(message);
    }
}

/// The messages of a body of envelopes that are there whole and not compressed.
pub fn messages_of(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    envelope::messages(body).filter_map(|(compressed, message)| (!compressed).then_some(message))
}

/// What the call speaks. Where the request's fields are not known, the answer tells.
fn flavor(http: &Http) -> Option<Flavor> {
    let of = |headers: &Headers| headers.get("content-type").and_then(Flavor::of);
    let asked = of(&http.request_headers);
    match asked.or_else(|| of(&http.response_headers))? {
        Flavor::Single => {
            let query = http.query.as_deref().unwrap_or_default();
            let by_query = http.method == Method::Get && query.split('&').any(|pair| pair == "connect=v1");
            let by_field = http.request_headers.get("connect-protocol-version") == Some(b"1");
            (by_query || asked.is_some() && by_field).then_some(Flavor::Single)
        }
        // An answer in envelopes to a request of another type is an error of something in between.
        flavor @ (Flavor::Grpc | Flavor::GrpcWeb | Flavor::GrpcWebText | Flavor::ConnectStream) => {
            (http.method == Method::Post).then_some(flavor)
        }
    }
}

/// `package.Service/Method`, behind whatever it is mounted below.
fn name(path: &str) -> Option<Box<str>> {
    let path = path.strip_prefix('/')?;
    let (before, method) = path.rsplit_once('/')?;
    let service = before.rsplit_once('/').map_or(before, |(_, service)| service);
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = |text: &str, fine: &dyn Fn(char) -> bool| !text.is_empty() && text.chars().all(fine);
    let fine = is_name(method, &word) && is_name(service, &|c| word(c) || c == '.');
    let name = path.get(path.len() - method.len() - 1 - service.len()..)?;
    (fine && name.len() <= LONGEST_NAME).then(|| name.into())
}

/// The messages of a body that was not followed as it went by.
fn read(body: &Body, flavor: Flavor) -> Envelopes {
    let mut envelopes = Envelopes::default();
    match flavor {
        Flavor::GrpcWebText => {
            let (bytes, whole) = unarmored(body.captured.expose());
            envelopes.push(&bytes);
            envelopes.lost |= !whole;
        }
        Flavor::Single => envelopes.count = u64::from(body.size > 0),
        Flavor::Grpc | Flavor::GrpcWeb | Flavor::ConnectStream => envelopes.push(body.captured.expose()),
    }
    envelopes
}

fn messages(envelopes: &Envelopes, body: &Body) -> Messages {
    let counted = envelopes.count;
    // What goes beyond the captured part of a body was counted as it went by, or is not known.
    let unseen =
        envelopes.lost || !body.complete && (body.captured.expose().len() as u64) < body.size && counted == 0;
    Messages { count: counted, partial: unseen }
}

/// Base64, in pieces that are padded each for itself as they are sent.
fn unarmored(text: &[u8]) -> (Vec<u8>, bool) {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                (bits, held) = (0, 0);
                continue;
            }
            b'\r' | b'\n' => continue,
            _ => return (bytes, false),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
        }
    }
    (bytes, true)
}

/// How long the client would wait (`grpc-timeout`: up to eight digits and a unit; Connect: milliseconds).
fn deadline(headers: &Headers) -> Option<Duration> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
    if let Some(milliseconds) = headers.get("connect-timeout-ms") {
        return number(milliseconds).map(Duration::from_millis);
    }
    let (unit, digits) = headers.get("grpc-timeout")?.split_last()?;
    let count = number(digits).filter(|_| digits.len() <= 8)?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}
