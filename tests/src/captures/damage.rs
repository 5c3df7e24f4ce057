//! Files that are broken: what was whole is printed, then where the damage is, and the exit code is 2.

use super::{Fixture, conversation, pcap, pcapng, request, response};
use overhear_exchange::Side::{A, B};
use overhear_testkit::pcap::Capture;

pub(super) const FIXTURES: &[Fixture] = &[
    pcap("damage_truncated_record", truncated_record),
    pcap("damage_truncated_header", truncated_header),
    pcap("damage_record_length", record_length),
    pcap("damage_empty", Vec::new),
    pcap("damage_not_a_capture", || {
        b"this is no capture at all, only a line of text that somebody saved\n".to_vec()
    }),
    pcap("no_packets", || Capture::new().pcap()),
    pcapng("damage_truncated_block", truncated_block),
    pcapng("damage_block_length", block_length),
    Fixture {
        name: "damage_har",
        extension: "har",
        make: || br#"{"log": {"version": "1.2", "entries": [{"started"#.to_vec(),
    },
    Fixture { name: "damage_har_not_json", extension: "har", make: || b"<html>not JSON</html>\n".to_vec() },
];

/// Two exchanges on a connection each; the first is over before the second begins.
fn two() -> Capture {
    let mut capture = Capture::new();
    for (port, target) in [(40_000_u16, "/whole"), (40_001, "/cut")] {
        let mut talk = conversation();
        talk.open().send(A, &request("GET", target)).send(B, &response("200 OK", "body")).close();
        for packet in talk.packets_mut() {
            let offset = u64::from(port - 40_000) * 1_000_000_000;
            packet.time = overhear_exchange::Timestamp::from_nanos(packet.time.as_nanos() + offset);
            for end in [&mut packet.source, &mut packet.destination] {
                if end.port() != 80 {
                    end.set_port(port);
                }
            }
        }
        capture.add(&talk);
    }
    capture
}

/// Bytes of one recorded packet of `two` with its head and without payload: Ethernet, IPv4, TCP with a timestamp.
const EMPTY_PACKET: usize = 14 + 20 + 32;
/// Packets of one conversation of `two`: three to open, the request, the response, three to close.
const PACKETS: usize = 8;

/// Where the second conversation begins in a classic file.
fn second_conversation() -> usize {
    let payload = request("GET", "/whole").len() + response("200 OK", "body").len();
    24 + PACKETS * (16 + EMPTY_PACKET) + payload
}

fn truncated_record() -> Vec<u8> {
    cut(two().pcap(), second_conversation() + 16 + 30)
}

fn truncated_header() -> Vec<u8> {
    cut(two().pcap(), second_conversation() + 7)
}

/// A record that claims to be two gigabytes long.
fn record_length() -> Vec<u8> {
    let mut file = two().pcap();
    let at = second_conversation() + 8;
    if let Some(length) = file.get_mut(at..at + 8) {
        length.fill(0x7f);
    }
    file
}

fn truncated_block() -> Vec<u8> {
    let file = two().pcapng();
    let length = file.len();
    cut(file, length * 5 / 8)
}

/// A block in the second conversation whose length is not a multiple of four and points nowhere.
fn block_length() -> Vec<u8> {
    let mut file = two().pcapng();
    let last = last_block(&file);
    if let Some(length) = file.get_mut(last + 4..last + 8) {
        length.copy_from_slice(&[0xfd, 0xff, 0xff, 0x7f]);
    }
    file
}

/// Where the last block begins: its length is the last word of the file.
fn last_block(file: &[u8]) -> usize {
    let length = file.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    file.len().saturating_sub(usize::try_from(length).unwrap_or(0))
}

fn cut(mut file: Vec<u8>, length: usize) -> Vec<u8> {
    file.truncate(length);
    file
}
