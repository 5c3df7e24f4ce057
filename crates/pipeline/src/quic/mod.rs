//! Flows of QUIC: how many, how much they move, and whom their clients want. A capture shows who sends to whom; live, the
//! probes count by socket, and the packets that open connections say which they are.

mod captured;
mod heard;
mod socket;
#[cfg(test)]
mod tests;
pub(crate) use captured::Flows;
pub(crate) use heard::Sockets;
pub(crate) use socket::Told;

use crate::unread::wanted;
use overhear_protocol::quic::{Handshake, is_initial};
use overhear_stream::socket::Wanted;

/// Port of HTTP/3 (RFC 9114 §3.1).
const PORT: u16 = 443;
/// A flow that is silent for so long is over: no end of it can be seen (RFC 9000 §10.1; 30 seconds are usual).
const SILENT: u64 = 120_000_000_000;

/// What the client of a flow says before it encrypts, out of the datagrams that open it.
struct Hello {
    handshake: Option<Box<Handshake>>,
    wanted: Option<Wanted>,
    proved: bool,
}

impl Hello {
    fn new() -> Self {
        Self { handshake: Some(Box::default()), wanted: None, proved: false }
    }

    /// Takes a datagram of either end.
    fn take(&mut self, datagram: &[u8]) {
        let Some(handshake) = &mut self.handshake else { return };
        let said = handshake.datagram(datagram);
        self.proved |= handshake.is_proved();
        let goes_on = is_initial(datagram) && !handshake.is_done();
        if let Some(hello) = said {
            self.wanted = Some(wanted(hello));
        }
        // What is spread over several datagrams comes before anything else does.
        if !goes_on {
            self.settle();
        }
    }

    /// No more of it comes.
    fn settle(&mut self) {
        if let Some(hello) = self.handshake.take().and_then(|mut handshake| handshake.finish()) {
            self.wanted = Some(wanted(hello));
        }
    }

    /// Nobody but a client can have said this.
    const fn is_proved(&self) -> bool {
        self.proved
    }

    /// What it said; nothing where it began before.
    const fn wanted(&self) -> Option<&Wanted> {
        self.wanted.as_ref()
    }
}
