//! What a capture shows of connections that are encrypted.

use crate::{host_names::HostNames, unread::wanted};
use overhear_exchange::{
    Address, Cipher, Direction, Side, Timestamp, Unread, UnreadKey, UnreadReason, UnreadTable,
    wire::{ConnectionId, Event},
};
use overhear_protocol::{Verdict, tls};
use overhear_stream::socket::Wanted;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Connections of a capture that may be encrypted.
#[derive(Default)]
pub(crate) struct Encrypted {
    connections: FxHashMap<ConnectionId, Box<Connection>>,
    over: UnreadTable,
}

struct Connection {
    ends: [Address; 2],
    began: Timestamp,
    last: Timestamp,
    sent: [u64; 2],
    /// It was found to speak TLS.
    certain: bool,
    /// The first message of the one that spoke first.
    hello: Vec<u8>,
    client: Option<Side>,
    /// Bytes that have to be there before it is worth another look; absent where all was read.
    enough: Option<usize>,
    wanted: Wanted,
}

impl Encrypted {
    /// What happens on a connection, before the protocols look at it; `ends` as they were when it was opened.
    pub(crate) fn event(&mut self, event: &Event<'_>, ends: impl FnOnce(ConnectionId) -> [Address; 2]) {
        match *event {
            Event::Data { connection, from, time, bytes } => {
                if let Some(known) = self.connections.get_mut(&connection) {
                    known.data(from, time, bytes);
                } else if may_be_tls(bytes) {
                    let mut new = Box::new(Connection::new(ends(connection), time));
                    new.data(from, time, bytes);
                    self.connections.insert(connection, new);
                }
            }
            Event::Gap { connection, from, time, length } => {
                if let Some(known) = self.connections.get_mut(&connection) {
                    known.gap(from, time, length.unwrap_or_default());
                }
            }
            Event::Open { .. } | Event::End { .. } | Event::Close { .. } => {}
        }
    }

    /// What a connection was found to speak.
    pub(crate) fn judged(&mut self, id: ConnectionId, verdict: Verdict) {
        match verdict {
            Verdict::NotAnApi("tls") => {
                if let Some(known) = self.connections.get_mut(&id) {
                    known.certain = true;
                }
            }
            Verdict::NotAnApi(_) | Verdict::Speaks(_) => {
                self.connections.remove(&id);
            }
            Verdict::Undecided => {}
        }
    }

    /// It is over.
    pub(crate) fn closed(&mut self, id: ConnectionId, at: Timestamp, names: &HostNames) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        connection.last = connection.last.max(at);
        if connection.certain {
            let (key, what) = connection.tell(names);
            self.over.add(key, &what);
        }
    }

    /// All that is over.
    pub(crate) fn table(&self) -> &UnreadTable {
        &self.over
    }
}

/// The first byte of a record (RFC 8446 §5.1), which no protocol that is read begins with.
const fn may_be_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17] | [0x14..=0x17, 3, ..])
}

impl Connection {
    fn new(ends: [Address; 2], began: Timestamp) -> Self {
        Self {
            ends,
            began,
            last: began,
            sent: [0; 2],
            certain: false,
            hello: Vec::new(),
            client: None,
            enough: Some(0),
            wanted: Wanted::default(),
        }
    }

    fn data(&mut self, from: Side, time: Timestamp, bytes: &[u8]) {
        self.last = self.last.max(time);
        self.count(from, bytes.len() as u64);
        if self.enough.is_none() {
            return;
        }
        if *self.client.get_or_insert(from) != from {
            return self.read(true);
        }
        let room = tls::LONGEST.saturating_sub(self.hello.len());
        self.hello.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let is_all = self.hello.len() >= tls::LONGEST;
        if is_all || self.enough.is_some_and(|enough| self.hello.len() >= enough) {
            self.read(is_all);
        }
    }

    fn gap(&mut self, from: Side, time: Timestamp, length: u64) {
        self.last = self.last.max(time);
        self.count(from, length);
        if self.enough.is_some() {
            self.read(true);
        }
    }

    fn count(&mut self, from: Side, bytes: u64) {
        if let Some(sent) = self.sent.get_mut(from.index()) {
            *sent = sent.saturating_add(bytes);
        }
    }

    fn read(&mut self, is_all: bool) {
        match tls::of_records(&self.hello) {
            tls::Reading::Part(_, wants) if !is_all => return self.enough = Some(wants),
            tls::Reading::Other => self.client = None,
            tls::Reading::Whole(hello) | tls::Reading::Part(hello, _) => self.wanted = wanted(hello),
        }
        self.enough = None;
        self.hello = Vec::new();
    }

    /// The API is what its server answers.
    fn tell(self, names: &HostNames) -> (UnreadKey, Unread) {
        let [a, b] = self.ends;
        let [from_a, from_b] = self.sent;
        let a_answers = match (self.client, &a, &b) {
            (Some(client), ..) => client == Side::B,
            (None, Address::Ip(a), Address::Ip(b)) => a.port() < b.port(),
            (None, ..) => false,
        };
        let (server, sent, received) = if a_answers { (a, from_a, from_b) } else { (b, from_b, from_a) };
        let Wanted { server_name, protocol, .. } = self.wanted;
        let address = || match &server {
            Address::Ip(address) => address.to_string().into(),
            Address::Name(name, _) => Arc::clone(name),
            Address::Unix(_) | Address::Unknown => Arc::from("unknown"),
        };
        let program = server_name.clone().or_else(|| names.of(&server).cloned()).unwrap_or_else(address);
        let duration = self.last.since(self.began);
        let mut what = Unread { connections: 1, sent, received, duration, ..Unread::default() };
        server_name.iter().for_each(|name| what.names.add(name, 1));
        protocol.iter().for_each(|protocol| what.protocols.add(protocol, 1));
        let key = UnreadKey {
            program,
            executable: None,
            direction: Direction::Inbound,
            cipher: Cipher::Tls,
            reason: UnreadReason::Capture,
        };
        (key, what)
    }
}
