use crate::Redacted;
use bytes::Bytes;
use std::time::Duration;

/// What goes over an exchange that is more than one request and one response: the messages of a WebSocket or of a remote
/// procedure call, the events of a stream; or a body that takes its time.
///
/// It is told while it goes on ([`Stage::Underway`]), each time with what is new, and once more when it is over.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What it is made of.
    pub kind: StreamKind,
    /// Whether it goes on.
    pub stage: Stage,
    /// What the client sent after its request; nothing but over a WebSocket and in a remote procedure call.
    pub client: Flow,
    /// What the server sent.
    pub server: Flow,
    /// From the last request byte to the end of the server's first message.
    pub time_to_first_message: Option<Duration>,
    /// What was said since it was last told, as far as it was kept.
    pub fresh: Vec<Message>,
}

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Messages both ways (RFC 6455).
    WebSocket(WebSocket),
    /// Server-sent events (WHATWG HTML, §9.2).
    Events,
    /// Lines of JSON.
    Lines,
    /// Messages of a remote procedure call (gRPC, gRPC-Web, Connect) that goes on. They are only counted; once it is over its
    /// counts are [`Rpc`](crate::Rpc)'s.
    Messages,
    /// A body without parts, of which only the size is told.
    Body,
}

impl StreamKind {
    /// The name in JSON and on screen.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::WebSocket(_) => "websocket",
            Self::Events => "events",
            Self::Lines => "lines",
            Self::Messages => "messages",
            Self::Body => "body",
        }
    }
}

/// What the two ends of a WebSocket agreed on, and how they parted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocket {
    /// `Sec-WebSocket-Protocol` of the answer.
    pub subprotocol: Option<Box<str>>,
    /// Messages may be compressed (RFC 7692).
    pub deflate: bool,
    /// Status code of the first Close frame (RFC 6455 §7.4): 1005 where that has none, 1006 where the connection ended
    /// without one. Absent while it is open, and where its end was not seen.
    pub close_code: Option<u16>,
}

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// More may come. What is told of it is no exchange yet.
    Underway,
    /// No more comes.
    Over,
}

/// What one end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// From the beginning.
    pub total: Counts,
    /// Since it was last told.
    pub fresh: Counts,
}

/// Messages that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many.
    pub messages: u64,
    /// Bytes of their payloads: as they were on the wire of a WebSocket, without content coding of a stream.
    pub bytes: u64,
    /// Of those messages: could not be read, or not all of it.
    pub unread: u64,
    /// Times that something was not seen: messages may be missing from the count.
    pub gaps: u64,
}

impl Counts {
    /// Adds what was counted elsewhere.
    pub const fn add(&mut self, more: Self) {
        self.messages = self.messages.saturating_add(more.messages);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.unread = self.unread.saturating_add(more.unread);
        self.gaps = self.gaps.saturating_add(more.gaps);
    }
}

impl Flow {
    /// Counts more.
    pub const fn add(&mut self, more: Counts) {
        self.total.add(more);
        self.fresh.add(more);
    }
}

/// Which end of an exchange said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// The one that sent the request.
    Client,
    /// The one that answers.
    Server,
}

/// One message, or as much of it as was kept.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who said it.
    pub sender: Sender,
    /// The name of an event.
    pub name: Option<Box<str>>,
    /// Whether it is text.
    pub is_text: bool,
    /// What it says, without compression.
    pub content: Redacted<Bytes>,
    /// That is all of it.
    pub complete: bool,
}
