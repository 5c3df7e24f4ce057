//! What a connection that is not HTTP/1 speaks, told by its first bytes.

/// How many first bytes are enough for every signature below.
pub(crate) const ENOUGH: usize = 16;

/// The protocol whose signature these first bytes of one direction carry.
pub(crate) fn signature(first: &[u8]) -> Option<&'static str> {
    SIGNATURES.iter().find(|(_, matches)| matches(first)).map(|(name, _)| *name)
}

type Signature = (&'static str, fn(&[u8]) -> bool);

const SIGNATURES: &[Signature] = &[
    ("tls", is_tls),
    ("http2", is_http2),
    ("ssh", |b| b.starts_with(b"SSH-")),
    ("postgresql", is_postgresql),
    ("mysql", is_mysql),
    ("mongodb", is_mongodb),
    ("redis", is_redis),
    ("amqp", |b| b.starts_with(b"AMQP")),
    ("mqtt", is_mqtt),
    ("fastcgi", |b| matches!(b, [1, 1, 0, 1, 0, 8, _, 0, 0, 1..=3, ..])),
    ("smtp", |b| b.starts_with(b"220 ") || b.starts_with(b"220-") || b.starts_with(b"EHLO ")),
    ("nats", |b| b.starts_with(b"INFO {") || b.starts_with(b"CONNECT {")),
    ("websocket", crate::websocket::looks_like),
    ("dbus", |b| b.starts_with(b"\0AUTH ") || b.starts_with(b"AUTH EXTERNAL")),
];

/// A record header (RFC 8446 §5.1): type 20–23, legacy version 3.0–3.4. Holds mid-stream too.
fn is_tls(b: &[u8]) -> bool {
    matches!(b, [0x14..=0x17, 3, 0..=4, length, ..] if *length <= 0x48)
}

/// The client's preface, or the server's first SETTINGS frame (RFC 9113 §3.4).
fn is_http2(b: &[u8]) -> bool {
    b.starts_with(b"PRI * HTTP/2.0") || matches!(b, [0, 0, _, 4, 0 | 1, 0, 0, 0, 0, ..])
}

/// StartupMessage 3.x, `SSLRequest`, `GSSENCRequest` or `CancelRequest` (PostgreSQL protocol §55.7).
fn is_postgresql(b: &[u8]) -> bool {
    matches!(b, [0, 0, _, _, 0, 3, 0, 0..=2, ..] | [0, 0, 0, 8 | 16, 4, 0xd2, 0x16, 0x2e..=0x30, ..])
}

/// The server's greeting: a packet of sequence 0 with protocol version 10 and a version number.
fn is_mysql(b: &[u8]) -> bool {
    matches!(b, [_, _, 0, 0, 10, b'0'..=b'9', b'0'..=b'9' | b'.', ..])
}

/// A message header (length, request id, response to, opcode): `OP_QUERY`, `OP_MSG` or `OP_COMPRESSED`.
fn is_mongodb(b: &[u8]) -> bool {
    matches!(b, [_, _, _, 0, _, _, _, _, 0, 0, 0, 0, 0xd4 | 0xdd | 0xdc, 7, 0, 0, ..])
}

/// An array of bulk strings, or one of the simple answers (RESP 2).
fn is_redis(b: &[u8]) -> bool {
    let request = match b {
        [b'*', b'0'..=b'9', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest.get(digits..).is_some_and(|rest| rest.starts_with(b"\r\n$"))
        }
        _ => false,
    };
    request || [&b"+OK\r\n"[..], b"+PONG\r\n", b"-ERR ", b"-NOAUTH "].iter().any(|start| b.starts_with(start))
}

/// CONNECT with its protocol name (MQTT 3.1.1 §3.1, 5.0 §3.1).
fn is_mqtt(b: &[u8]) -> bool {
    matches!(b, [0x10, _, 0, 4, b'M', b'Q', b'T', b'T', ..] | [0x10, _, _, 0, 4, b'M', b'Q', b'T', b'T', ..])
}
