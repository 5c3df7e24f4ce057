//! Errors behind a 2xx: what the top level of a JSON body says.

use super::tape::{Kind, Tape, Token};

/// True when the body is a JSON object whose top level says that the call failed: a non-empty `errors`, a non-empty
/// `error`, `"success": false`, `"ok": false`, or a `result` with `"isError": true`.
///
/// The body may be cut off; what comes before the cut counts. Only members of the top level count: an `error`
/// deeper inside is data.
pub(super) fn says_error(tape: &Tape, source: &[u8]) -> bool {
    tape.get(0).is_some_and(|root| root.kind == Kind::Object)
        && tape.members(0).any(|(key, (at, value))| match tape.text(source, key) {
            b"success" | b"ok" => tape.text(source, value) == b"false" && value.kind == Kind::Boolean,
            b"error" | b"errors" => is_something(tape, source, (at, value)),
            // What a tool of the Model Context Protocol answers when it failed (2025-06-18, CallToolResult).
            b"result" if value.kind == Kind::Object => tape.members(at).any(|(key, (_, value))| {
                tape.text(source, key) == b"isError" && tape.text(source, value) == b"true"
            }),
            _ => false,
        })
}

/// Neither null, false, zero nor empty.
fn is_something(tape: &Tape, source: &[u8], (at, value): (usize, Token)) -> bool {
    let text = tape.text(source, value);
    match value.kind {
        Kind::Object | Kind::Array => tape.within(at).next().is_some(),
        Kind::Boolean => text == b"true",
        Kind::Integer | Kind::Number => !text.starts_with(b"0"),
        Kind::String => !text.is_empty(),
        Kind::Null | Kind::Text | Kind::File | Kind::Key => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::json, says_error};
    use crate::shape::tape::Tape;

    fn says(body: &str) -> bool {
        let mut tape = Tape::default();
        json::read(&mut tape, body.as_bytes(), true, false);
        says_error(&tape, body.as_bytes())
    }

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
            (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":false}}"#, false),
            (r#"{"isError":true,"result":[true]}"#, false),
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
            assert_eq!(says(body), expected, "{body}");
        }
    }

    #[test]
    fn a_cut_off_body_counts_up_to_the_cut() {
        assert!(says(r#"{"errors":[{"message":"no su"#));
        assert!(!says(r#"{"data":["error", {"error":"#));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}\"error\":1", "[".repeat(1_000_000));
        assert!(!says(&deep));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_fine(body in r#"[{}\[\]":,a\\ ]{0,40}"error":[1 "\\{}\[]{0,9}"#) {
            let _ = says(&body);
        }
    }
}
