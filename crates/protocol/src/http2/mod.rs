//! HTTP/2 (RFC 9113), heard from outside, from its start or from any later moment.

mod detect;
mod frame;
mod head;
mod hpack;
mod pair;
mod resync;
mod sockets;
mod stream;

pub(crate) use detect::{Detected, detect, detect_joined};

use crate::{
    Limits, Skipped,
    http1::Upgraded,
    observer::{Handover, Observer, Start},
    parting::Parting,
};
use frame::{Frame, Head, Kind, Lane, Skip};
use head::{Block, RequestHead, ResponseHead, Rest};
use hpack::{Decoder, Fields};
use overhear_exchange::{Side, Timestamp, observation::Observation, wire::CloseCause};
use pair::{Role, Streams};

/// Times that a new beginning is looked for in one arrival.
const RESTARTS: usize = 8;
/// Bytes of the fields of one block, decoded: one byte on the wire can stand for thousands.
const FIELDS: usize = 4;

/// One connection that speaks HTTP/2.
pub(crate) struct Http2 {
    limits: Limits,
    client: Side,
    /// Which end is the client was seen, not assumed.
    certain: bool,
    a: Direction,
    b: Direction,
    streams: Streams,
    fields: Box<Fields>,
    parting: Parting,
}

/// What one end sends.
struct Direction {
    lane: Lane,
    decoder: Decoder,
    /// A header block that goes on in the next frame.
    open: Option<Box<OpenBlock>>,
}

struct OpenBlock {
    purpose: Purpose,
    fragment: Vec<u8>,
    started: Timestamp,
    /// There was more than may be kept.
    cut: bool,
}

/// What a header block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Message { stream: u32, end_stream: bool },
    Promise { stream: u32, promised: u32 },
}

/// What a frame does to the direction it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Known,
    Lost,
}

impl Observer for Http2 {
    fn name(&self) -> &'static str {
        "http"
    }

    fn data(
        &mut self,
        from: Side,
        time: Timestamp,
        bytes: &[u8],
        out: &mut Vec<Observation>,
    ) -> Option<Handover> {
        let limit = self.limits.head;
        let mut again = if self.direction(from).lane.is_lost() {
            self.direction(from).lane.search(bytes, limit)
        } else {
            self.read(from, time, bytes, out)
        };
        // Whoever makes frames that lead nowhere is not followed without end.
        for _ in 0..RESTARTS {
            let Some(bytes) = again else { break };
            again = self.read(from, time, &bytes, out);
        }
        self.streams.tell(time, out);
        None
    }

    fn gap(&mut self, from: Side, time: Timestamp, length: Option<u64>, out: &mut Vec<Observation>) {
        let role = self.role(from);
        match self.direction(from).lane.skip(length) {
            Skip::Content { stream, length } => {
                self.streams.content_gap((role, stream), time, length, out);
                self.read(from, time, &[], out);
            }
            Skip::Frame => {
                self.read(from, time, &[], out);
            }
            Skip::Lost => self.lose(from, time, out),
        }
    }

    fn end(&mut self, from: Side, _time: Timestamp, out: &mut Vec<Observation>) {
        self.parting.end(from);
        if from != self.client {
            self.streams.cut(self.parting.finished(self.client), out);
        }
    }

    fn close(&mut self, _time: Timestamp, cause: CloseCause, out: &mut Vec<Observation>) {
        self.streams.cut(self.parting.cut(self.client, cause), out);
    }

    fn skipped(&self) -> Skipped {
        self.streams.skipped()
    }

    fn retained(&self) -> usize {
        let Self { a, b, streams, fields, .. } = self;
        a.retained() + b.retained() + streams.retained() + fields.retained()
    }
}

impl Http2 {
    /// A connection whose client is known, or assumed where not `certain`.
    pub(crate) fn new(limits: Limits, start: Start, tls: bool, client: Side, certain: bool) -> Self {
        let beginning = start == Start::Beginning;
        let direction = |lane| Direction {
            lane,
            decoder: if beginning { Decoder::new() } else { Decoder::unknown() },
            open: None,
        };
        let (mut a, mut b) = (Lane::at_head(), Lane::at_head());
        if !beginning {
            a.lose();
            b.lose();
        }
        let mut this = Self {
            limits,
            client,
            certain,
            a: direction(a),
            b: direction(b),
            streams: Streams::new(limits, tls, client),
            fields: Box::default(),
            parting: Parting::default(),
        };
        if beginning {
            this.direction(client).lane = Lane::with_preface();
        }
        this
    }

    /// The client's preface was seen, though not that the connection was opened: from here on nothing is missing.
    pub(crate) fn from_preface(limits: Limits, tls: bool, client: Side) -> Self {
        let mut this = Self::new(limits, Start::Joined, tls, client, true);
        this.direction(client).lane = Lane::with_preface();
        this
    }

    /// A connection that was HTTP/1.1 until the answer to this request (RFC 7540 §3.2).
    pub(crate) fn upgraded(limits: Limits, tls: bool, client: Side, request: Upgraded) -> Self {
        let mut this = Self::new(limits, Start::Beginning, tls, client, true);
        this.streams.upgrade(request.observation, request.last);
        this
    }

    /// Reads frames. Where the place was lost and found again: what is to be read from there.
    fn read(
        &mut self,
        from: Side,
        time: Timestamp,
        bytes: &[u8],
        out: &mut Vec<Observation>,
    ) -> Option<Vec<u8>> {
        let mut input = bytes;
        loop {
            let role = self.role(from);
            let Self { a, b, streams, limits, .. } = self;
            let Direction { lane, decoder, open } = match from {
                Side::A => a,
                Side::B => b,
            };
            let place = match lane.next(time, &mut input, limits.head) {
                Frame::NeedMore => return None,
                Frame::Preface => Place::Known,
                Frame::Content { stream, content } => {
                    streams.content((role, stream), time, content, out);
                    Place::Known
                }
                Frame::ContentEnd { stream, end_stream } => {
                    if end_stream {
                        streams.ended(role, stream, time, out);
                    }
                    if open.is_none() { Place::Known } else { Place::Lost }
                }
                Frame::Passed { head } => self.passed(from, head, time, out),
                Frame::Whole { head, payload, started } => match head.kind {
                    Kind::Reset => {
                        streams.reset(role, head.stream, number(payload), out);
                        Place::Known
                    }
                    Kind::GoAway => {
                        let code = payload.get(4..).map_or(0, number);
                        streams.go_away(role, number(payload) & 0x7fff_ffff, code, out);
                        Place::Known
                    }
                    Kind::Headers | Kind::Push | Kind::Continuation => {
                        // The payload may lie in the lane's own buffer: a whole block is read from there at once.
                        match assemble(open, head, payload, started, limits.head) {
                            Ok(Assembled::More) => Place::Known,
                            Ok(Assembled::Whole { purpose, started, block }) => {
                                let limit = limits.head.saturating_mul(FIELDS);
                                let decoded = match block {
                                    Lies::InFrame(block) => decoder.decode(block, limit, &mut self.fields),
                                    Lies::Apart(block) => decoder.decode(&block, limit, &mut self.fields),
                                };
                                match decoded {
                                    Ok(()) => self.block(from, purpose, (started, time), out),
                                    Err(hpack::Broken) => self.broken_block(from, purpose, time, out),
                                }
                            }
                            Ok(Assembled::Cut(purpose)) => self.broken_block(from, purpose, time, out),
                            Err(NotABlock) => Place::Lost,
                        }
                    }
                    // Nothing of these is wanted, nor given whole.
                    Kind::Data
                    | Kind::Priority
                    | Kind::Settings
                    | Kind::Ping
                    | Kind::WindowUpdate
                    | Kind::Other => Place::Known,
                },
                Frame::Broken => Place::Lost,
            };
            if place == Place::Lost {
                self.lose(from, time, out);
                // What follows in this arrival is looked at like what follows in the next.
                let limit = self.limits.head;
                return self.direction(from).lane.search(input, limit);
            }
        }
    }

    /// A whole block of fields.
    fn block(
        &mut self,
        from: Side,
        purpose: Purpose,
        times: (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) -> Place {
        let kind = Block::of(&self.fields);
        self.learn_roles(from, purpose, kind);
        let role = self.role(from);
        match (purpose, role) {
            (Purpose::Promise { promised, .. }, Role::Server) => {
                let head = RequestHead::new(&self.fields);
                self.streams.promise(promised, head, times, out);
                Place::Known
            }
            // Clients promise nothing.
            (Purpose::Promise { .. }, Role::Client) => Place::Lost,
            (Purpose::Message { stream, end_stream }, Role::Client) => {
                self.client_block(stream, end_stream, kind, times, out);
                Place::Known
            }
            (Purpose::Message { stream, end_stream }, Role::Server) => {
                self.server_block(stream, end_stream, kind, times, out);
                Place::Known
            }
        }
    }

    fn client_block(
        &mut self,
        stream: u32,
        end_stream: bool,
        kind: Block,
        times: (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) {
        // A block of unknown fields alone may as well be trailers.
        if self.streams.may_open(stream) && kind == Block::Request {
            self.streams.request(stream, RequestHead::new(&self.fields), times, out);
        }
        if end_stream {
            self.streams.ended(Role::Client, stream, times.1, out);
        }
    }

    fn server_block(
        &mut self,
        stream: u32,
        end_stream: bool,
        kind: Block,
        times: (Timestamp, Timestamp),
        out: &mut Vec<Observation>,
    ) {
        let client_is_known = !self.direction(self.client).lane.is_lost();
        let begins =
            kind == Block::Response || kind == Block::Unclear && self.streams.awaits_response(stream);
        // A second head is of the final response, after an interim one whose status was not known.
        if begins || kind == Block::Unclear && !end_stream {
            let early = client_is_known && self.streams.may_come_early(stream);
            self.streams.response(stream, ResponseHead::new(&self.fields), times, early, out);
        } else {
            self.streams.trailers(Role::Server, stream, Rest::new(&self.fields));
        }
        if end_stream {
            self.streams.ended(Role::Server, stream, times.1, out);
        }
    }

    /// Where it was only assumed who is the client, the first block that tells decides.
    fn learn_roles(&mut self, from: Side, purpose: Purpose, kind: Block) {
        if self.certain {
            return;
        }
        let client = match (purpose, kind) {
            (Purpose::Promise { .. }, _) | (_, Block::Response) => from.other(),
            (_, Block::Request) => from,
            (_, Block::Unclear | Block::Trailers) => return,
        };
        self.certain = true;
        self.client = client;
        self.streams.set_client(client);
    }

    /// A frame went by of which not all was read.
    fn passed(&mut self, from: Side, head: Head, time: Timestamp, out: &mut Vec<Observation>) -> Place {
        let (role, limit) = (self.role(from), self.limits.head);
        let direction = self.direction(from);
        match head.kind {
            Kind::Headers | Kind::Push | Kind::Continuation => {
                direction.decoder = Decoder::unknown();
                // What goes on from here is of no use.
                let more = !head.has(Head::END_HEADERS);
                direction.open = more.then(|| Box::new(OpenBlock::cut(head.stream)));
                self.streams.lose_block(role, head.stream, time, out);
                if head.kind == Kind::Headers && head.has(Head::END_STREAM) {
                    self.streams.ended(role, head.stream, time, out);
                }
                if usize::try_from(head.length).is_ok_and(|length| length > limit) {
                    self.streams.note_oversized();
                }
                Place::Known
            }
            Kind::Reset | Kind::GoAway => {
                self.streams.doubt(time);
                Place::Known
            }
            // Nothing may come between the frames of a header block (RFC 9113 §4.3).
            Kind::Data | Kind::Priority | Kind::Settings | Kind::Ping | Kind::WindowUpdate | Kind::Other => {
                if direction.open.is_some() {
                    Place::Lost
                } else {
                    Place::Known
                }
            }
        }
    }

    /// A block that cannot be read leaves a table that nothing is known of.
    fn broken_block(
        &mut self,
        from: Side,
        purpose: Purpose,
        time: Timestamp,
        out: &mut Vec<Observation>,
    ) -> Place {
        let role = self.role(from);
        self.direction(from).decoder = Decoder::unknown();
        let (Purpose::Message { stream, .. } | Purpose::Promise { stream, .. }) = purpose;
        self.streams.note_broken();
        if let Purpose::Message { end_stream, .. } = purpose {
            self.streams.lose_block(role, stream, time, out);
            if end_stream {
                self.streams.ended(role, stream, time, out);
            }
        }
        Place::Known
    }

    fn lose(&mut self, from: Side, time: Timestamp, out: &mut Vec<Observation>) {
        let role = self.role(from);
        let direction = self.direction(from);
        direction.lane.lose();
        direction.decoder = Decoder::unknown();
        direction.open = None;
        self.streams.lose(role, time, out);
    }

    fn role(&self, from: Side) -> Role {
        if from == self.client { Role::Client } else { Role::Server }
    }

    const fn direction(&mut self, from: Side) -> &mut Direction {
        match from {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}

/// What frames of a header block came to.
enum Assembled<'a> {
    More,
    Whole {
        purpose: Purpose,
        started: Timestamp,
        block: Lies<'a>,
    },
    /// It was longer than may be kept.
    Cut(Purpose),
}

enum Lies<'a> {
    InFrame(&'a [u8]),
    Apart(Vec<u8>),
}

/// These frames do not make a header block (RFC 9113 §4.3).
struct NotABlock;

impl Direction {
    fn retained(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |open| size_of::<OpenBlock>() + open.fragment.capacity());
        self.lane.retained() + self.decoder.retained() + open
    }
}

/// Adds a frame to the header block under way. The payload may lie in the lane's own buffer.
fn assemble<'a>(
    open: &mut Option<Box<OpenBlock>>,
    head: Head,
    payload: &'a [u8],
    started: Timestamp,
    limit: usize,
) -> Result<Assembled<'a>, NotABlock> {
    let whole = head.has(Head::END_HEADERS);
    let fragment = head.fragment(payload).ok_or(NotABlock)?;
    if head.kind == Kind::Continuation {
        let block = open.as_mut().filter(|open| open.purpose.stream() == head.stream).ok_or(NotABlock)?;
        block.add(fragment, limit);
        return Ok(match open.take_if(|_| whole) {
            None => Assembled::More,
            Some(block) if block.cut => Assembled::Cut(block.purpose),
            Some(block) => {
                let OpenBlock { purpose, started, fragment, .. } = *block;
                Assembled::Whole { purpose, started, block: Lies::Apart(fragment) }
            }
        });
    }
    if open.is_some() {
        return Err(NotABlock);
    }
    let (purpose, fragment) = if head.kind == Kind::Push {
        let (promised, fragment) = fragment.split_first_chunk::<4>().ok_or(NotABlock)?;
        let promised = u32::from_be_bytes(*promised) & 0x7fff_ffff;
        (Purpose::Promise { stream: head.stream, promised }, fragment)
    } else {
        (Purpose::Message { stream: head.stream, end_stream: head.has(Head::END_STREAM) }, fragment)
    };
    if whole {
        return Ok(Assembled::Whole { purpose, started, block: Lies::InFrame(fragment) });
    }
    let mut block = OpenBlock { purpose, fragment: Vec::new(), started, cut: false };
    block.add(fragment, limit);
    *open = Some(Box::new(block));
    Ok(Assembled::More)
}

impl Purpose {
    const fn stream(self) -> u32 {
        match self {
            Self::Message { stream, .. } | Self::Promise { stream, .. } => stream,
        }
    }
}

impl OpenBlock {
    /// One of which the beginning was not read.
    fn cut(stream: u32) -> Self {
        let purpose = Purpose::Message { stream, end_stream: false };
        Self { purpose, fragment: Vec::new(), started: Timestamp::default(), cut: true }
    }

    fn add(&mut self, fragment: &[u8], limit: usize) {
        if self.cut || self.fragment.len() + fragment.len() > limit {
            (self.cut, self.fragment) = (true, Vec::new());
        } else {
            self.fragment.extend_from_slice(fragment);
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
