use super::Packet;
use std::net::SocketAddr;

/// The link layer of a capture: its number is what pcap calls the link type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// BSD loopback, family in the byte order of the capturing host (here: little-endian).
    Null = 0,
    /// Ethernet.
    Ethernet = 1,
    /// IPv4 or IPv6 without a link header.
    Raw = 101,
    /// OpenBSD loopback, family big-endian.
    Loop = 108,
    /// Linux "cooked" (`tcpdump -i any`, old).
    Sll = 113,
    /// IPv4 without a link header.
    Ipv4 = 228,
    /// IPv6 without a link header.
    Ipv6 = 229,
    /// Linux "cooked" version 2 (`tcpdump -i any`).
    Sll2 = 276,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const FRAGMENT_HEADER: u8 = 44;
const TCP: u8 = 6;

/// The frames one packet travels in: one, or as many as it has fragments.
pub(super) fn frames(packet: &Packet, link: Link, vlans: &[u16]) -> Vec<Vec<u8>> {
    let transport = tcp(packet);
    let size = packet.fragment.map_or(usize::MAX, |bytes| (bytes & !7).max(8));
    let count = transport.len().div_ceil(size);
    (0..count)
        .map(|index| {
            let offset = index.saturating_mul(size);
            let part = &transport[offset..transport.len().min(offset.saturating_add(size))];
            let fragment = (count > 1).then_some(Fragment { offset, more: index + 1 < count });
            let (protocol, ip) = match (packet.source, packet.destination) {
                (SocketAddr::V4(a), SocketAddr::V4(b)) => {
                    (IPV4, ipv4(a.ip().octets(), b.ip().octets(), packet.sequence, fragment, part))
                }
                (a, b) => (IPV6, ipv6(octets(a), octets(b), packet.sequence, fragment, part)),
            };
            framed(link, vlans, protocol, ip)
        })
        .collect()
}

#[derive(Clone, Copy)]
struct Fragment {
    offset: usize,
    more: bool,
}

fn octets(address: SocketAddr) -> [u8; 16] {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(v6) => v6.ip().octets(),
    }
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

fn framed(link: Link, vlans: &[u16], protocol: u16, ip: Vec<u8>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ip.len() + 32);
    match link {
        Link::Null => frame.extend(family(protocol).to_le_bytes()),
        Link::Loop => frame.extend(family(protocol).to_be_bytes()),
        Link::Raw | Link::Ipv4 | Link::Ipv6 => {}
        Link::Ethernet => {
            frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
            tags(&mut frame, vlans, protocol);
        }
        Link::Sll => {
            frame.extend([0, 0, 0x03, 0x04, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
            tags(&mut frame, vlans, protocol);
        }
        Link::Sll2 => {
            frame.extend(protocol.to_be_bytes());
            frame.extend([0, 0, 0, 0, 0, 1, 0x03, 0x04, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
    frame.extend(ip);
    if link == Link::Ethernet && frame.len() < 60 {
        frame.resize(60, 0xee); // padding up to the smallest frame; not zero, so that nobody takes it for data unseen
    }
    frame
}

fn family(protocol: u16) -> u32 {
    if protocol == IPV4 { 2 } else { 30 }
}

fn tags(frame: &mut Vec<u8>, vlans: &[u16], protocol: u16) {
    for id in vlans {
        frame.extend(VLAN.to_be_bytes());
        frame.extend(id.to_be_bytes());
    }
    frame.extend(protocol.to_be_bytes());
}

fn ipv4(from: [u8; 4], to: [u8; 4], id: u32, fragment: Option<Fragment>, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(length(20 + payload.len()));
    header.extend(&id.to_be_bytes()[2..]);
    let place = fragment.map_or(0x4000, |f| (f.offset / 8) | if f.more { 0x2000 } else { 0 });
    header.extend(length(place));
    header.extend([64, TCP, 0, 0]);
    header.extend(from);
    header.extend(to);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    header.extend(payload);
    header
}

fn ipv6(from: [u8; 16], to: [u8; 16], id: u32, fragment: Option<Fragment>, payload: &[u8]) -> Vec<u8> {
    let mut extension = Vec::new();
    if let Some(fragment) = fragment {
        extension.extend([TCP, 0]);
        extension.extend(length(fragment.offset | usize::from(fragment.more)));
        extension.extend(id.to_be_bytes());
    }
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length(extension.len() + payload.len()));
    header.extend([if extension.is_empty() { TCP } else { FRAGMENT_HEADER }, 64]);
    header.extend(from);
    header.extend(to);
    header.extend(extension);
    header.extend(payload);
    header
}

fn tcp(packet: &Packet) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 + packet.payload.len());
    bytes.extend(packet.source.port().to_be_bytes());
    bytes.extend(packet.destination.port().to_be_bytes());
    bytes.extend(packet.sequence.to_be_bytes());
    bytes.extend(packet.acknowledgement.unwrap_or(0).to_be_bytes());
    let flags = u8::from(packet.fin)
        | u8::from(packet.syn) << 1
        | u8::from(packet.rst) << 2
        | u8::from(packet.acknowledgement.is_some()) << 4;
    bytes.extend([0x80, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend([1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0]); // the timestamps option, as real stacks send it
    bytes.extend(&packet.payload);
    let sum = tcp_checksum(packet, &bytes);
    bytes[16..18].copy_from_slice(&sum);
    bytes
}

fn tcp_checksum(packet: &Packet, segment: &[u8]) -> [u8; 2] {
    let mut pseudo = Vec::with_capacity(40 + segment.len());
    match (packet.source, packet.destination) {
        (SocketAddr::V4(a), SocketAddr::V4(b)) => {
            pseudo.extend(a.ip().octets());
            pseudo.extend(b.ip().octets());
        }
        (a, b) => {
            pseudo.extend(octets(a));
            pseudo.extend(octets(b));
        }
    }
    pseudo.extend([0, TCP]);
    pseudo.extend(length(segment.len()));
    pseudo.extend(segment);
    checksum(&pseudo)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u64 = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    [high, low]
}
