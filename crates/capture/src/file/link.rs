use super::container::Order;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// What is in front of the network layer (the link-layer header types of tcpdump.org).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// BSD loopback: an address family, in one byte order or the other.
    Null,
    /// Ethernet, VLAN tags included.
    Ethernet,
    /// Nothing: the packet is IPv4 or IPv6.
    Ip,
    /// Linux "cooked" (`tcpdump -i any`).
    Sll,
    /// The same, version 2.
    Sll2,
    /// Anything else, by its number.
    Other(u32),
}

/// What a frame carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Network<'a> {
    /// IPv4 or IPv6, and whatever pads the frame behind it.
    Ip(&'a [u8]),
    /// Another protocol.
    Other,
    /// Too short to tell.
    Malformed,
    /// The link layer is not one we read.
    Unknown,
}

impl Link {
    pub(super) fn new(number: u32) -> Self {
        match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::Ip,
            113 => Self::Sll,
            276 => Self::Sll2,
            other => Self::Other(other),
        }
    }

    pub(super) fn network(self, frame: &[u8]) -> Network<'_> {
        let found = match self {
            Self::Ethernet => tagged(frame, 12),
            Self::Sll => tagged(frame, 14),
            Self::Sll2 => ethertype(frame, 0).map(|kind| (kind, 20)),
            Self::Null => family(frame).map(|kind| (kind, 4)),
            Self::Ip => Some((if frame.first().is_some_and(|byte| byte >> 4 == 6) { IPV6 } else { IPV4 }, 0)),
            Self::Other(_) => return Network::Unknown,
        };
        match found {
            Some((IPV4 | IPV6, at)) => frame.get(at..).map_or(Network::Malformed, Network::Ip),
            Some(_) => Network::Other,
            None => Network::Malformed,
        }
    }
}

/// The EtherType at `at`, or behind the VLAN tags there, and where its payload begins.
fn tagged(frame: &[u8], mut at: usize) -> Option<(u16, usize)> {
    loop {
        match ethertype(frame, at)? {
            // IEEE 802.1Q, 802.1ad, and two that came before the latter.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => at += 4,
            kind => return Some((kind, at + 2)),
        }
    }
}

fn ethertype(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..).and_then(<[u8]>::first_chunk).map(|word| u16::from_be_bytes(*word))
}

/// AF_INET is 2 everywhere; AF_INET6 depends on the capturing system. Small numbers tell the byte order.
fn family(frame: &[u8]) -> Option<u16> {
    frame.get(..4)?;
    let (little, big) = (Order::Little.u32(frame, 0), Order::Big.u32(frame, 0));
    Some(match little.min(big) {
        2 => IPV4,
        10 | 24 | 28 | 30 => IPV6,
        _ => 0,
    })
}
