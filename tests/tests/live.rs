//! Live capture: the real kernel, real servers, real clients. As root only, and never skipped.

use overhear_testkit::copy_program;
use overhear_tests::{
    Result,
    program::{Heard, Watch, run, signal},
    server::{Client, Kind, Server, calls, free_port, make_calls, program},
    truth::compare,
};
use serde_json::{Map, Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What differs between the calls made and the exchanges heard, in order of time.
fn differences(expected: &[Map<String, Value>], heard: &Heard) -> Vec<String> {
    let mut got = heard.exchanges.clone();
    got.sort_by_key(|exchange| {
        exchange["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok())
    });
    let mut differences = Vec::new();
    if got.len() != expected.len() {
        differences.push(format!("{} exchanges where {} were made: {got:?}", got.len(), expected.len()));
    }
    for (index, (expected, got)) in expected.iter().zip(&got).enumerate() {
        differences.extend(compare(expected, got).map(|difference| format!("call {index}: {difference}")));
        differences.extend(timing(got).map(|difference| format!("call {index}: {difference}")));
    }
    differences
}

/// Durations can be judged only roughly: there is one, it is no longer than a busy machine explains, and it is as
/// long as the server waits.
fn timing(got: &Value) -> Option<String> {
    let (duration, first) = (got["duration"].as_f64(), got["time_to_first_byte"].as_f64());
    let slow = got["url.path"] == "/slow" && got["http.response.status_code"] == 200;
    let least = if slow { 0.05 } else { 0.0 };
    match (duration, first) {
        (Some(duration), Some(first)) if duration >= first && first >= least && duration < 5.0 => None,
        _ => Some(format!("duration {duration:?}, time to first byte {first:?}")),
    }
}

/// One client makes its calls to one server beside a `watch`.
fn check(kind: Kind, client: Client) -> Result<()> {
    let server = Server::start(kind)?;
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()])?;
    let client_pid = make_calls(client, server.port)?;
    let heard = watch.stop()?;
    let mut expected = calls(kind);
    for call in &mut expected {
        call.insert("server.port".into(), json!(server.port));
        call.insert("client.process.pid".into(), json!(client_pid));
    }
    let mut differences = differences(&expected, &heard);
    let pids = server.pids();
    for exchange in &heard.exchanges {
        if !pids.iter().any(|pid| exchange["process.pid"] == *pid) {
            differences.push(format!("process.pid {} is none of {pids:?}", exchange["process.pid"]));
        }
        if exchange["service.name"].as_str().is_none_or(str::is_empty) {
            differences.push("no service.name".into());
        }
    }
    if heard.code != Some(0) {
        differences.push(format!("exit code {:?}: {}", heard.code, heard.err));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

macro_rules! pairs {
    ($($name:ident: $kind:ident from $client:ident;)*) => {$(
        #[test]
        fn $name() {
            if let Err(error) = check(Kind::$kind, Client::$client) {
                panic!("{error}");
            }
        }
    )*};
}

pairs! {
    nginx_from_curl: Nginx from Curl;
    nginx_from_python: Nginx from Python;
    nginx_from_node: Nginx from Node;
    node_from_curl: Node from Curl;
    node_from_python: Node from Python;
    node_from_node: Node from Node;
    python_from_curl: Python from Curl;
    python_from_python: Python from Python;
    python_from_node: Python from Node;
    go_from_curl: Go from Curl;
    go_from_python: Go from Python;
    go_from_node: Go from Node;
}

#[test]
fn for_ends_by_itself_with_statistics_last() {
    let server = Server::start(Kind::Python).unwrap();
    let begun = Instant::now();
    let watch = Watch::start(&["--for", "4s", "--json", "--port", &server.port.to_string()]).unwrap();
    make_calls(Client::Curl, server.port).unwrap();
    let heard = watch.heard().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(4));
    assert_eq!(heard.code, Some(0), "{}", heard.err);
    assert_eq!(heard.exchanges.len(), calls(Kind::Python).len());
    assert!(heard.statistics.is_object(), "{}", heard.statistics);
}

#[test]
fn sigterm_ends_it_with_statistics_too() {
    let watch = Watch::start(&["--json", "--port", &free_port().unwrap().to_string()]).unwrap();
    signal(watch.pid(), "TERM").unwrap();
    let heard = watch.heard().unwrap();
    assert_eq!((heard.code, heard.exchanges.len()), (Some(0), 0), "{}", heard.err);
}

/// The connection and both processes were there before us, and the connection is idle when we come.
#[test]
fn connections_that_were_there_before() {
    let server = Server::start(Kind::Python).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/client.py");
    let mut client = Command::new(program("python3").unwrap())
        .args([script, &server.port.to_string(), "--wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert_eq!(ready, "connected\n");
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    client.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(client.wait().unwrap().success());
    let heard = watch.stop().unwrap();
    let mut expected = calls(Kind::Python);
    for call in &mut expected {
        call.insert("client.process.pid".into(), json!(client.id()));
        call.insert("server.port".into(), json!(server.port));
    }
    let differences = differences(&expected, &heard);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn unix_sockets() {
    let server = Server::start(Kind::Nginx).unwrap();
    // Waits as a shell, then is the client: its process is known before it speaks.
    let mut curl = Command::new("sh")
        .args(["-c", "read go; exec curl --silent --output /dev/null --unix-socket \"$@\"", "sh"])
        .arg(server.socket())
        .arg("http://unix.example/items?over=unix")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let both = server.pids().into_iter().chain([curl.id()]).flat_map(|pid| ["--pid".into(), pid.to_string()]);
    let arguments: Vec<String> = ["--json".into()].into_iter().chain(both).collect();
    let watch = Watch::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    curl.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(curl.wait().unwrap().success());
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.exchanges);
    let exchange = &heard.exchanges[0];
    assert_eq!(exchange["server.address"], "unix.example");
    assert_eq!(exchange["url.query"], "over=unix");
    assert_eq!(exchange["http.response.status_code"], 200);
    assert!(
        server.pids().iter().any(|pid| exchange["process.pid"] == *pid),
        "{exchange} {}",
        heard.statistics
    );
    assert_eq!(exchange["client.process.pid"], curl.id(), "{exchange}");
}

/// A file that the kernel sends by itself: the number of its bytes is right, whether they are seen or not.
#[test]
fn sendfile_counts_with_and_without_its_bytes() {
    let server = Server::start(Kind::Nginx).unwrap();
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    for _ in 0..2 {
        let url = format!("http://127.0.0.1:{}/files/large", server.port);
        let curl = Command::new("curl").args(["--silent", "--output", "/dev/null", &url]).status().unwrap();
        assert!(curl.success());
    }
    let heard = watch.stop().unwrap();
    let sizes: Vec<_> = heard.exchanges.iter().map(|exchange| &exchange["http.response.body.size"]).collect();
    assert_eq!(sizes, [300_000, 300_000], "{:?}", heard.exchanges);
}

/// A body far beyond the copy cap.
#[test]
fn large_bodies_count_whole() {
    let server = Server::start(Kind::Python).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    std::fs::write(&body, vec![b'y'; 2_000_000]).unwrap();
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    let curl = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--header", "Expect:", "--data-binary"])
        .arg(format!("@{}", body.display()))
        .arg(format!("http://127.0.0.1:{}/orders", server.port))
        .args(["--next", "--silent", "--output", "/dev/null"])
        .arg(format!("http://127.0.0.1:{}/items", server.port))
        .status()
        .unwrap();
    assert!(curl.success());
    let heard = watch.stop().unwrap();
    let mut sizes: Vec<_> = heard.exchanges.iter().map(|e| e["http.request.body.size"].as_u64()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [Some(0), Some(2_000_000)], "{:?}", heard.exchanges);
}

/// Server and client in a network namespace of their own, as in a container.
#[test]
fn other_network_namespaces() {
    let watch = Watch::start(&["--json", "--port", "18080"]).unwrap();
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/server.py");
    let script = format!(
        "ip link set lo up; python3 {server} 18080 & server=$!; \
         for attempt in $(seq 100); do curl --silent --output /dev/null http://127.0.0.1:18080/items && break; sleep 0.1; done; \
         kill $server"
    );
    let status =
        Command::new("unshare").args(["--net", "sh", "-c", &script]).stderr(Stdio::null()).status().unwrap();
    assert!(status.success() || status.code().is_some(), "{status}");
    let heard = watch.stop().unwrap();
    let answered: Vec<_> = heard.exchanges.iter().filter(|e| e["http.response.status_code"] == 200).collect();
    assert_eq!(answered.len(), 1, "{:?}", heard.exchanges);
    assert!(
        answered[0]["process.pid"].is_u64() && answered[0]["client.process.pid"].is_u64(),
        "{}",
        answered[0]
    );
}

/// A client that gives up is heard, with the reason.
#[test]
fn a_client_that_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let watch = Watch::start(&["--json", "--port", &port.to_string()]).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"GET /never HTTP/1.1\r\nHost: patience.example\r\n\r\n").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let mut head = [0; 1024];
    assert!(server.read(&mut head).unwrap() > 0);
    drop(client);
    assert_eq!(server.read(&mut head).unwrap(), 0);
    drop(server);
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.exchanges);
    let exchange = &heard.exchanges[0];
    assert_eq!((&exchange["url.path"], &exchange["error.type"]), (&json!("/never"), &json!("client_closed")));
    assert!(exchange.get("http.response.status_code").is_none(), "{exchange}");
}

/// Nothing listens there: no request, and so no exchange; but the watch goes on.
#[test]
fn only_the_port_that_was_asked_for() {
    let (wanted, other) = (Server::start(Kind::Python).unwrap(), Server::start(Kind::Python).unwrap());
    let watch = Watch::start(&["--json", "--port", &wanted.port.to_string()]).unwrap();
    make_calls(Client::Curl, other.port).unwrap();
    make_calls(Client::Curl, wanted.port).unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), calls(Kind::Python).len(), "{:?}", heard.exchanges);
    assert!(heard.exchanges.iter().all(|exchange| exchange["server.port"] == wanted.port));
}

#[test]
fn run_passes_the_exit_code_through() {
    let server = Server::start(Kind::Python).unwrap();
    let script =
        format!("curl --silent --output /dev/null http://127.0.0.1:{}/items?from=run; exit 7", server.port);
    let said = run(&["run", "--", "sh", "-c", &script]).unwrap();
    assert_eq!(said.code, Some(7), "{}", said.err);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("/items"), "the summary names no endpoint: {all}");
    assert_eq!(run(&["run", "--", "/does/not/exist"]).unwrap().code, Some(127));
    assert_eq!(run(&["run", "--", "/etc/passwd"]).unwrap().code, Some(126));
}

#[test]
fn run_hears_only_its_own_tree() {
    let server = Server::start(Kind::Python).unwrap();
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut outsider = Command::new("sh");
    outsider.args([
        "-c",
        &format!("for n in $(seq 20); do curl --silent --output /dev/null {url}/outsider; sleep 0.1; done"),
    ]);
    let mut outsider = outsider.spawn().unwrap();
    let script = format!("sleep 0.5; sh -c 'curl --silent --output /dev/null {url}/grandchild'");
    let said = run(&["run", "--", "sh", "-c", &script]).unwrap();
    outsider.wait().unwrap();
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("/grandchild") && !all.contains("/outsider"), "{all}");
}

/// What a load generator counts is what is heard, or the difference is told. `OVERHEAR_SOAK_SECONDS` makes it longer.
#[test]
fn soak() {
    let seconds = std::env::var("OVERHEAR_SOAK_SECONDS").unwrap_or_else(|_| "3".into());
    let server = Server::start(Kind::Nginx).unwrap();
    let whole = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&whole);
    // Minutes of exchanges are counted as they come; only those that are wrong are kept.
    let watch = Watch::start_keeping(&["--json", "--port", &server.port.to_string()], move |exchange| {
        let Some(status) = exchange.get("http.response.status_code") else { return false };
        counter.fetch_add(u64::from(*status == 200), Ordering::Relaxed);
        exchange["url.path"] != "/items"
            || exchange["http.response.body.size"] != 7
            || exchange["http.request.method"] != "GET"
    });
    let watch = watch.unwrap();
    let url = format!("http://127.0.0.1:{}/items", server.port);
    let connections = 8;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), &url])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let made: u64 = told
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())
        .unwrap_or_else(|| panic!("wrk says no count: {told}"));
    let heard = watch.stop().unwrap();
    let whole = whole.load(Ordering::Relaxed);
    let lost = heard.statistics["lost"].as_object().is_some_and(|lost| !lost.is_empty());
    // Each connection has a request under way when wrk stops counting.
    assert!(whole <= made + connections, "{whole} heard, {made} made");
    assert!(whole >= made || lost, "{whole} heard, {made} made, and no loss is told: {}", heard.statistics);
    assert_eq!(heard.exchanges, Vec::<Value>::new(), "what is shown is right, lost or not");
}

/// A server that answers every request with a small object, as an API of somebody else's would.
fn third_party() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(std::result::Result::ok) {
            let Ok(reading) = stream.try_clone() else { continue };
            let mut request = BufReader::new(reading);
            let mut line = String::new();
            while request.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let body = r#"{"id": "ch_1", "amount": 100}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            // A client that went away is none of this test's.
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    Ok(port)
}

/// The same path of two servers is two endpoints, and what two programs ask of one server is one description.
#[test]
fn apis_of_others_are_told_by_server() {
    let port = third_party().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let curl = program("curl").unwrap();
    copy_program(&curl, Path::new(&file("billing"))).unwrap();
    let ask = |program: &str, server: &str, saved: &str| {
        let calls: Vec<String> = (0..4).map(|n| format!("http://{server}:{port}/v1/charges/{n}")).collect();
        let resolve = format!("{server}:{port}:127.0.0.1");
        let arguments = ["run", "--save", saved, "--", program, "--silent", "--resolve", &resolve];
        let arguments: Vec<&str> = arguments.into_iter().chain(calls.iter().map(String::as_str)).collect();
        let said = run(&arguments).unwrap();
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains(&format!("→ {}:{port}", server.to_lowercase())), "{}", said.err);
    };
    let (a, b, c) = (file("a"), file("b"), file("c"));
    ask("curl", "api.stripe.test", &a);
    ask(&file("billing"), "API.stripe.test", &b);
    ask("curl", "api.github.test", &c);
    let question = |arguments: &[&str]| run(&[arguments, &["--from", &a, &b, &c]].concat()).unwrap();

    let rows = question(&["endpoints", "--json"]).document().unwrap();
    let told: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            assert_eq!((&row["direction"], &row["server.port"]), (&json!("outbound"), &json!(port)));
            format!("{} {} {} {}", row["service"], row["server.address"], row["route"], row["requests"])
        })
        .collect();
    assert_eq!(
        told,
        [
            r#""billing" "api.stripe.test" "/v1/charges/{chargeId}" 4"#,
            r#""curl" "api.github.test" "/v1/charges/{chargeId}" 4"#,
            r#""curl" "api.stripe.test" "/v1/charges/{chargeId}" 4"#,
        ]
    );
    let chosen = question(&["endpoints", "--json", "--where", r#"server.address == "api.github.test""#]);
    assert_eq!(chosen.document().unwrap().as_array().unwrap().len(), 1);
    let shown = question(&["show", "billing api.stripe.test GET /v1/charges/2"]);
    assert!(shown.code == Some(0) && shown.out.contains("api.stripe.test"), "{}{}", shown.out, shown.err);

    let several = question(&["spec"]);
    assert_eq!(several.code, Some(2));
    for words in ["--service", "--all", "api.stripe.test", "api.github.test"] {
        assert!(several.err.contains(words), "{}", several.err);
    }
    let stripe = question(&["spec", "--service", "api.stripe.test", "--json"]).document().unwrap();
    assert_eq!(stripe["info"]["title"], format!("api.stripe.test:{port}"));
    assert_eq!(stripe["info"]["x-overhear"]["callers"], json!(["billing", "curl"]));
    assert_eq!(stripe["paths"]["/v1/charges/{chargeId}"]["get"]["x-overhear"]["calls"], 8);

    let said = question(&["spec", "--all", &file("all"), "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let written =
        std::fs::read(folder.path().join(format!("all/outbound/api.stripe.test%3A{port}.json"))).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), stripe);
    assert!(folder.path().join(format!("all/outbound/api.github.test%3A{port}.json")).exists());
}
