//! Flows of QUIC in a capture.

use super::{Hello, PORT, SILENT};
use crate::host_names::HostNames;
use overhear_capture::file::UdpDatagram;
use overhear_exchange::{
    Address, Cipher, Direction, Timestamp, Unread, UnreadKey, UnreadReason, UnreadTable,
};
use overhear_protocol::quic::{is_initial, looks_like};
use overhear_stream::socket::Wanted;
use rustc_hash::FxHashMap;
use std::{net::SocketAddr, sync::Arc};

/// Flows followed at once; when there are more all of them count as over.
const MOST: usize = 1 << 16;

/// By the two ends, the lesser first.
#[derive(Default)]
pub(crate) struct Flows {
    open: FxHashMap<[SocketAddr; 2], Box<Flow>>,
    over: UnreadTable,
}

struct Flow {
    /// Who sent the first datagram, and to whom.
    ends: [SocketAddr; 2],
    began: Timestamp,
    last: Timestamp,
    sent: [u64; 2],
    hello: Hello,
}

impl Flows {
    /// Takes any datagram, and counts it where it belongs to a flow of QUIC.
    pub(crate) fn datagram(&mut self, datagram: &UdpDatagram<'_>, names: &HostNames) {
        let ends = [datagram.source, datagram.destination];
        let key = [ends[0].min(ends[1]), ends[0].max(ends[1])];
        if let Some(flow) = self.open.get_mut(&key) {
            if datagram.time.as_nanos().saturating_sub(flow.last.as_nanos()) < SILENT {
                return flow.take(datagram);
            }
            self.end(key, names);
        }
        let at_its_port = ends.iter().any(|end| end.port() == PORT) && looks_like(datagram.payload);
        if !at_its_port && !is_initial(datagram.payload) {
            return;
        }
        if self.open.len() >= MOST {
            let all: Vec<_> = self.open.keys().copied().collect();
            all.into_iter().for_each(|key| self.end(key, names));
        }
        let mut flow = Box::new(Flow::new(ends, datagram.time));
        flow.take(datagram);
        self.open.insert(key, flow);
    }

    /// All that were seen.
    pub(crate) fn table(&self, names: &HostNames) -> UnreadTable {
        let mut table = self.over.clone();
        self.open.values().for_each(|flow| flow.tell(names, &mut table));
        table
    }

    fn end(&mut self, key: [SocketAddr; 2], names: &HostNames) {
        if let Some(flow) = self.open.remove(&key) {
            flow.tell(names, &mut self.over);
        }
    }
}

impl Flow {
    fn new(ends: [SocketAddr; 2], began: Timestamp) -> Self {
        Self { ends, began, last: began, sent: [0; 2], hello: Hello::new() }
    }

    fn take(&mut self, datagram: &UdpDatagram<'_>) {
        let [first, second] = &mut self.sent;
        let sent = if datagram.source == self.ends[0] { first } else { second };
        *sent = sent.saturating_add(datagram.length.into());
        self.last = self.last.max(datagram.time);
        self.hello.take(datagram.payload);
    }

    /// The API is what its server answers: whoever the client sent its first datagram to, else who has the port.
    fn tell(&self, names: &HostNames, table: &mut UnreadTable) {
        let [first, second] = self.ends;
        let [from_first, from_second] = self.sent;
        let first_answers = self.hello.wanted().is_none() && first.port() == PORT && second.port() != PORT;
        let (server, sent, received) =
            if first_answers { (first, from_first, from_second) } else { (second, from_second, from_first) };
        let Wanted { server_name, protocol, .. } = self.hello.wanted().cloned().unwrap_or_default();
        let named = server_name.clone().or_else(|| names.of(&Address::Ip(server)).cloned());
        let duration = self.last.since(self.began);
        let mut what = Unread { connections: 1, sent, received, duration, ..Unread::default() };
        server_name.iter().for_each(|name| what.names.add(name, 1));
        protocol.iter().for_each(|protocol| what.protocols.add(protocol, 1));
        let key = UnreadKey {
            program: named.unwrap_or_else(|| Arc::from(server.to_string())),
            executable: None,
            direction: Direction::Inbound,
            cipher: Cipher::Quic,
            reason: UnreadReason::Quic,
        };
        table.add(key, &what);
    }
}
