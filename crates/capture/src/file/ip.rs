use super::container::Order;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// The payload of an IP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// What the payload is (IANA protocol numbers).
    pub(super) protocol: u8,
    /// As much of it as was captured, without the padding behind it.
    pub(super) payload: &'a [u8],
    /// Bytes it had on the wire.
    pub(super) length: usize,
    /// Set where it is a part of a datagram.
    pub(super) part: Option<Part>,
}

/// Which part of which datagram (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) id: u32,
    /// Bytes in front of it.
    pub(super) offset: usize,
    /// More parts follow.
    pub(super) more: bool,
}

impl<'a> Datagram<'a> {
    /// Reads an IPv4 or IPv6 packet of which `length` bytes were on the wire, padding included.
    pub(super) fn new(packet: &'a [u8], length: usize) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => ipv4(packet, length),
            6 => ipv6(packet, length),
            _ => None,
        }
    }

    /// Steps over IPv6 extension headers. `None` where they are damaged or cut.
    pub(super) fn beyond_extensions(mut self) -> Option<Self> {
        loop {
            let header = match self.protocol {
                HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY => 8 + 8 * usize::from(*self.payload.get(1)?),
                AUTHENTICATION => 8 + 4 * usize::from(*self.payload.get(1)?),
                FRAGMENT => 8,
                _ => return Some(self),
            };
            let extension = self.payload;
            let is_fragment = self.protocol == FRAGMENT;
            self.payload = extension.get(header..)?;
            self.length = self.length.checked_sub(header)?;
            self.protocol = *extension.first()?;
            if is_fragment {
                let place = Order::Big.u16(extension, 2);
                let (offset, more) = (usize::from(place & 0xfff8), place & 1 != 0);
                if offset > 0 || more {
                    self.part = Some(Part { id: Order::Big.u32(extension, 4), offset, more });
                    return Some(self);
                }
            }
        }
    }
}

fn ipv4(packet: &[u8], length: usize) -> Option<Datagram<'_>> {
    let fixed: &[u8; 20] = packet.first_chunk()?;
    let header = usize::from(fixed[0] & 15) * 4;
    let length = match usize::from(Order::Big.u16(fixed, 2)) {
        0 => length, // left to the network card (segmentation offload)
        stated => stated,
    };
    let place = Order::Big.u16(fixed, 6);
    let (offset, more) = (usize::from(place & 0x1fff) * 8, place & 0x2000 != 0);
    Some(Datagram {
        source: address4(fixed, 12),
        destination: address4(fixed, 16),
        protocol: fixed[9],
        payload: packet.get(header.max(20)..packet.len().min(length))?,
        length: length.checked_sub(header.max(20))?,
        part: (offset > 0 || more).then(|| Part { id: Order::Big.u16(fixed, 4).into(), offset, more }),
    })
}

fn ipv6(packet: &[u8], length: usize) -> Option<Datagram<'_>> {
    let fixed: &[u8; 40] = packet.first_chunk()?;
    let length = match usize::from(Order::Big.u16(fixed, 4)) {
        0 => length.checked_sub(40)?, // a jumbogram (RFC 2675), or left to the network card
        stated => stated,
    };
    let datagram = Datagram {
        source: address6(fixed, 8),
        destination: address6(fixed, 24),
        protocol: fixed[6],
        payload: packet.get(40..packet.len().min(40 + length))?,
        length,
        part: None,
    };
    datagram.beyond_extensions()
}

fn address4(header: &[u8], at: usize) -> IpAddr {
    Ipv4Addr::from_bits(Order::Big.u32(header, at)).into()
}

fn address6(header: &[u8], at: usize) -> IpAddr {
    let (high, low) = (Order::Big.u64(header, at), Order::Big.u64(header, at + 8));
    Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()
}
