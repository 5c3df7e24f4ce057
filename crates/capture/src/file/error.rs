use super::MAX_BLOCK;
use std::{fmt, io};

/// Why a file could not be read, or not to its end. To be said after the file's name: "x.pcap is empty".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// Not a kind of file this program reads.
    #[error("is neither pcap, pcapng, HAR nor a saved model: starts with {}", Hex(.start))]
    Unknown {
        /// Its first bytes, at most four.
        start: Vec<u8>,
    },
    /// A pcap file whose packets begin with something this program does not read.
    #[error(
        "holds packets of link type {0}; those that are read are Ethernet (1), loopback (0, 108), \
         raw IP (12, 14, 101, 228, 229) and Linux cooked (113, 276)"
    )]
    LinkType(u32),
    /// The header of the file is not as the format says.
    #[error("has a damaged header: {0}")]
    Header(Damage),
    /// Not as the format says.
    #[error("is damaged at byte {offset}, where packet {packet} should be: {damage}")]
    Damaged {
        /// Where the damaged packet or block begins, in decompressed bytes.
        offset: u64,
        /// Number of the packet that is there or would come next, counted from 1.
        packet: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The compression around it is damaged or cut off.
    #[error("is damaged: its compressed data cannot be read beyond byte {offset} of what it holds: {source}")]
    Compression {
        /// Decompressed bytes before the damage.
        offset: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// Reading failed.
    #[error("could not be read beyond byte {offset}: {source}")]
    Io {
        /// Bytes read before.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn io(compressed: bool, offset: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if compressed { Self::Compression { offset, source } } else { Self::Io { offset, source } }
        }
    }
}

/// What is wrong with a packet or block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file ends within it.
    #[error("the file ends {present} bytes into it")]
    CutOff {
        /// Bytes of it that are there.
        present: usize,
    },
    /// Longer than any packet.
    #[error("it claims {0} bytes, more than the {MAX_BLOCK} a packet may have")]
    TooLong(u32),
    /// A block length that is too short for its kind or not a multiple of four.
    #[error("a block cannot be {0} bytes long")]
    BlockLength(u32),
    /// The length at the end of a block is not the one at its beginning.
    #[error("the block says {start} bytes at its beginning and {end} at its end")]
    BlockLengths {
        /// At its beginning.
        start: u32,
        /// At its end.
        end: u32,
    },
    /// A section header without its byte-order magic.
    #[error("the section header has no byte-order magic")]
    ByteOrder,
    /// A packet of an interface that was not described.
    #[error("it belongs to interface {0}, which is not described")]
    Interface(u32),
    /// More interfaces than are kept track of.
    #[error("there are more than {0} interfaces")]
    Interfaces(usize),
    /// A resolution of time stamps finer than 64 bits can count.
    #[error("{0:#04x} is no resolution of time")]
    Resolution(u8),
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
