//! One request and what is known of its response.

use super::{
    body::Capture,
    head::{RequestHead, ResponseHead},
};
use crate::{
    call,
    stream::{LongBody, Streaming},
};
use overhear_exchange::{Body, Call, Headers, Http, Method, Stage, Stream, Timestamp};

/// A request until it is told.
pub(super) struct Pending {
    pub(super) head: RequestHead,
    pub(super) time: Timestamp,
    /// When its last byte came, as far as it has.
    pub(super) last: Timestamp,
    pub(super) progress: Progress,
    pub(super) body: Capture,
    pub(super) reply: Reply,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Underway,
    Whole,
    /// Its end was not seen.
    Lost,
}

/// What there is of the response.
pub(super) enum Reply {
    Awaited,
    Underway(Response),
    Whole(Response),
    /// It was, or may have been, missed.
    Missed(Option<Response>),
}

/// A response that has begun.
pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) body: Capture,
    /// The body is made of messages.
    pub(super) stream: Option<Box<Streaming>>,
    pub(super) long: LongBody,
    /// What is called, once something was told of it.
    pub(super) call: Option<Option<Box<Call>>>,
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

impl Pending {
    /// A stream that goes on until the client has enough: that it leaves is how it ends. Who posts waits for an answer.
    pub(super) fn is_endless(&self) -> bool {
        let is_stream = matches!(&self.reply, Reply::Underway(response) if response.stream.is_some());
        is_stream && self.head.method == Method::Get
    }

    pub(super) fn is_done(&self) -> bool {
        let ended = self.progress != Progress::Underway;
        ended && matches!(self.reply, Reply::Whole(_) | Reply::Missed(_))
    }

    pub(super) fn retained(&self) -> usize {
        let response = match &self.reply {
            Reply::Underway(r) | Reply::Whole(r) | Reply::Missed(Some(r)) => {
                let stream = r.stream.as_ref().map_or(0, |stream| stream.retained());
                r.body.retained() + headers_size(&r.head.headers) + stream
            }
            Reply::Awaited | Reply::Missed(None) => 0,
        };
        let target = self.head.target.path.len() + self.head.target.query.as_ref().map_or(0, |q| q.len());
        size_of::<Self>() + self.body.retained() + headers_size(&self.head.headers) + target + response
    }
}

fn headers_size(headers: &Headers) -> usize {
    // Each field's place takes up to sixteen bytes beside its text.
    headers.iter().map(|(name, value)| name.len() + value.len() + 16).sum()
}
