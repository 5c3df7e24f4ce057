//! The same two exchanges in every kind of file, link layer and network layer.

use super::{Fixture, conversation, pcap, pcapng, post, request, response};
use overhear_exchange::Side::{A, B};
use overhear_testkit::pcap::{Capture, Conversation, Link};
use std::{net::SocketAddr, time::Duration};

pub(super) const FIXTURES: &[Fixture] = &[
    pcap("pcap_nanoseconds", || capture().pcap()),
    pcap("pcap_microseconds", || capture().microseconds().pcap()),
    pcap("pcap_big_endian", || capture().big_endian().pcap()),
    pcap("pcap_big_endian_microseconds", || capture().big_endian().microseconds().pcap()),
    pcapng("pcapng_nanoseconds", || capture().pcapng()),
    pcapng("pcapng_microseconds", || capture().microseconds().pcapng()),
    pcapng("pcapng_big_endian", || capture().big_endian().pcapng()),
    pcapng("pcapng_interfaces", pcapng_interfaces),
    pcapng("pcapng_sections", pcapng_sections),
    pcapng("pcapng_unknown_block", pcapng_unknown_block),
    pcap("vlan", || capture().vlans(&[42]).pcap()),
    pcap("vlan_stacked", || capture().vlans(&[7, 42]).pcap()),
    pcap("link_sll", || capture().link(Link::Sll).pcap()),
    pcap("link_sll2", || capture().link(Link::Sll2).pcap()),
    pcap("link_null", || capture().link(Link::Null).pcap()),
    pcap("link_loop", || capture().link(Link::Loop).pcap()),
    pcap("link_raw", || capture().link(Link::Raw).pcap()),
    pcap("link_ipv4", || capture().link(Link::Ipv4).pcap()),
    pcap("ipv6", || Capture::new().add(&talk_over_ipv6()).pcap()),
    pcap("ipv6_raw", || Capture::new().link(Link::Ipv6).add(&talk_over_ipv6()).pcap()),
    pcap("ip_fragments", ip_fragments),
    pcap("ipv6_fragments", ipv6_fragments),
    pcap("snaplen", snaplen),
    pcap("foreign_frames", foreign_frames),
    Fixture { name: "har", extension: "har", make: har },
];

fn capture() -> Capture {
    let mut capture = Capture::new();
    capture.add(&speak(conversation()));
    capture
}

fn talk_over_ipv6() -> Conversation {
    let end = |last: u16, port: u16| SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, last], port));
    speak(Conversation::new(end(1, 40_000), end(2, 80)))
}

/// `POST /orders` with 9 bytes, 2.5 ms later a 201 with 8; `GET /orders/7`, 1 ms later a 200 with 14.
fn speak(mut talk: Conversation) -> Conversation {
    talk.open().send(A, &post("/orders", "{\"q\": 12}")).wait(Duration::from_micros(2_490));
    talk.send(B, &response("201 Created", "{\"id\":7}"));
    talk.send(A, &request("GET", "/orders/7")).wait(Duration::from_micros(990));
    talk.send(B, &response("200 OK", "{\"q\":12,\"x\":1}")).close();
    talk
}

/// Every data packet in IP fragments of 40 bytes.
fn ip_fragments() -> Vec<u8> {
    Capture::new().add(&fragmented(speak(conversation()))).pcap()
}

fn ipv6_fragments() -> Vec<u8> {
    Capture::new().add(&fragmented(talk_over_ipv6())).pcap()
}

fn fragmented(mut talk: Conversation) -> Conversation {
    for packet in talk.packets_mut().iter_mut().filter(|packet| !packet.payload.is_empty()) {
        packet.fragment = Some(40);
    }
    talk
}

/// Only the first 200 bytes of each packet were recorded; the heads fit, the body of the one large response does not.
fn snaplen() -> Vec<u8> {
    let mut talk = conversation();
    talk.open().send(A, &request("GET", "/large")).send(B, &response("200 OK", &"y".repeat(1_000)));
    talk.send(A, &request("GET", "/small")).send(B, &response("200 OK", "small")).close();
    Capture::new().snaplen(200).add(&talk).pcap()
}

/// ARP, UDP and a frame cut inside its header are no TCP and no error.
fn foreign_frames() -> Vec<u8> {
    let mut capture = capture();
    let time = conversation().open().packets().first().map(|packet| packet.time).unwrap_or_default();
    let ethernet = |kind: [u8; 2], rest: &[u8]| [&[0xff; 12][..], &kind, rest].concat();
    let udp = [
        0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53, 0, 12, 0, 0, b'd',
        b'n', b's', 0,
    ];
    capture.frame(time, &ethernet([0x08, 0x06], &[0, 1, 8, 0, 6, 4, 0, 1]));
    capture.frame(time, &ethernet([0x08, 0x00], &udp)).pcap()
}

/// One section with an Ethernet and a raw-IP interface, packets alternating between them.
fn pcapng_interfaces() -> Vec<u8> {
    let mut talk = Capture::new();
    talk.add(&speak(conversation()));
    let files = [talk.pcap(), talk.link(Link::Raw).pcap()];
    let [ethernet, raw] = files.each_ref().map(|file| records(file));
    let mut out = block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat());
    let nanoseconds = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    for link in [Link::Ethernet, Link::Raw] {
        let kind = (link as u16).to_le_bytes();
        out.extend(block(1, &[&kind[..], &[0, 0], &[0, 0, 4, 0], &nanoseconds].concat()));
    }
    for (index, pair) in ethernet.iter().zip(&raw).enumerate() {
        let interface = u32::from(index % 2 == 1);
        let (time, frame) = if interface == 0 { pair.0 } else { pair.1 };
        let length = u32::try_from(frame.len()).unwrap_or_default().to_le_bytes();
        let (high, low) = ((time >> 32) as u32, (time & 0xffff_ffff) as u32);
        let head = [interface.to_le_bytes(), high.to_le_bytes(), low.to_le_bytes(), length, length].concat();
        out.extend(block(6, &[&head, *frame].concat()));
    }
    out
}

/// Two sections of different byte order, each with half of the story.
fn pcapng_sections() -> Vec<u8> {
    let talk = speak(conversation());
    let half = talk.packets().len() / 2;
    let (mut first, mut second) = (talk.clone(), talk);
    first.packets_mut().truncate(half);
    second.packets_mut().drain(..half);
    [Capture::new().add(&first).pcapng(), Capture::new().big_endian().link(Link::Sll).add(&second).pcapng()]
        .concat()
}

/// A block of a kind that nobody knows is skipped (pcapng draft §3.1).
fn pcapng_unknown_block() -> Vec<u8> {
    let file = capture().pcapng();
    let section = 28;
    let (head, rest) = file.split_at(section);
    [head, &block(0x0bad_cafe, &[1, 2, 3, 4, 5]), rest].concat()
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let length = u32::try_from(body.len() + padding + 12).unwrap_or_default().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &[0; 3][..padding], &length].concat()
}

/// Time in nanoseconds and bytes of each record of a classic little-endian file.
fn records(pcap: &[u8]) -> Vec<(u64, &[u8])> {
    let word = |at: usize| {
        pcap.get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
    };
    let (mut at, mut out) = (24, Vec::new());
    while at + 16 <= pcap.len() {
        let end = at + 16 + usize::try_from(word(at + 8)).unwrap_or_default();
        out.push((word(at) * 1_000_000_000 + word(at + 4), pcap.get(at + 16..end).unwrap_or_default()));
        at = end;
    }
    out
}

/// As browsers export it (HAR 1.2): sizes, times, a failed call with status 0.
fn har() -> Vec<u8> {
    br#"{"log": {"version": "1.2", "creator": {"name": "hand", "version": "1"}, "entries": [
  {"startedDateTime": "2026-01-01T00:00:00.000Z", "time": 12.5,
   "request": {"method": "POST", "url": "https://api.example/v1/orders?dry=1", "httpVersion": "HTTP/1.1", "cookies": [],
    "headers": [{"name": "Host", "value": "api.example"}, {"name": "User-Agent", "value": "hand/1"}],
    "queryString": [{"name": "dry", "value": "1"}], "headersSize": 120, "bodySize": 9,
    "postData": {"mimeType": "application/json", "text": "{\"q\": 12}"}},
   "response": {"status": 201, "statusText": "Created", "httpVersion": "HTTP/1.1", "cookies": [], "headers": [],
    "content": {"size": 8, "mimeType": "application/json", "text": "{\"id\":7}"}, "redirectURL": "", "headersSize": 80, "bodySize": 8},
   "cache": {}, "timings": {"send": 1, "wait": 10, "receive": 1.5}},
  {"startedDateTime": "2026-01-01T00:00:01.000Z", "time": 3,
   "request": {"method": "GET", "url": "https://api.example/v1/orders/7", "httpVersion": "HTTP/1.1", "cookies": [],
    "headers": [{"name": "Host", "value": "api.example"}], "queryString": [], "headersSize": 100, "bodySize": 0},
   "response": {"status": 500, "statusText": "Oops", "httpVersion": "HTTP/1.1", "cookies": [], "headers": [],
    "content": {"size": 4, "mimeType": "text/plain", "text": "oops"}, "redirectURL": "", "headersSize": 80, "bodySize": 4},
   "cache": {}, "timings": {"send": 0, "wait": 2, "receive": 1}}
]}}
"#
    .to_vec()
}
