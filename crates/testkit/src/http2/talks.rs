//! Conversations over HTTP/2, each by the name of what is nasty about it.

use super::{
    ACK, END_HEADERS, END_STREAM, Encoder, Kind, PADDED, PREFACE, PRIORITY, data, frame, go_away, message,
    reset, settings, settings_ack, window_update,
};
use crate::Transcript;
use overhear_exchange::Side::{self, A, B};

/// What both ends sent, in order.
pub type Talk = Vec<(Side, Vec<u8>)>;

/// Both ends, and what they said.
#[derive(Default)]
struct Ends {
    client: Encoder,
    server: Encoder,
    talk: Talk,
}

impl Ends {
    /// From the preface on.
    fn open() -> Self {
        let mut ends = Self::default();
        ends.say(A, [PREFACE, &settings(), &window_update(0)].concat());
        ends.say(B, [settings(), settings_ack()].concat());
        ends.say(A, settings_ack());
        ends
    }

    fn say(&mut self, from: Side, bytes: Vec<u8>) -> &mut Self {
        self.talk.push((from, bytes));
        self
    }

    fn get(&mut self, stream: u32, path: &str) -> &mut Self {
        let request = self.client.request(stream, "GET", path, true);
        self.say(A, request)
    }

    fn answer(&mut self, stream: u32, status: &str, content: &str) -> &mut Self {
        let response = self.server.response(stream, status, content);
        self.say(B, response)
    }
}

/// Every one, by name.
pub fn all() -> Vec<(&'static str, Talk)> {
    vec![
        ("simple", simple()),
        ("interleaved", interleaved()),
        ("continuation", continuation()),
        ("padded", padded()),
        ("priority", priority()),
        ("table_size_update", table_size_update()),
        ("evicted", evicted()),
        ("reset_by_client", reset_by_client()),
        ("reset_by_server", reset_by_server()),
        ("reset_after_answer", reset_after_answer()),
        ("goaway_graceful", goaway_graceful()),
        ("goaway_error", goaway_error()),
        ("trailers", trailers()),
        ("push", push()),
        ("interim", interim()),
        ("body_with_frames_inside", body_with_frames_inside()),
        ("empty_frames", empty_frames()),
        ("unknown_frames", unknown_frames()),
        ("large_frames", large_frames()),
        ("settings_first", settings_first()),
        ("upgrade", upgrade()),
        ("connect", connect()),
        ("server_sent_events", server_sent_events()),
        ("web_socket", web_socket()),
        ("web_socket_refused", web_socket_refused()),
        ("grpc_unary", grpc_unary()),
        ("grpc_streams", grpc_streams()),
        ("grpc_error", grpc_error()),
        ("many", many(40)),
    ]
}

/// As a listener sees it, a millisecond between what the ends send.
pub fn transcript(talk: &Talk) -> Transcript {
    let mut transcript = Transcript::default();
    for (from, bytes) in talk {
        transcript.push(*from, bytes.clone());
    }
    transcript
}

/// Two exchanges, the second by what the first put into the tables.
pub fn simple() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/hello?name=ann")
        .answer(1, "200", "hello")
        .get(3, "/hello?name=ann")
        .answer(3, "404", "gone");
    ends.talk
}

/// Three streams whose frames alternate; the last that was asked is answered first.
pub fn interleaved() -> Talk {
    let mut ends = Ends::open();
    let mut asked = ends.client.request(1, "POST", "/a", false);
    asked.extend(ends.client.request(3, "POST", "/b", false));
    asked.extend(data(3, false, b"b1"));
    asked.extend(data(1, false, b"a1"));
    ends.say(A, asked).get(5, "/c");
    ends.say(A, [data(1, true, b"a2"), data(3, false, b"b2"), data(3, true, b"")].concat());
    let heads = [(":status", "200"), ("server", "x")];
    let mut answered = ends.server.headers(5, false, &heads);
    answered.extend(ends.server.headers(1, false, &heads));
    answered.extend(data(1, false, b"one "));
    answered.extend(data(5, true, b"three"));
    answered.extend(ends.server.headers(3, true, &[(":status", "204")]));
    answered.extend(data(1, true, b"more"));
    ends.say(B, answered);
    ends.talk
}

/// Header blocks in pieces, one of them empty.
pub fn continuation() -> Talk {
    let mut ends = Ends::open();
    let long = "x".repeat(300);
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/long"),
        (":authority", "shop.example"),
        ("x-long", &long),
    ];
    let block = ends.client.block(&fields);
    let (first, rest) = block.split_at(20);
    let (second, third) = rest.split_at(100);
    ends.say(A, frame(Kind::Headers, END_STREAM, 1, first));
    ends.say(A, [frame(Kind::Continuation, 0, 1, second), frame(Kind::Continuation, 0, 1, b"")].concat());
    ends.say(A, frame(Kind::Continuation, END_HEADERS, 1, third));
    let block = ends.server.block(&[(":status", "200"), ("x-long", &long)]);
    let (first, second) = block.split_at(1);
    ends.say(B, frame(Kind::Headers, 0, 1, first));
    ends.say(B, [frame(Kind::Continuation, END_HEADERS, 1, second), data(1, true, b"ok")].concat());
    ends.get(3, "/long").answer(3, "200", "again");
    ends.talk
}

/// Padding on every frame that may have it, a whole frame of it too.
pub fn padded() -> Talk {
    let mut ends = Ends::open();
    let pad = |inner: &[u8], padding: u8| [&[padding], inner, &vec![0; padding.into()]].concat();
    let fields =
        [(":method", "POST"), (":scheme", "http"), (":path", "/padded"), (":authority", "shop.example")];
    let block = ends.client.block(&fields);
    ends.say(A, frame(Kind::Headers, END_HEADERS | PADDED, 1, &pad(&block, 9)));
    ends.say(A, frame(Kind::Data, PADDED, 1, &pad(b"abc", 200)));
    ends.say(A, frame(Kind::Data, PADDED, 1, &pad(b"", 0)));
    ends.say(A, frame(Kind::Data, PADDED | END_STREAM, 1, &pad(b"", 100)));
    let block = ends.server.block(&[(":status", "200")]);
    ends.say(B, frame(Kind::Headers, END_HEADERS | PADDED, 1, &pad(&block, 255)));
    ends.say(B, frame(Kind::Data, PADDED | END_STREAM, 1, &pad(b"padded", 1)));
    ends.talk
}

/// Weight and dependency, on HEADERS and alone.
pub fn priority() -> Talk {
    let mut ends = Ends::open();
    ends.say(A, frame(Kind::Priority, 0, 3, &[0, 0, 0, 0, 200]));
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":path", "/first"), (":authority", "shop.example")];
    let block = [&[0x80, 0, 0, 3, 15][..], &ends.client.block(&fields)].concat();
    ends.say(A, frame(Kind::Headers, END_HEADERS | END_STREAM | PRIORITY, 1, &block));
    ends.answer(1, "200", "first");
    ends.talk
}

/// The table shrinks, is emptied and grows again while it is used.
pub fn table_size_update() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/kept").answer(1, "200", "1");
    for (stream, sizes) in [(3, &[100][..]), (7, &[0, 2000]), (11, &[4096])] {
        let mut block: Vec<u8> = sizes.iter().flat_map(|size| ends.client.resize(*size)).collect();
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/kept"),
            (":authority", "shop.example"),
            ("x-n", "1"),
        ];
        block.extend(ends.client.block(&fields));
        ends.say(A, frame(Kind::Headers, END_HEADERS | END_STREAM, stream, &block));
        ends.answer(stream, "200", "again").get(stream + 2, "/kept").answer(stream + 2, "200", "and again");
    }
    ends.talk
}

/// More fields than the tables hold, some of them used again after that.
pub fn evicted() -> Talk {
    let mut ends = Ends::open();
    for n in 0..40_u32 {
        let path = format!("/things/{}?{}", n % 25, "q".repeat(90));
        ends.get(2 * n + 1, &path).answer(2 * n + 1, "200", &"y".repeat(n as usize));
    }
    ends.talk
}

/// The client changes its mind, before and during the answer.
pub fn reset_by_client() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/slow").say(A, reset(1, 8));
    ends.get(3, "/slow");
    let head = ends.server.headers(3, false, &[(":status", "200")]);
    ends.say(B, [head, data(3, false, b"part")].concat()).say(A, reset(3, 8));
    ends.say(B, data(3, false, b"was on its way"));
    ends.get(5, "/next").answer(5, "200", "next");
    ends.talk
}

/// The server refuses one stream and breaks another off.
pub fn reset_by_server() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/refused").say(B, reset(1, 7)).get(3, "/broken");
    let head = ends.server.headers(3, false, &[(":status", "200")]);
    ends.say(B, [head, data(3, false, b"half"), reset(3, 2)].concat());
    ends.get(5, "/odd").say(B, reset(5, 0x1234_5678)).get(7, "/fine").answer(7, "200", "fine");
    ends.talk
}

/// The answer is whole before the request is, whose rest is not wanted.
pub fn reset_after_answer() -> Talk {
    let mut ends = Ends::open();
    let request = ends.client.request(1, "POST", "/upload", false);
    ends.say(A, [request, data(1, false, b"first part")].concat());
    ends.answer(1, "413", "too much").say(B, reset(1, 0)).say(A, data(1, false, b"on its way"));
    ends.get(3, "/next").answer(3, "200", "next");
    ends.talk
}

/// The server leaves: what it took it answers, the rest it did not look at.
pub fn goaway_graceful() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/taken").get(3, "/late").say(B, go_away(1, 0)).answer(1, "200", "last words");
    ends.talk
}

/// The server gives the connection up.
pub fn goaway_error() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/in-time").answer(1, "200", "ok").get(3, "/under-way").get(5, "/not-looked-at");
    let mut frame = go_away(3, 11);
    frame.truncate(3 + 6 + 8);
    ends.say(B, frame);
    ends.talk
}

/// Fields after the content, of request and response.
pub fn trailers() -> Talk {
    let mut ends = Ends::open();
    let mut request = ends.client.request(1, "POST", "/sum", false);
    request.extend(data(1, false, b"1 2 3"));
    request.extend(ends.client.headers(1, true, &[("x-checksum", "abc")]));
    ends.say(A, request);
    let mut response = ends.server.headers(1, false, &[(":status", "200"), ("trailer", "server-timing")]);
    response.extend(data(1, false, b"6"));
    response.extend(ends.server.headers(1, true, &[("server-timing", "sum;dur=3")]));
    ends.say(B, response);
    ends.talk
}

/// Two promises; one is kept, the other is not wanted.
pub fn push() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/page");
    let mut answer = Vec::new();
    for (promised, path) in [(2_u32, "/style.css"), (4, "/unwanted.js")] {
        let fields =
            [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "shop.example")];
        let block = [&promised.to_be_bytes()[..], &ends.server.block(&fields)].concat();
        answer.extend(frame(Kind::Push, END_HEADERS, 1, &block));
    }
    answer.extend(ends.server.response(1, "200", "<link>"));
    ends.say(B, answer).say(A, reset(4, 8)).answer(2, "200", "body {}");
    ends.talk
}

/// 103 and 100 before the final head.
pub fn interim() -> Talk {
    let mut ends = Ends::open();
    let request = ends.client.request(1, "POST", "/careful", false);
    ends.say(A, request);
    let hints = ends.server.headers(1, false, &[(":status", "103"), ("link", "</a.css>")]);
    let go_on = ends.server.headers(1, false, &[(":status", "100")]);
    ends.say(B, [hints, go_on].concat()).say(A, data(1, true, b"the body")).answer(1, "201", "made");
    ends.talk
}

/// Content that is itself HTTP/2, at the start of a delivery.
pub fn body_with_frames_inside() -> Talk {
    let mut ends = Ends::open();
    let mut inner = Encoder::default();
    let inside =
        [inner.request(9, "GET", "/never-asked", true), inner.request(11, "GET", "/nor-this", true)].concat();
    let request = ends.client.request(1, "POST", "/archive", false);
    let content = [&b"recorded: "[..], &inside, &inside].concat();
    let mut sent = data(1, true, &content);
    let rest = sent.split_off(9 + 10);
    ends.say(A, [request, sent].concat()).say(A, rest);
    let mut inner = Encoder::default();
    let inside = [inner.response(9, "200", "never said"), inner.response(11, "200", "nor this")].concat();
    let mut sent = ends.server.headers(1, false, &[(":status", "200")]);
    let content = data(1, true, &[&b"recorded: "[..], &inside].concat());
    sent.extend(&content[..19]);
    ends.say(B, sent).say(B, content[19..].to_vec());
    ends.get(3, "/after").answer(3, "200", "after");
    ends.talk
}

/// DATA without data, and a response of a head alone.
pub fn empty_frames() -> Talk {
    let mut ends = Ends::open();
    let request = ends.client.request(1, "POST", "/empty", false);
    ends.say(A, [request, data(1, false, b""), data(1, false, b""), data(1, true, b"")].concat());
    let head = ends.server.headers(1, true, &[(":status", "204")]);
    ends.say(B, head);
    ends.talk
}

/// Frames of extensions between those of a message, and an answer to PING.
pub fn unknown_frames() -> Talk {
    let mut ends = Ends::open();
    ends.say(A, frame(Kind::Ping, 0, 0, b"12345678")).say(B, frame(Kind::Ping, ACK, 0, b"12345678"));
    let request = ends.client.request(1, "POST", "/x", false);
    ends.say(A, [request, frame(Kind::AltSvc, 0xff, 1, b"whatever"), data(1, true, b"x")].concat());
    let alternative = frame(Kind::AltSvc, 0, 0, b"\0\x0ch2=\":8000\"");
    let answer = ends.server.response(1, "200", "y");
    ends.say(B, [alternative, answer].concat());
    ends.talk
}

/// Frames as long as may be without asking, and a window that opens meanwhile.
pub fn large_frames() -> Talk {
    let mut ends = Ends::open();
    let request = ends.client.request(1, "POST", "/large", false);
    ends.say(A, [request, data(1, false, &[b'a'; 16_384])].concat());
    ends.say(B, [window_update(0), window_update(1)].concat());
    ends.say(A, [data(1, false, &[b'b'; 16_384]), data(1, true, &[b'c'; 10])].concat());
    let head =
        ends.server.headers(1, false, &[(":status", "200"), ("content-type", "application/octet-stream")]);
    ends.say(B, head);
    for n in 0..6 {
        ends.say(B, data(1, n == 5, &[b'd'; 16_384]));
    }
    ends.get(3, "/small").answer(3, "200", "small");
    ends.talk
}

/// The server does not wait for the client's preface.
pub fn settings_first() -> Talk {
    let mut ends = Ends::default();
    ends.say(B, settings()).say(A, [PREFACE, &settings(), &settings_ack()].concat()).say(B, settings_ack());
    ends.get(1, "/eager").answer(1, "200", "eager");
    ends.talk
}

/// From HTTP/1.1 to HTTP/2, which answers the request that asked for it (RFC 7540 §3.2).
pub fn upgrade() -> Talk {
    let mut ends = Ends::default();
    let request =
        b"GET /upgraded?n=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    ends.say(A, request.to_vec());
    let switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    ends.say(B, [&switching[..], &settings()].concat())
        .say(A, [PREFACE, &settings(), &settings_ack()].concat());
    ends.answer(1, "200", "by the new one").get(3, "/second").answer(3, "200", "second");
    ends.talk
}

/// A tunnel on one stream beside an exchange on another (RFC 9113 §8.5).
pub fn connect() -> Talk {
    let mut ends = Ends::open();
    let head = ends.client.headers(1, false, &[(":method", "CONNECT"), (":authority", "bank.example:443")]);
    ends.say(A, head);
    let head = ends.server.headers(1, false, &[(":status", "200")]);
    ends.say(B, head)
        .say(A, data(1, false, b"\x16\x03\x01 hello"))
        .say(B, data(1, false, b"\x16\x03\x03 world"));
    ends.get(3, "/beside").answer(3, "200", "beside");
    ends.say(A, data(1, true, b"")).say(B, data(1, true, b""));
    ends.talk
}

/// Two streams of events side by side: one ends, of the other the client has enough.
pub fn server_sent_events() -> Talk {
    let mut ends = Ends::open();
    ends.get(1, "/prices").get(3, "/news");
    let head = [(":status", "200"), ("content-type", "text/event-stream")];
    let both = [ends.server.headers(1, false, &head), ends.server.headers(3, false, &head)].concat();
    ends.say(B, both);
    ends.say(
        B,
        [data(1, false, b"event: price\ndata: {\"a\":1}\n\n"), data(3, false, b"data: sun")].concat(),
    );
    ends.say(
        B,
        [data(3, false, b"ny\n\ndata: ra"), data(1, false, b"event: price\ndata: {\"a\":2}\n")].concat(),
    );
    ends.say(B, [data(1, true, b"\n"), data(3, false, b"in\n\n")].concat()).say(A, reset(3, 8));
    ends.get(5, "/next").answer(5, "200", "next");
    ends.talk
}

/// Asks that a stream becomes a WebSocket (RFC 8441 §5).
fn open_web_socket(ends: &mut Ends, stream: u32, path: &str) {
    let head = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "shop.example"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "ticks.v1"),
    ];
    let head = ends.client.headers(stream, false, &head);
    ends.say(A, head);
}

/// A WebSocket on one stream beside an exchange on another: a message in the first bytes, one cut by frames, the end.
pub fn web_socket() -> Talk {
    let mut ends = Ends::open();
    open_web_socket(&mut ends, 1, "/live?token=abc");
    let head = [(":status", "200"), ("sec-websocket-protocol", "ticks.v1")];
    let head = ends.server.headers(1, false, &head);
    ends.say(B, [head, data(1, false, b"\x81\x07welcome")].concat());
    ends.say(A, data(1, false, b"\x81\x85\x01\x02\x03\x04igohn"));
    ends.get(3, "/beside").answer(3, "200", "beside");
    ends.say(B, [data(1, false, b"\x81\x0c{\"price\""), data(1, false, b":12}\x89\x00")].concat());
    ends.say(A, data(1, false, b"\x8a\x80\0\0\0\0"));
    ends.say(A, data(1, false, b"\x88\x82\0\0\0\0\x03\xe8")).say(B, data(1, true, b"\x88\x02\x03\xe8"));
    ends.say(A, data(1, true, b""));
    ends.get(5, "/after").answer(5, "200", "after");
    ends.talk
}

/// One that is not let in.
pub fn web_socket_refused() -> Talk {
    let mut ends = Ends::open();
    open_web_socket(&mut ends, 1, "/live");
    ends.answer(1, "403", "no").say(A, data(1, true, b""));
    ends.get(3, "/after").answer(3, "200", "after");
    ends.talk
}

const GRPC: [(&str, &str); 3] =
    [("te", "trailers"), ("content-type", "application/grpc"), ("grpc-timeout", "5S")];

fn call(ends: &mut Ends, stream: u32, path: &str) -> Vec<u8> {
    let head = [(":method", "POST"), (":scheme", "http"), (":authority", "shop.example"), (":path", path)];
    ends.client.headers(stream, false, &[&head[..], &GRPC].concat())
}

/// One message each way, and the status behind.
pub fn grpc_unary() -> Talk {
    let mut ends = Ends::open();
    let mut asked = call(&mut ends, 1, "/shop.v1.Orders/Get");
    asked.extend(data(1, true, &message(b"\x08\x07")));
    ends.say(A, asked);
    let mut answer =
        ends.server.headers(1, false, &[(":status", "200"), ("content-type", "application/grpc")]);
    answer.extend(data(1, false, &message(b"\x0a\x04lamp\x10\x02")));
    answer.extend(ends.server.headers(1, true, &[("grpc-status", "0"), ("grpc-message", "")]));
    ends.say(B, answer);
    ends.talk
}

/// Messages both ways, cut by frames wherever it suits them.
pub fn grpc_streams() -> Talk {
    let mut ends = Ends::open();
    let asked = call(&mut ends, 1, "/shop.v1.Chat/Talk");
    ends.say(A, asked);
    let messages = [message(b"one"), message(b""), message(b"three")].concat();
    let (first, second) = messages.split_at(6);
    ends.say(A, data(1, false, first));
    let head = ends.server.headers(1, false, &[(":status", "200"), ("content-type", "application/grpc")]);
    ends.say(B, [head, data(1, false, &[message(b"a"), message(b"b")].concat())].concat());
    ends.say(A, data(1, false, second)).say(A, data(1, true, b""));
    let trailers = ends.server.headers(1, true, &[("grpc-status", "0")]);
    ends.say(B, trailers);
    ends.talk
}

/// Trailers and nothing else, and a status that is an error of the server.
pub fn grpc_error() -> Talk {
    let mut ends = Ends::open();
    for (stream, path, status) in [(1, "/shop.v1.Orders/Get", "5"), (3, "/shop.v1.Orders/Pay", "13")] {
        let mut asked = call(&mut ends, stream, path);
        asked.extend(data(stream, true, &message(b"\x08\x07")));
        ends.say(A, asked);
        let fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status)];
        let answer = ends.server.headers(stream, true, &fields);
        ends.say(B, answer);
    }
    ends.talk
}

/// As a client sends that has a few requests under way at any time.
pub fn many(exchanges: u32) -> Talk {
    let mut ends = Ends::open();
    for n in 0..exchanges {
        let stream = 2 * n + 1;
        let body = "b".repeat((n * 37 % 101) as usize);
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "shop.example"),
            (":path", &format!("/things/{n}?n={n}")),
            ("x-shared", "the same every time"),
        ];
        let mut asked = ends.client.headers(stream, false, &fields);
        asked.extend(data(stream, true, body.as_bytes()));
        ends.say(A, asked);
        if n >= 3 {
            ends.answer(stream - 6, "200", &format!("answer {}", n - 3));
        }
    }
    for n in exchanges.saturating_sub(3)..exchanges {
        ends.answer(2 * n + 1, "201", &format!("answer {n}"));
    }
    ends.talk
}

/// As a load generator speaks: so many requests in one write, and the same for their answers. The path is the same again
/// and again, or a new one each time.
pub fn load(streams: u32, batch: u32, same: bool) -> Talk {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut talk = vec![(A, [PREFACE, &settings()].concat()), (B, settings())];
    let content = br#"{"id":12345,"name":"Lamp","price":9.5,"tags":["a","b"]}"#;
    let head =
        [(":status", "200"), ("content-type", "application/json"), ("content-length", "55"), ("server", "x")];
    for first in (0..streams).step_by(batch.max(1) as usize) {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for number in first..streams.min(first + batch) {
            let stream = 2 * number + 1;
            let path = if same { "/api/items?page=1".to_owned() } else { format!("/api/items/{number}") };
            let fields = [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "shop.example:8080"),
                (":path", &path),
                ("user-agent", "load/1.52.0"),
                ("accept", "application/json"),
                ("x-request-source", "bench"),
            ];
            asked.extend(client.headers(stream, true, &fields));
            answered.extend(server.headers(stream, false, &head));
            answered.extend(data(stream, true, content));
        }
        talk.extend([(A, asked), (B, answered)]);
    }
    talk
}
