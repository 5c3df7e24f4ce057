use super::{
    Damage, MAX_BLOCK,
    container::{Order, Packet, Step},
    link::Link,
};
use overhear_exchange::Timestamp;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;
const OPTION_DROPPED: u16 = 5;

/// Type and length in front of a block; the length once more behind it.
const BLOCK_HEADER: usize = 8;
const BLOCK_FRAME: usize = 12;
const MAX_INTERFACES: usize = 1 << 16;

/// draft-ietf-opsawg-pcapng: sections of interfaces and packets.
#[derive(Default)]
pub(super) struct Pcapng {
    order: Option<Order>,
    interfaces: Vec<Interface>,
    /// Drops reported in earlier sections.
    dropped: u64,
    /// Simple packets have no time of their own.
    time: Timestamp,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Link,
    snaplen: u32,
    /// Ticks of a time stamp in a second.
    ticks: u64,
    /// Seconds to add to a time stamp.
    offset: i64,
    /// Packets dropped, as of the last report.
    dropped: u64,
}

impl Pcapng {
    pub(super) fn begun(&self) -> bool {
        self.order.is_some()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.interfaces.iter().fold(self.dropped, |sum, interface| sum.saturating_add(interface.dropped))
    }

    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Damage> {
        let Some(header) = bytes.get(..BLOCK_FRAME) else { return Ok(Step::More(BLOCK_FRAME)) };
        let order = match (Order::Big.u32(header, 0), self.order) {
            (SECTION_HEADER, _) => section_order(header)?,
            (_, Some(order)) => order,
            (_, None) => return Err(Damage::ByteOrder),
        };
        let (kind, length) = (order.u32(header, 0), order.u32(header, 4));
        if length % 4 != 0 || (length as usize) < BLOCK_FRAME + least_body(kind) {
            return Err(Damage::BlockLength(length));
        }
        if !is_read(kind) {
            return Ok(Step::Skip(length.into()));
        }
        let used = length as usize;
        if used > MAX_BLOCK {
            return Err(Damage::TooLong(length));
        }
        let Some(block) = bytes.get(..used) else { return Ok(Step::More(used)) };
        let end = order.u32(block, used - 4);
        if end != length {
            return Err(Damage::BlockLengths { start: length, end });
        }
        let body = block.get(BLOCK_HEADER..used - 4).unwrap_or_default();
        match kind {
            SECTION_HEADER => self.begin(order),
            INTERFACE_DESCRIPTION => self.describe(order, body)?,
            INTERFACE_STATISTICS => self.report(order, body),
            _ => return Ok(Step::Packet(self.packet(order, kind, body)?, used)),
        }
        Ok(Step::Header(used))
    }

    fn begin(&mut self, order: Order) {
        self.dropped = self.dropped();
        self.order = Some(order);
        self.interfaces.clear();
    }

    fn describe(&mut self, order: Order, body: &[u8]) -> Result<(), Damage> {
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(Damage::Interfaces(MAX_INTERFACES));
        }
        let mut interface = Interface {
            link: Link::new(order.u16(body, 0).into()),
            snaplen: order.u32(body, 4),
            ticks: 1_000_000,
            offset: 0,
            dropped: 0,
        };
        for (code, value) in options(order, body.get(8..).unwrap_or_default()) {
            match (code, value) {
                (OPTION_RESOLUTION, [resolution, ..]) => interface.ticks = ticks(*resolution)?,
                (OPTION_OFFSET, [_, _, _, _, _, _, _, _]) => {
                    interface.offset = order.u64(value, 0).cast_signed();
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn report(&mut self, order: Order, body: &[u8]) {
        let Some(interface) = self.interfaces.get_mut(order.u32(body, 0) as usize) else { return };
        for (code, value) in options(order, body.get(12..).unwrap_or_default()) {
            if code == OPTION_DROPPED && value.len() == 8 {
                interface.dropped = order.u64(value, 0);
            }
        }
    }

    fn packet<'a>(&mut self, order: Order, kind: u32, body: &'a [u8]) -> Result<Packet<'a>, Damage> {
        let number = match kind {
            ENHANCED_PACKET => order.u32(body, 0),
            OBSOLETE_PACKET => order.u16(body, 0).into(),
            _ => 0,
        };
        let interface = self.interfaces.get(number as usize).ok_or(Damage::Interface(number))?;
        let (header, captured, length) = if kind == SIMPLE_PACKET {
            let length = order.u32(body, 0);
            let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
            (4, length.min(snaplen), length)
        } else {
            let ticks = u64::from(order.u32(body, 4)) << 32 | u64::from(order.u32(body, 8));
            self.time = interface.time(ticks);
            (20, order.u32(body, 12), order.u32(body, 16))
        };
        let data = body.get(header..).unwrap_or_default();
        let bytes = data.get(..captured as usize).ok_or(Damage::TooLong(captured))?;
        Ok(Packet { time: self.time, link: interface.link, bytes, length: bytes.len().max(length as usize) })
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Timestamp {
        let nanos = match self.ticks {
            1_000_000_000 => i128::from(ticks),
            1_000_000 => i128::from(ticks) * 1_000,
            other => i128::from(ticks) * 1_000_000_000 / i128::from(other),
        };
        let nanos = nanos + i128::from(self.offset) * 1_000_000_000;
        Timestamp::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

fn section_order(header: &[u8]) -> Result<Order, Damage> {
    match Order::Big.u32(header, 8) {
        0x1a2b_3c4d => Ok(Order::Big),
        0x4d3c_2b1a => Ok(Order::Little),
        _ => Err(Damage::ByteOrder),
    }
}

fn is_read(kind: u32) -> bool {
    least_body(kind) > 0
}

/// The fixed part of the body of a block that is read; zero for others.
fn least_body(kind: u32) -> usize {
    match kind {
        SECTION_HEADER => 16,
        INTERFACE_DESCRIPTION => 8,
        OBSOLETE_PACKET | ENHANCED_PACKET => 20,
        SIMPLE_PACKET => 4,
        INTERFACE_STATISTICS => 12,
        _ => 0,
    }
}

/// `if_tsresol`: a negative power of ten, or of two where the highest bit is set.
fn ticks(resolution: u8) -> Result<u64, Damage> {
    let power = u32::from(resolution & 0x7f);
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(power).ok_or(Damage::Resolution(resolution))
}

/// Code and value of each option; ends quietly where they do not fit.
fn options(order: Order, mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (code, length) = (order.u16(bytes, 0), usize::from(order.u16(bytes, 2)));
        let value = bytes.get(4..4 + length).filter(|_| code != 0)?;
        bytes = bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}
