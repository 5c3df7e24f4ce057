use super::{
    entry::{Entry, Header, Text, Timings},
    url::Url,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use overhear_exchange::wire::ConnectionId;
use overhear_exchange::{
    Address, Body, Detail, Direction, ErrorType, Exchange, Headers, Http, HttpVersion, Method, Peer,
    Redacted, Timestamp,
};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Connections and hosts that are remembered; beyond that each entry is on a connection of its own.
const MAX_REMEMBERED: usize = 1 << 16;

/// Makes exchanges of entries.
#[derive(Default)]
pub(super) struct Converter {
    connections: HashMap<(Box<str>, Box<str>), ConnectionId>,
    next: u64,
    hosts: HashMap<Box<str>, Arc<str>>,
}

/// What an entry is.
pub(super) enum Converted {
    Exchange(Box<Exchange>),
    NotSent,
    Malformed,
}

impl Converter {
    pub(super) fn convert(&mut self, json: &str) -> Converted {
        let Ok(entry) = serde_json::from_str::<Entry<'_>>(json) else { return Converted::Malformed };
        let Some(url) = Url::new(&entry.request.url) else { return Converted::NotSent };
        let failure = entry.response.error.as_deref().or(entry.error.as_deref()).map(Failure::new);
        if failure == Some(Failure::NotSent) {
            return Converted::NotSent;
        }
        match self.exchange(&entry, &url, failure) {
            Some(exchange) => Converted::Exchange(Box::new(exchange)),
            None => Converted::Malformed,
        }
    }

    fn exchange(&mut self, entry: &Entry<'_>, url: &Url<'_>, failure: Option<Failure>) -> Option<Exchange> {
        let time = entry.started_date_time.parse::<jiff::Timestamp>().ok()?;
        let status = status(entry.response.status);
        let error = match failure {
            Some(Failure::Error(error)) => Some(error),
            Some(Failure::NotSent | Failure::Other) | None => {
                status.filter(|&status| status >= 500).map(ErrorType::Status)
            }
        };
        let whole = status.is_some() && failure.is_none();
        Some(Exchange {
            connection: self.connection(entry, url),
            time: Timestamp::from_nanos(u64::try_from(time.as_nanosecond()).ok()?),
            duration: duration(entry).filter(|_| whole),
            time_to_first_byte: status.and(millis(entry.timings.wait)),
            direction: Direction::Inbound,
            client: Peer::default(),
            server: Peer { address: self.server(entry, url), process: None },
            service: self.host(url.host),
            error,
            detail: Detail::Http(Box::new(http(entry, url, status, whole))),
        })
    }

    /// Ids of connections are only unique per server, in some exporters' files.
    fn connection(&mut self, entry: &Entry<'_>, url: &Url<'_>) -> ConnectionId {
        let fresh = ConnectionId(self.next);
        let named = entry.connection.as_deref().filter(|name| !name.is_empty());
        let id = match named {
            Some(name) => {
                let key = (url.authority.into(), name.into());
                let full = self.connections.len() >= MAX_REMEMBERED;
                match self.connections.get(&key) {
                    Some(&known) => known,
                    None if full => fresh,
                    None => *self.connections.entry(key).or_insert(fresh),
                }
            }
            None => fresh,
        };
        self.next += u64::from(id == fresh);
        id
    }

    fn server(&mut self, entry: &Entry<'_>, url: &Url<'_>) -> Address {
        let ip = entry.server_ip_address.as_deref().unwrap_or_default();
        match ip.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => Address::Ip(SocketAddr::new(ip, url.port)),
            Err(_) => Address::Name(self.host(url.host), url.port),
        }
    }

    fn host(&mut self, host: &str) -> Arc<str> {
        let name = host.to_ascii_lowercase();
        if let Some(known) = self.hosts.get(name.as_str()) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.hosts.len() < MAX_REMEMBERED {
            self.hosts.insert((&*name).into(), Arc::clone(&name));
        }
        name
    }
}

fn http(entry: &Entry<'_>, url: &Url<'_>, status: Option<u16>, whole: bool) -> Http {
    let (request, response) = (&entry.request, &entry.response);
    let version = [&request.http_version, &response.http_version];
    let version = version.into_iter().flatten().find_map(|text| version_of(text));
    Http {
        version: version.unwrap_or(HttpVersion::V1_1),
        scheme: url.scheme,
        method: Method::new(&request.method),
        authority: Some(url.authority.into()),
        path: url.path.into(),
        query: url.query.map(Into::into),
        status,
        request_headers: headers(&request.headers),
        response_headers: headers(&response.headers),
        request_body: body(request.post_data.as_ref(), request.body_size, true),
        response_body: body(response.content.as_ref(), response.body_size, whole),
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: smallvec::SmallVec::new(),
    }
}

/// Exporters write the pseudo-fields of HTTP/2 (RFC 9113 §8.3) among the others; they are said elsewhere.
fn headers(headers: &[Header<'_>]) -> Headers {
    let fields = headers.iter().filter(|header| !header.name.starts_with(':'));
    Headers::new(fields.map(|header| (header.name.as_bytes(), header.value.as_bytes())))
}

fn body(text: Option<&Text<'_>>, wire_size: Option<f64>, whole: bool) -> Body {
    let captured = text.and_then(|text| text.text.as_deref().map(|plain| (plain, text.encoding.as_deref())));
    let captured = match captured {
        None => Some(Vec::new()),
        Some((plain, Some("base64"))) => STANDARD.decode(plain).ok(),
        Some((plain, _)) => Some(plain.as_bytes().to_vec()),
    };
    let decodable = captured.is_some();
    let captured = captured.unwrap_or_default();
    let stated = text.and_then(|text| count(text.size));
    let size = count(wire_size).or(stated).unwrap_or(captured.len() as u64);
    let expected = stated.unwrap_or(if captured.is_empty() { size } else { 0 });
    Body {
        size,
        complete: whole && decodable && captured.len() as u64 >= expected.min(size.max(stated.unwrap_or(0))),
        captured: Redacted::new(captured.into()),
        codings: smallvec::SmallVec::new(),
    }
}

/// A size or status: -1, null and nonsense say that it is not known.
fn count(number: Option<f64>) -> Option<u64> {
    // In range after the filter; a fraction of a byte is of no interest.
    number.filter(|number| (0.0..1e15).contains(number)).map(|number| number as u64)
}

fn status(number: Option<f64>) -> Option<u16> {
    count(number).and_then(|status| u16::try_from(status).ok()).filter(|status| (100..1000).contains(status))
}

fn millis(number: Option<f64>) -> Option<Duration> {
    Duration::try_from_secs_f64(number? / 1e3).ok()
}

/// `time`, or what it is made of. `ssl` is a part of `connect`.
fn duration(entry: &Entry<'_>) -> Option<Duration> {
    let Timings { blocked, dns, connect, send, wait, receive } = entry.timings;
    let parts = [blocked, dns, connect, send, wait, receive];
    millis(entry.time).or_else(|| parts.into_iter().filter_map(millis).reduce(Duration::saturating_add))
}

/// `HTTP/2.0`, `h2`, `http/2`, …; browsers do not agree.
fn version_of(text: &str) -> Option<HttpVersion> {
    let text = text.trim().to_ascii_lowercase();
    let number = text.strip_prefix("http/").or_else(|| text.strip_prefix('h')).unwrap_or(&text);
    match number {
        "1.0" => Some(HttpVersion::V1_0),
        "1.1" => Some(HttpVersion::V1_1),
        _ if number.starts_with('2') => Some(HttpVersion::V2),
        _ if number.starts_with('3') || number.contains("quic") => Some(HttpVersion::V3),
        _ => None,
    }
}

/// What `_error` of Chromium's exports says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Error(ErrorType),
    /// Stopped before it reached the network.
    NotSent,
    /// Failed in a way that `error.type` has no word for.
    Other,
}

impl Failure {
    fn new(name: &str) -> Self {
        Self::Error(match name.trim_start_matches("net::ERR_") {
            "CONNECTION_REFUSED" => ErrorType::ConnectionRefused,
            "CONNECTION_RESET" | "SOCKET_NOT_CONNECTED" => ErrorType::ConnectionReset,
            "TIMED_OUT" | "CONNECTION_TIMED_OUT" => ErrorType::Timeout,
            "ADDRESS_UNREACHABLE"
            | "NAME_NOT_RESOLVED"
            | "INTERNET_DISCONNECTED"
            | "NETWORK_CHANGED"
            | "CONNECTION_FAILED" => ErrorType::HostUnreachable,
            "ABORTED" => ErrorType::ClientClosed,
            "CONNECTION_CLOSED"
            | "EMPTY_RESPONSE"
            | "CONTENT_LENGTH_MISMATCH"
            | "INCOMPLETE_CHUNKED_ENCODING" => ErrorType::ServerClosed,
            "INVALID_RESPONSE"
            | "INVALID_HTTP_RESPONSE"
            | "INVALID_CHUNKED_ENCODING"
            | "RESPONSE_HEADERS_TRUNCATED"
            | "HTTP2_PROTOCOL_ERROR"
            | "QUIC_PROTOCOL_ERROR" => ErrorType::InvalidResponse,
            name if name.starts_with("BLOCKED_BY_") || name == "CACHE_MISS" => return Self::NotSent,
            _ => return Self::Other,
        })
    }
}
