use super::pending::Pending;
use overhear_exchange::wire::{ConnectionId, Event, EventSink};
use overhear_exchange::{LossReason, Side, Statistics, Timestamp};

/// No sequence number further ahead than the largest window (RFC 7323 §2.3) belongs to the connection.
const LARGEST_WINDOW: i64 = 1 << 30;

/// One direction of a connection. Offsets count its payload bytes from the first known one.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Sequence number of offset 0, once known.
    base: Option<u32>,
    /// Sequence number of its SYN, if that was seen.
    pub(super) initial: Option<u32>,
    /// Offset of the next byte to deliver.
    next: u64,
    /// The other end has acknowledged everything before this offset.
    acknowledged: u64,
    /// Offset at which a FIN said that nothing follows.
    fin: Option<u64>,
    /// `End` is delivered.
    pub(super) ended: bool,
    /// Any packet of it was seen.
    pub(super) heard: bool,
    pending: Option<Box<Pending>>,
}

/// Where a flow's events go.
pub(super) struct Out<'r, S: ?Sized> {
    pub(super) sink: &'r mut S,
    pub(super) connection: ConnectionId,
    pub(super) from: Side,
    pub(super) time: Timestamp,
    pub(super) statistics: &'r mut Statistics,
}

/// What became of a segment's payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Received {
    #[default]
    InOrder,
    /// Nothing new in it.
    Repeated,
    /// Kept until what is in front of it comes. The flag: it contradicts what was kept before.
    Kept { conflict: bool },
    /// Too far from everything known to belong here.
    Implausible,
}

impl Flow {
    /// Says where the flow begins, unless that is known already.
    pub(super) fn start(&mut self, sequence: u32) {
        self.base.get_or_insert(sequence);
    }

    /// Sequence number of the first byte, once known.
    pub(super) fn base(&self) -> Option<u32> {
        self.base
    }

    /// True before any payload byte was delivered, skipped or missed.
    pub(super) fn untouched(&self) -> bool {
        self.next == 0
    }

    /// How far ahead of the next expected byte (negative: behind) a sequence number is; `None` before the start.
    pub(super) fn distance(&self, sequence: u32) -> Option<i64> {
        // The low half of the offset is what sequence numbers count: both wrap at 2^32.
        let expected = self.base?.wrapping_add(self.next as u32);
        Some(i64::from(sequence.wrapping_sub(expected).cast_signed()))
    }

    /// The other end says it has everything before this sequence number.
    pub(super) fn acknowledge(&mut self, sequence: u32) {
        self.start(sequence);
        if let Some(ahead @ 1..=LARGEST_WINDOW) = self.distance(sequence) {
            self.acknowledged = self.acknowledged.max(self.next + ahead.unsigned_abs());
        }
    }

    /// The sender is done at this sequence number.
    pub(super) fn finish_at(&mut self, sequence: u32) {
        // One behind: an acknowledgement of this very FIN was taken for one of a missing byte.
        if let Some(ahead @ -1..=LARGEST_WINDOW) = self.distance(sequence) {
            self.fin.get_or_insert(self.next + u64::try_from(ahead).unwrap_or(0));
        }
    }

    /// Payload: `bytes` of `length` were captured. `ticket` names the wait that begins if it has to wait.
    pub(super) fn receive<S: EventSink + ?Sized>(
        &mut self,
        sequence: u32,
        (bytes, length): (&[u8], u32),
        ticket: u64,
        out: &mut Out<'_, S>,
    ) -> Received {
        self.start(sequence);
        let distance = self.distance(sequence).unwrap_or(0);
        let behind = u64::try_from(-distance).unwrap_or(0);
        if distance > LARGEST_WINDOW {
            return Received::Implausible;
        }
        if self.ended || behind >= u64::from(length) {
            return Received::Repeated;
        }
        let new = bytes.get(usize::try_from(behind).unwrap_or(usize::MAX)..).unwrap_or_default();
        let length = u64::from(length) - behind;
        let start = self.next + u64::try_from(distance).unwrap_or(0);
        let waiting = self.pending.as_ref().and_then(|pending| pending.first());
        if start == self.next && waiting.is_none_or(|first| start + length <= first) {
            self.deliver(new, length, out.time, out);
            self.settle(false, out);
            return Received::InOrder;
        }
        let pending = self.pending.get_or_insert_with(|| Box::new(Pending::new(ticket)));
        let conflict = pending.insert(start, new, length, out.time);
        self.settle(false, out);
        Received::Kept { conflict }
    }

    /// Delivers what can be. What the other end has acknowledged and nobody saw is missing for good as soon as
    /// there is `evidence`: something captured after it.
    pub(super) fn settle<S: EventSink + ?Sized>(&mut self, evidence: bool, out: &mut Out<'_, S>) {
        loop {
            self.drain(out);
            let limit = self.limit();
            let hole = self.acknowledged.min(limit);
            if hole <= self.next || !(evidence || self.pending.is_some()) {
                break;
            }
            self.miss(hole, LossReason::MissingSegment, out);
        }
        self.end_if_done(out);
    }

    /// Gives up waiting: what is missing in front of what was kept is declared so, for this reason.
    pub(super) fn force<S: EventSink + ?Sized>(&mut self, reason: LossReason, out: &mut Out<'_, S>) {
        while self.pending.is_some() {
            self.miss(self.limit(), reason, out);
            self.drain(out);
            self.end_if_done(out);
        }
    }

    /// The connection is over: everything is delivered or declared missing.
    pub(super) fn finish<S: EventSink + ?Sized>(&mut self, out: &mut Out<'_, S>) {
        self.force(LossReason::MissingSegment, out);
        let end = match self.fin {
            Some(fin) => fin,
            // One acknowledged number without a byte is, more likely than not, a FIN nobody captured.
            None if self.acknowledged == self.next + 1 => self.next,
            None => self.acknowledged,
        };
        self.miss(end, LossReason::MissingSegment, out);
        self.end_if_done(out);
    }

    /// Names the current wait, if there is one.
    pub(super) fn ticket(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.ticket)
    }

    /// Memory held by what waits.
    pub(super) fn cost(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.cost())
    }

    /// Nothing can be missing beyond this offset: there something was captured, or the flow ends.
    fn limit(&self) -> u64 {
        let first = self.pending.as_ref().and_then(|pending| pending.first());
        first.unwrap_or(u64::MAX).min(self.fin.unwrap_or(u64::MAX))
    }

    fn drain<S: EventSink + ?Sized>(&mut self, out: &mut Out<'_, S>) {
        while let Some(pending) = &mut self.pending {
            let Some(chunk) = pending.take(self.next) else {
                if pending.first().is_none() {
                    self.pending = None;
                }
                break;
            };
            self.deliver(&chunk.bytes, chunk.length, chunk.time, out);
        }
    }

    fn deliver<S: EventSink + ?Sized>(
        &mut self,
        bytes: &[u8],
        length: u64,
        time: Timestamp,
        out: &mut Out<'_, S>,
    ) {
        if !bytes.is_empty() {
            out.sink.event(Event::Data { connection: out.connection, from: out.from, time, bytes });
        }
        let end = self.next + length;
        self.next += bytes.len() as u64;
        self.miss(end, LossReason::MissingSegment, out);
    }

    fn miss<S: EventSink + ?Sized>(&mut self, end: u64, reason: LossReason, out: &mut Out<'_, S>) {
        let Some(length @ 1..) = end.checked_sub(self.next) else { return };
        self.next = end;
        out.statistics.lose(reason, 1, length);
        out.sink.event(Event::Gap {
            connection: out.connection,
            from: out.from,
            time: out.time,
            length: Some(length),
        });
    }

    fn end_if_done<S: EventSink + ?Sized>(&mut self, out: &mut Out<'_, S>) {
        if !self.ended && self.fin.is_some_and(|fin| self.next >= fin) {
            self.ended = true;
            self.pending = None; // bytes behind the end are nobody's
            out.sink.event(Event::End { connection: out.connection, from: out.from, time: out.time });
        }
    }
}
