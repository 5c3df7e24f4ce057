use super::head::is_status_line;
use memchr::memchr;

/// Longer method tokens are not believed before anything else is known of the connection.
const MAX_METHOD: usize = 24;

/// What the first bytes of one direction are to HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detected {
    /// A request line: this end is the client.
    Request,
    /// A status line: this end is the server.
    Response,
    /// Neither is excluded yet.
    NeedMore,
    /// Not HTTP/1.
    No,
}

/// Looks at everything one end has sent so far. `scanned` remembers how far the first line was searched for its end.
pub(crate) fn detect(bytes: &[u8], scanned: &mut usize) -> Detected {
    let empty = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let Some(line) = bytes.get(empty..).filter(|line| !line.is_empty()) else { return Detected::NeedMore };
    match status_line(line) {
        Detected::No => {}
        decided @ (Detected::Request | Detected::Response | Detected::NeedMore) => return decided,
    }
    if !starts_like_request(line) {
        return Detected::No;
    }
    let from = (*scanned).max(empty);
    let Some(at) = bytes.get(from..).and_then(|rest| memchr(b'\n', rest)) else {
        *scanned = bytes.len();
        return Detected::NeedMore;
    };
    let line = bytes.get(empty..from + at).unwrap_or_default();
    if has_version(line) { Detected::Request } else { Detected::No }
}

/// Could these be the first bytes of a request line: a method in capitals, a space, the start of a target?
pub(super) fn starts_like_request(line: &[u8]) -> bool {
    let method = line
        .iter()
        .take(MAX_METHOD + 1)
        .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        .count();
    if method > MAX_METHOD || !line.first().is_some_and(u8::is_ascii_uppercase) {
        return false;
    }
    let rest = line.get(method..).unwrap_or_default();
    // One space is right; more are read all the same.
    let extra = rest.iter().take_while(|b| **b == b' ').count().saturating_sub(1);
    match rest.get(extra..) {
        Some([b' ', target, ..]) => matches!(target, b'/' | b'*' | b'[') || target.is_ascii_alphanumeric(),
        Some([b' '] | []) => true,
        Some(_) | None => false,
    }
}

fn status_line(line: &[u8]) -> Detected {
    const START: &[u8] = b"HTTP/1.";
    let common = line.iter().zip(START).take_while(|(a, b)| a == b).count();
    if common < START.len() {
        return if common == line.len() { Detected::NeedMore } else { Detected::No };
    }
    // "HTTP/1.1 200" and one byte that shows the number is over.
    let enough = line.len() > 12 || line.contains(&b'\n');
    if !enough {
        Detected::NeedMore
    } else if is_status_line(line) {
        Detected::Response
    } else {
        Detected::No
    }
}

fn has_version(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    matches!(line, [before @ .., b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] if before.ends_with(b" "))
}

#[cfg(test)]
mod tests {
    use super::{Detected, detect};

    #[test]
    fn tells_requests_responses_and_the_rest() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Detected::Request),
            (b"\r\n\r\nGET / HTTP/1.0\n", Detected::Request),
            (b"PROPFIND /dav HTTP/1.1\r\n", Detected::Request),
            (b"M-SEARCH * HTTP/1.1\r\n", Detected::Request),
            (b"GET / HTTP/1.1", Detected::NeedMore),
            (b"G", Detected::NeedMore),
            (b"HT", Detected::NeedMore),
            (b"HTTP/1.1 200", Detected::NeedMore),
            (b"HTTP/1.1 200 ", Detected::Response),
            (b"HTTP/1.1 200\r\n", Detected::Response),
            (b"HTTP/1.1 2000", Detected::No),
            (b"GET /\r\n", Detected::No),
            (b"PRI * HTTP/2.0\r\n", Detected::No),
            (b"OPTIONS rtsp://a RTSP/1.0\r\n", Detected::No),
            (b"CONNECT {\"verbose\":false}\r\n", Detected::No),
            (b"get / HTTP/1.1\r\n", Detected::No),
            (b"\x16\x03\x01", Detected::No),
            (b"", Detected::NeedMore),
        ] {
            assert_eq!(detect(bytes, &mut 0), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn no_prefix_of_a_request_is_refused() {
        let line = b"DELETE /orders/42?force=1 HTTP/1.1\r\n";
        for end in 0..line.len() {
            assert_eq!(detect(&line[..end], &mut 0), Detected::NeedMore, "{end}");
        }
    }
}
