mod piece;
mod session;
mod tunnel;
mod unasked;

use super::{End, Owner, TwinKey, legs::Under, sealed::Cipher};
use overhear_exchange::{
    Address, Side, Timestamp,
    wire::{CloseCause, ConnectionId, Event, EventSink},
};
use overhear_probe::record::{Cookie, Role, Way};
pub(super) use piece::{Held, Piece};
pub(super) use tunnel::Tunnel;

/// One socket's view of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vantage {
    pub(super) cookie: Cookie,
    pub(super) role: Role,
    /// Heard since it was opened: offsets of both ends mean the same byte.
    pub(super) from_start: bool,
}

/// A piece kept because it is not certain yet which end will carry the bytes.
#[derive(Debug)]
struct Spare {
    vantage: Side,
    from: Side,
    time: Timestamp,
    /// `None` is the end of the direction.
    data: Option<(u64, u64, Box<[u8]>, bool)>,
}

#[derive(Debug, Default)]
struct Place {
    vantage: Option<Vantage>,
    closed: bool,
    end: End,
    /// What was moved in both directions before the session got the name that it has now.
    before: [u64; 2],
}

/// What is sent by one side.
#[derive(Debug, Default)]
struct Direction {
    /// The end that is believed; `None` while waiting for the other end to show.
    carrier: Option<Side>,
    /// Offset of the next byte to tell, as the carrier counts.
    next: u64,
    /// Something was told.
    begun: bool,
    /// The carrier was changed to one that counts differently.
    adrift: bool,
    /// The carrier was changed once; it is not changed again.
    switched: bool,
    /// The carrier showed readable bytes.
    proven: bool,
    ended: bool,
}

/// What the bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// What its sockets move, as it is.
    Plain,
    /// What its sockets move is TLS: it is not told. `told`: it was, at first. `read`: its plaintext is heard.
    Sealed { told: bool, read: bool, calls: u32 },
    /// The plaintext of TLS; of that sealed connection, where it is known.
    Opened { of: Option<ConnectionId> },
}

/// One connection, heard at one end or at both.
#[derive(Debug)]
pub(super) struct Connection {
    id: ConnectionId,
    pub(super) layer: Layer,
    /// What shows of it once it is sealed.
    pub(super) cipher: Option<Box<Cipher>>,
    /// It leads on to somebody else.
    pub(super) tunnel: Option<Box<Tunnel>>,
    /// The other end should be on this machine too.
    twin_expected: bool,
    pub(super) key: Option<TwinKey>,
    places: [Place; 2],
    directions: [Direction; 2],
    spares: Vec<Spare>,
    spare_bytes: usize,
    spare_limit: usize,
    opener_known: bool,
    /// An answer is held back: what it answers may be heard yet, at the other end.
    unasked: bool,
    /// Nobody waits for the other end any more.
    late: bool,
    opened: bool,
    touched: bool,
    silenced: bool,
    judged: bool,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, first: Vantage, spare_limit: usize) -> (Self, Side) {
        let side = if first.role == Role::Server { Side::B } else { Side::A };
        (Self::at(side, id, first, spare_limit), side)
    }

    fn at(side: Side, id: ConnectionId, first: Vantage, spare_limit: usize) -> Self {
        let mut places = [Place::default(), Place::default()];
        places[side.index()].vantage = Some(first);
        Self {
            id,
            layer: Layer::Plain,
            cipher: None,
            tunnel: None,
            twin_expected: false,
            key: None,
            places,
            directions: [Direction::default(), Direction::default()],
            spares: Vec::new(),
            spare_bytes: 0,
            spare_limit,
            // Who listens tells who opened it, and not that we were there: something may have been said before.
            opener_known: first.from_start,
            unasked: false,
            late: false,
            opened: false,
            touched: true,
            silenced: false,
            judged: false,
        }
    }

    /// The connection of the plaintext of a session that this connection is under, for the end where that is heard.
    pub(super) fn opened(
        &self,
        id: ConnectionId,
        under: &Under,
        (session, from_start): (Cookie, bool),
        spare_limit: usize,
    ) -> Self {
        let vantage = Vantage { cookie: session, role: under.role, from_start };
        let mut connection = Self::at(under.side, id, vantage, spare_limit);
        for (place, end) in connection.places.iter_mut().zip(&under.ends) {
            place.end = end.clone();
        }
        connection.layer = Layer::Opened { of: Some(self.id) };
        connection.opener_known = self.opener_known && from_start;
        connection.twin_expected = self.has_twin();
        connection
    }

    pub(super) const fn id(&self) -> ConnectionId {
        self.id
    }

    pub(super) fn describe(&mut self, side: Side, local: Address, remote: Address, owner: Option<Owner>) {
        self.places[side.index()].end = End { address: local, owner, inode: 0 };
        self.places[side.other().index()].end.address = remote;
    }

    pub(super) fn set_inode(&mut self, side: Side, inode: u64) {
        self.places[side.index()].end.inode = inode;
    }

    /// The other end shows. Says which side it is, or `None` when that side is taken.
    pub(super) fn join(
        &mut self,
        second: Vantage,
        owner: Option<Owner>,
        sink: &mut impl EventSink,
    ) -> Option<Side> {
        let side = if self.places[0].vantage.is_none() { Side::A } else { Side::B };
        self.join_at(side, second, owner, sink).then_some(side)
    }

    /// As [`Self::join_at`], for a session of which it is known what is under it.
    pub(super) fn join_over(
        &mut self,
        under: &Under,
        second: Vantage,
        owner: Option<Owner>,
        sink: &mut impl EventSink,
    ) -> bool {
        let place = &mut self.places[under.side.index()];
        if place.vantage.is_none() {
            place.end = under.ends[under.side.index()].clone();
        }
        self.join_at(under.side, second, owner, sink)
    }

    /// As [`Self::join`], where it is known which side shows. False when that side is taken.
    pub(super) fn join_at(
        &mut self,
        side: Side,
        second: Vantage,
        owner: Option<Owner>,
        sink: &mut impl EventSink,
    ) -> bool {
        let place = &mut self.places[side.index()];
        if place.vantage.is_some() {
            return false;
        }
        place.vantage = Some(second);
        place.end.owner = owner.or(place.end.owner.take());
        if self.directions.iter().all(|direction| direction.carrier.is_none()) {
            let server = self.server_side(side);
            self.settle(server, sink);
        }
        true
    }

    pub(super) const fn expect_twin(&mut self) {
        self.twin_expected = true;
    }

    /// The other end is on this machine, or should be.
    pub(super) fn has_twin(&self) -> bool {
        self.twin_expected || self.places.iter().all(|place| place.vantage.is_some())
    }

    pub(super) fn role_at(&self, side: Side) -> Role {
        self.places[side.index()].vantage.map_or(Role::Unknown, |vantage| vantage.role)
    }

    pub(super) fn cookie(&self, side: Side) -> Option<Cookie> {
        self.places[side.index()].vantage.map(|vantage| vantage.cookie)
    }

    pub(super) const fn end(&self, side: Side) -> &End {
        &self.places[side.index()].end
    }

    pub(super) const fn is_sealed(&self) -> bool {
        matches!(self.layer, Layer::Sealed { .. })
    }

    /// The sealed connection whose plaintext this is.
    pub(super) const fn opened_of(&self) -> Option<ConnectionId> {
        match self.layer {
            Layer::Opened { of } => of,
            Layer::Plain | Layer::Sealed { .. } => None,
        }
    }

    /// One of its ends was heard since it was opened.
    pub(super) fn is_from_start(&self) -> bool {
        self.places.iter().flat_map(|place| place.vantage).any(|vantage| vantage.from_start)
    }

    /// Something of it was told.
    pub(super) const fn was_told(&self) -> bool {
        self.opened
    }

    /// Its bytes are TLS. False when that was known.
    pub(super) fn seal(&mut self, told: bool, began: Timestamp) -> bool {
        if self.is_sealed() {
            return false;
        }
        self.layer = Layer::Sealed { told, read: false, calls: 0 };
        let in_a_tunnel = self.tunnel.as_mut().and_then(|tunnel| tunnel.take_cipher());
        self.cipher = Some(Box::new(in_a_tunnel.unwrap_or_else(|| Cipher::new(began))));
        self.spares = Vec::new();
        true
    }

    /// Its plaintext is heard. Says once whether it had been told of before it was sealed.
    pub(super) const fn read(&mut self) -> Option<bool> {
        let Layer::Sealed { told, read, .. } = &mut self.layer else { return None };
        if std::mem::replace(read, true) { None } else { Some(*told) }
    }

    /// One call more on a sealed connection. True once: when there were so many, and no plaintext.
    pub(super) const fn waits_for_plaintext(&mut self, most: u32) -> bool {
        let Layer::Sealed { read: false, calls, .. } = &mut self.layer else { return false };
        *calls = calls.saturating_add(1);
        *calls == most
    }

    /// No other end is expected on this machine.
    pub(super) fn alone(&mut self) {
        let side = if self.places[0].vantage.is_some() { Side::A } else { Side::B };
        for direction in &mut self.directions {
            direction.carrier.get_or_insert(side);
        }
    }

    /// The other end did not show in time.
    pub(super) fn settle_alone(&mut self, sink: &mut impl EventSink) {
        self.late = true;
        if self.directions.iter().all(|direction| direction.carrier.is_none()) {
            self.settle(self.own_side(), sink);
        }
        self.answer(sink);
    }

    pub(super) fn piece(
        &mut self,
        side: Side,
        way: Way,
        at: (Timestamp, Piece<'_>),
        sink: &mut impl EventSink,
    ) {
        self.touched = true;
        let from = match way {
            Way::Sent => side,
            Way::Received => side.other(),
        };
        let mut at = at;
        if let Piece::Data { offset, .. } = &mut at.1 {
            *offset = offset.saturating_add(self.places[side.index()].before[from.index()]);
        }
        let direction = &self.directions[from.index()];
        if direction.carrier == Some(side) {
            self.carry(from, side, at, sink);
        } else if direction.carrier.is_none() || !direction.proven {
            self.keep(from, side, at);
            if self.unasked && from == side && matches!(at.1, Piece::Data { .. }) {
                self.asked_before(from);
                self.change_carrier(from, side, sink);
                self.answer(sink);
            }
        }
    }

    /// The end whose bytes nobody needs any more, told once: both directions are read well at the other.
    pub(super) fn superfluous(&mut self) -> Option<Cookie> {
        let [a, b] = &self.directions;
        if self.silenced || !a.proven || !b.proven || a.carrier != b.carrier {
            return None;
        }
        let carrier = a.carrier?;
        let other = &self.places[carrier.other().index()];
        let cookie = other.vantage.filter(|_| !other.closed)?.cookie;
        self.silenced = true;
        self.spares = Vec::new();
        Some(cookie)
    }

    /// The sockets to hear in full, once.
    pub(super) fn judged_api(&mut self) -> Vec<Cookie> {
        if std::mem::replace(&mut self.judged, true) {
            return Vec::new();
        }
        let carrier = if self.silenced { self.directions[0].carrier } else { None };
        [Side::A, Side::B]
            .into_iter()
            .filter(|side| carrier.is_none_or(|carrier| carrier == *side))
            .filter_map(|side| Some(self.places[side.index()].vantage?.cookie))
            .collect()
    }

    pub(super) fn cookies(&self) -> impl Iterator<Item = Cookie> {
        self.places.iter().filter_map(|place| Some(place.vantage?.cookie))
    }

    pub(super) fn ends(&self) -> [&End; 2] {
        let [a, b] = &self.places;
        [&a.end, &b.end]
    }

    pub(super) fn owned_by(&mut self, side: Side, pid: u32) {
        self.places[side.index()].end.owner.get_or_insert(Owner { pid, comm: None });
    }

    pub(super) fn is_owned_by(&self, pid: u32) -> bool {
        self.places.iter().any(|place| place.end.owner.as_ref().is_some_and(|owner| owner.pid == pid))
    }

    pub(super) fn is_unix(&self) -> bool {
        self.places.iter().any(|place| matches!(place.end.address, Address::Unix(_)))
    }

    pub(super) fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// What the kernel's error of the socket at `side` means for the connection (errno-base.h, errno.h).
    pub(super) fn cause(&self, side: Side, errno: u32) -> CloseCause {
        const EPIPE: u32 = 32;
        const ENETUNREACH: u32 = 101;
        const ECONNABORTED: u32 = 103;
        const ECONNRESET: u32 = 104;
        const ETIMEDOUT: u32 = 110;
        const ECONNREFUSED: u32 = 111;
        const EHOSTUNREACH: u32 = 113;
        match errno {
            0 => CloseCause::Finished,
            EPIPE | ECONNRESET | ECONNABORTED => CloseCause::Reset(Some(side.other())),
            ECONNREFUSED => CloseCause::Refused,
            ETIMEDOUT => CloseCause::TimedOut,
            ENETUNREACH | EHOSTUNREACH => CloseCause::Unreachable,
            _ => CloseCause::Reset(None),
        }
    }

    /// The socket at `side` is closed. Is the connection over with it?
    pub(super) fn closes(&mut self, side: Side, sink: &mut impl EventSink) -> bool {
        self.places[side.index()].closed = true;
        let other = &self.places[side.other().index()];
        if other.closed || other.vantage.is_none() {
            return true;
        }
        if self.directions.iter().all(|direction| direction.carrier == Some(side)) {
            return true;
        }
        // What this end said and the other never took in is known from here only.
        let unheard =
            !self.directions[side.index()].proven && self.spares.iter().any(|spare| spare.from == side);
        if unheard {
            self.change_carrier(side, side, sink);
        }
        unheard
    }

    pub(super) fn finish(&mut self, cause: CloseCause, time: Timestamp, sink: &mut impl EventSink) {
        if self.is_sealed() {
            return;
        }
        self.settle_alone(sink);
        let failed = !matches!(cause, CloseCause::Finished | CloseCause::Unknown);
        if self.opened || failed {
            self.tell_open(time, sink);
            sink.event(Event::Close { connection: self.id, time, cause });
        }
    }

    /// Of two ends, the server's; the one that was opened second where nothing tells.
    fn server_side(&self, second: Side) -> Side {
        let role = |side: Side| self.places[side.index()].vantage.map(|vantage| vantage.role);
        if role(Side::B) == Some(Role::Server) || role(Side::A) == Some(Role::Client) {
            return Side::B;
        }
        if role(Side::A) == Some(Role::Server) || role(Side::B) == Some(Role::Client) {
            return Side::A;
        }
        match (&self.places[0].end.address, &self.places[1].end.address) {
            (Address::Ip(a), Address::Ip(b)) if a.port() < b.port() => Side::A,
            (Address::Ip(_), Address::Ip(_)) => Side::B,
            _ => second,
        }
    }

    fn settle(&mut self, carrier: Side, sink: &mut impl EventSink) {
        for direction in &mut self.directions {
            direction.carrier = Some(carrier);
        }
        let (mine, others) =
            std::mem::take(&mut self.spares).into_iter().partition(|spare| spare.vantage == carrier);
        self.spares = others;
        self.replay(mine, sink);
    }

    fn change_carrier(&mut self, from: Side, to: Side, sink: &mut impl EventSink) {
        let aligned = self.places.iter().flat_map(|place| place.vantage).all(|vantage| vantage.from_start);
        let direction = &mut self.directions[from.index()];
        direction.carrier = Some(to);
        direction.switched = true;
        direction.adrift = !aligned;
        let (mine, others) = std::mem::take(&mut self.spares)
            .into_iter()
            .partition(|spare| spare.from == from && spare.vantage == to);
        self.spares = others;
        self.replay(mine, sink);
    }

    fn replay(&mut self, spares: Vec<Spare>, sink: &mut impl EventSink) {
        for spare in spares {
            let held = Held(spare.data);
            let piece = held.as_piece();
            if let Piece::Data { bytes, .. } = piece {
                self.spare_bytes = self.spare_bytes.saturating_sub(bytes.len());
            }
            if self.directions[spare.from.index()].carrier == Some(spare.vantage) {
                self.carry(spare.from, spare.vantage, (spare.time, piece), sink);
            }
        }
    }

    fn keep(&mut self, from: Side, vantage: Side, (time, piece): (Timestamp, Piece<'_>)) {
        let data = match piece {
            Piece::End => None,
            Piece::Data { offset, size, bytes, unreadable } => {
                // Beyond the limit only the length is kept: a gap, should it come to that.
                let fits = self.spare_bytes + bytes.len() <= self.spare_limit && self.spares.len() < 256;
                let kept: Box<[u8]> = if fits { bytes.into() } else { Box::default() };
                if !fits && self.spares.len() >= 256 {
                    return;
                }
                self.spare_bytes += kept.len();
                Some((offset, size, kept, unreadable))
            }
        };
        self.spares.push(Spare { vantage, from, time, data });
    }

    fn carry(
        &mut self,
        from: Side,
        side: Side,
        (time, piece): (Timestamp, Piece<'_>),
        sink: &mut impl EventSink,
    ) {
        match piece {
            Piece::Data { unreadable: true, .. } if self.may_change(from, side) => {
                self.change_carrier(from, side.other(), sink);
            }
            piece if from == side && !piece.is_said_unasked() && self.may_be_asked_yet(side) => {
                self.unasked = true;
                self.keep(from, side, (time, piece));
            }
            Piece::Data { offset, size, bytes, .. } => {
                if from == side && !piece.is_said_unasked() && self.missed_the_request(side) {
                    self.change_carrier(side.other(), side.other(), sink);
                }
                self.tell_open(time, sink);
                self.tell_data(from, time, (offset, size, bytes), sink);
                if !bytes.is_empty() && !self.directions[from.index()].proven {
                    self.directions[from.index()].proven = true;
                    self.spares.retain(|spare| spare.from != from);
                }
            }
            Piece::End => {
                if !self.directions[from.index()].ended && self.opened {
                    self.directions[from.index()].ended = true;
                    sink.event(Event::End { connection: self.id, from, time });
                }
            }
        }
    }

    fn may_change(&self, from: Side, side: Side) -> bool {
        !self.silenced
            && !self.directions[from.index()].switched
            && self.places[side.other().index()].vantage.is_some()
    }

    fn tell_open(&mut self, time: Timestamp, sink: &mut impl EventSink) {
        if std::mem::replace(&mut self.opened, true) {
            return;
        }
        let [a, b] = self.ends().map(|end| end.address.clone());
        let tls = matches!(self.layer, Layer::Opened { .. });
        sink.event(Event::Open { connection: self.id, time, a, b, opener_known: self.opener_known, tls });
    }

    fn tell_data(&mut self, from: Side, time: Timestamp, data: (u64, u64, &[u8]), sink: &mut impl EventSink) {
        let (offset, size, bytes) = data;
        let connection = self.id;
        let direction = &mut self.directions[from.index()];
        if std::mem::take(&mut direction.adrift) {
            if direction.begun {
                sink.event(Event::Gap { connection, from, time, length: None });
            }
            direction.next = offset;
        }
        direction.begun = true;
        if offset > direction.next {
            sink.event(Event::Gap { connection, from, time, length: Some(offset - direction.next) });
            direction.next = offset;
        }
        // Two threads that use one socket at once can be reported out of order; what was passed over stays a gap.
        let known = usize::try_from(direction.next - offset).unwrap_or(usize::MAX);
        let end = offset.saturating_add(size);
        if end <= direction.next {
            return;
        }
        direction.next = end;
        let fresh = bytes.get(known..).unwrap_or_default();
        if !fresh.is_empty() {
            sink.event(Event::Data { connection, from, time, bytes: fresh });
        }
        let missing = end - offset.saturating_add(bytes.len().max(known) as u64);
        if missing > 0 {
            sink.event(Event::Gap { connection, from, time, length: Some(missing) });
        }
    }
}
