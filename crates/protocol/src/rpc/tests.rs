use super::{Carried, of, plain};
use overhear_exchange::{
    Body, Call, CallSystem, Counts, Headers, Http, HttpVersion, Method, Redacted, RpcStatus, Scheme, Sender,
    Stage, StreamKind, Timestamp,
};
use std::time::Duration;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn headers(pairs: Pairs<'_>) -> Headers {
    Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

fn body(bytes: &[u8]) -> Body {
    let captured = Redacted::new(bytes.to_vec().into());
    Body { size: bytes.len() as u64, captured, complete: true, ..Body::default() }
}

fn http(path: &str, asked: Pairs<'_>, answered: Pairs<'_>, trailers: Pairs<'_>) -> Http {
    Http {
        version: HttpVersion::V2,
        scheme: Scheme::Http,
        method: Method::Post,
        authority: None,
        path: path.into(),
        query: None,
        status: Some(200),
        request_headers: headers(asked),
        response_headers: headers(answered),
        trailers: headers(trailers),
        request_body: body(b"\0\0\0\0\x01a"),
        response_body: body(b"\0\0\0\0\x01a\0\0\0\0\0"),
        call: None,
        stream: None,
        gen_ai: None,
        anomalies: Default::default(),
    }
}

fn told(http: &Http) -> Option<(CallSystem, String, Option<RpcStatus>, u64, u64)> {
    let Call { system, name, rpc } = of(http, None)?;
    let rpc = rpc?;
    Some((system, name.into(), rpc.status, rpc.sent.count, rpc.received.count))
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[test]
fn the_status_is_in_the_trailers_or_in_the_only_head() {
    let ended = http("/shop.v1.Orders/Get", &[GRPC], &[GRPC], &[("grpc-status", "0")]);
    let name = "shop.v1.Orders/Get".to_owned();
    assert_eq!(told(&ended), Some((CallSystem::Grpc, name.clone(), Some(RpcStatus::Ok), 1, 2)));
    let only = http("/shop.v1.Orders/Get", &[GRPC], &[GRPC, ("grpc-status", "5")], &[]);
    assert_eq!(told(&only).unwrap().2, Some(RpcStatus::NotFound));
    let odd = http("/shop.v1.Orders/Get", &[GRPC], &[GRPC], &[("grpc-status", "77")]);
    assert_eq!(told(&odd).unwrap().2, Some(RpcStatus::Unknown));
    let cut = http("/shop.v1.Orders/Get", &[GRPC], &[GRPC], &[]);
    assert_eq!(told(&cut).unwrap().2, None);
    let proto = [("content-type", "application/grpc+proto; charset=x")];
    assert_eq!(told(&http("/shop.v1.Orders/Get", &proto, &[], &[])).unwrap().1, name);
}

#[test]
fn what_is_no_name_is_no_call() {
    for path in ["/", "/one", "{?62}", "/a b/c", "/x/", "//m", "/pkg.S/{?62}"] {
        assert_eq!(told(&http(path, &[GRPC], &[], &[])), None, "{path}");
    }
    assert_eq!(told(&http("/mounted/pkg.S/M", &[GRPC], &[], &[])).unwrap().1, "pkg.S/M");
    assert_eq!(told(&http("/pkg.S/M", &[("content-type", "application/json")], &[], &[])), None);
    let mut get = http("/pkg.S/M", &[], &[], &[]);
    get.method = Method::Get;
    assert_eq!(told(&get), None);
}

#[test]
fn the_web_says_it_in_the_body() {
    let mut web = http("/s.S/M", &[("content-type", "application/grpc-web+proto")], &[], &[]);
    web.response_body = body(b"\0\0\0\0\x01a\x80\0\0\0\x10grpc-status: 7\r\n");
    assert_eq!(
        told(&web),
        Some((CallSystem::GrpcWeb, "s.S/M".into(), Some(RpcStatus::PermissionDenied), 1, 1))
    );
    let mut text = http("/s.S/M", &[("content-type", "application/grpc-web-text")], &[], &[]);
    text.request_body = body(b"AAAAAAFh");
    // Two pieces, padded apart.
    text.response_body = body(b"AAAAAAFhgAAAABBncnBjLXN0YXR1czogMA0K");
    assert_eq!(told(&text).unwrap().2, Some(RpcStatus::Ok));
    assert_eq!((told(&text).unwrap().3, told(&text).unwrap().4), (1, 1));
}

#[test]
fn connect_says_it_by_http_or_at_the_end_of_the_stream() {
    let version = ("connect-protocol-version", "1");
    let mut single = http("/s.S/M", &[("content-type", "application/json"), version], &[], &[]);
    assert_eq!(told(&single), Some((CallSystem::Connect, "s.S/M".into(), Some(RpcStatus::Ok), 1, 1)));
    (single.status, single.response_body) = (Some(404), body(br#"{"code":"not_found","message":"x"}"#));
    assert_eq!(told(&single).unwrap().2, Some(RpcStatus::NotFound));
    single.response_body = body(b"<html>");
    assert_eq!(told(&single).unwrap().2, Some(RpcStatus::Unimplemented));
    let mut stream = http("/s.S/M", &[("content-type", "application/connect+proto")], &[], &[]);
    stream.response_body = body(b"\0\0\0\0\x01a\x02\0\0\0\x02{}");
    assert_eq!(told(&stream).unwrap().2, Some(RpcStatus::Ok));
    stream.response_body = body(b"\x02\0\0\0\x23{\"error\":{\"code\":\"canceled\",\"a\":1}}");
    assert_eq!(told(&stream).unwrap().2, Some(RpcStatus::Cancelled));
    stream.response_body = body(b"\0\0\0\0\x01a");
    assert_eq!(told(&stream).unwrap().2, None, "the end is missing");
    let mut get = http("/s.S/M", &[], &[("content-type", "application/proto")], &[]);
    (get.method, get.query) = (Method::Get, Some("connect=v1&encoding=proto&message=".into()));
    assert_eq!(told(&get).unwrap().2, Some(RpcStatus::Ok));
}

#[test]
fn deadlines() {
    for (field, value, expected) in [
        ("grpc-timeout", "100m", Some(Duration::from_millis(100))),
        ("grpc-timeout", "2S", Some(Duration::from_secs(2))),
        ("grpc-timeout", "1H", Some(Duration::from_secs(3600))),
        ("grpc-timeout", "99999999n", Some(Duration::from_nanos(99_999_999))),
        ("grpc-timeout", "999999999n", None),
        ("grpc-timeout", "5x", None),
        ("grpc-timeout", "", None),
        ("connect-timeout-ms", "250", Some(Duration::from_millis(250))),
    ] {
        let call = of(&http("/s.S/M", &[GRPC, (field, value)], &[], &[]), None).unwrap();
        assert_eq!(call.rpc.unwrap().deadline, expected, "{field}: {value}");
    }
}

#[test]
fn what_was_counted_as_it_went_by_counts() {
    let mut carried = Carried::asked(&headers(&[GRPC]));
    Carried::answered(&mut carried, &headers(&[GRPC]));
    let mut carried = carried.unwrap();
    let now = Timestamp::default();
    for sender in [Sender::Client, Sender::Server] {
        (0..1000).for_each(|_| carried.push(sender, now, b"\0\0\0\0\x01a"));
    }
    let long = http("/s.S/M", &[GRPC], &[GRPC], &[]);
    let rpc = of(&long, Some(&carried)).unwrap().rpc.unwrap();
    assert_eq!((rpc.sent.count, rpc.received.count, rpc.sent.partial), (1000, 1000, false));
    carried.lose(Sender::Client, None);
    let rpc = of(&long, Some(&carried)).unwrap().rpc.unwrap();
    assert!(rpc.sent.partial && !rpc.received.partial);
}

#[test]
fn a_call_that_takes_long_is_told_while_it_goes_on() {
    let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
    let mut carried = Carried::asked(&headers(&[GRPC]));
    Carried::answered(&mut carried, &headers(&[GRPC]));
    let mut carried = carried.unwrap();
    carried.push(Sender::Client, at(0), b"\0\0\0\0\x01a");
    carried.push(Sender::Server, at(300), b"\0\0\0\0\x04ab");
    assert!(carried.tell(at(0), at(100), at(999)).is_none(), "most calls are over by then");
    carried.push(Sender::Server, at(400), b"cd");
    let told = carried.tell(at(0), at(100), at(1000)).unwrap();
    assert_eq!((told.kind, told.stage), (StreamKind::Messages, Stage::Underway));
    assert_eq!((told.client.total.messages, told.client.total.bytes), (1, 1));
    assert_eq!((told.server.total.messages, told.server.total.bytes), (1, 4));
    assert_eq!(told.time_to_first_message, Some(Duration::from_millis(300)), "when it was whole");
    assert!(carried.tell(at(0), at(100), at(9000)).is_none(), "there is nothing new");
    carried.push(Sender::Server, at(9000), b"\0\0\0\0\0");
    carried.lose(Sender::Server, None);
    let told = carried.tell(at(0), at(100), at(9001)).unwrap();
    let fresh = Counts { messages: 1, gaps: 1, ..Counts::default() };
    assert_eq!((told.server.fresh, told.client.fresh), (fresh, Counts::default()));
}

#[test]
fn messages_are_told_without_compression() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"hello").unwrap();
    let gzip = gzip.finish().unwrap();
    let mut coded = vec![1, 0, 0, 0, u8::try_from(gzip.len()).unwrap()];
    coded.extend(&gzip);
    coded.extend(b"\0\0\0\0\x01a");
    let told = |fields: Pairs<'_>, bytes: &[u8]| plain(&headers(fields), &body(bytes), 1000);
    let encoding = [GRPC, ("grpc-encoding", "gzip")];
    assert_eq!(told(&encoding, &coded).as_deref(), Some(&b"\0\0\0\0\x05hello\0\0\0\0\x01a"[..]));
    assert_eq!(told(&[GRPC], b"\0\0\0\0\x01a"), None, "as it is");
    assert_eq!(told(&[GRPC, ("grpc-encoding", "snappy")], &coded).as_deref(), Some(&b""[..]));
    let text = [("content-type", "application/grpc-web-text")];
    assert_eq!(told(&text, b"AAAAAAFh").as_deref(), Some(&b"\0\0\0\0\x01a"[..]));
    let single = [("content-type", "application/proto")];
    assert_eq!(told(&single, b"\x08\x01").as_deref(), Some(&b"\0\0\0\0\x02\x08\x01"[..]));
    assert_eq!(told(&[("content-type", "application/json")], b"{}"), None);
}
