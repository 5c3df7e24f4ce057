//! A response while it comes, whatever frames it, and what there is to tell of it before it is over.

use crate::{
    call,
    gen_ai::Follower,
    http1::Capture,
    stream::{LongBody, Streaming},
};
use overhear_exchange::{Body, Call, ContentCoding, Headers, Http, Stage, Stream, Timestamp};
use smallvec::SmallVec;

type Codings = SmallVec<[ContentCoding; 1]>;

/// What follows the head of a response.
pub(crate) struct Incoming {
    /// When its first byte came, ...
    pub(crate) first: Timestamp,
    /// ... and its last, as far as it has.
    pub(crate) last: Timestamp,
    pub(crate) body: Capture,
    /// The body is made of messages.
    stream: Option<Box<Streaming>>,
    long: LongBody,
    /// What is called, once something was told of it.
    call: Option<Option<Box<Call>>>,
}

impl Incoming {
    /// After a head of which the first byte came at `first` and the last at `last`.
    pub(crate) fn new(first: Timestamp, last: Timestamp) -> Self {
        let (body, long) = Default::default();
        Self { first, last, body, stream: None, long, call: None }
    }

    /// The body is made of messages where there is a `stream`.
    pub(crate) fn follow(&mut self, stream: Option<Box<Streaming>>) {
        self.stream = stream;
    }

    /// That the body is made of messages shows after it began.
    pub(crate) fn catch_up(&mut self, stream: Option<Box<Streaming>>) {
        let Some(mut stream) = stream else { return };
        let so_far = self.body.so_far(Codings::new());
        stream.content(self.last, so_far.captured.expose());
        if self.body.has_holes() {
            stream.gap();
        }
        self.stream = Some(stream);
    }

    /// The body is made of messages.
    pub(crate) const fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// More of the body, of which at most `limit` bytes are kept.
    pub(crate) fn content(&mut self, time: Timestamp, content: &[u8], limit: usize) {
        self.body.push(content, limit);
        self.last = time;
        if let Some(stream) = &mut self.stream {
            stream.content(time, content);
        }
    }

    /// Content was not seen: so many bytes, if that is known.
    pub(crate) fn gap(&mut self, length: Option<u64>) {
        match length {
            Some(length) => self.body.lose(length),
            None => self.body.lose_some(),
        }
        if let Some(stream) = &mut self.stream {
            stream.gap();
        }
    }

    /// What there is to tell of it before it is over. `asked`: when the last byte of the request came.
    pub(crate) fn tell(&mut self, asked: Timestamp, now: Timestamp) -> Option<Stream> {
        match &mut self.stream {
            Some(stream) => stream.is_due(now).then(|| stream.tell(Stage::Underway, asked, now)),
            None => self.long.is_due(self.first, now).then(|| self.long.tell(self.body.size(), now)),
        }
    }

    /// Says what is known of it so far, without its body. `asked`: that of the request.
    pub(crate) fn say(&mut self, http: &mut Http, status: Option<u16>, headers: Headers, asked: Body) {
        http.status = status;
        http.response_headers = headers;
        http.response_body = Body { size: self.body.size(), ..Body::default() };
        let size = asked.size;
        http.request_body = asked;
        http.call = self.call.get_or_insert_with(|| call::of(http).map(Box::new)).clone();
        http.request_body = Body { size, ..Body::default() };
    }

    /// Says what came of it, now that no more does: all of it where it `ended`. Gives what its messages are.
    pub(crate) fn say_over(
        self,
        http: &mut Http,
        ended: bool,
        codings: Codings,
        asked: Timestamp,
    ) -> Option<Box<Streaming>> {
        let Self { last, body, mut stream, .. } = self;
        http.response_body = body.into_body(ended, codings);
        if let Some(stream) = &mut stream {
            stream.finish(last);
            http.stream = Some(Box::new(stream.tell(Stage::Over, asked, last)));
        }
        stream
    }

    /// Heap bytes held, about.
    pub(crate) fn retained(&self) -> usize {
        self.body.retained() + self.stream.as_ref().map_or(0, |stream| stream.retained())
    }
}

/// What the events of an answer said of a model, and when that was asked.
pub(crate) fn events(stream: Option<&Streaming>, asked: Timestamp) -> Option<(&Follower, Timestamp)> {
    Some((stream?.model()?, asked))
}
