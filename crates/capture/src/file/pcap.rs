use super::{
    Damage, MAX_BLOCK,
    container::{Order, Packet, Step},
    link::Link,
};
use overhear_exchange::Timestamp;

const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// The classic capture file (draft-ietf-opsawg-pcap).
#[derive(Default)]
pub(super) struct Pcap {
    header: Option<Header>,
}

#[derive(Clone, Copy)]
struct Header {
    order: Order,
    /// Nanoseconds in one unit of a time stamp's fraction.
    unit: u32,
    link: Link,
}

impl Pcap {
    pub(super) fn begun(&self) -> bool {
        self.header.is_some()
    }

    pub(super) fn unreadable(&self) -> Option<u32> {
        match self.header?.link {
            Link::Other(number) => Some(number),
            Link::Null | Link::Ethernet | Link::Ip | Link::Sll | Link::Sll2 => None,
        }
    }

    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Damage> {
        match self.header {
            Some(header) => header.packet(bytes),
            None => self.begin(bytes),
        }
    }

    fn begin(&mut self, bytes: &[u8]) -> Result<Step<'static>, Damage> {
        let Some(header) = bytes.get(..FILE_HEADER) else { return Ok(Step::More(FILE_HEADER)) };
        let (order, unit) = match Order::Big.u32(header, 0) {
            0xa1b2_c3d4 => (Order::Big, 1_000),
            0xa1b2_3c4d => (Order::Big, 1),
            0x4d3c_b2a1 => (Order::Little, 1),
            _ => (Order::Little, 1_000),
        };
        // The upper bits say whether frames end with a checksum; the IP length makes that irrelevant.
        let link = Link::new(order.u32(header, 20) & 0xffff);
        self.header = Some(Header { order, unit, link });
        Ok(Step::Header(FILE_HEADER))
    }
}

impl Header {
    fn packet(self, bytes: &[u8]) -> Result<Step<'_>, Damage> {
        let Some(header) = bytes.get(..PACKET_HEADER) else { return Ok(Step::More(PACKET_HEADER)) };
        let captured = self.order.u32(header, 8);
        let used = PACKET_HEADER + captured as usize;
        if captured as usize > MAX_BLOCK {
            return Err(Damage::TooLong(captured));
        }
        let Some(bytes) = bytes.get(PACKET_HEADER..used) else { return Ok(Step::More(used)) };
        let seconds = u64::from(self.order.u32(header, 0));
        let fraction = u64::from(self.order.u32(header, 4)) * u64::from(self.unit);
        let packet = Packet {
            time: Timestamp::from_nanos(seconds * 1_000_000_000 + fraction),
            link: self.link,
            bytes,
            length: bytes.len().max(self.order.u32(header, 12) as usize),
        };
        Ok(Step::Packet(packet, used))
    }
}
