//! What the conversations of `tests/fixtures/websocket` and `stream` say is the same when HTTP/2 carries it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::{fixtures_of, gathered, has_gap, observe};
use overhear_exchange::{
    Detail, ErrorType, Http, Http2Code, Side, Stage, StreamKind, Timestamp, observation::Observation,
};
use overhear_testkit::{
    Event, Step, Transcript,
    damage::with_gap,
    http2::{self, Encoder, PREFACE, data, message, reset},
    identity, properties, render,
};
use std::time::Duration;

/// What one end of an HTTP/1.1 connection with one exchange sends.
#[derive(Default)]
struct Message {
    head: Vec<u8>,
    body: Option<Framing>,
}

/// Where the body ends.
enum Framing {
    Length(usize),
    /// Chunks (RFC 9112 §7.1), which may be cut anywhere.
    Chunks {
        line: Vec<u8>,
        left: usize,
        is_last: bool,
    },
    /// Where the connection does.
    Open,
}

impl Message {
    /// The content in this delivery; nothing while the head goes on.
    fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if let Some(body) = &mut self.body {
            return Some(body.push(bytes));
        }
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let end = self.head.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        self.head.truncate(end);
        let length = self.fields().into_iter().find(|(name, _)| name == "content-length");
        let mut body = if self.text().to_lowercase().contains("chunked") {
            Framing::Chunks { line: Vec::new(), left: 0, is_last: false }
        } else {
            let is_open = self.is_web_socket() || self.text().starts_with("HTTP/");
            length.map_or(if is_open { Framing::Open } else { Framing::Length(0) }, |(_, length)| {
                Framing::Length(length.parse().unwrap())
            })
        };
        let content = body.push(&bytes[end - before..]);
        self.body = Some(body);
        Some(content)
    }

    fn is_over(&self) -> bool {
        match &self.body {
            Some(Framing::Length(left)) => *left == 0,
            Some(Framing::Chunks { is_last, .. }) => *is_last,
            Some(Framing::Open) | None => false,
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.head.clone()).unwrap()
    }

    fn is_web_socket(&self) -> bool {
        self.text().to_lowercase().contains("upgrade: websocket")
    }

    /// The words of the first line.
    fn line(&self) -> Vec<String> {
        self.text().lines().next().unwrap().split(' ').map(ToOwned::to_owned).collect()
    }

    /// The fields that HTTP/2 has too (RFC 9113 §8.2.2).
    fn fields(&self) -> Vec<(String, String)> {
        let (text, own) = (self.text(), ["connection", "upgrade", "transfer-encoding", "host"]);
        let fields = text.lines().skip(1).filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        fields.filter(|(name, _)| !own.contains(&name.as_str())).collect()
    }

    /// Its head in a HEADERS frame of stream 1.
    fn headers(&self, encoder: &mut Encoder) -> Vec<u8> {
        let (line, fields) = (self.line(), self.fields());
        let is_request = !line[0].starts_with("HTTP/");
        let mut all = if is_request {
            let method = if self.is_web_socket() { "CONNECT" } else { &line[0] };
            vec![(":method", method), (":scheme", "http"), (":path", &line[1]), (":authority", "shop.test")]
        } else {
            vec![(":status", if line[1] == "101" { "200" } else { &line[1] })]
        };
        if is_request && self.is_web_socket() {
            all.push((":protocol", "websocket"));
        }
        all.extend(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        encoder.headers(1, false, &all)
    }
}

impl Framing {
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Open => bytes.to_vec(),
            Self::Length(left) => {
                *left -= bytes.len();
                bytes.to_vec()
            }
            Self::Chunks { line, left, is_last } => {
                let mut content = Vec::new();
                for byte in bytes {
                    if *left > 0 {
                        content.push(*byte);
                        *left -= 1;
                        continue;
                    }
                    line.push(*byte);
                    if line == b"\r\n" {
                        line.clear();
                    } else if *byte == b'\n' {
                        *left = usize::from_str_radix(std::str::from_utf8(line).unwrap().trim(), 16).unwrap();
                        *is_last |= *left == 0;
                        line.clear();
                    }
                }
                content
            }
        }
    }
}

/// The same exchange on a stream of HTTP/2: each delivery in a DATA frame of its own, at its time.
fn over_http2(first: &Transcript) -> Transcript {
    let mut ends =
        [(Message::default(), Encoder::default(), true), (Message::default(), Encoder::default(), true)];
    let start = first.steps[0].time;
    let say = |time: Timestamp, from: Side, bytes: Vec<u8>| Step { time, event: Event::Data { from, bytes } };
    let mut steps = vec![
        say(start, Side::A, [PREFACE, &http2::settings()].concat()),
        say(start, Side::B, http2::settings()),
    ];
    for step in &first.steps {
        match &step.event {
            Event::Data { from, bytes } => {
                let (message, encoder, is_open) = &mut ends[from.index()];
                let begins = message.body.is_none();
                let Some(content) = message.push(bytes) else { continue };
                let mut sent = if begins { message.headers(encoder) } else { Vec::new() };
                if !content.is_empty() || message.is_over() && *is_open {
                    sent.extend(data(1, message.is_over(), &content));
                }
                *is_open &= !message.is_over();
                if !sent.is_empty() {
                    steps.push(say(step.time, *from, sent));
                }
            }
            Event::End { from } => {
                let (message, _, is_open) = &mut ends[from.index()];
                // Where the connection ends and the message is open, that is its end.
                if matches!(message.body, Some(Framing::Open)) && std::mem::take(is_open) {
                    steps.push(say(step.time, *from, data(1, true, b"")));
                }
                steps.push(step.clone());
            }
            Event::Gap { .. } | Event::Close { .. } => steps.push(step.clone()),
        }
    }
    first.with_steps(steps)
}

/// Those that have a beginning, and no hole that would be a hole in other frames here.
fn conversations() -> impl Iterator<Item = (String, Transcript)> {
    let all = [fixtures_of("websocket"), fixtures_of("stream")].into_iter().flatten();
    all.filter(|(name, transcript)| {
        let is_stream = ["events_", "lines", "model_", "mcp_"].iter().any(|start| name.starts_with(start));
        // Nothing ends with the connection here; and there is one exchange on a stream.
        let is_stream = is_stream && name != "events_until_close" && name != "model_whole";
        let (Some(Step { event: Event::Data { bytes, .. }, .. }), false) =
            (transcript.steps.first(), has_gap(transcript))
        else {
            return false;
        };
        is_stream || String::from_utf8_lossy(bytes).contains("Upgrade: websocket")
    })
}

fn http(observation: &Observation) -> &Http {
    let Detail::Http(http) = &observation.detail;
    http
}

/// What went over it and what it is, without what frames it.
fn said(observation: &Observation) -> String {
    let text = render(observation);
    let lines = text.lines().filter(|line| {
        let words = [" over,", " messages, ", "    > ", "    < ", " asked "];
        words.iter().any(|word| line.contains(word))
    });
    let mut said: Vec<_> = lines.map(ToOwned::to_owned).collect();
    let http = http(observation);
    said.push(format!("{:?} {:?} {:?}", http.call, observation.error, observation.duration));
    said.join("\n")
}

#[test]
fn every_conversation_is_the_same_over_http2() {
    let mut heard = 0;
    for (name, first) in conversations() {
        let (one, two) = (observe(&first), observe(&over_http2(&first)));
        assert_eq!(two.len(), 1, "{name}: {two:?}");
        assert_eq!(said(&one[0]), said(&two[0]), "{name}");
        assert_eq!(http(&one[0]).endpoint_method(), http(&two[0]).endpoint_method(), "{name}");
        heard += usize::from(http(&two[0]).stream.is_some());
    }
    assert!(heard > 25, "only {heard} conversations");
}

#[test]
fn cutting_changes_nothing() {
    for (_, transcript) in conversations() {
        properties::split_invariant(&over_http2(&transcript), observe);
    }
}

#[test]
fn no_gap_makes_up_a_message() {
    for (name, transcript) in conversations() {
        eprintln!("{name}");
        properties::gap_sound(&over_http2(&transcript), 300, observe);
    }
}

#[test]
fn joining_late_makes_up_nothing() {
    for (_, transcript) in conversations() {
        properties::late_sound(&over_http2(&transcript), observe);
    }
}

/// Both ends of a connection, second by second.
struct Ends {
    client: Encoder,
    server: Encoder,
    transcript: Transcript,
    now: u64,
}

impl Ends {
    fn open() -> Self {
        let (client, server) = (Encoder::default(), Encoder::default());
        let mut ends = Self { client, server, transcript: Transcript::default(), now: 1000 };
        ends.say(Side::A, [PREFACE, &http2::settings()].concat()).say(Side::B, http2::settings());
        ends
    }

    fn say(&mut self, from: Side, bytes: Vec<u8>) -> &mut Self {
        let time = Timestamp::from_nanos(self.now * 1_000_000);
        self.transcript.steps.push(Step { time, event: Event::Data { from, bytes } });
        self
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis;
        self
    }

    fn asks(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) -> &mut Self {
        let head = self.client.headers(stream, end, fields);
        self.say(Side::A, head)
    }

    fn answers(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) -> &mut Self {
        let head = self.server.headers(stream, end, fields);
        self.say(Side::B, head)
    }

    /// All that is told, while it goes on too.
    fn told(&self) -> Vec<Observation> {
        let mut connection = common::connection(&self.transcript);
        let mut out = Vec::new();
        self.transcript.steps.iter().for_each(|step| common::feed(&mut connection, step, &mut out));
        out
    }
}

fn get(path: &str) -> [(&str, &str); 4] {
    [(":method", "GET"), (":scheme", "http"), (":authority", "shop.test"), (":path", path)]
}

const EVENTS: [(&str, &str); 2] = [(":status", "200"), ("content-type", "text/event-stream")];
const WEB_SOCKET: [(&str, &str); 5] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":authority", "shop.test"),
    (":path", "/live"),
];
const CALL: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "shop.test"),
    (":path", "/shop.v1.Prices/Follow"),
    ("content-type", "application/grpc"),
];

/// Stage, path, messages of client and server.
fn progress(told: &[Observation]) -> Vec<(Stage, &str, u64, u64)> {
    let each = told.iter().filter_map(|observation| {
        let http = http(observation);
        let stream = http.stream.as_ref()?;
        Some((stream.stage, &*http.path, stream.client.total.messages, stream.server.total.messages))
    });
    each.collect()
}

#[test]
fn streams_are_told_while_they_go_on() {
    let mut ends = Ends::open();
    ends.asks(1, &get("/a"), true)
        .asks(3, &get("/b"), true)
        .answers(1, &EVENTS, false)
        .answers(3, &EVENTS, false);
    ends.wait(300).say(Side::B, data(1, false, b"data: 1\n\n"));
    ends.wait(900).say(Side::B, data(1, false, b"data: 2\n\n"));
    ends.wait(2000).say(Side::B, data(3, false, b"data: x\n\n"));
    ends.say(Side::B, data(1, true, b""));
    let told = ends.told();
    use Stage::{Over, Underway};
    assert_eq!(
        progress(&told),
        [
            (Underway, "/a", 0, 0),
            (Underway, "/b", 0, 0),
            (Underway, "/a", 0, 2),
            (Underway, "/b", 0, 1),
            (Over, "/a", 0, 2),
        ]
    );
    let last = http(told.last().unwrap()).stream.as_ref().unwrap();
    assert_eq!(last.time_to_first_message, Some(Duration::from_millis(300)));
    assert_eq!(told.last().unwrap().duration, Some(Duration::from_millis(3200)));
}

/// Counts of a call of minutes are told by the second, its name and its answer so far too; a call that is short is not.
#[test]
fn long_calls_are_told_while_they_go_on() {
    let mut ends = Ends::open();
    ends.asks(1, &CALL, false).say(Side::A, data(1, true, &message(b"AAA")));
    ends.answers(1, &[(":status", "200"), ("content-type", "application/grpc")], false);
    for _ in 0..90 {
        ends.wait(2000).say(Side::B, data(1, false, &message(b"\x08\x07")));
    }
    // Beside it one that is soon over.
    ends.asks(3, &CALL, false).say(Side::A, data(3, true, &message(b"BBB")));
    ends.answers(3, &[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")], true);
    ends.answers(1, &[("grpc-status", "0")], true);
    let told = ends.told();
    let counts: Vec<_> = progress(&told).into_iter().map(|(_, _, client, server)| (client, server)).collect();
    assert_eq!(counts, (1..=90).map(|count| (1, count)).collect::<Vec<_>>());
    let underway = http(&told[44]);
    assert_eq!(underway.stream.as_ref().unwrap().kind, StreamKind::Messages);
    let call = underway.call.as_ref().unwrap();
    assert_eq!((&*call.name, call.rpc.as_ref().unwrap().received.count), ("shop.v1.Prices/Follow", 45));
    assert_eq!(told.len(), 92);
    let over = http(&told[91]);
    assert_eq!(over.call.as_ref().unwrap().rpc.as_ref().unwrap().received.count, 90);
    assert!(over.stream.is_none() && http(&told[90]).stream.is_none());
}

/// A client that streams gets no answer for as long as it does; what it sends is counted, when anything is heard.
#[test]
fn uploads_of_messages_are_told_while_they_go_on() {
    let mut ends = Ends::open();
    ends.asks(1, &CALL, false);
    for _ in 0..5 {
        ends.wait(700).say(Side::A, data(1, false, &[message(b"a"), message(b"b")].concat()));
    }
    let told = ends.told();
    let counts: Vec<_> = progress(&told).into_iter().map(|(_, _, client, server)| (client, server)).collect();
    assert_eq!(counts, [(4, 0), (8, 0)], "{told:?}");
    assert!(told.iter().all(|observation| http(observation).status.is_none()));
}

/// That the client has enough is how a stream of events ends; of everything else it is not.
#[test]
fn who_reads_for_ever_may_leave() {
    use overhear_exchange::wire::CloseCause;
    for (by, expected) in [(Side::A, None), (Side::B, Some(ErrorType::ConnectionReset))] {
        let mut ends = Ends::open();
        ends.asks(1, &get("/a"), true).answers(1, &EVENTS, false);
        let event = Event::Close { cause: CloseCause::Reset(Some(by)) };
        ends.transcript.steps.push(Step { time: Timestamp::from_nanos(2_000_000_000), event });
        let told = gathered(ends.told());
        assert_eq!((told.len(), told[0].error), (1, expected), "reset by {by:?}");
    }
    let cancelled = Some(ErrorType::Http2(Http2Code::Cancel));
    let plain = [(":status", "200"), ("content-type", "text/plain")];
    for (head, code, expected) in [
        (&EVENTS[..], 8, None),
        (&EVENTS, 2, Some(ErrorType::Http2(Http2Code::InternalError))),
        (&plain, 8, cancelled),
    ] {
        let mut ends = Ends::open();
        ends.asks(1, &get("/a"), true).answers(1, head, false).say(Side::B, data(1, false, b"data: 1\n\n"));
        ends.say(Side::A, reset(1, code));
        let told = gathered(ends.told());
        assert_eq!((told.len(), told[0].error, told[0].duration), (1, expected, None), "{head:?} {code}");
    }
}

/// After a hole the place of HTTP/2 is found again, and with it that of what goes over its streams.
#[test]
fn streams_survive_a_hole_in_the_connection() {
    let mut ends = Ends::open();
    ends.asks(1, &get("/a"), true).answers(1, &EVENTS, false).asks(3, &WEB_SOCKET, false);
    ends.answers(3, &[(":status", "200")], false);
    for n in 0..20_u8 {
        let digits = format!("{n:02}");
        let event = format!("data: {digits}\n\n");
        let text = [b"\x81\x02", digits.as_bytes()].concat();
        ends.wait(100).say(Side::B, data(1, false, event.as_bytes())).say(Side::B, data(3, false, &text));
    }
    ends.say(Side::B, data(1, true, b"")).say(Side::B, data(3, true, b"\x88\x02\x03\xe8"));
    ends.say(Side::A, data(3, true, b"\x88\x82\0\0\0\0\x03\xe8"));
    let length = ends.transcript.length(Side::B);
    // From within one frame into another.
    let damaged = with_gap(&ends.transcript, Side::B, length - 400..length - 330, false);
    let heard = observe(&damaged);
    assert_eq!(heard.len(), 2, "{heard:?}");
    for observation in &heard {
        let stream = http(observation).stream.as_ref().unwrap();
        let messages = stream.server.total.messages;
        assert!((16..20).contains(&messages) && stream.server.total.gaps > 0, "{}", render(observation));
        let last = stream.fresh.last().unwrap();
        assert_eq!(last.content.expose(), &b"19"[..], "{}", render(observation));
        assert_eq!(observation.error, None);
    }
}

/// CONNECT without a protocol, with another one, or without success is no WebSocket.
#[test]
fn what_is_no_web_socket_is_a_tunnel() {
    let tunnel = [(":method", "CONNECT"), (":authority", "bank.test:443")];
    let mut other = WEB_SOCKET;
    other[1].1 = "connect-udp";
    for (asked, status, method) in
        [(&tunnel[..], "200", "CONNECT"), (&other, "200", "GET"), (&WEB_SOCKET, "404", "GET")]
    {
        let mut ends = Ends::open();
        ends.asks(1, asked, false).answers(1, &[(":status", status)], false);
        ends.say(Side::A, data(1, true, b"\x81\x81\0\0\0\0a")).say(Side::B, data(1, true, b"\x81\x01b"));
        let told = ends.told();
        assert_eq!(told.len(), 1, "{asked:?}");
        let http = http(&told[0]);
        assert_eq!((http.response_body.size, http.request_body.size), (3, 7));
        assert!(http.stream.is_none());
        assert_eq!(http.endpoint_method().as_str(), method);
    }
}

/// What a client sends before it knows that it may is not lost, nor part of its request.
#[test]
fn messages_sent_ahead_are_heard() {
    let mut ends = Ends::open();
    ends.asks(1, &WEB_SOCKET, false).wait(50).say(Side::A, data(1, false, b"\x81\x85\x01\x02\x03\x04igohn"));
    ends.wait(50).answers(1, &[(":status", "200")], false).wait(10);
    ends.say(Side::B, data(1, true, b"\x88\x00")).say(Side::A, data(1, true, b""));
    let told = observe(&ends.transcript);
    assert_eq!(told.len(), 1, "{told:?}");
    let (observation, http) = (&told[0], http(&told[0]));
    let stream = http.stream.as_ref().unwrap();
    assert_eq!((stream.client.total.messages, http.request_body.size), (1, 0));
    assert_eq!(stream.fresh[0].content.expose(), &b"hello"[..]);
    assert_eq!(observation.time_to_first_byte, Some(Duration::from_millis(100)));
    assert_eq!(observation.duration, Some(Duration::from_millis(110)));
}

/// What the two ends say is not always heard in the order in which they said it.
#[test]
fn answers_heard_before_what_they_answer_are_read_too() {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut ends = Ends::open();
    let events = [server.headers(1, false, &EVENTS), data(1, false, b"data: 1\n\ndata: 2")].concat();
    let socket = [server.headers(3, false, &[(":status", "200")]), data(3, false, b"\x81\x01a")].concat();
    ends.say(Side::B, [events, socket].concat());
    let asked = [client.headers(1, true, &get("/a")), client.headers(3, false, &WEB_SOCKET)].concat();
    ends.wait(1).say(Side::A, asked);
    ends.wait(1).say(Side::B, [data(1, true, b"\n\n"), data(3, true, b"\x81\x01b\x88\x00")].concat());
    ends.say(Side::A, data(3, true, b""));
    let told = observe(&ends.transcript);
    let counts: Vec<_> = progress(&told).into_iter().map(|(_, path, _, server)| (path, server)).collect();
    assert_eq!(counts, [("/a", 2), ("/live", 2)], "{told:?}");
}

/// A stream that is reset is told so, and one whose connection breaks, where nobody said goodbye.
#[test]
fn web_sockets_end_as_their_streams_do() {
    use overhear_exchange::wire::CloseCause;
    for (code, cause, error, known) in [
        (Some(8), None, Some(ErrorType::Http2(Http2Code::Cancel)), true),
        (Some(0), None, None, true),
        (None, Some(CloseCause::Reset(None)), Some(ErrorType::ConnectionReset), true),
        (None, Some(CloseCause::Finished), None, true),
        (None, Some(CloseCause::Unknown), None, false),
    ] {
        let mut ends = Ends::open();
        ends.asks(1, &WEB_SOCKET, false).answers(1, &[(":status", "200")], false);
        ends.say(Side::B, data(1, false, b"\x81\x01b"));
        if let Some(code) = code {
            ends.say(Side::A, reset(1, code));
        }
        let time = Timestamp::from_nanos(2_000_000_000);
        ends.transcript.steps.extend(cause.map(|cause| Step { time, event: Event::Close { cause } }));
        let told = observe(&ends.transcript);
        assert_eq!(told.len(), 1, "{code:?} {cause:?}");
        assert_eq!((told[0].error, told[0].duration.is_some()), (error, known), "{code:?} {cause:?}");
        let Some(StreamKind::WebSocket(agreed)) = http(&told[0]).stream.as_ref().map(|stream| &stream.kind)
        else {
            panic!("{told:?}");
        };
        assert_eq!(agreed.close_code, known.then_some(1006));
    }
}

/// So many streams as may be, with all they may make a listener hold, and more of them than are read.
#[test]
fn many_open_streams_are_bounded() {
    let mut ends = Ends::open();
    for n in 0..600_u32 {
        let (events, socket) = (4 * n + 1, 4 * n + 3);
        let zipped = [EVENTS[0], EVENTS[1], ("content-encoding", "gzip")];
        ends.asks(events, &get("/a"), true).answers(
            events,
            if n % 2 == 0 { &EVENTS } else { &zipped },
            false,
        );
        ends.asks(socket, &WEB_SOCKET, false).answers(socket, &[(":status", "200")], false);
        ends.say(Side::B, data(events, false, &[b'x'; 4000]));
        ends.say(Side::B, data(socket, false, &[&b"\x81\x7e\xff\xff"[..], &[b'x'; 4000]].concat()));
    }
    let mut connection = common::connection(&ends.transcript);
    for step in &ends.transcript.steps {
        common::feed(&mut connection, step, &mut Vec::new());
        assert!(connection.retained() < 32 << 20, "{} bytes held", connection.retained());
    }
    assert!(!gathered(ends.told()).is_empty(), "the oldest are given up");
    let opened = ends.told().iter().map(identity).filter(|told| told.contains("CONNECT")).count();
    assert!((60..200).contains(&opened), "{opened} are read");
}
