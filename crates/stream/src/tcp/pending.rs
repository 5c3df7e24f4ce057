use overhear_exchange::Timestamp;
use std::collections::BTreeMap;

/// What one chunk costs besides its bytes: a map entry, a box, its share of a node.
const CHUNK_COST: usize = 96;

/// Bytes of one direction that arrived before those in front of them. Chunks never overlap.
#[derive(Debug)]
pub(super) struct Pending {
    chunks: BTreeMap<u64, Chunk>,
    cost: usize,
    /// Tells this wait from an earlier one of the same direction.
    pub(super) ticket: u64,
}

/// A run of bytes: as many as were captured of as many as there were.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Box<[u8]>,
    pub(super) length: u64,
    pub(super) time: Timestamp,
}

impl Pending {
    pub(super) fn new(ticket: u64) -> Self {
        Self { chunks: BTreeMap::new(), cost: 0, ticket }
    }

    /// Keeps what is not there yet of `length` bytes from offset `start`. True if what is there says otherwise.
    ///
    /// Work is bounded by the number of chunks the new bytes touch, thus by their number.
    pub(super) fn insert(&mut self, start: u64, bytes: &[u8], length: u64, time: Timestamp) -> bool {
        let end = start.saturating_add(length);
        let part = |from: u64, to: u64| slice(bytes, from - start, to - start);
        let (mut at, mut conflict) = (start, false);
        while at < end {
            if let Some((&from, chunk)) = self.chunks.range(..=at).next_back()
                && from + chunk.length > at
            {
                let to = end.min(from + chunk.length);
                conflict |= differ(slice(&chunk.bytes, at - from, to - from), part(at, to));
                at = to;
                continue;
            }
            let to = self.chunks.range(at..).next().map_or(end, |(&from, _)| end.min(from));
            let chunk = Chunk { bytes: part(at, to).into(), length: to - at, time };
            self.cost += chunk.bytes.len() + CHUNK_COST;
            self.chunks.insert(at, chunk);
            at = to;
        }
        conflict
    }

    /// Where the first chunk begins.
    pub(super) fn first(&self) -> Option<u64> {
        self.chunks.first_key_value().map(|(&at, _)| at)
    }

    /// The chunk that begins exactly at `at`, if that is the first.
    pub(super) fn take(&mut self, at: u64) -> Option<Chunk> {
        let entry = self.chunks.first_entry().filter(|entry| *entry.key() == at)?;
        let chunk = entry.remove();
        self.cost -= chunk.bytes.len() + CHUNK_COST;
        Some(chunk)
    }

    /// Bytes of memory, about.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }
}

/// The part of `bytes` that lies within `from..to`; shorter where fewer were captured.
fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(place(from)..place(to)).unwrap_or_default()
}

fn differ(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).any(|(a, b)| a != b)
}

#[cfg(test)]
mod tests {
    use super::Pending;
    use overhear_exchange::Timestamp;

    fn pending(parts: &[(u64, &[u8])]) -> (Pending, usize) {
        let mut pending = Pending::new(0);
        let conflicts = parts
            .iter()
            .filter(|(at, bytes)| pending.insert(*at, bytes, bytes.len() as u64, Timestamp::default()))
            .count();
        (pending, conflicts)
    }

    fn drain(pending: &mut Pending) -> Vec<u8> {
        let mut at = pending.first().unwrap();
        let mut all = Vec::new();
        while let Some(chunk) = pending.take(at) {
            at += chunk.length;
            all.extend(chunk.bytes);
        }
        all
    }

    #[test]
    fn the_first_copy_wins_and_differences_are_told() {
        let (mut got, conflicts) = pending(&[(4, b"ef"), (0, b"ab"), (1, b"Xcde"), (0, b"abcdefg")]);
        assert_eq!(drain(&mut got), b"abcdefg");
        assert_eq!(conflicts, 1);
        assert_eq!(got.cost(), 0);
    }

    #[test]
    fn a_cut_chunk_keeps_its_length() {
        let mut pending = Pending::new(0);
        pending.insert(10, b"abc", 100, Timestamp::default());
        assert!(!pending.insert(10, b"abcdef", 6, Timestamp::default()));
        let chunk = pending.take(10).unwrap();
        assert_eq!((&*chunk.bytes, chunk.length), (&b"abc"[..], 100));
    }
}
