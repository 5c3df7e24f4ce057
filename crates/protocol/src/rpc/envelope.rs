//! Messages in a stream of bytes: a byte of flags, four of length, and so many of content (gRPC over HTTP/2,
//! Length-Prefixed-Message; gRPC-Web and Connect alike).

/// Bytes kept of what ends a stream: trailers (gRPC-Web) or a JSON object (Connect).
const ENDING: usize = 4096;
const HEAD: usize = 5;

/// Flags of envelopes.
const COMPRESSED: u8 = 0x01;
const ENDS: u8 = 0x80 | 0x02;

/// Counts messages as their bytes go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelopes {
    head: [u8; HEAD],
    /// How much of the next head is there.
    seen: usize,
    /// Bytes left of the content under way.
    left: u64,
    in_ending: bool,
    /// Messages that have begun.
    pub(super) count: u64,
    /// Bytes of their content, as far as it came.
    pub(super) bytes: u64,
    /// What came under a flag that ends the stream.
    pub(super) ending: Option<Vec<u8>>,
    /// Something was missed, so that where messages begin is not known any more.
    pub(super) lost: bool,
}

impl Envelopes {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            if self.left > 0 {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                let (content, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
                if let Some(ending) = self.ending.as_mut().filter(|_| self.in_ending) {
                    let room = ENDING.saturating_sub(ending.len()).min(content.len());
                    ending.extend_from_slice(content.get(..room).unwrap_or_default());
                }
                self.pass(length as u64);
                bytes = rest;
                continue;
            }
            let wanted = HEAD.saturating_sub(self.seen).min(bytes.len());
            let (start, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            if let Some(place) = self.head.get_mut(self.seen..self.seen + start.len()) {
                place.copy_from_slice(start);
            }
            self.seen += start.len();
            bytes = rest;
            if self.seen == HEAD {
                self.begin();
            }
        }
    }

    /// Bytes that were not seen.
    pub(super) const fn lose(&mut self, length: u64) {
        if length <= self.left {
            self.pass(length);
        } else {
            self.lost = true;
        }
    }

    /// Messages of which the end came.
    pub(super) const fn whole(&self) -> u64 {
        let is_underway = self.left > 0 && !self.in_ending;
        self.count - if is_underway { 1 } else { 0 }
    }

    /// So much of the content under way went by.
    const fn pass(&mut self, length: u64) {
        self.left -= length;
        if !self.in_ending {
            self.bytes = self.bytes.saturating_add(length);
        }
    }

    fn begin(&mut self) {
        let [flags, l0, l1, l2, l3] = self.head;
        self.seen = 0;
        self.left = u32::from_be_bytes([l0, l1, l2, l3]).into();
        self.in_ending = flags & ENDS != 0;
        if self.in_ending {
            self.ending = Some(Vec::new());
        } else {
            self.count += 1;
        }
    }
}

/// The messages of a body that are there whole, and whether each is compressed.
pub(super) fn messages(body: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            let ([flags, l0, l1, l2, l3], after) = rest.split_first_chunk::<HEAD>()?;
            let length = usize::try_from(u32::from_be_bytes([*l0, *l1, *l2, *l3])).ok()?;
            let (content, after) = after.split_at_checked(length)?;
            rest = after;
            if flags & ENDS == 0 {
                return Some((flags & COMPRESSED != 0, content));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Envelopes, messages};

    const BODY: &[u8] = b"\0\0\0\0\x03abc\x01\0\0\0\0\0\0\0\0\x02de\x80\0\0\0\x10grpc-status: 0\r\n";

    #[test]
    fn counts_however_the_bytes_are_cut() {
        let mut whole = Envelopes::default();
        whole.push(BODY);
        assert_eq!((whole.count, whole.ending.as_deref()), (3, Some(&b"grpc-status: 0\r\n"[..])));
        let mut cut = Envelopes::default();
        BODY.iter().for_each(|byte| cut.push(std::slice::from_ref(byte)));
        assert_eq!(cut, whole);
    }

    #[test]
    fn a_gap_within_a_message_is_no_loss() {
        let mut envelopes = Envelopes::default();
        envelopes.push(&BODY[..6]);
        envelopes.lose(2);
        envelopes.push(&BODY[8..]);
        assert_eq!((envelopes.count, envelopes.lost), (3, false));
        envelopes.push(&BODY[..6]);
        envelopes.lose(3);
        envelopes.push(&BODY[9..]);
        assert_eq!((envelopes.count, envelopes.lost), (4, true));
    }

    #[test]
    fn a_promised_length_allocates_nothing() {
        let mut envelopes = Envelopes::default();
        envelopes.push(b"\x80\xff\xff\xff\xff");
        envelopes.push(&[b'x'; 10_000]);
        assert_eq!(envelopes.ending.map(|ending| ending.len()), Some(4096));
    }

    #[test]
    fn takes_whole_messages() {
        let all: Vec<_> = messages(&BODY[..17]).collect();
        assert_eq!(all, [(false, &b"abc"[..]), (true, b"")]);
        assert_eq!(messages(BODY).count(), 3);
        assert_eq!(messages(b"\0\xff\xff\xff\xffabc").count(), 0);
    }
}
