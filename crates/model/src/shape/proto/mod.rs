//! What remote procedures are made of, learned from their messages without a schema.

mod message;
pub mod schema;
#[cfg(test)]
mod tests;
mod wire;

use super::call::Content;
use message::{MOST_TOGETHER, Messages};
use overhear_exchange::{Messages as Counted, Rpc};
use schema::{Procedure, Sent};
use serde::{Deserialize, Serialize};

/// The evidence of one procedure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calls {
    seen: u64,
    sent: Side,
    received: Side,
}

/// Messages that went one way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Side {
    /// Calls with other than one message.
    streams: u64,
    /// Messages that are no protocol buffers.
    unread: u64,
    messages: Messages,
}

impl Calls {
    /// Learns a call by its bodies, which are enveloped messages (gRPC, Length-Prefixed-Message) without compression.
    pub(super) fn learn(&mut self, rpc: &Rpc, request: Option<Content<'_>>, response: Option<Content<'_>>) {
        self.seen = self.seen.saturating_add(1);
        self.sent.learn(rpc.sent, request, false);
        // Whoever fails sends nothing, which says nothing of how much there is when all is well.
        let failed = rpc.status.is_none_or(|status| status != overhear_exchange::RpcStatus::Ok);
        self.received.learn(rpc.received, response, failed);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.sent.merge(&other.sent);
        self.received.merge(&other.received);
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.sent.messages.is_bounded(0) && self.received.messages.is_bounded(0)
    }

    pub(super) fn procedure(&self) -> Procedure {
        Procedure { calls: self.seen, request: self.sent.told(), response: self.received.told() }
    }
}

impl Side {
    fn learn(&mut self, counted: Counted, content: Option<Content<'_>>, failed: bool) {
        let several = counted.count != 1 && !counted.partial && !(failed && counted.count == 0);
        self.streams = self.streams.saturating_add(u64::from(several));
        let Some(content) = content else { return };
        let mut room = MOST_TOGETHER.saturating_sub(self.messages.size());
        for (compressed, bytes) in envelopes(content.bytes) {
            if compressed || !self.messages.learn(bytes, &mut room) {
                self.unread = self.unread.saturating_add(1);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.streams = self.streams.saturating_add(other.streams);
        self.unread = self.unread.saturating_add(other.unread);
        self.messages.merge(&other.messages);
    }

    fn told(&self) -> Sent {
        Sent {
            streams: self.streams > 0,
            seen: self.messages.seen,
            unread: self.unread,
            message: (&self.messages).into(),
        }
    }
}

/// The messages that are there whole, and whether they are compressed. What ends a stream is none.
pub(crate) fn envelopes(body: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    const ENDS: u8 = 0x80 | 0x02;
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            let ([flags, l0, l1, l2, l3], after) = rest.split_first_chunk::<5>()?;
            let length = usize::try_from(u32::from_be_bytes([*l0, *l1, *l2, *l3])).ok()?;
            let (content, after) = after.split_at_checked(length)?;
            rest = after;
            if flags & ENDS == 0 {
                return Some((flags & 1 != 0, content));
            }
        }
    })
}
