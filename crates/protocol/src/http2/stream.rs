//! One stream (RFC 9113 §5): what was asked on it, what is answered, and how far both are.

use super::head::{RequestHead, ResponseHead};
use crate::{
    call,
    http1::Capture,
    incoming::{Incoming, events},
    parting::Cut,
    rpc::{self, Carried},
    stream::{Asked, EVERY},
};
use overhear_exchange::{
    Body, Detail, ErrorType, Headers, Http, HttpAnomaly, HttpVersion, Method, Scheme, Sender, Side,
    Timestamp, observation::Observation,
};

/// A stream that is under way.
pub(super) struct Stream {
    pub(super) request: Option<Request>,
    pub(super) reply: Reply,
    /// It is a call of enveloped messages.
    pub(super) carried: Option<Box<Carried>>,
    pub(super) anomaly: Option<HttpAnomaly>,
    /// Something of it may have been missed then.
    pub(super) doubt: Option<Timestamp>,
}

pub(super) struct Request {
    pub(super) head: Opening,
    pub(super) time: Timestamp,
    /// When its last byte came, as far as it has.
    pub(super) last: Timestamp,
    pub(super) progress: Progress,
    pub(super) body: Capture,
}

/// How the request came.
pub(super) enum Opening {
    Head(Box<RequestHead>),
    /// Over HTTP/1.1, with an upgrade (RFC 7540 §3.2): all of it is told there.
    Upgraded(Box<Observation>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Underway,
    Whole,
    /// Its end was not seen, or there is none.
    Lost,
}

pub(super) enum Reply {
    Awaited,
    Underway(Box<Response>),
    Whole(Box<Response>),
    /// It, or its beginning, was missed.
    Missed(Option<Box<Response>>),
}

pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) incoming: Incoming,
    /// Frames of it may have been missed. What is made of messages goes on all the same.
    pub(super) lossy: bool,
    pub(super) trailers: Headers,
}

/// What all streams of a connection have in common.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) client: Side,
    pub(super) scheme: Scheme,
}

impl Stream {
    pub(super) const fn new(request: Option<Request>) -> Self {
        Self { request, reply: Reply::Awaited, carried: None, anomaly: None, doubt: None }
    }

    /// The request of which the answer came before it; what the two carry is counted together.
    pub(super) fn request(&mut self, request: Request, carried: Option<Box<Carried>>) {
        self.request = Some(request);
        self.carried = match (carried, self.carried.take()) {
            (Some(asked), Some(answered)) => Some(Box::new(asked.with_answer(*answered))),
            (one, other) => one.or(other),
        };
    }

    /// Takes out what the two said so far, as far as it was kept: the client, then the server.
    pub(super) fn take_bodies(&mut self) -> [Body; 2] {
        let sent = self.request.as_mut().map(|request| &mut request.body);
        let received = match &mut self.reply {
            Reply::Underway(response) | Reply::Whole(response) => Some(&mut response.incoming.body),
            Reply::Awaited | Reply::Missed(_) => None,
        };
        let take = |body: &mut Capture| std::mem::take(body).into_body(true, Default::default());
        [sent, received].map(|body| body.map(take).unwrap_or_default())
    }

    /// An answer without its request waits for that.
    pub(super) fn is_done(&self) -> bool {
        let asked = self.request.as_ref().is_some_and(|request| request.progress != Progress::Underway);
        asked && matches!(self.reply, Reply::Whole(_) | Reply::Missed(_))
    }

    /// More of the request. `limit`: bytes kept of it.
    pub(super) fn sent(&mut self, time: Timestamp, content: &[u8], limit: usize) {
        let Some(request) = self.request.as_mut().filter(|r| r.progress == Progress::Underway) else {
            return;
        };
        request.body.push(content, limit);
        // What is sent ahead to a WebSocket that is not open yet is no part of the request.
        if !request.opens_web_socket() {
            request.last = time;
        }
        if let Some(carried) = &mut self.carried {
            carried.push(Sender::Client, time, content);
        }
    }

    /// More of the response. `limit`: bytes kept of it.
    pub(super) fn received(&mut self, time: Timestamp, content: &[u8], limit: usize) {
        match &mut self.reply {
            Reply::Underway(response) => {
                response.incoming.content(time, content, limit);
                if let Some(carried) = &mut self.carried {
                    carried.push(Sender::Server, time, content);
                }
                // What was on its way when the stream ended comes no later than this.
                self.doubt.take_if(|doubt| response.lossy && time.since(*doubt) >= EVERY);
            }
            // Its head was missed.
            reply @ Reply::Awaited => *reply = Reply::Missed(None),
            Reply::Whole(_) | Reply::Missed(_) => {}
        }
    }

    /// So much content was not seen.
    pub(super) fn gap(&mut self, sender: Sender, time: Timestamp, length: u64) {
        match (sender, &mut self.request, &mut self.reply) {
            (Sender::Client, Some(request), _) => {
                request.last = time;
                request.body.lose(length);
            }
            (Sender::Server, _, Reply::Underway(response)) => {
                response.incoming.last = time;
                response.incoming.gap(Some(length));
            }
            (Sender::Client | Sender::Server, _, _) => return,
        }
        if let Some(carried) = &mut self.carried {
            carried.lose(sender, Some(length));
        }
    }

    /// One end is done with it.
    pub(super) fn ended(&mut self, sender: Sender, time: Timestamp) {
        match sender {
            Sender::Client => {
                if let Some(request) = self.request.as_mut().filter(|r| r.progress == Progress::Underway) {
                    request.progress = Progress::Whole;
                    request.last = time;
                }
            }
            Sender::Server => {
                self.reply = match std::mem::replace(&mut self.reply, Reply::Awaited) {
                    Reply::Underway(mut response) => {
                        response.incoming.last = time;
                        // How long it is in all is not known.
                        if response.lossy { Reply::Missed(Some(response)) } else { Reply::Whole(response) }
                    }
                    Reply::Awaited => Reply::Missed(None),
                    other @ (Reply::Whole(_) | Reply::Missed(_)) => other,
                };
            }
        }
    }

    /// Nothing more comes. An answer of which all came that was announced (RFC 9110 §8.6) is whole without the mark of its end:
    /// who has it may leave before that.
    pub(super) fn left(&mut self) {
        let is_all = |response: &Response| {
            let announced = response.head.rest.headers.get("content-length");
            let announced = announced.and_then(|length| str::from_utf8(length).ok()?.parse::<u64>().ok());
            announced == Some(response.incoming.body.size()) && !response.lossy
        };
        // A remote call says in its trailers how it ended.
        if let Reply::Underway(response) = &self.reply
            && self.carried.is_none()
            && is_all(response)
        {
            let last = response.incoming.last;
            self.ended(Sender::Server, last);
        }
    }

    /// Some of what the client sent was not seen.
    pub(super) fn lose_request(&mut self, time: Timestamp) {
        if let Some(request) = self.request.as_mut().filter(|r| r.progress == Progress::Underway) {
            request.progress = Progress::Lost;
            request.last = time;
            request.body.lose_some();
            if let Some(carried) = &mut self.carried {
                carried.lose(Sender::Client, None);
            }
        }
    }

    /// Of a response that has begun something may be missing now; one that has not may still come.
    pub(super) fn lose_reply(&mut self) {
        self.reply = match std::mem::replace(&mut self.reply, Reply::Awaited) {
            Reply::Underway(mut response) => {
                response.incoming.gap(None);
                if let Some(carried) = &mut self.carried {
                    carried.lose(Sender::Server, None);
                }
                if response.incoming.is_stream() || self.carried.is_some() {
                    response.lossy = true;
                    Reply::Underway(response)
                } else {
                    Reply::Missed(Some(response))
                }
            }
            other @ (Reply::Awaited | Reply::Whole(_) | Reply::Missed(_)) => other,
        };
    }

    /// Why it failed, given that nothing more comes.
    pub(super) fn error(&self, cut: Cut) -> Option<ErrorType> {
        match (&self.reply, cut) {
            (Reply::Underway(_), Cut::Error { by_client: true, .. }) if self.is_endless() => None,
            (Reply::Awaited | Reply::Underway(_), Cut::Error { error, .. }) => Some(error),
            // The answer was whole: the rest of the request is not wanted (RFC 9113 §8.1).
            (Reply::Whole(_) | Reply::Missed(_), Cut::Error { .. }) | (_, Cut::Unknown) => None,
        }
    }

    /// How far it is, where there is something to tell of what takes long.
    pub(super) fn tell(&mut self, ends: Ends, now: Timestamp) -> Option<Observation> {
        let Self { request, reply, carried, anomaly, .. } = self;
        let request = request.as_mut()?;
        let (begun, asked) = (request.time, request.last);
        let stream = match (&mut *carried, &mut *reply) {
            (Some(carried), Reply::Awaited | Reply::Underway(_)) => carried.tell(begun, asked, now),
            (None, Reply::Underway(response)) => response.incoming.tell(asked, now),
            (_, Reply::Awaited | Reply::Whole(_) | Reply::Missed(_)) => None,
        }?;
        let mut http = request.so_far(ends.scheme);
        http.anomalies.extend(*anomaly);
        let mut time_to_first_byte = None;
        if let Reply::Underway(response) = reply {
            let Response { head, incoming, .. } = &mut **response;
            time_to_first_byte = Some(incoming.first.since(asked));
            let sent = std::mem::take(&mut http.request_body);
            incoming.say(&mut http, head.status, head.rest.headers.clone(), sent);
        }
        if let Some(carried) = carried {
            http.call = rpc::of(&http, Some(carried)).map(Box::new);
        }
        http.request_body = Body { size: http.request_body.size, ..Body::default() };
        http.stream = Some(Box::new(stream));
        let detail = Detail::Http(Box::new(http));
        let client = ends.client;
        Some(Observation { client, time: begun, duration: None, time_to_first_byte, error: None, detail })
    }

    /// What became of it.
    pub(super) fn observe(self, ends: Ends, error: Option<ErrorType>) -> Option<Observation> {
        let Self { request, reply, carried, anomaly, .. } = self;
        let (response, answered) = match reply {
            Reply::Awaited | Reply::Missed(None) => (None, false),
            Reply::Underway(response) | Reply::Missed(Some(response)) => (Some(response), false),
            Reply::Whole(response) => (Some(response), true),
        };
        let Request { head, time, last, progress, body } = request?;
        let duration =
            response.as_ref().filter(|_| answered).map(|response| response.incoming.last.since(last));
        let time_to_first_byte = response.as_ref().map(|response| response.incoming.first.since(last));
        let mut http = head.into_http(ends.scheme, body, progress == Progress::Whole);
        http.anomalies.extend(anomaly);
        let mut messages = None;
        if let Some(response) = response {
            let Response { head, incoming, trailers, .. } = *response;
            if head.rest.unknown && !http.anomalies.contains(&HttpAnomaly::UnknownFields) {
                http.anomalies.push(HttpAnomaly::UnknownFields);
            }
            http.status = head.status;
            http.response_headers = head.rest.headers;
            http.trailers = trailers;
            messages = incoming.say_over(&mut http, answered, head.rest.codings, last);
        }
        call::tell_streamed(&mut http, carried.as_deref(), events(messages.as_deref(), last));
        let detail = Detail::Http(Box::new(http));
        Some(Observation { client: ends.client, time, duration, time_to_first_byte, error, detail })
    }

    /// Bytes of content kept.
    pub(super) fn held(&self) -> usize {
        self.request.as_ref().map_or(0, |request| request.body.held())
            + self.response().map_or(0, |r| r.incoming.body.held())
    }

    /// Heap bytes held, about.
    pub(super) fn retained(&self) -> usize {
        let carried = self.carried.as_ref().map_or(0, |carried| size_of_val(&**carried));
        let request = self.request.as_ref().map_or(0, Request::retained);
        size_of::<Self>() + carried + request + self.response().map_or(0, Response::retained)
    }

    /// What comes is read as messages, which takes memory of its own.
    pub(super) fn is_followed(&self) -> bool {
        self.response().is_some_and(|response| response.incoming.is_stream())
    }

    /// A stream that goes on until the client has enough: that it leaves is how it ends. Who posts waits for an answer.
    fn is_endless(&self) -> bool {
        let gets = self.request.as_ref().is_some_and(|request| *request.asked().method == Method::Get);
        gets && self.is_followed()
    }

    fn response(&self) -> Option<&Response> {
        match &self.reply {
            Reply::Underway(r) | Reply::Whole(r) | Reply::Missed(Some(r)) => Some(r),
            Reply::Awaited | Reply::Missed(None) => None,
        }
    }
}

impl Request {
    /// With nothing after its head, of which the first byte came at `time` and the last at `last`.
    pub(super) fn new(head: Opening, progress: Progress, (time, last): (Timestamp, Timestamp)) -> Self {
        Self { head, time, last, progress, body: Capture::default() }
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        match &self.head {
            Opening::Head(head) => Asked { method: &head.method, path: &head.path },
            Opening::Upgraded(observation) => {
                let Detail::Http(http) = &observation.detail;
                Asked { method: &http.method, path: &http.path }
            }
        }
    }

    pub(super) fn opens_web_socket(&self) -> bool {
        matches!(&self.head, Opening::Head(head) if head.opens_web_socket)
    }

    /// As far as it came.
    fn so_far(&self, scheme: Scheme) -> Http {
        match &self.head {
            Opening::Head(head) => {
                let body = self.body.so_far(head.rest.codings.clone());
                http(RequestHead::clone(head), scheme, body)
            }
            Opening::Upgraded(observation) => {
                let Detail::Http(http) = &observation.detail;
                Http::clone(http)
            }
        }
    }

    fn retained(&self) -> usize {
        let head = match &self.head {
            Opening::Head(head) => {
                let target = head.path.len() + head.query.as_ref().map_or(0, |query| query.len());
                size_of::<RequestHead>() + target + headers_size(&head.rest.headers)
            }
            Opening::Upgraded(_) => size_of::<Observation>() + size_of::<Http>(),
        };
        head + self.body.retained()
    }
}

impl Opening {
    fn into_http(self, scheme: Scheme, body: Capture, whole: bool) -> Http {
        match self {
            Self::Head(head) => {
                let body = body.into_body(whole, head.rest.codings.clone());
                http(*head, scheme, body)
            }
            Self::Upgraded(observation) => match observation.detail {
                Detail::Http(http) => *http,
            },
        }
    }
}

impl Response {
    pub(super) fn new(head: ResponseHead, first: Timestamp, last: Timestamp) -> Self {
        Self { head, incoming: Incoming::new(first, last), lossy: false, trailers: Headers::default() }
    }

    /// Its status is not known, and nothing came after its head: the final one may follow.
    pub(super) fn may_be_interim(&self) -> bool {
        self.head.status.is_none() && self.incoming.body.is_empty()
    }

    fn retained(&self) -> usize {
        let fields = headers_size(&self.head.rest.headers) + headers_size(&self.trailers);
        size_of::<Self>() + self.incoming.retained() + fields
    }
}

/// A request whose answer is not known.
fn http(head: RequestHead, scheme: Scheme, request_body: Body) -> Http {
    let RequestHead { method, scheme: told, authority, path, query, rest, .. } = head;
    Http {
        version: HttpVersion::V2,
        scheme: told.unwrap_or(scheme),
        method,
        authority,
        path,
        query,
        status: None,
        request_headers: rest.headers,
        response_headers: Headers::default(),
        trailers: Headers::default(),
        request_body,
        response_body: Body { complete: false, ..Body::default() },
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: rest.unknown.then_some(HttpAnomaly::UnknownFields).into_iter().collect(),
    }
}

fn headers_size(headers: &Headers) -> usize {
    // Each field's place takes up to sixteen bytes beside its text.
    headers.iter().map(|(name, value)| name.len() + value.len() + 16).sum()
}
