//! HTTP/2 (RFC 9113): the conversations of `testkit::http2::talks` as captures, and what a network does to them.

use super::{Fixture, conversation, pcap, record};
use overhear_exchange::Side::{A, B};
use overhear_testkit::{
    http2::{
        self, Encoder, PREFACE,
        talks::{self, Talk},
    },
    pcap::Conversation,
};
use std::time::Duration;

pub(super) const FIXTURES: &[Fixture] = &[
    pcap("h2_simple", || whole(&talks::simple())),
    pcap("h2_interleaved", || whole(&talks::interleaved())),
    pcap("h2_continuation", || whole(&talks::continuation())),
    pcap("h2_padded", || whole(&talks::padded())),
    pcap("h2_priority", || whole(&talks::priority())),
    pcap("h2_table_size_update", || whole(&talks::table_size_update())),
    pcap("h2_evicted", || whole(&talks::evicted())),
    pcap("h2_reset_by_client", || whole(&talks::reset_by_client())),
    pcap("h2_reset_by_server", || whole(&talks::reset_by_server())),
    pcap("h2_reset_after_answer", || whole(&talks::reset_after_answer())),
    pcap("h2_goaway_graceful", || whole(&talks::goaway_graceful())),
    pcap("h2_goaway_error", || whole(&talks::goaway_error())),
    pcap("h2_trailers", || whole(&talks::trailers())),
    pcap("h2_push", || whole(&talks::push())),
    pcap("h2_interim", || whole(&talks::interim())),
    pcap("h2_body_with_frames_inside", || whole(&talks::body_with_frames_inside())),
    pcap("h2_unknown_frames", || whole(&talks::unknown_frames())),
    pcap("h2_large_frames", || whole(&talks::large_frames())),
    pcap("h2_settings_first", || whole(&talks::settings_first())),
    pcap("h2_upgrade", || whole(&talks::upgrade())),
    pcap("h2_connect", || whole(&talks::connect())),
    pcap("h2_server_sent_events", || whole(&talks::server_sent_events())),
    pcap("h2_web_socket", || whole(&talks::web_socket())),
    pcap("h2_web_socket_refused", || whole(&talks::web_socket_refused())),
    pcap("h2_grpc_unary", || whole(&talks::grpc_unary())),
    pcap("h2_grpc_streams", || whole(&talks::grpc_streams())),
    pcap("h2_grpc_error", || whole(&talks::grpc_error())),
    pcap("h2_byte_at_a_time", byte_at_a_time),
    pcap("h2_joined", joined),
    pcap("h2_joined_in_a_download", joined_in_a_download),
    pcap("h2_gap_in_headers", gap_in_headers),
    pcap("h2_gap_in_data", gap_in_data),
    pcap("h2_reordered", reordered),
    pcap("h2_connection_reset", connection_reset),
];

fn say(talk: &mut Conversation, said: &Talk) {
    for (from, bytes) in said {
        talk.send(*from, bytes).wait(Duration::from_millis(1));
    }
}

fn whole(said: &Talk) -> Vec<u8> {
    let mut talk = conversation();
    talk.open();
    say(&mut talk, said);
    record(talk.close())
}

fn byte_at_a_time() -> Vec<u8> {
    let mut talk = conversation();
    talk.segment_size(1).open();
    say(&mut talk, &talks::continuation());
    record(talk.close())
}

/// Both ends, of a connection that has begun.
fn ends() -> (Conversation, Encoder, Encoder) {
    let mut talk = conversation();
    talk.open().send(A, &[PREFACE, &http2::settings()].concat()).send(B, &http2::settings());
    (talk, Encoder::default(), Encoder::default())
}

/// The capture begins when the tables are filled: paths from before are not known, those told since are.
fn joined() -> Vec<u8> {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    client.request(1, "GET", "/told-before", true);
    server.response(1, "200", "before");
    let mut talk = conversation();
    talk.joined();
    for (stream, path) in [(3, "/told-before"), (5, "/told-now"), (7, "/told-now"), (9, "/told-before")] {
        talk.send(A, &client.request(stream, "GET", path, true)).wait(Duration::from_millis(1));
        talk.send(B, &server.response(stream, "200", "answer")).wait(Duration::from_millis(1));
    }
    record(talk.close())
}

/// The capture begins within a long response.
fn joined_in_a_download() -> Vec<u8> {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    client.request(1, "GET", "/download", true);
    server.response(1, "200", "long");
    let mut talk = conversation();
    talk.joined();
    let frames: Vec<u8> = (0..8).flat_map(|n| http2::data(1, n == 7, &[b'd'; 16_384])).collect();
    talk.send(B, &frames[5_000..]).wait(Duration::from_millis(1));
    for (stream, path) in [(3, "/after"), (5, "/later")] {
        talk.send(A, &client.request(stream, "POST", path, true)).wait(Duration::from_millis(1));
        talk.send(B, &server.response(stream, "200", "answer")).wait(Duration::from_millis(1));
    }
    record(talk.close())
}

/// A request was not captured, and with it what it put into the table: the paths from before are not trusted any more.
fn gap_in_headers() -> Vec<u8> {
    let (mut talk, mut client, mut server) = ends();
    for (stream, path) in [(1, "/a"), (3, "/lost"), (5, "/a"), (7, "/lost"), (9, "/c"), (11, "/c")] {
        talk.send(A, &client.request(stream, "GET", path, true));
        if stream == 3 {
            talk.lose_last();
        }
        talk.wait(Duration::from_millis(1)).send(B, &server.response(stream, "200", "x"));
        talk.wait(Duration::from_millis(1));
    }
    record(talk.close())
}

/// A segment within the content was not captured: nothing else is lost by it.
fn gap_in_data() -> Vec<u8> {
    let (mut talk, mut client, mut server) = ends();
    talk.send(A, &client.request(1, "GET", "/file", true));
    let head = server.headers(1, false, &[(":status", "200"), ("x-kept", "yes")]);
    let content = http2::data(1, true, &[b'f'; 4_000]);
    talk.send(B, &[&head, &content[..1_000]].concat()).send(B, &content[1_000..2_000]).lose_last();
    talk.send(B, &content[2_000..]).wait(Duration::from_millis(1));
    talk.send(A, &client.request(3, "GET", "/file", true));
    talk.send(B, &server.response(3, "200", "after"));
    record(talk.close())
}

fn reordered() -> Vec<u8> {
    let (mut talk, mut client, mut server) = ends();
    talk.send(A, &client.request(1, "GET", "/first", true))
        .send(A, &client.request(3, "GET", "/second", true));
    talk.swap_last();
    talk.send(B, &server.response(3, "200", "2")).send(B, &server.response(1, "200", "one")).swap_last();
    record(talk.close())
}

fn connection_reset() -> Vec<u8> {
    let (mut talk, mut client, mut server) = ends();
    talk.send(A, &client.request(1, "GET", "/done", true)).send(B, &server.response(1, "200", "done"));
    talk.send(A, &client.request(3, "GET", "/cut", true)).wait(Duration::from_millis(1)).reset(B);
    record(&talk)
}
