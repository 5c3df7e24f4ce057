use super::{
    frame::{Frame, Head, Kind, Lane, PREFACE},
    head::Block,
    hpack::{Decoder, Fields},
    resync::{Chain, chain},
};
use overhear_exchange::Timestamp;

/// Longer blocks of fields are not read to find out who sends them.
const LONGEST_BLOCK: usize = 16 * 1024;

/// What the first bytes of one direction are to HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detected {
    /// The preface: this end is the client.
    Preface,
    /// Frames that only a client sends.
    Client,
    /// Frames that only a server sends.
    Server,
    /// Frames that either may send.
    Either,
    /// None of it is excluded yet.
    NeedMore,
    /// Not HTTP/2.
    No,
}

/// Looks at the first bytes that one end sends on a connection (RFC 9113 §3.4).
pub(crate) fn detect(bytes: &[u8]) -> Detected {
    // "PRI" may become a method of HTTP/1 as well.
    if bytes.starts_with(PREFACE) {
        Detected::Preface
    } else if bytes.len() > 4 && PREFACE.starts_with(bytes) {
        Detected::NeedMore
    } else if matches!(bytes, [0, 0, length, 4, 0, 0, 0, 0, 0, ..] if length % 6 == 0) {
        // A client's SETTINGS come after its preface.
        Detected::Server
    } else {
        Detected::No
    }
}

/// Looks at bytes from the middle of a connection. Other protocols begin with a length too: frames that are longer than
/// they may be without asking (RFC 9113 §4.2) are not waited for.
pub(crate) fn detect_joined(bytes: &[u8]) -> Detected {
    const USUAL: u32 = 1 << 14;
    let is_usual = matches!(bytes, [a, b, c, ..] if u32::from_be_bytes([0, *a, *b, *c]) <= USUAL);
    if bytes.len() >= 3 && !is_usual {
        return Detected::No;
    }
    match chain(bytes) {
        Chain::Convincing => who_sends(bytes),
        Chain::Possible { frames: 1.., .. } => Detected::NeedMore,
        Chain::Possible { .. } | Chain::No => Detected::No,
    }
}

/// Which end these frames are from.
fn who_sends(bytes: &[u8]) -> Detected {
    let (mut lane, mut rest, mut frames) = (Lane::at_head(), bytes, 0_u32);
    let mut fields = Fields::default();
    loop {
        match lane.next(Timestamp::default(), &mut rest, LONGEST_BLOCK) {
            Frame::Whole { head, payload, .. }
                if head.kind == Kind::Headers && head.has(Head::END_HEADERS) =>
            {
                let block = head.fragment(payload).unwrap_or_default();
                if Decoder::unknown().decode(block, LONGEST_BLOCK, &mut fields).is_err() {
                    return Detected::No;
                }
                match Block::of(&fields) {
                    Block::Request => return Detected::Client,
                    Block::Response => return Detected::Server,
                    Block::Unclear | Block::Trailers => {}
                }
            }
            Frame::Whole { head, .. } if head.kind == Kind::Push => return Detected::Server,
            Frame::Broken => return Detected::No,
            // One frame alone that either end may send is too little to be sure.
            Frame::NeedMore if frames > 2 => return Detected::Either,
            Frame::NeedMore => return Detected::NeedMore,
            Frame::Preface | Frame::Content { .. } => continue,
            Frame::ContentEnd { .. } | Frame::Whole { .. } | Frame::Passed { .. } => {}
        }
        frames += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Detected, detect, detect_joined};

    #[test]
    fn tells_clients_servers_and_the_rest() {
        for (bytes, expected) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], Detected::Preface),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", Detected::Preface),
            (b"PRI * HTT", Detected::NeedMore),
            (b"PRI * HTTP/2.0\r\nHost: a", Detected::No),
            (b"PRI", Detected::No),
            (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", Detected::Server),
            (b"\0\0\x05\x04\0\0\0\0\0", Detected::No),
        ] {
            assert_eq!(detect(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn joined_it_tells_by_what_is_said() {
        const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0abcdefgh";
        for (bytes, expected) in [
            (&b"\0\0\x02\x01\x05\0\0\0\x07\x82\xbe"[..], Detected::Client),
            (b"\0\0\x02\x01\x04\0\0\0\x07\x88\xbe", Detected::Server),
            (b"\0\0\x02\x01\x04\0\0\0\x07\xbe\xbf", Detected::NeedMore),
            (b"\0\0\x02\x01\x04\0\0\0\x07\x80\x80", Detected::No),
            (PING, Detected::NeedMore),
            (&[PING, PING, PING].concat(), Detected::Either),
            (&PING[..12], Detected::NeedMore),
            (b"\0\0\x08", Detected::No),
            (b"HTTP/1.1 200 OK\r\n", Detected::No),
            // MySQL's answer, a method of AMQP.
            (b"\x07\0\0\x01\0\0\0\x02\0\0\0", Detected::No),
            (b"\x01\0\x01\0\0\0\x1a\0\x0a\0\x0b", Detected::No),
        ] {
            assert_eq!(detect_joined(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
