use super::{Conversation, Link, Packet, frame};
use overhear_exchange::Timestamp;

/// A capture file in the making. Packets are recorded in order of time; those of equal time in the order they were added.
#[derive(Clone, Debug)]
pub struct Capture {
    link: Link,
    vlans: Vec<u16>,
    snaplen: usize,
    nanoseconds: bool,
    big_endian: bool,
    frames: Vec<(Timestamp, Recorded)>,
}

#[derive(Clone, Debug)]
enum Recorded {
    Tcp(Box<Packet>),
    Raw(Vec<u8>),
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            link: Link::Ethernet,
            vlans: Vec::new(),
            snaplen: 262_144,
            nanoseconds: true,
            big_endian: false,
            frames: Vec::new(),
        }
    }
}

impl Capture {
    /// Ethernet, little-endian, nanoseconds, whole packets.
    pub fn new() -> Self {
        Self::default()
    }

    /// The link layer of every packet.
    pub fn link(&mut self, link: Link) -> &mut Self {
        self.link = link;
        self
    }

    /// VLAN tags of every packet, outermost first (Ethernet and SLL).
    pub fn vlans(&mut self, ids: &[u16]) -> &mut Self {
        self.vlans = ids.to_vec();
        self
    }

    /// At most this many bytes of a packet are recorded.
    pub fn snaplen(&mut self, bytes: usize) -> &mut Self {
        self.snaplen = bytes;
        self
    }

    /// Microseconds instead of nanoseconds.
    pub fn microseconds(&mut self) -> &mut Self {
        self.nanoseconds = false;
        self
    }

    /// The file is big-endian.
    pub fn big_endian(&mut self) -> &mut Self {
        self.big_endian = true;
        self
    }

    /// Adds everything a conversation says.
    pub fn add(&mut self, conversation: &Conversation) -> &mut Self {
        let recorded = |packet: &Packet| (packet.time, Recorded::Tcp(Box::new(packet.clone())));
        self.frames.extend(conversation.packets().iter().map(recorded));
        self
    }

    /// Adds a frame as it is, link header included.
    pub fn frame(&mut self, time: Timestamp, bytes: &[u8]) -> &mut Self {
        self.frames.push((time, Recorded::Raw(bytes.to_vec())));
        self
    }

    /// The classic file.
    pub fn pcap(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.u32(&mut out, if self.nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 });
        self.u16(&mut out, 2);
        self.u16(&mut out, 4);
        self.u32(&mut out, 0);
        self.u32(&mut out, 0);
        self.u32(&mut out, size(self.snaplen));
        self.u32(&mut out, self.link as u32);
        for (time, frame) in self.in_order() {
            let nanos = time.as_nanos();
            let fraction = nanos % 1_000_000_000 / if self.nanoseconds { 1 } else { 1_000 };
            let kept = &frame[..frame.len().min(self.snaplen)];
            self.u32(&mut out, u32::try_from(nanos / 1_000_000_000).unwrap_or(u32::MAX));
            self.u32(&mut out, u32::try_from(fraction).unwrap_or(u32::MAX));
            self.u32(&mut out, size(kept.len()));
            self.u32(&mut out, size(frame.len()));
            out.extend(kept);
        }
        out
    }

    /// One section with one interface and enhanced packet blocks.
    pub fn pcapng(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut section = Vec::new();
        self.u32(&mut section, 0x1a2b_3c4d);
        self.u16(&mut section, 1);
        self.u16(&mut section, 0);
        section.extend([0xff; 8]);
        self.block(&mut out, 0x0a0d_0d0a, &section);
        self.block(&mut out, 1, &self.interface());
        for (time, frame) in self.in_order() {
            let ticks = time.as_nanos() / if self.nanoseconds { 1 } else { 1_000 };
            let kept = &frame[..frame.len().min(self.snaplen)];
            let mut body = Vec::with_capacity(kept.len() + 24);
            self.u32(&mut body, 0);
            self.u32(&mut body, u32::try_from(ticks >> 32).unwrap_or(u32::MAX));
            self.u32(&mut body, u32::try_from(ticks & 0xffff_ffff).unwrap_or(u32::MAX));
            self.u32(&mut body, size(kept.len()));
            self.u32(&mut body, size(frame.len()));
            body.extend(kept);
            self.block(&mut out, 6, &body);
        }
        out
    }

    fn interface(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.u16(&mut body, self.link as u16);
        self.u16(&mut body, 0);
        self.u32(&mut body, size(self.snaplen));
        if self.nanoseconds {
            self.u16(&mut body, 9); // if_tsresol; without it microseconds
            self.u16(&mut body, 1);
            body.extend([9, 0, 0, 0]);
            body.extend([0; 4]); // opt_endofopt
        }
        body
    }

    fn block(&self, out: &mut Vec<u8>, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        self.u32(out, kind);
        self.u32(out, size(padded + 12));
        out.extend(body);
        out.resize(out.len() + padded - body.len(), 0);
        self.u32(out, size(padded + 12));
    }

    fn in_order(&self) -> Vec<(Timestamp, Vec<u8>)> {
        let mut frames: Vec<_> = self.frames.iter().collect();
        frames.sort_by_key(|(time, _)| *time);
        let bytes = |(time, recorded): &(Timestamp, Recorded)| {
            let frames = match recorded {
                Recorded::Tcp(packet) => frame::frames(packet, self.link, &self.vlans),
                Recorded::Raw(bytes) => vec![bytes.clone()],
            };
            let time = *time;
            frames.into_iter().map(move |frame| (time, frame))
        };
        frames.into_iter().flat_map(bytes).collect()
    }

    fn u32(&self, out: &mut Vec<u8>, value: u32) {
        out.extend(if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn u16(&self, out: &mut Vec<u8>, value: u16) {
        out.extend(if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
    }
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
