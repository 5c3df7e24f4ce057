use super::{Error, MAX_BLOCK};
use std::io::{self, Read};

/// Large enough that reading costs little, small enough that what was read is still in the cache when it is parsed.
const SIZE: usize = 256 << 10;

/// The part of the input that is in memory.
pub(super) struct Window {
    input: Box<dyn Read + Send>,
    compressed: bool,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
}

impl Window {
    /// `begun` was read from `input` before.
    pub(super) fn new(mut begun: Vec<u8>, input: Box<dyn Read + Send>, compressed: bool) -> Self {
        let end = begun.len();
        begun.resize(SIZE.max(end), 0);
        Self { input, compressed, bytes: begun, start: 0, end, offset: 0 }
    }

    /// What is there and not consumed yet.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where in the input [`Self::bytes`] begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Consumes as much of `count` as is there; what remains of it.
    pub(super) fn skip(&mut self, count: u64) -> u64 {
        let here = count.min((self.end - self.start) as u64);
        self.consume(usize::try_from(here).unwrap_or(usize::MAX));
        count - here
    }

    /// Reads once. Makes room for `wanted` bytes in all, bounded. False at the end of the input.
    pub(super) fn refill(&mut self, wanted: usize) -> Result<bool, Error> {
        let wanted = wanted.min(MAX_BLOCK + SIZE);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start > 0 && self.bytes.len() - self.start < wanted.max(SIZE / 2) {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() < wanted {
            // Grows with what has arrived, not with what a length claims.
            let length = wanted.min(2 * self.bytes.len());
            self.bytes.resize(length, 0);
        }
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let read = loop {
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let before = self.offset + (self.end - self.start) as u64;
        let read = read.map_err(Error::io(self.compressed, before))?;
        self.end += read;
        Ok(read > 0)
    }
}
