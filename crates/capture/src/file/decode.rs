use super::{
    container::{Order, Packet},
    fragments::Fragments,
    ip::Datagram,
    link::Network,
};
use overhear_exchange::wire::Segment;
use overhear_exchange::{LossReason, Statistics, Timestamp};
use std::net::SocketAddr;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What the packets of a file were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub packets: u64,
    /// TCP segments, those put together of fragments included: what was handed on.
    pub tcp: u64,
    /// UDP over IP.
    pub udp: u64,
    /// Other protocols over IP.
    pub other_transport: u64,
    /// Not IP: ARP and the like.
    pub other_network: u64,
    /// Fragments of IP datagrams.
    pub fragments: u64,
    /// Datagrams of which some fragments never came.
    pub fragments_lost: u64,
    /// Headers that contradict themselves, or were cut off by the capture.
    pub malformed: u64,
    /// Of a link layer that is not read.
    pub unknown_link: u64,
    /// TCP segments of which the capture kept only a part (snaplen).
    pub cut: u64,
    /// Never captured, as the capturing program itself says (pcapng).
    pub dropped: u64,
}

impl Counts {
    /// The losses among them. What TCP makes of the rest is counted where it is reassembled.
    pub fn losses(&self) -> Statistics {
        let mut statistics = Statistics::default();
        for (reason, events) in [
            (LossReason::Malformed, self.malformed + self.unknown_link),
            (LossReason::MissingSegment, self.dropped + self.fragments_lost),
        ] {
            if events > 0 {
                statistics.lose(reason, events, 0);
            }
        }
        statistics
    }
}

/// What a packet held.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Of TCP.
    Segment(Segment<'a>),
    /// Of UDP.
    Datagram(UdpDatagram<'a>),
}

/// A datagram of UDP (RFC 768).
#[derive(Clone, Copy, Debug)]
pub struct UdpDatagram<'a> {
    /// When it was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// As much as was captured.
    pub payload: &'a [u8],
    /// Bytes it had on the wire.
    pub length: u32,
}

/// From frames to segments.
#[derive(Default)]
pub(super) struct Decoder {
    counts: Counts,
    fragments: Fragments,
}

impl Decoder {
    pub(super) fn counts(&self, dropped: u64) -> Counts {
        Counts { dropped, fragments_lost: self.fragments.lost + self.fragments.incomplete(), ..self.counts }
    }

    pub(super) fn packet(&mut self, packet: &Packet<'_>, sink: &mut impl FnMut(Seen<'_>)) {
        self.counts.packets += 1;
        match packet.link.network(packet.bytes) {
            Network::Ip(bytes) => {
                let header = packet.bytes.len() - bytes.len();
                match Datagram::new(bytes, packet.length - header) {
                    Some(datagram) => self.datagram(&datagram, packet.time, sink),
                    None => self.counts.malformed += 1,
                }
            }
            Network::Other => self.counts.other_network += 1,
            Network::Malformed => self.counts.malformed += 1,
            Network::Unknown => self.counts.unknown_link += 1,
        }
    }

    fn datagram(&mut self, datagram: &Datagram<'_>, time: Timestamp, sink: &mut impl FnMut(Seen<'_>)) {
        let Some(part) = datagram.part else { return self.transport(datagram, time, sink) };
        self.counts.fragments += 1;
        let Some(whole) = self.fragments.add(datagram, part, time) else { return };
        let whole = Datagram { payload: &whole.bytes, length: whole.length, part: None, ..*datagram };
        match whole.beyond_extensions() {
            // A fragment within a fragment is nobody's honest traffic.
            Some(inner) if inner.part.is_none() => self.transport(&inner, time, sink),
            _ => self.counts.malformed += 1,
        }
    }

    fn transport(&mut self, datagram: &Datagram<'_>, time: Timestamp, sink: &mut impl FnMut(Seen<'_>)) {
        match datagram.protocol {
            TCP => match segment(datagram, time) {
                Some(segment) => {
                    self.counts.tcp += 1;
                    self.counts.cut += u64::from(segment.payload.len() < segment.length as usize);
                    sink(Seen::Segment(segment));
                }
                None => self.counts.malformed += 1,
            },
            UDP => {
                self.counts.udp += 1;
                if let Some(datagram) = udp(datagram, time) {
                    sink(Seen::Datagram(datagram));
                }
            }
            _ => self.counts.other_transport += 1,
        }
    }
}

/// Reads a TCP header (RFC 9293 §3.1).
fn segment<'a>(datagram: &Datagram<'a>, time: Timestamp) -> Option<Segment<'a>> {
    let fixed: &[u8; 20] = datagram.payload.first_chunk()?;
    let header = usize::from(fixed[12] >> 4) * 4;
    if header < 20 {
        return None;
    }
    let flags = fixed[13];
    Some(Segment {
        time,
        source: SocketAddr::new(datagram.source, Order::Big.u16(fixed, 0)),
        destination: SocketAddr::new(datagram.destination, Order::Big.u16(fixed, 2)),
        sequence: Order::Big.u32(fixed, 4),
        acknowledgement: (flags & 0x10 != 0).then(|| Order::Big.u32(fixed, 8)),
        syn: flags & 0x02 != 0,
        fin: flags & 0x01 != 0,
        rst: flags & 0x04 != 0,
        // Empty where the capture cut within the options.
        payload: datagram.payload.get(header..).unwrap_or_default(),
        length: u32::try_from(datagram.length.checked_sub(header)?).ok()?,
    })
}

/// Reads a UDP header. What is cut or contradicts itself is nobody's loss: it is no part of a stream.
fn udp<'a>(datagram: &Datagram<'a>, time: Timestamp) -> Option<UdpDatagram<'a>> {
    let fixed: &[u8; 8] = datagram.payload.first_chunk()?;
    Some(UdpDatagram {
        time,
        length: u32::try_from(datagram.length.checked_sub(8)?).ok()?,
        source: SocketAddr::new(datagram.source, Order::Big.u16(fixed, 0)),
        destination: SocketAddr::new(datagram.destination, Order::Big.u16(fixed, 2)),
        payload: datagram.payload.get(8..)?,
    })
}
