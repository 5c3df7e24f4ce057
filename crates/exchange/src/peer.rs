use crate::Build;
use std::{net::SocketAddr, sync::Arc};

/// One of the two ends of a connection.
///
/// `A` is the end that opened it where that was seen (it sent the SYN, called `connect`), else the end
/// that was first seen sending. Which end is the *client* is for the protocol to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that opened the connection, as far as is known.
    A,
    /// The other end.
    B,
}

impl Side {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 for `A`, 1 for `B`.
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// Whether the observed service answers (inbound) or asks (outbound).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The service is the server of the exchange.
    Inbound,
    /// The service is the client: a call to somebody else's API.
    Outbound,
}

impl Direction {
    /// `inbound` or `outbound`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// Where one end of a connection is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Address {
    /// Not seen: the capture began too late, or has no addresses (HAR).
    #[default]
    Unknown,
    /// An IPv4 or IPv6 address and port.
    Ip(SocketAddr),
    /// A unix socket; its path where it is bound to one.
    Unix(Option<Arc<str>>),
    /// A host known by name only (HAR), with its port.
    Name(Arc<str>, u16),
}

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id (thread group) in the initial pid namespace.
    pub pid: u32,
    /// The name a person would give it: container, systemd unit, package, script, executable.
    pub service: Arc<str>,
    /// Which build it runs; absent where it ended before it could be asked, and in captures.
    pub build: Option<Arc<Build>>,
}

impl Process {
    /// A process of which only the name is known.
    pub fn new(pid: u32, service: impl Into<Arc<str>>) -> Self {
        Self { pid, service: service.into(), build: None }
    }
}

/// One end of an exchange: where, and which process if it is on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: Address,
    /// Which process it is, when it is on this machine.
    pub process: Option<Arc<Process>>,
}
