//! Transcripts through a connection.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_exchange::{
    Body, ContentCoding, Counts, Detail, Flow, Redacted, Side, Stage, Stream, observation::Observation,
};
use overhear_protocol::{Connection, Hint, Limits, content::decode};
use overhear_testkit::{Event, Step, Transcript};
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
    gathered(out)
}

/// Exchanges that are over, each with all messages that were told of it; when they were told depends on how they came.
pub(crate) fn gathered(observations: Vec<Observation>) -> Vec<Observation> {
    let (mut whole, mut open) = (Vec::<Observation>::new(), Vec::<Observation>::new());
    for mut observation in observations {
        let key = |o: &Observation| (o.time, overhear_testkit::identity(o));
        let Some(stream) = stream_of(&mut observation) else {
            whole.push(observation);
            continue;
        };
        let stage = stream.stage;
        let at = open.iter().position(|known| key(known) == key(&observation));
        let known = at.map(|at| open.swap_remove(at));
        if let (Some(mut known), Some(later)) = (known, stream_of(&mut observation)) {
            let Some(earlier) = stream_of(&mut known) else { continue };
            earlier.fresh.append(&mut later.fresh);
            later.fresh = std::mem::take(&mut earlier.fresh);
            later.client.fresh = sum(earlier.client, later.client);
            later.server.fresh = sum(earlier.server, later.server);
        }
        match stage {
            Stage::Underway => open.push(observation),
            Stage::Over => {
                if let Some(stream) = stream_of(&mut observation) {
                    assert_eq!(stream.client.fresh, stream.client.total, "what was told adds up");
                    assert_eq!(stream.server.fresh, stream.server.total, "what was told adds up");
                }
                whole.push(observation);
            }
        }
    }
    whole
}

/// Messages that went over it.
pub(crate) fn messages(observation: &Observation) -> u64 {
    let Detail::Http(http) = &observation.detail;
    http.stream.as_ref().map_or(0, |stream| stream.client.total.messages + stream.server.total.messages)
}

fn stream_of(observation: &mut Observation) -> Option<&mut Stream> {
    let Detail::Http(http) = &mut observation.detail;
    // Of a long body only the size is told; it is no part of the exchange.
    http.stream.as_deref_mut()
}

fn sum(earlier: Flow, later: Flow) -> Counts {
    let mut sum = earlier.fresh;
    sum.add(later.fresh);
    sum
}

pub(crate) fn fixtures() -> Vec<(String, Transcript)> {
    fixtures_of("http1")
}

pub(crate) fn fixtures_of(protocol: &str) -> Vec<(String, Transcript)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(protocol);
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
    bounded_beside(transcript, 0)
}

/// As [`bounded`], beside what two decoders of compressed messages take.
pub(crate) fn bounded_inflating(transcript: &Transcript) -> Result<(), String> {
    bounded_beside(transcript, 2 * 80 * 1024)
}

/// A conversation over a WebSocket with compression, out of any bytes.
pub(crate) fn web_socket(bytes: &[u8]) -> Transcript {
    let mut transcript = Transcript::default();
    transcript.push(Side::A, HANDSHAKE).push(Side::B, DEFLATE_SWITCH);
    transcript.steps.extend(overhear_testkit::damage::from_bytes(bytes).steps);
    transcript
}

pub(crate) const HANDSHAKE: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
pub(crate) const DEFLATE_SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

fn bounded_beside(transcript: &Transcript, constant: usize) -> Result<(), String> {
    let mut connection = connection(transcript);
    let limits = Limits::default();
    let bound = 4 * limits.head + limits.pending * (2 * limits.body + limits.head) + 4096;
    for step in &transcript.steps {
        feed(&mut connection, step, &mut Vec::new());
        let retained = connection.retained();
        // No input may cost a multiple of itself beyond a constant, nor more than the limits allow.
        let sent = transcript.length(Side::A) + transcript.length(Side::B);
        if retained > constant + bound.min(32 * sent + 8192) {
            return Err(format!("{retained} bytes held"));
        }
    }
    Ok(())
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
