//! Requests and responses into exchanges.
//!
//! The k-th request is answered by the k-th response (RFC 9112 §9.3.2) as long as nothing of either was missed. After
//! a loss, and when joined mid-stream, pairing rests on one thing only: without pipelining a new request means that
//! what came before it is over. Where not even that is certain a request is reported without a response.

use super::{
    body::{Capture, Framing},
    head::{Ambiguous, RequestHead, ResponseHead},
};
use crate::{
    Limits, Skipped, call,
    incoming::{Incoming, events},
    observer::{Handshake, Start},
    parting::Cut,
    rpc::{self, Carried},
    stream::{Asked, Streaming},
};
use overhear_exchange::{
    Body, Detail, ErrorType, Headers, HttpAnomaly, Method, Scheme, Sender, Side, Timestamp,
    observation::Observation,
};
use std::{collections::VecDeque, time::Duration};

/// On a connection that pipelines (or whose framing was ambiguous) only so long a silence shows that all is answered.
const QUIET: Duration = Duration::from_secs(1);

/// Requests in order, each with what is known of its response.
pub(super) struct Pair {
    limits: Limits,
    client: Side,
    scheme: Scheme,
    pending: VecDeque<Box<Pending>>,
    trust: Trust,
    /// A new request does not mean here that the previous ones are answered.
    pipelines: bool,
    last_heard: Timestamp,
    pub(super) skipped: Skipped,
}

/// How far order can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// The next response answers the oldest waiting request.
    Certain,
    /// Requests were missed. Once the server was `heard` with nothing left to answer, what it owed for them is over
    /// with the next request. `owes`: whole requests may be among the missed, not just the rest of one.
    Doubt { heard: bool, owes: bool },
    /// One request was seen since. `heard`: the server has sent something that was not the start of a response.
    Anchored { heard: bool },
}

struct Pending {
    head: RequestHead,
    time: Timestamp,
    /// When its last byte came, as far as it has.
    last: Timestamp,
    progress: Progress,
    body: Capture,
    reply: Reply,
    /// It is a call of enveloped messages.
    carried: Option<Box<Carried>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Underway,
    Whole,
    /// Its end was not seen.
    Lost,
}

enum Reply {
    Awaited,
    Underway(Response),
    Whole(Response),
    /// It was, or may have been, missed.
    Missed(Option<Response>),
}

/// A response that is underway, or was.
struct Response {
    head: ResponseHead,
    incoming: Incoming,
}

/// What to make of a response's head.
pub(super) enum Answer {
    /// Its body follows.
    Final(Framing),
    /// 1xx: nothing of the body, more to come.
    Interim,
    /// HTTP ends here: CONNECT was granted, or the protocol is switched.
    Switch(&'static str),
    /// It answers CONNECT with success.
    Tunnel,
    /// It answers nothing that was seen.
    Unsolicited,
    /// Its end is not certain.
    Ambiguous,
}

/// A request whose answer is the last that HTTP/1 says on a connection.
pub(crate) struct Upgraded {
    /// As far as it is known without its response.
    pub(crate) observation: Observation,
    /// When its last byte came.
    pub(crate) last: Timestamp,
}

impl Pair {
    pub(super) fn new(limits: Limits, start: Start, tls: bool, client: Side) -> Self {
        let trust = match start {
            Start::Beginning => Trust::Certain,
            Start::Joined => Trust::Doubt { heard: true, owes: false },
            Start::AfterGap => Trust::Doubt { heard: false, owes: true },
        };
        Self {
            limits,
            client,
            scheme: if tls { Scheme::Https } else { Scheme::Http },
            pending: VecDeque::new(),
            trust,
            pipelines: false,
            last_heard: Timestamp::default(),
            skipped: Skipped::default(),
        }
    }

    /// A request's head.
    pub(super) fn request(&mut self, head: RequestHead, started: Timestamp, time: Timestamp) -> Admission {
        let waiting = self.pending.iter().any(|p| matches!(p.reply, Reply::Awaited | Reply::Underway(_)));
        let settled = !self.pipelines || started.since(self.last_heard) >= QUIET;
        let (reply, admission) = match self.trust {
            Trust::Certain => {
                self.pipelines |= waiting;
                (Reply::Awaited, Admission::Taken)
            }
            Trust::Doubt { heard: true, .. } if !waiting && settled => {
                self.trust = Trust::Anchored { heard: false };
                (Reply::Awaited, Admission::Anchor)
            }
            Trust::Doubt { .. } => {
                self.pipelines |= waiting;
                self.trust = Trust::Doubt { heard: false, owes: true };
                (Reply::Missed(None), Admission::Taken)
            }
            Trust::Anchored { heard: true } if settled => {
                self.trust = Trust::Anchored { heard: false };
                (Reply::Awaited, Admission::Replaces)
            }
            Trust::Anchored { .. } => {
                self.pipelines = true;
                self.trust = Trust::Doubt { heard: false, owes: true };
                (Reply::Missed(None), Admission::Replaces)
            }
        };
        let carried = Carried::asked(&head.headers);
        self.pending.push_back(Box::new(Pending {
            head,
            time: started,
            last: time,
            progress: Progress::Underway,
            body: Capture::default(),
            reply,
            carried,
        }));
        admission
    }

    /// Content of the last request.
    pub(super) fn request_content(&mut self, time: Timestamp, content: &[u8]) {
        let limit = self.limits.body;
        if let Some(pending) = self.sending() {
            pending.body.push(content, limit);
            pending.last = time;
            if let Some(carried) = &mut pending.carried {
                carried.push(Sender::Client, time, content);
            }
        }
    }

    /// The last request is whole.
    pub(super) fn request_ended(&mut self, time: Timestamp, out: &mut Vec<Observation>) {
        if let Some(pending) = self.sending() {
            pending.progress = Progress::Whole;
            pending.last = time;
        }
        self.report_last(out);
    }

    /// Content of the last request was not seen: so many bytes.
    pub(super) fn request_gap(&mut self, time: Timestamp, length: u64) {
        if let Some(pending) = self.sending() {
            pending.body.lose(length);
            pending.last = time;
            if let Some(carried) = &mut pending.carried {
                carried.lose(Sender::Client, Some(length));
            }
        }
    }

    /// The client's place is lost. `owes`: whole requests may have gone unseen.
    pub(super) fn lose_client(&mut self, time: Timestamp, owes: bool, out: &mut Vec<Observation>) {
        self.skipped.desyncs = self.skipped.desyncs.saturating_add(1);
        if let Some(pending) = self.sending() {
            pending.progress = Progress::Lost;
            pending.last = time;
            pending.body.lose_some();
            if let Some(carried) = &mut pending.carried {
                carried.lose(Sender::Client, None);
            }
        }
        if matches!(self.trust, Trust::Anchored { .. }) {
            self.miss_all();
        }
        self.report_last(out);
        let heard = self.pending.is_empty() && !owes && self.trust == Trust::Certain;
        self.trust = Trust::Doubt { heard, owes };
        self.report(out);
    }

    /// Bytes while the client's place is lost: they belong to the request whose end was not seen, if any does.
    pub(super) fn client_heard(&mut self, time: Timestamp, lost: bool) {
        if let Some(pending) = self.pending.back_mut()
            && lost
            && pending.progress == Progress::Lost
            && matches!(pending.reply, Reply::Awaited)
        {
            pending.last = time;
        }
    }

    /// Either end was active. Called after the bytes have been read, so that silence before them shows.
    pub(super) fn active(&mut self, time: Timestamp) {
        self.last_heard = self.last_heard.max(time);
    }

    /// The server was active without a response that could be told.
    pub(super) fn server_heard(&mut self) {
        let answered = !self.pending.iter().any(|p| matches!(p.reply, Reply::Awaited | Reply::Underway(_)));
        match &mut self.trust {
            Trust::Certain => {}
            Trust::Doubt { heard, .. } => *heard |= answered,
            Trust::Anchored { heard } => *heard = true,
        }
    }

    /// A response's head.
    pub(super) fn response(&mut self, head: ResponseHead, first: Timestamp, time: Timestamp) -> Answer {
        let Some(pending) = self.pending.front_mut().filter(|p| matches!(p.reply, Reply::Awaited)) else {
            self.skipped.unsolicited = self.skipped.unsolicited.saturating_add(1);
            if self.trust == Trust::Certain {
                self.trust = Trust::Doubt { heard: true, owes: false };
            }
            return Answer::Unsolicited;
        };
        if matches!(self.trust, Trust::Anchored { .. }) {
            self.trust = Trust::Certain;
        }
        if head.is_interim() {
            return Answer::Interim;
        }
        let method = &pending.head.method;
        let answer = match head.status {
            101 => Answer::Switch(head.upgrade.unwrap_or("unknown")),
            200..=299 if *method == Method::Connect => Answer::Tunnel,
            _ => match head.framing(method) {
                Ok(framing) => Answer::Final(framing),
                Err(Ambiguous) => Answer::Ambiguous,
            },
        };
        let mut response = Response { head, incoming: Incoming::new(first, time) };
        if matches!(answer, Answer::Final(_)) {
            let asked = Asked { method, path: &pending.head.target.path };
            let ResponseHead { headers, codings, .. } = &response.head;
            response.incoming.follow(Streaming::of(asked, headers, codings, self.limits.body));
            Carried::answered(&mut pending.carried, headers);
        }
        if matches!(answer, Answer::Ambiguous) {
            response.head.anomalies.push(HttpAnomaly::AmbiguousFraming);
            response.incoming.body.lose_some();
        }
        pending.reply = Reply::Underway(response);
        answer
    }

    /// Content of the response.
    pub(super) fn response_content(&mut self, time: Timestamp, content: &[u8]) {
        let limit = self.limits.body;
        if let Some((response, carried)) = self.receiving() {
            response.incoming.content(time, content, limit);
            if let Some(carried) = carried {
                carried.push(Sender::Server, time, content);
            }
        }
    }

    /// Tells how far the response is that is underway, where there is something to tell.
    pub(super) fn tell(&mut self, now: Timestamp, out: &mut Vec<Observation>) {
        let Some(mut pending) = self.pending.pop_front() else { return };
        let Pending { head, time, last, body, reply, carried, .. } = &mut *pending;
        if let Reply::Underway(response) = reply
            && let Some(stream) = match carried {
                Some(carried) => carried.tell(*time, *last, now),
                None => response.incoming.tell(*last, now),
            }
        {
            let mut http = head.clone().into_http(self.scheme);
            let asked = body.so_far(head.codings.clone());
            let Response { head, incoming } = response;
            incoming.say(&mut http, Some(head.status), head.headers.clone(), asked);
            if let Some(carried) = carried {
                http.call = rpc::of(&http, Some(carried)).map(Box::new);
            }
            http.stream = Some(Box::new(stream));
            out.push(Observation {
                client: self.client,
                time: *time,
                duration: None,
                time_to_first_byte: Some(response.incoming.first.since(*last)),
                error: None,
                detail: Detail::Http(Box::new(http)),
            });
        }
        self.pending.push_front(pending);
    }

    /// The exchange that switched to a WebSocket: it goes on with that.
    pub(super) fn take_handshake(&mut self, time: Timestamp) -> Option<Handshake> {
        let mut pending = self.pending.pop_front()?;
        let asked = pending.last;
        pending.reply = match pending.reply {
            Reply::Underway(mut response) => {
                response.incoming.last = time;
                Reply::Whole(response)
            }
            other @ (Reply::Awaited | Reply::Whole(_) | Reply::Missed(_)) => other,
        };
        Some(Handshake { exchange: self.observe(*pending, None), asked })
    }

    /// Content of the response was not seen: so many bytes, if that is known.
    pub(super) fn response_gap(&mut self, time: Timestamp, length: Option<u64>) {
        if let Some((response, carried)) = self.receiving() {
            response.incoming.gap(length);
            response.incoming.last = time;
            if let Some(carried) = carried {
                carried.lose(Sender::Server, length);
            }
        }
    }

    /// The response is whole; its last byte came at `time`, or when the last content did.
    pub(super) fn response_ended(&mut self, time: Option<Timestamp>, out: &mut Vec<Observation>) {
        if let Some(pending) = self.pending.front_mut() {
            pending.reply = match std::mem::replace(&mut pending.reply, Reply::Awaited) {
                Reply::Underway(mut response) => {
                    let last = &mut response.incoming.last;
                    *last = time.unwrap_or(*last);
                    Reply::Whole(response)
                }
                other @ (Reply::Awaited | Reply::Whole(_) | Reply::Missed(_)) => other,
            };
        }
        self.report(out);
        if let Trust::Doubt { heard, owes: false } = &mut self.trust {
            *heard |= self.pending.is_empty();
        }
    }

    /// The server's place is lost: no waiting request can be sure of its response.
    pub(super) fn lose_server(&mut self, out: &mut Vec<Observation>) {
        self.skipped.desyncs = self.skipped.desyncs.saturating_add(1);
        // Where the server owes answers to requests that went unseen, the loss may have been of a seen one's answer.
        let owes = self.trust == Trust::Doubt { heard: false, owes: true } && !self.awaits_nothing();
        self.miss_all();
        self.report(out);
        self.trust = Trust::Doubt { heard: !owes, owes };
    }

    /// What the server sent is no response to the oldest waiting request, or no whole one.
    pub(super) fn invalid_response(&mut self, out: &mut Vec<Observation>) {
        if self.trust == Trust::Certain
            && let Some(pending) = self.pending.pop_front()
        {
            match pending.reply {
                Reply::Awaited | Reply::Underway(_) => {
                    out.push(self.observe(*pending, Some(ErrorType::InvalidResponse)));
                }
                Reply::Whole(_) | Reply::Missed(_) => self.pending.push_front(pending),
            }
        }
    }

    /// The request that was answered last, for who goes on to answer it.
    pub(super) fn take_upgraded(&mut self) -> Option<Upgraded> {
        let mut request = self.pending.pop_front()?;
        request.reply = Reply::Awaited;
        let last = request.last;
        Some(Upgraded { observation: self.observe(*request, None), last })
    }

    /// No more comes from the server: everything waiting is reported.
    pub(super) fn cut(&mut self, cut: Cut, out: &mut Vec<Observation>) {
        let unsure = matches!(self.trust, Trust::Anchored { heard: true });
        for pending in std::mem::take(&mut self.pending) {
            let error = match (&pending.reply, cut) {
                (Reply::Underway(_), Cut::Error { by_client: true, .. }) if pending.is_endless() => None,
                (Reply::Awaited | Reply::Underway(_), Cut::Error { error, .. }) if !unsure => Some(error),
                (Reply::Awaited | Reply::Underway(_) | Reply::Whole(_) | Reply::Missed(_), _) => None,
            };
            out.push(self.observe(*pending, error));
        }
    }

    /// The oldest request without its response, and everything after it, is given up on.
    pub(super) fn replace_anchor(&mut self, out: &mut Vec<Observation>) {
        if let Some(newest) = self.pending.pop_back() {
            self.miss_all();
            self.report(out);
            self.pending.push_back(newest);
        }
    }

    /// More requests wait than may.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() > self.limits.pending
    }

    /// Pairing starts over on a connection with many requests in flight.
    pub(super) fn start_over(&mut self, out: &mut Vec<Observation>) {
        self.pipelines = true;
        self.lose_server(out);
        self.trust = Trust::Doubt { heard: false, owes: true };
    }

    /// The last request says two things about its length; what else it carries is not known.
    pub(super) fn ambiguous_request(&mut self, time: Timestamp, out: &mut Vec<Observation>) {
        self.pipelines = true;
        if let Some(pending) = self.sending() {
            pending.head.anomalies.push(HttpAnomaly::AmbiguousFraming);
        }
        self.lose_client(time, false, out);
    }

    pub(super) fn is_certain(&self) -> bool {
        self.trust == Trust::Certain
    }

    /// No request waits for a response that has not begun.
    pub(super) fn awaits_nothing(&self) -> bool {
        !self.pending.iter().any(|p| matches!(p.reply, Reply::Awaited))
    }

    /// The last request may end HTTP on this connection, and its answer is not known yet.
    pub(super) fn may_switch(&self) -> bool {
        self.pending.back().is_some_and(|p| {
            p.head.may_switch && p.progress == Progress::Whole && matches!(p.reply, Reply::Awaited)
        })
    }

    pub(super) fn retained(&self) -> usize {
        let slots = self.pending.capacity() * size_of::<Box<Pending>>();
        self.pending.iter().map(|pending| pending.retained()).sum::<usize>() + slots
    }

    fn sending(&mut self) -> Option<&mut Pending> {
        self.pending.back_mut().map(|p| &mut **p).filter(|p| p.progress == Progress::Underway)
    }

    fn receiving(&mut self) -> Option<(&mut Response, Option<&mut Carried>)> {
        let Pending { reply, carried, .. } = &mut **self.pending.front_mut()?;
        match reply {
            Reply::Underway(response) => Some((response, carried.as_deref_mut())),
            Reply::Awaited | Reply::Whole(_) | Reply::Missed(_) => None,
        }
    }

    fn miss_all(&mut self) {
        for pending in &mut self.pending {
            pending.reply = match std::mem::replace(&mut pending.reply, Reply::Awaited) {
                Reply::Awaited => Reply::Missed(None),
                Reply::Underway(response) => Reply::Missed(Some(response)),
                other @ (Reply::Whole(_) | Reply::Missed(_)) => other,
            };
        }
    }

    /// Reports what is done, oldest first.
    fn report(&mut self, out: &mut Vec<Observation>) {
        while let Some(pending) = self.pending.pop_front() {
            if !pending.is_done() {
                self.pending.push_front(pending);
                break;
            }
            self.emit(*pending, out);
        }
        // An idle connection is not to remember its busiest moment.
        if self.pending.is_empty() && self.pending.capacity() > 8 {
            self.pending = VecDeque::new();
        }
    }

    /// Reports the last request if it is done, even before those that still wait.
    fn report_last(&mut self, out: &mut Vec<Observation>) {
        if let Some(pending) = self.pending.pop_back() {
            if pending.is_done() {
                self.emit(*pending, out);
            } else {
                self.pending.push_back(pending);
            }
        }
    }

    fn emit(&mut self, pending: Pending, out: &mut Vec<Observation>) {
        if matches!(pending.reply, Reply::Missed(None)) {
            self.skipped.unmatched = self.skipped.unmatched.saturating_add(1);
        }
        out.push(self.observe(pending, None));
    }

    fn observe(&self, pending: Pending, error: Option<ErrorType>) -> Observation {
        let Pending { head, time, last, progress, body, reply, carried } = pending;
        let (response, answered) = match reply {
            Reply::Awaited | Reply::Missed(None) => (None, false),
            Reply::Underway(response) | Reply::Missed(Some(response)) => (Some(response), false),
            Reply::Whole(response) => (Some(response), true),
        };
        let duration =
            response.as_ref().filter(|_| answered).map(|response| response.incoming.last.since(last));
        let time_to_first_byte = response.as_ref().map(|response| response.incoming.first.since(last));
        let codings = head.codings.clone();
        let mut http = head.into_http(self.scheme);
        http.request_body = body.into_body(progress == Progress::Whole, codings);
        http.response_body = Body { complete: false, ..Body::default() };
        let mut messages = None;
        if let Some(Response { head, incoming }) = response {
            http.status = Some(head.status);
            http.response_headers = head.headers;
            for anomaly in head.anomalies {
                if !http.anomalies.contains(&anomaly) {
                    http.anomalies.push(anomaly);
                }
            }
            messages = incoming.say_over(&mut http, answered, head.codings, last);
        }
        call::tell_streamed(&mut http, carried.as_deref(), events(messages.as_deref(), last));
        let detail = Detail::Http(Box::new(http));
        Observation { client: self.client, time, duration, time_to_first_byte, error, detail }
    }
}

/// What becomes of a request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It goes on as before.
    Taken,
    /// The first since a loss: the next response to start is its own.
    Anchor,
    /// It shows that the one before will not be paired any more.
    Replaces,
}

impl Pending {
    /// A stream that goes on until the client has enough: that it leaves is how it ends. Who posts waits for an answer.
    fn is_endless(&self) -> bool {
        let is_stream = matches!(&self.reply, Reply::Underway(response) if response.incoming.is_stream());
        is_stream && self.head.method == Method::Get
    }

    fn is_done(&self) -> bool {
        let ended = self.progress != Progress::Underway;
        ended && matches!(self.reply, Reply::Whole(_) | Reply::Missed(_))
    }

    fn retained(&self) -> usize {
        let response = match &self.reply {
            Reply::Underway(r) | Reply::Whole(r) | Reply::Missed(Some(r)) => {
                r.incoming.retained() + headers_size(&r.head.headers)
            }
            Reply::Awaited | Reply::Missed(None) => 0,
        };
        let target = self.head.target.path.len() + self.head.target.query.as_ref().map_or(0, |q| q.len());
        let carried = self.carried.as_ref().map_or(0, |carried| size_of_val(&**carried));
        size_of::<Self>()
            + carried
            + self.body.retained()
            + headers_size(&self.head.headers)
            + target
            + response
    }
}

fn headers_size(headers: &Headers) -> usize {
    // Each field's place takes up to sixteen bytes beside its text.
    headers.iter().map(|(name, value)| name.len() + value.len() + 16).sum()
}
