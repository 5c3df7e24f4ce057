//! Header blocks into message heads (RFC 9113 §8.3). What is not known of a field is not made up: its place is taken by
//! the number of its entry, which no field can be named.

use super::hpack::{Fields, Text, Unknown};
use crate::http1::content_codings;
use overhear_exchange::{ContentCoding, Headers, Method, Scheme};
use smallvec::SmallVec;
use std::borrow::Cow;

pub(super) type Codings = SmallVec<[ContentCoding; 1]>;

/// What a request begins with.
#[derive(Clone, Debug)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<Box<str>>,
    pub(super) path: Box<str>,
    pub(super) query: Option<Box<str>>,
    /// It asks that its stream becomes a WebSocket (RFC 8441).
    pub(super) opens_web_socket: bool,
    pub(super) rest: Rest,
}

/// What a response begins with.
#[derive(Debug)]
pub(super) struct ResponseHead {
    /// Absent where it is an entry that is not known.
    pub(super) status: Option<u16>,
    pub(super) rest: Rest,
}

/// The fields of a head, of either kind.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) headers: Headers,
    pub(super) codings: Codings,
    /// Some fields are not known.
    pub(super) unknown: bool,
}

/// What a block of fields is, as far as it tells by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Request,
    Response,
    /// It begins with a field that is not known.
    Unclear,
    /// Fields without any of those that begin a message.
    Trailers,
}

impl Block {
    pub(super) fn of(fields: &Fields) -> Self {
        let mut unclear = false;
        for (name, _) in fields.iter() {
            match name {
                Text::Known(b":status") => return Self::Response,
                Text::Known([b':', ..]) => return Self::Request,
                Text::Unknown(_) => unclear = true,
                // Pseudo-fields come first.
                Text::Known(_) => break,
            }
        }
        if unclear { Self::Unclear } else { Self::Trailers }
    }
}

/// The pseudo-fields of a request, as they are told or can be told for certain.
#[derive(Clone, Copy, Default)]
struct Pseudo<'a> {
    method: Option<Text<'a>>,
    scheme: Option<Text<'a>>,
    authority: Option<Text<'a>>,
    path: Option<Text<'a>>,
    /// What CONNECT is for (RFC 8441 §4).
    protocol: Option<Text<'a>>,
    /// Entries among them of which neither name nor value is known.
    unnamed: Option<Unknown>,
    several: bool,
}

impl<'a> Pseudo<'a> {
    fn of(fields: &'a Fields) -> Self {
        let mut pseudo = Self::default();
        for (name, value) in fields.iter() {
            match name {
                Text::Known(b":method") => pseudo.method = Some(value),
                Text::Known(b":scheme") => pseudo.scheme = Some(value),
                Text::Known(b":authority") => pseudo.authority = Some(value),
                Text::Known(b":path") => pseudo.path = Some(value),
                Text::Known(b":protocol") => pseudo.protocol = Some(value),
                Text::Known([b':', ..]) => {}
                Text::Unknown(entry) => {
                    pseudo.several |= pseudo.unnamed.is_some();
                    pseudo.unnamed = Some(entry);
                }
                Text::Known(_) => break,
            }
        }
        pseudo
    }

    /// What stands for a pseudo-field that every request has and that was not told: the entry's number where there is
    /// only one that it can be.
    fn missing(&self) -> Option<Text<'a>> {
        self.unnamed.filter(|_| !self.several).map(Text::Unknown)
    }
}

impl RequestHead {
    pub(super) fn new(fields: &Fields) -> Self {
        let pseudo = Pseudo::of(fields);
        let missing = pseudo.missing();
        let rest = Rest::new(fields);
        let method = shown(pseudo.method.or(missing));
        let is_connect = method == "CONNECT";
        let (path, query) = match pseudo.path {
            // Without a protocol CONNECT has none (RFC 9113 §8.5).
            None if is_connect => (Box::default(), None),
            told => split(&shown(told.or(missing))),
        };
        let host = || rest.headers.get("host").filter(|host| !host.is_empty()).map(text);
        let authority = pseudo.authority.and_then(known).filter(|host| !host.is_empty()).map(text);
        Self {
            method: Method::new(&method),
            scheme: pseudo.scheme.and_then(known).and_then(scheme),
            authority: authority.or_else(host),
            path,
            query,
            opens_web_socket: is_connect && pseudo.protocol.and_then(known) == Some(b"websocket"),
            rest,
        }
    }
}

impl ResponseHead {
    pub(super) fn new(fields: &Fields) -> Self {
        let status = fields.iter().find_map(|(name, value)| match (name, value) {
            (Text::Known(b":status"), Text::Known(digits)) => std::str::from_utf8(digits).ok()?.parse().ok(),
            _ => None,
        });
        Self { status, rest: Rest::new(fields) }
    }

    /// 2xx.
    pub(super) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// 1xx: the final response comes later.
    pub(super) fn is_interim(&self) -> bool {
        self.status.is_some_and(|status| (100..200).contains(&status))
    }
}

impl Rest {
    pub(super) fn new(fields: &Fields) -> Self {
        let (mut codings, mut unknown) = (Codings::new(), fields.cut);
        for (name, value) in fields.iter() {
            unknown |= matches!(name, Text::Unknown(_));
            if let (Text::Known(b"content-encoding"), Text::Known(value)) = (name, value) {
                codings.extend(content_codings(value));
            }
        }
        Self { headers: headers(fields, unknown), codings, unknown }
    }
}

/// All fields but the pseudo-fields.
fn headers(fields: &Fields, unknown: bool) -> Headers {
    if !unknown {
        let pairs = fields.iter().filter_map(|(name, value)| match (name, value) {
            (Text::Known([b':', ..]), _) => None,
            (Text::Known(name), Text::Known(value)) => Some((name, value)),
            _ => None,
        });
        return Headers::new(pairs);
    }
    let pairs: Vec<_> = fields
        .iter()
        .filter(|(name, _)| !matches!(name, Text::Known([b':', ..])))
        .map(|(name, value)| (bytes(name), bytes(value)))
        .collect();
    Headers::new(pairs.iter().map(|(name, value)| (&**name, &**value)))
}

fn known(text: Text<'_>) -> Option<&[u8]> {
    match text {
        Text::Known(bytes) => Some(bytes),
        Text::Unknown(_) => None,
    }
}

fn bytes(text: Text<'_>) -> Cow<'_, [u8]> {
    match text {
        Text::Known(bytes) => bytes.into(),
        Text::Unknown(Unknown(number)) => format!("{{?{number}}}").into_bytes().into(),
    }
}

fn shown(text: Option<Text<'_>>) -> Cow<'_, str> {
    match text {
        Some(Text::Known(bytes)) => String::from_utf8_lossy(bytes),
        Some(Text::Unknown(Unknown(number))) => format!("{{?{number}}}").into(),
        None => "{?}".into(),
    }
}

fn split(path: &str) -> (Box<str>, Option<Box<str>>) {
    // The entry's number has a question mark of its own.
    match path.split_once('?').filter(|_| !path.starts_with("{?")) {
        Some((path, query)) => (path.into(), Some(query.into())),
        None => (path.into(), None),
    }
}

fn scheme(name: &[u8]) -> Option<Scheme> {
    match name {
        b"http" => Some(Scheme::Http),
        b"https" => Some(Scheme::Https),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}
