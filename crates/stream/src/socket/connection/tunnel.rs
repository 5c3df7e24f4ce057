//! Connections that lead on to somebody else.

use super::{Cipher, Connection, Piece};
use overhear_exchange::{Address, Side, Timestamp};
use overhear_probe::record::Way;

/// CONNECT was granted on a connection.
#[derive(Debug)]
pub(in crate::socket) struct Tunnel {
    client: Side,
    to: Address,
    /// Should TLS be spoken in it: what its client says first comes by before that is certain.
    cipher: Option<Cipher>,
}

impl Tunnel {
    pub(in crate::socket) fn new(client: Side, to: Address, began: Timestamp) -> Self {
        Self { client, to, cipher: Some(Cipher::inside(began)) }
    }

    /// Where what is said at this end goes.
    pub(in crate::socket) fn leads(&self, from: Side) -> Option<&Address> {
        (from == self.client).then_some(&self.to)
    }

    /// What is known of it as TLS, which it is from now on.
    pub(super) const fn take_cipher(&mut self) -> Option<Cipher> {
        self.cipher.take()
    }
}

impl Connection {
    /// A piece of what may turn out to be TLS.
    pub(in crate::socket) fn may_be_sealed(&mut self, side: Side, way: Way, piece: (Timestamp, Piece<'_>)) {
        let from = if way == Way::Sent { side } else { side.other() };
        if self.directions[from.index()].carrier != Some(side) {
            return;
        }
        if let Some(cipher) = self.tunnel.as_mut().and_then(|tunnel| tunnel.cipher.as_mut()) {
            // It is looked at when it is sealed.
            let _worth_a_look = cipher.piece(side, way, piece);
        }
    }
}
