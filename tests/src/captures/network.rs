//! What networks do to segments, and how connections begin and end.

use super::{Fixture, conversation, pcap, post, record, request, response};
use overhear_exchange::{
    Side::{A, B},
    Timestamp,
};
use overhear_testkit::pcap::{Capture, Conversation};
use std::{net::SocketAddr, time::Duration};

pub(super) const FIXTURES: &[Fixture] = &[
    pcap("gap", gap),
    pcap("gap_in_head", gap_in_head),
    pcap("reordered", reordered),
    pcap("retransmitted", retransmitted),
    pcap("overlap", overlap),
    pcap("mid_stream", mid_stream),
    pcap("mid_stream_response", mid_stream_response),
    pcap("port_reuse", port_reuse),
    pcap("interleaved", interleaved),
    pcap("sequence_wrap", sequence_wrap),
    pcap("keep_alive_probe", keep_alive_probe),
    pcap("reset", reset),
    pcap("reset_in_body", reset_in_body),
    pcap("refused", refused),
    pcap("fin_without_response", fin_without_response),
    pcap("client_hangs_up", client_hangs_up),
    pcap("half_close", half_close),
    pcap("still_open", still_open),
    pcap("missing_fin", missing_fin),
    pcap("name_server", name_server),
];

/// The middle one of three segments of a body is missing from the capture.
fn gap() -> Vec<u8> {
    let mut talk = conversation();
    let body = "x".repeat(3_000);
    talk.open()
        .send(A, &request("GET", "/holey"))
        .send(B, b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
    let (first, rest) = body.as_bytes().split_at(1_000);
    talk.send(B, first).send(B, &rest[..1_000]).lose_last().send(B, &rest[1_000..]);
    talk.send(A, &request("GET", "/after")).send(B, &response("200 OK", "after")).close();
    record(&talk)
}

/// The head of a response is missing; the next exchange is whole.
fn gap_in_head() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/unseen-answer")).send(B, &response("200 OK", "lost")).lose_last();
    talk.wait(Duration::from_secs(1));
    talk.send(A, &request("GET", "/after")).send(B, &response("200 OK", "after")).close();
    record(&talk)
}

fn reordered() -> Vec<u8> {
    let mut talk = conversation();
    talk.segment_size(20).open().send(A, &post("/orders", "{\"quantity\":12}")).swap_last();
    talk.send(B, b"HTTP/1.1 201 Created\r\n")
        .send(B, b"Content-Length: 4\r\n\r\n")
        .swap_last()
        .send(B, b"done")
        .swap_last();
    talk.close();
    record(&talk)
}

fn retransmitted() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/twice")).wait(Duration::from_millis(200)).repeat_last();
    talk.send(B, &response("200 OK", "once")).repeat_last().repeat_last().close();
    record(&talk)
}

/// A retransmission that is cut differently: it repeats the end of the segment before and brings new bytes.
fn overlap() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, &request("GET", "/overlap"))
        .send(B, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    talk.send(B, b"56789");
    if let Some(last) = talk.packets_mut().last_mut() {
        last.sequence = last.sequence.wrapping_sub(3);
        last.payload = b"23456789".to_vec();
    }
    talk.send(A, &request("GET", "/after")).send(B, &response("200 OK", "after")).close();
    record(&talk)
}

/// Capture begins inside the body of a response.
fn mid_stream() -> Vec<u8> {
    let mut talk = conversation();
    talk.joined().send(B, b"tail of something that began earlier").acknowledge(A);
    talk.send(A, &request("GET", "/found")).send(B, &response("200 OK", "found"));
    talk.send(A, &request("GET", "/found-too")).send(B, &response("200 OK", "found too")).close();
    record(&talk)
}

/// Capture begins after a request and before its response.
fn mid_stream_response() -> Vec<u8> {
    let mut talk = conversation();
    talk.joined().send(B, &response("200 OK", "answer to nobody knows what"));
    talk.send(A, &request("GET", "/known")).send(B, &response("200 OK", "known")).close();
    record(&talk)
}

/// The same four-tuple carries two connections, one after the other.
fn port_reuse() -> Vec<u8> {
    let mut first = conversation();
    first.open().send(A, &request("GET", "/first")).send(B, &response("200 OK", "first")).close();
    let mut second = conversation();
    second.at(Timestamp::from_nanos(1_767_225_660_000_000_000)).sequences(900_000_000, 7);
    second.open().send(A, &request("GET", "/second")).send(B, &response("200 OK", "second")).close();
    Capture::new().add(&first).add(&second).pcap()
}

/// Ten connections whose packets alternate.
fn interleaved() -> Vec<u8> {
    let mut capture = Capture::new();
    for client in 0..10_u16 {
        let from = SocketAddr::from(([10, 0, 0, 1], 40_000 + client));
        let mut talk = Conversation::new(from, SocketAddr::from(([10, 0, 0, 2], 80)));
        talk.segment_size(30).open().send(A, &request("GET", &format!("/clients/{client}")));
        capture.add(talk.send(B, &response("200 OK", "interleaved")).close());
    }
    capture.pcap()
}

fn sequence_wrap() -> Vec<u8> {
    let mut talk = conversation();
    talk.sequences(u32::MAX - 20, u32::MAX - 60).open().send(A, &request("GET", "/wrap"));
    talk.segment_size(25).send(B, &response("200 OK", &"w".repeat(90))).close();
    record(&talk)
}

/// Garbage bytes just before the next sequence number keep the connection alive (RFC 9293 §3.8.4).
fn keep_alive_probe() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/before")).send(B, &response("200 OK", "before"));
    talk.wait(Duration::from_secs(60)).keep_alive(A).acknowledge(B).keep_alive(B).acknowledge(A);
    talk.send(A, &request("GET", "/after")).send(B, &response("200 OK", "after")).close();
    record(&talk)
}

fn reset() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/reset")).wait(Duration::from_millis(1)).reset(B);
    record(&talk)
}

fn reset_in_body() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, &request("GET", "/half"))
        .send(B, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        .reset(B);
    record(&talk)
}

/// Nobody listens: no request was ever sent.
fn refused() -> Vec<u8> {
    let mut talk = conversation();
    talk.syn(A).reset(B);
    record(&talk)
}

fn fin_without_response() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/hung-up")).finish(B).finish(A).acknowledge(B);
    record(&talk)
}

fn client_hangs_up() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/impatient")).wait(Duration::from_secs(2));
    talk.finish(A).finish(B).acknowledge(A);
    record(&talk)
}

/// The client is done sending, not done listening.
fn half_close() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/half-closed")).finish(A).wait(Duration::from_millis(7));
    talk.send(B, &response("200 OK", "still here")).finish(B).acknowledge(A);
    record(&talk)
}

/// The capture ends while a response is awaited: nothing says that it failed.
fn still_open() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, &request("GET", "/done"))
        .send(B, &response("200 OK", "done"))
        .send(A, &request("GET", "/pending"));
    record(&talk)
}

/// The connection just stops after a whole exchange.
fn missing_fin() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/last")).send(B, &response("200 OK", "last"));
    record(&talk)
}

/// A name server was asked about both ends before; the call itself names an address only.
fn name_server() -> Vec<u8> {
    let mut talk = conversation();
    talk.open()
        .send(A, b"GET /named HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n")
        .send(B, &response("200 OK", "named"))
        .close();
    let mut capture = Capture::new();
    for (name, address) in [("laptop", 1), ("api", 2)] {
        capture.frame(Timestamp::from_nanos(1_767_225_600_000_000_000), &answer(name, [10, 0, 0, address]));
    }
    capture.add(&talk).pcap()
}

/// An answer of a name server (RFC 1035 §4), on Ethernet: this name below `internal` has this address.
fn answer(name: &str, address: [u8; 4]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    for label in [name, "internal"] {
        message.push(u8::try_from(label.len()).unwrap_or_default());
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    message.extend(address);
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or_default().to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 8, 0, 0x45, 0];
    frame.extend(length(28 + message.len()));
    frame.extend([0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 53, 10, 0, 0, 1, 0, 53, 0x9c, 0x41]);
    frame.extend(length(8 + message.len()));
    frame.extend([0, 0]);
    frame.extend(message);
    frame
}
