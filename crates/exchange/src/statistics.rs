use crate::UnreadTable;
use std::collections::BTreeMap;

/// Why something was not seen. Every loss has one of these; none is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossReason {
    /// The kernel's ring buffer was full.
    RingFull,
    /// The call was longer than the copy cap; the rest was not copied.
    OverCap,
    /// The bytes are not in a user buffer a tracepoint can read: sendfile, splice, io_uring, zero-copy.
    NotInUserBuffer,
    /// A guard refused the copy because the buffer might not be the socket's.
    Guarded,
    /// Reading the user's memory failed (paged out, unmapped).
    Fault,
    /// The ring buffer was nearly full: of each call only the beginning was copied.
    Shed,
    /// More than is copied of a connection before it is known what it speaks.
    Undecided,
    /// Missing from the capture file, or never captured (snaplen).
    MissingSegment,
    /// Packets or blocks of the file that could not be read.
    Malformed,
    /// More connections than are followed at once: the oldest idle ones were forgotten.
    TooManyConnections,
    /// Reassembly held more out-of-order bytes than it may.
    ReassemblyFull,
    /// The reader of our output was too slow.
    OutputSlow,
}

impl LossReason {
    /// The key in JSON and on screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::OverCap => "over_cap",
            Self::NotInUserBuffer => "not_in_user_buffer",
            Self::Guarded => "guarded",
            Self::Fault => "fault",
            Self::Shed => "shed",
            Self::Undecided => "undecided",
            Self::MissingSegment => "missing_segment",
            Self::Malformed => "malformed",
            Self::TooManyConnections => "too_many_connections",
            Self::ReassemblyFull => "reassembly_full",
            Self::OutputSlow => "output_slow",
        }
    }
}

/// How much was lost for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Calls, packets or exchanges.
    pub events: u64,
    /// Bytes, as far as they are known.
    pub bytes: u64,
}

/// What a capture covered and what it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Socket calls or packets seen.
    pub events: u64,
    /// Payload bytes seen, copied or not.
    pub bytes: u64,
    /// Connections seen.
    pub connections: u64,
    /// Exchanges made of them.
    pub exchanges: u64,
    /// Connections that speak nothing we read, by what they look like (`tls`, `unknown`, …).
    pub unreadable: BTreeMap<&'static str, u64>,
    /// Of those that are encrypted: whose they are, and why they stay so. One with both ends on this machine is there for each.
    pub unread: UnreadTable,
    /// What was lost, by reason.
    pub lost: BTreeMap<LossReason, Loss>,
}

impl Statistics {
    /// Counts a loss.
    pub fn lose(&mut self, reason: LossReason, events: u64, bytes: u64) {
        let loss = self.lost.entry(reason).or_default();
        loss.events += events;
        loss.bytes += bytes;
    }

    /// Adds another part of the same capture.
    pub fn merge(&mut self, other: &Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.connections += other.connections;
        self.exchanges += other.exchanges;
        for (what, count) in &other.unreadable {
            *self.unreadable.entry(what).or_default() += count;
        }
        self.unread.merge(&other.unread);
        for (reason, loss) in &other.lost {
            self.lose(*reason, loss.events, loss.bytes);
        }
    }
}
