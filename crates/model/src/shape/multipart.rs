//! Reads `multipart/form-data` (RFC 7578) into named values.

use super::{fields::Pairs, json::Ending};
use memchr::memmem;

/// Parts of one body that are read.
const MOST_PARTS: usize = 128;

/// Reads the parts that are there whole. `media` is the value of Content-Type.
pub(super) fn read(pairs: &mut Pairs, media: &[u8], body: &[u8]) {
    let Some(boundary) = boundary(media) else { return pairs.cut(Ending::Malformed) };
    let delimiter = [b"--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut places = finder.find_iter(body).peekable();
    if places.peek().is_none() {
        return pairs.cut(Ending::Malformed);
    }
    for _ in 0..MOST_PARTS {
        let (Some(start), next) = (places.next(), places.peek()) else { return pairs.cut(Ending::Cut) };
        let start = start + delimiter.len();
        if body.get(start..).is_some_and(|rest| rest.starts_with(b"--")) {
            return;
        }
        let Some(end) = next else { return pairs.cut(Ending::Cut) };
        if let Some(part) = body.get(start..*end) {
            read_part(pairs, part);
        }
    }
    pairs.cut(Ending::Cut);
}

/// RFC 2046 §5.1.1.
fn boundary(media: &[u8]) -> Option<&[u8]> {
    let at = media.windows(9).position(|window| window.eq_ignore_ascii_case(b"boundary="))?;
    let value = media.get(at + 9..)?;
    let value = match value {
        [b'"', quoted @ ..] => quoted.split(|b| *b == b'"').next()?,
        plain => plain.split(|b| matches!(b, b';' | b' ')).next()?,
    };
    (1..=70).contains(&value.len()).then_some(value)
}

fn read_part(pairs: &mut Pairs, part: &[u8]) {
    let Some(blank) = memmem::find(part, b"\r\n\r\n") else { return };
    let (head, body) = part.split_at(blank);
    let body = body.get(4..).unwrap_or_default();
    let body = body.strip_suffix(b"\r\n").unwrap_or(body);
    let is_disposition = |line: &&[u8]| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case(b"content-disposition:"))
    };
    let Some(disposition) = head.split(|b| *b == b'\n').find(is_disposition) else { return };
    if let Some(name) = parameter(disposition, b"name=\"") {
        let file = parameter(disposition, b"filename=\"").is_some()
            || memmem::find(disposition, b"filename*=").is_some();
        pairs.push(name, body, file);
    }
}

/// The quoted value after `; name="`.
fn parameter<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut from = 0;
    while let Some(at) = header.get(from..).and_then(|rest| memmem::find(rest, name)) {
        let start = from + at;
        let before = start.checked_sub(1).and_then(|before| header.get(before));
        if matches!(before, Some(b' ' | b';' | b'\t')) {
            return header.get(start + name.len()..)?.split(|b| *b == b'"').next();
        }
        from = start + name.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::shape::{
        fields::Pairs,
        json::Ending,
        tape::{Kind, Tape},
    };

    fn show(body: &[u8]) -> (Vec<(String, Kind)>, Ending) {
        let (mut pairs, mut tape) = (Pairs::default(), Tape::default());
        read(&mut pairs, b"multipart/form-data; boundary=xyz", body);
        let ending = pairs.write(&mut tape);
        let tokens = (1..tape.len()).map(|at| tape.get(at).unwrap());
        (tokens.map(|t| (String::from_utf8_lossy(tape.text(b"", t)).into_owned(), t.kind)).collect(), ending)
    }

    #[test]
    fn texts_and_files() {
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHello\r\n--xyz\r\n\
            content-disposition: form-data; filename=\"a.png\"; name=\"image\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--xyz--\r\n";
        let expected = [("title", Kind::Key), ("Hello", Kind::Text), ("image", Kind::Key), ("", Kind::File)];
        let (tokens, ending) = show(body);
        assert_eq!(tokens, expected.map(|(text, kind)| (text.to_owned(), kind)));
        assert_eq!(ending, Ending::Whole);
        assert_eq!(show(body.get(..100).unwrap()), (tokens.get(..2).unwrap().to_vec(), Ending::Cut));
        assert_eq!(show(b"nothing").1, Ending::Malformed);
    }
}
