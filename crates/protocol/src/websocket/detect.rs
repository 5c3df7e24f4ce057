//! Is this a WebSocket of which the handshake was not seen? Nothing says then what it belongs to, but it has a name.

use super::{frame::Opcode, resync::walk};

/// Are these, out of nowhere, the frames of a WebSocket? Asked of a connection that was joined after its handshake, so
/// there has to be a message of text that reads as such, or a ping.
pub(crate) fn looks_like(arrival: &[u8]) -> bool {
    let Some(second) = arrival.get(1) else { return false };
    let mut evidence = false;
    let whole = walk(arrival, second & 0x80 != 0, &mut |header, payload| {
        let bytes = header.unmasked(payload);
        match header.opcode {
            Opcode::Text if header.compressed => bytes.len() > 1,
            Opcode::Text => {
                let text = std::str::from_utf8(&bytes);
                let says = text.is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()));
                evidence |= says && bytes.len() > 1;
                says
            }
            Opcode::Close => bytes.len() != 1,
            Opcode::Continuation | Opcode::Binary | Opcode::Ping | Opcode::Pong => true,
        }
    });
    whole && evidence
}

#[cfg(test)]
mod tests {
    use super::looks_like;

    #[test]
    fn out_of_nowhere_text_has_to_be_text() {
        assert!(looks_like(b"\x81\x05hello"));
        assert!(looks_like(b"\x81\x85\x01\x02\x03\x04iglhn"));
        for other in
            [&b"\x81\x05hel\x00o"[..], b"\x82\x02ab", b"\x89\x00", b"\x81\x00", b"GET / HTTP/1.1\r\n", b"{}"]
        {
            assert!(!looks_like(other), "{}", other.escape_ascii());
        }
    }
}
