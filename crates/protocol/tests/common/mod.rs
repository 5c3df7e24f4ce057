//! Transcripts through a connection.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_exchange::{Body, ContentCoding, Redacted, Side, observation::Observation};
use overhear_protocol::{Connection, Hint, Limits, content::decode};
use overhear_testkit::{Event, Step, Transcript, damage, http2};
use std::path::PathBuf;

pub(crate) fn connection(transcript: &Transcript) -> Connection {
    let number = |key, default| transcript.number(key).map_or(default, |n| usize::try_from(n).unwrap());
    let usual = Limits::default();
    let limits = Limits {
        head: number("head", usual.head),
        body: number("body", usual.body),
        pending: number("pending", usual.pending),
    };
    let opener_known = transcript.settings.get("opener").is_none_or(|opener| opener == "known");
    Connection::new(limits, Hint { opener_known, tls: transcript.flag("tls") })
}

pub(crate) fn feed(connection: &mut Connection, step: &Step, out: &mut Vec<Observation>) {
    match &step.event {
        Event::Data { from, bytes } => connection.data(*from, step.time, bytes, out),
        Event::Gap { from, length } => connection.gap(*from, step.time, *length, out),
        Event::End { from } => connection.end(*from, step.time, out),
        Event::Close { cause } => connection.close(step.time, *cause, out),
    }
}

pub(crate) fn observe(transcript: &Transcript) -> Vec<Observation> {
    let (mut connection, mut out) = (connection(transcript), Vec::new());
    for step in &transcript.steps {
        feed(&mut connection, step, &mut out);
    }
    out
}

pub(crate) fn fixtures() -> Vec<(String, Transcript)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/http1");
    let mut fixtures: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "talk"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let transcript = Transcript::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, transcript)
        })
        .collect();
    fixtures.sort_by(|(a, _), (b, _)| a.cmp(b));
    fixtures
}

pub(crate) fn has_gap(transcript: &Transcript) -> bool {
    transcript.steps.iter().any(|step| matches!(step.event, Event::Gap { .. }))
}

pub(crate) fn talk(exchanges: usize) -> Transcript {
    let mut transcript = Transcript::default();
    for n in 0..exchanges {
        let body = "b".repeat(n * 37 % 101);
        let request = format!(
            "POST /things/{n}?n={n} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        transcript.push(Side::A, request);
        let response = if n % 2 == 0 {
            format!("HTTP/1.1 200 OK\r\nX-N: {n}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        } else {
            format!(
                "HTTP/1.1 201 Created\r\nX-N: {n}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )
        };
        transcript.push(Side::B, response);
    }
    transcript
}

/// Runs it and holds memory to what the limits allow.
pub(crate) fn bounded(transcript: &Transcript) -> Result<(), String> {
    let mut connection = connection(transcript);
    let limits = Limits::default();
    let bound = 4 * limits.head + limits.pending * (2 * limits.body + limits.head) + 4096;
    for step in &transcript.steps {
        feed(&mut connection, step, &mut Vec::new());
        let retained = connection.retained();
        // No input may cost a multiple of itself beyond a constant, nor more than the limits allow.
        let sent = transcript.length(Side::A) + transcript.length(Side::B);
        if retained > bound.min(32 * sent + 8192) {
            return Err(format!("{retained} bytes held"));
        }
    }
    Ok(())
}

/// Any bytes as events on a connection that speaks HTTP/2: most would never get past the preface.
pub(crate) fn after_preface(bytes: &[u8]) -> Transcript {
    let mut transcript = damage::from_bytes(bytes);
    if transcript.settings.get("opener").is_some_and(|opener| opener == "known") {
        let event = Event::Data { from: Side::A, bytes: [http2::PREFACE, &http2::settings()].concat() };
        transcript.steps.insert(0, Step { time: Default::default(), event });
    }
    transcript
}

/// Decodes bytes under the codings that the first of them names, within a limit that is held.
pub(crate) fn decode_anything(bytes: &[u8]) {
    const LIMIT: usize = 10_000;
    let Some((&selector, content)) = bytes.split_first() else { return };
    let coding = |bits: u8| match bits & 7 {
        0 => Some(ContentCoding::Gzip),
        1 => Some(ContentCoding::Deflate),
        2 => Some(ContentCoding::Brotli),
        3 => Some(ContentCoding::Zstd),
        4 => Some(ContentCoding::Unknown),
        _ => None,
    };
    let body = Body {
        size: content.len() as u64,
        captured: Redacted::new(content.to_vec().into()),
        complete: selector & 0x40 != 0,
        codings: [coding(selector), coding(selector >> 3)].into_iter().flatten().collect(),
    };
    assert!(decode(&body, LIMIT).bytes.expose().len() <= LIMIT);
}
