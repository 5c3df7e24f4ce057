//! A body made readable: decoded as far as it was captured, then JSON, text or bytes.

use crate::{
    json::{self, JsonLine},
    text,
};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use overhear_exchange::{Body, ContentCoding};
use std::{borrow::Cow, io::Read};

/// Most bytes of a body looked at, before and after decoding.
const MAX_BYTES: usize = 64 * 1024;
/// Most lines shown of a body.
const MAX_LINES: usize = 2_000;

/// What a body looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Preview {
    /// There was none.
    Empty,
    /// None of it was kept.
    NotCaptured,
    /// Laid out for reading.
    Json(Vec<JsonLine>),
    /// Lines, fit for a terminal.
    Text(Vec<String>),
    /// Lines of sixteen bytes.
    Bytes(Vec<String>),
    /// Encoded in a way that is not undone here.
    Encoded,
}

/// Looks at a body.
pub(crate) fn preview(body: &Body) -> Preview {
    let captured = body.captured.expose();
    if captured.is_empty() {
        return if body.size == 0 { Preview::Empty } else { Preview::NotCaptured };
    }
    let captured = captured.get(..MAX_BYTES).unwrap_or(captured);
    let Some(decoded) = decode(captured, &body.codings) else { return Preview::Encoded };
    let shown = String::from_utf8_lossy(&decoded);
    if is_binary(&shown) {
        return Preview::Bytes(hex(&decoded));
    }
    match json::layout(&shown, MAX_LINES) {
        Some(lines) => Preview::Json(lines),
        None => Preview::Text(shown.lines().take(MAX_LINES).map(text::clean).collect()),
    }
}

/// Undoes one coding; a stream that is cut off yields what came before the cut.
fn decode<'a>(bytes: &'a [u8], codings: &[ContentCoding]) -> Option<Cow<'a, [u8]>> {
    match codings {
        [] => Some(Cow::Borrowed(bytes)),
        [ContentCoding::Gzip] => Some(read_some(MultiGzDecoder::new(bytes)).into()),
        [ContentCoding::Deflate] => Some(read_some(ZlibDecoder::new(bytes)).into()),
        _ => None,
    }
    .filter(|decoded| !decoded.is_empty())
}

fn read_some(mut reader: impl Read) -> Vec<u8> {
    let mut out = Vec::new();
    let mut piece = [0; 4096];
    while out.len() < MAX_BYTES {
        match reader.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => out.extend_from_slice(piece.get(..n).unwrap_or_default()),
        }
    }
    out.truncate(MAX_BYTES);
    out
}

/// More than a few, and more than one in ten, are characters that text does not have.
fn is_binary(shown: &str) -> bool {
    let (mut all, mut odd) = (0usize, 0usize);
    for c in shown.chars().take(4096) {
        all += 1;
        odd += usize::from(c == '\u{fffd}' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t')));
    }
    odd > 2 && odd * 10 > all
}

fn hex(bytes: &[u8]) -> Vec<String> {
    let line = |(i, row): (usize, &[u8])| {
        let digits: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        let letters: String =
            row.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
        format!("{:04x}  {digits:<48} {letters}", i * 16)
    };
    bytes.chunks(16).take(16).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{Preview, preview};
    use bytes::Bytes;
    use overhear_exchange::{Body, ContentCoding, Redacted};
    use std::io::Write;

    fn body(bytes: &[u8], codings: &[ContentCoding]) -> Body {
        Body {
            size: bytes.len() as u64,
            captured: Redacted::new(Bytes::copy_from_slice(bytes)),
            complete: true,
            codings: codings.iter().copied().collect(),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("to memory");
        encoder.finish().expect("to memory")
    }

    #[test]
    fn kinds_of_bodies() {
        assert_eq!(preview(&Body::default()), Preview::Empty);
        assert_eq!(preview(&Body { size: 5, ..Body::default() }), Preview::NotCaptured);
        assert_eq!(preview(&body(b"a=1\x1b[2J", &[])), Preview::Text(vec!["a=1␛[2J".into()]));
        assert!(matches!(preview(&body(b"{\"a\":1}", &[])), Preview::Json(lines) if lines.len() == 3));
        assert!(matches!(preview(&body(&[0, 1, 2, 255, 254], &[])), Preview::Bytes(_)));
        assert_eq!(preview(&body(b"xx", &[ContentCoding::Brotli])), Preview::Encoded);
        assert_eq!(preview(&body(b"not gzip", &[ContentCoding::Gzip])), Preview::Encoded);
    }

    #[test]
    fn gzip_is_undone_as_far_as_it_goes_and_bounded() {
        let long: String = (0..20_000).map(|i| format!("line {i}\n")).collect();
        let whole = gzip(long.as_bytes());
        for bytes in [&whole[..], &whole[..whole.len() / 2]] {
            let Preview::Text(lines) = preview(&body(bytes, &[ContentCoding::Gzip])) else {
                panic!("not text")
            };
            assert_eq!(lines.first().map(String::as_str), Some("line 0"));
            assert!(lines.len() <= super::MAX_LINES);
        }
        let bomb = gzip(&vec![b'x'; 50_000_000]);
        assert!(matches!(preview(&body(&bomb, &[ContentCoding::Gzip])), Preview::Text(_)));
    }
}
