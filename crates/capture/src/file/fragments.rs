use super::ip::{Datagram, Part};
use overhear_exchange::Timestamp;
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Datagrams put together at once; each takes 64 KiB at most.
const MAX_DATAGRAMS: usize = 256;
/// More parts than the smallest link makes of the largest datagram are nobody's honest traffic.
const MAX_PARTS: usize = 128;
const MAX_LENGTH: usize = 65_535;
/// How long parts wait for each other (RFC 8200 §4.5).
const PATIENCE: Duration = Duration::from_secs(60);

/// Datagrams of which some parts were seen.
#[derive(Default)]
pub(super) struct Fragments {
    datagrams: HashMap<Key, Parts>,
    /// Datagrams given up.
    pub(super) lost: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    id: u32,
}

struct Parts {
    since: Timestamp,
    bytes: Vec<u8>,
    /// Ranges on the wire, ascending, without overlap.
    ranges: Vec<(usize, usize)>,
    end: Option<usize>,
    /// From here on bytes are missing because a part was cut by the capture.
    cut: usize,
}

/// A datagram put together.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    pub(super) length: usize,
}

enum Added {
    Incomplete,
    Complete,
    /// The parts contradict each other.
    Contradiction,
}

impl Fragments {
    /// Datagrams that still miss parts.
    pub(super) fn incomplete(&self) -> u64 {
        self.datagrams.len() as u64
    }

    /// Takes a part in; the whole, if that was the last one missing.
    pub(super) fn add(&mut self, datagram: &Datagram<'_>, part: Part, now: Timestamp) -> Option<Whole> {
        let Datagram { source, destination, protocol, .. } = *datagram;
        let key = Key { source, destination, protocol, id: part.id };
        if self.datagrams.get(&key).is_some_and(|parts| now.since(parts.since) > PATIENCE) {
            self.give_up(key);
        }
        if !self.datagrams.contains_key(&key) {
            self.make_room();
        }
        let parts = self.datagrams.entry(key).or_insert_with(|| Parts::new(now));
        match parts.add(datagram, part) {
            Added::Incomplete => None,
            Added::Complete => self.datagrams.remove(&key).map(Parts::whole),
            Added::Contradiction => {
                self.give_up(key);
                None
            }
        }
    }

    fn make_room(&mut self) {
        if self.datagrams.len() < MAX_DATAGRAMS {
            return;
        }
        let oldest = self.datagrams.iter().min_by_key(|(_, parts)| parts.since).map(|(key, _)| *key);
        if let Some(oldest) = oldest {
            self.give_up(oldest);
        }
    }

    fn give_up(&mut self, key: Key) {
        self.datagrams.remove(&key);
        self.lost += 1;
    }
}

impl Parts {
    fn new(since: Timestamp) -> Self {
        Self { since, bytes: Vec::new(), ranges: Vec::new(), end: None, cut: usize::MAX }
    }

    /// Parts that overlap without being the same are an attack (RFC 5722): the datagram is dropped.
    fn add(&mut self, datagram: &Datagram<'_>, part: Part) -> Added {
        let (from, to) = (part.offset, part.offset + datagram.length);
        let misplaced = self.end.is_some_and(|end| to > end || (!part.more && to != end));
        if to > MAX_LENGTH || from == to || misplaced {
            return Added::Contradiction;
        }
        let place = self.ranges.partition_point(|&(start, _)| start < from);
        let before = place.checked_sub(1).and_then(|before| self.ranges.get(before));
        let after = self.ranges.get(place);
        if after == Some(&(from, to)) {
            return Added::Incomplete;
        }
        let overlaps =
            before.is_some_and(|&(_, end)| end > from) || after.is_some_and(|&(start, _)| start < to);
        let beyond = !part.more && self.ranges.last().is_some_and(|&(_, end)| end > to);
        if overlaps || beyond || self.ranges.len() == MAX_PARTS {
            return Added::Contradiction;
        }
        self.ranges.insert(place, (from, to));
        self.copy(datagram, from);
        if !part.more {
            self.end = Some(to);
        }
        self.state()
    }

    fn copy(&mut self, datagram: &Datagram<'_>, from: usize) {
        let captured = from + datagram.payload.len();
        if self.bytes.len() < captured {
            self.bytes.resize(captured, 0);
        }
        if let Some(into) = self.bytes.get_mut(from..captured) {
            into.copy_from_slice(datagram.payload);
        }
        if datagram.payload.len() < datagram.length {
            self.cut = self.cut.min(captured);
        }
    }

    fn state(&self) -> Added {
        let mut at = 0;
        for &(from, to) in &self.ranges {
            if from != at {
                return Added::Incomplete;
            }
            at = to;
        }
        if self.end == Some(at) { Added::Complete } else { Added::Incomplete }
    }

    fn whole(mut self) -> Whole {
        self.bytes.truncate(self.cut);
        Whole { bytes: self.bytes, length: self.end.unwrap_or_default() }
    }
}
