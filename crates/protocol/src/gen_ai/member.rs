//! Finds members of an object in text that may have been cut: a request with a long prompt is not seen to its end.

/// The text of a member's value at the top of an object, as far as it is there.
pub(super) fn of<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = text.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        rest = rest.trim_ascii_start();
        let (key, after) = string(rest)?;
        rest = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let length = value(rest);
        let (found, after) = rest.split_at_checked(length)?;
        if key == name.as_bytes() && !found.is_empty() {
            return Some(found);
        }
        rest = after.trim_ascii_start().strip_prefix(b",")?;
    }
}

/// A whole string without its quotes; none with escapes, which no name of a model has.
pub(super) fn text(value: &[u8]) -> Option<Box<str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let plain = memchr::memchr2(b'"', b'\\', inner).is_none();
    std::str::from_utf8(inner).ok().filter(|_| plain).map(Into::into)
}

/// A string at the start, without its quotes, and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let end = end_of_string(inner)?;
    Some((inner.get(..end)?, inner.get(end + 1..)?))
}

/// Where the quote is that ends a string, its first one left out.
fn end_of_string(inner: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        match inner.get(at) {
            Some(b'"') => return Some(at),
            Some(_) | None => at += 2,
        }
    }
}

/// How long the value at the start is; all of it where it has no end.
fn value(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let inner = text.get(at + 1..).unwrap_or_default();
                let Some(end) = end_of_string(inner) else { return text.len() };
                at += end + 2;
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at + depth,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{of, text};

    #[test]
    fn members_are_found_before_a_cut() {
        let object =
            br#" {"a" : [1, {"model":"no"}], "s": "x\"}", "model": "m-1", "stream":true, "messages": [{"con"#;
        for (name, value) in [
            ("a", Some(&br#"[1, {"model":"no"}]"#[..])),
            ("s", Some(br#""x\"}""#)),
            ("model", Some(br#""m-1""#)),
            ("stream", Some(b"true")),
            ("messages", Some(br#"[{"con"#)),
            ("con", None),
        ] {
            assert_eq!(of(object, name), value, "{name}");
        }
        assert_eq!(of(b"{\"n\":12}", "n"), Some(&b"12"[..]));
        assert_eq!(text(br#""m-1""#).as_deref(), Some("m-1"));
        assert_eq!(text(br#""m-"#), None);
        for odd in [&b""[..], b"{", b"[]", b"{\"a", b"{\"a\"", b"{\"a\":", b"{\"a\\", b"{\"a\":\"\\", b"{]"] {
            assert_eq!(of(odd, "b"), None);
        }
    }
}
