use super::{Retention, Session};
use crate::{LiveSource, sample};
use bytes::Bytes;
use overhear_exchange::{
    ContentCoding, Counts, Detail, Exchange, Flow, Headers, Message, Redacted, Sender, Stage, Statistics,
    Stream, StreamKind, Timestamp,
};
use overhear_model::{Bodies, Model, shape::Content};
use std::time::Duration;

mod links;

const SECOND: u64 = 1_000_000_000;
/// A whole second, and a multiple of a slice.
const START: u64 = 1_714_557_600 * SECOND;

fn at(seconds: f64, path: &str, status: u16) -> Exchange {
    let mut exchange = sample::exchange("GET", path, Some(status));
    exchange.time = Timestamp::from_nanos(START + (seconds * 1e9) as u64);
    exchange.duration = Some(Duration::from_millis(10));
    exchange
}

fn session() -> Session {
    Session::new(Model::default(), Retention::default())
}

fn path(exchange: &Exchange) -> &str {
    let Detail::Http(http) = &exchange.detail;
    &http.path
}

#[test]
fn rates_and_errors_are_those_of_the_last_ten_seconds() {
    let mut session = session();
    for n in 0..200 {
        let status = if n % 4 == 0 { 500 } else { 200 };
        session.observe(&at(f64::from(n) * 0.1, "/a", status));
    }
    session.advance(Timestamp::from_nanos(START + 20 * SECOND - 1));
    let row = session.rows().remove(0);
    assert_eq!(row.row.requests, 200);
    assert!((row.rate - 10.0).abs() < 0.3, "{}", row.rate);
    assert!((row.error_share.unwrap() - 0.25).abs() < 0.02, "{:?}", row.error_share);

    session.advance(Timestamp::from_nanos(START + 60 * SECOND));
    let row = session.rows().remove(0);
    assert_eq!((row.rate, row.error_share), (0.0, None));
}

#[test]
fn a_young_session_is_measured_from_its_beginning() {
    let mut session = session();
    for n in 0..20 {
        session.observe(&at(f64::from(n) * 0.1, "/a", 200));
    }
    session.advance(Timestamp::from_nanos(START + 2 * SECOND));
    let rate = session.rows().remove(0).rate;
    assert!((rate - 10.0).abs() < 0.5, "{rate}");
}

#[test]
fn the_sparkline_is_the_last_minute() {
    let mut session = session();
    session.observe(&at(0.0, "/a", 200));
    session.observe(&at(31.0, "/a", 200));
    session.advance(Timestamp::from_nanos(START + 58 * SECOND));
    let line = session.rows().remove(0).sparkline;
    let present: Vec<_> = line.iter().enumerate().filter_map(|(at, slice)| slice.map(|_| at)).collect();
    assert_eq!((line.len(), present), (20, vec![0, 10]));
    session.advance(Timestamp::from_nanos(START + 61 * SECOND));
    assert_eq!(session.rows().remove(0).sparkline[9].map(|s| (s * 1e3).round()), Some(10.0));
}

#[test]
fn late_news_change_nothing_newer() {
    let mut session = session();
    session.observe(&at(100.0, "/a", 200));
    session.observe(&at(90.0, "/a", 200));
    session.observe(&at(0.0, "/a", 200));
    let row = session.rows().remove(0);
    assert_eq!(row.row.requests, 3);
    assert_eq!(row.sparkline.iter().flatten().count(), 2);
}

#[test]
fn recent_ones_are_newest_first_and_a_busy_endpoint_leaves_room() {
    let retention = Retention { exchanges: 10, per_endpoint: 3, ..Retention::default() };
    let mut session = Session::new(Model::default(), retention);
    let quiet = session.observe(&at(0.0, "/quiet", 200)).id;
    for n in 1..100 {
        session.observe(&at(f64::from(n), &format!("/busy/{n}"), 200));
    }
    let all = session.recent(None, 50);
    assert_eq!(all.iter().map(|e| path(e)).collect::<Vec<_>>()[..2], ["/busy/99", "/busy/98"]);
    assert_eq!(all.len(), 10);
    assert_eq!(session.recent(None, 1).len(), 1);
    assert_eq!(session.recent(Some(&quiet), 50).iter().map(|e| path(e)).collect::<Vec<_>>(), ["/quiet"]);
    let busy = session.rows().into_iter().find(|row| &*row.row.id.route != "/quiet").unwrap().row.id;
    assert_eq!(session.recent(Some(&busy), 50).len(), 3);
}

#[test]
fn memory_is_bounded() {
    let retention = Retention { bytes: 100_000, endpoints: 50, ..Retention::default() };
    let mut session = Session::new(Model::default(), retention);
    for n in 0..2_000u32 {
        let name: String = n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        let mut exchange = at(f64::from(n) * 0.001, &format!("/{name}"), 200);
        let Detail::Http(http) = &mut exchange.detail;
        http.response_headers = Headers::new([(&b"content-type"[..], &b"text/plain"[..])]);
        http.response_body.captured = Redacted::new(vec![b'x'; 3_000].into());
        session.observe(&exchange);
    }
    assert!(session.recent.bytes() <= 100_000);
    assert!(session.kept_bytes <= 100_000);
    assert_eq!(session.kept_bytes, session.activities.values().map(|a| a.recent.bytes()).sum::<usize>());
    assert!(session.activities.len() <= 50);
    assert!(session.recent(None, 5_000).len() >= 20);
    // After a quiet minute the idle ones make room.
    let id = session.observe(&at(120.0, "/fresh", 200)).id;
    assert_eq!(session.recent(Some(&id), 1).len(), 1);
}

#[test]
fn secrets_are_masked_on_entry_and_decoded_bodies_kept() {
    let mut session = session();
    let mut exchange = at(0.0, "/login", 200);
    let Detail::Http(http) = &mut exchange.detail;
    http.request_headers = Headers::new([(&b"Authorization"[..], &b"Bearer hunter2"[..])]);
    http.response_headers = Headers::new([(&b"Content-Type"[..], &b"application/json"[..])]);
    http.response_body.captured = Redacted::new(Bytes::from_static(b"\x1f\x8b"));
    http.response_body.codings.push(ContentCoding::Gzip);
    let decoded = Bytes::from_static(br#"{"ok":false,"token":"t0ps3cret"}"#);
    let response = Some(Content { bytes: &decoded, complete: true });
    let bodies = Bodies { request: None, response };
    assert!(session.observe_decoded(&exchange, bodies, Some(&decoded)).hidden_error);
    let kept = session.recent(None, 1).remove(0);
    let Detail::Http(http) = &kept.detail;
    assert_eq!(http.request_headers.get("authorization"), Some("Bearer ••••••".as_bytes()));
    assert_eq!(http.query.as_deref(), Some("limit=5&token=REDACTED"));
    assert_eq!(http.response_body.captured.expose(), r#"{"ok":false,"token":"••••••"}"#.as_bytes());
}

#[test]
fn routes_are_told_of_what_was_heard_and_of_nothing_else() {
    let mut session = session();
    for n in 0..50 {
        session.observe(&at(f64::from(n), &format!("/orders/{}", 1000 + n), 200));
    }
    session.advance(Timestamp::from_nanos(START + 60 * SECOND));
    let route = session.route(&at(1.0, "/orders/1999", 200)).unwrap();
    assert!(route.starts_with("/orders/{"), "{route}");
    assert_eq!(session.route(&Exchange { service: "another".into(), ..at(1.0, "/orders/1", 200) }), None);
}

#[test]
fn statistics_are_passed_on() {
    let mut session = session();
    let statistics = Statistics { events: 7, ..Statistics::default() };
    session.set_statistics(statistics.clone());
    assert_eq!(session.statistics(), statistics);
}

#[test]
fn of_a_very_busy_endpoint_only_the_first_calls_of_a_second_are_kept_and_all_are_counted() {
    let retention = Retention { per_second: 5, per_endpoint: 100, ..Retention::default() };
    let mut session = Session::new(Model::new(1), retention);
    for n in 0..1000 {
        session.observe(&at(50.0 + f64::from(n) * 0.0005, "/a", if n % 100 == 99 { 500 } else { 200 }));
    }
    let row = &session.rows()[0].row;
    assert_eq!((row.requests, row.errors), (1000, 10));
    let kept = session.recent(None, 1000);
    let failed = kept
        .iter()
        .filter(|exchange| matches!(&exchange.detail, Detail::Http(h) if h.status == Some(500)))
        .count();
    assert_eq!((kept.len(), failed), (10, 5), "five that worked, five that failed");
}

/// A stream of events at this stage, that said so much so far.
fn stream(seconds: f64, stage: Stage, messages: u64) -> Exchange {
    let mut exchange = at(seconds, "/events", 200);
    exchange.duration = None;
    let counts = Counts { messages, bytes: 7 * messages, ..Counts::default() };
    let said = Message {
        sender: Sender::Server,
        name: Some("price".into()),
        is_text: true,
        content: Redacted::new(Bytes::from_static(b"{\"n\":1}")),
        complete: true,
    };
    let Detail::Http(http) = &mut exchange.detail;
    http.stream = Some(Box::new(Stream {
        kind: StreamKind::Events,
        stage,
        client: Flow::default(),
        server: Flow { total: counts, fresh: Counts { messages: 1, bytes: 7, ..Counts::default() } },
        time_to_first_message: None,
        fresh: vec![said],
    }));
    exchange
}

#[test]
fn open_streams_are_told_until_they_end() {
    let mut session = Session::new(Model::default(), Retention::default());
    let open = |session: &Session| session.rows().first().map(|row| (row.row.requests, row.open));
    session.observe_underway(&stream(0.0, Stage::Underway, 1));
    session.observe_underway(&stream(0.0, Stage::Underway, 2));
    session.observe_underway(&stream(1.0, Stage::Underway, 1));
    assert_eq!(open(&session), Some((0, 2)));
    assert!(session.take_told_underway() && !session.take_told_underway());
    let told = session.open();
    let said: Vec<u64> = told
        .iter()
        .map(|stream| {
            let Detail::Http(http) = &stream.exchange.detail;
            let stream = http.stream.as_ref().unwrap();
            assert!(stream.fresh.is_empty(), "what was said is not kept");
            stream.server.total.messages
        })
        .collect();
    assert_eq!(said, [2, 1], "the longest open first, as far as it is");
    session.observe(&stream(0.0, Stage::Over, 2));
    assert_eq!(open(&session), Some((1, 1)));
    // Its end is not of interest to whoever listens, but it ended.
    session.pass_over(&stream(1.0, Stage::Over, 1));
    assert_eq!((open(&session), session.open().len()), (Some((1, 0)), 0));
    let row = session.rows().remove(0).row;
    let learned = session.endpoint(&row.id).unwrap().shape.messages.unwrap();
    assert_eq!(learned.server.messages, 4);
}
