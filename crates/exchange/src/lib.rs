//! The vocabulary of Overhear: plain data that crosses between crates, with no logic beyond constructors.
//!
//! The way of a byte: a source yields [`wire::Segment`]s (packets) or socket chunks; `stream` orders them
//! into [`wire::Event`]s; `protocol` reads those and yields [`observation::Observation`]s; `pipeline` adds who spoke and
//! makes an [`Exchange`] of each.

mod authority;
mod body;
mod build;
mod call;
mod codes;
mod error_type;
mod gen_ai;
mod headers;
mod http;
pub mod observation;
mod peer;
mod redacted;
mod rpc;
mod statistics;
mod stream;
mod time;
mod unread;
pub mod wire;

pub use authority::Authority;
pub use body::{Body, ContentCoding};
pub use build::{Build, Family};
pub use call::{Call, CallSystem, GraphQlType};
pub use codes::{Http2Code, RpcStatus};
pub use error_type::ErrorType;
pub use gen_ai::{GenAi, GenAiOperation};
pub use headers::Headers;
pub use http::{Http, HttpAnomaly, HttpVersion, Method, Scheme};
pub use peer::{Address, Direction, Peer, Process, Side};
pub use redacted::Redacted;
pub use rpc::{Messages, Rpc};
pub use statistics::{Loss, LossReason, Statistics};
pub use stream::{Counts, Flow, Message, Sender, Stage, Stream, StreamKind, WebSocket};
pub use time::Timestamp;
pub use unread::{Cipher, Names, Unread, UnreadKey, UnreadReason, UnreadTable};

use std::time::Duration;

/// One request and its response, or one request that never got one, as seen from outside.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The connection it travelled on; unique within one capture.
    pub connection: wire::ConnectionId,
    /// When the first byte of the request was seen.
    pub time: Timestamp,
    /// From the last request byte to the last response byte. Absent without a complete response.
    pub duration: Option<Duration>,
    /// From the last request byte to the first byte of the final response.
    pub time_to_first_byte: Option<Duration>,
    /// The observed service's view: did it answer this, or ask it?
    pub direction: Direction,
    /// The end that sent the request.
    pub client: Peer,
    /// The end that answers.
    pub server: Peer,
    /// The service this exchange is accounted to (`service.name`): the server for inbound, the client for
    /// outbound exchanges, a name derived from the host for captures without processes.
    pub service: std::sync::Arc<str>,
    /// Why it failed, where it did (`error.type`).
    pub error: Option<ErrorType>,
    /// What the protocol says.
    pub detail: Detail,
}

impl Exchange {
    /// True for what is told of a stream that goes on: no exchange yet, only how far it is.
    pub fn is_underway(&self) -> bool {
        self.detail.is_underway()
    }

    /// How long the answer took, where that is what is asked: [`Self::duration`], and of a WebSocket, which lasts as long as
    /// its ends like, the time until it was open.
    pub fn latency(&self) -> Option<Duration> {
        let Detail::Http(http) = &self.detail;
        let is_web_socket =
            http.stream.as_ref().is_some_and(|stream| matches!(stream.kind, StreamKind::WebSocket(_)));
        if is_web_socket { self.time_to_first_byte } else { self.duration }
    }
}

/// What is particular to the protocol that was spoken.
#[derive(Clone, Debug)]
pub enum Detail {
    /// HTTP/1.x (RFC 9112) and HTTP/2 (RFC 9113).
    Http(Box<Http>),
}

impl Detail {
    /// True for what is told of a stream that goes on.
    pub fn is_underway(&self) -> bool {
        let Self::Http(http) = self;
        http.stream.as_ref().is_some_and(|stream| stream.stage == Stage::Underway)
    }
}
