//! Where a frame begins after a loss, or when joined mid-connection.
//!
//! A frame's head has little that tells it from other bytes, so one alone is believed only where it accounts for all
//! that came: otherwise each frame has to lead to the next, and that to another.

use super::frame::{HEAD, Head, Kind};

/// Frames that lead to each other before the first of them is believed.
const CHAIN: usize = 3;
/// Longer frames are rare enough not to be looked for (RFC 9113 §4.2: 16 384 unless more is agreed on).
const LONGEST: u32 = 1 << 20;

/// Bytes among which the head of a frame is looked for.
#[derive(Debug, Default)]
pub(super) struct Search {
    held: Vec<u8>,
    /// What is left of a frame that is longer than what may be held.
    passing: usize,
    /// Frames that led to what is held.
    led: usize,
}

/// What a chain of frames from some byte on comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// There is a frame.
    Convincing,
    /// It may be one. The frames so far, and what the last one lacks.
    Possible {
        frames: usize,
        lacking: usize,
    },
    No,
}

impl Search {
    /// Adds what came; all from the head of a frame on, once there is one that convinces.
    pub(super) fn add(&mut self, input: &[u8], limit: usize) -> Option<Vec<u8>> {
        let passed = self.passing.min(input.len());
        self.passing -= passed;
        let input = input.get(passed..).filter(|input| !input.is_empty())?;
        self.held.extend_from_slice(input);
        let mut at = 0;
        while let Some(rest) = self.held.get(at..).filter(|rest| !rest.is_empty()) {
            match chain_after(self.led, rest) {
                Chain::Convincing => return Some(self.held.split_off(at)),
                Chain::Possible { frames, lacking } if self.held.len() - at + lacking > limit => {
                    self.held = Vec::new();
                    (self.passing, self.led) = (lacking, frames);
                    return None;
                }
                Chain::Possible { .. } => break,
                Chain::No => (at, self.led) = (at + 1, 0),
            }
        }
        self.held.drain(..at);
        None
    }

    pub(super) fn retained(&self) -> usize {
        self.held.capacity()
    }
}

/// Follows frames from the first byte on.
pub(super) fn chain(bytes: &[u8]) -> Chain {
    chain_after(0, bytes)
}

/// The same where so many frames led to the first byte.
fn chain_after(mut frames: usize, bytes: &[u8]) -> Chain {
    let mut rest = bytes;
    loop {
        if rest.is_empty() || frames >= CHAIN {
            return Chain::Convincing;
        }
        let Some(bytes) = rest.first_chunk::<HEAD>() else {
            return if may_begin(rest) {
                Chain::Possible { frames, lacking: HEAD - rest.len() }
            } else {
                Chain::No
            };
        };
        let Some(head) = believable(*bytes) else { return Chain::No };
        frames += 1;
        let length = usize::try_from(head.length).unwrap_or(usize::MAX).saturating_add(HEAD);
        match rest.get(length..) {
            Some(after) => rest = after,
            None => return Chain::Possible { frames, lacking: length - rest.len() },
        }
    }
}

/// A head that a sender of today may have written.
fn believable(bytes: [u8; HEAD]) -> Option<Head> {
    let head = Head::parse(bytes)?;
    let [.., first_of_stream, _, _, _] = bytes;
    let small = match head.kind {
        Kind::Settings => head.length <= 6 * 32,
        Kind::GoAway => head.length <= 1024,
        Kind::Headers | Kind::Push | Kind::Continuation => head.length <= 1 << 14,
        Kind::Data | Kind::Priority | Kind::Reset | Kind::Ping | Kind::WindowUpdate | Kind::Other => {
            head.length <= LONGEST
        }
    };
    (small && head.is_regular(first_of_stream)).then_some(head)
}

/// Less than a head: is one still possible?
fn may_begin(bytes: &[u8]) -> bool {
    let length_fits = bytes.first().is_none_or(|high| *high <= 0x10);
    let kind_fits = bytes.get(3).is_none_or(|kind| *kind <= 9);
    length_fits && kind_fits
}

#[cfg(test)]
mod tests {
    use super::{Chain, Search, chain};

    const SETTINGS: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0abcdefgh";

    #[test]
    fn one_frame_convinces_when_nothing_is_left() {
        assert_eq!(chain(PING), Chain::Convincing);
        assert_eq!(chain(&PING[..12]), Chain::Possible { frames: 1, lacking: 5 });
        assert_eq!(chain(&[PING, b"GET / HTTP/1.1\r\n"].concat()), Chain::No);
        assert_eq!(chain(&[PING, SETTINGS, PING, b"GET / HTTP/1.1\r\n"].concat()), Chain::Convincing);
        assert_eq!(chain(&[0; 100]), Chain::No);
    }

    #[test]
    fn finds_a_frame_behind_the_rest_of_another() {
        let bytes = [b"the end of a body", PING, SETTINGS, PING, SETTINGS].concat();
        let found = Search::default().add(&bytes, 1000);
        assert_eq!(found.as_deref(), bytes.get(17..));
        let (mut search, mut found) = (Search::default(), None);
        for byte in &bytes {
            found = search.add(std::slice::from_ref(byte), 1000);
            if found.is_some() {
                break;
            }
        }
        assert!(found.is_some_and(|found| bytes.windows(found.len()).any(|window| window == found)));
    }

    #[test]
    fn holds_no_more_than_it_may() {
        let mut search = Search::default();
        assert_eq!(search.add(b"\0\xff\xff\0\0\0\0\0\x01", 1000), None);
        for _ in 0..64 {
            assert_eq!(search.add(&[b'x'; 1023], 1000), None);
            assert!(search.retained() < 4000);
        }
        let after = [&[b'x'; 63][..], PING].concat();
        assert_eq!(search.add(&after, 1000).as_deref(), Some(PING));
    }
}
