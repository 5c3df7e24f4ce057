use bytes::Bytes;
use overhear_exchange::{Body, Detail, Exchange, Headers, Http};
use overhear_model::{Bodies, shape::Content};
use overhear_protocol::{content, rpc};

/// Bytes of a body that are decoded at most; what looks at it needs no more.
const LIMIT: usize = 1 << 20;

/// The bodies of an exchange whose content codings had to be undone; nothing for those that have none.
#[derive(Clone, Debug, Default)]
pub struct DecodedBodies {
    request: Option<Decoded>,
    response: Option<Decoded>,
}

#[derive(Clone, Debug)]
struct Decoded {
    bytes: Bytes,
    complete: bool,
}

impl DecodedBodies {
    /// Undoes what has to be undone.
    pub fn of(exchange: &Exchange) -> Self {
        let Detail::Http(http) = &exchange.detail;
        let is_rpc = http.call.as_ref().is_some_and(|call| call.rpc.is_some());
        let decode = |headers, body| {
            if is_rpc { messages(headers, body).or_else(|| decode(body)) } else { decode(body) }
        };
        Self {
            request: decode(&http.request_headers, &http.request_body),
            response: decode(&http.response_headers, &http.response_body),
        }
    }

    /// The response body, where it had to be decoded.
    pub fn response(&self) -> Option<&Bytes> {
        self.response.as_ref().map(|body| &body.bytes)
    }

    /// All that can be read: these, and those that are not encoded.
    pub fn with<'a>(&'a self, http: &'a Http) -> Bodies<'a> {
        let plain = Bodies::of(http);
        Bodies {
            request: content(self.request.as_ref()).or(plain.request),
            response: content(self.response.as_ref()).or(plain.response),
        }
    }
}

fn content(decoded: Option<&Decoded>) -> Option<Content<'_>> {
    decoded.map(|body| Content { bytes: &body.bytes, complete: body.complete })
}

/// The messages of a remote procedure call, where they do not lie in the body as they are.
fn messages(headers: &Headers, body: &Body) -> Option<Decoded> {
    let plain = rpc::plain(headers, body, LIMIT)?;
    Some(Decoded { bytes: plain.into(), complete: body.complete })
}

fn decode(body: &Body) -> Option<Decoded> {
    if body.codings.is_empty() || body.captured.expose().is_empty() {
        return None;
    }
    let decoded = content::decode(body, LIMIT);
    let complete = !decoded.truncated && !decoded.damaged;
    Some(Decoded { bytes: decoded.bytes.expose().clone(), complete })
}
