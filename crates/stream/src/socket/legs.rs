//! TLS that is passed on: one session over several connections.
//!
//! A proxy that was asked to CONNECT (RFC 9110 §9.3.6), and one that passes on whatever it gets, takes no part in the session:
//! what its client says first leaves as it came. The 32 random bytes in it (RFC 8446 §4.1.2) are nowhere else. So connections
//! with the same ones, of which one ends at the process where the next begins, are *legs* of one way: the plaintext at the
//! client's end of the first is the plaintext at the server's end of the last, and is told as of one connection between them.

use super::{
    Assembler, End,
    connection::{Connection, Tunnel},
};
use overhear_exchange::{Address, Side, wire::ConnectionId};
use overhear_probe::record::{Cookie, Role};
use std::collections::{BTreeSet, VecDeque};

/// Legs of one way. Where more connections say the same, somebody plays, and nothing is concluded from it.
const MOST: usize = 8;

/// Connections by what the client of their session said and nobody else does.
///
/// A set in order: a client that chooses what it says cannot choose where it collides.
#[derive(Debug, Default)]
pub(super) struct Legs(BTreeSet<([u8; 32], ConnectionId)>);

impl Legs {
    pub(super) fn add(&mut self, id: ConnectionId, random: Option<&[u8; 32]>) {
        self.0.extend(random.map(|random| (*random, id)));
    }

    pub(super) fn forget(&mut self, connection: &Connection) {
        if let Some(random) = random(connection) {
            self.0.remove(&(*random, connection.id()));
        }
    }

    fn saying(&self, random: [u8; 32]) -> impl Iterator<Item = ConnectionId> {
        let (first, last) = (ConnectionId(u64::MIN), ConnectionId(u64::MAX));
        let found = self.0.range((random, first)..=(random, last)).map(|(_, id)| *id);
        let few = found.clone().nth(MOST).is_none();
        found.filter(move |_| few)
    }
}

/// What is under a session that is heard at one end: the connection it is told for.
#[derive(Debug)]
pub(super) struct Under {
    /// The last leg.
    pub(super) id: ConnectionId,
    /// The end of it that this session is at, or would be if there were no proxies.
    pub(super) side: Side,
    /// What that end is to its own connection.
    pub(super) role: Role,
    /// Who talk with each other.
    pub(super) ends: [End; 2],
}

impl Assembler {
    /// CONNECT was granted: what `client` says from now on is for somebody else.
    pub fn tunnels(&mut self, id: ConnectionId, client: Side, to: Address) {
        let began = self.wall(self.now);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.tunnel = Some(Box::new(Tunnel::new(client, to, began)));
        }
    }

    /// What is under a session at this end of a sealed connection.
    pub(super) fn under(&self, id: ConnectionId, side: Side) -> Option<Under> {
        let sealed = self.connections.get(&id)?;
        let (client, legs) = (client(sealed), self.legs_of(sealed));
        let [Some(first), Some(last)] = [legs.first(), legs.last()] else { return None };
        let is_its_own_end = match client {
            Some(client) if client == side => first.id() == id,
            Some(_) => last.id() == id,
            None => false,
        };
        // Who is between two legs has no part in their session: whatever this is, it is of this connection alone.
        let (first, last) = if is_its_own_end { (*first, *last) } else { (sealed, sealed) };
        let asks = client == Some(side);
        let at_last = if asks { end_of_client(last) } else { side };
        let mut ends = last.ends().map(End::clone);
        if first.id() != last.id() {
            ends[end_of_client(last).index()] = first.end(end_of_client(first)).clone();
        }
        if let Some(to) = last.tunnel.as_ref().and_then(|tunnel| tunnel.leads(at_last)) {
            ends[at_last.other().index()] = End { address: to.clone(), ..End::default() };
        }
        Some(Under { id: last.id(), side: at_last, role: sealed.role_at(side), ends })
    }

    /// Every connection that the session of this one goes over, from its client on.
    pub(super) fn legs_of<'a>(&'a self, connection: &'a Connection) -> Vec<&'a Connection> {
        let mut legs = VecDeque::from([connection]);
        while let Some(before) = legs.front().and_then(|leg| self.beyond(leg, client, &legs)) {
            legs.push_front(before);
        }
        while let Some(next) = legs.back().and_then(|leg| self.beyond(leg, server, &legs)) {
            legs.push_back(next);
        }
        legs.into()
    }

    /// The one leg that meets this one at its client's end, or at its server's, and is not one of those that are known. `None`
    /// where there is none, or several could be it.
    fn beyond(
        &self,
        leg: &Connection,
        end: fn(&Connection) -> Option<Side>,
        known: &VecDeque<&Connection>,
    ) -> Option<&Connection> {
        let here = (leg, end(leg)?);
        let meets = |other: &&Connection| end(other).is_some_and(|end| meet(here, (other, end.other())));
        let saying = self.legs.saying(*random(leg)?).filter_map(|id| self.connections.get(&id));
        let mut found = saying.filter(|other| known.iter().all(|leg| leg.id() != other.id())).filter(meets);
        let next = found.next()?;
        found.next().is_none().then_some(next)
    }

    /// The sockets at both ends of the way that a session goes over this connection, by the connection's sides.
    pub(super) fn sockets_under(&self, last: &Connection) -> [Option<Cookie>; 2] {
        let legs = self.legs_of(last);
        [Side::A, Side::B].map(|side| match legs.first() {
            Some(first) if client(last) == Some(side) => first.cookie(end_of_client(first)),
            _ => last.cookie(side),
        })
    }
}

fn random(connection: &Connection) -> Option<&[u8; 32]> {
    connection.cipher.as_ref()?.random()
}

fn client(connection: &Connection) -> Option<Side> {
    connection.cipher.as_ref()?.client()
}

fn server(connection: &Connection) -> Option<Side> {
    client(connection).map(Side::other)
}

fn end_of_client(connection: &Connection) -> Side {
    client(connection).unwrap_or(Side::A)
}

/// The same process has both ends; or nothing is heard at either, and nothing speaks against it.
fn meet(one: (&Connection, Side), other: (&Connection, Side)) -> bool {
    let [one, other] = [one, other].map(|(connection, side)| {
        let owner = connection.end(side).owner.as_ref();
        (owner.map(|owner| owner.pid), connection.cookie(side).is_some())
    });
    match (one, other) {
        ((Some(one), _), (Some(other), _)) => one == other,
        ((None, false), (None, false)) => true,
        _ => false,
    }
}
