//! What one QUIC socket moves, to whom, and when it last did.

use super::{PORT, SILENT, heard::Counts};
use overhear_exchange::{Address, Direction, Unread};
use overhear_probe::{
    datagram::{DatagramKey, Moved, Peer},
    record::{Cookie, Ends, Open},
};
use overhear_stream::socket::{End, Owner};
use rustc_hash::FxHashMap;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Peers that a socket talks to without a beginning are those of connections that began before only for so long. Later, peers
/// move (RFC 9000 §9), and are nobody new.
const SETTLING: u64 = 60_000_000_000;

/// Peers of one socket that are followed, and how long it may take until they are counted.
const MOST_PATHS: usize = 1 << 15;
const FRESH: u64 = 5_000_000_000;

/// A UDP socket that speaks QUIC.
pub(super) struct Socket {
    cookie: Cookie,
    pub(super) end: End,
    /// Its only peer, where it has one.
    remote: Option<SocketAddr>,
    from_start: bool,
    began: u64,
    /// What entries had counted that are gone.
    base: [u64; 2],
    /// What it moves that has no entry by peer.
    whole: Moved,
    paths: FxHashMap<Peer, Path>,
    /// How many began on it.
    flows: u64,
    /// Flows that are over: inbound, outbound.
    over: [Unread; 2],
    /// Whether it answers or asks, once a flow of it proves what it is.
    pub(super) direction: Option<Direction>,
    /// Its process is.
    pub(super) gone: bool,
}

/// One of several peers.
struct Path {
    moved: Moved,
    began: u64,
    /// What the first datagram to it was not: the beginning of anything.
    goes_on: bool,
    /// Flows that are known to go there.
    flows: u32,
}

/// One end of a flow.
pub(super) struct Place {
    pub(super) socket: Cookie,
    /// Where the other is, of a socket with several peers.
    pub(super) peer: Option<Peer>,
    /// When it last did anything, as far as is known.
    pub(super) last: u64,
}

/// What a socket says of itself: a row of the table.
pub(crate) struct Told {
    pub(crate) end: End,
    pub(crate) direction: Direction,
    pub(crate) what: Unread,
}

pub(super) const fn index(direction: Direction) -> usize {
    match direction {
        Direction::Inbound => 0,
        Direction::Outbound => 1,
    }
}

impl Socket {
    pub(super) fn new(open: &Open, pid: Option<u32>, from_start: bool, now: u64) -> Option<Self> {
        let Ends::Ip { local, remote } = open.ends else { return None };
        let owner = pid.map(|pid| Owner { pid, comm: Some(open.comm.clone()) });
        Some(Self {
            cookie: open.socket,
            end: End { address: Address::Ip(local), owner, inode: 0 },
            remote: (remote.port() != 0).then_some(remote),
            from_start,
            began: now,
            base: [0; 2],
            whole: Moved::default(),
            paths: FxHashMap::default(),
            flows: 0,
            over: <[Unread; 2]>::default(),
            direction: None,
            gone: false,
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.end.owner.as_ref().map(|owner| owner.pid)
    }

    /// A datagram was the first to this peer, or opens a flow with it.
    pub(super) fn path(&mut self, peer: Option<Peer>, goes_on: bool, now: u64) {
        if let Some(peer) = peer {
            if self.paths.len() >= MOST_PATHS {
                // The probes keep fewer.
                self.paths
                    .retain(|_, path| path.moved.bytes != [0; 2] || path.began.saturating_add(FRESH) > now);
            }
            let goes_on = goes_on && !self.from_start && now.saturating_sub(self.began) < SETTLING;
            let new = Path { moved: Moved { bytes: [0; 2], last: now }, began: now, goes_on, flows: 0 };
            self.paths.entry(peer).or_insert(new);
        }
    }

    /// A flow begins on it.
    pub(super) fn begin(&mut self, direction: Direction, peer: Option<Peer>) {
        self.flows += 1;
        self.direction.get_or_insert(direction);
        self.claim(peer);
    }

    /// A flow goes there.
    pub(super) fn claim(&mut self, peer: Option<Peer>) {
        if let Some(path) = peer.and_then(|peer| self.paths.get_mut(&peer)) {
            path.flows += 1;
        }
    }

    pub(super) fn is_claimed(&self, peer: Option<Peer>) -> bool {
        peer.and_then(|peer| self.paths.get(&peer)).is_some_and(|path| path.flows > 0)
    }

    /// Entries of the probes that there are of it.
    pub(super) fn entries(&self) -> usize {
        1 + self.paths.len()
    }

    /// Asks how much it moved. What is not known any more was counted before.
    pub(super) fn count(&mut self, counts: &dyn Counts) {
        let Self { cookie, base, whole, paths, .. } = self;
        let ask = |peer| counts.moved(DatagramKey { socket: *cookie, peer });
        take(base, whole, ask(None));
        paths.iter_mut().for_each(|(peer, path)| take(base, &mut path.moved, ask(Some(*peer))));
    }

    /// When an end of a flow last did anything. What the socket receives is for the flow if there is but one.
    pub(super) fn last(&self, place: &Place) -> u64 {
        let path = place.peer.and_then(|peer| self.paths.get(&peer)).map_or(0, |path| path.moved.last);
        let whole = if self.flows == 1 || self.remote.is_some() { self.whole.last } else { 0 };
        place.last.max(path).max(whole)
    }

    /// When anything moved on it.
    pub(super) fn last_of_all(&self) -> u64 {
        let paths = self.paths.values().map(|path| path.moved.last);
        paths.fold(self.began.max(self.whole.last), u64::max)
    }

    /// Peers that are silent for long, of which no flow goes on.
    pub(super) fn sweep(&mut self, counts: &mut dyn Counts, now: u64) -> u64 {
        let silent = |path: &Path| now.saturating_sub(path.moved.last) >= SILENT;
        let over: Vec<Peer> =
            self.paths.iter().filter(|(_, path)| silent(path)).map(|(peer, _)| *peer).collect();
        let (before, is_known, way) = (self.before(), self.is_known(), self.way());
        for peer in over {
            counts.forget(DatagramKey { socket: self.cookie, peer: Some(peer) });
            let Some(path) = self.paths.remove(&peer) else { continue };
            add(&mut self.base, path.moved.bytes);
            if is_known {
                self.over[index(way)].merge(&unknown(&path, Some(peer.address()), false));
            }
        }
        before.saturating_sub(self.before())
    }

    /// A flow of it is over.
    pub(super) fn end_flow(&mut self, direction: Direction, what: &Unread) {
        self.over[index(direction)].merge(what);
    }

    /// Nothing more is asked of it.
    pub(super) fn forget(&self, counts: &mut dyn Counts) {
        let peers = self.paths.keys().map(|peer| Some(*peer));
        peers.chain([None]).for_each(|peer| counts.forget(DatagramKey { socket: self.cookie, peer }));
    }

    /// Where it sends to, of an end that is here.
    pub(super) fn remote(&self, peer: Option<Peer>) -> Option<SocketAddr> {
        self.remote.or_else(|| peer.map(|peer| peer.address()))
    }

    /// Connections of which nobody saw the beginning: those at the port of HTTP/3, or beside one that was seen.
    pub(super) fn before(&self) -> u64 {
        self.befores().count() as u64
    }

    /// What it says, with the flows that go on.
    pub(super) fn tell(&self, open: [Unread; 2]) -> Vec<Told> {
        let way = self.way();
        let mut rows = self.over.clone();
        rows.iter_mut().zip(&open).for_each(|(row, open)| row.merge(open));
        let own = &mut rows[index(way)];
        self.befores().for_each(|before| own.merge(&before));
        let mut bytes = self.base;
        add(&mut bytes, self.whole.bytes);
        self.paths.values().for_each(|path| add(&mut bytes, path.moved.bytes));
        if self.direction.is_some() || own.connections > 0 {
            [own.sent, own.received] = bytes;
        }
        let is_told = |row: &Unread| *row != Unread::default();
        let rows = [Direction::Inbound, Direction::Outbound].into_iter().zip(rows);
        rows.filter(|(_, row)| is_told(row))
            .map(|(direction, what)| Told { end: self.end.clone(), direction, what })
            .collect()
    }

    fn befores(&self) -> impl Iterator<Item = Unread> {
        let (is_known, open) = (self.is_known(), !self.gone);
        let paths = self.paths.iter().filter(|(_, path)| path.goes_on && path.flows == 0);
        let paths = paths.map(move |(peer, path)| unknown(path, Some(peer.address()), open));
        let whole = Path { moved: self.whole, began: self.began, goes_on: true, flows: 0 };
        let only = (self.remote.is_some() && !self.from_start && self.direction.is_none())
            .then(|| unknown(&whole, self.remote, open));
        paths.chain(only).filter(move |_| is_known)
    }

    /// Whether it answers or asks.
    fn way(&self) -> Direction {
        let asks = || self.remote.is_some_and(|remote| remote.port() == PORT) || self.has_peer_at_its_port();
        self.direction.unwrap_or_else(|| if asks() { Direction::Outbound } else { Direction::Inbound })
    }

    /// That it speaks QUIC is proved, or said by its port.
    fn is_known(&self) -> bool {
        self.direction.is_some()
            || matches!(&self.end.address, Address::Ip(local) if local.port() == PORT)
            || self.remote.is_some_and(|remote| remote.port() == PORT)
            || self.has_peer_at_its_port()
    }

    fn has_peer_at_its_port(&self) -> bool {
        self.paths.keys().any(|peer| peer.address().port() == PORT)
    }
}

/// A connection that began before. Whom it is with is told where that is a server's port.
fn unknown(path: &Path, remote: Option<SocketAddr>, open: bool) -> Unread {
    let counts = path.goes_on && path.flows == 0;
    if !counts {
        return Unread::default();
    }
    let duration = Duration::from_nanos(path.moved.last.saturating_sub(path.began));
    let mut what = Unread { connections: 1, open: open.into(), duration, ..Unread::default() };
    if let Some(server) = remote.filter(|remote| remote.port() == PORT) {
        what.names.add(&Arc::from(server.to_string()), 1);
    }
    what
}

/// An entry that was pushed out, and is there again, begins again.
fn take(base: &mut [u64; 2], known: &mut Moved, now: Option<Moved>) {
    let now = now.unwrap_or(Moved { bytes: [0; 2], last: known.last });
    if now.bytes.iter().zip(known.bytes).any(|(now, known)| *now < known) {
        add(base, known.bytes);
    }
    *known = now;
}

fn add(sum: &mut [u64; 2], more: [u64; 2]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(more));
}
