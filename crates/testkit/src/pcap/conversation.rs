use overhear_exchange::{Side, Timestamp, wire::Segment};
use std::{net::SocketAddr, time::Duration};

/// One TCP packet as it would be on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it is captured.
    pub time: Timestamp,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver; of the same address family as the sender.
    pub destination: SocketAddr,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; sets the ACK flag.
    pub acknowledgement: Option<u32>,
    /// Synchronise.
    pub syn: bool,
    /// No more data from the sender.
    pub fin: bool,
    /// Reset.
    pub rst: bool,
    /// Payload.
    pub payload: Vec<u8>,
    /// Sent as IP fragments of this many bytes (rounded down to a multiple of eight, at least eight).
    pub fragment: Option<usize>,
}

impl Packet {
    /// The packet as a reader of the capture yields it, nothing cut off.
    pub fn segment(&self) -> Segment<'_> {
        Segment {
            time: self.time,
            source: self.source,
            destination: self.destination,
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            syn: self.syn,
            fin: self.fin,
            rst: self.rst,
            payload: &self.payload,
            length: u32::try_from(self.payload.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Two ends that talk over TCP, and what a capture of it records.
///
/// Every call appends packets, or changes what becomes of the last ones. Packets are 10 µs apart unless [`Self::wait`] says more.
#[derive(Clone, Debug)]
pub struct Conversation {
    ends: [SocketAddr; 2],
    next: [u32; 2],
    heard: [bool; 2],
    now: u64,
    segment_size: usize,
    packets: Vec<Packet>,
}

impl Conversation {
    /// `a` opens the connection to `b`. Starts at 2026-01-01T00:00:00Z with fixed initial sequence numbers.
    pub fn new(a: SocketAddr, b: SocketAddr) -> Self {
        Self {
            ends: [a, b],
            next: [1_000, 2_000_000],
            heard: [false; 2],
            now: 1_767_225_600_000_000_000,
            segment_size: 1_460,
            packets: Vec::new(),
        }
    }

    /// The next packet is captured at this time.
    pub fn at(&mut self, time: Timestamp) -> &mut Self {
        self.now = time.as_nanos();
        self
    }

    /// The next sequence numbers of both ends.
    pub fn sequences(&mut self, a: u32, b: u32) -> &mut Self {
        self.next = [a, b];
        self
    }

    /// Sends are cut into segments of at most this many bytes (1460 unless said).
    pub fn segment_size(&mut self, bytes: usize) -> &mut Self {
        self.segment_size = bytes.max(1);
        self
    }

    /// As if the connection had been opened before the capture began: packets acknowledge from the start.
    pub fn joined(&mut self) -> &mut Self {
        self.heard = [true; 2];
        self
    }

    /// SYN, SYN-ACK, ACK.
    pub fn open(&mut self) -> &mut Self {
        self.syn(Side::A).syn(Side::B).acknowledge(Side::A)
    }

    /// A SYN; with ACK once the other end was heard.
    pub fn syn(&mut self, from: Side) -> &mut Self {
        let packet = Packet { syn: true, ..self.packet(from) };
        self.next[from.index()] = packet.sequence.wrapping_add(1);
        self.push(from, packet)
    }

    /// Sends bytes, in as many segments as they need.
    pub fn send(&mut self, from: Side, bytes: &[u8]) -> &mut Self {
        for part in bytes.chunks(self.segment_size) {
            let packet = Packet { payload: part.to_vec(), ..self.packet(from) };
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            self.next[from.index()] = packet.sequence.wrapping_add(length);
            self.push(from, packet);
        }
        self
    }

    /// A packet that only acknowledges.
    pub fn acknowledge(&mut self, from: Side) -> &mut Self {
        let packet = self.packet(from);
        self.push(from, packet)
    }

    /// A keep-alive probe with one byte of garbage just before the next sequence number (RFC 9293 §3.8.4).
    pub fn keep_alive(&mut self, from: Side) -> &mut Self {
        let packet = self.packet(from);
        let sequence = packet.sequence.wrapping_sub(1);
        self.push(from, Packet { sequence, payload: vec![0], ..packet })
    }

    /// FIN: `from` is done sending.
    pub fn finish(&mut self, from: Side) -> &mut Self {
        let packet = Packet { fin: true, ..self.packet(from) };
        self.next[from.index()] = packet.sequence.wrapping_add(1);
        self.push(from, packet)
    }

    /// Both finish, `a` first, and `a` acknowledges.
    pub fn close(&mut self) -> &mut Self {
        self.finish(Side::A).finish(Side::B).acknowledge(Side::A)
    }

    /// RST.
    pub fn reset(&mut self, from: Side) -> &mut Self {
        let packet = Packet { rst: true, ..self.packet(from) };
        self.push(from, packet)
    }

    /// Time passes.
    pub fn wait(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self
    }

    /// The last packet never reaches the capture.
    pub fn lose_last(&mut self) -> &mut Self {
        self.packets.pop();
        self
    }

    /// The last packet comes once more: a duplicate, or after [`Self::wait`] a retransmission.
    pub fn repeat_last(&mut self) -> &mut Self {
        if let Some(last) = self.packets.last().cloned() {
            let time = self.tick();
            self.packets.push(Packet { time, ..last });
        }
        self
    }

    /// The last two packets overtake each other.
    pub fn swap_last(&mut self) -> &mut Self {
        if let [.., before, last] = self.packets.as_mut_slice() {
            std::mem::swap(before, last);
            std::mem::swap(&mut before.time, &mut last.time);
        }
        self
    }

    /// The last packet travels as IP fragments with at most this many bytes of IP payload each.
    pub fn fragment_last(&mut self, bytes: usize) -> &mut Self {
        if let Some(last) = self.packets.last_mut() {
            last.fragment = Some(bytes);
        }
        self
    }

    /// The packets so far, in the order of capture.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// The packets so far, to do to them what has no word here.
    pub fn packets_mut(&mut self) -> &mut Vec<Packet> {
        &mut self.packets
    }

    fn packet(&mut self, from: Side) -> Packet {
        let (this, other) = (from.index(), from.other().index());
        Packet {
            time: self.tick(),
            source: self.ends[this],
            destination: self.ends[other],
            sequence: self.next[this],
            acknowledgement: self.heard[other].then_some(self.next[other]),
            syn: false,
            fin: false,
            rst: false,
            payload: Vec::new(),
            fragment: None,
        }
    }

    fn push(&mut self, from: Side, packet: Packet) -> &mut Self {
        self.heard[from.index()] = true;
        self.packets.push(packet);
        self
    }

    fn tick(&mut self) -> Timestamp {
        self.now = self.now.saturating_add(10_000);
        Timestamp::from_nanos(self.now)
    }
}
