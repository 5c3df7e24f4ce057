//! HTTP/2 and gRPC live: real servers and clients without TLS. As root only, and never skipped.

use overhear_tests::{
    Result, judge,
    page::until,
    program::{Heard, Watch, run, signal},
    server::{cache, free_port, program},
};
use serde_json::{Value, json};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A process that is ended with the test.
struct Running(Child);

impl Running {
    /// Starts a server and waits until it accepts connections.
    fn serve(command: &mut Command, port: u16) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut running = Self(child);
        let begun = Instant::now();
        while TcpStream::connect_timeout(
            &SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            Duration::from_millis(200),
        )
        .is_err()
        {
            if let Some(status) = running.0.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("the server does not accept connections".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let begun = Instant::now();
        let _ = signal(self.0.id(), "TERM");
        while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until nothing more is written to a file. A busy machine may leave its writer waiting for a second or two.
fn settled(file: &Path) {
    let size = || fs::metadata(file).map_or(0, |metadata| metadata.len());
    let (mut last, mut same, begun) = (0, 0, Instant::now());
    while same < 3 && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_secs(1));
        let now = size();
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
    }
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Python with the packages of `cargo xtask setup`.
fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(program("python3")?);
    command.env("PYTHONPATH", cache().join("grpc")).env("PYTHONDONTWRITEBYTECODE", "1").arg(here(script));
    Ok(command)
}

fn node(script: &str) -> Result<Command> {
    let mut command = Command::new(program("node")?);
    command.env("NODE_PATH", cache().join("connect/node_modules")).arg(here(script));
    Ok(command)
}

fn node_server() -> Result<(Running, u16)> {
    let port = free_port()?;
    Ok((Running::serve(node("servers/http2.js")?.arg(port.to_string()), port)?, port))
}

fn nghttpd(folder: &Path) -> Result<(Running, u16)> {
    let port = free_port()?;
    fs::write(folder.join("items"), "[1,2,3]")?;
    fs::write(folder.join("other"), "other")?;
    let mut command = Command::new(program("nghttpd")?);
    command.args(["--no-tls", "--address", "127.0.0.1", "--htdocs"]).arg(folder).arg(port.to_string());
    Ok((Running::serve(&mut command, port)?, port))
}

fn hypercorn() -> Result<(Running, u16)> {
    let port = free_port()?;
    let mut command = Command::new(program("python3")?);
    command.env("PYTHONPATH", cache().join("grpc")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(["-m", "hypercorn", "--bind", &format!("127.0.0.1:{port}"), "asgi:app"]);
    command.current_dir(here("servers"));
    Ok((Running::serve(&mut command, port)?, port))
}

fn watch(port: u16) -> Result<Watch> {
    Watch::start(&["--json", "--port", &port.to_string()])
}

fn curl(arguments: &[&str]) -> Result<()> {
    let status = Command::new(program("curl")?)
        .args(["--silent", "--output", "/dev/null"])
        .args(arguments)
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("curl: {status}").into()) }
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// Method, path, query, version, status and sizes of each exchange, in no particular order.
fn told(heard: &Heard) -> Vec<String> {
    let mut told: Vec<_> = heard
        .exchanges
        .iter()
        .map(|e| {
            let text = |key: &str| match e.get(key) {
                None => "-".to_owned(),
                Some(value) => value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned),
            };
            [
                "http.request.method",
                "url.path",
                "url.query",
                "network.protocol.version",
                "http.response.status_code",
                "http.request.body.size",
                "http.response.body.size",
                "error.type",
            ]
            .map(text)
            .join(" ")
        })
        .collect();
    told.sort();
    told
}

fn check(heard: &Heard, expected: &[&str]) {
    let mut expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
    expected.sort();
    assert_eq!(told(heard), expected, "{}", heard.err);
    for exchange in &heard.exchanges {
        let (duration, first) = (exchange["duration"].as_f64(), exchange["time_to_first_byte"].as_f64());
        let answered = exchange.get("http.response.status_code").is_some();
        assert!(
            !answered || duration.is_some_and(|d| d < 5.0 && first.is_some_and(|f| f <= d)),
            "{exchange}"
        );
        assert!(exchange["process.pid"].is_u64() && exchange["client.process.pid"].is_u64(), "{exchange}");
    }
}

#[test]
fn node_from_node_with_streams_side_by_side() {
    let (_server, port) = node_server().unwrap();
    let watch = watch(port).unwrap();
    succeed(node("clients/http2.js").unwrap().args([&port.to_string(), "--reset"])).unwrap();
    let heard = watch.stop().unwrap();
    check(
        &heard,
        &[
            "GET /slow - 2 200 0 4 -",
            "GET /items n=0 2 200 0 7 -",
            "GET /items n=1 2 200 0 7 -",
            "POST /orders - 2 201 9 8 -",
            "GET /missing - 2 404 0 7 -",
            "GET /fails - 2 500 0 4 500",
            "GET /reset - 2 - 0 - INTERNAL_ERROR",
        ],
    );
    let slow = heard.exchanges.iter().find(|exchange| exchange["url.path"] == "/slow").unwrap();
    assert!(slow["duration"].as_f64().unwrap() >= 0.05, "{slow}");
}

#[test]
fn node_and_nghttpd_from_curl() {
    let folder = tempfile::tempdir().unwrap();
    for (server, port) in [node_server().unwrap(), nghttpd(folder.path()).unwrap()] {
        let watch = watch(port).unwrap();
        let url = format!("http://127.0.0.1:{port}/items");
        // Debian's curl fails when it uses such a connection again.
        curl(&["--http2-prior-knowledge", &url]).unwrap();
        curl(&["--http2-prior-knowledge", &format!("{url}?n=2")]).unwrap();
        let heard = watch.stop().unwrap();
        check(&heard, &["GET /items - 2 200 0 7 -", "GET /items n=2 2 200 0 7 -"]);
        drop(server);
    }
}

/// Hypercorn takes both ways to HTTP/2 without TLS.
#[test]
fn hypercorn_by_upgrade_and_by_prior_knowledge() {
    let (_server, port) = hypercorn().unwrap();
    let watch = watch(port).unwrap();
    let url = format!("http://127.0.0.1:{port}/items");
    curl(&["--http2", &url, "--output", "/dev/null", &format!("{url}?n=9")]).unwrap();
    succeed(python("clients/http2.py").unwrap().arg(port.to_string())).unwrap();
    let heard = watch.stop().unwrap();
    check(
        &heard,
        &[
            "GET /items - 1.1 200 0 7 -",
            "GET /items n=9 2 200 0 7 -",
            "GET /items n=0 2 200 0 7 -",
            "GET /items n=1 2 200 0 7 -",
            "GET /items n=2 2 200 0 7 -",
            "POST /orders - 2 201 9 8 -",
            "GET /missing - 2 404 0 7 -",
            "GET /fails - 2 500 0 4 500",
        ],
    );
}

/// A load generator runs before we come: no path that was never asked for, and those asked for since are exact.
#[test]
fn joined_while_h2load_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = nghttpd(folder.path()).unwrap();
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let mut load = Command::new(program("h2load").unwrap());
    load.args(["--duration", "8", "--clients", "2", "--max-concurrent-streams", "4", "--rps", "40"]);
    load.args([url("items"), url("other")]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut load = Running(load.spawn().unwrap());
    std::thread::sleep(Duration::from_secs(1));
    let watch = watch(port).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    curl(&["--http2-prior-knowledge", &url("items?since=1")]).unwrap();
    while load.0.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let heard = watch.stop().unwrap();
    let mut whole = 0;
    for exchange in &heard.exchanges {
        let path = exchange["url.path"].as_str().unwrap();
        assert!(["/items", "/other"].contains(&path) || path.starts_with("{?"), "{exchange}");
        let size = exchange["http.response.body.size"].as_u64();
        whole +=
            u64::from(exchange["http.response.status_code"] == 200 && (size == Some(7) || size == Some(5)));
    }
    assert!(whole > 100, "{whole} of {} are whole; {}", heard.exchanges.len(), heard.statistics);
    assert!(heard.exchanges.iter().any(|e| e["url.query"] == "since=1" && e["url.path"] == "/items"));
}

/// What a load generator counts is what is heard.
#[test]
fn every_request_of_h2load_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = nghttpd(folder.path()).unwrap();
    let watch = Watch::start_keeping(&["--json", "--port", &port.to_string()], |_| true).unwrap();
    let url = format!("http://127.0.0.1:{port}/items");
    let mut load = Command::new(program("h2load").unwrap());
    load.args(["--requests", "2000", "--clients", "4", "--max-concurrent-streams", "20", &url]);
    succeed(&mut load).unwrap();
    let heard = watch.stop().unwrap();
    let right = |exchange: &&Value| {
        exchange["url.path"] == "/items"
            && exchange["http.response.status_code"] == 200
            && exchange["http.response.body.size"] == 7
    };
    let (whole, all) = (heard.exchanges.iter().filter(right).count(), heard.exchanges.len());
    assert_eq!((whole, all), (2000, 2000), "{}", heard.statistics);
}

fn grpc_server() -> Result<(Running, u16)> {
    let port = free_port()?;
    Ok((Running::serve(python("servers/grpc_server.py")?.arg(port.to_string()), port)?, port))
}

#[test]
fn grpc_calls_of_all_kinds() {
    let (_server, port) = grpc_server().unwrap();
    let watch = watch(port).unwrap();
    succeed(python("clients/grpc_client.py").unwrap().arg(port.to_string())).unwrap();
    let heard = watch.stop().unwrap();
    let mut calls: Vec<_> = heard
        .exchanges
        .iter()
        .map(|e| {
            assert_eq!(e["rpc.system.name"], "grpc", "{e}");
            assert_eq!(e["rpc.service"], "shop.v1.Orders");
            assert_eq!(e["http.route"], e["rpc.method"]);
            let keys = [
                "rpc.method",
                "rpc.response.status_code",
                "rpc.grpc.status_code",
                "rpc.requests_per_rpc",
                "rpc.responses_per_rpc",
                "error.type",
            ];
            keys.map(|key| e[key].to_string().replace('"', "")).join(" ")
        })
        .collect();
    calls.sort();
    let mut expected = vec!["shop.v1.Orders/Get OK 0 1 1 null"; 7];
    expected.extend([
        "shop.v1.Orders/Get NOT_FOUND 5 1 0 null",
        "shop.v1.Orders/Get INTERNAL 13 1 0 INTERNAL",
        "shop.v1.Orders/List OK 0 1 5 null",
        "shop.v1.Orders/Upload OK 0 3 1 null",
        "shop.v1.Orders/Chat OK 0 2 2 null",
    ]);
    expected.sort_unstable();
    assert_eq!(calls, expected, "{}", heard.err);
    assert!(
        heard.exchanges.iter().any(|exchange| exchange["rpc.deadline"].as_f64().is_some_and(|d| d > 4.0))
    );
}

/// The page tells what the messages are made of, by number, as deep as they go.
#[test]
fn shapes_of_grpc_messages_are_on_the_page() {
    let (_server, port) = grpc_server().unwrap();
    let watch = Watch::start(&["--json", "--port", &port.to_string(), "--listen", "127.0.0.1:0"]).unwrap();
    let page = watch.told("the page is ").unwrap();
    succeed(python("clients/grpc_client.py").unwrap().arg(port.to_string())).unwrap();
    let endpoint = "service=grpc_server&protocol=grpc&method=POST&route=shop.v1.Orders%2FGet";
    let described = until(&page, &format!("describe?{endpoint}"), |answer| answer["requests"] == 9);
    let procedure = &described["procedure"];
    assert_eq!(
        (&procedure["request"]["messages"], &procedure["request"]["streams"]),
        (&json!(9), &json!(false))
    );
    let fields = procedure["response"]["fields"].as_array().unwrap();
    let lines = fields.iter().position(|field| field["name"] == "field_3").unwrap();
    assert_eq!(fields[lines]["type"], "repeated message", "{described}");
    assert_eq!(
        (&fields[lines + 2]["name"], &fields[lines + 2]["type"], &fields[lines + 2]["depth"]),
        (&json!("field_2"), &json!("double"), &json!(1)),
        "{described}"
    );
    let seen = judge::looks(&page, &format!("/endpoint?{endpoint}"), "[aria-label=Response] .field").unwrap();
    for words in
        ["Request", "protobuf9 messages", "field_1", "repeated message", "bytes", "As a .proto sketch"]
    {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    watch.stop().unwrap();
}

/// A client asks the server what its messages are called: from then on they are called so, also by who listens later.
#[test]
fn names_that_a_server_tells_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (store, sketch) = (folder.path().join("store"), folder.path().join("sketch.proto"));
    let (store, sketch) = (store.to_str().unwrap(), sketch.to_str().unwrap());
    let (_server, port) = grpc_server().unwrap();
    let endpoint = "service=grpc_server&protocol=grpc&method=POST&route=shop.v1.Orders%2FGet";
    for (asked, calls) in [(true, 9), (false, 18)] {
        let listen = ["--json", "--port", &port.to_string(), "--store", store, "--listen", "127.0.0.1:0"];
        let watch = Watch::start(&listen).unwrap();
        let page = watch.told("the page is ").unwrap();
        let mut client = python("clients/grpc_client.py").unwrap();
        succeed(client.arg(port.to_string()).args(asked.then_some("--reflect"))).unwrap();
        let described = until(&page, &format!("describe?{endpoint}"), |answer| {
            answer["requests"] == calls && answer["procedure"]["response"]["fields"][2]["name"] == "lines"
        });
        let fields = described["procedure"]["response"]["fields"].as_array().unwrap();
        let names: Vec<_> = fields.iter().filter_map(|field| field["name"].as_str()).collect();
        assert!(names.starts_with(&["id", "customer", "lines", "title", "price"]), "{names:?}");
        let proto = described["procedure"]["proto"].as_str().unwrap();
        assert!(proto.contains("rpc Get(GetOrder) returns (Order)"), "{proto}");
        watch.stop().unwrap();
    }
    let shown = run(&["show", "shop.v1.Orders/List", "--store", store]).unwrap();
    assert!(shown.out.contains("rpc List(ListOrders) returns (stream Order)"), "{}{}", shown.out, shown.err);
    let said = run(&["spec", "--format", "proto", "--store", store, "--output", sketch]).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    succeed(python("judges/sketch.py").unwrap().arg(sketch).arg("--names")).unwrap();
}

/// Captured, learned, sketched; compiled by protoc, and read with it.
#[test]
fn a_sketch_of_grpc_messages_compiles_and_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = grpc_server().unwrap();
    let capture = folder.path().join("grpc.pcap");
    let mut tcpdump = Command::new(program("tcpdump").unwrap());
    tcpdump
        .args(["-i", "lo", "--immediate-mode", "-Z", "root", "-U", "-B", "65536", "-s", "0", "-w"])
        .arg(&capture)
        .args(["tcp", "port", &port.to_string()]);
    let tcpdump = Running(tcpdump.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while fs::metadata(&capture).map_or(0, |metadata| metadata.len()) < 24
        && begun.elapsed() < Duration::from_secs(10)
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    succeed(python("clients/grpc_client.py").unwrap().args([&port.to_string(), "--reflect"])).unwrap();
    settled(&capture);
    drop(tcpdump);
    let sketch = folder.path().join("sketch.proto");
    let spec = |more: &[&str]| {
        let mut words = vec!["spec", "--format", "proto", "--from", capture.to_str().unwrap(), "--output"];
        words.push(sketch.to_str().unwrap());
        words.extend(more);
        run(&words).unwrap()
    };
    // Reflection was heard: its names are used.
    let said = spec(&[]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    succeed(python("judges/sketch.py").unwrap().arg(&sketch).arg("--names")).unwrap();
    // Without it (the calls alone) it is numbers.
    let said = spec(&["--where", "!http.route.startsWith(\"grpc.\")"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    succeed(python("judges/sketch.py").unwrap().arg(&sketch)).unwrap();
    assert!(fs::read_to_string(&sketch).unwrap().contains("field_1"));
    // And with a descriptor set it has names again.
    let set = folder.path().join("set");
    let mut protoc = Command::new(program("python3").unwrap());
    protoc
        .env("PYTHONPATH", cache().join("grpc"))
        .args(["-m", "grpc_tools.protoc", "-I"])
        .arg(here("servers"));
    succeed(protoc.arg(format!("--descriptor_set_out={}", set.display())).arg("shop.proto")).unwrap();
    let said = spec(&["--where", "!http.route.startsWith(\"grpc.\")", "--proto", set.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    succeed(python("judges/sketch.py").unwrap().arg(&sketch).arg("--names")).unwrap();
    let said = run(&["endpoints", "--json", "--from", capture.to_str().unwrap()]).unwrap();
    let endpoints = said.document().unwrap();
    let get = endpoints.as_array().unwrap().iter().find(|e| e["route"] == "shop.v1.Orders/Get").unwrap();
    assert_eq!((&get["protocol"], &get["requests"], &get["errors"]), (&json!("grpc"), &json!(9), &json!(1)));
    let shown = run(&["show", "shop.v1.Orders/List", "--from", capture.to_str().unwrap()]).unwrap();
    assert!(shown.out.contains("returns (stream Order)"), "{}{}", shown.out, shown.err);
}

/// The same service by Connect's own server, from clients of all three protocols.
#[test]
fn connect_and_grpc_web() {
    let port = free_port().unwrap();
    let set = tempfile::tempdir().unwrap();
    let file = set.path().join("set");
    let mut protoc = Command::new(program("python3").unwrap());
    protoc
        .env("PYTHONPATH", cache().join("grpc"))
        .args(["-m", "grpc_tools.protoc", "-I"])
        .arg(here("servers"));
    succeed(protoc.arg(format!("--descriptor_set_out={}", file.display())).arg("shop.proto")).unwrap();
    let mut server = node("servers/connect.js").unwrap();
    let _server = Running::serve(server.arg(port.to_string()).arg(&file), port).unwrap();
    let watch = watch(port).unwrap();
    succeed(node("clients/connect.js").unwrap().arg(port.to_string()).arg(&file)).unwrap();
    let heard = watch.stop().unwrap();
    let mut calls: Vec<_> = heard
        .exchanges
        .iter()
        .map(|e| {
            let keys = [
                "network.protocol.version",
                "rpc.system.name",
                "rpc.method",
                "rpc.response.status_code",
                "rpc.requests_per_rpc",
                "rpc.responses_per_rpc",
            ];
            keys.map(|key| e[key].to_string().replace('"', "")).join(" ")
        })
        .collect();
    calls.sort();
    let mut expected = Vec::new();
    for (version, system) in
        [("1.1", "connectrpc"), ("2", "connectrpc"), ("1.1", "grpc"), ("2", "grpc"), ("2", "grpc")]
    {
        // An error of Connect is a message of its own.
        let failed = u8::from(system == "connectrpc");
        expected.extend([
            format!("{version} {system} shop.v1.Orders/Get OK 1 1"),
            format!("{version} {system} shop.v1.Orders/Get NOT_FOUND 1 {failed}"),
            format!("{version} {system} shop.v1.Orders/List OK 1 3"),
        ]);
    }
    expected.sort();
    assert_eq!(calls, expected, "{}", heard.err);
}
