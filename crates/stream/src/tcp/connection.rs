use super::flow::Flow;
use overhear_exchange::wire::{CloseCause, ConnectionId, Segment};
use overhear_exchange::{Side, Timestamp};
use std::time::Duration;

/// A sequence number this near to what a closed connection expected is one of its stragglers.
const STRAGGLER_BYTES: i64 = 16 << 20;
/// Nothing of a closed connection is under way for longer (twice the maximum segment lifetime, RFC 9293 §3.4.2).
const STRAGGLER_TIME: Duration = Duration::from_secs(240);
/// A reset this far behind what is expected is not the connection's (RFC 5961 §3; the capture may have missed some).
const RESET_BEHIND: i64 = 64 << 10;

/// What is known of a connection. Its ends are numbered as in its key.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) flows: [Flow; 2],
    /// Which end is `Side::A`, once that is known; `Open` is delivered then.
    pub(super) a: Option<usize>,
    pub(super) closed: bool,
    last: Timestamp,
    opening: Opening,
}

/// The SYNs of the opener.
#[derive(Debug, Default)]
struct Opening {
    first: Timestamp,
    last: Timestamp,
    seen: u32,
}

impl Connection {
    pub(super) fn new(id: ConnectionId) -> Self {
        Self {
            id,
            flows: <[Flow; 2]>::default(),
            a: None,
            closed: false,
            last: Timestamp::default(),
            opening: Opening::default(),
        }
    }

    /// The side an end is on.
    pub(super) fn side(&self, end: usize) -> Side {
        if self.a == Some(end) { Side::A } else { Side::B }
    }

    /// True if this segment belongs to another connection between the same ends.
    pub(super) fn is_succeeded_by(&self, end: usize, segment: &Segment<'_>) -> bool {
        let flow = &self.flows[end];
        if segment.syn {
            return match (flow.initial, flow.base()) {
                (Some(initial), _) => initial != segment.sequence,
                (None, Some(base)) => base != segment.sequence.wrapping_add(1),
                (None, None) => self.closed,
            };
        }
        let near = |distance: i64| distance.abs() < STRAGGLER_BYTES;
        self.closed
            && segment.length > 0
            && !(flow.distance(segment.sequence).is_some_and(near)
                && segment.time.since(self.last) < STRAGGLER_TIME)
    }

    /// Notes that a packet was seen.
    pub(super) fn hear(&mut self, end: usize, segment: &Segment<'_>) {
        self.last = self.last.max(segment.time);
        self.flows[end].heard = true;
        if !segment.syn {
            return;
        }
        let flow = &mut self.flows[end];
        flow.initial = Some(segment.sequence);
        flow.start(segment.sequence.wrapping_add(1));
        if segment.acknowledgement.is_none() {
            if self.opening.seen == 0 {
                self.opening.first = segment.time;
            }
            self.opening.seen = self.opening.seen.saturating_add(1);
            self.opening.last = segment.time;
        }
    }

    /// Which end opened it, as far as this segment tells, and whether that is sure.
    pub(super) fn opener(end: usize, segment: &Segment<'_>) -> Option<(usize, bool)> {
        match (segment.syn, segment.acknowledgement) {
            (true, None) => Some((end, true)),
            (true, Some(_)) => Some((1 - end, true)),
            (false, _) if segment.length > 0 => Some((end, false)),
            (false, _) => None,
        }
    }

    /// True if a reset is near enough to what its sender would send next.
    pub(super) fn believes_reset(&self, end: usize, segment: &Segment<'_>) -> bool {
        self.flows[end]
            .distance(segment.sequence)
            .is_none_or(|distance| (-RESET_BEHIND..STRAGGLER_BYTES).contains(&distance))
    }

    /// What a reset from this end means. The caller asks before noting that the end was heard.
    pub(super) fn reset_cause(&self, end: usize) -> CloseCause {
        let asked = self.flows[1 - end].initial.is_some() && self.flows[1 - end].untouched();
        if self.a == Some(1 - end) && asked && self.flows[end].initial.is_none() && !self.flows[end].heard {
            CloseCause::Refused
        } else {
            CloseCause::Reset(Some(self.side(end)))
        }
    }

    /// Why it is over when nothing more is heard of it.
    pub(super) fn silence_cause(&self) -> CloseCause {
        let Some(a) = self.a else { return CloseCause::Unknown };
        let tried = self.opening.last.since(self.opening.first);
        if !self.flows[1 - a].heard && self.opening.seen > 3 && tried >= Duration::from_secs(7) {
            CloseCause::TimedOut
        } else {
            CloseCause::Unknown
        }
    }
}
