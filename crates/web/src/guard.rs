//! Who gets in: those who know the token, at an address that is this one.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use overhear_exchange::Authority;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Nothing but what this server serves, and no inline script or style: text from the traffic can not become code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

const STRANGER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Overhear</title>\
    <h1>This page is private</h1><p>Open the address that overhear printed when it was started: \
    it ends with <code>?token=…</code> and lets this browser in.</p></html>\n";

/// What decides.
pub(crate) struct Guard {
    address: SocketAddr,
    token: Option<String>,
}

impl Guard {
    pub(crate) fn new(address: SocketAddr, token: Option<String>) -> Self {
        Self { address, token }
    }

    /// A page of another origin can point a name of its own at this address, and would then be let in by the cookie.
    /// It can not choose an address or `localhost`.
    fn is_own_name(&self, host: &str) -> bool {
        let host = Authority::parse(host).host;
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip == self.address.ip() || self.address.ip().is_unspecified())
    }

    /// Cookies are shared between the ports of a host.
    fn cookie_name(&self) -> String {
        format!("overhear-{}", self.address.port())
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let name = self.cookie_name();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies =
            cookies.flat_map(|line| line.split(';')).filter_map(|one| one.trim().split_once('='));
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        bearer.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| same(given, token))
            || cookies.any(|(key, value)| key == name && same(value, token))
    }

    /// The first visit: the token goes from the address into a cookie, so that it is in no history and no screenshot.
    fn welcome(&self, uri: &Uri) -> Option<Response> {
        let (token, query) = (self.token.as_ref()?, uri.query()?);
        let given = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        if !same(given, token) {
            return None;
        }
        let rest: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("token=")).collect();
        // One slash: two would be another host.
        let path = format!("/{}", uri.path().trim_start_matches(['/', '\\']));
        let to = if rest.is_empty() { path } else { format!("{path}?{}", rest.join("&")) };
        let cookie = format!("{}={token}; HttpOnly; SameSite=Strict; Path=/", self.cookie_name());
        Some((StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::SET_COOKIE, cookie)]).into_response())
    }
}

/// Checks a request, and says on every answer what the browser may do with it.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = admit(&guard, request, next).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn admit(guard: &Guard, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| guard.is_own_name(host)) {
        let say = "This name is not known here: open the address that overhear printed.\n";
        return (StatusCode::MISDIRECTED_REQUEST, say).into_response();
    }
    if let Some(welcome) = guard.welcome(request.uri()) {
        return welcome;
    }
    if !request.method().is_safe() && !is_of_this_page(request.headers()) {
        let say = "Another page asked for this: nothing is changed.\n";
        return (StatusCode::FORBIDDEN, say).into_response();
    }
    if guard.knows_token(request.headers()) {
        return next.run(request).await;
    }
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::UNAUTHORIZED, headers, STRANGER).into_response()
}

/// A browser lets pages of other ports of this host, which are the same site, send the cookie. It says where they are
/// from (RFC 6454, §7; Fetch Metadata Request Headers, §2.4), which what is no browser does not have to.
fn is_of_this_page(headers: &HeaderMap) -> bool {
    let field = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let own = field("host").map(|host| format!("http://{host}"));
    field("origin").is_none_or(|origin| own.is_some_and(|own| own == origin))
        && field("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

/// Compares without telling by time how much of it was right.
fn same(given: &str, token: &str) -> bool {
    let differing = given.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == token.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::{Guard, HeaderMap, is_of_this_page};

    #[test]
    fn only_the_page_itself_may_change_anything() {
        for (fields, own) in [
            (&[("host", "localhost:80")][..], true),
            (&[("host", "localhost:80"), ("origin", "http://localhost:80")], true),
            (&[("host", "localhost:80"), ("origin", "http://localhost:3000")], false),
            (&[("host", "localhost:80"), ("origin", "null")], false),
            (&[("host", "localhost:80"), ("origin", "https://evil.example")], false),
            (&[("host", "localhost:80"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "localhost:80"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://localhost:80")], false),
        ] {
            let headers: HeaderMap =
                fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(is_of_this_page(&headers), own, "{fields:?}");
        }
    }

    #[test]
    fn only_addresses_and_localhost_are_own_names() {
        let guard = Guard::new(([127, 0, 0, 1], 80).into(), None);
        for (host, own) in [
            ("localhost:80", true),
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("10.0.0.1", false),
            ("evil.example", false),
            ("localhost.evil.example:80", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(guard.is_own_name(host), own, "{host}");
        }
        let everywhere = Guard::new(([0, 0, 0, 0], 80).into(), None);
        assert!(everywhere.is_own_name("10.0.0.1:80"));
        assert!(!everywhere.is_own_name("evil.example"));
    }
}
