//! Content decoding (RFC 9110 §8.4): lazily, when somebody wants to look at a body.
//!
//! Output is bounded whatever the input promises, and an input that was cut off yields what is whole.

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use overhear_exchange::{Body, ContentCoding, Redacted};
use std::io::{BufReader, ErrorKind, Read};

/// More codings on one body than this are not undone: each costs a pass.
const MAX_CODINGS: usize = 4;

/// A history over this size is refused: a stranger is not to choose how much memory decoding takes (RFC 8878 §3.1.1.1.2
/// recommends 8 MiB).
const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// What a body says once its content codings are undone.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// As much as could be decoded, at most the limit.
    pub bytes: Redacted<Bytes>,
    /// There is more: the limit was reached, or the captured body is not the whole one.
    pub truncated: bool,
    /// Not as the codings say, or a coding that is not known: `bytes` is what came before that, or for an
    /// unknown coding the content as it is.
    pub damaged: bool,
}

/// Undoes the content codings of the captured part of `body`, yielding at most `limit` bytes.
pub fn decode(body: &Body, limit: usize) -> Decoded {
    let captured = body.captured.expose();
    let unreadable = body.codings.len() > MAX_CODINGS || body.codings.contains(&ContentCoding::Unknown);
    if body.codings.is_empty() || captured.is_empty() || unreadable {
        let truncated = !body.complete || captured.len() > limit;
        let bytes = captured.slice(..captured.len().min(limit));
        return Decoded { bytes: Redacted::new(bytes), truncated, damaged: unreadable };
    }
    let mut input = Bytes::clone(captured);
    let mut whole = body.complete;
    let mut damaged = false;
    // The last one applied is the first to undo. What lies between two may be as long as the result.
    for coding in body.codings.iter().rev() {
        let stage = undo(*coding, &input, limit);
        damaged |= stage.damaged || (whole && stage.cut);
        whole &= !stage.cut && !stage.limited && !stage.damaged;
        input = stage.bytes.into();
    }
    Decoded { bytes: Redacted::new(input), truncated: !whole, damaged }
}

#[derive(Default)]
struct Stage {
    bytes: Vec<u8>,
    /// There was more than the limit.
    limited: bool,
    /// The input ended early.
    cut: bool,
    damaged: bool,
}

fn undo(coding: ContentCoding, input: &[u8], limit: usize) -> Stage {
    match coding {
        ContentCoding::Gzip => read(MultiGzDecoder::new(input), limit),
        ContentCoding::Deflate if is_zlib(input) => read(ZlibDecoder::new(input), limit),
        ContentCoding::Deflate => read(DeflateDecoder::new(input), limit),
        ContentCoding::Brotli => {
            let mut source = Source { rest: input, ended: false };
            let mut stage = read(brotli::Decompressor::new(&mut source, 4096), limit);
            // This decoder calls an early end invalid data; it looked for more, where that is what it met.
            if stage.damaged && source.ended {
                (stage.damaged, stage.cut) = (false, true);
            }
            stage
        }
        ContentCoding::Zstd => match zstd::stream::read::Decoder::with_buffer(BufReader::new(input)) {
            Ok(mut decoder) => match decoder.window_log_max(MAX_ZSTD_WINDOW_LOG) {
                Ok(()) => read(decoder, limit),
                Err(_) => Stage { damaged: true, ..Stage::default() },
            },
            Err(_) => Stage { damaged: true, ..Stage::default() },
        },
        ContentCoding::Unknown => Stage { bytes: input.into(), ..Stage::default() },
    }
}

/// Input that remembers whether its end was met.
struct Source<'a> {
    rest: &'a [u8],
    ended: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.ended |= self.rest.is_empty();
        self.rest.read(buffer)
    }
}

/// The header of zlib (RFC 1950 §2.2); without it servers send raw deflate under the same name.
fn is_zlib(input: &[u8]) -> bool {
    match input {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) * 256 + u16::from(*flags)).is_multiple_of(31)
        }
        _ => false,
    }
}

fn read(mut decoder: impl Read, limit: usize) -> Stage {
    let mut stage = Stage::default();
    let mut block = [0; 8192];
    loop {
        match decoder.read(&mut block) {
            Ok(0) => return stage,
            Ok(length) => {
                let room = limit - stage.bytes.len();
                let new = block.get(..length).unwrap_or_default();
                stage.bytes.extend_from_slice(new.get(..room).unwrap_or(new));
                if length > room {
                    stage.limited = true;
                    return stage;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                stage.cut = error.kind() == ErrorKind::UnexpectedEof;
                stage.damaged = !stage.cut;
                return stage;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoded, decode};
    use flate2::{Compression, write};
    use overhear_exchange::{Body, ContentCoding, Redacted};
    use std::io::Write;

    fn encode(coding: ContentCoding, plain: &[u8]) -> Vec<u8> {
        match coding {
            ContentCoding::Gzip => {
                let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            ContentCoding::Deflate => {
                let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            ContentCoding::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
                encoder.write_all(plain).unwrap();
                encoder.into_inner()
            }
            ContentCoding::Zstd => zstd::encode_all(plain, 3).unwrap(),
            ContentCoding::Unknown => plain.to_vec(),
        }
    }

    fn body(captured: Vec<u8>, complete: bool, codings: &[ContentCoding]) -> Body {
        Body {
            size: captured.len() as u64,
            captured: Redacted::new(captured.into()),
            complete,
            codings: codings.iter().copied().collect(),
        }
    }

    fn text() -> Vec<u8> {
        (0..20_000_u32)
            .flat_map(|i| format!("{{\"id\":{i},\"n\":{}}}\n", i.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    const ALL: [ContentCoding; 4] =
        [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli, ContentCoding::Zstd];

    fn is(decoded: &Decoded, bytes: &[u8], truncated: bool, damaged: bool) -> bool {
        &decoded.bytes.expose()[..] == bytes && decoded.truncated == truncated && decoded.damaged == damaged
    }

    #[test]
    fn undoes_every_coding_and_stacks_of_them() {
        let plain = text();
        for outer in ALL {
            let once = encode(outer, &plain);
            assert!(is(&decode(&body(once, true, &[outer]), 1 << 20), &plain, false, false), "{outer:?}");
            for inner in ALL {
                let twice = encode(outer, &encode(inner, &plain));
                let decoded = decode(&body(twice, true, &[inner, outer]), 1 << 20);
                assert!(is(&decoded, &plain, false, false), "{inner:?} in {outer:?}");
            }
        }
    }

    #[test]
    fn a_cut_input_yields_its_beginning() {
        let plain = text();
        for coding in ALL {
            let mut cut = encode(coding, &plain);
            cut.truncate(cut.len() / 2);
            let decoded = decode(&body(cut, false, &[coding]), 1 << 20);
            let bytes = decoded.bytes.expose();
            assert!(decoded.truncated && !decoded.damaged, "{coding:?}");
            assert!(plain.starts_with(bytes), "{coding:?}");
            assert!(bytes.len() > plain.len() / 8, "{coding:?}: {} of {}", bytes.len(), plain.len());
        }
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let plain = vec![0; 64 << 20];
        for coding in ALL {
            let decoded = decode(&body(encode(coding, &plain), true, &[coding]), 100_000);
            assert!(is(&decoded, &plain[..100_000], true, false), "{coding:?}");
        }
    }

    #[test]
    fn exactly_the_limit_is_not_truncated() {
        for coding in ALL {
            let decoded = decode(&body(encode(coding, b"hello"), true, &[coding]), 5);
            assert!(is(&decoded, b"hello", false, false), "{coding:?}");
        }
    }

    #[test]
    fn junk_is_damage() {
        for coding in ALL {
            let decoded = decode(&body(b"\xff\xffthis is no such thing".to_vec(), true, &[coding]), 1 << 20);
            assert!(decoded.damaged, "{coding:?}");
        }
    }

    #[test]
    fn reads_raw_deflate_gzip_members_and_leaves_the_unknown() {
        let mut raw = write::DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"raw").unwrap();
        let raw = raw.finish().unwrap();
        assert!(is(&decode(&body(raw, true, &[ContentCoding::Deflate]), 99), b"raw", false, false));

        let mut members = encode(ContentCoding::Gzip, b"one ");
        members.extend(encode(ContentCoding::Gzip, b"two"));
        assert!(is(&decode(&body(members, true, &[ContentCoding::Gzip]), 99), b"one two", false, false));

        let odd = body(b"xyz".to_vec(), true, &[ContentCoding::Gzip, ContentCoding::Unknown]);
        assert!(is(&decode(&odd, 2), b"xy", true, true));
        assert!(is(&decode(&body(b"xyz".to_vec(), true, &[]), 9), b"xyz", false, false));
    }
}
