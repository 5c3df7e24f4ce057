//! Errors behind a 2xx: what the top level of a JSON body says.

use memchr::memmem;
use std::sync::LazyLock;

/// True when the body is a JSON object whose top level says that the call failed: a non-empty `errors`, a non-empty
/// `error`, `"success": false` or `"ok": false`.
///
/// The body may be cut off; what comes before the cut counts. Only members of the top level count: an `error`
/// deeper inside is data.
pub fn says_error(body: &[u8]) -> bool {
    if KEYS.iter().all(|key| key.find(body).is_none()) {
        return false;
    }
    Reader { rest: body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body) }.object_says_error().unwrap_or(false)
}

/// Without one of these no member can say so; most bodies are done with here.
static KEYS: LazyLock<[memmem::Finder<'static>; 3]> =
    LazyLock::new(|| ["\"error", "\"ok\"", "\"success\""].map(memmem::Finder::new));

/// Reads the members of one object; `None` where the text ends or is no JSON.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn object_says_error(&mut self) -> Option<bool> {
        self.expect(b'{')?;
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            self.skip_space();
            if value_says_error(key, self.rest) {
                return Some(true);
            }
            self.skip_value()?;
            self.expect(b',')?;
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }

    /// What stands between the quotes, escapes untouched.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let mut from = 0;
        loop {
            let at = from + memchr::memchr2(b'"', b'\\', self.rest.get(from..)?)?;
            if self.rest.get(at) == Some(&b'"') {
                let text = self.rest.get(..at)?;
                self.rest = self.rest.get(at + 1..)?;
                return Some(text);
            }
            from = at + 2;
        }
    }

    /// Passes one value of any depth; depth is a number, so nesting costs no stack.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.rest.first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => depth -= 1,
                b'}' | b',' if depth == 0 => return Some(()),
                _ => {}
            }
            self.rest = self.rest.get(1..)?;
        }
    }
}

fn value_says_error(key: &[u8], value: &[u8]) -> bool {
    match key {
        b"success" | b"ok" => value.starts_with(b"false"),
        b"error" | b"errors" => is_something(value),
        _ => false,
    }
}

/// Neither null, false, zero nor empty; a value that is cut off before that shows is nothing.
fn is_something(value: &[u8]) -> bool {
    let Some((first, rest)) = value.split_first() else { return false };
    let inner = rest.trim_ascii_start().first();
    match first {
        b'{' => inner.is_some_and(|b| *b != b'}'),
        b'[' => inner.is_some_and(|b| *b != b']'),
        b'"' => rest.first().is_some_and(|b| *b != b'"'),
        b't' | b'1'..=b'9' | b'-' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::says_error;

    #[test]
    fn says_error_at_the_top_level_only() {
        for (body, expected) in [
            (r#"{"errors":[{"message":"no"}],"data":null}"#, true),
            (r#"{"data":{"x":[1,{"error":"inner"}]}, "errors" : [ 1 ] }"#, true),
            (r#"{"data":"\"error\": \\", "error":"no such user"}"#, true),
            (r#"{"success": false}"#, true),
            (r#"{"ok":false,"error":"invalid_auth"}"#, true),
            (r#"{"error":true}"#, true),
            (r#"{"error":{"code":1}}"#, true),
            (r#"{"error":-1}"#, true),
            ("\u{feff}{\"ok\":false}", true),
            (r#"{"errors":[]}"#, false),
            (r#"{"errors":[ ]}"#, false),
            (r#"{"error":null,"data":1}"#, false),
            (r#"{"error":""}"#, false),
            (r#"{"error":{}}"#, false),
            (r#"{"error":false,"success":true,"ok":true}"#, false),
            (r#"{"error":0}"#, false),
            (r#"{"data":{"error":"inner"}}"#, false),
            (r#"{"data":"}\"error\":1"}"#, false),
            (r#"[{"error":"in a list"}]"#, false),
            (r#""error""#, false),
            ("", false),
            (r#"{"error"#, false),
            (r#"{"error":"#, false),
            (r#"{"error":["#, false),
        ] {
            assert_eq!(says_error(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_cut_off_body_counts_up_to_the_cut() {
        assert!(says_error(br#"{"errors":[{"message":"no su"#));
        assert!(!says_error(br#"{"data":["error", {"error":"#));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}\"error\":1", "[".repeat(1_000_000));
        assert!(!says_error(deep.as_bytes()));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_fine(body in r#"[{}\[\]":,a\\ ]{0,40}"error":[1 "\\{}\[]{0,9}"#) {
            let _ = says_error(body.as_bytes());
        }
    }
}
