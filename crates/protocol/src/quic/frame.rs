use super::packet::Input;
use std::collections::BTreeMap;

/// Bytes of the handshake that are held, and parts of it: browsers cut a hello into a dozen.
const MOST_BYTES: usize = crate::tls::LONGEST;
const MOST_PARTS: usize = 128;

/// The frames that an Initial packet may hold (RFC 9000 §17.2.2, §19).
const PADDING: usize = 0;
const PING: usize = 1;
const ACK: usize = 2;
const ACK_ECN: usize = 3;
const CRYPTO: usize = 6;

/// The stream of the handshake, put together of CRYPTO frames in any order.
#[derive(Debug, Default)]
pub(super) struct Crypto {
    parts: BTreeMap<usize, Box<[u8]>>,
    held: usize,
}

impl Crypto {
    /// Takes the frames of a packet. What is broken ends them.
    pub(super) fn take(&mut self, payload: &[u8]) {
        let mut input = Input { bytes: payload, at: 0 };
        while self.frame(&mut input).is_some() {}
    }

    fn frame(&mut self, input: &mut Input<'_>) -> Option<()> {
        match input.varint()? {
            PADDING | PING => {}
            kind @ (ACK | ACK_ECN) => acknowledgement(input, kind == ACK_ECN)?,
            CRYPTO => {
                let (offset, length) = (input.varint()?, input.varint()?);
                self.hold(offset, input.take(length)?);
            }
            _ => return None,
        }
        Some(())
    }

    fn hold(&mut self, offset: usize, bytes: &[u8]) {
        let room = self.held.saturating_add(bytes.len()) <= MOST_BYTES && self.parts.len() < MOST_PARTS;
        if room && !bytes.is_empty() && offset < MOST_BYTES && !self.parts.contains_key(&offset) {
            self.held += bytes.len();
            self.parts.insert(offset, bytes.into());
        }
    }

    /// What is there from its first byte on.
    pub(super) fn beginning(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for (offset, bytes) in &self.parts {
            let Some(known) = all.len().checked_sub(*offset) else { break };
            all.extend_from_slice(bytes.get(known..).unwrap_or_default());
        }
        all
    }
}

/// RFC 9000 §19.3.
fn acknowledgement(input: &mut Input<'_>, ecn: bool) -> Option<()> {
    input.varint()?;
    input.varint()?;
    let ranges = input.varint()?;
    let numbers = ranges.saturating_mul(2).saturating_add(1).saturating_add(if ecn { 3 } else { 0 });
    // Each is a byte at least, so no more are read than there are bytes.
    (0..numbers).try_for_each(|_| input.varint().map(|_| ()))
}
