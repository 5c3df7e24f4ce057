//! Socket records of the kernel probes into ordered events per connection.
//!
//! The same connection may be heard at both of its ends when both are on this machine. It is told once: the server's
//! end carries the bytes, the client's end says which process it is. Until it is certain that the server's end can be
//! read in both directions, what the client's end shows is kept as a bounded *spare*, and takes over where the
//! server's bytes cannot be seen (io_uring, sendfile) or never come (nobody accepts). Once certain, the probes are told
//! to be silent about the client's end.

mod by_packets;
mod connection;
mod legs;
mod packets;
mod sealed;
#[cfg(test)]
mod tests;
mod tls;

use by_packets::{At, ByPackets};
use connection::{Connection, Layer, Piece, Vantage};
use overhear_exchange::{
    Address, Side, Timestamp,
    wire::{CloseCause, ConnectionId, EventSink},
};
use overhear_probe::record::{
    Cookie, Ends, Existing, Loss, Open, Record, Role, TCP_LISTEN, Thread, Verdict, Way, What,
};
use rustc_hash::{FxHashMap, FxHashSet};
pub use sealed::{Sealed, Wanted};
use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
};

/// How much is held, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections followed at once; beyond it idle ones are forgotten.
    pub connections: usize,
    /// Bytes kept per connection until its carrier is certain.
    pub spare: usize,
    /// Nanoseconds to wait for the other end to show when it should be on this machine.
    pub grace: u64,
    /// Nanoseconds to wait for the packets of what was in no buffer.
    pub packets: u64,
    /// Plaintext of TLS may come: threads that use connections that speak TLS are looked at.
    pub tls: bool,
    /// Plaintext is told even where the socket that carries it is not known.
    pub without_socket: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1 << 20,
            spare: 64 << 10,
            grace: 50_000_000,
            packets: 500_000_000,
            tls: true,
            without_socket: true,
        }
    }
}

impl Limits {
    /// What there is to know of encrypted connections: where no plaintext can come, how much they move.
    const fn sealed(&self) -> Verdict {
        if self.tls { Verdict::Sealed } else { Verdict::Tally }
    }

    fn tells(&self, connection: &Connection) -> bool {
        self.without_socket || connection.layer != (Layer::Opened { of: None })
    }
}

/// Who holds one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Name of its main thread when the socket was opened, where that was seen: the only name a process has that
    /// is gone by the time somebody looks.
    pub comm: Option<String>,
}

/// One end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Where it is.
    pub address: Address,
    /// Whose it is, when it is on this machine.
    pub owner: Option<Owner>,
    /// Inode of its socket, 0 = unknown.
    pub inode: u64,
}

/// What the protocol found a connection to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// An API we read: go on copying.
    Api,
    /// Nothing we read: never mention it again.
    NotApi,
    /// TLS: its plaintext may yet be heard.
    Tls,
}

/// Joins sockets into connections and orders what they say.
pub struct Assembler {
    limits: Limits,
    /// Wall clock minus monotonic clock, nanoseconds.
    epoch: u64,
    sockets: FxHashMap<Cookie, (ConnectionId, Side)>,
    connections: FxHashMap<ConnectionId, Connection>,
    by_addresses: FxHashMap<TwinKey, ConnectionId>,
    by_inode: FxHashMap<u64, ConnectionId>,
    listening: FxHashSet<(u32, u16)>,
    local: FxHashSet<IpAddr>,
    owners: FxHashMap<u64, u32>,
    waiting: VecDeque<(u64, ConnectionId)>,
    idle: VecDeque<ConnectionId>,
    departed: Vec<Connection>,
    verdicts: Vec<(Cookie, Verdict)>,
    next_id: u64,
    evicted: u64,
    tls: tls::Sessions,
    legs: legs::Legs,
    packets: packets::Directions,
    /// Of the last record, on the monotonic clock.
    now: u64,
}

/// Both ends of a TCP connection give the same key. Loopback addresses mean something else in every namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TwinKey {
    netns: u32,
    low: SocketAddr,
    high: SocketAddr,
}

impl Assembler {
    /// `epoch` is the wall clock minus the monotonic clock, in nanoseconds.
    pub fn new(limits: Limits, epoch: u64) -> Self {
        Self {
            limits,
            epoch,
            sockets: FxHashMap::default(),
            connections: FxHashMap::default(),
            by_addresses: FxHashMap::default(),
            by_inode: FxHashMap::default(),
            listening: FxHashSet::default(),
            local: FxHashSet::default(),
            owners: FxHashMap::default(),
            waiting: VecDeque::new(),
            idle: VecDeque::new(),
            departed: Vec::new(),
            verdicts: Vec::new(),
            next_id: 0,
            evicted: 0,
            tls: tls::Sessions::default(),
            legs: legs::Legs::default(),
            packets: packets::Directions::default(),
            now: 0,
        }
    }

    /// Learns from the sockets that were there before: who listens, whose they are, which addresses are ours.
    pub fn existing<'a>(&mut self, sockets: impl IntoIterator<Item = &'a Existing>) {
        for socket in sockets {
            self.owners.entry(socket.inode).or_insert(socket.tgid);
            if let Ends::Ip { local, .. } = socket.ends {
                self.local.insert(local.ip());
                if socket.state == TCP_LISTEN {
                    self.listening.insert((socket.netns, local.port()));
                }
            }
        }
    }

    /// Takes one record of the probes.
    pub fn record(&mut self, record: Record<'_>, sink: &mut impl EventSink) {
        self.departed.clear();
        self.now = record.time;
        let time = self.wall(record.time);
        match record.what {
            What::Open(open) => self.open(*open, record.thread, record.time, sink),
            What::Data { socket, way, offset, size, bytes, loss, comes } => {
                let size = size.into();
                self.plaintext(socket, way, size, record.thread, sink);
                let unreadable = bytes.is_empty() && loss.is_some_and(is_blind);
                let piece = Piece::Data { offset, size, bytes, unreadable };
                let at = At { time, thread: record.thread };
                self.arrives((socket, way), at, piece, (loss, comes), sink);
            }
            What::End { socket, way } => {
                let at = At { time, thread: record.thread };
                self.arrives((socket, way), at, Piece::End, (None, false), sink);
            }
            What::ByPackets { socket, way, offset, sequence } => {
                self.begin_packets((socket, way), ByPackets::new(offset, sequence), sink);
            }
            What::Packet { socket, way, sequence, size, bytes } => {
                self.packet((socket, way), sequence, (size, bytes), sink);
            }
            // Its program has moved it, and another is where it was: it ends with its socket.
            What::Close { socket, .. } if socket.moves() && self.tls.has_socket(socket) => {}
            What::Close { socket, errno } => self.close(socket, errno, time, sink),
            What::Error { socket, errno, .. } => self.error(socket, errno, time, sink),
            What::Exit => {
                if let Some(Thread { tgid, .. }) = record.thread {
                    self.exit(tgid, time, sink);
                }
            }
            What::Exec { .. } | What::Answer { .. } | What::Quic { .. } | What::Datagram { .. } => {}
            What::TlsTouch { session } => self.touch(session, record.thread, sink),
            What::Tls { session, socket, from_start } => {
                self.session(session, socket, from_start, record.thread, sink);
            }
        }
    }

    /// Time passes: connections whose other end did not show go on with the end there is. `now` is monotonic.
    pub fn tick(&mut self, now: u64, sink: &mut impl EventSink) {
        self.departed.clear();
        self.packets_overdue(now, sink);
        while let Some((deadline, id)) = self.waiting.front().copied() {
            if deadline > now {
                break;
            }
            self.waiting.pop_front();
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if self.limits.tells(connection) {
                connection.settle_alone(sink);
            } else {
                self.judge(id, Judgement::NotApi);
            }
        }
    }

    /// Tells what the protocol found, so that the probes copy no more than needed.
    pub fn judge(&mut self, id: ConnectionId, judgement: Judgement) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match judgement {
            Judgement::Tls if connection.layer == Layer::Plain => self.seal(id, true),
            Judgement::Api => {
                for cookie in connection.judged_api() {
                    self.verdicts.push((cookie, Verdict::Full));
                }
            }
            Judgement::NotApi | Judgement::Tls => {
                for cookie in connection.cookies() {
                    self.verdicts.push((cookie, Verdict::Ignore));
                }
                self.forget(id);
            }
        }
    }

    /// Verdicts to hand to the probes since the last call.
    pub fn take_verdicts(&mut self) -> impl Iterator<Item = (Cookie, Verdict)> {
        self.verdicts.drain(..)
    }

    /// The two ends of a connection, `A` first.
    ///
    /// Those of a connection that is over are known until the next call that takes something in.
    pub fn ends(&self, id: ConnectionId) -> Option<[&End; 2]> {
        let followed = self.connections.get(&id);
        followed.or_else(|| self.departed.iter().find(|c| c.id() == id)).map(Connection::ends)
    }

    /// Connections followed now.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// True when no connection is followed.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Connections forgotten to stay within bounds since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Tells everything that is still held back and closes every connection: the capture ends.
    pub fn flush(&mut self, now: u64, sink: &mut impl EventSink) {
        self.now = self.now.max(now);
        let time = self.wall(now);
        self.packets_overdue(u64::MAX, sink);
        let mut ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.finish(id, CloseCause::Unknown, time, sink);
        }
    }

    /// What the wall clock showed when the monotonic clock showed this.
    pub fn time(&self, monotonic: u64) -> Timestamp {
        self.wall(monotonic)
    }

    fn wall(&self, monotonic: u64) -> Timestamp {
        Timestamp::from_nanos(monotonic.wrapping_add(self.epoch))
    }

    fn open(&mut self, open: Open, thread: Option<Thread>, now: u64, sink: &mut impl EventSink) {
        if self.sockets.contains_key(&open.socket) {
            return;
        }
        if let Ends::Ip { local, .. } = open.ends {
            self.local.insert(local.ip());
        }
        let role = self.role(&open);
        let owner = thread.map(|thread| Owner { pid: thread.tgid, comm: Some(open.comm.clone()) });
        let owner = owner.or_else(|| self.known_owner(&open.ends));
        let vantage = Vantage { cookie: open.socket, role, from_start: open.role != Role::Unknown };
        let joined = self.twin(&open).is_some_and(|id| self.join(id, vantage, &open, owner.clone(), sink));
        if !joined {
            self.begin(vantage, &open, owner, now);
            self.evict(self.wall(now), sink);
        }
    }

    /// The other end of the same connection is here already. False when it is not that connection after all, but an
    /// older one with the same addresses.
    fn join(
        &mut self,
        id: ConnectionId,
        vantage: Vantage,
        open: &Open,
        owner: Option<Owner>,
        sink: &mut impl EventSink,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let Some(side) = connection.join(vantage, owner, sink) else { return false };
        self.sockets.insert(vantage.cookie, (id, side));
        if connection.is_sealed() {
            self.verdicts.push((vantage.cookie, self.limits.sealed()));
        }
        if let Ends::Unix { inode, .. } = open.ends {
            connection.set_inode(side, inode);
            self.by_inode.insert(inode, id);
        }
        true
    }

    fn begin(&mut self, vantage: Vantage, open: &Open, owner: Option<Owner>, now: u64) {
        let id = self.new_id();
        let (mut connection, side) = Connection::new(id, vantage, self.limits.spare);
        match open.ends {
            Ends::Ip { local, remote } => {
                let key = TwinKey::new(open.netns, local, remote);
                connection.describe(side, Address::Ip(local), Address::Ip(remote), owner);
                connection.key = Some(key);
                self.by_addresses.insert(key, id);
            }
            Ends::Unix { inode, .. } => {
                connection.describe(side, Address::Unix(None), Address::Unix(None), owner);
                connection.set_inode(side, inode);
                self.by_inode.insert(inode, id);
            }
        }
        if self.expects_twin(open, vantage.role) {
            connection.expect_twin();
            self.waiting.push_back((now.saturating_add(self.limits.grace), id));
        } else {
            connection.alone();
        }
        self.follow(vantage.cookie, id, side, connection);
    }

    fn follow(&mut self, cookie: Cookie, id: ConnectionId, side: Side, connection: Connection) {
        self.sockets.insert(cookie, (id, side));
        self.connections.insert(id, connection);
        self.idle.push_back(id);
    }

    const fn new_id(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        id
    }

    /// Whether the other end should be on this machine too. A server's end needs no other: it carries the bytes.
    fn expects_twin(&self, open: &Open, role: Role) -> bool {
        if role == Role::Server {
            return false;
        }
        match open.ends {
            Ends::Ip { remote, .. } => remote.ip().is_loopback() || self.local.contains(&remote.ip()),
            Ends::Unix { .. } => true,
        }
    }

    fn role(&self, open: &Open) -> Role {
        let Ends::Ip { local, remote } = open.ends else { return open.role };
        if open.role != Role::Unknown {
            return open.role;
        }
        if self.listening.contains(&(open.netns, local.port())) {
            return Role::Server;
        }
        if self.listening.contains(&(open.netns, remote.port())) && self.local.contains(&remote.ip()) {
            return Role::Client;
        }
        Role::Unknown
    }

    fn known_owner(&self, ends: &Ends) -> Option<Owner> {
        let Ends::Unix { inode, .. } = ends else { return None };
        self.owners.get(inode).map(|pid| Owner { pid: *pid, comm: None })
    }

    fn twin(&self, open: &Open) -> Option<ConnectionId> {
        match open.ends {
            Ends::Ip { local, remote } => {
                self.by_addresses.get(&TwinKey::new(open.netns, local, remote)).copied()
            }
            Ends::Unix { inode, peer } => {
                let of_peer = (peer != 0).then(|| self.by_inode.get(&peer)).flatten();
                of_peer.or_else(|| self.by_inode.get(&inode)).copied()
            }
        }
    }

    fn piece(
        &mut self,
        socket: Cookie,
        way: Way,
        thread: Option<Thread>,
        piece: (Timestamp, Piece<'_>),
        sink: &mut impl EventSink,
    ) {
        let Some((id, side)) = self.sockets.get(&socket).copied() else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(Thread { tgid, .. }) = thread {
            connection.owned_by(side, tgid);
        }
        if way == Way::Received
            && matches!(piece.1, Piece::Data { .. })
            && self.is_answered_unheard(id, side)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.expect_nobody();
            connection.settle_alone(sink);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.layer == Layer::Plain && piece.1.begins_sealed() && !connection.was_told() {
            self.seal(id, false);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(cipher) = &mut connection.cipher {
            if cipher.piece(side, way, piece) {
                self.tls.asked.push(id);
            }
            self.sealed_piece(socket, way, thread, piece, sink);
            self.lose_patience(id);
            return;
        }
        connection.may_be_sealed(side, way, piece);
        connection.piece(side, way, piece, sink);
        if let Some(cookie) = connection.superfluous() {
            self.verdicts.push((cookie, Verdict::Ignore));
        }
    }

    fn close(&mut self, socket: Cookie, errno: u32, time: Timestamp, sink: &mut impl EventSink) {
        if let Some(session) = self.tls.carried_by(socket) {
            self.close(session, errno, time, sink);
        }
        self.end_packets(socket, sink);
        let Some((id, side)) = self.sockets.get(&socket).copied() else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let cause = connection.cause(side, errno);
        if connection.closes(side, sink) {
            self.finish(id, cause, time, sink);
        } else {
            self.sockets.remove(&socket);
        }
    }

    /// A failed call on a TCP socket is followed by its CLOSE; a unix socket shows nothing else.
    fn error(&mut self, socket: Cookie, errno: u32, time: Timestamp, sink: &mut impl EventSink) {
        let Some((id, side)) = self.sockets.get(&socket).copied() else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let cause = connection.cause(side, errno);
        if connection.is_unix() && connection.closes(side, sink) {
            self.finish(id, cause, time, sink);
        }
    }

    fn exit(&mut self, pid: u32, time: Timestamp, sink: &mut impl EventSink) {
        let unix = self.by_inode.values().copied();
        let ids: Vec<ConnectionId> = unix.chain(self.tls.loose()).collect();
        for id in ids {
            if self.connections.get(&id).is_some_and(|connection| connection.is_owned_by(pid)) {
                self.finish(id, CloseCause::Finished, time, sink);
            }
        }
    }

    fn finish(&mut self, id: ConnectionId, cause: CloseCause, time: Timestamp, sink: &mut impl EventSink) {
        if let Some(connection) = self.connections.get_mut(&id).filter(|found| self.limits.tells(found)) {
            connection.finish(cause, time, sink);
        }
        self.forget(id);
    }

    fn forget(&mut self, id: ConnectionId) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        self.tls.leave(&mut connection, self.wall(self.now));
        for cookie in connection.cookies() {
            self.sockets.remove(&cookie);
            self.packets.forget(cookie);
        }
        self.over_at_one_end(&connection);
        self.tls.forget(&connection);
        self.legs.forget(&connection);
        for end in connection.ends() {
            if self.by_inode.get(&end.inode) == Some(&id) {
                self.by_inode.remove(&end.inode);
            }
        }
        if let Some(key) = connection.key
            && self.by_addresses.get(&key) == Some(&id)
        {
            self.by_addresses.remove(&key);
        }
        self.departed.push(connection);
    }

    /// Second chance: a connection that moved since it was last looked at stays.
    fn evict(&mut self, time: Timestamp, sink: &mut impl EventSink) {
        while self.connections.len() > self.limits.connections {
            let Some(id) = self.idle.pop_front() else { return };
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if connection.take_touched() {
                self.idle.push_back(id);
            } else {
                // Of what is sealed nothing was going to be told.
                self.evicted += u64::from(!connection.is_sealed());
                self.finish(id, CloseCause::Unknown, time, sink);
            }
        }
        // Ids of finished connections stay in the queue; they must not outnumber the living.
        if self.idle.len() > 2 * self.connections.len() + 1024 {
            self.idle.retain(|id| self.connections.contains_key(id));
        }
    }
}

/// The bytes cannot be had at this end at all; every other loss is one of quantity, and the other end's would be no less.
const fn is_blind(loss: Loss) -> bool {
    match loss {
        Loss::NoBuffer | Loss::Guarded | Loss::Fault => true,
        Loss::RingFull | Loss::OverCap | Loss::Shed | Loss::Undecided => false,
    }
}

impl TwinKey {
    fn new(netns: u32, one: SocketAddr, other: SocketAddr) -> Self {
        let netns = if one.ip().is_loopback() || other.ip().is_loopback() { netns } else { 0 };
        Self { netns, low: one.min(other), high: one.max(other) }
    }
}
