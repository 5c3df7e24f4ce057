//! Masks secrets before an exchange is kept.
//!
//! Names decide (`Authorization`, `?token=`, `"password":`), and the one form of value that gives itself away
//! wherever it stands, the JWT. What can not be searched (a coded or binary body) is not kept at all.

use bytes::Bytes;
use overhear_exchange::{Body, Detail, Exchange, Headers, Http, Redacted};
use smallvec::SmallVec;
use std::borrow::Cow;

/// What stands in a secret's place.
pub const MASK: &str = "••••••";
/// The same in a URL's query, where only ASCII may stand.
const MASK_IN_QUERY: &str = "REDACTED";
/// Bytes kept of a body.
pub const MAX_BODY: usize = 4096;

/// The exchange with its secrets masked and its bodies cut to [`MAX_BODY`].
pub fn exchange(mut exchange: Exchange) -> Exchange {
    let Detail::Http(http) = &mut exchange.detail;
    mask_http(http);
    exchange
}

fn mask_http(http: &mut Http) {
    if let Some(query) = &http.query
        && let Cow::Owned(masked) = self::query(query)
    {
        http.query = Some(masked.into());
    }
    if let Some(masked) = jwts(http.path.as_bytes(), MASK_IN_QUERY) {
        http.path = String::from_utf8_lossy(&masked).into();
    }
    let (request, response) = (
        Kind::of(&http.request_headers, &http.request_body),
        Kind::of(&http.response_headers, &http.response_body),
    );
    mask_body(&mut http.request_body, request);
    mask_body(&mut http.response_body, response);
    // What was said over it is for learning alone.
    if let Some(stream) = &mut http.stream {
        stream.fresh = Vec::new();
    }
    mask_headers(&mut http.request_headers);
    mask_headers(&mut http.response_headers);
}

/// True when values under this name are secrets: header, query parameter, cookie or JSON member.
pub fn is_secret_name(name: &[u8]) -> bool {
    const EXACT: &[&[u8]] = &[
        b"key", b"sig", b"code", b"pwd", b"pass", b"pin", b"otp", b"sid", b"jwt", b"auth", b"cvv", b"cvc",
        b"ssn", b"iban", b"cookie", b"bearer",
    ];
    let mut plain = [0; 48];
    let mut length = 0;
    let letters = name.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
    for (slot, letter) in plain.iter_mut().zip(letters) {
        *slot = letter;
        length += 1;
    }
    let plain = plain.get(..length).unwrap_or_default();
    if length < 5 {
        return EXACT.contains(&plain);
    }
    EXACT.contains(&plain)
        || (0..length).any(|at| {
            let rest = plain.get(at..).unwrap_or_default();
            secret_parts(rest.first().copied()).iter().any(|part| rest.starts_with(part))
        })
}

/// Parts of secret names, lower case without separators, by their first letter: most positions of most names match
/// none, and this runs for every header and JSON member that is kept.
const fn secret_parts(first: Option<u8>) -> &'static [&'static [u8]] {
    match first {
        Some(b't') => &[b"token"],
        Some(b's') => &[
            b"secret",
            b"signature",
            b"sessionid",
            b"sessid",
            b"setcookie",
            b"signingkey",
            b"subscriptionkey",
        ],
        Some(b'p') => &[b"passw", b"passphrase", b"privatekey"],
        Some(b'a') => &[b"apikey", b"accesskey", b"authoriz", b"authkey"],
        Some(b'c') => &[b"credential", b"cardnumber", b"clientkey"],
        Some(b'e') => &[b"encryptionkey"],
        Some(b'o') => &[b"otpcode"],
        Some(b'x') => &[b"xauth"],
        _ => &[],
    }
}

/// A query with the values of secrets replaced by `REDACTED`; also for `application/x-www-form-urlencoded` bodies.
pub fn query(query: &str) -> Cow<'_, str> {
    let is_secret = |pair: &str| {
        pair.split_once('=').is_some_and(|(name, value)| {
            !value.is_empty() && (is_secret_name(name.as_bytes()) || jwts(value.as_bytes(), "").is_some())
        })
    };
    if !query.split('&').any(is_secret) {
        return query.into();
    }
    let mut out = String::with_capacity(query.len());
    for (at, pair) in query.split('&').enumerate() {
        if at > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => {
                out.push_str(name);
                out.push('=');
                out.push_str(MASK_IN_QUERY);
            }
            _ => out.push_str(pair),
        }
    }
    out.into()
}

type Field<'a> = (&'a [u8], Cow<'a, [u8]>);

fn mask_headers(headers: &mut Headers) {
    let masked: SmallVec<[Field<'_>; 16]> = headers
        .iter()
        .map(|(name, value)| (name, masked_header(name, value).map_or(Cow::Borrowed(value), Cow::Owned)))
        .collect();
    if masked.iter().all(|(_, value)| matches!(value, Cow::Borrowed(_))) {
        return;
    }
    let replacement = Headers::new(masked.iter().map(|(name, value)| (*name, value.as_ref())));
    drop(masked);
    *headers = replacement;
}

/// The value to keep instead, where it holds a secret.
fn masked_header(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    if is("cookie") {
        return Some(mask_cookies(value));
    }
    if is("set-cookie") {
        return Some(mask_set_cookie(value));
    }
    if is("authorization") || is("proxy-authorization") {
        return Some(mask_credentials(value));
    }
    if is_secret_name(name) {
        return Some(MASK.into());
    }
    if is("referer") || is("location") {
        return mask_url(value);
    }
    jwts(value, MASK)
}

/// `Bearer eyJ…` → `Bearer ••••••`: the scheme stays (RFC 9110 §11.4).
fn mask_credentials(value: &[u8]) -> Vec<u8> {
    match memchr::memchr(b' ', value).and_then(|space| value.get(..=space)) {
        Some(scheme) if scheme.len() <= 24 => [scheme, MASK.as_bytes()].concat(),
        _ => MASK.into(),
    }
}

/// Names stay (RFC 6265 §4.2.1).
fn mask_cookies(value: &[u8]) -> Vec<u8> {
    let masked = value.split(|b| *b == b';').map(mask_cookie);
    masked.collect::<Vec<_>>().join(&b';')
}

/// Name and attributes stay (RFC 6265 §4.1.1).
fn mask_set_cookie(value: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let (cookie, attributes) = value.split_at(end);
    [&mask_cookie(cookie), attributes].concat()
}

fn mask_cookie(pair: &[u8]) -> Vec<u8> {
    match memchr::memchr(b'=', pair).and_then(|equals| pair.get(..=equals)) {
        Some(name) => [name, MASK.as_bytes()].concat(),
        None => MASK.into(),
    }
}

fn mask_url(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let (path, query) = text.split_once('?')?;
    match self::query(query) {
        Cow::Owned(masked) => Some(format!("{path}?{masked}").into_bytes()),
        Cow::Borrowed(_) => jwts(value, MASK_IN_QUERY),
    }
}

/// How a body is searched for secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Text,
    Unsearchable,
}

impl Kind {
    fn of(headers: &Headers, body: &Body) -> Self {
        if !body.codings.is_empty() {
            return Self::Unsearchable;
        }
        let Some(media) = headers.get("content-type") else {
            let first = body.captured.expose().trim_ascii_start().first();
            return if matches!(first, Some(b'{' | b'[')) { Self::Json } else { Self::Unsearchable };
        };
        let has = |part: &str| memchr::memmem::find(media, part.as_bytes()).is_some();
        if has("json") {
            Self::Json
        } else if has("x-www-form-urlencoded") {
            Self::Form
        } else if media.starts_with(b"text/") && !has("xml") {
            Self::Text
        } else {
            Self::Unsearchable
        }
    }
}

fn mask_body(body: &mut Body, kind: Kind) {
    let captured = body.captured.expose();
    if captured.is_empty() {
        return;
    }
    let kept = captured.get(..MAX_BODY).unwrap_or(captured);
    let whole = kept.len() == captured.len();
    let masked = match kind {
        Kind::Json => Json { rest: kept, out: Vec::with_capacity(kept.len()) }.mask(),
        Kind::Form => query(&String::from_utf8_lossy(kept)).into_owned().into_bytes(),
        Kind::Text => kept.to_vec(),
        Kind::Unsearchable => Vec::new(),
    };
    let masked = jwts(&masked, MASK).unwrap_or(masked);
    body.complete &= whole && kind != Kind::Unsearchable;
    if kind == Kind::Unsearchable {
        body.codings.clear();
    }
    // Copied, so that what is kept does not hold on to the buffer it was captured into.
    body.captured = Redacted::new(Bytes::from(masked));
}

/// Copies JSON and masks the values of members with secret names. Cut-off text is masked up to its end.
struct Json<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

impl<'a> Json<'a> {
    fn mask(mut self) -> Vec<u8> {
        while let Some(quote) = memchr::memchr(b'"', self.rest) {
            self.copy(quote);
            let text = string_length(self.rest);
            let name = self.rest.get(1..text.saturating_sub(1)).unwrap_or_default();
            self.copy(text);
            let colon = self.rest.len() - self.rest.trim_ascii_start().len();
            if self.rest.get(colon) == Some(&b':') && is_secret_name(name) {
                self.copy(colon + 1);
                self.mask_value();
            }
        }
        self.out.extend_from_slice(self.rest);
        self.out
    }

    fn mask_value(&mut self) {
        let space = self.rest.len() - self.rest.trim_ascii_start().len();
        self.copy(space);
        let length = value_length(self.rest);
        let value = self.take(length);
        // Null, true and false say nothing, and that a secret is absent is worth seeing.
        if matches!(value, b"" | b"null" | b"true" | b"false" | b"\"\"") {
            self.out.extend_from_slice(value);
        } else {
            self.out.push(b'"');
            self.out.extend_from_slice(MASK.as_bytes());
            self.out.push(b'"');
        }
    }

    fn copy(&mut self, length: usize) {
        let part = self.take(length);
        self.out.extend_from_slice(part);
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (part, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        part
    }
}

/// Of the string that begins here, quotes included; to the end when it is cut off.
fn string_length(text: &[u8]) -> usize {
    let mut from = 1;
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        match text.get(from + at) {
            Some(b'"') => return from + at + 1,
            _ => from += at + 2,
        }
    }
    text.len()
}

/// Of the value that begins here, whatever is nested in it.
fn value_length(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at += string_length(text.get(at..).unwrap_or_default());
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 1 { at + 1 } else { at },
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            b if depth == 0 && b.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The text with every JWT (RFC 7519: base64url parts, the first one `{"…`) replaced; `None` without one.
fn jwts(text: &[u8], mask: &str) -> Option<Vec<u8>> {
    const START: &[u8] = b"eyJ";
    const SHORTEST: usize = 20;
    if text.len() < SHORTEST {
        return None;
    }
    let in_token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let mut out: Option<Vec<u8>> = None;
    let (mut copied, mut from) = (0, 0);
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memmem::find(rest, START)) {
        let at = from + at;
        let rest = text.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| in_token(b)).count();
        if length >= SHORTEST {
            let out = out.get_or_insert_default();
            out.extend_from_slice(text.get(copied..at).unwrap_or_default());
            out.extend_from_slice(mask.as_bytes());
            copied = at + length;
        }
        from = at + length;
    }
    if let Some(out) = &mut out {
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Kind, exchange, is_secret_name, jwts, mask_body, masked_header, query};
    use crate::sample;
    use overhear_exchange::{Body, ContentCoding, Detail, Redacted};

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl";

    #[test]
    fn header_secrets_keep_their_shape() {
        for (name, value, expected) in [
            ("Authorization", format!("Bearer {JWT}"), Some("Bearer ••••••")),
            ("authorization", "Basic dXNlcjpwYXNz".into(), Some("Basic ••••••")),
            ("Authorization", "hunter2".into(), Some("••••••")),
            ("Cookie", "sid=abc; theme=dark".into(), Some("sid=••••••; theme=••••••")),
            ("Set-Cookie", "sid=abc; Path=/; HttpOnly".into(), Some("sid=••••••; Path=/; HttpOnly")),
            ("X-Api-Key", "k".into(), Some("••••••")),
            ("X-Amz-Security-Token", "k".into(), Some("••••••")),
            ("X-Debug", format!("user {JWT}!"), Some("user ••••••!")),
            ("Location", "/cb?code=abc&state=1".into(), Some("/cb?code=REDACTED&state=1")),
            ("Content-Type", "application/json".into(), None),
            ("Accept", "*/*".into(), None),
            ("Content-Length", "12".into(), None),
        ] {
            let masked = masked_header(name.as_bytes(), value.as_bytes());
            assert_eq!(masked.map(|m| String::from_utf8(m).unwrap()).as_deref(), expected, "{name}: {value}");
        }
    }

    #[test]
    fn names_of_secrets() {
        for name in
            ["token", "access_token", "X-CSRF-Token", "apiKey", "api-key", "client_secret", "Password", "sig"]
        {
            assert!(is_secret_name(name.as_bytes()), "{name}");
        }
        for name in
            ["limit", "page", "author", "keyword", "monkey", "design", "passenger", "authority", "barcode"]
        {
            assert!(!is_secret_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn query_values() {
        assert_eq!(query("limit=5&sort=name"), "limit=5&sort=name");
        assert_eq!(query("token=a&limit=5&sig=b&flag&key="), "token=REDACTED&limit=5&sig=REDACTED&flag&key=");
        assert_eq!(query(&format!("x={JWT}")), "x=REDACTED");
    }

    fn masked(kind: Kind, text: &str) -> String {
        let mut body = Body { captured: Redacted::new(text.as_bytes().to_vec().into()), ..Body::default() };
        mask_body(&mut body, kind);
        String::from_utf8(body.captured.expose().to_vec()).unwrap()
    }

    #[test]
    fn body_fields() {
        for (text, expected) in [
            (r#"{"user":"ann","password":"x\"y","n":1}"#, r#"{"user":"ann","password":"••••••","n":1}"#),
            (r#"{"pin" : 1234, "a":[1]}"#, r#"{"pin" : "••••••", "a":[1]}"#),
            (r#"{"tokens":["a",{"b":"]"}],"c":2}"#, r#"{"tokens":"••••••","c":2}"#),
            (r#"{"deep":[{"apiKey":"k"}]}"#, r#"{"deep":[{"apiKey":"••••••"}]}"#),
            (r#"{"token":null,"secret":""}"#, r#"{"token":null,"secret":""}"#),
            (r#"{"token":"cut of"#, r#"{"token":"••••••""#),
            (r#"{"a":"the password: x"}"#, r#"{"a":"the password: x"}"#),
            (r#"["password","x"]"#, r#"["password","x"]"#),
            ("", ""),
            (r#"{"token""#, r#"{"token""#),
            (r#"{"token":"#, r#"{"token":"#),
        ] {
            assert_eq!(masked(Kind::Json, text), expected, "{text}");
        }
        assert_eq!(masked(Kind::Json, &format!(r#"{{"x":"{JWT}"}}"#)), r#"{"x":"••••••"}"#);
        assert_eq!(masked(Kind::Form, "user=ann&password=x"), "user=ann&password=REDACTED");
        assert_eq!(masked(Kind::Unsearchable, "PK\u{3}\u{4}"), "");
    }

    #[test]
    fn bodies_are_cut_and_coded_ones_dropped() {
        assert_eq!(masked(Kind::Text, &"x".repeat(10_000)).len(), super::MAX_BODY);
        let mut coded = sample::exchange("GET", "/", Some(200));
        let Detail::Http(http) = &mut coded.detail;
        http.response_body.captured = Redacted::new(vec![0x1f, 0x8b, 8].into());
        http.response_body.complete = true;
        http.response_body.codings.push(ContentCoding::Gzip);
        let Detail::Http(http) = exchange(coded).detail;
        assert!(http.response_body.captured.expose().is_empty());
        assert!(!http.response_body.complete);
        assert_eq!(http.response_body.size, 100);
    }

    #[test]
    fn many_starts_of_tokens_cost_linear_time() {
        let hostile = "eyJ".repeat(100_000);
        assert_eq!(jwts(hostile.as_bytes(), "m").unwrap(), b"m");
        assert_eq!(jwts("eyJ ".repeat(100_000).as_bytes(), "m"), None);
    }
}
