//! Which sockets' packets are copied, and what of theirs waits for them.

use super::{
    Assembler,
    by_packets::{At, ByPackets, Coming, Ready},
    connection::Piece,
};
use overhear_exchange::wire::EventSink;
use overhear_probe::record::{Cookie, Loss, Way};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Bytes kept for all of them.
const MOST_KEPT: usize = 32 << 20;

type Key = (Cookie, Way);

/// The directions of sockets whose packets are copied.
#[derive(Debug, Default)]
pub(super) struct Directions {
    all: FxHashMap<Key, ByPackets>,
    cost: usize,
    /// When what waits is overdue, on the monotonic clock, the earliest first.
    overdue: VecDeque<(u64, Key)>,
    regained: FxHashMap<Loss, (u64, u64)>,
}

impl Directions {
    /// Has it do something, and adds up what it holds and what it has regained.
    fn with(&mut self, key: Key, act: impl FnOnce(&mut ByPackets, &mut Vec<Ready>)) -> Vec<Ready> {
        let mut ready = Vec::new();
        let Some(direction) = self.all.get_mut(&key) else { return ready };
        let before = direction.cost();
        act(direction, &mut ready);
        self.cost = (self.cost + direction.cost()).saturating_sub(before);
        for (loss, gaps, bytes) in direction.take_regained() {
            let all = self.regained.entry(loss).or_default();
            all.0 += gaps;
            all.1 += bytes;
        }
        ready
    }

    /// What the one before it still kept is of no use to this one.
    fn replace(&mut self, key: Key, direction: ByPackets) {
        if let Some(before) = self.all.insert(key, direction) {
            self.cost = self.cost.saturating_sub(before.cost());
        }
    }

    pub(super) fn forget(&mut self, socket: Cookie) {
        if self.all.is_empty() {
            return;
        }
        for way in [Way::Sent, Way::Received] {
            if let Some(direction) = self.all.remove(&(socket, way)) {
                self.cost = self.cost.saturating_sub(direction.cost());
            }
        }
    }
}

impl Assembler {
    /// Gaps that packets have filled so far, and bytes of gaps, of those that were not copied from the call for this reason.
    pub fn regained(&self, loss: Loss) -> (u64, u64) {
        self.packets.regained.get(&loss).copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn packets_cost(&self) -> usize {
        self.packets.cost
    }

    /// A piece is told, or waits for packets.
    pub(super) fn arrives(
        &mut self,
        key: Key,
        at: At,
        piece: Piece<'_>,
        (loss, comes): (Option<Loss>, bool),
        sink: &mut impl EventSink,
    ) {
        let direction = self.packets.all.get_mut(&key);
        if direction.is_none_or(|direction| direction.passes(piece)) {
            let (socket, way) = key;
            return self.piece(socket, way, at.thread, (at.time, piece), sink);
        }
        let until = self.now.saturating_add(self.limits.packets);
        // What was received came in by packets before that: they were looked at, and none will bring the rest.
        let comes = comes && key.1 == Way::Sent;
        let coming = if comes { Coming::Until(until) } else { Coming::Not };
        let loss = loss.unwrap_or(Loss::NoBuffer);
        let ready =
            self.packets.with(key, |direction, ready| direction.piece(at, piece, (loss, coming), ready));
        if comes && self.packets.all.get(&key).is_some_and(ByPackets::waits) {
            self.packets.overdue.push_back((until, key));
        }
        self.tell_ready(key, ready, sink);
    }

    pub(super) fn begin_packets(&mut self, key: Key, direction: ByPackets, sink: &mut impl EventSink) {
        // What was told before of the same direction, it may have been told wrongly.
        let ready = self.packets.with(key, ByPackets::give_up);
        self.tell_ready(key, ready, sink);
        if self.sockets.contains_key(&key.0) {
            self.packets.replace(key, direction);
        }
    }

    pub(super) fn packet(
        &mut self,
        key: Key,
        sequence: u32,
        packet: (u32, &[u8]),
        sink: &mut impl EventSink,
    ) {
        if self.packets.cost > MOST_KEPT {
            return;
        }
        let ready = self.packets.with(key, |direction, ready| direction.packet(sequence, packet, ready));
        self.tell_ready(key, ready, sink);
    }

    /// The socket is over, and with it what its packets bring.
    pub(super) fn end_packets(&mut self, socket: Cookie, sink: &mut impl EventSink) {
        if self.packets.all.is_empty() {
            return;
        }
        for key in [(socket, Way::Sent), (socket, Way::Received)] {
            let ready = self.packets.with(key, ByPackets::give_up);
            self.tell_ready(key, ready, sink);
        }
        self.packets.forget(socket);
    }

    /// What should have come by now is told as a gap.
    pub(super) fn packets_overdue(&mut self, now: u64, sink: &mut impl EventSink) {
        while let Some((until, key)) = self.packets.overdue.front().copied() {
            if until > now {
                return;
            }
            self.packets.overdue.pop_front();
            let ready = self.packets.with(key, |direction, ready| direction.expire(now, ready));
            self.tell_ready(key, ready, sink);
        }
    }

    fn tell_ready(&mut self, (socket, way): Key, ready: Vec<Ready>, sink: &mut impl EventSink) {
        for Ready { at, piece } in ready {
            self.piece(socket, way, at.thread, (at.time, piece.as_piece()), sink);
        }
    }
}
