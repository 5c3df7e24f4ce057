//! Streams into exchanges (RFC 9113 §5). A stream's number says which response is whose, so that nothing has to be
//! concluded from order; after a loss only those streams are in doubt of which something may have been missed.

use super::head::{RequestHead, ResponseHead, Rest};
use crate::{
    Limits, Skipped, call,
    http1::Capture,
    rpc::{self, Carried},
};
use overhear_exchange::{
    Body, Detail, ErrorType, Headers, Http, Http2Code, HttpAnomaly, HttpVersion, Scheme, Side, Timestamp,
    observation::Observation,
};
use std::{collections::BTreeMap, time::Duration};

/// More streams than this times [`Limits::pending`] are not followed at once.
const STREAMS: usize = 8;
/// A stream of which something may have been missed is given up on after so long.
const DOUBT: Duration = Duration::from_secs(10);

/// The streams of a connection that are under way.
pub(super) struct Streams {
    limits: Limits,
    client: Side,
    scheme: Scheme,
    open: BTreeMap<u32, Box<Stream>>,
    /// The highest that the client has opened.
    newest: u32,
    /// Content held, all streams together.
    kept: usize,
    /// When something was missed, while streams may be in doubt for it.
    missed: Option<Timestamp>,
    /// Why the connection is given up, where that was said.
    given_up: Option<Http2Code>,
    pub(super) skipped: Skipped,
}

struct Stream {
    request: Option<Request>,
    reply: Reply,
    anomaly: Option<HttpAnomaly>,
    /// Something of it may have been missed then.
    doubt: Option<Timestamp>,
}

struct Request {
    head: Opening,
    time: Timestamp,
    /// When its last byte came, as far as it has.
    last: Timestamp,
    progress: Progress,
    body: Capture,
    carried: Option<Box<Carried>>,
}

/// How the request came.
enum Opening {
    Head(Box<RequestHead>),
    /// Over HTTP/1.1, with an upgrade (RFC 7540 §3.2): all of it is told there.
    Upgraded(Box<Observation>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Underway,
    Whole,
    /// Its end was not seen, or there is none.
    Lost,
}

enum Reply {
    Awaited,
    Underway(Box<Response>),
    Whole(Box<Response>),
    /// It, or its beginning, was missed.
    Missed(Option<Box<Response>>),
}

struct Response {
    head: ResponseHead,
    first: Timestamp,
    last: Timestamp,
    body: Capture,
    carried: Option<Box<Carried>>,
    trailers: Headers,
}

/// Why no more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// That is known.
    Error(ErrorType),
    /// The capture ended, not the connection.
    Unknown,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

impl Streams {
    pub(super) fn new(limits: Limits, tls: bool, client: Side) -> Self {
        Self {
            limits,
            client,
            scheme: if tls { Scheme::Https } else { Scheme::Http },
            open: BTreeMap::new(),
            newest: 0,
            kept: 0,
            missed: None,
            given_up: None,
            skipped: Skipped::default(),
        }
    }

    /// It shows which end is the client.
    pub(super) const fn set_client(&mut self, client: Side) {
        self.client = client;
    }

    /// Every stream may have ended otherwise than was seen.
    pub(super) fn doubt(&mut self, time: Timestamp) {
        self.missed = Some(time);
        self.open.values_mut().for_each(|open| open.doubt = Some(time));
    }

    /// The request that asked for the upgrade is stream 1.
    pub(super) fn upgrade(&mut self, request: Observation, last: Timestamp) {
        let time = request.time;
        let head = Opening::Upgraded(Box::new(request));
        let body = Capture::default();
        let request = Request { head, time, last, progress: Progress::Whole, body, carried: None };
        self.newest = 1;
        self.open.insert(1, Box::new(Stream::new(Some(request))));
    }

    /// Whether a block of the client's on this stream can begin a request: streams are opened in ascending order.
    pub(super) fn may_open(&self, stream: u32) -> bool {
        stream > self.newest && stream % 2 == 1
            || self.open.get(&stream).is_some_and(|open| open.request.is_none())
    }

    pub(super) fn request(
        &mut self,
        stream: u32,
        head: RequestHead,
        (started, time): (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) {
        self.give_up_doubtful(started, out);
        let carried = Carried::new(&head.rest.headers);
        let head = Opening::Head(Box::new(head));
        let progress = Progress::Underway;
        let request =
            Request { head, time: started, last: time, progress, body: Capture::default(), carried };
        self.newest = self.newest.max(stream);
        self.drop_never_asked();
        match self.open.get_mut(&stream) {
            Some(early) => early.request = Some(request),
            None => {
                self.make_room(out);
                self.open.insert(stream, Box::new(Stream::new(Some(request))));
            }
        }
    }

    /// The server says what it will push, as the request it answers with it (RFC 9113 §8.4).
    pub(super) fn promise(
        &mut self,
        promised: u32,
        head: RequestHead,
        (started, time): (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) {
        if promised % 2 == 1 || promised == 0 || self.open.contains_key(&promised) {
            return;
        }
        self.make_room(out);
        let head = Opening::Head(Box::new(head));
        let (progress, body) = (Progress::Whole, Capture::default());
        let request = Request { head, time: started, last: time, progress, body, carried: None };
        let anomaly = Some(HttpAnomaly::Pushed);
        self.open.insert(promised, Box::new(Stream { anomaly, ..Stream::new(Some(request)) }));
    }

    /// Whether a response on this stream may belong to a request that was not delivered yet.
    pub(super) fn may_come_early(&self, stream: u32) -> bool {
        stream > self.newest && stream % 2 == 1
    }

    /// A block on a stream that awaits its response; false where there is none.
    pub(super) fn response(
        &mut self,
        stream: u32,
        head: ResponseHead,
        (started, time): (Timestamp, Timestamp),
        early: bool,
        out: &mut Vec<Observation>,
    ) {
        if early && !self.open.contains_key(&stream) {
            self.make_room(out);
            self.open.insert(stream, Box::new(Stream::new(None)));
        }
        let Some(open) = self.open.get_mut(&stream) else {
            self.skipped.unsolicited = self.skipped.unsolicited.saturating_add(1);
            return;
        };
        let certain = head.status.is_some() || open.doubt.is_none();
        match &open.reply {
            Reply::Awaited if head.is_interim() => {}
            Reply::Awaited if !certain => open.reply = Reply::Missed(None),
            // A status that is not known may have been of an interim response.
            Reply::Awaited => open.reply = Reply::Underway(Box::new(Response::new(head, started, time))),
            Reply::Underway(response) if response.head.status.is_none() && response.body.is_empty() => {
                open.reply = Reply::Underway(Box::new(Response::new(head, started, time)));
            }
            Reply::Underway(_) | Reply::Whole(_) | Reply::Missed(_) => {}
        }
    }

    /// Whether what the server says on this stream is the beginning of its response.
    pub(super) fn awaits_response(&self, stream: u32) -> bool {
        self.open.get(&stream).is_some_and(|open| matches!(open.reply, Reply::Awaited))
    }

    /// Fields after the body.
    pub(super) fn trailers(&mut self, from: Role, stream: u32, trailers: Rest) {
        let Some(open) = self.open.get_mut(&stream).filter(|_| from == Role::Server) else { return };
        match &mut open.reply {
            Reply::Underway(response) => response.trailers = trailers.headers,
            // What they end was missed.
            reply @ Reply::Awaited => *reply = Reply::Missed(None),
            Reply::Whole(_) | Reply::Missed(_) => {}
        }
    }

    pub(super) fn content(&mut self, from: Role, stream: u32, time: Timestamp, content: &[u8]) {
        let budget = self.limits.pending.saturating_mul(self.limits.body);
        let limit = self.limits.body.min(budget.saturating_sub(self.kept));
        let Some(open) = self.open.get_mut(&stream) else { return };
        let (body, carried) = match (from, &mut open.request, &mut open.reply) {
            (Role::Client, Some(request), _) if request.progress == Progress::Underway => {
                request.last = time;
                (&mut request.body, &mut request.carried)
            }
            (Role::Server, _, Reply::Underway(response)) => {
                response.last = time;
                (&mut response.body, &mut response.carried)
            }
            (Role::Server, _, reply @ Reply::Awaited) => {
                *reply = Reply::Missed(None);
                return;
            }
            (Role::Client | Role::Server, _, _) => return,
        };
        if let Some(carried) = carried {
            carried.push(content);
        }
        let before = body.held();
        body.push(content, limit.max(before));
        self.kept += body.held() - before;
    }

    /// Content that was not seen.
    pub(super) fn content_gap(&mut self, from: Role, stream: u32, time: Timestamp, length: u64) {
        let Some(open) = self.open.get_mut(&stream) else { return };
        let (body, carried) = match (from, &mut open.request, &mut open.reply) {
            (Role::Client, Some(request), _) => {
                request.last = time;
                (&mut request.body, &mut request.carried)
            }
            (Role::Server, _, Reply::Underway(response)) => {
                response.last = time;
                (&mut response.body, &mut response.carried)
            }
            (Role::Client | Role::Server, _, _) => return,
        };
        body.lose(length);
        if let Some(carried) = carried {
            carried.lose(length);
        }
    }

    /// One end is done with a stream.
    pub(super) fn ended(&mut self, from: Role, stream: u32, time: Timestamp, out: &mut Vec<Observation>) {
        let Some(open) = self.open.get_mut(&stream) else { return };
        match from {
            Role::Client => {
                if let Some(request) = open.request.as_mut().filter(|r| r.progress == Progress::Underway) {
                    request.progress = Progress::Whole;
                    request.last = time;
                }
            }
            Role::Server => {
                open.reply = match std::mem::replace(&mut open.reply, Reply::Awaited) {
                    Reply::Underway(mut response) => {
                        response.last = time;
                        Reply::Whole(response)
                    }
                    Reply::Awaited => Reply::Missed(None),
                    other @ (Reply::Whole(_) | Reply::Missed(_)) => other,
                };
            }
        }
        if open.is_done() {
            self.report(stream, None, out);
        }
    }

    /// A stream is given up (RFC 9113 §6.4).
    pub(super) fn reset(&mut self, stream: u32, code: u32, out: &mut Vec<Observation>) {
        let Some(open) = self.open.get(&stream) else { return };
        let error = match &open.reply {
            // The answer was whole; the rest of the request is not wanted (§8.1).
            Reply::Whole(_) => None,
            Reply::Missed(_) => None,
            Reply::Awaited | Reply::Underway(_) => Some(ErrorType::Http2(named(code))),
        };
        self.report(stream, error, out);
    }

    /// The connection is given up (RFC 9113 §6.8): what the client opened beyond `last` was not looked at.
    pub(super) fn go_away(&mut self, from: Role, last: u32, code: u32, out: &mut Vec<Observation>) {
        let code = named(code);
        if code != Http2Code::NoError {
            self.given_up = Some(code);
        }
        if from == Role::Client {
            return;
        }
        let refused: Vec<u32> =
            self.open.range(last.saturating_add(1)..).map(|(stream, _)| *stream).collect();
        let error = if code == Http2Code::NoError { Http2Code::RefusedStream } else { code };
        for stream in refused.into_iter().filter(|stream| stream % 2 == 1) {
            self.report(stream, Some(ErrorType::Http2(error)), out);
        }
    }

    /// Something that one end sent was missed, and with it maybe something of every stream.
    pub(super) fn lose(&mut self, from: Role, time: Timestamp, out: &mut Vec<Observation>) {
        self.skipped.desyncs = self.skipped.desyncs.saturating_add(1);
        self.doubt(time);
        let mut cut = Vec::new();
        for (stream, open) in &mut self.open {
            match from {
                Role::Client => open.lose_request(time),
                Role::Server => open.lose_reply(),
            }
            if open.is_done() {
                cut.push(*stream);
            }
        }
        for stream in cut {
            self.report(stream, None, out);
        }
    }

    /// A block of fields on this stream was missed.
    pub(super) fn lose_block(
        &mut self,
        from: Role,
        stream: u32,
        time: Timestamp,
        out: &mut Vec<Observation>,
    ) {
        let Some(open) = self.open.get_mut(&stream) else { return };
        match from {
            Role::Client => open.lose_request(time),
            Role::Server => match &open.reply {
                Reply::Awaited => open.reply = Reply::Missed(None),
                Reply::Underway(_) | Reply::Whole(_) | Reply::Missed(_) => open.lose_reply(),
            },
        }
        if open.is_done() {
            self.report(stream, None, out);
        }
    }

    /// The connection is over.
    pub(super) fn cut(&mut self, cut: Cut, out: &mut Vec<Observation>) {
        let error = match (cut, self.given_up) {
            (Cut::Error(_), Some(code)) => Some(ErrorType::Http2(code)),
            (Cut::Error(error), None) => Some(error),
            (Cut::Unknown, _) => None,
        };
        for stream in self.open.keys().copied().collect::<Vec<_>>() {
            let open = self.open.get(&stream);
            let waits = open.is_some_and(|open| {
                open.doubt.is_none() && matches!(open.reply, Reply::Awaited | Reply::Underway(_))
            });
            self.report(stream, error.filter(|_| waits), out);
        }
    }

    pub(super) fn retained(&self) -> usize {
        self.open.values().map(|open| 64 + open.retained()).sum()
    }

    /// Responses to requests that will not come any more: a higher one has.
    fn drop_never_asked(&mut self) {
        let newest = self.newest;
        while let Some((stream, _)) =
            self.open.iter().next().filter(|(stream, open)| open.request.is_none() && **stream < newest)
        {
            let stream = *stream;
            self.open.remove(&stream);
            self.skipped.unsolicited = self.skipped.unsolicited.saturating_add(1);
        }
    }

    fn give_up_doubtful(&mut self, now: Timestamp, out: &mut Vec<Observation>) {
        if self.missed.is_none_or(|missed| now.since(missed) < DOUBT) {
            return;
        }
        let missed = self.missed.take();
        let doubtful = self.open.iter().filter(|(_, open)| open.doubt.is_some() && open.doubt <= missed);
        for stream in doubtful.map(|(stream, _)| *stream).collect::<Vec<_>>() {
            self.report(stream, None, out);
        }
    }

    fn make_room(&mut self, out: &mut Vec<Observation>) {
        while self.open.len() >= self.limits.pending.saturating_mul(STREAMS).max(1)
            && let Some((oldest, _)) = self.open.first_key_value()
        {
            self.report(*oldest, None, out);
        }
    }

    fn report(&mut self, stream: u32, error: Option<ErrorType>, out: &mut Vec<Observation>) {
        let Some(open) = self.open.remove(&stream) else { return };
        self.kept = self.kept.saturating_sub(open.held());
        let Stream { request, reply, anomaly, .. } = *open;
        let Some(request) = request else {
            self.skipped.unsolicited = self.skipped.unsolicited.saturating_add(1);
            return;
        };
        if error.is_none() && matches!(reply, Reply::Awaited | Reply::Missed(None)) {
            self.skipped.unmatched = self.skipped.unmatched.saturating_add(1);
        }
        out.push(self.observe(request, reply, anomaly, error));
    }

    fn observe(
        &self,
        request: Request,
        reply: Reply,
        anomaly: Option<HttpAnomaly>,
        error: Option<ErrorType>,
    ) -> Observation {
        let (response, answered) = match reply {
            Reply::Awaited | Reply::Missed(None) => (None, false),
            Reply::Underway(response) | Reply::Missed(Some(response)) => (Some(response), false),
            Reply::Whole(response) => (Some(response), true),
        };
        let Request { head, time, last, progress, body, carried } = request;
        let duration = response.as_ref().filter(|_| answered).map(|response| response.last.since(last));
        let time_to_first_byte = response.as_ref().map(|response| response.first.since(last));
        let mut http = match head {
            Opening::Head(head) => self.http(*head, body, progress == Progress::Whole),
            Opening::Upgraded(observation) => match observation.detail {
                Detail::Http(http) => *http,
            },
        };
        http.anomalies.extend(anomaly);
        let mut received = None;
        if let Some(response) = response {
            let Response { head, body, carried, trailers, .. } = *response;
            if head.rest.unknown && !http.anomalies.contains(&HttpAnomaly::UnknownFields) {
                http.anomalies.push(HttpAnomaly::UnknownFields);
            }
            http.status = head.status;
            http.response_headers = head.rest.headers;
            http.response_body = body.into_body(answered, head.rest.codings);
            http.trailers = trailers;
            received = carried;
        }
        call::tell(&mut http);
        // Messages were counted as they went by.
        if let Some(call) = rpc::of(&http, carried.as_deref(), received.as_deref()) {
            http.call = Some(Box::new(call));
        }
        let detail = Detail::Http(Box::new(http));
        Observation { client: self.client, time, duration, time_to_first_byte, error, detail }
    }

    fn http(&self, head: RequestHead, body: Capture, whole: bool) -> Http {
        let RequestHead { method, scheme, authority, path, query, rest } = head;
        Http {
            version: HttpVersion::V2,
            scheme: scheme.unwrap_or(self.scheme),
            method,
            authority,
            path,
            query,
            status: None,
            request_headers: rest.headers,
            response_headers: Headers::default(),
            trailers: Headers::default(),
            request_body: body.into_body(whole, rest.codings),
            response_body: Body { complete: false, ..Body::default() },
            call: None,
            stream: None,
            gen_ai: None,
            anomalies: rest.unknown.then_some(HttpAnomaly::UnknownFields).into_iter().collect(),
        }
    }
}

impl Stream {
    const fn new(request: Option<Request>) -> Self {
        Self { request, reply: Reply::Awaited, anomaly: None, doubt: None }
    }

    /// An answer without its request waits for that.
    fn is_done(&self) -> bool {
        let asked = self.request.as_ref().is_some_and(|request| request.progress != Progress::Underway);
        asked && matches!(self.reply, Reply::Whole(_) | Reply::Missed(_))
    }

    fn lose_request(&mut self, time: Timestamp) {
        if let Some(request) = self.request.as_mut().filter(|r| r.progress == Progress::Underway) {
            request.progress = Progress::Lost;
            request.last = time;
            request.body.lose_some();
            if let Some(carried) = &mut request.carried {
                carried.lose_some();
            }
        }
    }

    /// Of a response that has begun something may be missing now; one that has not may still come.
    fn lose_reply(&mut self) {
        self.reply = match std::mem::replace(&mut self.reply, Reply::Awaited) {
            Reply::Underway(mut response) => {
                response.body.lose_some();
                if let Some(carried) = &mut response.carried {
                    carried.lose_some();
                }
                Reply::Missed(Some(response))
            }
            other @ (Reply::Awaited | Reply::Whole(_) | Reply::Missed(_)) => other,
        };
    }

    fn held(&self) -> usize {
        self.request.as_ref().map_or(0, |request| request.body.held())
            + self.response().map_or(0, |r| r.body.held())
    }

    fn response(&self) -> Option<&Response> {
        match &self.reply {
            Reply::Underway(r) | Reply::Whole(r) | Reply::Missed(Some(r)) => Some(r),
            Reply::Awaited | Reply::Missed(None) => None,
        }
    }

    fn retained(&self) -> usize {
        let request = self.request.as_ref().map_or(0, |request| {
            let head = match &request.head {
                Opening::Head(head) => {
                    let target = head.path.len() + head.query.as_ref().map_or(0, |query| query.len());
                    size_of::<RequestHead>() + target + headers_size(&head.rest.headers)
                }
                Opening::Upgraded(_) => size_of::<Observation>() + size_of::<Http>(),
            };
            head + request.body.retained()
        });
        let response = self.response().map_or(0, |r| {
            size_of::<Response>()
                + r.body.retained()
                + headers_size(&r.head.rest.headers)
                + headers_size(&r.trailers)
        });
        size_of::<Self>() + request + response
    }
}

impl Response {
    fn new(head: ResponseHead, first: Timestamp, last: Timestamp) -> Self {
        let carried = Carried::new(&head.rest.headers);
        Self { head, first, last, body: Capture::default(), carried, trailers: Headers::default() }
    }
}

/// Codes that nobody registered are taken as what they are to be treated as (RFC 9113 §7).
fn named(code: u32) -> Http2Code {
    Http2Code::new(code).unwrap_or(Http2Code::InternalError)
}

fn headers_size(headers: &Headers) -> usize {
    // Each field's place takes up to sixteen bytes beside its text.
    headers.iter().map(|(name, value)| name.len() + value.len() + 16).sum()
}
