//! WebSockets: named conversations in `tests/fixtures/websocket`, and what must hold for any.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{
    DEFLATE_SWITCH, HANDSHAKE, bounded_inflating, connection, feed, fixtures_of, gathered, has_gap, observe,
};
use overhear_exchange::{Detail, Side, Stage, Timestamp};
use overhear_protocol::Verdict;
use overhear_testkit::{Event, Step, Transcript, damage::with_gap, properties, render};
use std::fmt::Write;

#[test]
fn hears_every_conversation() {
    snapshots("websocket", 14);
}

#[test]
fn hears_every_stream() {
    snapshots("stream", 14);
}

/// Over HTTP/1.1 too a call of enveloped messages is told while it goes on, and all of them are counted, also those beyond
/// what is kept of a body.
#[test]
fn calls_that_stream_are_told_with_their_messages() {
    let fixtures = fixtures_of("stream");
    let (_, slow) = fixtures.iter().find(|(name, _)| name == "connect_stream_slow").unwrap();
    let mut slow = slow.clone();
    slow.settings.insert("body".into(), "10".into());
    let (mut connection, mut out) = (connection(&slow), Vec::new());
    slow.steps.iter().for_each(|step| feed(&mut connection, step, &mut out));
    let counts: Vec<_> = out
        .iter()
        .map(|observation| {
            let Detail::Http(http) = &observation.detail;
            let told = http.stream.as_ref().map(|stream| stream.server.total.messages);
            (told, http.call.as_ref().unwrap().rpc.as_ref().unwrap().received.count)
        })
        .collect();
    assert_eq!(counts, [(Some(1), 1), (Some(3), 3), (None, 3)]);
}

fn snapshots(folder: &str, least: usize) {
    let fixtures = fixtures_of(folder);
    assert!(fixtures.len() >= least, "only {} conversations", fixtures.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("fixtures/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, transcript) in fixtures {
        let (mut connection, mut out) = (connection(&transcript), Vec::new());
        for step in &transcript.steps {
            feed(&mut connection, step, &mut out);
        }
        let told = out.iter().filter(|o| o.detail.is_underway()).count();
        let mut text = gathered(out).iter().map(render).collect::<Vec<_>>().join("\n");
        let verdict = match connection.verdict() {
            Verdict::Undecided => "undecided".to_owned(),
            Verdict::Speaks(protocol) => format!("speaks {protocol}"),
            Verdict::NotAnApi(protocol) => format!("not an API: {protocol}"),
        };
        let _ = write!(text, "\n{verdict}, told {told} times before the end\n{:?}\n", connection.skipped());
        settings.bind(|| insta::assert_snapshot!(name.as_str(), text));
    }
}

fn all() -> impl Iterator<Item = (String, Transcript)> {
    let both = [fixtures_of("websocket"), fixtures_of("stream")];
    both.into_iter().flatten().filter(|(_, transcript)| !transcript.flag("resync"))
}

#[test]
fn cutting_changes_nothing() {
    for (_, transcript) in all().filter(|(_, t)| !has_gap(t)) {
        properties::split_invariant(&transcript, observe);
    }
}

#[test]
fn no_gap_makes_up_a_message() {
    for (_, transcript) in all().filter(|(_, t)| !has_gap(t)) {
        properties::gap_sound(&transcript, 150, observe);
    }
}

#[test]
fn joining_late_makes_up_nothing() {
    for (_, transcript) in all() {
        properties::late_sound(&transcript, observe);
    }
}

/// A header out of the middle of a message is two bytes; what is told by them has to be in step again soon.
#[test]
fn messages_after_a_gap_are_heard_again() {
    let mut transcript = Transcript::default();
    transcript.push(Side::A, HANDSHAKE).push(Side::B, SWITCH);
    for n in 0..12_u8 {
        let text = format!("{{\"type\":\"tick\",\"n\":{n}}}");
        let length = u8::try_from(text.len()).unwrap();
        transcript.push(Side::B, [&[0x81, length], text.as_bytes()].concat());
    }
    let length = transcript.length(Side::B);
    for start in (SWITCH.len()..length - 60).step_by(3) {
        for (size, known) in [(1, true), (1, false), (30, true), (30, false)] {
            let heard = observe(&with_gap(&transcript, Side::B, start..start + size, known));
            // It was never closed: nothing is told of it but in between.
            assert!(heard.is_empty());
            let texts = texts(&with_gap(&transcript, Side::B, start..start + size, known));
            let last = texts.last().unwrap();
            assert_eq!(last, "{\"type\":\"tick\",\"n\":11}", "{start}+{size} {known}: {texts:?}");
            assert!(texts.len() >= 8, "{start}+{size} {known}: {texts:?}");
        }
    }
}

/// Every whole message that was told before the connection is over.
fn texts(transcript: &Transcript) -> Vec<String> {
    let (mut connection, mut out) = (connection(transcript), Vec::new());
    for step in &transcript.steps {
        // So much later that everything is told at once.
        let time = Timestamp::from_nanos(step.time.as_nanos() * 10_000);
        feed(&mut connection, &Step { time, event: step.event.clone() }, &mut out);
    }
    let messages = out.iter().flat_map(|observation| {
        let Detail::Http(http) = &observation.detail;
        http.stream.iter().flat_map(|stream| &stream.fresh)
    });
    messages
        .filter(|m| m.complete)
        .map(|m| String::from_utf8_lossy(m.content.expose()).into_owned())
        .collect()
}

#[test]
fn an_open_one_is_told_while_it_is_open() {
    let mut transcript = Transcript::default();
    transcript.push(Side::A, HANDSHAKE).push(Side::B, SWITCH);
    for _ in 0..1000 {
        transcript.push(Side::B, &b"\x81\x05hello"[..]);
    }
    let (mut connection, mut out) = (connection(&transcript), Vec::new());
    for step in &transcript.steps {
        feed(&mut connection, step, &mut out);
        assert!(connection.retained() < 20_000, "{}", connection.retained());
    }
    let mut messages = 0;
    for observation in &out {
        let Detail::Http(http) = &observation.detail;
        let stream = http.stream.as_ref().unwrap();
        assert_eq!((stream.stage, &*http.path, observation.duration), (Stage::Underway, "/chat", None));
        messages += stream.server.fresh.messages;
    }
    // A millisecond apart: once a second and whenever 64 wait.
    assert!((10..40).contains(&out.len()), "{}", out.len());
    assert!((930..=1000).contains(&messages), "{messages}");
}

#[test]
fn random_bytes_do_no_harm() {
    let after_handshake = |transcript: &Transcript| {
        let mut whole = Transcript::default();
        whole.push(Side::A, HANDSHAKE).push(Side::B, DEFLATE_SWITCH);
        whole.steps.extend(transcript.steps.iter().cloned());
        bounded_inflating(&whole)
    };
    properties::survives_anything(1500, after_handshake);
    properties::survives_pieces(1500, PIECES, after_handshake);
}

/// A message of a promised petabyte, and one that inflates to gigabytes.
#[test]
fn promises_allocate_nothing() {
    let mut transcript = Transcript::default();
    transcript.push(Side::A, HANDSHAKE).push(Side::B, DEFLATE_SWITCH);
    transcript.push(Side::B, &b"\x82\x7f\x00\x04\x00\x00\x00\x00\x00\x00"[..]);
    for _ in 0..100 {
        transcript.push(Side::B, vec![b'x'; 65_536]);
    }
    bounded_inflating(&transcript).unwrap();
    let mut connection = connection(&transcript);
    let mut out = Vec::new();
    transcript.steps.iter().for_each(|step| feed(&mut connection, step, &mut out));
    assert!(connection.retained() < 200_000, "{}", connection.retained());
    let last = transcript.steps.last().unwrap().time;
    connection.close(last, overhear_exchange::wire::CloseCause::Finished, &mut out);
    assert_eq!(out.iter().filter(|o| !o.detail.is_underway()).count(), 1);
}

/// Joined after the handshake there is no path to tell it by; what it is shows all the same.
#[test]
fn one_that_was_there_before_has_a_name() {
    let mut transcript = Transcript::default();
    transcript.settings.insert("opener".into(), "unknown".into());
    transcript.push(Side::A, &b"\x81\x95\x01\x02\x03\x04"[..]);
    if let Some(Step { event: Event::Data { bytes, .. }, .. }) = transcript.steps.last_mut() {
        let text = b"{\"type\":\"subscribe\"}\n";
        bytes.extend(text.iter().zip([1_u8, 2, 3, 4].iter().cycle()).map(|(b, key)| b ^ key));
    }
    let mut connection = connection(&transcript);
    transcript.steps.iter().for_each(|step| feed(&mut connection, step, &mut Vec::new()));
    assert_eq!(connection.verdict(), Verdict::NotAnApi("websocket"));
}

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const PIECES: &[&[u8]] = &[
    b"\x81\x05hello",
    b"\x81\x85\x01\x02\x03\x04iglhn",
    b"\x01\x03hel",
    b"\x80\x02lo",
    b"\x89\x00",
    b"\x8a\x80\x01\x02\x03\x04",
    b"\x88\x02\x03\xe8",
    b"\x88\x82\x00\x00\x00\x00\x03\xe8",
    b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
    b"\xc1\x05\xf2\x00\x11\x00\x00",
    b"\x41\x03\xf2\x48\xcd",
    b"\x80\x04\xc9\xc9\x07\x00",
    b"\x82\x7e\x01\x00",
    b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
    b"\xff\xff",
];
