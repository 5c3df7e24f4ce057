use overhear_exchange::{Side, Timestamp};

/// More separate arrivals than this are not remembered apart, so that single bytes cannot cost a mark each.
const MAX_MARKS: usize = 1024;

/// Bytes of both directions that wait for something, in the order they came.
#[derive(Default)]
pub(crate) struct Held {
    bytes: [Vec<u8>; 2],
    marks: Vec<Mark>,
}

struct Mark {
    from: Side,
    time: Timestamp,
    length: usize,
}

impl Held {
    /// Keeps these too; false (and nothing kept) when that would be more than `limit` bytes.
    pub(crate) fn push(&mut self, from: Side, time: Timestamp, bytes: &[u8], limit: usize) -> bool {
        if bytes.is_empty() {
            return true;
        }
        if self.len().saturating_add(bytes.len()) > limit {
            return false;
        }
        let marks = self.marks.len();
        match self.marks.last_mut() {
            Some(last) if last.from == from && last.time == time => last.length += bytes.len(),
            Some(_) | None if marks >= MAX_MARKS => return false,
            Some(_) | None => self.marks.push(Mark { from, time, length: bytes.len() }),
        }
        self.side_mut(from).extend_from_slice(bytes);
        true
    }

    /// Everything `from` sent, contiguous.
    pub(crate) fn side(&self, from: Side) -> &[u8] {
        let [a, b] = &self.bytes;
        match from {
            Side::A => a,
            Side::B => b,
        }
    }

    /// Forgets what `from` sent.
    pub(crate) fn forget(&mut self, from: Side) {
        *self.side_mut(from) = Vec::new();
        self.marks.retain(|mark| mark.from != from);
    }

    /// The pieces, in order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Side, Timestamp, &[u8])> {
        let mut at = [0, 0];
        self.marks.iter().map(move |mark| {
            let start = at.get_mut(mark.from.index()).map_or(0, |at| {
                let start = *at;
                *at += mark.length;
                start
            });
            let bytes = self.side(mark.from).get(start..start + mark.length).unwrap_or_default();
            (mark.from, mark.time, bytes)
        })
    }

    pub(crate) fn len(&self) -> usize {
        let [a, b] = &self.bytes;
        a.len() + b.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(crate) fn retained(&self) -> usize {
        let [a, b] = &self.bytes;
        a.capacity() + b.capacity() + self.marks.capacity() * size_of::<Mark>()
    }

    fn side_mut(&mut self, from: Side) -> &mut Vec<u8> {
        let [a, b] = &mut self.bytes;
        match from {
            Side::A => a,
            Side::B => b,
        }
    }
}
