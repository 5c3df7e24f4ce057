use super::{
    ValueClass,
    class::is_route_version,
    name::{Noun, write_placeholder},
    segment::{MAX_SEGMENTS, classify_with_suffix},
};
use overhear_exchange::{CallSystem, Http};
use std::fmt;

/// A route template: literal segments and `{name}` placeholders; no two of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template(Box<str>);

impl Template {
    /// The text, such as `/users/{userId}/orders/{orderId}`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The template of a request path (without query, percent-encoding as it came).
pub fn template(path: &str) -> Template {
    let mut out = String::with_capacity(path.len());
    write_template(path, &mut out);
    Template(out.into())
}

/// The template of what a request is for, with nothing but the request to go by.
pub fn template_of(http: &Http) -> Template {
    match procedure(http) {
        Some(name) => Template(name.into()),
        None if http.path.starts_with("{?") => Template("{unknown}".into()),
        None => template(&http.path),
    }
}

/// The remote procedure that is called, `package.Service/Method`.
pub(crate) fn procedure(http: &Http) -> Option<&str> {
    let call = http.call.as_deref()?;
    matches!(call.system, CallSystem::Grpc | CallSystem::GrpcWeb | CallSystem::Connect).then_some(&*call.name)
}

/// Appends the template of `path` to `out`.
pub fn write_template(path: &str, out: &mut String) {
    let Some(path) = path.strip_prefix('/') else {
        return write_odd_target(path, out);
    };
    let start = out.len();
    let mut before = Noun::Start;
    let mut segments = path.split('/').enumerate().peekable();
    while let Some((at, segment)) = segments.next() {
        out.push('/');
        if at >= MAX_SEGMENTS {
            out.push_str("{rest}");
            return;
        }
        let names_follow =
            segments.peek().is_some_and(|(_, next)| next.starts_with(|c: char| c.is_ascii_alphabetic()));
        before = write_segment(segment, before, names_follow, out, start);
    }
}

/// Asterisk-form, authority-form (RFC 9112 §3.2) and what is no path at all.
fn write_odd_target(target: &str, out: &mut String) {
    match target {
        "" => out.push('/'),
        "*" => out.push('*'),
        _ => out.push_str("{target}"),
    }
}

fn write_segment<'a>(
    segment: &'a str,
    before: Noun<'a>,
    names_follow: bool,
    out: &mut String,
    start: usize,
) -> Noun<'a> {
    // Matrix parameters (RFC 3986 §3.3) carry session ids; the route is what stands before them.
    let segment = segment.split_once(';').map_or(segment, |(head, _)| head);
    if segment.is_empty() {
        return Noun::None;
    }
    let (class, suffix) = classify_with_suffix(segment);
    let dated_version = class == ValueClass::Date && matches!(before, Noun::Start) && names_follow;
    if class.is_parameter() && !dated_version {
        write_placeholder(class, before, out, start);
        out.push_str(suffix);
        return Noun::None;
    }
    out.push_str(segment);
    let numbered = segment.bytes().any(|b| b.is_ascii_digit());
    if dated_version || (numbered && is_route_version(segment.as_bytes())) {
        return Noun::None;
    }
    Noun::Of(segment)
}

#[cfg(test)]
mod tests {
    use super::template;

    fn check(table: &[(&str, &str)]) {
        for (path, expected) in table {
            assert_eq!(template(path).as_str(), *expected, "{path}");
        }
    }

    #[test]
    fn names_parameters_after_their_noun() {
        check(&[
            ("/users/42/orders/7", "/users/{userId}/orders/{orderId}"),
            ("/orders/550e8400-e29b-41d4-a716-446655440000", "/orders/{orderId}"),
            ("/line-items/42", "/line-items/{lineItemId}"),
            ("/api/v1/categories/9/products", "/api/v1/categories/{categoryId}/products"),
            ("/42", "/{id}"),
            ("/v1/42", "/v1/{id}"),
            ("/a1b2c3d/x", "/{hash}/x"),
            ("/customers/cus_9s6XKzkNRLz8i3", "/customers/{customerId}"),
            ("/users/by-email/ann@example.org", "/users/by-email/{email}"),
            ("/users/ann%40example.org", "/users/{email}"),
            ("/search/hello%20world", "/search/{search}"),
            ("/reports/2024-01-31", "/reports/{date}"),
            ("/2024-01-31/orders/1", "/2024-01-31/orders/{orderId}"),
            ("/2024-01-31", "/{date}"),
        ]);
    }

    #[test]
    fn no_two_parameters_share_a_name() {
        check(&[
            ("/a/1/2/3", "/a/{aId}/{id}/{id2}"),
            ("/users/1/users/2/users/3", "/users/{userId}/users/{userId2}/users/{userId3}"),
            ("/range/2024-01-01/2024-02-01", "/range/{date}/{date2}"),
        ]);
    }

    #[test]
    fn keeps_what_is_not_a_value() {
        check(&[
            ("", "/"),
            ("/", "/"),
            ("//", "//"),
            ("*", "*"),
            ("/users/", "/users/"),
            ("/users/42/", "/users/{userId}/"),
            ("/users/42.json", "/users/{userId}.json"),
            ("/operations/42:cancel", "/operations/{operationId}:cancel"),
            ("/assets/jquery-3.6.0.min.js", "/assets/jquery-3.6.0.min.js"),
            ("/en-US/docs/index.html", "/en-US/docs/index.html"),
            ("/hosts/10.0.0.1", "/hosts/{ip}"),
            ("/hosts/fe80::1", "/hosts/{ip}"),
            ("/users/me;jsessionid=8A7B6C5D4E3F2A1B", "/users/me"),
            ("/a%2Fb", "/{text}"),
            ("/%zz", "/{text}"),
            ("/x/{id}", "/x/{x}"),
            ("http://example.org/", "{target}"),
        ]);
    }

    #[test]
    fn a_template_is_bounded() {
        let hostile = "/1".repeat(100_000);
        assert!(template(&hostile).as_str().len() < 2_000);
        assert!(template(&hostile).as_str().ends_with("/{rest}"));
        assert!(template(&format!("/{}", "a".repeat(1_000_000))).as_str().len() < 100);
        assert!(template(&"/abcdefgh".repeat(100_000)).as_str().len() < 2_000);
    }

    proptest::proptest! {
        #[test]
        fn any_path_has_one(path in ".{0,200}") {
            let route = template(&path);
            proptest::prop_assert!(!route.as_str().is_empty());
            proptest::prop_assert!(route.as_str().len() < 4_000);
        }
    }
}
