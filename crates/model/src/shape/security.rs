//! Evidence about what is presented to be let in. Of a credential nothing is kept but that it was there.

use super::{
    fields::split,
    format,
    scalar::hash,
    schema::{Place, Scheme, SchemeUse, Security},
    words,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::borrow::Cow;

/// What calls presented and how they fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Doors {
    /// Ascending by rank.
    #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty")]
    schemes: Vec<(u64, Credential, Calls)>,
    /// Calls without any.
    #[serde(rename = "o", default)]
    open: Calls,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Calls {
    #[serde(rename = "n")]
    seen: u64,
    /// Answered 2xx, or 304.
    #[serde(rename = "y")]
    let_in: u64,
    /// Answered 401 or 403.
    #[serde(rename = "x")]
    refused: u64,
    /// The credential was a JWT.
    #[serde(rename = "j", default)]
    jwt: u64,
}

/// A kind of credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Credential {
    Bearer,
    Basic,
    /// Another scheme of `Authorization`, lower case; empty for a bare token.
    Http(Box<str>),
    Header(Box<str>),
    Query(Box<str>),
    Cookie(Box<str>),
}

/// Kinds kept of one endpoint.
const MOST: usize = 16;

/// What one call presented: each kind, and whether it was a JWT.
#[derive(Clone, Debug, Default)]
pub(super) struct Presented(SmallVec<[(Credential, bool); 2]>);

impl Presented {
    /// Looks at `Authorization` (RFC 9110 §11.6.2).
    pub(super) fn authorization(&mut self, value: &[u8]) {
        let (scheme, token) = split(value.trim_ascii(), b' ');
        let token = token.trim_ascii();
        let credential = if token.is_empty() {
            Credential::Http("".into())
        } else if scheme.eq_ignore_ascii_case(b"bearer") {
            Credential::Bearer
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            Credential::Basic
        } else {
            let is_token =
                scheme.len() <= 24 && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
            let scheme =
                if is_token { String::from_utf8_lossy(scheme).to_ascii_lowercase() } else { String::new() };
            Credential::Http(scheme.into())
        };
        self.add(credential, format::is_jwt(token));
    }

    /// Looks at a header field of the API's own; the name is in lower case. True where it is a credential.
    pub(super) fn header(&mut self, name: &[u8], value: &[u8]) -> bool {
        let is = is_key_name(name) && !value.is_empty();
        if is {
            self.add(Credential::Header(text(name)), format::is_jwt(value));
        }
        is
    }

    /// Looks at the parameters of a query. In a URL, where words abound, the value has to look like a key too.
    pub(super) fn query(&mut self, query: &[u8]) {
        for pair in query.split(|b| *b == b'&').take(64) {
            let (name, value) = split(pair, b'=');
            if is_query_key_name(name) && is_opaque(value) {
                self.add(Credential::Query(text(name)), format::is_jwt(value));
            }
        }
    }

    /// Looks at the cookies.
    pub(super) fn cookies(&mut self, cookies: &[u8]) {
        for pair in cookies.split(|b| *b == b';').take(64) {
            let (name, value) = split(pair.trim_ascii(), b'=');
            if is_session_name(name) && !value.is_empty() {
                self.add(Credential::Cookie(text(name)), format::is_jwt(value));
            }
        }
    }

    fn add(&mut self, credential: Credential, jwt: bool) {
        if self.0.len() < MOST && !self.0.iter().any(|(present, _)| *present == credential) {
            self.0.push((credential, jwt));
        }
    }
}

fn text(name: &[u8]) -> Box<str> {
    let name = String::from_utf8_lossy(name.get(..64).unwrap_or(name));
    match name {
        Cow::Borrowed(name) => name.into(),
        Cow::Owned(name) => name.into(),
    }
}

/// `X-Api-Key`, `X-Auth-Token`, `Ocp-Apim-Subscription-Key`, …; not every key opens a door.
fn is_key_name(name: &[u8]) -> bool {
    const EXACT: &[&str] = &[
        "token", "xtoken", "auth", "xauth", "jwt", "xjwt", "appkey", "xappkey", "xkey", "session", "xsession",
    ];
    const PARTS: &[&str] = &[
        "apikey",
        "apitoken",
        "authtoken",
        "authkey",
        "accesstoken",
        "accesskey",
        "subscriptionkey",
        "sessiontoken",
        "sessionid",
        "apisecret",
        "clientsecret",
        "appsecret",
        "secretkey",
        "usertoken",
        "idtoken",
        "servicetoken",
        "securitytoken",
        "applicationkey",
        "authorization",
    ];
    let hints = |part: &[u8]| {
        let [a, b, c] = part else { return false };
        let lower = [a | 0x20, b | 0x20, c | 0x20];
        matches!(&lower, b"key" | b"tok" | b"sec" | b"aut" | b"ses" | b"jwt")
    };
    name.windows(3).any(hints)
        && words::with_plain(name, |plain| {
            EXACT.contains(&plain) || PARTS.iter().any(|part| plain.contains(part))
        })
}

fn is_query_key_name(name: &[u8]) -> bool {
    is_key_name(name)
        || words::with_plain(name, |plain| matches!(plain, "key" | "sig" | "signature" | "secret" | "sid"))
}

/// Long and of no word's characters.
fn is_opaque(value: &[u8]) -> bool {
    value.len() >= 12
        && value.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.=~%".contains(b))
        && memchr::memmem::find(value, b"%20").is_none()
        && (value.iter().any(u8::is_ascii_digit) || format::is_jwt(value))
}

/// `session`, `sid`, `connect.sid`, `PHPSESSID`, `JSESSIONID`, `auth_token`, …
fn is_session_name(name: &[u8]) -> bool {
    words::with_plain(name, |plain| {
        let csrf = plain.contains("csrf") || plain.contains("xsrf");
        !csrf
            && (plain.contains("sess")
                || plain.contains("auth")
                || plain.contains("token")
                || plain.contains("jwt"))
            || matches!(plain, "sid" | "connectsid" | "aspnetcorecookies" | "identity")
    })
}

impl Calls {
    fn of(status: Option<u16>, jwt: bool) -> Self {
        Self {
            seen: 1,
            let_in: u64::from(matches!(status, Some(200..=299 | 304))),
            refused: u64::from(matches!(status, Some(401 | 403))),
            jwt: u64::from(jwt),
        }
    }

    fn add(&mut self, more: Self) {
        self.seen = self.seen.saturating_add(more.seen);
        self.let_in = self.let_in.saturating_add(more.let_in);
        self.refused = self.refused.saturating_add(more.refused);
        self.jwt = self.jwt.saturating_add(more.jwt);
    }
}

impl Doors {
    pub(super) fn learn(&mut self, key: u64, presented: &Presented, status: Option<u16>) {
        if presented.0.is_empty() {
            self.open.add(Calls::of(status, false));
        }
        for (credential, jwt) in &presented.0 {
            self.add(rank(key, credential), credential, Calls::of(status, *jwt));
        }
    }

    fn add(&mut self, rank: u64, credential: &Credential, calls: Calls) {
        let place =
            self.schemes.partition_point(|(other, present, _)| (*other, present) < (rank, credential));
        match self.schemes.get_mut(place) {
            Some((_, present, sum)) if present == credential => sum.add(calls),
            _ if place < MOST => {
                self.schemes.insert(place, (rank, credential.clone(), calls));
                self.schemes.truncate(MOST);
            }
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.open.add(other.open);
        for (rank, credential, calls) in &other.schemes {
            self.add(*rank, credential, *calls);
        }
    }

    /// What lets in. A credential that never did is told only where nothing else did.
    pub(super) fn security(&self) -> Security {
        let open = self.open.let_in > 0;
        let any = open || self.schemes.iter().any(|(_, _, calls)| calls.let_in > 0);
        let helps = |calls: &Calls| calls.let_in > 0 || !any;
        let told = self.schemes.iter().filter(|(_, _, calls)| helps(calls));
        let mut schemes: Vec<_> = told
            .map(|(_, credential, calls)| SchemeUse { scheme: credential.scheme(*calls), seen: calls.seen })
            .collect();
        schemes.sort_unstable_by(|a, b| a.scheme.cmp(&b.scheme));
        Security { schemes, open }
    }
}

/// The kinds of which every endpoint has some come first: they are no names that strangers choose.
fn rank(key: u64, credential: &Credential) -> u64 {
    match credential {
        Credential::Bearer | Credential::Basic => 0,
        Credential::Http(name)
        | Credential::Header(name)
        | Credential::Query(name)
        | Credential::Cookie(name) => hash(key, name.as_bytes()) | 1,
    }
}

impl Credential {
    fn scheme(&self, calls: Calls) -> Scheme {
        let api_key = |place, name: &str| Scheme::ApiKey { place, name: name.to_owned() };
        match self {
            Self::Bearer => Scheme::Bearer { jwt: calls.jwt == calls.seen },
            Self::Basic => Scheme::Basic,
            Self::Http(scheme) if scheme.is_empty() => api_key(Place::Header, "authorization"),
            Self::Http(scheme) => Scheme::Http(scheme.to_string()),
            Self::Header(name) => api_key(Place::Header, name),
            Self::Query(name) => api_key(Place::Query, name),
            Self::Cookie(name) => api_key(Place::Cookie, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Doors, Presented};
    use crate::shape::schema::{Place, Scheme};

    fn presented(present: impl FnOnce(&mut Presented)) -> Presented {
        let mut presented = Presented::default();
        present(&mut presented);
        presented
    }

    fn schemes(presented: &Presented) -> Vec<Scheme> {
        let mut doors = Doors::default();
        doors.learn(7, presented, Some(200));
        doors.security().schemes.into_iter().map(|used| used.scheme).collect()
    }

    #[test]
    fn each_kind() {
        let key = |place, name: &str| Scheme::ApiKey { place, name: name.into() };
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln";
        for (value, expected) in [
            (format!("Bearer {jwt}"), Scheme::Bearer { jwt: true }),
            ("bearer 8fjs9".into(), Scheme::Bearer { jwt: false }),
            ("Basic YTpi".into(), Scheme::Basic),
            ("AWS4-HMAC-SHA256 Credential=x".into(), Scheme::Http("aws4-hmac-sha256".into())),
            ("8fjs9dkf".into(), key(Place::Header, "authorization")),
        ] {
            assert_eq!(schemes(&presented(|p| p.authorization(value.as_bytes()))), [expected], "{value}");
        }
        assert_eq!(
            schemes(&presented(|p| assert!(p.header(b"x-api-key", b"k")))),
            [key(Place::Header, "x-api-key")]
        );
        assert_eq!(schemes(&presented(|p| assert!(!p.header(b"idempotency-key", b"k")))), []);
        assert_eq!(
            schemes(&presented(|p| p.query(b"q=1&api_key=abcdef123456"))),
            [key(Place::Query, "api_key")]
        );
        assert_eq!(schemes(&presented(|p| p.query(b"key=name&page_token=abcdef123456"))), []);
        assert_eq!(
            schemes(&presented(|p| p.cookies(b"theme=dark; connect.sid=s%3Ax"))),
            [key(Place::Cookie, "connect.sid")]
        );
        assert_eq!(schemes(&presented(|p| p.cookies(b"csrftoken=x"))), []);
    }

    #[test]
    fn required_optional_none() {
        let (nothing, bearer) = (Presented::default(), presented(|p| p.authorization(b"Bearer x")));
        let with = |calls: &[(&Presented, u16)]| {
            let mut doors = Doors::default();
            calls.iter().for_each(|(presented, status)| doors.learn(7, presented, Some(*status)));
            (doors.security().schemes.len(), doors.security().open)
        };
        assert_eq!(with(&[(&bearer, 200), (&nothing, 401)]), (1, false));
        assert_eq!(with(&[(&bearer, 200), (&nothing, 200)]), (1, true));
        assert_eq!(with(&[(&nothing, 200)]), (0, true));
        assert_eq!(with(&[(&bearer, 401), (&nothing, 200)]), (0, true));
        assert_eq!(with(&[(&bearer, 403)]), (1, false));
    }
}
