//! What both ends of an HTTP/2 connection send (RFC 9113), for tests: frames, and header blocks as an encoder with a
//! dynamic table writes them (RFC 7541).

pub mod talks;

use std::collections::VecDeque;

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Flags of frames.
pub const END_STREAM: u8 = 0x1;
/// ACK of SETTINGS and PING.
pub const ACK: u8 = 0x1;
/// The header block is over.
pub const END_HEADERS: u8 = 0x4;
/// Padding follows.
pub const PADDED: u8 = 0x8;
/// Weight and dependency come first.
pub const PRIORITY: u8 = 0x20;

/// Types of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the types are their names")]
pub enum Kind {
    Data = 0,
    Headers = 1,
    Priority = 2,
    Reset = 3,
    Settings = 4,
    Push = 5,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9,
    /// ALTSVC (RFC 7838), which is none of HTTP/2's own.
    AltSvc = 10,
}

/// One frame.
pub fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[..], &[kind as u8, flags], &stream.to_be_bytes(), payload].concat()
}

/// Content.
pub fn data(stream: u32, end: bool, content: &[u8]) -> Vec<u8> {
    frame(Kind::Data, u8::from(end), stream, content)
}

/// RST_STREAM.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(Kind::Reset, 0, stream, &code.to_be_bytes())
}

/// GOAWAY.
pub fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(Kind::GoAway, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// SETTINGS, with so many concurrent streams.
pub fn settings() -> Vec<u8> {
    frame(Kind::Settings, 0, 0, &[0, 3, 0, 0, 0, 100])
}

/// SETTINGS of the other end are taken.
pub fn settings_ack() -> Vec<u8> {
    frame(Kind::Settings, ACK, 0, &[])
}

/// More may be sent.
pub fn window_update(stream: u32) -> Vec<u8> {
    frame(Kind::WindowUpdate, 0, stream, &[0, 0, 0x40, 0])
}

/// A message of gRPC.
pub fn message(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or_default().to_be_bytes();
    [&[0], &length[..], content].concat()
}

/// Writes header blocks: what was said before is said by its index.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    /// Newest first.
    table: VecDeque<(String, String)>,
    size: usize,
    limit: Option<usize>,
}

impl Encoder {
    /// A header block.
    pub fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            match self.find(name, value) {
                Some(index) => integer(&mut block, 0x80, 7, index),
                None => {
                    let index =
                        STATIC.iter().find(|(_, known, _)| known == name).map_or(0, |(index, ..)| *index);
                    integer(&mut block, 0x40, 6, index);
                    if index == 0 {
                        string(&mut block, name);
                    }
                    string(&mut block, value);
                    self.insert(name, value);
                }
            }
        }
        block
    }

    /// What a block begins with once the table has another size.
    pub fn resize(&mut self, limit: usize) -> Vec<u8> {
        self.limit = Some(limit);
        self.evict(0);
        let mut update = Vec::new();
        integer(&mut update, 0x20, 5, limit);
        update
    }

    /// A whole HEADERS frame.
    pub fn headers(&mut self, stream: u32, end: bool, fields: &[(&str, &str)]) -> Vec<u8> {
        let block = self.block(fields);
        frame(Kind::Headers, END_HEADERS | u8::from(end), stream, &block)
    }

    /// A request for this path with nothing after its head, or with content to follow.
    pub fn request(&mut self, stream: u32, method: &str, path: &str, end: bool) -> Vec<u8> {
        let fields = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "shop.example"),
            (":path", path),
            ("user-agent", "probe/2"),
        ];
        self.headers(stream, end, &fields)
    }

    /// A response with this content.
    pub fn response(&mut self, stream: u32, status: &str, content: &str) -> Vec<u8> {
        let length = content.len().to_string();
        let head = [(":status", status), ("content-type", "text/plain"), ("content-length", &length)];
        [self.headers(stream, false, &head), data(stream, true, content.as_bytes())].concat()
    }

    fn find(&self, name: &str, value: &str) -> Option<usize> {
        let fixed = STATIC.iter().find(|(_, n, v)| *n == name && *v == value && !value.is_empty());
        let own = || self.table.iter().position(|(n, v)| n == name && v == value).map(|at| at + 62);
        fixed.map(|(index, ..)| *index).or_else(own)
    }

    fn insert(&mut self, name: &str, value: &str) {
        let size = name.len() + value.len() + 32;
        self.evict(size);
        if size <= self.limit.unwrap_or(4096) {
            self.size += size;
            self.table.push_front((name.into(), value.into()));
        }
    }

    fn evict(&mut self, room: usize) {
        while self.size + room > self.limit.unwrap_or(4096) {
            let Some((name, value)) = self.table.pop_back() else { break };
            self.size -= name.len() + value.len() + 32;
        }
    }
}

/// Of appendix A what is used here.
const STATIC: [(usize, &str, &str); 16] = [
    (1, ":authority", ""),
    (2, ":method", "GET"),
    (3, ":method", "POST"),
    (4, ":path", "/"),
    (6, ":scheme", "http"),
    (7, ":scheme", "https"),
    (8, ":status", "200"),
    (9, ":status", "204"),
    (12, ":status", "400"),
    (13, ":status", "404"),
    (14, ":status", "500"),
    (26, "content-encoding", ""),
    (28, "content-length", ""),
    (31, "content-type", ""),
    (46, "location", ""),
    (58, "user-agent", ""),
];

fn integer(out: &mut Vec<u8>, flags: u8, prefix: u32, value: usize) {
    let most = (1_usize << prefix) - 1;
    let byte = |value: usize| u8::try_from(value & 0xff).unwrap_or_default();
    if value < most {
        out.push(flags | byte(value));
        return;
    }
    out.push(flags | byte(most));
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(0x80 | byte(rest & 0x7f));
        rest >>= 7;
    }
    out.push(byte(rest));
}

fn string(out: &mut Vec<u8>, text: &str) {
    integer(out, 0, 7, text.len());
    out.extend_from_slice(text.as_bytes());
}
