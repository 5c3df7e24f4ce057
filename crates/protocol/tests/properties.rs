//! What must hold for any conversation, however it is delivered.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{bounded, connection, feed, fixtures, has_gap, observe, talk};
use overhear_exchange::{Detail, Side};
use overhear_testkit::{
    Transcript,
    damage::{joined_late, with_gap},
    properties,
};

#[test]
fn cutting_changes_nothing() {
    // After a loss messages are found where a delivery starts, so there cutting does matter.
    for (_, transcript) in fixtures().iter().filter(|(_, t)| !t.flag("resync") && !has_gap(t)) {
        properties::split_invariant(transcript, observe);
    }
}

#[test]
fn no_gap_makes_up_an_exchange() {
    for (_, transcript) in fixtures().iter().filter(|(_, t)| !t.flag("resync") && !has_gap(t)) {
        properties::gap_sound(transcript, 60, observe);
    }
    properties::gap_sound(&talk(12), 600, observe);
}

#[test]
fn joining_late_makes_up_no_exchange() {
    // Joined among pipelined requests nothing tells which response is whose before the connection falls silent.
    for (_, transcript) in fixtures().iter().filter(|(_, t)| !t.flag("pipelined") && !t.flag("resync")) {
        properties::late_sound(transcript, observe);
    }
    properties::late_sound(&talk(12), observe);
}

#[test]
fn everything_two_exchanges_after_a_gap_is_heard() {
    let transcript = talk(9);
    for side in [Side::A, Side::B] {
        let length = transcript.length(side);
        for (start, size) in (0..length).step_by(3).flat_map(|start| [(start, 1), (start, 40), (start, 150)])
        {
            for known in [true, false] {
                let damaged = with_gap(&transcript, side, start..start + size, known);
                let heard = whole(&damaged);
                // The gap ends within some exchange: everything from the second after it on must be there.
                let last = last_touched(&transcript, side, (start + size).min(length));
                for n in last + 3..9 {
                    assert!(heard.contains(&n), "{side:?} {start}+{size} {known}: {n} not in {heard:?}");
                }
            }
        }
    }
}

#[test]
fn joined_late_all_that_begins_later_is_heard() {
    let transcript = talk(6);
    for missed in 0..12 {
        let heard = whole(&joined_late(&transcript, missed));
        let first = missed.div_ceil(2);
        assert_eq!(heard, (first..6).collect::<Vec<_>>(), "after {missed}");
    }
}

#[test]
fn random_bytes_do_no_harm() {
    properties::survives_anything(2000, bounded);
    properties::survives_pieces(2000, PIECES, bounded);
}

#[test]
fn a_head_of_ten_megabytes_takes_no_more_than_its_limit() {
    let mut transcript = Transcript::default();
    transcript.push(Side::A, "GET /long HTTP/1.1\r\nHost: a\r\n");
    for _ in 0..2500 {
        transcript.push(Side::A, format!("X-Filler: {}\r\n", "f".repeat(4084)));
    }
    transcript.push(Side::A, "\r\n").push(Side::B, "HTTP/1.1 431 Too Long\r\nContent-Length: 0\r\n\r\n");
    transcript.push(Side::A, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    transcript.push(Side::B, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    bounded(&transcript).unwrap();
    let heard: Vec<_> = observe(&transcript).iter().map(overhear_testkit::identity).collect();
    assert_eq!(heard, ["GET http://a /long HTTP/1.1 -> 431", "GET http://a /next HTTP/1.1 -> 200"]);
}

#[test]
fn a_promised_length_allocates_nothing() {
    let mut transcript = Transcript::default();
    transcript.push(Side::A, "PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\nx");
    let mut connection = connection(&transcript);
    for step in &transcript.steps {
        feed(&mut connection, step, &mut Vec::new());
    }
    assert!(connection.retained() < 4096, "{}", connection.retained());
}

const PIECES: &[&[u8]] = &[
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    b"GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    b"POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    b"\r\n",
    b"X: y\r\n",
    b"GET /partial HT",
    b"HTTP/1.1 2",
];

/// The numbers of the exchanges of a [`talk`] that were heard whole.
fn whole(transcript: &Transcript) -> Vec<usize> {
    observe(transcript)
        .iter()
        .filter(|observation| observation.duration.is_some())
        .map(|observation| {
            let Detail::Http(http) = &observation.detail;
            http.query.as_deref().unwrap().strip_prefix("n=").unwrap().parse().unwrap()
        })
        .collect()
}

/// The number of the exchange that the byte before `end` of one side belongs to.
fn last_touched(transcript: &Transcript, side: Side, end: usize) -> usize {
    let mut at = 0;
    let mut exchange = 0;
    for step in &transcript.steps {
        if let overhear_testkit::Event::Data { from, bytes } = &step.event
            && *from == side
        {
            at += bytes.len();
            if at >= end {
                return exchange;
            }
            exchange += 1;
        }
    }
    exchange
}
