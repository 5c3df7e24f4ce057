use super::{ValueClass, class::is_route_version, classify, noun};
use smallvec::SmallVec;
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

/// Segments of a route; those beyond are one `{rest}`. No API nests this deep, and hostile paths do.
const MAX_SEGMENTS: usize = 24;

/// Appends the template of `path` to `out`.
pub fn write_template(path: &str, out: &mut String) {
    let Some(path) = path.strip_prefix('/') else {
        return write_odd_target(path, out);
    };
    let start = out.len();
    let mut before = Before::Start;
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

/// What a parameter is named after.
#[derive(Clone, Copy)]
enum Before<'a> {
    /// Nothing precedes it.
    Start,
    /// A literal that may be a noun.
    Literal(&'a str),
    /// A parameter, a version, or an empty segment.
    Nameless,
}

fn write_segment<'a>(
    segment: &'a str,
    before: Before<'a>,
    names_follow: bool,
    out: &mut String,
    start: usize,
) -> Before<'a> {
    // Matrix parameters (RFC 3986 §3.3) carry session ids; the route is what stands before them.
    let segment = segment.split_once(';').map_or(segment, |(head, _)| head);
    if segment.is_empty() {
        return Before::Nameless;
    }
    let (class, suffix) = classify_with_suffix(segment);
    let dated_version = class == ValueClass::Date && matches!(before, Before::Start) && names_follow;
    if class.is_parameter() && !dated_version {
        write_placeholder(class, before, out, start);
        out.push_str(suffix);
        return Before::Nameless;
    }
    out.push_str(segment);
    let numbered = segment.bytes().any(|b| b.is_ascii_digit());
    if dated_version || (numbered && is_route_version(segment.as_bytes())) {
        return Before::Nameless;
    }
    Before::Literal(segment)
}

fn classify_encoded(segment: &str) -> ValueClass {
    if memchr::memchr(b'%', segment.as_bytes()).is_none() {
        return classify(segment.as_bytes());
    }
    let mut decoded = SmallVec::<[u8; 128]>::new();
    decode_percent(segment.as_bytes(), &mut decoded);
    classify(&decoded)
}

/// Escapes that are none stay as they are.
fn decode_percent(mut bytes: &[u8], out: &mut SmallVec<[u8; 128]>) {
    while let [first, rest @ ..] = bytes {
        bytes = match (first, rest) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    after
                }
                _ => {
                    out.push(b'%');
                    rest
                }
            },
            _ => {
                out.push(*first);
                rest
            }
        };
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// `42.json` is a parameter and an ending; so is `42:cancel`. The ending is literal.
fn classify_with_suffix(segment: &str) -> (ValueClass, &str) {
    let whole = classify_encoded(segment);
    if !matches!(whole, ValueClass::Literal | ValueClass::Opaque) {
        return (whole, "");
    }
    match split_suffix(segment) {
        Some((stem, suffix)) if classify_encoded(stem).is_parameter() => (classify_encoded(stem), suffix),
        _ => (whole, ""),
    }
}

fn split_suffix(segment: &str) -> Option<(&str, &str)> {
    let cut = memchr::memrchr2(b'.', b':', segment.as_bytes())?;
    let (stem, suffix) = segment.split_at_checked(cut)?;
    let ending = suffix.get(1..)?;
    let longest = if suffix.starts_with('.') { 5 } else { 32 };
    let plain = ending.starts_with(|c: char| c.is_ascii_alphabetic())
        && ending.bytes().all(|b| b.is_ascii_alphanumeric())
        && !classify(ending.as_bytes()).is_parameter();
    ((2..=longest).contains(&ending.len()) && plain).then_some((stem, suffix))
}

fn write_placeholder(class: ValueClass, before: Before<'_>, out: &mut String, start: usize) {
    let open = out.len();
    out.push('{');
    write_name(class, before, out);
    if !is_taken(out, start, open) {
        out.push('}');
        return;
    }
    let unnumbered = out.len();
    for number in 2..=MAX_SEGMENTS {
        out.truncate(unnumbered);
        out.push_str(&number.to_string());
        if !is_taken(out, start, open) {
            break;
        }
    }
    out.push('}');
}

fn write_name(class: ValueClass, before: Before<'_>, out: &mut String) {
    if let Some(own) = class.own_name() {
        return out.push_str(own);
    }
    match before {
        // Free text after `search` is a `{search}`, not an id of one.
        Before::Literal(segment) if noun::push_member_name(segment, out) => {
            out.push_str(if class == ValueClass::Text { "" } else { "Id" });
        }
        Before::Start if class == ValueClass::Hash => out.push_str("hash"),
        Before::Start | Before::Literal(_) | Before::Nameless => {
            out.push_str(if class == ValueClass::Text { "text" } else { "id" });
        }
    }
}

/// True when the placeholder that begins at `open` has a name an earlier one has.
fn is_taken(out: &str, start: usize, open: usize) -> bool {
    let (Some(earlier), Some(name)) = (out.get(start..open), out.get(open..)) else { return false };
    let ends_there =
        |rest: &[u8]| rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"}"));
    memchr::memchr_iter(b'{', earlier.as_bytes())
        .any(|at| earlier.as_bytes().get(at..).is_some_and(ends_there))
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
