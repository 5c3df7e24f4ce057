use super::{Damage, Kind, pcap::Pcap, pcapng::Pcapng};
use crate::file::link::Link;
use overhear_exchange::Timestamp;

/// The largest packet or block, in bytes, that is held in memory: far above any link's largest packet.
pub const MAX_BLOCK: usize = 16 << 20;

/// What comes next in a file.
pub(super) enum Step<'a> {
    /// A packet, and how many bytes it takes in the file.
    Packet(Packet<'a>, usize),
    /// A header of so many bytes; what it says is noted.
    Header(usize),
    /// So many bytes of no interest; they need not be there yet.
    Skip(u64),
    /// Nothing before so many bytes are there in all.
    More(usize),
}

/// A packet as a file has it.
#[derive(Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) time: Timestamp,
    pub(super) link: Link,
    /// What was captured of it, from the link layer on.
    pub(super) bytes: &'a [u8],
    /// Bytes it had on the wire, at least those captured.
    pub(super) length: usize,
}

/// The format of a file and what was read of its headers.
pub(super) enum Container {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Container {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Pcap => Self::Pcap(Pcap::default()),
            Kind::Pcapng | Kind::Har | Kind::Model | Kind::Unknown => Self::Pcapng(Pcapng::default()),
        }
    }

    /// True once the file's header was read.
    pub(super) fn begun(&self) -> bool {
        match self {
            Self::Pcap(pcap) => pcap.begun(),
            Self::Pcapng(pcapng) => pcapng.begun(),
        }
    }

    pub(super) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<Step<'a>, Damage> {
        match self {
            Self::Pcap(pcap) => pcap.step(bytes),
            Self::Pcapng(pcapng) => pcapng.step(bytes),
        }
    }

    /// The link type of the whole file, if it has one and it is not read.
    pub(super) fn unreadable(&self) -> Option<u32> {
        match self {
            Self::Pcap(pcap) => pcap.unreadable(),
            Self::Pcapng(_) => None,
        }
    }

    /// Packets that the capturing program says it dropped.
    pub(super) fn dropped(&self) -> u64 {
        match self {
            Self::Pcap(_) => 0,
            Self::Pcapng(pcapng) => pcapng.dropped(),
        }
    }
}

/// The byte order of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Little,
    Big,
}

impl Order {
    /// Two bytes at `at`; zero where there are none, which callers rule out first.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let word = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(word),
            Self::Big => u16::from_be_bytes(word),
        }
    }

    /// Four bytes at `at`; zero where there are none, which callers rule out first.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let word = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(word),
            Self::Big => u32::from_be_bytes(word),
        }
    }

    /// Eight bytes at `at`; zero where there are none, which callers rule out first.
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let word = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        match self {
            Self::Little => u64::from_le_bytes(word),
            Self::Big => u64::from_be_bytes(word),
        }
    }
}
