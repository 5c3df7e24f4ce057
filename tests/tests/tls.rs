//! TLS, heard as plaintext: the real kernel, real servers, real clients. As root only, and never skipped.

use overhear_tests::{
    Result,
    compiled::{Tls, tls},
    program::{Heard, Watch, run, signal},
    server::{Client, Kind, Server, calls, free_port, go, program},
    truth::compare,
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn expected(kind: Kind, server: &Server) -> Vec<Map<String, Value>> {
    let mut calls = calls(kind);
    for call in &mut calls {
        call.insert("server.port".into(), json!(server.port));
        call.insert("url.scheme".into(), json!("https"));
    }
    calls
}

/// What differs between the calls made and the exchanges heard, in order of time.
fn differences(expected: &[Map<String, Value>], heard: &Heard) -> Vec<String> {
    let mut got = heard.exchanges.clone();
    got.sort_by_key(|exchange| {
        exchange["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok())
    });
    let mut differences = Vec::new();
    if got.len() != expected.len() {
        let told: Vec<String> = got.iter().map(ToString::to_string).collect();
        differences.push(format!("{} exchanges where {} were made: {told:#?}", got.len(), expected.len()));
    }
    for (index, (expected, got)) in expected.iter().zip(&got).enumerate() {
        differences.extend(compare(expected, got).map(|difference| format!("call {index}: {difference}")));
        if got["duration"].as_f64().is_none_or(|seconds| !(0.0..5.0).contains(&seconds)) {
            differences.push(format!("call {index}: duration {}", got["duration"]));
        }
    }
    if heard.code != Some(0) {
        differences.push(format!("exit code {:?}: {}", heard.code, heard.err));
    }
    if heard.statistics["lost"].as_object().is_none_or(|lost| !lost.is_empty()) {
        differences.push(format!("something was lost: {}", heard.statistics));
    }
    if heard.statistics["unreadable"].get("tls").is_some() {
        differences.push(format!("not all TLS was read: {}", heard.statistics));
    }
    differences
}

fn watch(server: &Server) -> Result<Watch> {
    Watch::start(&["--json", "--port", &server.port.to_string()])
}

/// One client makes its calls to one server beside a `watch`.
fn check(kind: Kind, client: Client) -> Result<()> {
    let server = Server::start_tls(kind)?;
    let watch = watch(&server)?;
    let client_pid = server.make_calls(client)?;
    let heard = watch.stop()?;
    let mut expected = expected(kind, &server);
    for call in &mut expected {
        // wget is a process a call.
        if client != Client::Wget {
            call.insert("client.process.pid".into(), json!(client_pid));
        }
    }
    let mut differences = differences(&expected, &heard);
    let pids = server.pids();
    for exchange in &heard.exchanges {
        if !pids.iter().any(|pid| exchange["process.pid"] == *pid) {
            differences.push(format!("process.pid {} is none of {pids:?}", exchange["process.pid"]));
        }
        if !exchange["client.port"].is_u64() || !exchange["client.process.pid"].is_u64() {
            differences.push(format!("the client is not known: {exchange}"));
        }
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
    nginx_from_wget: Nginx from Wget;
    node_from_curl: Node from Curl;
    node_from_python: Node from Python;
    node_from_node: Node from Node;
    node_from_wget: Node from Wget;
    python_from_curl: Python from Curl;
    python_from_python: Python from Python;
    python_from_node: Python from Node;
    python_from_wget: Python from Wget;
    asyncio_from_curl: Asyncio from Curl;
    asyncio_from_python: Asyncio from Python;
    asyncio_from_node: Asyncio from Node;
    asyncio_from_wget: Asyncio from Wget;
    go_from_curl: Go from Curl;
    go_from_python: Go from Python;
    go_from_node: Go from Node;
    go_from_go: Go from Go;
    odd_go_from_curl: OddGo from Curl;
    odd_go_from_python: OddGo from Python;
    odd_go_from_node: OddGo from Node;
    odd_go_from_go: OddGo from Go;
    nginx_from_go: Nginx from Go;
    node_from_go: Node from Go;
    boring_ssl_from_curl: BoringSsl from Curl;
    boring_ssl_from_boring_ssl: BoringSsl from BoringSsl;
    nginx_from_boring_ssl: Nginx from BoringSsl;
    go_from_boring_ssl: Go from BoringSsl;
}

/// HTTP/2 as browsers and most clients speak it: agreed on within TLS. Every call of curl is heard as it was made.
fn check_http2(kind: Kind) -> Result<()> {
    let server = Server::start_http2(kind)?;
    let watch = watch(&server)?;
    server.make_calls(Client::Curl)?;
    let heard = watch.stop()?;
    let mut expected = expected(kind, &server);
    for call in &mut expected {
        call.insert("network.protocol.version".into(), json!("2"));
        // It answers and is done before it has read the body.
        if kind == Kind::Nginx {
            call.remove("http.request.body.size");
        }
    }
    let differences = differences(&expected, &heard);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

#[test]
fn nginx_by_http2() {
    check_http2(Kind::Nginx).unwrap();
}

#[test]
fn go_by_http2() {
    check_http2(Kind::Go).unwrap();
}

/// Many connections at once, each call told once and with the connection it was made on.
fn check_many(kind: Kind, client: (&str, &str)) -> Result<()> {
    let server = Server::start_tls(kind)?;
    let watch = watch(&server)?;
    let script = format!("{}/clients/{}", env!("CARGO_MANIFEST_DIR"), client.1);
    let [port, connections, each] = [u64::from(server.port), 16, 25].map(|number| number.to_string());
    let mut command = if client == GO {
        let mut command = Command::new(go("client")?);
        command.args([&port, "--many"]);
        command
    } else {
        let mut command = Command::new(program(client.0)?);
        command.args([&script, &port]);
        command
    };
    let output = command.args([connections, each]).output()?;
    let heard = watch.stop()?;
    if !output.status.success() {
        return Err(format!("a call failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let mut made = BTreeMap::new();
    for connection in told.as_array().ok_or("no connections")? {
        for name in connection["calls"].as_array().ok_or("no calls")? {
            made.insert(format!("n={}", name.as_str().ok_or("no name")?), connection["port"].clone());
        }
    }
    let mut wrong = Vec::new();
    for exchange in &heard.exchanges {
        let query = exchange["url.query"].as_str().unwrap_or_default();
        let right = exchange["http.response.status_code"] == 200
            && exchange["http.response.body.size"] == 7
            && exchange["url.path"] == "/items"
            && made.remove(query).is_some_and(|port| exchange["client.port"] == port);
        if !right {
            wrong.push(exchange.to_string());
        }
    }
    if wrong.is_empty() && made.is_empty() {
        return Ok(());
    }
    wrong.truncate(5);
    Err(format!(
        "of {} heard are wrong: {wrong:#?}\nnot heard: {made:?}\n{}",
        heard.exchanges.len(),
        heard.statistics
    )
    .into())
}

macro_rules! many {
    ($($name:ident: $kind:ident from $client:expr;)*) => {$(
        #[test]
        fn $name() {
            if let Err(error) = check_many(Kind::$kind, $client) {
                panic!("{error}");
            }
        }
    )*};
}

const PYTHON: (&str, &str) = ("python3", "many.py");
const NODE: (&str, &str) = ("node", "many.js");

const GO: (&str, &str) = ("go", "client.go");

many! {
    many_nginx_from_python: Nginx from PYTHON;
    many_nginx_from_node: Nginx from NODE;
    many_node_from_python: Node from PYTHON;
    many_node_from_node: Node from NODE;
    many_python_from_node: Python from NODE;
    many_asyncio_from_python: Asyncio from PYTHON;
    many_asyncio_from_node: Asyncio from NODE;
    many_go_from_python: Go from PYTHON;
    many_go_from_go: Go from GO;
    many_odd_go_from_go: OddGo from GO;
    many_nginx_from_go: Nginx from GO;
    many_boring_ssl_from_node: BoringSsl from NODE;
}

/// A client that has made its connection and one call, and makes the others when told to.
fn waiting_client(interpreter: &str, script: &str, server: &Server) -> Result<std::process::Child> {
    let mut command = if interpreter == "go" {
        Command::new(go(script)?)
    } else if interpreter == "c" {
        let mut command = Command::new(tls(Tls::BoringSsl)?);
        command.arg(script);
        command
    } else {
        let mut command = Command::new(program(interpreter)?);
        command.arg(format!("{}/clients/{script}", env!("CARGO_MANIFEST_DIR")));
        command
    };
    let mut client = command
        .args([&server.port.to_string(), "--tls", "--wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut ready = String::new();
    BufReader::new(client.stdout.take().ok_or("no output")?).read_line(&mut ready)?;
    if ready == "connected\n" { Ok(client) } else { Err("the client does not connect".into()) }
}

/// The connection and both processes were there before us, and the connection is idle when we come.
fn check_before(kind: Kind, client: (&str, &str)) -> Result<()> {
    let server = Server::start_tls(kind)?;
    let mut client = waiting_client(client.0, client.1, &server)?;
    let watch = watch(&server)?;
    client.stdin.take().ok_or("no input")?.write_all(b"go\n")?;
    let status = client.wait()?;
    let heard = watch.stop()?;
    let mut expected = expected(kind, &server);
    for call in &mut expected {
        call.insert("client.process.pid".into(), json!(client.id()));
    }
    let mut differences = differences(&expected, &heard);
    if !status.success() {
        differences.push(format!("the client: {status}"));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

#[test]
fn connections_that_were_there_before() {
    for (kind, client) in [
        (Kind::Python, ("python3", "client.py")),
        (Kind::Node, ("node", "client.js")),
        (Kind::Asyncio, ("node", "client.js")),
        (Kind::Go, ("go", "client")),
        (Kind::BoringSsl, ("c", "ask")),
    ] {
        if let Err(error) = check_before(kind, client) {
            panic!("{kind:?} from {client:?}: {error}");
        }
    }
}

/// Only the client is heard: what it says goes to somebody else's server.
#[test]
fn clients_alone_know_whom_they_ask() {
    for client in [("python3", "client.py"), ("node", "client.js"), ("go", "client"), ("c", "ask")] {
        let server = Server::start_tls(Kind::Python).unwrap();
        let mut child = waiting_client(client.0, client.1, &server).unwrap();
        let watch = Watch::start(&["--json", "--pid", &child.id().to_string()]).unwrap();
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert!(child.wait().unwrap().success());
        let heard = watch.stop().unwrap();
        let mut expected = expected(Kind::Python, &server);
        for call in &mut expected {
            call.insert("process.pid".into(), json!(child.id()));
            if call.get("http.response.status_code") == Some(&json!(404)) {
                call.insert("error.type".into(), json!("404"));
            }
        }
        let differences = differences(&expected, &heard);
        assert!(differences.is_empty(), "{client:?}: {}", differences.join("\n"));
    }
}

/// Only the server is heard, so that nothing its client was heard to say makes up for it.
#[test]
fn go_servers_alone_know_who_asks() {
    for kind in [Kind::Go, Kind::OddGo] {
        let server = Server::start_tls(kind).unwrap();
        let watch = Watch::start(&["--json", "--pid", &server.pids()[0].to_string()]).unwrap();
        server.make_calls(Client::Curl).unwrap();
        let heard = watch.stop().unwrap();
        let mut expected = expected(kind, &server);
        for call in &mut expected {
            call.insert("process.pid".into(), json!(server.pids()[0]));
        }
        let differences = differences(&expected, &heard);
        assert!(differences.is_empty(), "{kind:?}: {}", differences.join("\n"));
    }
}

/// A Go program's connection is known by its file descriptor, which the next connection gets; and that is not to be heard.
#[test]
fn a_file_descriptor_that_is_used_again() {
    let (server, other) =
        (Server::start_tls(Kind::Python).unwrap(), Server::start_tls(Kind::Python).unwrap());
    let watch = watch(&server).unwrap();
    let ports = [&server, &other].map(|server| server.port.to_string());
    let client = Command::new(go("client").unwrap()).args([&ports[0], "--tls", "--then", &ports[1]]).status();
    assert!(client.unwrap().success());
    let heard = watch.stop().unwrap();
    let differences = differences(&expected(Kind::Python, &server), &heard);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// A program that gives its library bytes in one thread and uses the socket in another.
#[test]
fn a_session_whose_socket_does_not_show_is_told_and_says_so() {
    let server = Server::start_tls(Kind::Nginx).unwrap();
    let mut child = waiting_client("python3", "bio.py", &server).unwrap();
    let watch = Watch::start(&["--json", "--pid", &child.id().to_string()]).unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(child.wait().unwrap().success());
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.exchanges);
    let exchange = &heard.exchanges[0];
    assert_eq!(exchange["overhear.connection"], "unknown", "{exchange}");
    assert_eq!(exchange["url.query"], "from=memory");
    assert_eq!(exchange["http.response.body.size"], 7);
    assert_eq!(exchange["process.pid"], child.id(), "{exchange}");
    assert!(exchange.get("client.address").is_none(), "{exchange}");
}

/// 0-RTT (RFC 8446 §2.3): a request that comes with the first flight, before there is a connection to speak of.
#[test]
fn early_data_of_a_session_that_is_resumed() {
    let server = Server::start_tls(Kind::Nginx).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [session, request] = ["session", "request"].map(|name| folder.path().join(name));
    std::fs::write(&request, "GET /items?early=yes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let ask = |arguments: &[&str], input: &str| {
        let mut command = Command::new(program("openssl").unwrap());
        command.args(["s_client", "-tls1_3", "-ign_eof", "-connect", &format!("127.0.0.1:{}", server.port)]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat()
    };
    let first = "GET /items?early=no HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    let said = ask(&["-sess_out", session.to_str().unwrap()], first);
    assert!(session.is_file(), "{said}");
    let arguments = ["-sess_in", session.to_str().unwrap(), "-early_data", request.to_str().unwrap()];
    let said = ask(&arguments, "");
    assert!(said.contains("Early data was accepted") && said.contains("[1,2,3]"), "{said}");
    let heard = watch.stop().unwrap();
    let queries: Vec<&str> =
        heard.exchanges.iter().filter_map(|exchange| exchange["url.query"].as_str()).collect();
    assert_eq!(queries, ["early=no", "early=yes"], "{:?} {}", heard.exchanges, heard.statistics);
    for exchange in &heard.exchanges {
        assert_eq!(exchange["http.response.status_code"], 200, "{exchange}");
        assert_eq!(exchange["http.response.body.size"], 7, "{exchange}");
        assert_eq!(exchange["server.port"], server.port, "{exchange}");
    }
}

/// Each call once, and all of them of this client.
fn assert_client_is_heard(kind: Kind, server: &Server, client: u32, heard: &Heard) {
    let mut expected = expected(kind, server);
    for call in &mut expected {
        call.insert("client.process.pid".into(), json!(client));
    }
    let differences = differences(&expected, heard);
    assert!(differences.is_empty(), "{kind:?}: {}", differences.join("\n"));
}

/// The server starts while we listen.
#[test]
fn programs_that_start_later() {
    for kind in [Kind::Nginx, Kind::Node, Kind::Python] {
        let port = free_port().unwrap();
        let watch = Watch::start(&["--json", "--port", &port.to_string()]).unwrap();
        let server = Server::start_tls_at(port, kind).unwrap();
        std::thread::sleep(Duration::from_secs(1));
        let pid = server.make_calls(Client::Curl).unwrap();
        let heard = watch.stop().unwrap();
        assert_client_is_heard(kind, &server, pid, &heard);
    }
}

/// Links to probes that a process holds, by its open files, of which the kernel says this, too.
fn links(pid: u32, what: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts
        .filter(|text| text.lines().any(|line| line.starts_with("link_type:") && line.contains("probe")))
        .filter(|text| text.contains(what))
        .filter_map(|text| text.lines().find_map(|line| line.strip_prefix("link_id:")?.trim().parse().ok()))
        .collect()
}

/// Those of the links that are there, whoever holds them.
fn probes_of(ids: &[u32]) -> usize {
    let links = aya::programs::loaded_links().filter_map(std::result::Result::ok);
    links.filter(|link| ids.contains(&link.id())).count()
}

#[test]
fn programs_that_come_and_go_leave_no_probes() {
    let watch = Watch::start(&["--json", "--port", "9"]).unwrap();
    let probes = || links(watch.pid(), "libssl.so").len();
    let before = probes();
    assert!(before > 0, "no library of this machine is probed");
    for _ in 0..5 {
        let server = Server::start_tls(Kind::Nginx).unwrap();
        server.make_calls(Client::Curl).unwrap();
    }
    assert_eq!(probes(), before);
}

/// A library of a container, or one that was replaced: probed while somebody has it, then no more. By a listener that has given
/// up its rights.
#[test]
fn a_library_is_probed_as_long_as_somebody_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let installed = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"]
        .map(|folder| format!("{folder}/libssl.so.3"))
        .into_iter()
        .find(|path| std::path::Path::new(path).is_file())
        .unwrap();
    std::fs::copy(installed, folder.path().join("libssl.so.3")).unwrap();
    let server = Server::start_tls(Kind::Nginx).unwrap();
    let port = server.port.to_string();
    let watch = Watch::start(&["--json", "--user", "nobody", "--port", &port]).unwrap();
    // The kernel (6.17 and later) says of a link which file it is in; others come and go with other tests.
    let probes = || links(watch.pid(), folder.path().to_str().unwrap()).len();
    assert_eq!(probes(), 0);
    let url = format!("https://127.0.0.1:{}/items?own=library", server.port);
    let curl = format!("sleep 2; curl --insecure --silent {url}; sleep 2");
    // The shell is not linked with it: something that is must hold it meanwhile.
    let mut holder = Command::new("curl");
    holder.args(["--silent", "--max-time", "6", "http://127.0.0.1:1", "--retry", "9", "--retry-connrefused"]);
    let mut holder = holder.env("LD_LIBRARY_PATH", folder.path()).spawn().unwrap();
    let status =
        Command::new("sh").args(["-c", &curl]).env("LD_LIBRARY_PATH", folder.path()).status().unwrap();
    assert!(status.success());
    assert!(probes() > 0, "a library that is mapped is probed");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let began = Instant::now();
    while probes() > 0 {
        assert!(began.elapsed() < Duration::from_secs(40), "its probes stay");
        std::thread::sleep(Duration::from_millis(100));
    }
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.exchanges);
    assert_eq!(heard.exchanges[0]["url.query"], "own=library");
}

#[test]
fn doctor_says_whose_tls_is_heard() {
    let (nginx, node) = (Server::start_tls(Kind::Nginx).unwrap(), Server::start_tls(Kind::Node).unwrap());
    let told = run(&["doctor", "--json"]).unwrap().document().unwrap();
    for server in [nginx, node] {
        let pid = server.pids()[0];
        let processes = told["processes"].as_array().unwrap();
        let found = processes.iter().find(|process| process["process.pid"] == pid).unwrap();
        let tls = found["tls"].to_string();
        assert!(tls.contains("OpenSSL 3."), "{found}");
        assert_eq!(found["obstacles"], json!([]), "{found}");
    }
}

#[test]
fn without_it_nothing_is_probed_and_tls_is_unreadable() {
    let server = Server::start_tls(Kind::Python).unwrap();
    let watch = Watch::start(&["--json", "--no-tls", "--port", &server.port.to_string()]).unwrap();
    assert_eq!(links(watch.pid(), "").len(), 0);
    server.make_calls(Client::Curl).unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges, Vec::<Value>::new());
    assert_eq!(heard.statistics["unreadable"]["tls"], 1, "{}", heard.statistics);
}

/// As on Linux 6.3 to 6.5, whose links hold one probe each.
#[test]
fn probes_that_are_attached_one_by_one_hear_the_same() {
    for kind in [Kind::Nginx, Kind::Node, Kind::Go, Kind::BoringSsl] {
        let server = Server::start_tls(kind).unwrap();
        let arguments = ["--json", "--port", &server.port.to_string()];
        let watch = Watch::start_with(&arguments, &[("OVERHEAR_UPROBES", "each")], |_| true).unwrap();
        assert_eq!(links(watch.pid(), "uprobe_multi").len(), 0);
        let pid = server.make_calls(Client::Python).unwrap();
        let heard = watch.stop().unwrap();
        assert_client_is_heard(kind, &server, pid, &heard);
    }
}

#[test]
fn no_probe_outlives_us() {
    for name in ["KILL", "INT"] {
        let watch = Watch::start(&["--json", "--port", "9"]).unwrap();
        let pid = watch.pid();
        let links = links(pid, "");
        assert!(!links.is_empty() && probes_of(&links) == links.len(), "{links:?}");
        signal(pid, name).unwrap();
        assert_eq!(watch.heard().is_ok(), name != "KILL", "{name}");
        let began = Instant::now();
        while probes_of(&links) > 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "{name} leaves probes attached");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
