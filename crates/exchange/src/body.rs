use crate::Redacted;
use bytes::Bytes;
use smallvec::SmallVec;

/// One coding of `Content-Encoding` (RFC 9110 §8.4.1), in the order it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCoding {
    /// `gzip`, `x-gzip`.
    Gzip,
    /// `deflate`: zlib, or raw as some servers send it.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
    /// Anything else: the body stays as it is.
    Unknown,
}

/// A message body: how much there was, and as much of it as was kept.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Bytes on the wire without framing: content-encoded, chunk sizes and trailers apart.
    pub size: u64,
    /// The first bytes of it, still content-encoded.
    pub captured: Redacted<Bytes>,
    /// `captured` is the whole body: nothing was cut off, lost or is still missing.
    pub complete: bool,
    /// How `captured` is encoded.
    pub codings: SmallVec<[ContentCoding; 1]>,
}
