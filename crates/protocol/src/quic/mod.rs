//! QUIC as far as it is readable: whom a client wants to talk to.
//!
//! The first packets of a client are encrypted with keys that anybody can derive from them (RFC 9001 §5.2): they hide nothing,
//! and hold its ClientHello. Versions 1 (RFC 9000) and 2 (RFC 9369). What follows is not read.

mod frame;
mod keys;
mod packet;
#[cfg(test)]
mod tests;

use crate::tls::{ClientHello, Reading, client_hello};
use frame::Crypto;
use keys::Keys;
use packet::Initial;
pub use packet::{Kind, LongHeader};

/// Packets of one client that are decrypted: a hello is in one or two, and more of them are no honest one's.
const MOST_PACKETS: u8 = 16;

/// True for what looks like a packet of QUIC: the fixed bit is set (RFC 9000 §17), a version is one that is known.
pub fn looks_like(datagram: &[u8]) -> bool {
    match datagram {
        [first, ..] if first & 0x40 == 0 => false,
        [first, version @ ..] if first & 0x80 != 0 => version
            .first_chunk()
            .is_some_and(|version| packet::Version::of(u32::from_be_bytes(*version)).is_some()),
        // A short header, a connection id of any length, a packet number and a tag (RFC 9000 §17.3.1, RFC 9001 §5.4.2).
        short => short.len() >= 21,
    }
}

/// True for what begins with a long header of an Initial packet (RFC 9000 §17.2.2).
pub fn is_initial(datagram: &[u8]) -> bool {
    Initial::parse(datagram).is_some()
}

/// What the client of one flow says, out of its first datagrams.
#[derive(Debug, Default)]
pub struct Handshake {
    crypto: Crypto,
    opened: u8,
    proved: bool,
    done: bool,
}

impl Handshake {
    /// Takes a datagram of either end. Says once what the client said: when it is all there, or there will be no more.
    pub fn datagram(&mut self, datagram: &[u8]) -> Option<ClientHello> {
        let mut rest = datagram;
        // Several packets may share a datagram (RFC 9000 §12.2).
        while !self.done {
            let Some((initial, after)) = Initial::parse(rest) else { break };
            rest = after;
            if self.opened >= MOST_PACKETS {
                return self.finish();
            }
            self.opened += 1;
            // A server's is encrypted with other keys, and tells nothing here.
            let Some(payload) =
                Keys::of_client(initial.version, initial.destination).and_then(|keys| keys.open(&initial))
            else {
                continue;
            };
            self.proved = true;
            self.crypto.take(&payload);
            if let Reading::Whole(hello) = client_hello(&self.crypto.beginning()) {
                self.done = true;
                return Some(hello);
            }
        }
        None
    }

    /// True when nothing more is to be learned of it.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// True once a packet was what only a client sends to a connection id of its own choice: it is encrypted with what comes from it.
    pub const fn is_proved(&self) -> bool {
        self.proved
    }

    /// What is there of it: no more will come.
    pub fn finish(&mut self) -> Option<ClientHello> {
        if std::mem::replace(&mut self.done, true) {
            return None;
        }
        let beginning = std::mem::take(&mut self.crypto).beginning();
        if beginning.is_empty() { None } else { client_hello(&beginning).into_hello() }
    }
}
