//! TCP segments as captured into ordered bytes (RFC 9293 §3.4, §3.10).
//!
//! A capture is not an endpoint: packets are missing that the endpoints got, appear twice, in another order, cut
//! short, and the capture begins in the middle. So nothing is *required* here; what is missing becomes a gap, when
//! one of these says that it will not come:
//!
//! * its receiver acknowledged it, and something later was captured: bytes behind it, or an answer;
//! * what waits behind it is too much, or waits for too long ([`Limits`]);
//! * the connection or the capture is over.
//!
//! Of bytes that come twice the first copy counts. Where a later copy of bytes still held says otherwise, it is
//! counted ([`Counts::conflicts`]); bytes already handed on are not kept to compare with.

mod connection;
mod flow;
mod pending;
mod table;
#[cfg(test)]
mod tests;

use connection::Connection;
use flow::{Flow, Out, Received};
use overhear_exchange::wire::{CloseCause, ConnectionId, Event, EventSink, Segment};
use overhear_exchange::{Address, LossReason, Statistics, Timestamp};
use std::{collections::VecDeque, time::Duration};
use table::{Key, Table};

/// What a [`Reassembler`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections, those just over included. A few hundred bytes each.
    pub connections: usize,
    /// Bytes that wait for earlier ones, per direction of a connection.
    pub waiting_per_flow: usize,
    /// Bytes that wait for earlier ones, in all.
    pub waiting: usize,
    /// How long they may wait, by the clock of the capture.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1 << 20,
            waiting_per_flow: 4 << 20,
            waiting: 256 << 20,
            patience: Duration::from_secs(10),
        }
    }
}

/// How the captured packets were, in segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Payload that had been seen already: retransmissions, duplicates, probes.
    pub repeated: u64,
    /// Payload that came before what is in front of it.
    pub out_of_order: u64,
    /// Payload that contradicts an earlier copy of the same bytes.
    pub conflicts: u64,
    /// Payload for a connection that was over.
    pub late: u64,
    /// Sequence numbers that cannot belong to the connection.
    pub implausible: u64,
}

/// Makes ordered bytes of captured segments.
#[derive(Debug, Default)]
pub struct Reassembler {
    limits: Limits,
    table: Table,
    next_id: u64,
    held: usize,
    waits: VecDeque<Wait>,
    waits_kept: usize,
    next_ticket: u64,
    statistics: Statistics,
    counts: Counts,
    now: Timestamp,
}

/// A direction in which bytes began to wait; stale once its ticket is no longer the flow's.
#[derive(Clone, Copy, Debug)]
struct Wait {
    place: u32,
    end: usize,
    ticket: u64,
    since: Timestamp,
}

impl Reassembler {
    /// Bounded by `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What was seen and lost so far. `exchanges` and `unreadable` are for others to say.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// How the segments were so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// One segment, in the order of capture.
    pub fn segment(&mut self, segment: &Segment<'_>, sink: &mut (impl EventSink + ?Sized)) {
        self.statistics.events += 1;
        self.statistics.bytes += u64::from(segment.length);
        self.now = segment.time;
        let (key, end) = Key::of(segment.source, segment.destination);
        let place = self.place(key, end, segment, sink);
        let Some(connection) = self.table.get_mut(place) else { return };
        if connection.closed {
            self.counts.late += u64::from(segment.length > 0);
        } else if segment.rst {
            self.reset(place, end, segment, sink);
        } else {
            connection.hear(end, segment);
            self.open(place, end, segment, sink);
            self.advance(place, end, segment, sink);
        }
        self.give_up(sink);
    }

    /// The capture is over: everything is delivered or declared missing, and every connection closed.
    pub fn flush(&mut self, sink: &mut (impl EventSink + ?Sized)) {
        for place in self.table.unfinished() {
            if let Some(cause) = self.table.get(place).map(Connection::silence_cause) {
                self.close(place, cause, sink);
            }
        }
        self.table = Table::default();
        self.waits.clear();
    }

    /// Where the connection of this segment is; a new one takes the place of an older one between the same ends.
    fn place(
        &mut self,
        key: Key,
        end: usize,
        segment: &Segment<'_>,
        sink: &mut (impl EventSink + ?Sized),
    ) -> u32 {
        if let Some(place) = self.table.find(&key) {
            let Some(connection) = self.table.get(place) else { return place };
            if !connection.is_succeeded_by(end, segment) {
                self.table.touch(place);
                return place;
            }
            let (closed, cause) = (connection.closed, connection.silence_cause());
            if !closed {
                self.close(place, cause, sink);
            }
            self.table.remove(place);
        }
        while self.table.len() >= self.limits.connections.max(1)
            && let Some(oldest) = self.table.oldest()
        {
            self.forget(oldest, sink);
        }
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.table.insert(key, Connection::new(id))
    }

    fn forget(&mut self, place: u32, sink: &mut (impl EventSink + ?Sized)) {
        if let Some(connection) = self.table.get(place)
            && !connection.closed
        {
            let cause = connection.silence_cause();
            self.statistics.lose(LossReason::TooManyConnections, 1, 0);
            self.close(place, cause, sink);
        }
        self.table.remove(place);
    }

    /// Says that the connection is there, as soon as it is known who is who.
    fn open(&mut self, place: u32, end: usize, segment: &Segment<'_>, sink: &mut (impl EventSink + ?Sized)) {
        let Some(connection) = self.table.get_mut(place) else { return };
        let Some((a, opener_known)) = Connection::opener(end, segment) else { return };
        if connection.a.is_some() || is_probe(connection, end, segment) {
            return;
        }
        connection.a = Some(a);
        self.statistics.connections += 1;
        let ends = [segment.source, segment.destination].map(Address::Ip);
        let [a, b] = if a == end {
            ends
        } else {
            let [s, d] = ends;
            [d, s]
        };
        sink.event(Event::Open {
            connection: connection.id,
            time: segment.time,
            a,
            b,
            opener_known,
            tls: false,
        });
    }

    /// What the segment acknowledges, brings and ends.
    fn advance(
        &mut self,
        place: u32,
        end: usize,
        segment: &Segment<'_>,
        sink: &mut (impl EventSink + ?Sized),
    ) {
        let Some(connection) = self.table.get_mut(place) else { return };
        let probe = is_probe(connection, end, segment);
        if let Some(number) = segment.acknowledgement {
            connection.flows[1 - end].acknowledge(number);
        }
        if connection.a.is_none() || probe {
            return;
        }
        if segment.acknowledgement.is_some() {
            // An answer to what was not captured. An end never heard may just be captured apart, and come later.
            let evidence = segment.length > 0;
            self.with_flow(place, 1 - end, sink, |flow, _, out| flow.settle(evidence && flow.heard, out));
        }
        if segment.length > 0 || segment.fin {
            let received =
                self.with_flow(place, end, sink, |flow, ticket, out| take(flow, segment, ticket, out));
            self.count(received);
        }
        let over = |connection: &Connection| connection.flows.iter().all(|flow| flow.ended);
        if self.table.get(place).is_some_and(over) {
            self.close(place, CloseCause::Finished, sink);
        }
    }

    fn reset(&mut self, place: u32, end: usize, segment: &Segment<'_>, sink: &mut (impl EventSink + ?Sized)) {
        let Some(connection) = self.table.get_mut(place) else { return };
        if !connection.believes_reset(end, segment) {
            self.counts.implausible += 1;
            return;
        }
        let cause = connection.reset_cause(end);
        connection.hear(end, segment);
        self.close(place, cause, sink);
    }

    /// Delivers what is left, says that the connection is over, and keeps it to recognise its stragglers.
    fn close(&mut self, place: u32, cause: CloseCause, sink: &mut (impl EventSink + ?Sized)) {
        let Some(connection) = self.table.get(place) else { return };
        let (id, a) = (connection.id, connection.a);
        if let Some(a) = a {
            for end in [a, 1 - a] {
                self.with_flow(place, end, sink, |flow, _, out| flow.finish(out));
            }
            sink.event(Event::Close { connection: id, time: self.now, cause });
        }
        self.table.close(place);
    }

    /// Runs `act` on a flow, with where its events go, and keeps the books of what waits in it.
    fn with_flow<S: EventSink + ?Sized, R: Default>(
        &mut self,
        place: u32,
        end: usize,
        sink: &mut S,
        act: impl FnOnce(&mut Flow, u64, &mut Out<'_, S>) -> R,
    ) -> R {
        let Some(connection) = self.table.get_mut(place) else { return R::default() };
        let (connection_id, from) = (connection.id, connection.side(end));
        let flow = &mut connection.flows[end];
        let (cost, ticket) = (flow.cost(), flow.ticket());
        let mut out =
            Out { sink, connection: connection_id, from, time: self.now, statistics: &mut self.statistics };
        let result = act(flow, self.next_ticket, &mut out);
        if flow.cost() > self.limits.waiting_per_flow {
            flow.force(LossReason::ReassemblyFull, &mut out);
        }
        self.held = self.held + flow.cost() - cost;
        if let Some(ticket) = flow.ticket().filter(|&new| Some(new) != ticket) {
            self.next_ticket += 1;
            self.waits.push_back(Wait { place, end, ticket, since: self.now });
        }
        result
    }

    fn count(&mut self, received: Received) {
        match received {
            Received::InOrder => {}
            Received::Repeated => self.counts.repeated += 1,
            Received::Kept { conflict } => {
                self.counts.out_of_order += 1;
                self.counts.conflicts += u64::from(conflict);
            }
            Received::Implausible => self.counts.implausible += 1,
        }
    }

    /// Stops waiting where it takes too long or too much, the longest wait first.
    fn give_up(&mut self, sink: &mut (impl EventSink + ?Sized)) {
        while let Some(&wait) = self.waits.front() {
            let reason = match self.is_current(&wait) {
                false => None,
                true if self.held > self.limits.waiting => Some(LossReason::ReassemblyFull),
                true if self.now.since(wait.since) > self.limits.patience => Some(LossReason::MissingSegment),
                true => break,
            };
            self.waits.pop_front();
            let Some(reason) = reason else { continue };
            self.with_flow(wait.place, wait.end, sink, |flow, _, out| flow.force(reason, out));
            let over = |connection: &Connection| connection.flows.iter().all(|flow| flow.ended);
            if self.table.get(wait.place).is_some_and(|connection| !connection.closed && over(connection)) {
                self.close(wait.place, CloseCause::Finished, sink);
            }
        }
        self.sweep_waits();
    }

    /// Drops stale waits behind the front before they are more than half of all.
    fn sweep_waits(&mut self) {
        if self.waits.len() > 2 * self.waits_kept + 1024 {
            let mut waits = std::mem::take(&mut self.waits);
            waits.retain(|wait| self.is_current(wait));
            self.waits_kept = waits.len();
            self.waits = waits;
        }
    }

    fn is_current(&self, wait: &Wait) -> bool {
        self.table
            .get(wait.place)
            .is_some_and(|connection| connection.flows[wait.end].ticket() == Some(wait.ticket))
    }
}

/// Hands payload and FIN to their flow.
fn take<S: EventSink + ?Sized>(
    flow: &mut Flow,
    segment: &Segment<'_>,
    ticket: u64,
    out: &mut Out<'_, S>,
) -> Received {
    let start = segment.sequence.wrapping_add(u32::from(segment.syn));
    if segment.fin {
        flow.start(start);
        flow.finish_at(start.wrapping_add(segment.length));
    }
    let received = match segment.length {
        0 => Received::InOrder,
        length => flow.receive(start, (segment.payload, length), ticket, out),
    };
    flow.settle(false, out);
    received
}

/// Where a capture begins in the middle, a lone zero byte is a keep-alive probe (RFC 9293 §3.8.4), not the first byte.
fn is_probe(connection: &Connection, end: usize, segment: &Segment<'_>) -> bool {
    connection.flows[end].base().is_none() && segment.length == 1 && segment.payload == [0]
}
