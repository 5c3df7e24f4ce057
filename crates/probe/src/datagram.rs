//! What the probes keep of the datagrams of QUIC sockets: the mirror of `struct datagram_key` and what it leads to.

use crate::record::Cookie;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the head of a record of a datagram.
pub const DATAGRAM_RECORD_SIZE: usize = crate::record::RECORD_SIZE + PEER_SIZE;
/// Bytes of a key of the map.
pub const DATAGRAM_KEY_SIZE: usize = 8 + PEER_SIZE;
/// Numbers of a value of the map.
pub const DATAGRAM_COUNTS: usize = 3;

const PEER_SIZE: usize = 24;

/// Where a socket without a peer of its own sends to, in the probes' own bytes: by them it is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer([u8; PEER_SIZE]);

impl Peer {
    /// `None` where the probes knew of none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; PEER_SIZE] = *bytes.first_chunk()?;
        (bytes != [0; PEER_SIZE]).then_some(Self(bytes))
    }

    /// As the probes write it.
    pub fn new(address: SocketAddr) -> Self {
        const AF_INET: u16 = 2;
        const AF_INET6: u16 = 10;
        let (family, ip) = match address.ip() {
            IpAddr::V4(ip) => {
                let mut sixteen = [0; 16];
                sixteen.iter_mut().zip(ip.octets()).for_each(|(to, from)| *to = from);
                (AF_INET, sixteen)
            }
            IpAddr::V6(ip) => (AF_INET6, ip.octets()),
        };
        let mut bytes = [0; PEER_SIZE];
        let fields = [&family.to_ne_bytes()[..], &address.port().to_be_bytes(), &[0; 4], &ip];
        bytes.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// IPv4-mapped IPv6 addresses become IPv4.
    pub fn address(&self) -> SocketAddr {
        let Self([f0, f1, p0, p1, _, _, _, _, ip @ ..]) = *self;
        let [a, b, c, d, ..] = ip;
        let is_six = u16::from_ne_bytes([f0, f1]) == 10;
        let ip = if is_six { Ipv6Addr::from(ip).to_canonical() } else { Ipv4Addr::new(a, b, c, d).into() };
        SocketAddr::new(ip, u16::from_be_bytes([p0, p1]))
    }
}

/// An entry of the map: a socket, or what it sends to one of several peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DatagramKey {
    /// The socket.
    pub socket: Cookie,
    /// Whom it sends to, where that is an entry of its own.
    pub peer: Option<Peer>,
}

impl DatagramKey {
    /// The key of the map.
    pub fn to_bytes(&self) -> [u8; DATAGRAM_KEY_SIZE] {
        let Peer(peer) = self.peer.unwrap_or(Peer([0; PEER_SIZE]));
        let mut bytes = [0; DATAGRAM_KEY_SIZE];
        let fields = self.socket.0.to_ne_bytes().into_iter().chain(peer);
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        bytes
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes by [`crate::record::Way`], since the entry is there.
    pub bytes: [u64; 2],
    /// When the last of them did, on the records' clock.
    pub last: u64,
}

impl Moved {
    /// The value of the map.
    pub const fn of([sent, received, last]: [u64; DATAGRAM_COUNTS]) -> Self {
        Self { bytes: [sent, received], last }
    }
}

#[cfg(test)]
mod tests {
    use super::{DATAGRAM_COUNTS, DATAGRAM_KEY_SIZE, DATAGRAM_RECORD_SIZE, DatagramKey, Peer};
    use crate::record::{
        Cookie, Record, Way, What,
        tests::{said_by, unhex},
    };

    #[test]
    fn layout_is_the_headers() {
        let source = r#"
            int main(void) {
                printf("%zu %zu %zu\n", sizeof(struct datagram_record), sizeof(struct datagram_key), sizeof(struct datagram_count));
                struct { struct datagram_record head; char payload[3]; } d = { .head = { .head = { .socket = 2, .size = 1200, .length = 3,
                    .kind = RECORD_DATAGRAM }, .peer = { .family = 2, .port = 0xbb01 } }, .payload = "abc" };
                d.head.peer.address[0] = 10; d.head.peer.address[3] = 9;
                for (size_t i = 0; i < sizeof(d.head) + 3; i++) printf("%02x", ((unsigned char *)&d)[i]);
                return 0;
            }"#;
        let text = said_by("datagrams", source);
        let lines: Vec<&str> = text.lines().collect();
        let sizes = [DATAGRAM_RECORD_SIZE, DATAGRAM_KEY_SIZE, 8 * DATAGRAM_COUNTS].map(|n| n.to_string());
        assert_eq!(lines[0], sizes.join(" "));
        let bytes = unhex(lines[1]);
        let peer = Some(Peer::new("10.0.0.9:443".parse().unwrap()));
        let expected = What::Datagram { socket: Cookie(2), way: Way::Sent, size: 1200, peer, bytes: b"abc" };
        assert_eq!(Record::parse(&bytes).unwrap().what, expected);
    }

    #[test]
    fn a_peer_is_what_it_was_made_of() {
        for (address, told) in [
            ("10.0.0.9:443", "10.0.0.9:443"),
            ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
            ("[::ffff:10.0.0.9]:443", "10.0.0.9:443"),
        ] {
            let peer = Peer::new(address.parse().unwrap());
            assert_eq!(peer.address(), told.parse().unwrap());
            let key = DatagramKey { socket: Cookie(7), peer: Some(peer) }.to_bytes();
            assert_eq!(Peer::parse(&key[8..]), Some(peer));
        }
        let whole = DatagramKey { socket: Cookie(7), peer: None }.to_bytes();
        assert_eq!((&whole[..8], Peer::parse(&whole[8..])), (&7_u64.to_ne_bytes()[..], None));
    }
}
