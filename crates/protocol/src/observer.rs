use crate::held::Held;
use overhear_exchange::{Side, Timestamp, observation::Observation, wire::CloseCause};

/// One protocol's view of one connection, both directions.
///
/// `handle`-style inputs, in stream order per sender; what was understood is appended to `out`.
pub(crate) trait Observer: Send {
    /// The protocol's name, as a verdict gives it.
    fn name(&self) -> &'static str;

    /// Bytes that `from` sent. Once a [`Handover`] is returned the observer is not used again.
    fn data(
        &mut self,
        from: Side,
        time: Timestamp,
        bytes: &[u8],
        out: &mut Vec<Observation>,
    ) -> Option<Handover>;

    /// Bytes that `from` sent and that were not seen.
    fn gap(&mut self, from: Side, time: Timestamp, length: Option<u64>, out: &mut Vec<Observation>);

    /// `from` sends no more.
    fn end(&mut self, from: Side, time: Timestamp, out: &mut Vec<Observation>);

    /// The connection is over.
    fn close(&mut self, time: Timestamp, cause: CloseCause, out: &mut Vec<Observation>);

    /// What was passed over so far.
    fn skipped(&self) -> Skipped;

    /// Heap bytes held, about.
    fn retained(&self) -> usize;
}

/// Where an observer comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// What comes first is the first there is.
    Beginning,
    /// Mid-stream.
    Joined,
    /// Right after bytes of the client's that were not seen.
    AfterGap,
}

/// The rest of the connection belongs to another protocol.
pub(crate) struct Handover {
    pub(crate) to: Upgrade,
    /// What was received of it already.
    pub(crate) rest: Held,
}

/// What a connection turns into.
#[derive(Debug)]
pub(crate) enum Upgrade {
    /// Anything may follow (CONNECT, RFC 9110 §9.3.6): it is detected anew.
    Tunnel,
    /// The protocol that was agreed on (RFC 9110 §7.8).
    Protocol(&'static str),
    /// A WebSocket (RFC 6455).
    WebSocket(Box<Handshake>),
}

/// The exchange that a WebSocket began with. It is over when that is.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) exchange: Observation,
    /// When the last byte of the request came.
    pub(crate) asked: Timestamp,
}

/// What was seen but did not become an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Times a direction lost its place: a gap where it mattered, broken or ambiguous framing, junk.
    pub desyncs: u32,
    /// Responses whose request was not seen, or not certain.
    pub unsolicited: u32,
    /// Message heads over [`Limits::head`](crate::Limits::head).
    pub oversized_heads: u32,
    /// Requests reported without a response because none could be matched with certainty.
    pub unmatched: u32,
}

impl Skipped {
    pub(crate) fn add(&mut self, other: Self) {
        self.desyncs = self.desyncs.saturating_add(other.desyncs);
        self.unsolicited = self.unsolicited.saturating_add(other.unsolicited);
        self.oversized_heads = self.oversized_heads.saturating_add(other.oversized_heads);
        self.unmatched = self.unmatched.saturating_add(other.unmatched);
    }
}
