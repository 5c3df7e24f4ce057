//! What shows of a connection whose bytes are TLS: how many, for how long, and what its client said in the clear.

use super::{Assembler, End, connection::Connection, connection::Piece};
use overhear_exchange::{Side, Timestamp, wire::ConnectionId};
use overhear_probe::record::{Role, Way};
use std::sync::Arc;

/// Bytes of a client's first message that are held.
const LONGEST: usize = 16 * 1024;

/// What a client of TLS says before it encrypts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Whom it wants (SNI).
    pub server_name: Option<Arc<str>>,
    /// What it wants to speak (ALPN), the first that it named.
    pub protocol: Option<Arc<str>>,
    /// What no other session has (RFC 8446 §4.1.2).
    pub random: Option<[u8; 32]>,
}

/// A connection that is encrypted, as far as it shows.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its ends, `A` first.
    pub ends: [End; 2],
    /// The end that answers, where it is known.
    pub server: Option<Side>,
    /// It was heard from its first byte on.
    pub from_start: bool,
    /// Bytes that each end sent.
    pub sent: [u64; 2],
    /// When its first byte was seen.
    pub began: Timestamp,
    /// When it was over; else when it was last told of.
    pub last: Timestamp,
    /// What its client said.
    pub wanted: Wanted,
}

/// The same while it lasts.
#[derive(Debug)]
pub(super) struct Cipher {
    began: Timestamp,
    last: Timestamp,
    /// By the end that sends: which end counts, and how many bytes it has seen.
    sent: [Option<(Side, u64)>; 2],
    hello: Hello,
    wanted: Wanted,
}

/// The first message of the client.
#[derive(Debug)]
enum Hello {
    /// Nothing was seen of it. It is the first that is said, or, `inside` a tunnel, the first that looks so.
    Awaited { inside: bool },
    /// A part, at which end, who sent it and from which byte on. `enough`: with so many bytes it is worth another look.
    Part { at: Side, from: Side, begins: u64, bytes: Vec<u8>, enough: usize, last: bool },
    /// All of it that can be had, and who sent it.
    Known { from: Option<Side> },
}

impl Cipher {
    pub(super) fn new(began: Timestamp) -> Self {
        let hello = Hello::Awaited { inside: false };
        Self { began, last: began, sent: [None; 2], hello, wanted: Wanted::default() }
    }

    /// Of what may be said in a tunnel, which begins later than its connection.
    pub(super) fn inside(began: Timestamp) -> Self {
        Self { hello: Hello::Awaited { inside: true }, ..Self::new(began) }
    }

    /// Counts, and keeps what may be the client's first message. True when that is to be looked at.
    pub(super) fn piece(&mut self, at: Side, way: Way, (time, piece): (Timestamp, Piece<'_>)) -> bool {
        self.last = self.last.max(time);
        let Piece::Data { offset, size, bytes, .. } = piece else { return false };
        let from = match way {
            Way::Sent => at,
            Way::Received => at.other(),
        };
        let (counter, sent) = self.sent[from.index()].get_or_insert((at, 0));
        if *counter == at {
            *sent = (*sent).max(offset.saturating_add(size));
        }
        if let Hello::Awaited { inside } = self.hello
            && (!inside || piece.begins_sealed())
        {
            let begins = if inside { offset } else { 0 };
            self.hello =
                Hello::Part { at, from, begins, bytes: Vec::new(), enough: 0, last: offset > begins };
        }
        self.keep(at, from, (offset, size, bytes))
    }

    fn keep(&mut self, at: Side, from: Side, (offset, size, bytes): (u64, u64, &[u8])) -> bool {
        let Hello::Part { at: same, from: client, begins, bytes: held, enough, last } = &mut self.hello
        else {
            return false;
        };
        if *same != at {
            return false;
        }
        if *client == from {
            let follows = !*last && offset == begins.saturating_add(held.len() as u64);
            if follows {
                let room = LONGEST.saturating_sub(held.len());
                held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            // What was not copied does not come any more, and what is longer than all that are honest is not waited for.
            *last |= !follows || (bytes.len() as u64) < size || held.len() >= LONGEST;
        } else {
            // It is answered.
            *last = true;
        }
        *last || held.len() >= *enough
    }

    /// What is there of the client's first message, and whether it is all that there will be.
    fn hello(&self) -> Option<(&[u8], bool)> {
        match &self.hello {
            Hello::Part { bytes, last, .. } => Some((bytes, *last)),
            Hello::Awaited { .. } | Hello::Known { .. } => None,
        }
    }

    /// Who sent it, where it is known.
    pub(super) fn client(&self) -> Option<Side> {
        match &self.hello {
            Hello::Known { from } => *from,
            Hello::Awaited { .. } | Hello::Part { .. } => None,
        }
    }

    /// What makes this session another than all others.
    pub(super) const fn random(&self) -> Option<&[u8; 32]> {
        self.wanted.random.as_ref()
    }

    fn told(&self, connection: &Connection) -> Sealed {
        let role = |side: Side| connection.role_at(side);
        let by_role = [Side::A, Side::B].into_iter().find(|side| role(*side) == Role::Server);
        let client = [Side::A, Side::B].into_iter().find(|side| role(*side) == Role::Client);
        let client = client.or_else(|| self.client());
        let [a, b] = connection.ends().map(End::clone);
        Sealed {
            ends: [a, b],
            server: by_role.or_else(|| client.map(Side::other)),
            from_start: connection.is_from_start(),
            sent: self.sent.map(|counted| counted.map_or(0, |(_, sent)| sent)),
            began: self.began,
            last: self.last,
            wanted: self.wanted.clone(),
        }
    }
}

impl Assembler {
    /// A connection that turned out to be TLS, or of which more of its client's first message is there: to be looked at with
    /// [`Self::hello`].
    pub fn next_sealed(&mut self) -> Option<ConnectionId> {
        self.tls.asked.pop()
    }

    /// The first bytes of a client of TLS, and whether no more of them will come. `None` where they are known, or gone.
    pub fn hello(&self, id: ConnectionId) -> Option<(&[u8], bool)> {
        self.connections.get(&id)?.cipher.as_ref()?.hello()
    }

    /// There have to be so many of them.
    pub fn hello_wants(&mut self, id: ConnectionId, more: usize) {
        let cipher = self.connections.get_mut(&id).and_then(|connection| connection.cipher.as_mut());
        if let Some(Hello::Part { enough, .. }) = cipher.map(|cipher| &mut cipher.hello) {
            *enough = more;
        }
    }

    /// What was said in them; nothing where they are something else. From now on no more of it is copied.
    pub fn hello_says(&mut self, id: ConnectionId, said: Option<Wanted>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(cipher) = connection.cipher.as_mut() else { return };
        let Hello::Part { from, .. } = &cipher.hello else { return };
        cipher.hello = Hello::Known { from: said.is_some().then_some(*from) };
        cipher.wanted = said.unwrap_or_default();
        self.legs.add(id, cipher.random());
        let (verdict, tls) = (self.limits.sealed(), &self.tls);
        let open = connection.cookies().filter(|cookie| tls.carried_by(*cookie).is_none());
        self.verdicts.extend(open.map(|cookie| (cookie, verdict)));
    }

    /// Encrypted connections that are over and of which no plaintext was heard, since the last call.
    pub fn take_unread(&mut self) -> std::vec::Drain<'_, Sealed> {
        self.tls.over.drain(..)
    }

    /// Those that are not over.
    pub fn unread(&self) -> impl Iterator<Item = Sealed> {
        let ids = self.tls.unread.iter();
        ids.filter_map(|id| {
            let connection = self.connections.get(id)?;
            Some(connection.cipher.as_ref()?.told(connection))
        })
    }

    /// What the client of a connection said of whom it wants: its own, or that of the connection whose plaintext it is.
    pub fn wanted(&self, id: ConnectionId) -> Option<&Wanted> {
        let find = |id| {
            let followed = self.connections.get(&id);
            followed.or_else(|| self.departed.iter().find(|connection| connection.id() == id))
        };
        let connection = find(id)?;
        let carrier = connection.opened_of().and_then(find).unwrap_or(connection);
        carrier.cipher.as_ref().map(|cipher| &cipher.wanted)
    }
}

impl super::tls::Sessions {
    /// A sealed connection is over.
    pub(super) fn leave(&mut self, connection: &mut Connection, at: Timestamp) {
        if !self.unread.remove(&connection.id()) {
            return;
        }
        if let Some(cipher) = connection.cipher.as_mut() {
            cipher.last = cipher.last.max(at);
        }
        self.over.extend(connection.cipher.as_ref().map(|cipher| cipher.told(connection)));
    }
}
