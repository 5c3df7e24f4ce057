//! What parameters are called.

use super::{ValueClass, noun, segment::MAX_SEGMENTS};

/// What a parameter is named after.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noun<'a> {
    /// Nothing precedes it.
    Start,
    /// A literal that may be a noun.
    Of(&'a str),
    /// A parameter, a version, or an empty segment.
    None,
}

/// Appends `{name}`. No two of a route, which begins at `start`, share a name.
pub(super) fn write_placeholder(class: ValueClass, before: Noun<'_>, out: &mut String, start: usize) {
    let open = out.len();
    out.push('{');
    write_name(class, before, out);
    if !is_taken(out, start, open) {
        out.push('}');
        return;
    }
    let unnumbered = out.len();
    for number in 2..=MAX_SEGMENTS + 1 {
        out.truncate(unnumbered);
        out.push_str(&number.to_string());
        if !is_taken(out, start, open) {
            break;
        }
    }
    out.push('}');
}

fn write_name(class: ValueClass, before: Noun<'_>, out: &mut String) {
    if let Some(own) = class.own_name() {
        return out.push_str(own);
    }
    match before {
        // Free text after `search` is a `{search}`, not an id of one.
        Noun::Of(segment) if noun::push_member_name(segment, out) => {
            out.push_str(if class == ValueClass::Text { "" } else { "Id" });
        }
        Noun::Start if class == ValueClass::Hash => out.push_str("hash"),
        Noun::Start | Noun::Of(_) | Noun::None => {
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
