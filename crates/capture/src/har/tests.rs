use super::{Error, Reader};
use overhear_exchange::{
    Address, Detail, ErrorType, Exchange, Http, HttpVersion, Scheme, Timestamp, wire::ConnectionId,
};
use std::io::Cursor;
use std::time::Duration;

const POST: &str = r#"{
  "startedDateTime": "2026-01-02T03:04:05.678+01:00", "time": 12.5, "connection": "7", "_priority": {"a": [1]},
  "request": {
    "method": "POST", "url": "https://api.example:8443/v1/users?x=1&y#top", "httpVersion": "h2",
    "headers": [{"name": ":authority", "value": "api.example"}, {"name": "Accept", "value": "a\"b"}],
    "postData": {"mimeType": "application/json", "text": "{\"a\":1}"}, "headersSize": -1, "bodySize": 7
  },
  "response": {
    "status": 201, "statusText": "", "httpVersion": "h2", "bodySize": -1,
    "headers": [{"name": "content-encoding", "value": "gzip"}],
    "content": {"size": 5, "mimeType": "x", "text": "aGVsbG8=", "encoding": "base64"}
  },
  "cache": {}, "timings": {"blocked": 1, "dns": -1, "connect": null, "send": 0.5, "wait": 9, "receive": 2},
  "serverIPAddress": "[::1]"
}"#;

const REFUSED: &str = r#"{
  "startedDateTime": "2026-01-02T03:04:06Z", "time": 3,
  "request": {"method": "GET", "url": "http://localhost", "httpVersion": "", "headers": [], "bodySize": 0},
  "response": {"status": 0, "httpVersion": "", "headers": [], "content": {"size": 0}, "bodySize": 0,
               "_error": "net::ERR_CONNECTION_REFUSED"},
  "timings": {"send": 0, "wait": 0, "receive": 0}, "serverIPAddress": "", "connection": ""
}"#;

fn har(entries: &[&str]) -> String {
    let entries = entries.join(",\n");
    format!("{{\"log\": {{\"version\": \"1.2\", \"entries\": [{entries}], \"pages\": []}}, \"_x\": 1}}")
}

fn read(text: &str) -> (Vec<Exchange>, Reader, Result<(), Error>) {
    let mut reader = Reader::new(Cursor::new(text.as_bytes().to_vec()));
    let mut all = Vec::new();
    let result = reader.read(&mut |exchange| all.push(exchange));
    (all, reader, result)
}

fn one(entry: &str) -> Exchange {
    let (mut all, _, result) = read(&har(&[entry]));
    result.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn http(exchange: &Exchange) -> &Http {
    let Detail::Http(http) = &exchange.detail;
    http
}

#[test]
fn an_entry_is_an_exchange() {
    let exchange = one(POST);
    assert_eq!(exchange.time, Timestamp::from_nanos(1_767_319_445_678_000_000));
    assert_eq!(exchange.duration, Some(Duration::from_micros(12_500)));
    assert_eq!(exchange.time_to_first_byte, Some(Duration::from_millis(9)));
    assert_eq!(exchange.server.address, Address::Ip("[::1]:8443".parse().unwrap()));
    assert_eq!((&*exchange.service, exchange.error), ("api.example", None));
    let http = http(&exchange);
    assert_eq!((http.version, http.scheme, http.status), (HttpVersion::V2, Scheme::Https, Some(201)));
    assert_eq!((http.method.as_str(), &*http.path), ("POST", "/v1/users"));
    assert_eq!((http.authority.as_deref(), http.query.as_deref()), (Some("api.example:8443"), Some("x=1&y")));
    assert_eq!(http.request_headers.iter().collect::<Vec<_>>(), [(&b"Accept"[..], &b"a\"b"[..])]);
    assert_eq!(&**http.request_body.captured.expose(), b"{\"a\":1}");
    assert_eq!((http.request_body.size, http.request_body.complete), (7, true));
    assert_eq!(&**http.response_body.captured.expose(), b"hello");
    assert_eq!((http.response_body.size, http.response_body.complete), (5, true));
    assert!(http.response_body.codings.is_empty(), "an archive holds decoded text");
}

#[test]
fn no_response_says_why() {
    let exchange = one(REFUSED);
    assert_eq!(exchange.error, Some(ErrorType::ConnectionRefused));
    assert_eq!((exchange.duration, exchange.time_to_first_byte), (None, None));
    assert_eq!((http(&exchange).status, &*http(&exchange).path), (None, "/"));
    assert_eq!(exchange.server.address, Address::Name("localhost".into(), 80));
    assert!(!http(&exchange).response_body.complete);
}

#[test]
fn a_body_that_was_left_out_is_incomplete() {
    let exchange = one(&POST.replace("\"text\": \"aGVsbG8=\", \"encoding\": \"base64\"", "\"_x\": 0"));
    assert_eq!((http(&exchange).response_body.size, http(&exchange).response_body.complete), (5, false));
    let exchange = one(&POST.replace("aGVsbG8=", "!!!"));
    assert!(!http(&exchange).response_body.complete, "what cannot be decoded is not there");
}

#[test]
fn versions() {
    for (text, version) in [
        ("HTTP/1.0", HttpVersion::V1_0),
        ("http/1.1", HttpVersion::V1_1),
        ("HTTP/2.0", HttpVersion::V2),
        ("http/2", HttpVersion::V2),
        ("h2", HttpVersion::V2),
        ("h3", HttpVersion::V3),
        ("h3-29", HttpVersion::V3),
        ("http/2+quic/46", HttpVersion::V2),
        ("", HttpVersion::V1_1),
        ("unknown", HttpVersion::V1_1),
    ] {
        let entry = POST.replace("\"h2\"", &format!("\"{text}\""));
        assert_eq!(http(&one(&entry)).version, version, "{text}");
    }
}

#[test]
fn a_server_error_is_an_error() {
    assert_eq!(one(&POST.replace("201", "503")).error, Some(ErrorType::Status(503)));
    assert_eq!(one(&POST.replace("201", "404")).error, None);
}

#[test]
fn connections_are_told_apart() {
    let other_host = POST.replace("api.example", "b.example");
    let (all, _, _) = read(&har(&[POST, REFUSED, POST, &other_host, REFUSED]));
    let ids: Vec<_> = all.iter().map(|exchange| exchange.connection).collect();
    assert_eq!(ids, [0, 1, 0, 2, 3].map(ConnectionId));
}

#[test]
fn what_is_no_exchange_is_counted() {
    let data = REFUSED.replace("http://localhost", "data:text/plain,x");
    let blocked = REFUSED.replace("CONNECTION_REFUSED", "BLOCKED_BY_CLIENT");
    let (all, reader, result) = read(&har(&[&data, "{}", &blocked, "null", POST]));
    result.unwrap();
    let counts = reader.counts();
    assert_eq!((all.len(), counts.entries, counts.malformed, counts.not_sent), (1, 5, 2, 2));
}

#[test]
fn cut_anywhere_whole_entries_are_delivered() {
    let text = har(&[POST, REFUSED, POST]);
    let mut last = 0;
    for cut in (0..text.len() - 1).filter(|&cut| text.is_char_boundary(cut)) {
        let (all, _, result) = read(&text[..cut]);
        assert!(all.len() >= last);
        last = all.len();
        let Err(Error::CutOff { line, entries, .. }) = result else { panic!("{cut}: {result:?}") };
        assert_eq!((line, entries), (1 + text[..cut].matches('\n').count(), last as u64));
    }
    assert_eq!(last, 3);
}

#[test]
fn damage_has_a_place() {
    let text = har(&[POST, "{\"a\": nope}"]);
    let (all, _, result) = read(&text);
    assert_eq!(all.len(), 1);
    let line = 2 + POST.matches('\n').count();
    let Err(Error::Damaged { line: at, entries: 1, what, .. }) = result else { panic!("{result:?}") };
    assert_eq!((at, what.as_str()), (line, "expected ident"));
}

#[test]
fn other_json_is_not_a_har() {
    for text in ["{}", "{\"openapi\": \"3.1.0\"}", "{\"log\": 3}", "{\"log\": {\"entries\": {}}}", "[1, 2]"] {
        let (_, _, result) = read(text);
        assert!(matches!(result, Err(Error::NotHar { .. })), "{text}: {result:?}");
    }
}

#[test]
fn an_entry_without_end_is_not_held() {
    let text = har(&[POST, &format!("{{\"a\": \"{}\"}}", "x".repeat(400_000))]);
    let mut reader = Reader::new(Cursor::new(text.into_bytes()));
    reader.limit = 200_000;
    let mut count = 0;
    let result = reader.read(&mut |_| count += 1);
    assert!(matches!(result, Err(Error::TooLarge { entries: 1 })), "{result:?}");
    assert_eq!(count, 1);
    let many = har(&vec![POST; 1_000]);
    let mut reader = Reader::new(Cursor::new(many.into_bytes()));
    reader.limit = 200_000;
    reader.read(&mut |_| ()).unwrap();
    assert_eq!(reader.counts().exchanges, 1_000, "the limit is for one entry, not for all");
}
