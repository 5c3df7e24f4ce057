//! A response while it comes, and what there is to tell of it before it is over.

use super::{body::Capture, head::ResponseHead};
use crate::{
    call,
    stream::{LongBody, Streaming},
};
use overhear_exchange::{Body, Call, Http, Stage, Stream, Timestamp};

/// A response that is underway, or was.
pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) body: Capture,
    /// The body is made of messages.
    pub(super) stream: Option<Box<Streaming>>,
    long: LongBody,
    /// What is called, once something was told of it.
    call: Option<Option<Box<Call>>>,
}

impl Response {
    pub(super) fn new(head: ResponseHead, first: Timestamp, last: Timestamp) -> Self {
        let (body, long) = Default::default();
        Self { head, first, last, body, stream: None, long, call: None }
    }

    /// What there is to tell of it before it is over.
    pub(super) fn tell(&mut self, asked: Timestamp, now: Timestamp) -> Option<Stream> {
        match &mut self.stream {
            Some(stream) => stream.is_due(now).then(|| stream.tell(Stage::Underway, asked, now)),
            None => self.long.is_due(self.first, now).then(|| self.long.tell(self.body.size(), now)),
        }
    }

    /// Says what is known of it so far, without its body. `asked`: that of the request.
    pub(super) fn say(&mut self, http: &mut Http, asked: Body) {
        http.status = Some(self.head.status);
        http.response_headers = self.head.headers.clone();
        http.response_body = Body { size: self.body.size(), ..Body::default() };
        let size = asked.size;
        http.request_body = asked;
        http.call = self.call.get_or_insert_with(|| call::of(http).map(Box::new)).clone();
        http.request_body = Body { size, ..Body::default() };
    }
}
