//! Which redirects (RFC 9110 §15.4) are the answer of a program that knows the path, and which anybody's guess gets.

use overhear_exchange::Http;

/// Whether a redirect shows that the path exists. One to the same path written otherwise, home, or to where one logs in
/// is what many servers say to any path at all.
pub(super) fn shows_path(http: &Http) -> bool {
    let location = http.response_headers.get("location").and_then(|value| std::str::from_utf8(value).ok());
    let Some(location) = location else { return false };
    let (target, query) = path_and_query(location);
    let safe = matches!(http.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    // After a form was sent, the way back to its page is an answer to what it said.
    let elsewhere = !safe || !(is_same(target, &http.path) || target.trim_matches('/').is_empty());
    elsewhere && (is_door(&http.path) || !(is_door(target) || is_named(query, &http.path)))
}

/// Of a URI reference (RFC 3986 §4.1).
fn path_and_query(location: &str) -> (&str, &str) {
    let after_authority = match location.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => {
            rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default()
        }
        _ => location,
    };
    let whole = after_authority.split('#').next().unwrap_or_default();
    whole.split_once('?').unwrap_or((whole, ""))
}

/// But for slashes at the end and the case of letters.
fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

/// Where one logs in, or is told that nothing is there.
fn is_door(path: &str) -> bool {
    const DOORS: [&str; 10] =
        ["login", "logon", "signin", "sign-in", "sign_in", "sso", "error", "404", "not-found", "notfound"];
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = last.split('.').next().unwrap_or_default();
    DOORS.iter().any(|door| stem.eq_ignore_ascii_case(door))
}

/// `?next=/the/path`, plain or percent-encoded.
fn is_named(query: &str, path: &str) -> bool {
    path.len() > 1 && (query.contains(path) || query.to_ascii_lowercase().contains(&encoded(path)))
}

fn encoded(path: &str) -> String {
    path.to_ascii_lowercase().replace('/', "%2f")
}

#[cfg(test)]
mod tests {
    use super::shows_path;
    use overhear_exchange::{Body, Headers, Http, HttpVersion, Method, Scheme};

    fn http(method: &str, path: &str, location: Option<&str>) -> Http {
        Http {
            version: HttpVersion::V1_1,
            scheme: Scheme::Http,
            method: Method::new(method),
            authority: None,
            path: path.into(),
            query: None,
            status: Some(302),
            request_headers: Headers::default(),
            response_headers: Headers::new(location.map(|to| (&b"Location"[..], to.as_bytes()))),
            request_body: Body::default(),
            response_body: Body::default(),
            call: None,
            stream: None,
            gen_ai: None,
            anomalies: Default::default(),
        }
    }

    fn shows(method: &str, path: &str, location: &str) -> bool {
        shows_path(&http(method, path, Some(location)))
    }

    #[test]
    fn answers_of_a_program() {
        for (method, path, location) in [
            ("GET", "/redirect/3", "/relative-redirect/2"),
            ("GET", "/t/G67PVWmc", "https://example.com/a/page"),
            ("GET", "/redirect-to", "http://example.com/x?y=1#z"),
            ("POST", "/items", "/items"),
            ("POST", "/login", "/"),
            ("POST", "/login", "/login?error=1"),
            ("GET", "/download/7", "//files.example/7.zip"),
            ("GET", "/authorize", "https://app.example/callback?code=abc"),
            ("GET", "/a", "b"),
        ] {
            assert!(shows(method, path, location), "{method} {path} → {location}");
        }
    }

    #[test]
    fn what_any_path_gets() {
        for (method, path, location) in [
            ("GET", "/users", "/users/"),
            ("GET", "/Users/", "https://www.example.com/users"),
            ("GET", "/.env", "/"),
            ("GET", "/wp-admin", "https://shop.example"),
            ("GET", "/admin/users", "/login"),
            ("GET", "/admin/users", "/accounts/sign-in/?from=x"),
            ("POST", "/admin/users", "/Login.aspx"),
            ("GET", "/admin/users", "/door?next=/admin/users"),
            ("GET", "/admin/users", "/door?next=%2Fadmin%2fusers"),
            ("GET", "/phpmyadmin", "/errors/404.html"),
        ] {
            assert!(!shows(method, path, location), "{method} {path} → {location}");
        }
        assert!(!shows_path(&http("GET", "/a", None)));
    }
}
