//! Every shape a message of HTTP/1.x can have (RFC 9112), over a network without mishaps.

use super::{Fixture, conversation, pcap, post, record, request, response};
use overhear_exchange::Side::{A, B};
use std::time::Duration;

pub(super) const FIXTURES: &[Fixture] = &[
    pcap("simple", simple),
    pcap("pipelined", pipelined),
    pcap("keep_alive_100", keep_alive_100),
    pcap("byte_at_a_time", byte_at_a_time),
    pcap("chunked", chunked),
    pcap("chunked_request", chunked_request),
    pcap("trailers", trailers),
    pcap("close_delimited", close_delimited),
    pcap("gzip", gzip),
    pcap("expect_continue", expect_continue),
    pcap("early_hints", early_hints),
    pcap("head", head),
    pcap("no_content", no_content),
    pcap("not_modified", not_modified),
    pcap("connect", connect),
    pcap("upgrade", upgrade),
    pcap("absolute_form", absolute_form),
    pcap("asterisk_form", asterisk_form),
    pcap("obs_fold", obs_fold),
    pcap("bare_lf", bare_lf),
    pcap("smuggling", smuggling),
    pcap("http_1_0", http_1_0),
    pcap("server_error", server_error),
    pcap("unusual_method", unusual_method),
    pcap("early_response", early_response),
    pcap("not_http", not_http),
];

fn simple() -> Vec<u8> {
    let mut talk = conversation();
    let get = b"GET /hello?name=ann HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: probe/1\r\n\r\n";
    talk.open().send(A, get).wait(Duration::from_millis(5)).send(B, &response("200 OK", "hello")).close();
    record(&talk)
}

fn pipelined() -> Vec<u8> {
    let mut talk = conversation();
    let requests = [request("GET", "/a"), request("GET", "/b"), request("GET", "/c")].concat();
    let responses =
        [response("200 OK", "a"), response("404 Not Found", "bb"), response("200 OK", "ccc")].concat();
    talk.open().send(A, &requests).send(B, &responses).close();
    record(&talk)
}

fn keep_alive_100() -> Vec<u8> {
    let mut talk = conversation();
    talk.open();
    for _ in 0..100 {
        talk.send(A, &request("GET", "/items"))
            .wait(Duration::from_micros(200))
            .send(B, &response("200 OK", "[1,2,3]"));
    }
    talk.close();
    record(&talk)
}

fn byte_at_a_time() -> Vec<u8> {
    let mut talk = conversation();
    talk.segment_size(1)
        .open()
        .send(A, &post("/orders", "{\"n\":1}"))
        .send(B, &response("201 Created", "{\"id\":7}"));
    talk.close();
    record(&talk)
}

fn chunked() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/stream"));
    talk.send(B, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .wait(Duration::from_millis(20));
    talk.send(B, b"1;name=value\r\n \r\n").send(B, b"5\r\nworld\r\n0\r\n\r\n");
    talk.send(A, &request("GET", "/next")).send(B, &response("200 OK", "next")).close();
    record(&talk)
}

fn chunked_request() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, b"PUT /upload HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    talk.send(A, b"9\r\nabcdefghi\r\n")
        .send(A, b"a\r\n0123456789\r\n0\r\n\r\n")
        .send(B, &response("201 Created", ""));
    talk.close();
    record(&talk)
}

fn trailers() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/sum"));
    talk.send(B, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n");
    talk.send(B, b"4\r\ndata\r\n0\r\nDigest: abc\r\nServer-Timing: t\r\n\r\n");
    talk.send(A, &request("GET", "/after")).send(B, &response("200 OK", "after")).close();
    record(&talk)
}

fn close_delimited() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/until-close"));
    talk.send(B, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst ")
        .wait(Duration::from_millis(3))
        .send(B, b"second");
    talk.finish(B).finish(A).acknowledge(B);
    record(&talk)
}

/// `{"compressed": true, "n": [1, 2, 3]}`, as gzip without a date.
const GZIPPED: [u8; 54] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 206, 207, 45, 40, 74, 45, 46, 78, 77, 81, 178, 82, 40, 41,
    42, 77, 213, 81, 80, 202, 3, 50, 163, 13, 117, 20, 140, 116, 20, 140, 99, 107, 1, 177, 252, 222, 75, 36,
    0, 0, 0,
];

fn gzip() -> Vec<u8> {
    let mut talk = conversation();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        GZIPPED.len()
    );
    talk.open()
        .send(A, &request("GET", "/compressed"))
        .send(B, &[head.as_bytes(), &GZIPPED].concat())
        .close();
    record(&talk)
}

fn expect_continue() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(
        A,
        b"POST /big HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n",
    );
    talk.send(B, b"HTTP/1.1 100 Continue\r\n\r\n").send(A, b"abcdef").wait(Duration::from_millis(2));
    talk.send(B, &response("202 Accepted", "ok")).close();
    record(&talk)
}

fn early_hints() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/page"));
    talk.send(B, b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        .wait(Duration::from_millis(4));
    talk.send(B, &response("200 OK", "<p>")).close();
    record(&talk)
}

fn head() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, &request("HEAD", "/file"))
        .send(B, b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    talk.send(A, &request("GET", "/small")).send(B, &response("200 OK", "small")).close();
    record(&talk)
}

fn no_content() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("DELETE", "/items/9")).send(B, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.send(A, &request("GET", "/items/9")).send(B, &response("404 Not Found", "gone")).close();
    record(&talk)
}

fn not_modified() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, &request("GET", "/logo"))
        .send(B, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n");
    talk.send(A, &request("GET", "/logo2")).send(B, &response("200 OK", "png")).close();
    record(&talk)
}

fn connect() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, b"CONNECT bank.example:443 HTTP/1.1\r\nHost: bank.example:443\r\n\r\n");
    talk.send(B, b"HTTP/1.1 200 Connection Established\r\n\r\n");
    talk.send(A, b"\x16\x03\x01\x00\x05hello").send(B, b"\x16\x03\x03\x00\x05world").close();
    record(&talk)
}

fn upgrade() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(
        A,
        b"GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    talk.send(B, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    talk.send(A, b"\x81\x85\x01\x02\x03\x04iglhn").send(B, b"\x81\x05hello").close();
    record(&talk)
}

fn absolute_form() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, b"GET http://api.example:8080/v1/items?page=2 HTTP/1.1\r\nHost: api.example:8080\r\n\r\n");
    talk.send(B, &response("200 OK", "[]")).close();
    record(&talk)
}

fn asterisk_form() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, &request("OPTIONS", "*"))
        .send(B, b"HTTP/1.1 200 OK\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n")
        .close();
    record(&talk)
}

fn obs_fold() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, b"GET /folded HTTP/1.1\r\nHost: shop.example\r\nX-Long: one\r\n two\r\n\tthree\r\n\r\n");
    talk.send(B, &response("200 OK", "fold")).close();
    record(&talk)
}

fn bare_lf() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, b"POST /bare HTTP/1.1\nHost: shop.example\nContent-Length: 3\n\nabc");
    talk.send(B, b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok").close();
    record(&talk)
}

/// Content-Length says the body ends before `GET /admin`, Transfer-Encoding that it ends earlier still: two servers
/// would read two different requests. What follows must not be taken for one.
fn smuggling() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(
        A,
        b"POST /transfer HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
          0\r\n\r\nXGET /admin HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    );
    talk.send(B, &response("200 OK", "done")).close();
    record(&talk)
}

fn http_1_0() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, b"GET /old HTTP/1.0\r\n\r\n").send(B, b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nplain");
    talk.finish(B).finish(A).acknowledge(B);
    record(&talk)
}

fn server_error() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/fails")).send(B, &response("500 Internal Server Error", "oops"));
    talk.send(A, &request("GET", "/busy")).send(B, &response("503 Service Unavailable", "")).close();
    record(&talk)
}

fn unusual_method() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("PURGE", "/cache/logo.png")).send(B, &response("200 OK", "purged")).close();
    record(&talk)
}

/// The server refuses before the body is over, then reads the rest of it.
fn early_response() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, b"POST /too-big HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10\r\n\r\n12345");
    talk.send(B, &response("413 Content Too Large", "no")).send(A, b"67890");
    talk.send(A, &request("GET", "/fine")).send(B, &response("200 OK", "fine")).close();
    record(&talk)
}

fn not_http() -> Vec<u8> {
    let mut talk = conversation();
    let noise: Vec<u8> = (0..2_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    talk.open().send(A, &noise).send(B, &noise).close();
    record(&talk)
}
