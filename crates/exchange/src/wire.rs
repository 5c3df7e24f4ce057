//! What sources yield and what comes out of `stream`.

use crate::{Address, Side, Timestamp};
use std::net::SocketAddr;

/// A connection within one capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One TCP segment out of a packet capture (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When the packet was captured.
    pub time: Timestamp,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Sequence number of the first payload byte (of the SYN itself where `syn`).
    pub sequence: u32,
    /// Acknowledgement number, where the ACK flag is set.
    pub acknowledgement: Option<u32>,
    /// Synchronise.
    pub syn: bool,
    /// No more data from the sender.
    pub fin: bool,
    /// Reset.
    pub rst: bool,
    /// As much of the payload as was captured.
    pub payload: &'a [u8],
    /// Payload bytes the packet had on the wire; more than `payload` when the capture cut it (snaplen).
    pub length: u32,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// Both ends finished, or it was closed in order.
    Finished,
    /// A reset: by whom, if that is known.
    Reset(Option<Side>),
    /// `connect` was refused.
    Refused,
    /// It timed out (ETIMEDOUT).
    TimedOut,
    /// The other host could not be reached.
    Unreachable,
    /// The capture ended, or the connection was forgotten to stay within bounds: nothing is known of how it went on.
    Unknown,
}

/// What happens on a connection, in order: the input of a protocol.
///
/// For one connection: at most one `Open`, first; then `Data`, `Gap` and `End` in stream order per sender;
/// `Close` last. `time` never decides order.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A connection is first seen.
    Open {
        /// Which.
        connection: ConnectionId,
        /// When.
        time: Timestamp,
        /// The end that opened it where `opener_known`.
        a: Address,
        /// The other end.
        b: Address,
        /// `a` was seen to open it; else `a` is whoever spoke first.
        opener_known: bool,
        /// Its bytes are the plaintext of TLS.
        tls: bool,
    },
    /// Bytes that `from` sent, following directly on those before.
    Data {
        /// Which connection.
        connection: ConnectionId,
        /// Who sent them.
        from: Side,
        /// When they were seen.
        time: Timestamp,
        /// The bytes, never empty.
        bytes: &'a [u8],
    },
    /// Bytes that `from` sent and that were not seen.
    Gap {
        /// Which connection.
        connection: ConnectionId,
        /// Who sent them.
        from: Side,
        /// When they were missed.
        time: Timestamp,
        /// How many, if that is known.
        length: Option<u64>,
    },
    /// `from` will send no more (FIN, end of stream).
    End {
        /// Which connection.
        connection: ConnectionId,
        /// Who is done.
        from: Side,
        /// When.
        time: Timestamp,
    },
    /// The connection is over; its id is not used again.
    Close {
        /// Which connection.
        connection: ConnectionId,
        /// When.
        time: Timestamp,
        /// Why.
        cause: CloseCause,
    },
}

/// Takes the events of all connections, in order per connection.
pub trait EventSink {
    /// One event.
    fn event(&mut self, event: Event<'_>);
}

impl<F: FnMut(Event<'_>)> EventSink for F {
    fn event(&mut self, event: Event<'_>) {
        self(event);
    }
}
