#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
//! The server as a browser meets it: over a socket, with a made-up shop behind it.

#[path = "../examples/fake_page/world.rs"]
mod world;

use overhear_web::{Error, People, Server, start};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};
use world::World;

const TOKEN: &str = "open-sesame";

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn shop(endpoints: usize) -> Server {
    start(([127, 0, 0, 1], 0).into(), Arc::new(World::new(endpoints)), Some(TOKEN.into()), People::default())
        .unwrap()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn raw(server: &Server, path: &str, fields: &str) -> Answer {
    let mut stream = connect(server);
    write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n{fields}\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// As somebody who has been let in.
fn get(server: &Server, path: &str) -> Answer {
    raw(server, path, &format!("Host: localhost\r\nCookie: a=b; {}\r\n", cookie(server)))
}

fn cookie(server: &Server) -> String {
    format!("overhear-{}={TOKEN}", server.address().port())
}

/// The names of an object, sorted.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn strangers_are_told_what_to_do() {
    let server = shop(3);
    let wrong = format!("Host: localhost\r\nCookie: overhear-{}=guess\r\n", server.address().port());
    for fields in ["Host: localhost\r\n", "Host: localhost\r\nAuthorization: Bearer guess\r\n", &wrong] {
        for path in ["/", "/api/overview", "/api/live", "/assets/app.js", "/?token=guess"] {
            let answer = raw(&server, path, fields);
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.body.contains("Open the address that overhear printed"), "{path}");
            assert!(answer.header("set-cookie").is_none());
        }
    }
}

#[test]
fn the_token_becomes_a_cookie_and_leaves_the_address() {
    let server = shop(3);
    let answer = raw(&server, &format!("/endpoints?sort=p95&token={TOKEN}"), "Host: localhost\r\n");
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/endpoints?sort=p95"));
    let set = answer.header("set-cookie").unwrap();
    for part in [&*cookie(&server), "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert_eq!(get(&server, "/endpoints?sort=p95").status, 200);
    let bearer = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n");
    assert_eq!(raw(&server, "/api/health", &bearer).status, 200);
    let other = raw(&server, &format!("//evil.example/?token={TOKEN}"), "Host: localhost\r\n");
    assert_eq!(other.header("location"), Some("/evil.example/"), "stays on this host");
}

#[test]
fn only_its_own_names_are_answered() {
    let server = shop(3);
    let port = server.address().port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        ("[::1]".to_owned(), 200),
        ("evil.example".to_owned(), 421),
        (format!("localhost.evil.example:{port}"), 421),
    ] {
        let answer = raw(&server, "/", &format!("Host: {host}\r\nCookie: {}\r\n", cookie(&server)));
        assert_eq!(answer.status, status, "{host}");
    }
}

#[test]
fn the_browser_is_kept_on_a_short_leash() {
    let server = shop(3);
    for path in ["/", "/live", "/api/health", "/api/none", "/none"] {
        let answer = get(&server, path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    let page = get(&server, "/").body;
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
    assert!(
        page.matches("<script").count() == page.matches("<script type=\"module\" src=\"/assets/").count()
    );
}

#[test]
fn every_module_that_is_imported_is_there() {
    let server = shop(0);
    let (mut open, mut seen) = (vec!["/assets/app.js".to_owned()], Vec::new());
    while let Some(path) = open.pop() {
        let answer = get(&server, &path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
        let imported = answer.body.split("from './").skip(1).filter_map(|rest| rest.split('\'').next());
        let folder = path.rsplit_once('/').unwrap().0;
        open.extend(imported.map(|name| format!("{folder}/{name}")).filter(|path| !seen.contains(path)));
        seen.push(path);
    }
    assert!(seen.iter().any(|path| path.ends_with("uplot.mjs")), "{seen:?}");
}

#[test]
fn what_the_browser_has_is_not_sent_again() {
    let server = shop(0);
    let tag = get(&server, "/assets/app.js").header("etag").unwrap().to_owned();
    let fields = format!("Host: localhost\r\nCookie: {}\r\nIf-None-Match: {tag}\r\n", cookie(&server));
    let answer = raw(&server, "/assets/app.js", &fields);
    assert_eq!((answer.status, answer.body.len()), (304, 0));
}

const FIGURES: [&str; 7] =
    ["bytes_in", "bytes_out", "errors", "errors_hidden", "latency", "rate", "requests"];
const ENDPOINT: [&str; 9] =
    ["before", "line", "method", "now", "protocol", "route", "server", "service", "way"];

#[test]
fn lists_have_their_shape() {
    let server = shop(60);
    let endpoints = get(&server, "/api/endpoints?since=1h&points=10").json();
    let list = ["found", "in_all", "list", "offset", "paths", "services", "slowest"];
    let mut expected =
        [&["deploys", "endpoints", "from", "listened_from", "since", "step", "until"][..], &list].concat();
    expected.sort_unstable();
    assert_eq!(names(&endpoints), expected);
    assert_eq!(endpoints["endpoints"].as_array().unwrap().len(), 60);
    let row = &endpoints["endpoints"][0];
    assert_eq!(names(row), ENDPOINT);
    assert_eq!(names(&row["now"]), FIGURES);
    assert_eq!(names(&row["now"]["latency"]), ["max", "p50", "p90", "p95", "p99"]);
    // The end is a moment after the beginning was counted back from now.
    let covered = endpoints["until"].as_u64().unwrap() - endpoints["from"].as_u64().unwrap();
    assert!((3_600_000..3_610_000).contains(&covered), "{covered}");
    assert_eq!(names(&endpoints["deploys"][0]), ["at", "service", "version"]);

    let services = get(&server, "/api/services").json();
    assert_eq!(names(&services["services"][0]), ["before", "endpoints", "line", "name", "now"]);

    let changes = get(&server, "/api/changes?beside=deploy").json();
    assert_eq!(names(&changes["changes"][0]), ["at", "detail", "endpoint", "kind"]);
    let all = changes["changes"].as_array().unwrap();
    let told = |kind: &str, detail: Value| {
        all.iter().any(|change| change["kind"] == kind && change["detail"] == detail)
    };
    for (kind, detail) in [
        ("field", serde_json::json!({"in": "response", "status": 200, "name": "items[].discount"})),
        ("field", serde_json::json!({"in": "query", "status": null, "name": "include"})),
    ] {
        assert!(told(kind, detail), "{kind}: {all:?}");
    }

    let map = get(&server, "/api/map").json();
    assert_eq!(names(&map["map"]["nodes"][0]), ["external", "name"]);
    assert_eq!(names(&map["map"]["edges"][0]), ["before", "from", "now", "to"]);

    let health = get(&server, "/api/health").json();
    assert_eq!(names(&health), ["resident", "started", "statistics", "store", "trouble"]);
    assert_eq!(health["statistics"]["lost"]["over_cap"]["events"], 310);
    let unread = &health["statistics"]["programs"][0];
    let expected = [
        "connections",
        "direction",
        "duration",
        "message",
        "names",
        "open",
        "program",
        "protocol",
        "reason",
        "received",
        "sent",
    ];
    assert_eq!(names(unread), expected);
    assert_eq!(
        (&unread["names"], &unread["reason"]),
        (&serde_json::json!("to api.bank.example"), &serde_json::json!("java"))
    );
    let message = unread["message"].as_str().unwrap();
    assert!(message.starts_with("12 connections of ledger (java) unreadable: Java encrypts"), "{message}");

    let overview = get(&server, "/api/overview").json();
    for name in [
        "services",
        "worse",
        "changes",
        "health",
        "endpoints_in_all",
        "changes_in_all",
        "failing",
        "slow",
        "compared",
    ] {
        assert!(!overview[name].is_null(), "{name}");
    }
    assert!(overview["worse"].as_array().unwrap().iter().all(|row| row["worse"]["to"].is_number()));
}

#[test]
fn ten_thousand_endpoints_are_told_a_part_at_a_time() {
    let server = shop(10_000);
    let part = |more: &str| get(&server, &format!("/api/endpoints?limit=300{more}"));
    let first = part("&sort=p95");
    assert!(first.body.len() < 400_000, "{} bytes", first.body.len());
    let first = first.json();
    let rows = |answer: &Value| answer["endpoints"].as_array().unwrap().clone();
    let in_all = first["in_all"].as_u64().unwrap();
    assert!(in_all > 5_000 && first["found"] == in_all, "{in_all}");
    assert_eq!(rows(&first).len(), 300);
    let p95 = |row: &Value| row["now"]["latency"]["p95"].as_f64().unwrap();
    assert!(rows(&first).is_sorted_by(|a, b| p95(a) >= p95(b)), "slowest first");
    assert_eq!(first["slowest"].as_f64().map(|all| all >= p95(&rows(&first)[0])), Some(true));

    // Who scrolls goes on in the same list, though the world has moved.
    let list = first["list"].as_u64().unwrap();
    let second = part(&format!("&sort=p95&offset=300&list={list}")).json();
    assert_eq!(
        (&second["list"], &second["offset"], &second["until"]),
        (&first["list"], &300.into(), &first["until"])
    );
    let all: Vec<_> = rows(&first).into_iter().chain(rows(&second)).collect();
    assert!(all.is_sorted_by(|a, b| p95(a) >= p95(b)), "no row twice, none left out");
    let other = part("&sort=p95&list=99999").json();
    assert_ne!(other["list"], first["list"], "a list that is gone is counted anew");

    let found = part("&find=ORDERS%20delete&sort=route&order=down").json();
    assert!(found["found"].as_u64().unwrap() < in_all);
    let matches = |row: &Value| row["method"] == "DELETE" && row.to_string().contains("orders");
    assert!(!rows(&found).is_empty() && rows(&found).iter().all(matches));
    let route = |row: &Value| row["route"].as_str().unwrap().to_owned();
    assert!(rows(&found).is_sorted_by(|a, b| route(a) >= route(b)));

    let under = part("&service=web&under=/v1").json();
    let inside =
        |row: &Value| row["service"] == "web" && (route(row) == "/v1" || route(row).starts_with("/v1/"));
    assert!(!rows(&under).is_empty() && rows(&under).iter().all(inside));
    assert_eq!(under["services"].as_array().unwrap().len(), first["services"].as_array().unwrap().len());
    assert!(under["paths"].as_array().unwrap().iter().any(|one| one["path"] == "/v1"));
}

#[test]
fn one_endpoint_has_its_shape() {
    let server = shop(60);
    let answer = get(&server, "/api/endpoint?service=web&method=GET&route=/orders").json();
    let endpoint = &answer["endpoint"];
    for name in ENDPOINT.into_iter().chain(["points", "heat", "statuses", "errors", "callers"]) {
        assert!(endpoint.get(name).is_some(), "{name}");
    }
    assert_eq!(names(&endpoint["statuses"][0]), ["before", "now", "status"]);
    assert_eq!(names(&endpoint["callers"][0]), ["before", "name", "now"]);
    assert_eq!(endpoint["heat"][0][1][0].as_array().unwrap().len(), 3, "from, to, calls");

    let shape = get(&server, "/api/describe?service=web&method=GET&route=/orders").json();
    assert_eq!(shape["parameters"][0]["name"], "limit");
    let field = &shape["responses"][0]["bodies"][0]["fields"][1];
    assert_eq!(names(field), ["depth", "name", "notes", "presence", "required", "type"]);
    // Which endpoints there are changes by the second: that one is not there is an answer.
    let nobody = "service=web&method=GET&route=/none";
    let answer = get(&server, &format!("/api/endpoint?{nobody}"));
    assert_eq!((answer.status, answer.json()), (200, serde_json::json!({"endpoint": null})));
    let answer = get(&server, &format!("/api/describe?{nobody}"));
    assert_eq!((answer.status, answer.json()), (200, Value::Null));
}

#[test]
fn recent_calls_are_told_as_scripts_know_them() {
    let server = shop(60);
    let path = "/api/recent?limit=5&where=http.request.method%20==%20%22GET%22";
    let calls = get(&server, path).json()["exchanges"].clone();
    let calls = calls.as_array().unwrap();
    assert_eq!(calls.len(), 5);
    for call in calls {
        assert_eq!(call["http.request.method"], "GET");
        assert!(call["http.route"].is_string() && call["duration"].is_number(), "{call}");
        assert_eq!(call["endpoint"]["service"], call["service.name"]);
    }
    let whole = get(&server, &format!("/api/exchange/{}", calls[0]["key"].as_str().unwrap())).json();
    assert_eq!(whole["request_headers"][1][1], "••••••");
    assert_eq!(whole["response_shape"]["status"], "string of 4", "shapes, not values");
    let gone = get(&server, "/api/exchange/none");
    assert_eq!((gone.status, gone.json()), (200, Value::Null));
}

#[test]
fn live_calls_are_delivered_as_they_come() {
    let server = shop(60);
    let mut stream = connect(&server);
    let path = "/api/live?where=http.response.status_code%20%3E=%20200";
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", cookie(&server)).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut events = lines.filter_map(|line| Some(line.strip_prefix("data: ")?.to_owned()));
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..3 {
        let event: Value = serde_json::from_str(&events.next().unwrap()).unwrap();
        for call in event["exchanges"].as_array().unwrap() {
            keys.push(call["key"].as_str().unwrap().to_owned());
        }
    }
    let in_order = keys.is_sorted_by(|a, b| a < b);
    assert!(keys.len() > 50 && in_order, "each once, oldest first: {keys:?}");
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let server = shop(3);
    for (path, says) in [
        ("/api/endpoints?since=yesterday", "\"yesterday\" is no time"),
        ("/api/endpoints?since=1h&until=2h", "ends before it begins"),
        ("/api/services?beside=nothing", "\"window\" or \"deploy\""),
        ("/api/endpoints?points=100000", "a number from 0 to 500"),
        ("/api/endpoints?sort=colour", "sort is \"colour\": it is route, service"),
        ("/api/endpoints?order=sideways", "\"up\" or \"down\""),
        ("/api/endpoints?offset=-1", "offset is \"-1\""),
        ("/api/endpoint?service=web", "method is missing"),
        ("/api/endpoint?service=web&method=GET&route=/&way=outbound", "server is missing"),
        ("/api/endpoint?service=web&method=GET&route=/&way=up", "\"inbound\" or \"outbound\""),
        ("/api/recent?where=1%20%2B", "where: "),
        ("/api/recent?limit=-1", "limit is \"-1\""),
        ("/api/live?where=nothing.like.this", "where: "),
        ("/api/health?since=1&since=2", "given twice"),
    ] {
        let answer = get(&server, path);
        assert_eq!(answer.status, 400, "{path}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(says), "{path}: {error}");
    }
    assert_eq!(get(&server, "/api/none").status, 404);
    assert_eq!(get(&server, "/none").status, 404);
}

#[test]
fn text_from_the_traffic_stays_text() {
    let server = shop(60);
    let answer = get(&server, "/api/endpoints");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let hostile = "/<script>alert(1)</script>";
    assert!(answer.json()["endpoints"].as_array().unwrap().iter().any(|row| row["route"] == hostile));
    // The page sets text as text: nowhere does it make markup of a string.
    for name in [
        "app",
        "api",
        "chart",
        "heat",
        "parts",
        "home",
        "endpoints",
        "endpoint",
        "edit",
        "live",
        "map",
        "changes",
    ] {
        let script = get(&server, &format!("/assets/{name}.js")).body;
        for way in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySet", "document.write", "eval("]
        {
            assert!(!script.contains(way), "{name}.js: {way}");
        }
    }
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let server = shop(0);
    let error = start(server.address(), Arc::new(World::new(0)), None, People::default()).unwrap_err();
    assert!(matches!(error, Error::Taken(_)));
    assert!(error.to_string().contains("is taken by another program"), "{error}");
    let address = server.address();
    drop(server);
    assert!(start(address, Arc::new(World::new(0)), None, People::default()).is_ok(), "dropping it stops it");
}

#[test]
fn without_a_token_everybody_on_this_machine_is_let_in() {
    let server = start(([127, 0, 0, 1], 0).into(), Arc::new(World::new(0)), None, People::default()).unwrap();
    assert_eq!(raw(&server, "/", "Host: localhost\r\n").status, 200);
    assert_eq!(raw(&server, "/", "Host: evil.example\r\n").status, 421);
}
