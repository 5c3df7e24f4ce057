//! Conversations over HTTP/2 (`testkit::http2::talks`), and what is heard of them: `tests/fixtures/http2/*.snap`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{connection, feed, observe};
use overhear_exchange::{Detail, ErrorType, Http2Code, Side, observation::Observation};
use overhear_protocol::Verdict;
use overhear_testkit::{
    Transcript,
    damage::{joined_late, with_gap},
    http2::{
        self, END_HEADERS, Encoder, Kind, PREFACE, data, frame,
        talks::{self, transcript},
    },
    identity, properties, render,
};
use std::fmt::Write;

fn shown(observation: &Observation) -> String {
    let Detail::Http(http) = &observation.detail;
    let mut text = render(observation);
    for (name, value) in http.trailers.iter() {
        let _ = writeln!(text, "  trailer {}: {}", name.escape_ascii(), value.escape_ascii());
    }
    if let Some(call) = &http.call {
        let _ = writeln!(text, "  calls {call} ({:?}): {:?}", call.system, call.rpc);
    }
    text
}

#[test]
fn hears_every_conversation() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("fixtures/http2");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, talk) in talks::all() {
        let transcript = transcript(&talk);
        let (mut connection, mut out) = (connection(&transcript), Vec::new());
        for step in &transcript.steps {
            feed(&mut connection, step, &mut out);
        }
        connection.close(
            transcript.steps.last().unwrap().time,
            overhear_exchange::wire::CloseCause::Finished,
            &mut out,
        );
        assert_eq!(connection.verdict(), Verdict::Speaks("http"), "{name}");
        let mut text = out.iter().map(shown).collect::<Vec<_>>().join("\n");
        let _ = write!(text, "\n{:?}\n", connection.skipped());
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

#[test]
fn cutting_changes_nothing() {
    for (_, talk) in talks::all() {
        properties::split_invariant(&transcript(&talk), observe);
    }
}

#[test]
fn no_gap_makes_up_an_exchange() {
    for (name, talk) in talks::all() {
        eprintln!("{name}");
        properties::gap_sound(&transcript(&talk), 60, observe);
    }
    properties::gap_sound(&transcript(&talks::many(40)), 600, observe);
}

#[test]
fn joining_late_makes_up_no_exchange() {
    for (name, talk) in talks::all() {
        // Before the upgrade it is HTTP/1, whose answer to nobody says nothing of what follows.
        if name != "upgrade" {
            properties::late_sound(&transcript(&talk), observe);
        }
    }
}

/// Joined at any moment: what is asked later is heard, and every path is right or said to be unknown.
#[test]
fn joined_late_all_that_begins_later_is_heard() {
    let whole = transcript(&talks::many(40));
    for missed in 3..60 {
        let heard = observe(&joined_late(&whole, missed));
        let paths: Vec<_> = heard
            .iter()
            .map(|observation| {
                let Detail::Http(http) = &observation.detail;
                (http.path.to_string(), http.query.clone(), observation.duration.is_some())
            })
            .collect();
        let asked = whole
            .steps
            .iter()
            .skip(missed)
            .filter(|step| matches!(&step.event, overhear_testkit::Event::Data { from: Side::A, .. }));
        assert_eq!(paths.len(), asked.count(), "joined after {missed}: {paths:?}");
        for (path, query, whole) in &paths {
            // Each path is new, so that it is told where it is used.
            let number = path.strip_prefix("/things/").unwrap_or_else(|| panic!("after {missed}: {path}"));
            assert_eq!(query.as_deref(), Some(&*format!("n={number}")));
            assert!(whole, "after {missed}: {path} has no whole answer");
        }
    }
}

/// What `h2load` does: the same path again and again, by the index it had before we came.
#[test]
fn a_path_from_before_stays_unknown_until_it_is_told() {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    client.request(1, "GET", "/told-before", true);
    server.response(1, "200", "x");
    let mut transcript = Transcript::default();
    transcript.settings.insert("opener".into(), "unknown".into());
    for (stream, path) in [(3, "/told-before"), (5, "/told-now"), (7, "/told-now"), (9, "/told-before")] {
        transcript.push(Side::A, client.request(stream, "GET", path, true));
        transcript.push(Side::B, server.response(stream, "200", "x"));
    }
    let heard: Vec<_> = observe(&transcript).iter().map(identity).collect();
    assert_eq!(
        heard,
        [
            "GET http://- {?} HTTP/2 -> 200",
            "GET http://- /told-now HTTP/2 -> 200",
            "GET http://- /told-now HTTP/2 -> 200",
            "GET http://- {?} HTTP/2 -> 200",
        ]
    );
    let all = observe(&transcript);
    let Detail::Http(http) = &all[3].detail;
    let unknown: Vec<_> = http.request_headers.iter().filter(|(name, _)| name.starts_with(b"{?")).collect();
    assert_eq!(unknown.len(), 3, "authority, path and user agent: {unknown:?}");
}

/// After a gap nothing that was known of the table is: an index may point elsewhere now.
#[test]
fn after_a_gap_no_entry_is_trusted() {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut transcript = Transcript::default();
    transcript.push(Side::A, [PREFACE, &http2::settings()].concat()).push(Side::B, http2::settings());
    for (stream, path) in [(1, "/a"), (3, "/b"), (5, "/a"), (7, "/b"), (9, "/c"), (11, "/c")] {
        transcript.push(Side::A, client.request(stream, "GET", path, true));
        transcript.push(Side::B, server.response(stream, "200", "x"));
    }
    // The second request is missed whole, and with it that it put "/b" before "/a".
    let first = PREFACE.len() + http2::settings().len();
    let sizes: Vec<_> = transcript
        .steps
        .iter()
        .filter_map(|step| {
            let overhear_testkit::Event::Data { from: Side::A, bytes } = &step.event else { return None };
            Some(bytes.len())
        })
        .collect();
    let start = first + sizes[1];
    for known in [true, false] {
        let heard: Vec<_> = observe(&with_gap(&transcript, Side::A, start..start + sizes[2], known))
            .iter()
            .map(|observation| {
                let Detail::Http(http) = &observation.detail;
                http.path.to_string()
            })
            .collect();
        assert_eq!(heard, ["/a", "{?}", "{?}", "/c", "/c"], "{known}");
    }
}

#[test]
fn random_bytes_do_no_harm() {
    properties::survives_anything(1000, common::bounded);
    let mut client = Encoder::default();
    let request: &'static [u8] = Vec::leak(client.request(1, "POST", "/a", false));
    let pieces: &[&[u8]] = &[
        PREFACE,
        b"\0\0\0\x04\0\0\0\0\0",
        b"\0\0\0\x04\x01\0\0\0\0",
        request,
        b"\0\0\x02\x01\x05\0\0\0\x03\x82\xbe",
        b"\0\0\x02\x01\x00\0\0\0\x05\x82\xbe",
        b"\0\0\x01\x09\x04\0\0\0\x05\x87",
        b"\0\0\x05\0\0\0\0\0\x01hello",
        b"\0\0\x05\0\x01\0\0\0\x01hello",
        b"\0\0\x05\0\x09\0\0\0\x01\x02he\0\0",
        b"\0\0\x01\x01\x04\0\0\0\x01\x88",
        b"\0\0\x01\x01\x05\0\0\0\x03\x8d",
        b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
        b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0",
        b"\0\0\x06\x05\x04\0\0\0\x01\0\0\0\x02\x82\x84",
        b"\0\0\x04\x08\0\0\0\0\0\0\0\x10\0",
        b"\0\0\x01",
        b"\0\x40\0\0\0\0\0\0\x01",
    ];
    properties::survives_pieces(3000, pieces, common::bounded);
}

/// Streams that are opened and never ended, with all the content they may carry.
#[test]
fn many_open_streams_are_bounded() {
    let mut client = Encoder::default();
    let mut transcript = Transcript::default();
    transcript.push(Side::A, [PREFACE, &http2::settings()].concat());
    for n in 0..5000_u32 {
        let stream = 2 * n + 1;
        let head = client.request(stream, "POST", "/open", false);
        transcript.push(Side::A, [head, data(stream, false, &[b'x'; 8000])].concat());
    }
    common::bounded(&transcript).unwrap();
    assert!(observe(&transcript).len() > 3000, "the oldest are given up");
}

/// One header block that goes on and on.
#[test]
fn a_block_without_end_is_bounded_and_what_follows_is_heard() {
    let mut transcript = Transcript::default();
    transcript.push(Side::A, [PREFACE, &http2::settings()].concat()).push(Side::B, http2::settings());
    transcript.push(Side::A, frame(Kind::Headers, 0, 1, b"\x82\x86\x84"));
    for _ in 0..1000 {
        let block = [&b"\x00\x01a\x7f\xf1\x3f"[..], &[b'x'; 8304]].concat();
        transcript.push(Side::A, frame(Kind::Continuation, 0, 1, &block));
    }
    transcript.push(Side::A, frame(Kind::Continuation, END_HEADERS, 1, b""));
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    transcript.push(Side::A, client.request(3, "GET", "/after", true));
    transcript.push(Side::B, server.response(3, "200", "x"));
    common::bounded(&transcript).unwrap();
    let heard: Vec<_> = observe(&transcript).iter().map(identity).collect();
    assert_eq!(heard, ["GET http://shop.example /after HTTP/2 -> 200"]);
}

#[test]
fn who_closes_says_why() {
    use overhear_exchange::wire::CloseCause;
    for (go_away, cause, expected) in [
        (None, CloseCause::Reset(None), Some(ErrorType::ConnectionReset)),
        (None, CloseCause::Finished, Some(ErrorType::ServerClosed)),
        (None, CloseCause::Unknown, None),
        (Some(11), CloseCause::Finished, Some(ErrorType::Http2(Http2Code::EnhanceYourCalm))),
        (Some(0), CloseCause::Finished, Some(ErrorType::ServerClosed)),
    ] {
        let mut transcript = Transcript::default();
        transcript.push(Side::A, [PREFACE, &http2::settings()].concat()).push(Side::B, http2::settings());
        transcript.push(Side::A, Encoder::default().request(1, "GET", "/waits", true));
        if let Some(code) = go_away {
            transcript.push(Side::B, http2::go_away(1, code));
        }
        let (mut connection, mut out) = (connection(&transcript), Vec::new());
        for step in &transcript.steps {
            feed(&mut connection, step, &mut out);
        }
        connection.close(transcript.steps.last().unwrap().time, cause, &mut out);
        let errors: Vec<_> = out.iter().map(|observation| observation.error).collect();
        assert_eq!(errors, [expected], "{go_away:?} {cause:?}");
    }
}

/// A client that has all that was announced may leave before the mark of its end comes, as curl does.
#[test]
fn an_answer_of_which_all_came_is_whole_without_the_mark_of_its_end() {
    use overhear_exchange::wire::CloseCause;
    for (announced, expected) in [("7", None), ("8", Some(ErrorType::ConnectionReset))] {
        let mut transcript = Transcript::default();
        transcript.push(Side::A, [PREFACE, &http2::settings()].concat()).push(Side::B, http2::settings());
        transcript.push(Side::A, Encoder::default().request(1, "GET", "/items", true));
        let head = Encoder::default().headers(1, false, &[(":status", "200"), ("content-length", announced)]);
        transcript.push(Side::B, [head, data(1, false, b"[1,2,3]")].concat());
        let (mut connection, mut out) = (connection(&transcript), Vec::new());
        for step in &transcript.steps {
            feed(&mut connection, step, &mut out);
        }
        connection.close(transcript.steps.last().unwrap().time, CloseCause::Reset(None), &mut out);
        let told: Vec<_> = out.iter().map(|one| (one.error, one.duration.is_some())).collect();
        assert_eq!(told, [(expected, expected.is_none())], "{announced}");
    }
}
