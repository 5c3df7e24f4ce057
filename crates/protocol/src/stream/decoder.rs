//! Undoes the content coding of a body while it comes.
//!
//! Only `gzip` and `deflate`: their state is 43 KB. That of `br` and `zstd` is as large as a stranger chooses, for as long
//! as the stream goes on, so those are not read.

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use overhear_exchange::ContentCoding;
use std::io::{self, Write};

/// Input is decoded in pieces of this size, ...
const PIECE: usize = 4096;
/// ... each of which may become so much at most. More is no stream of events but a bomb.
const MOST: usize = 1 << 20;

/// A content coding that is undone step by step.
pub(super) enum Decoder {
    /// There is none.
    Identity,
    Gzip(Box<MultiGzDecoder<Sink>>),
    /// `deflate`: whether with the header of zlib shows with the first byte.
    Deflate,
    Zlib(Box<ZlibDecoder<Sink>>),
    Raw(Box<DeflateDecoder<Sink>>),
    /// It cannot be read, or not any more.
    Unreadable,
}

/// This cannot be read from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identity => "Identity",
            Self::Gzip(_) => "Gzip",
            Self::Deflate => "Deflate",
            Self::Zlib(_) => "Zlib",
            Self::Raw(_) => "Raw",
            Self::Unreadable => "Unreadable",
        })
    }
}

impl Decoder {
    /// For content with these codings.
    pub(super) fn new(codings: &[ContentCoding]) -> Self {
        match codings {
            [] => Self::Identity,
            [ContentCoding::Gzip] => Self::Gzip(Box::new(MultiGzDecoder::new(Sink::default()))),
            [ContentCoding::Deflate] => Self::Deflate,
            _ => Self::Unreadable,
        }
    }

    /// Decodes; `each` gets what comes of it, in pieces.
    pub(super) fn push(&mut self, content: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Unreadable> {
        if matches!(self, Self::Identity) {
            each(content);
            return Ok(());
        }
        for piece in content.chunks(PIECE) {
            if self.piece(piece, each).is_err() {
                *self = Self::Unreadable;
                return Err(Unreadable);
            }
        }
        Ok(())
    }

    /// Bytes were not seen. True where that does no harm to what follows.
    pub(super) fn survives_gap(&mut self) -> bool {
        let survives = matches!(self, Self::Identity);
        if !survives {
            *self = Self::Unreadable;
        }
        survives
    }

    pub(super) fn retained(&self) -> usize {
        match self {
            Self::Identity | Self::Deflate | Self::Unreadable => 0,
            Self::Gzip(_) | Self::Zlib(_) | Self::Raw(_) => 43 * 1024 + 32 * 1024,
        }
    }

    fn piece(&mut self, piece: &[u8], each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if let (Self::Deflate, Some(first)) = (&*self, piece.first()) {
            // Compression method 8 (RFC 1950 §2.2); raw deflate never begins so with the block types in use.
            let zlib = first & 0x0f == 8 && first >> 4 <= 7;
            *self = if zlib {
                Self::Zlib(Box::new(ZlibDecoder::new(Sink::default())))
            } else {
                Self::Raw(Box::new(DeflateDecoder::new(Sink::default())))
            };
        }
        let sink = match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Zlib(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Raw(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Identity | Self::Deflate | Self::Unreadable => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        };
        each(&sink.0);
        sink.0.clear();
        if sink.0.capacity() > PIECE * 8 {
            sink.0 = Vec::new();
        }
        Ok(())
    }
}

/// Where decoded bytes go, up to the bound.
#[derive(Debug, Default)]
pub(super) struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Decoder;
    use flate2::{Compression, write};
    use overhear_exchange::ContentCoding;
    use std::io::Write;

    fn decode(codings: &[ContentCoding], parts: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut decoder, mut out, mut fine) = (Decoder::new(codings), Vec::new(), true);
        for part in parts {
            fine &= decoder.push(part, &mut |bytes| out.extend_from_slice(bytes)).is_ok();
        }
        (out, fine)
    }

    #[test]
    fn what_was_flushed_is_read_at_once() {
        let mut gzip = write::GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"data: one\n\n").unwrap();
        gzip.flush().unwrap();
        let first = gzip.get_ref().clone();
        gzip.write_all(b"data: two\n\n").unwrap();
        let whole = gzip.finish().unwrap();
        assert_eq!(decode(&[ContentCoding::Gzip], &[&first]), (b"data: one\n\n".to_vec(), true));
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(decode(&[ContentCoding::Gzip], &single), (b"data: one\n\ndata: two\n\n".to_vec(), true));
    }

    #[test]
    fn deflate_with_and_without_its_header() {
        let mut zlib = write::ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"hello hello").unwrap();
        let zlib = zlib.finish().unwrap();
        let mut raw = write::DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"hello hello").unwrap();
        let raw = raw.finish().unwrap();
        for coded in [zlib, raw] {
            assert_eq!(decode(&[ContentCoding::Deflate], &[&coded]), (b"hello hello".to_vec(), true));
        }
    }

    #[test]
    fn a_bomb_is_not_read() {
        let mut gzip = write::GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![0; 64 << 20]).unwrap();
        let bomb = gzip.finish().unwrap();
        let (out, fine) = decode(&[ContentCoding::Gzip], &[&bomb]);
        assert!(!fine && out.len() < 8 << 20, "{}", out.len());
        assert!(!decode(&[ContentCoding::Brotli], &[b"x"]).1);
        assert!(!decode(&[ContentCoding::Gzip], &[b"no gzip at all"]).1);
    }
}
