//! Bytes that were in no buffer of a call, out of the socket's packets.
//!
//! The probes tell how many bytes a call has moved, and apart from that they copy packets. Both count: the one by offset in
//! the stream, the other as TCP does (RFC 9293 §3.4), and it was told which number is which offset. So packets are laid into
//! gaps byte by byte, whichever comes first, retransmitted or not; what no packet brings in time is a gap of just that
//! length, and what comes after it waits.

#[cfg(test)]
mod tests;

use super::connection::{Held, Piece};
use overhear_exchange::Timestamp;
use overhear_probe::record::{Loss, Thread};
use std::collections::{BTreeMap, VecDeque};

/// Bytes of packets kept of one direction.
const MOST_KEPT: usize = 512 << 10;
/// Bytes and pieces of one direction that wait behind a gap.
const MOST_WAITING: usize = 256 << 10;
const MOST_PIECES: usize = 256;
/// What a chunk or a piece costs besides its bytes.
const OVERHEAD: usize = 96;

/// When something was told, and in which thread it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) time: Timestamp,
    pub(super) thread: Option<Thread>,
}

/// A piece that waited.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) at: At,
    pub(super) piece: Held,
}

/// What a gap's bytes are expected to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coming {
    /// Packets bring them until then, on the monotonic clock.
    Until(u64),
    /// Nothing is waited for; what packets have brought of them counts.
    Not,
}

/// One direction of a socket whose packets are copied.
#[derive(Debug)]
pub(super) struct ByPackets {
    /// Offset of the next byte to tell.
    next: u64,
    /// TCP's number of that byte.
    sequence: u32,
    /// In order, the first of them a gap.
    waiting: VecDeque<Waiting>,
    waiting_cost: usize,
    /// By offset; they do not overlap, and none ends before `next`.
    kept: BTreeMap<u64, Chunk>,
    kept_cost: usize,
    /// Where the first packet began that was copied. Packets leave in order, so what is before it had left before.
    first: Option<u64>,
    /// Gaps that were filled, and bytes, by the reason for which they were gaps.
    regained: Vec<(Loss, u64, u64)>,
}

/// A part of a packet: as many bytes as were copied of as many as there were.
#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    length: u64,
}

#[derive(Debug)]
struct Waiting {
    at: At,
    what: What,
}

#[derive(Debug)]
enum What {
    Piece(Held),
    Gap(Gap),
}

/// From one offset to another.
#[derive(Debug)]
struct Gap {
    from: u64,
    to: u64,
    loss: Loss,
    /// They cannot be had at this end but by packets.
    unreadable: bool,
    coming: Coming,
    /// Nothing of it had to be told as a gap.
    whole: bool,
}

impl ByPackets {
    /// The next byte of the direction is at `offset`, and has this number.
    pub(super) const fn new(offset: u64, sequence: u32) -> Self {
        Self {
            next: offset,
            sequence,
            waiting: VecDeque::new(),
            waiting_cost: 0,
            kept: BTreeMap::new(),
            kept_cost: 0,
            first: None,
            regained: Vec::new(),
        }
    }

    /// Bytes of memory, about.
    pub(super) const fn cost(&self) -> usize {
        self.waiting_cost + self.kept_cost
    }

    /// Something waits for packets.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a piece can be told as it is, at once. It is counted as told then.
    pub(super) fn passes(&mut self, piece: Piece<'_>) -> bool {
        if self.waits() {
            return false;
        }
        let Piece::Data { offset, size, bytes, .. } = piece else { return true };
        let end = offset.saturating_add(size);
        let passes = bytes.len() as u64 >= size;
        if passes {
            self.told_up_to(end);
        }
        passes
    }

    /// A piece that does not pass. `loss` is why bytes of it are missing.
    pub(super) fn piece(
        &mut self,
        at: At,
        piece: Piece<'_>,
        (loss, coming): (Loss, Coming),
        ready: &mut Vec<Ready>,
    ) {
        match piece {
            Piece::End => self.wait(at, What::Piece(Held::end())),
            Piece::Data { offset, size, bytes, unreadable } => {
                let end = offset.saturating_add(size);
                let from = offset.saturating_add(bytes.len() as u64);
                if !bytes.is_empty() {
                    self.wait(at, What::Piece(Held::bytes(offset, bytes.into())));
                }
                let left_before = self.first.map_or(from, |first| first.clamp(from, end.max(from)));
                for (from, to, coming) in [(from, left_before, Coming::Not), (left_before, end, coming)] {
                    if from < to {
                        let gap = Gap { from, to, loss, unreadable, coming, whole: true };
                        self.wait(at, What::Gap(gap));
                    }
                }
            }
        }
        self.release(ready);
        while self.waiting_cost > MOST_WAITING || self.waiting.len() > MOST_PIECES {
            self.give_up_first();
            self.release(ready);
        }
    }

    /// A packet of so many bytes came, these of them copied: `sequence` is the number of the first.
    pub(super) fn packet(&mut self, sequence: u32, (size, bytes): (u32, &[u8]), ready: &mut Vec<Ready>) {
        let ahead = sequence.wrapping_sub(self.sequence).cast_signed();
        let begin = self.next.saturating_add_signed(ahead.into());
        self.first = Some(self.first.map_or(begin, |first| first.min(begin)));
        let known = ahead.min(0).unsigned_abs();
        if known >= size {
            return;
        }
        let fresh = bytes.get(known as usize..).unwrap_or_default();
        let from = self.next + u64::from(ahead.max(0).unsigned_abs());
        self.keep(from, fresh, u64::from(size - known));
        self.release(ready);
    }

    /// What should have come by now does not come.
    pub(super) fn expire(&mut self, now: u64, ready: &mut Vec<Ready>) {
        for waiting in &mut self.waiting {
            if let What::Gap(Gap { coming, .. }) = &mut waiting.what
                && matches!(coming, Coming::Until(until) if *until <= now)
            {
                *coming = Coming::Not;
            }
        }
        self.release(ready);
    }

    /// Nothing comes any more.
    pub(super) fn give_up(&mut self, ready: &mut Vec<Ready>) {
        self.expire(u64::MAX, ready);
    }

    /// Gaps that were filled since this was last asked, and bytes, by reason.
    pub(super) fn take_regained(&mut self) -> Vec<(Loss, u64, u64)> {
        std::mem::take(&mut self.regained)
    }

    fn wait(&mut self, at: At, what: What) {
        let waiting = Waiting { at, what };
        self.waiting_cost += waiting.cost();
        self.waiting.push_back(waiting);
    }

    fn give_up_first(&mut self) {
        if let Some(Waiting { what: What::Gap(gap), .. }) = self.waiting.front_mut() {
            gap.coming = Coming::Not;
        }
    }

    /// Hands on what is not, or no longer, behind something that may come.
    fn release(&mut self, ready: &mut Vec<Ready>) {
        while let Some(waiting) = self.waiting.pop_front() {
            self.waiting_cost -= waiting.cost();
            let Waiting { at, what } = waiting;
            match what {
                What::Piece(piece) => {
                    self.told_up_to(piece.end_offset());
                    ready.push(Ready { at, piece });
                }
                What::Gap(gap) => {
                    if let Some(rest) = self.fill(gap, at, ready) {
                        let rest = Waiting { at, what: What::Gap(rest) };
                        self.waiting_cost += rest.cost();
                        self.waiting.push_front(rest);
                        return;
                    }
                }
            }
        }
    }

    /// Lays packets into a gap. Gives what is left of it where that may come.
    fn fill(&mut self, mut gap: Gap, at: At, ready: &mut Vec<Ready>) -> Option<Gap> {
        while gap.from < gap.to {
            let missing = match self.kept_from(gap.from, gap.to) {
                Kept::Bytes(bytes) => {
                    let length = bytes.len() as u64;
                    ready.push(Ready { at, piece: Held::bytes(gap.from, bytes) });
                    self.regain(gap.loss, 0, length);
                    gap.from += length;
                    continue;
                }
                Kept::Nothing { .. } if matches!(gap.coming, Coming::Until(_)) => {
                    self.told_up_to(gap.from);
                    return Some(gap);
                }
                Kept::Passed { until } | Kept::Nothing { until } => until,
            };
            ready.push(Ready { at, piece: Held::gap(gap.from, missing - gap.from, gap.unreadable) });
            gap.whole = false;
            gap.from = missing;
        }
        self.regain(gap.loss, u64::from(gap.whole), 0);
        self.told_up_to(gap.to);
        None
    }

    /// What was kept from exactly here on, and no further than `to`.
    fn kept_from(&self, from: u64, to: u64) -> Kept {
        let next = self.kept.range(from.saturating_add(1)..to).next().map_or(to, |(&next, _)| next);
        let Some((&begin, chunk)) = self.kept.range(..=from).next_back() else {
            return Kept::Nothing { until: next };
        };
        let end = (begin + chunk.length).min(to);
        if end <= from {
            return Kept::Nothing { until: next };
        }
        let part = slice(&chunk.bytes, from - begin, end - begin);
        if part.is_empty() { Kept::Passed { until: end } } else { Kept::Bytes(part.into()) }
    }

    /// Keeps what is not kept yet of `length` bytes, of which these were copied.
    fn keep(&mut self, offset: u64, bytes: &[u8], length: u64) {
        let end = offset.saturating_add(length);
        let mut at = offset;
        while at < end && self.kept_cost < MOST_KEPT {
            if let Some((&begin, known)) = self.kept.range(..=at).next_back()
                && begin + known.length > at
            {
                at = begin + known.length;
                continue;
            }
            let to = self.kept.range(at..).next().map_or(end, |(&next, _)| next.min(end));
            let chunk = Chunk { bytes: slice(bytes, at - offset, to - offset).into(), length: to - at };
            self.kept_cost += chunk.bytes.len() + OVERHEAD;
            self.kept.insert(at, chunk);
            at = to;
        }
    }

    fn told_up_to(&mut self, offset: u64) {
        if offset <= self.next {
            return;
        }
        // As TCP counts: the lower 32 bits.
        self.sequence = self.sequence.wrapping_add((offset - self.next) as u32);
        self.next = offset;
        while let Some(entry) = self.kept.first_entry()
            && entry.key() + entry.get().length <= offset
        {
            self.kept_cost -= entry.remove().bytes.len() + OVERHEAD;
        }
    }

    fn regain(&mut self, loss: Loss, gaps: u64, bytes: u64) {
        match self.regained.iter_mut().find(|(known, ..)| *known == loss) {
            Some((_, all_gaps, all_bytes)) => {
                *all_gaps += gaps;
                *all_bytes += bytes;
            }
            None => self.regained.push((loss, gaps, bytes)),
        }
    }
}

/// What is kept from some offset on.
enum Kept {
    Bytes(Box<[u8]>),
    /// The packet came by, and up to there was not copied: it does not come again.
    Passed {
        until: u64,
    },
    /// No packet yet, at least up to there.
    Nothing {
        until: u64,
    },
}

/// The part of `bytes` that lies within `from..to`; shorter where fewer were copied.
fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(place(from)..place(to)).unwrap_or_default()
}

impl Waiting {
    fn cost(&self) -> usize {
        match &self.what {
            What::Piece(piece) => OVERHEAD + piece.len(),
            What::Gap(_) => OVERHEAD,
        }
    }
}
