//! Sessions of TLS: whose plaintext is which connection's.
//!
//! The probes number the sessions of TLS libraries and tell their plaintext as if each were a socket of its own. What the
//! sockets themselves carry is *sealed*: it is not told, and if it stays so, it is counted. A session is told as a
//! connection beside the sealed one, with the ends of its socket; two sessions at both ends of one connection are joined
//! like two sockets.
//!
//! Which socket carries a session the probes say themselves where the library uses the socket. Where the program does (Node,
//! asyncio), it shows by what one thread does: it reads from a socket and gets plaintext from a session, or puts plaintext
//! into a session and writes to a socket. Ciphertext is longer than its plaintext by what each record adds (RFC 8446 §5.2,
//! RFC 5246 §6.2.3). A session whose socket is not found is told without addresses.

use super::{
    Assembler, Owner,
    connection::{Connection, Layer, Piece, Vantage},
    legs::Under,
    sealed::Sealed,
};
use overhear_exchange::{
    Side, Timestamp,
    wire::{CloseCause, ConnectionId, EventSink},
};
use overhear_probe::record::{Cookie, Role, Thread, Verdict, Way};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// Plaintext bytes of one record at most (RFC 8446 §5.1).
const RECORD: u64 = 1 << 14;
/// What a record adds: header, tag and content type in TLS 1.3; header, explicit nonce and tag of AES-GCM, or header and tag of
/// ChaCha20-Poly1305 in TLS 1.2.
const ADDED: [u64; 3] = [22, 29, 21];
/// The least of them.
const LEAST_ADDED: u64 = 21;
/// Calls on a sealed socket after which nobody expects its plaintext any more.
const PATIENCE: u32 = 256;
/// What a thread reads from a socket it gives to a session within this many nanoseconds.
const AT_ONCE: u64 = 10_000_000;
/// Threads of which something is remembered.
const MOST_THREADS: usize = 1 << 14;
/// Sessions that one thread wrote to without a socket to show for it.
const MOST_WRITTEN: usize = 8;
/// Sockets remembered whose other end told all there was.
const MOST_TOLD: usize = 1 << 12;

/// What is known of sessions beyond their connections.
#[derive(Default)]
pub(super) struct Sessions {
    /// The socket of each session that is followed, where it is known.
    sockets: FxHashMap<Cookie, Option<Cookie>>,
    /// And back.
    carried: FxHashMap<Cookie, Cookie>,
    /// The connection of the plaintext, by the sealed one.
    plain: FxHashMap<ConnectionId, ConnectionId>,
    /// Connections whose sockets do not say when they are over.
    loose: FxHashSet<ConnectionId>,
    /// Sockets whose plaintext was told by the other end of their connection, and that is over: on a busy machine a call may be
    /// told of after all that followed from it.
    told: FxHashSet<Cookie>,
    told_in_order: VecDeque<Cookie>,
    threads: Threads,
    /// Sealed connections whose plaintext is not heard.
    pub(super) unread: FxHashSet<ConnectionId>,
    /// Those of them that are over.
    pub(super) over: Vec<Sealed>,
    /// Sealed connections to be looked at.
    pub(super) asked: Vec<ConnectionId>,
    /// Sealed connections that nobody told of.
    sealed: u64,
    /// Those of them whose plaintext was heard.
    read: u64,
    /// The same of connections that had been told of, as what they look like.
    read_after_all: u64,
}

impl Sessions {
    pub(super) fn forget(&mut self, connection: &Connection) {
        for cookie in connection.cookies() {
            if let Some(Some(socket)) = self.sockets.remove(&cookie)
                && self.carried.get(&socket) == Some(&cookie)
            {
                self.carried.remove(&socket);
            }
        }
        if let Layer::Opened { of: Some(sealed) } = connection.layer
            && self.plain.get(&sealed) == Some(&connection.id())
        {
            self.plain.remove(&sealed);
        }
        self.loose.remove(&connection.id());
    }

    fn told_elsewhere(&mut self, socket: Cookie) {
        if !self.told.insert(socket) {
            return;
        }
        self.told_in_order.push_back(socket);
        if self.told_in_order.len() > MOST_TOLD
            && let Some(oldest) = self.told_in_order.pop_front()
        {
            self.told.remove(&oldest);
        }
    }

    /// Connections of which no socket will say that they are over.
    pub(super) fn loose(&self) -> Vec<ConnectionId> {
        self.loose.iter().copied().collect()
    }

    /// The session that this socket carries.
    pub(super) fn carried_by(&self, socket: Cookie) -> Option<Cookie> {
        self.carried.get(&socket).copied()
    }

    /// What is remembered, threads apart.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.sockets.len() + self.carried.len() + self.plain.len() + self.loose.len() + self.unread.len()
    }

    /// It is known which socket carries the session.
    pub(super) fn has_socket(&self, session: Cookie) -> bool {
        self.sockets.get(&session).is_some_and(Option::is_some)
    }

    fn is_without_socket(&self, session: Cookie) -> bool {
        self.sockets.get(&session) == Some(&None)
    }
}

impl Assembler {
    /// TLS connections whose plaintext is not heard, less those that were told of as TLS and heard after all.
    pub fn unread_tls(&self) -> i64 {
        let Sessions { sealed, read, read_after_all, .. } = &self.tls;
        let count = |number: &u64| i64::try_from(*number).unwrap_or(i64::MAX);
        count(sealed) - count(read) - count(read_after_all)
    }

    /// A session shows, or its socket does.
    pub(super) fn session(
        &mut self,
        session: Cookie,
        socket: Option<Cookie>,
        from_start: bool,
        thread: Option<Thread>,
        sink: &mut impl EventSink,
    ) {
        match (self.tls.sockets.get(&session), socket) {
            (Some(Some(_)), _) | (Some(None), None) => {}
            (None, None) => self.begin_without_socket(session, thread),
            (_, Some(socket)) => {
                // The probes saw it used: whatever it carried before is over.
                if let Some(before) = self.tls.carried_by(socket).filter(|before| *before != session) {
                    self.end_session(before, CloseCause::Unknown, sink);
                }
                if !self.carry(session, socket, from_start, thread, sink) {
                    self.begin_without_socket(session, thread);
                }
            }
        }
        self.evict(self.wall(self.now), sink);
    }

    /// What a sealed connection's socket shows.
    pub(super) fn sealed_piece(
        &mut self,
        socket: Cookie,
        way: Way,
        thread: Option<Thread>,
        (time, piece): (Timestamp, Piece<'_>),
        sink: &mut impl EventSink,
    ) {
        match (self.tls.carried_by(socket), piece) {
            (Some(session), Piece::End) => self.piece(session, way, thread, (time, Piece::End), sink),
            (None, Piece::End) => {}
            (Some(session), Piece::Data { .. }) if !session.moves() => {}
            (_, Piece::Data { size, .. }) => {
                let Some(Thread { tid, .. }) = thread else { return };
                let moved = Moved { socket, way, size, at: self.now, carried: self.tls.carried_by(socket) };
                if let Some(session) = self.tls.threads.sealed(tid, &moved) {
                    self.guess(session, socket, thread, sink);
                }
            }
        }
    }

    /// A thread gave this session what it had just read from a socket, if it had.
    pub(super) fn touch(&mut self, session: Cookie, thread: Option<Thread>, sink: &mut impl EventSink) {
        let Some(Thread { tid, .. }) = thread else { return };
        let Some(socket) = self.tls.threads.touched(tid, session, self.now) else { return };
        if !self.tls.has_socket(session) && self.tls.carried_by(socket).is_none() {
            self.carry(session, socket, false, thread, sink);
        }
    }

    /// Plaintext moves: perhaps that shows which socket carries the session.
    pub(super) fn plaintext(
        &mut self,
        session: Cookie,
        way: Way,
        size: u64,
        thread: Option<Thread>,
        sink: &mut impl EventSink,
    ) {
        let Some(Thread { tid, .. }) = thread else { return };
        if (self.tls.is_without_socket(session) || session.moves())
            && let Some(socket) = self.tls.threads.plain(tid, session, way, (size, self.now))
        {
            self.guess(session, socket, thread, sink);
        }
    }

    /// Its bytes are TLS: they are not told from now on. `told` when they were until now.
    pub(super) fn seal(&mut self, id: ConnectionId, told: bool) {
        let began = self.wall(self.now);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.seal(told, began) {
            self.tls.sealed += u64::from(!told);
            self.tls.unread.insert(id);
            self.tls.asked.push(id);
        }
    }

    /// So many calls, and no plaintext: its program is not heard.
    pub(super) fn lose_patience(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.waits_for_plaintext(PATIENCE) {
            self.verdicts.extend(connection.cookies().map(|cookie| (cookie, Verdict::Tally)));
        }
    }

    pub(super) fn end_session(&mut self, session: Cookie, cause: CloseCause, sink: &mut impl EventSink) {
        if let Some((id, _)) = self.sockets.get(&session).copied() {
            self.finish(id, cause, self.wall(self.now), sink);
        }
    }

    fn guess(&mut self, session: Cookie, socket: Cookie, thread: Option<Thread>, sink: &mut impl EventSink) {
        let before = self.tls.carried_by(socket);
        let free = before.is_none_or(|before| before.moves() && session.moves());
        if self.tls.is_without_socket(session) && free {
            self.carry(session, socket, false, thread, sink);
        }
    }

    /// This end is answered, and nobody was heard who could have: neither at the other end, nor in a session of which it does not
    /// show yet which socket it is on, and which has read just what was asked.
    pub(super) fn is_answered_unheard(&self, id: ConnectionId, side: Side) -> bool {
        let connection = self.connections.get(&id).filter(|connection| connection.is_answered_unheard(side));
        connection
            .is_some_and(|connection| !connection.held_from(side).is_some_and(|asked| self.has_read(asked)))
    }

    /// A session without a socket has read this, as far as it has read.
    fn has_read(&self, asked: &[u8]) -> bool {
        let loose = self.tls.loose.iter().filter_map(|id| self.connections.get(id));
        let mut read = loose.filter_map(|loose| loose.held_from(loose.own_side().other()));
        read.any(|read| !read.is_empty() && (asked.starts_with(read) || read.starts_with(asked)))
    }

    /// The plaintext of one end is over: what comes of the other, if it did not come yet, is the same once more.
    pub(super) fn over_at_one_end(&mut self, connection: &Connection) {
        let Layer::Opened { of: Some(sealed) } = connection.layer else { return };
        let Some(carrier) = self.connections.get(&sealed).filter(|_| connection.was_told()) else { return };
        let sockets = self.sockets_under(carrier);
        for side in [Side::A, Side::B] {
            if let (None, Some(socket)) = (connection.cookie(side), sockets[side.index()]) {
                self.tls.told_elsewhere(socket);
            }
        }
    }

    /// Nothing of this session is told.
    fn pass_over(&mut self, session: Cookie) {
        self.verdicts.push((session, Verdict::Ignore));
        let held = self.sockets.get(&session).and_then(|(id, _)| self.connections.get(id));
        if let Some(id) = held.filter(|connection| !connection.was_told()).map(Connection::id) {
            self.forget(id);
        }
    }

    /// This socket carries this session. False when nothing is known of the socket.
    fn carry(
        &mut self,
        session: Cookie,
        socket: Cookie,
        from_start: bool,
        thread: Option<Thread>,
        sink: &mut impl EventSink,
    ) -> bool {
        if self.tls.told.contains(&socket) {
            self.pass_over(session);
            return true;
        }
        let Some((sealed, side)) = self.sockets.get(&socket).copied() else { return false };
        let told = self.connections.get(&sealed).is_some_and(Connection::was_told);
        self.seal(sealed, told);
        let Some(under) = self.under(sealed, side) else { return false };
        self.is_read(sealed);
        // Of one that moves it must show where it is then.
        if !session.moves() {
            self.verdicts.push((socket, Verdict::Carries));
        }
        self.tls.carried.insert(socket, session);
        self.tls.sockets.insert(session, Some(socket));
        let before = self.sockets.get(&session).and_then(|(id, _)| self.connections.get(id));
        match before.map(|connection| (connection.id(), connection.was_told())) {
            Some((id, true)) => self.explain(id, under),
            Some((id, false)) => {
                let held = self.connections.remove(&id).map(Connection::into_spares).unwrap_or_default();
                self.tls.loose.remove(&id);
                self.begin_with_socket(session, &under, from_start, thread, sink);
                for (way, time, piece) in &held {
                    self.piece(session, *way, thread, (*time, piece.as_piece()), sink);
                }
            }
            None => self.begin_with_socket(session, &under, from_start, thread, sink),
        }
        true
    }

    /// The plaintext of a connection is heard, and so is that of all others that its session goes over.
    fn is_read(&mut self, id: ConnectionId) {
        let legs = self.connections.get(&id).map(|connection| self.legs_of(connection)).unwrap_or_default();
        let ids: Vec<ConnectionId> = legs.into_iter().map(Connection::id).collect();
        for id in ids {
            self.tls.unread.remove(&id);
            match self.connections.get_mut(&id).and_then(Connection::read) {
                Some(true) => self.tls.read_after_all += 1,
                Some(false) => self.tls.read += 1,
                None => {}
            }
        }
    }

    fn begin_with_socket(
        &mut self,
        session: Cookie,
        under: &Under,
        from_start: bool,
        thread: Option<Thread>,
        sink: &mut impl EventSink,
    ) {
        let Under { id: sealed, side, role, .. } = *under;
        if let Some(id) = self.tls.plain.get(&sealed).copied() {
            let vantage = Vantage { cookie: session, role, from_start };
            let owner = thread.map(|thread| Owner { pid: thread.tgid, comm: None });
            let twin = self.connections.get_mut(&id);
            if twin.is_some_and(|twin| twin.join_over(under, vantage, owner, sink)) {
                self.sockets.insert(session, (id, side));
                return;
            }
            if session.moves() && self.moved(session, (id, side)) {
                return;
            }
            self.finish(id, CloseCause::Unknown, self.wall(self.now), sink);
        }
        let id = self.new_id();
        let Some(carrier) = self.connections.get(&sealed) else { return };
        let mut connection = carrier.opened(id, under, (session, from_start), self.limits.spare);
        if let Some(Thread { tgid, .. }) = thread {
            connection.owned_by(side, tgid);
        }
        if carrier.is_unix() {
            self.tls.loose.insert(id);
        }
        let settled = role == Role::Server || !carrier.has_twin();
        if settled {
            connection.alone();
        }
        if !settled || !from_start {
            self.waiting.push_back((self.now.saturating_add(self.limits.grace), id));
        }
        self.tls.plain.insert(sealed, id);
        self.follow(session, id, side, connection);
    }

    /// The session at this place is in another place of its program's memory. False when it cannot be the same.
    fn moved(&mut self, session: Cookie, (id, side): (ConnectionId, Side)) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let Some(before) = connection.moves(side, session) else { return false };
        self.verdicts.extend(connection.verdict_of(side).map(|verdict| (session, verdict)));
        self.sockets.remove(&before);
        self.tls.sockets.remove(&before);
        self.sockets.insert(session, (id, side));
        true
    }

    fn begin_without_socket(&mut self, session: Cookie, thread: Option<Thread>) {
        if self.sockets.contains_key(&session) {
            return;
        }
        let id = self.new_id();
        let vantage = Vantage { cookie: session, role: Role::Unknown, from_start: false };
        let (mut connection, side) = Connection::new(id, vantage, self.limits.spare);
        connection.layer = Layer::Opened { of: None };
        if let Some(Thread { tgid, .. }) = thread {
            connection.owned_by(side, tgid);
        }
        // It will be known when the thread uses the socket, which is next.
        self.waiting.push_back((self.now.saturating_add(self.limits.grace), id));
        self.tls.sockets.insert(session, None);
        self.tls.loose.insert(id);
        self.follow(session, id, side, connection);
    }

    /// The socket of a session that was told without addresses shows after all.
    fn explain(&mut self, id: ConnectionId, under: Under) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let sealed = under.id;
        connection.explain(under);
        self.tls.plain.entry(sealed).or_insert(id);
        self.tls.loose.remove(&id);
    }
}

/// What threads did last, as far as it may show which socket carries which session.
#[derive(Debug, Default)]
struct Threads(FxHashMap<u32, Trace>);

#[derive(Debug, Default)]
struct Trace {
    /// What it read from a sealed socket last, and has not given to a session yet.
    received: Option<Received>,
    /// Plaintext that was put into sessions and has not left on a socket.
    written: Vec<Written>,
}

/// Ciphertext that moved on a socket, and whose it is as far as it is known.
#[derive(Clone, Copy, Debug)]
struct Moved {
    socket: Cookie,
    way: Way,
    size: u64,
    at: u64,
    carried: Option<Cookie>,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    socket: Cookie,
    bytes: u64,
    at: u64,
    /// Nothing else was read just before: programs that read from several sockets first show nothing.
    alone: bool,
}

#[derive(Debug)]
struct Written {
    session: Cookie,
    bytes: u64,
    records: u64,
}

impl Threads {
    /// A thread moved ciphertext. Says whose plaintext that is, where it shows.
    fn sealed(&mut self, tid: u32, moved: &Moved) -> Option<Cookie> {
        let trace = self.trace(tid);
        let Moved { socket, size, at, .. } = *moved;
        match (moved.way, &mut trace.received) {
            (Way::Received, Some(before)) if before.socket == socket => {
                *before = Received { bytes: before.bytes.saturating_add(size), at, ..*before };
            }
            (Way::Received, received) => {
                let alone = received.is_none_or(|before| !before.is_fresh(at));
                *received = Some(Received { socket, bytes: size, at, alone });
            }
            (Way::Sent, _) => return trace.left(size, moved.carried),
        }
        None
    }

    /// A thread was in a session. Says which socket it had read from just before, and not for another session.
    fn touched(&mut self, tid: u32, session: Cookie, now: u64) -> Option<Cookie> {
        let received = self.0.get_mut(&tid)?.received.take()?;
        // Of what rustls reads only plaintext shows, which is there as soon as it was read.
        let sure = received.is_fresh(now) && (received.alone || session.moves());
        sure.then_some(received.socket)
    }

    /// A thread moved plaintext. Says on which socket it came, where it shows.
    fn plain(&mut self, tid: u32, session: Cookie, way: Way, (size, now): (u64, u64)) -> Option<Cookie> {
        match way {
            Way::Received => {
                let bytes = self.0.get(&tid)?.received?.bytes;
                self.touched(tid, session, now).filter(|_| size.saturating_add(LEAST_ADDED) <= bytes)
            }
            Way::Sent => {
                self.trace(tid).wrote(session, size);
                None
            }
        }
    }

    fn trace(&mut self, tid: u32) -> &mut Trace {
        if self.0.len() >= MOST_THREADS && !self.0.contains_key(&tid) {
            // Nothing but a chance to match is lost, and only what is happening now counts.
            self.0.clear();
        }
        self.0.entry(tid).or_default()
    }
}

impl Received {
    const fn is_fresh(self, now: u64) -> bool {
        now.saturating_sub(self.at) <= AT_ONCE
    }
}

impl Trace {
    fn wrote(&mut self, session: Cookie, size: u64) {
        let records = size.div_ceil(RECORD);
        if let Some(written) = self.written.iter_mut().find(|written| written.session == session) {
            written.bytes = written.bytes.saturating_add(size);
            written.records = written.records.saturating_add(records);
        } else {
            if self.written.len() >= MOST_WRITTEN {
                self.written.remove(0);
            }
            self.written.push(Written { session, bytes: size, records });
        }
    }

    /// So many bytes left on one socket, which carries this session as far as it is known.
    fn left(&mut self, size: u64, carried: Option<Cookie>) -> Option<Cookie> {
        let own = self.written.iter().position(|written| Some(written.session) == carried);
        if let Some(own) = own {
            return Some(self.written.remove(own).session);
        }
        let exactly = |written: &Written| {
            ADDED
                .iter()
                .any(|added| written.bytes.saturating_add(added.saturating_mul(written.records)) == size)
        };
        // What else is in the first flight (RFC 8446 §2) makes it longer.
        let at_least = |written: &Written| {
            written.bytes.saturating_add(LEAST_ADDED.saturating_mul(written.records)) <= size
        };
        let place = match self.written.as_slice() {
            [only] if carried.is_none() => at_least(only).then_some(0),
            several => {
                let mut fitting = several.iter().enumerate().filter(|(_, written)| exactly(written));
                let first = fitting.next();
                if fitting.next().is_some() { None } else { first.map(|(place, _)| place) }
            }
        }?;
        Some(self.written.remove(place).session)
    }
}
