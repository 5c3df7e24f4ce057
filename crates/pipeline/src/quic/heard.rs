//! Flows of QUIC, live: which there are say the packets that open them; how much moves count the probes, by socket.
//!
//! A flow is known by the connection id that its client made up for its server (RFC 9000 §7.2): nobody else's first packet can be
//! decrypted with what comes from it, and both ends on this machine see it.

use super::{
    Hello, SILENT,
    socket::{Place, Socket, Told, index},
};
use crate::host_names::HostNames;
use overhear_exchange::{Address, Direction, Unread};
use overhear_probe::{
    datagram::{DatagramKey, Moved, Peer},
    record::{Cookie, Open, Record, Way, What},
};
use overhear_protocol::quic::{Kind, LongHeader};
use rustc_hash::FxHashMap;
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// Followed at once. When there are more, flows count as over, and sockets as closed that are silent for longest.
pub(super) const MOST_FLOWS: usize = 1 << 16;
pub(super) const MOST_SOCKETS: usize = 1 << 14;
/// Flows of which more may be said; the words of others have come, or will not.
const MOST_GREETING: usize = 1024;
/// Flows of one client's connection id that wait for an answer.
const MOST_WAITING: usize = 1024;
/// Ids of its server that a flow is known by: the client's first, and those of a server that wants to see an address proved.
const MOST_IDS: usize = 4;
/// How often the probes are asked for all of it, and for how many entries; for more, less often.
const EVERY: u64 = 1_000_000_000;
const AT_A_TIME: usize = 10_000;

/// What the probes count.
pub(crate) trait Counts {
    /// As of now; `None` where nothing is known any more.
    fn moved(&self, key: DatagramKey) -> Option<Moved>;
    /// Nobody will ask for it.
    fn forget(&mut self, key: DatagramKey);
}

impl Counts for overhear_capture::live::Live {
    fn moved(&self, key: DatagramKey) -> Option<Moved> {
        Self::moved(self, key)
    }

    fn forget(&mut self, key: DatagramKey) {
        Self::forget(self, key);
    }
}

/// The sockets of this machine that speak QUIC, and their flows.
#[derive(Default)]
pub(crate) struct Sockets {
    known: FxHashMap<Cookie, Socket>,
    flows: FxHashMap<u64, Flow>,
    /// By what clients made up for their servers.
    by_destination: FxHashMap<Cid, u64>,
    /// By process, end, and the id that an answer is sent to: the client's own.
    waiting: FxHashMap<(u32, Direction, Cid), VecDeque<u64>>,
    greeting: VecDeque<u64>,
    /// Of sockets that are over.
    ended: Vec<Told>,
    /// What sockets proved to do that were let go.
    proved: FxHashMap<Cookie, Direction>,
    begun: u64,
    /// Connections that began before, of sockets that are over.
    before: u64,
    next: u64,
}

/// A connection id (RFC 9000 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cid {
    length: u8,
    bytes: [u8; 20],
}

/// One connection, at the ends of it that are heard.
struct Flow {
    /// Its server's, its client's.
    ends: [Option<Place>; 2],
    began: u64,
    /// The id that its client chose for itself.
    source: Cid,
    destinations: Vec<Cid>,
    hello: Hello,
}

/// A datagram that was told.
struct Seen<'a> {
    time: u64,
    socket: Cookie,
    way: Way,
    peer: Option<Peer>,
    bytes: &'a [u8],
}

impl Sockets {
    /// Takes one record of the probes.
    pub(crate) fn record(&mut self, record: &Record<'_>) {
        match &record.what {
            What::Quic { open, from_start } => {
                self.open(open, record.thread.map(|thread| thread.tgid), *from_start, record.time);
            }
            What::Datagram { socket, way, peer, bytes, .. } => {
                let (socket, way, peer) = (*socket, *way, *peer);
                self.datagram(&Seen { time: record.time, socket, way, peer, bytes });
            }
            What::Exit => {
                let pid = record.thread.map(|thread| thread.tgid);
                let gone = self.known.values_mut().filter(|socket| pid.is_some() && socket.pid() == pid);
                gone.for_each(|socket| socket.gone = true);
            }
            What::Open(_)
            | What::Data { .. }
            | What::End { .. }
            | What::Close { .. }
            | What::Error { .. }
            | What::Exec { .. }
            | What::Tls { .. }
            | What::TlsTouch { .. }
            | What::ByPackets { .. }
            | What::Packet { .. }
            | What::Answer { .. } => {}
        }
    }

    /// It is this late, on the clock of the records: asks the probes, and lets go of what is over.
    pub(crate) fn tick(&mut self, now: u64, counts: &mut dyn Counts, names: &HostNames) {
        if now < self.next {
            return;
        }
        let entries: usize = self.known.values().map(Socket::entries).sum();
        self.next = now.saturating_add(EVERY.saturating_mul(1 + (entries / AT_A_TIME) as u64));
        self.known.values_mut().for_each(|socket| socket.count(counts));
        self.end_flows(names, |last, gone| gone || now.saturating_sub(last) >= SILENT);
        for socket in self.known.values_mut() {
            self.before += socket.sweep(counts, now);
        }
        let is_over = |socket: &Socket| socket.gone || now.saturating_sub(socket.last_of_all()) >= SILENT;
        self.close(counts, is_over);
        if self.known.len() >= MOST_SOCKETS {
            let mut lasts: Vec<u64> = self.known.values().map(Socket::last_of_all).collect();
            lasts.sort_unstable();
            let middle = lasts.get(lasts.len() / 2).copied().unwrap_or_default();
            self.end_flows(names, |last, _| last <= middle);
            self.close(counts, |socket| socket.last_of_all() <= middle);
        }
    }

    /// The capture ends.
    pub(crate) fn finish(&mut self, now: u64, counts: &mut dyn Counts, names: &HostNames) {
        self.next = 0;
        self.tick(now, counts, names);
        self.end_flows(names, |_, _| true);
        self.close(counts, |_| true);
    }

    /// Sockets that are over, since the last call.
    pub(crate) fn take_over(&mut self) -> impl Iterator<Item = Told> {
        self.ended.drain(..)
    }

    /// Those that are not.
    pub(crate) fn open_ones(&self, names: &HostNames) -> Vec<Told> {
        let mut open: FxHashMap<Cookie, [Unread; 2]> = FxHashMap::default();
        for flow in self.flows.values() {
            for (direction, place) in flow.places() {
                let what = self.end_of(flow, direction, place, true, names);
                open.entry(place.socket).or_default()[index(direction)].merge(&what);
            }
        }
        let told =
            |(cookie, socket): (&Cookie, &Socket)| socket.tell(open.remove(cookie).unwrap_or_default());
        self.known.iter().flat_map(told).collect()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> u64 {
        self.begun + self.before + self.known.values().map(Socket::before).sum::<u64>()
    }

    fn open(&mut self, open: &Open, pid: Option<u32>, from_start: bool, now: u64) {
        if self.known.contains_key(&open.socket) || self.known.len() >= 2 * MOST_SOCKETS {
            return;
        }
        let Some(mut socket) = Socket::new(open, pid, from_start, now) else { return };
        socket.direction = self.proved.get(&open.socket).copied();
        self.known.insert(open.socket, socket);
    }

    fn datagram(&mut self, seen: &Seen<'_>) {
        let head = LongHeader::parse(seen.bytes);
        let Some(socket) = self.known.get_mut(&seen.socket) else { return };
        socket.path(seen.peer, head.is_none(), seen.time);
        let Some(head) = head else { return };
        if head.kind == Kind::Initial {
            let known = Cid::of(head.destination).and_then(|id| self.by_destination.get(&id).copied());
            if let Some(id) = known {
                self.again(id, seen);
                return;
            }
            let mut hello = Hello::new();
            hello.take(seen.bytes);
            if hello.is_proved() {
                self.begin(&head, hello, seen);
                return;
            }
        }
        self.answer(&head, seen);
    }

    fn begin(&mut self, head: &LongHeader<'_>, hello: Hello, seen: &Seen<'_>) {
        let (Some(destination), Some(source)) = (Cid::of(head.destination), Cid::of(head.source)) else {
            return;
        };
        if self.flows.len() >= MOST_FLOWS {
            self.end_flows(&HostNames::default(), |_, _| true);
        }
        let id = self.begun;
        self.begun += 1;
        if hello.handshake.is_some() {
            self.greeting.push_back(id);
            self.bound_greetings();
        }
        let flow =
            Flow { ends: [None, None], began: seen.time, source, destinations: vec![destination], hello };
        self.flows.insert(id, flow);
        self.by_destination.insert(destination, id);
        self.place(id, seen);
    }

    /// The client says it again, or more; or it is seen at the other end.
    fn again(&mut self, id: u64, seen: &Seen<'_>) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.hello.take(seen.bytes);
            self.place(id, seen);
        }
    }

    /// What a client says was seen here.
    fn place(&mut self, id: u64, seen: &Seen<'_>) {
        let direction = match seen.way {
            Way::Sent => Direction::Outbound,
            Way::Received => Direction::Inbound,
        };
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if let Some(place) = &mut flow.ends[index(direction)] {
            place.last = place.last.max(seen.time);
            return;
        }
        flow.ends[index(direction)] = Some(Place { socket: seen.socket, peer: seen.peer, last: seen.time });
        let Some(socket) = self.known.get_mut(&seen.socket) else { return };
        socket.begin(direction, seen.peer);
        if let Some(pid) = socket.pid() {
            let waiting = self.waiting.entry((pid, direction, flow.source)).or_default();
            waiting.push_back(id);
            if waiting.len() > MOST_WAITING {
                waiting.pop_front();
            }
        }
        if self.waiting.len() > 2 * MOST_FLOWS {
            let flows = &self.flows;
            self.waiting.retain(|_, ids| ids.iter().any(|id| flows.contains_key(id)));
        }
    }

    /// A server speaks to a client, whose own id says which: so it is known where that is.
    fn answer(&mut self, head: &LongHeader<'_>, seen: &Seen<'_>) {
        let direction = match seen.way {
            Way::Sent => Direction::Inbound,
            Way::Received => Direction::Outbound,
        };
        let Some(socket) = self.known.get(&seen.socket) else { return };
        // Of clients without ids (browsers) the first is the one that waits for longest.
        let is_said_again = head.destination.is_empty() && socket.is_claimed(seen.peer);
        let (Some(pid), Some(to), false) = (socket.pid(), Cid::of(head.destination), is_said_again) else {
            return;
        };
        let Some(waiting) = self.waiting.get_mut(&(pid, direction, to)) else { return };
        while waiting.front().is_some_and(|id| !self.flows.contains_key(id)) {
            waiting.pop_front();
        }
        let Some(id) = waiting.front().copied() else { return };
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if head.kind == Kind::Retry {
            // The client begins again, and calls its server so.
            if let Some(retried) = Cid::of(head.source).filter(|_| flow.destinations.len() < MOST_IDS) {
                flow.destinations.push(retried);
                self.by_destination.insert(retried, id);
            }
            return;
        }
        waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&(pid, direction, to));
        }
        flow.hello.settle();
        if direction == Direction::Inbound {
            // Some servers go on with a socket of their own for each client.
            flow.ends[index(direction)] =
                Some(Place { socket: seen.socket, peer: seen.peer, last: seen.time });
            if let Some(socket) = self.known.get_mut(&seen.socket) {
                socket.claim(seen.peer);
                socket.direction.get_or_insert(direction);
            }
        }
    }

    fn bound_greetings(&mut self) {
        while self.greeting.len() > MOST_GREETING {
            let flow = self.greeting.pop_front().and_then(|id| self.flows.get_mut(&id));
            if let Some(flow) = flow {
                flow.hello.settle();
            }
        }
    }

    /// Those of whose ends this is true: when it last did anything, and whether its socket is gone.
    fn end_flows(&mut self, names: &HostNames, is_over: impl Fn(u64, bool) -> bool) {
        let mut over = Vec::new();
        for (id, flow) in &self.flows {
            for (direction, place) in flow.places() {
                let socket = self.known.get(&place.socket);
                let gone = socket.is_none_or(|socket| socket.gone);
                if is_over(self.last(place), gone) {
                    over.push((*id, direction));
                }
            }
        }
        for (id, direction) in over {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.hello.settle();
            }
            let Some(flow) = self.flows.get(&id) else { continue };
            let Some(place) = &flow.ends[index(direction)] else { continue };
            let (cookie, what) = (place.socket, self.end_of(flow, direction, place, false, names));
            if let Some(socket) = self.known.get_mut(&cookie) {
                socket.end_flow(direction, &what);
            }
            self.leave(id, direction);
        }
    }

    fn leave(&mut self, id: u64, direction: Direction) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.ends[index(direction)] = None;
        if flow.places().next().is_none()
            && let Some(flow) = self.flows.remove(&id)
        {
            flow.destinations.iter().for_each(|destination| {
                self.by_destination.remove(destination);
            });
        }
    }

    fn close(&mut self, counts: &mut dyn Counts, is_over: impl Fn(&Socket) -> bool) {
        let busy: rustc_hash::FxHashSet<Cookie> =
            self.flows.values().flat_map(Flow::places).map(|(_, place)| place.socket).collect();
        let over: Vec<Cookie> = self
            .known
            .iter()
            .filter(|(cookie, socket)| is_over(socket) && !busy.contains(cookie))
            .map(|(cookie, _)| *cookie)
            .collect();
        for cookie in over {
            let Some(socket) = self.known.remove(&cookie) else { continue };
            socket.forget(counts);
            self.before += socket.before();
            self.ended.extend(socket.tell(<[Unread; 2]>::default()));
            if let Some(direction) = socket.direction.filter(|_| !socket.gone) {
                if self.proved.len() >= MOST_FLOWS {
                    self.proved.clear();
                }
                self.proved.insert(cookie, direction);
            }
        }
    }

    fn last(&self, place: &Place) -> u64 {
        self.known.get(&place.socket).map_or(place.last, |socket| socket.last(place))
    }

    /// One end of a flow, as it shows in the table.
    fn end_of(
        &self,
        flow: &Flow,
        direction: Direction,
        place: &Place,
        open: bool,
        names: &HostNames,
    ) -> Unread {
        let duration = Duration::from_nanos(self.last(place).saturating_sub(flow.began));
        let mut what = Unread { connections: 1, open: open.into(), duration, ..Unread::default() };
        let wanted = flow.hello.wanted();
        let named = wanted.and_then(|wanted| wanted.server_name.clone());
        let remote = || {
            let ip = self.known.get(&place.socket)?.remote(place.peer)?;
            Some(names.of(&Address::Ip(ip)).cloned().unwrap_or_else(|| Arc::from(ip.to_string())))
        };
        let asked = named.or_else(|| (direction == Direction::Outbound).then(remote).flatten());
        asked.iter().for_each(|name| what.names.add(name, 1));
        wanted
            .and_then(|wanted| wanted.protocol.as_ref())
            .iter()
            .for_each(|protocol| what.protocols.add(protocol, 1));
        what
    }
}

#[cfg(test)]
impl Sockets {
    /// Flows, those that wait under one id, those that may say more, ids.
    pub(super) fn held(&self) -> [usize; 4] {
        let waiting = self.waiting.values().map(VecDeque::len).max().unwrap_or_default();
        [self.flows.len(), waiting, self.greeting.len(), self.by_destination.len()]
    }

    pub(super) fn known(&self) -> usize {
        self.known.len()
    }
}

impl Flow {
    /// Where it is heard.
    fn places(&self) -> impl Iterator<Item = (Direction, &Place)> {
        [Direction::Inbound, Direction::Outbound]
            .into_iter()
            .zip(&self.ends)
            .filter_map(|(direction, place)| Some((direction, place.as_ref()?)))
    }
}

impl Cid {
    fn of(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; 20];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { length: u8::try_from(id.len()).ok()?, bytes })
    }
}
