//! Streams into exchanges (RFC 9113 §5). A stream's number says which response is whose, so that nothing has to be
//! concluded from order; after a loss only those streams are in doubt of which something may have been missed.

use super::{
    head::{RequestHead, ResponseHead, Rest},
    sockets::Sockets,
    stream::{Ends, Opening, Progress, Reply, Request, Response, Stream},
};
use crate::{
    Limits, Skipped,
    observer::Handshake,
    parting::Cut,
    rpc::Carried,
    stream::{EVERY, Streaming},
};
use overhear_exchange::{
    ErrorType, Http2Code, HttpAnomaly, Scheme, Sender, Side, Timestamp, observation::Observation,
};
use std::{collections::BTreeMap, time::Duration};

/// More streams than this times [`Limits::pending`] are not followed at once.
const STREAMS: usize = 8;
/// A stream of which something may have been missed is given up on after so long.
const DOUBT: Duration = Duration::from_secs(10);

/// The streams of a connection that are under way.
pub(super) struct Streams {
    limits: Limits,
    ends: Ends,
    open: BTreeMap<u32, Box<Stream>>,
    sockets: Sockets,
    /// The highest that the client has opened.
    newest: u32,
    /// Content held, all streams together.
    kept: usize,
    /// How many have an answer that is read as messages.
    followed: usize,
    /// Those of them that were heard in this arrival.
    heard: Vec<u32>,
    /// When it was last looked whether there is something to tell of any stream.
    looked: Timestamp,
    /// When something was missed, while streams may be in doubt for it.
    missed: Option<Timestamp>,
    /// Why the connection is given up, where that was said.
    given_up: Option<Http2Code>,
    skipped: Skipped,
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
            ends: Ends { client, scheme: if tls { Scheme::Https } else { Scheme::Http } },
            open: BTreeMap::new(),
            sockets: Sockets::default(),
            newest: 0,
            kept: 0,
            followed: 0,
            heard: Vec::new(),
            looked: Timestamp::default(),
            missed: None,
            given_up: None,
            skipped: Skipped::default(),
        }
    }

    /// It shows which end is the client.
    pub(super) const fn set_client(&mut self, client: Side) {
        self.ends.client = client;
    }

    /// Every stream may have ended otherwise than was seen.
    pub(super) fn doubt(&mut self, time: Timestamp) {
        self.missed = Some(time);
        self.open.values_mut().for_each(|open| open.doubt = Some(time));
        self.sockets.doubt(time);
    }

    /// The request that asked for the upgrade is stream 1.
    pub(super) fn upgrade(&mut self, request: Observation, last: Timestamp) {
        let time = request.time;
        let head = Opening::Upgraded(Box::new(request));
        let request = Request::new(head, Progress::Whole, (time, last));
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
        times: (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) {
        self.give_up_doubtful(times.0, out);
        let carried = Carried::asked(&head.rest.headers);
        let request = Request::new(Opening::Head(Box::new(head)), Progress::Underway, times);
        self.newest = self.newest.max(stream);
        self.drop_never_asked();
        match self.open.get_mut(&stream) {
            // Its answer came before it.
            Some(early) => {
                early.request(request, carried);
                self.catch_up(stream, out);
            }
            None => {
                self.make_room(out);
                self.open.insert(stream, Box::new(Stream { carried, ..Stream::new(Some(request)) }));
            }
        }
    }

    /// The server says what it will push, as the request it answers with it (RFC 9113 §8.4).
    pub(super) fn promise(
        &mut self,
        promised: u32,
        head: RequestHead,
        times: (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) {
        if promised % 2 == 1 || promised == 0 || self.open.contains_key(&promised) {
            return;
        }
        self.make_room(out);
        let request = Request::new(Opening::Head(Box::new(head)), Progress::Whole, times);
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
            Reply::Awaited => self.begin(stream, head, (started, time), out),
            Reply::Underway(response) if response.may_be_interim() => {
                self.begin(stream, head, (started, time), out);
            }
            Reply::Underway(_) | Reply::Whole(_) | Reply::Missed(_) => {}
        }
    }

    /// A response begins.
    fn begin(
        &mut self,
        stream: u32,
        head: ResponseHead,
        (started, time): (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) {
        // Each takes memory of its own, as a connection with one stream does.
        let may_follow = self.followed + self.sockets.len() < self.limits.pending;
        let Some(open) = self.open.get_mut(&stream) else { return };
        self.followed = self.followed.saturating_sub(usize::from(open.is_followed()));
        let asked = open.request.as_ref().filter(|_| may_follow);
        let opens = head.is_success() && asked.is_some_and(Request::opens_web_socket);
        let mut response = Box::new(Response::new(head, started, time));
        let Rest { headers, codings, .. } = &response.head.rest;
        let messages = asked.and_then(|r| Streaming::of(r.asked(), headers, codings, self.limits.body));
        Carried::answered(&mut open.carried, headers);
        response.incoming.follow(messages);
        if response.incoming.is_stream() {
            self.followed += 1;
            self.heard.push(stream);
        }
        open.reply = Reply::Underway(response);
        if opens {
            self.open_socket(stream, time, out);
        }
    }

    /// What is asked shows after the answer began: what came of that is read as what it is now.
    fn catch_up(&mut self, stream: u32, out: &mut Vec<Observation>) {
        let may_follow = self.followed + self.sockets.len() < self.limits.pending;
        let Some(open) = self.open.get_mut(&stream).filter(|_| may_follow) else { return };
        let (Some(asked), Reply::Underway(response) | Reply::Whole(response)) =
            (&open.request, &mut open.reply)
        else {
            return;
        };
        if asked.opens_web_socket() && response.head.is_success() {
            let time = response.incoming.last;
            return self.open_socket(stream, time, out);
        }
        let Rest { headers, codings, .. } = &response.head.rest;
        let messages = Streaming::of(asked.asked(), headers, codings, self.limits.body);
        response.incoming.catch_up(messages.filter(|_| open.carried.is_none()));
        if response.incoming.is_stream() {
            self.followed += 1;
            self.heard.push(stream);
        }
    }

    /// A stream becomes a WebSocket; its exchange goes on with that.
    fn open_socket(&mut self, stream: u32, time: Timestamp, out: &mut Vec<Observation>) {
        let Some(mut open) = self.open.remove(&stream) else { return };
        self.kept = self.kept.saturating_sub(open.held());
        self.followed = self.followed.saturating_sub(usize::from(open.is_followed()));
        let said = open.take_bodies();
        let Some(request) = &mut open.request else { return };
        let (asked, asks) = (request.last, request.progress != Progress::Whole);
        let answers = matches!(open.reply, Reply::Underway(_));
        request.progress = Progress::Whole;
        open.ended(Sender::Server, time);
        let Some(exchange) = open.observe(self.ends, None) else { return };
        let handshake = Handshake { exchange, asked };
        self.sockets.open((stream, self.limits), handshake, said, time, out);
        for side in [(Role::Client, asks), (Role::Server, answers)] {
            if let (role, false) = side {
                self.sockets.ended(self.side(role), stream, out);
            }
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

    pub(super) fn content(
        &mut self,
        (from, stream): (Role, u32),
        time: Timestamp,
        content: &[u8],
        out: &mut Vec<Observation>,
    ) {
        let budget = self.limits.pending.saturating_mul(self.limits.body);
        let limit = self.limits.body.min(budget.saturating_sub(self.kept));
        let Some(open) = self.open.get_mut(&stream) else {
            self.sockets.content((self.side(from), stream), time, content, out);
            return;
        };
        let before = open.held();
        match from {
            Role::Client => open.sent(time, content, limit),
            Role::Server => open.received(time, content, limit),
        }
        self.kept += open.held() - before;
        if open.is_followed() && self.heard.last() != Some(&stream) {
            self.heard.push(stream);
        }
    }

    /// Content that was not seen.
    pub(super) fn content_gap(
        &mut self,
        (from, stream): (Role, u32),
        time: Timestamp,
        length: u64,
        out: &mut Vec<Observation>,
    ) {
        match self.open.get_mut(&stream) {
            Some(open) => open.gap(from.sender(), time, length),
            None => self.sockets.gap((self.side(from), stream), time, length, out),
        }
    }

    /// One end is done with a stream.
    pub(super) fn ended(&mut self, from: Role, stream: u32, time: Timestamp, out: &mut Vec<Observation>) {
        let Some(open) = self.open.get_mut(&stream) else {
            self.sockets.ended(self.side(from), stream, out);
            return;
        };
        open.ended(from.sender(), time);
        if open.is_done() {
            self.report(stream, None, out);
        }
    }

    /// Tells how far those streams are that take long.
    pub(super) fn tell(&mut self, now: Timestamp, out: &mut Vec<Observation>) {
        let ends = self.ends;
        if now.since(self.looked) >= EVERY {
            self.looked = now;
            self.heard.clear();
            out.extend(self.open.values_mut().filter_map(|open| open.tell(ends, now)));
        }
        for stream in self.heard.drain(..) {
            out.extend(self.open.get_mut(&stream).and_then(|open| open.tell(ends, now)));
        }
    }

    /// A stream is given up (RFC 9113 §6.4).
    pub(super) fn reset(&mut self, from: Role, stream: u32, code: u32, out: &mut Vec<Observation>) {
        let code = named(code);
        let error = ErrorType::Http2(code);
        let Some(open) = self.open.get_mut(&stream) else {
            self.sockets.reset(stream, (code != Http2Code::NoError).then_some(error), out);
            return;
        };
        // Who has enough says so with CANCEL; whatever else is wrong is an error.
        let has_enough = matches!(code, Http2Code::Cancel | Http2Code::NoError);
        let cut = Cut::Error { error, by_client: from == Role::Client && has_enough };
        open.left();
        let error = open.error(cut);
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
        self.sockets.lose(self.side(from), time, out);
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
        let cut = match (cut, self.given_up) {
            (Cut::Error { by_client, .. }, Some(code)) => {
                Cut::Error { error: ErrorType::Http2(code), by_client }
            }
            (other, _) => other,
        };
        self.open.values_mut().for_each(|open| open.left());
        for stream in self.open.keys().copied().collect::<Vec<_>>() {
            let open = self.open.get(&stream).filter(|open| open.doubt.is_none());
            let error = open.and_then(|open| open.error(cut));
            self.report(stream, error, out);
        }
        self.sockets.cut(cut, out);
    }

    /// What was passed over so far.
    pub(super) fn skipped(&self) -> Skipped {
        let mut sum = self.skipped;
        sum.add(self.sockets.skipped());
        sum
    }

    /// A block of fields could not be read.
    pub(super) const fn note_broken(&mut self) {
        self.skipped.desyncs = self.skipped.desyncs.saturating_add(1);
    }

    /// A block of fields was longer than may be kept.
    pub(super) const fn note_oversized(&mut self) {
        self.skipped.oversized_heads = self.skipped.oversized_heads.saturating_add(1);
    }

    pub(super) fn retained(&self) -> usize {
        let open: usize = self.open.values().map(|open| 64 + open.retained()).sum();
        open + self.sockets.retained() + self.heard.capacity() * size_of::<u32>()
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
        let Some(missed) = self.missed.take() else { return };
        self.sockets.give_up(missed, out);
        let doubtful = self.open.iter().filter(|(_, open)| open.doubt.is_some_and(|doubt| doubt <= missed));
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
        self.followed = self.followed.saturating_sub(usize::from(open.is_followed()));
        let answered = !matches!(open.reply, Reply::Awaited | Reply::Missed(None));
        let Some(observation) = open.observe(self.ends, error) else {
            self.skipped.unsolicited = self.skipped.unsolicited.saturating_add(1);
            return;
        };
        if error.is_none() && !answered {
            self.skipped.unmatched = self.skipped.unmatched.saturating_add(1);
        }
        out.push(observation);
    }

    fn side(&self, role: Role) -> Side {
        match role {
            Role::Client => self.ends.client,
            Role::Server => self.ends.client.other(),
        }
    }
}

impl Role {
    const fn sender(self) -> Sender {
        match self {
            Self::Client => Sender::Client,
            Self::Server => Sender::Server,
        }
    }
}

/// Codes that nobody registered are taken as what they are to be treated as (RFC 9113 §7).
fn named(code: u32) -> Http2Code {
    Http2Code::new(code).unwrap_or(Http2Code::InternalError)
}
