//! Connections that become TLS half-way: CONNECT through a proxy, STARTTLS. As root only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_tests::{
    Result,
    program::{Heard, Watch},
    server::{Kind, Server, cache, certificate, free_port, program},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Debian's tinyproxy, until it is dropped.
struct Proxy {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Proxy {
    fn start() -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let settings = folder.path().join("tinyproxy.conf");
        let log = folder.path().join("log");
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 64\nLogFile \"{}\"\n",
            log.display()
        );
        std::fs::write(&settings, text)?;
        let mut command = Command::new(program("tinyproxy")?);
        command.arg("-d").arg("-c").arg(settings).stdin(Stdio::null()).stdout(Stdio::null());
        let proxy = Self { child: command.stderr(Stdio::null()).spawn()?, port, _folder: folder };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > Duration::from_secs(20) {
                return Err("tinyproxy does not accept connections".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// curl asks for these, one after the other. Gives its process id.
fn through(proxy: &Proxy, urls: &[String]) -> Result<u32> {
    let mut curl = Command::new(program("curl")?);
    curl.args(["--silent", "--insecure", "--proxy", &format!("http://127.0.0.1:{}", proxy.port)]);
    for url in urls {
        curl.args(["--output", "/dev/null"]).arg(url);
    }
    let mut curl = curl.spawn()?;
    let (pid, status) = (curl.id(), curl.wait()?);
    if status.success() { Ok(pid) } else { Err(format!("curl: {status}").into()) }
}

fn of<'a>(heard: &'a Heard, method: &str) -> Vec<&'a Value> {
    heard.exchanges.iter().filter(|exchange| exchange["http.request.method"] == method).collect()
}

/// Asks the server for three things through the proxy, in one tunnel, while `watch` with these options hears it. Gives what
/// was heard, and which process asked.
fn heard_through(server: &Server, proxy: &Proxy, options: &[&str]) -> (Heard, u32) {
    let watch = Watch::start(&[&["--json"], options].concat()).unwrap();
    let url = |number: u32| format!("https://127.0.0.1:{}/items?n={number}", server.port);
    let pid = through(proxy, &[url(0), url(1), url(2)]).unwrap();
    (watch.stop().unwrap(), pid)
}

/// Each call once, and nothing is lost.
fn calls(heard: &Heard) -> Vec<&Value> {
    let calls = of(heard, "GET");
    let queries: Vec<_> = calls.iter().filter_map(|call| call["url.query"].as_str()).collect();
    assert_eq!(queries, ["n=0", "n=1", "n=2"], "{:#?}", heard.exchanges);
    for call in &calls {
        assert_eq!((&call["url.scheme"], &call["url.path"]), (&json!("https"), &json!("/items")), "{call}");
        assert_eq!(call["http.response.body.size"], 7, "{call}");
    }
    assert_eq!(heard.statistics["lost"], json!({}), "{}", heard.statistics);
    calls
}

/// Whoever leads there, a call is between the program that asks and the one that answers. It asked at this port.
fn is_between(call: &Value, client: u32, server: &Server, port: u16) {
    assert!(server.pids().iter().any(|pid| call["process.pid"] == *pid), "{call}");
    assert_eq!(call["client.process.pid"], client, "{call}");
    assert_eq!((&call["server.address"], &call["server.port"]), (&json!("127.0.0.1"), &json!(port)));
}

/// The tunnel is a call of its own, and each call through it is told once, though both its ends are heard.
#[test]
fn a_tunnel_and_the_calls_through_it_are_heard() {
    for kind in [Kind::Python, Kind::Node, Kind::Nginx, Kind::Go] {
        let (server, proxy) = (Server::start_tls(kind).unwrap(), Proxy::start().unwrap());
        let ports = [server.port, proxy.port].map(|port| port.to_string());
        let (heard, curl) = heard_through(&server, &proxy, &["--port", &ports[0], "--port", &ports[1]]);
        let tunnels = of(&heard, "CONNECT");
        assert_eq!(tunnels.len(), 1, "{kind:?} {:#?}", heard.exchanges);
        assert_eq!(tunnels[0]["http.response.status_code"], 200, "{}", tunnels[0]);
        // It says whom it wants to be led to, and by whom.
        assert_eq!(tunnels[0]["server.port"], server.port, "{}", tunnels[0]);
        assert_eq!(tunnels[0]["service.name"], "tinyproxy", "{}", tunnels[0]);
        assert_eq!(tunnels[0]["client.process.pid"], curl, "{}", tunnels[0]);
        for call in calls(&heard) {
            is_between(call, curl, &server, server.port);
            assert_eq!(call["client.port"], tunnels[0]["client.port"], "{call}");
        }
        assert_eq!(heard.exchanges.len(), 4, "{kind:?} {:#?}", heard.exchanges);
        assert_eq!(heard.statistics["unreadable"], json!({}), "{kind:?} {}", heard.statistics);
    }
}

/// The server's plaintext is not heard, its socket is: what the client hears is told, as the server's.
#[test]
fn calls_through_a_tunnel_to_a_server_that_is_left_alone_are_told_by_their_client() {
    let (server, proxy) = (Server::start_tls(Kind::Node).unwrap(), Proxy::start().unwrap());
    let ports = [server.port, proxy.port].map(|port| port.to_string());
    let options = ["--port", &ports[0], "--port", &ports[1], "--no-tls-for", "node"];
    let (heard, curl) = heard_through(&server, &proxy, &options);
    calls(&heard).into_iter().for_each(|call| is_between(call, curl, &server, server.port));
    assert_eq!(heard.exchanges.len(), 4, "{:#?}", heard.exchanges);
    assert_eq!(heard.statistics["unreadable"], json!({}), "{}", heard.statistics);
}

/// Nothing but the client is heard: it knows whom it asked for, and that is not the proxy.
#[test]
fn a_client_alone_knows_whom_it_asks_through_a_tunnel() {
    let (server, proxy) = (Server::start_tls(Kind::Python).unwrap(), Proxy::start().unwrap());
    let arguments = format!(
        "--silent --insecure --output /dev/null --proxy http://127.0.0.1:{} https://127.0.0.1:{}/items",
        proxy.port, server.port
    );
    let mut curl = Command::new("sh");
    curl.args(["-c", &format!("read go; exec curl {arguments}")]).stdin(Stdio::piped());
    let mut curl = curl.spawn().unwrap();
    let watch = Watch::start(&["--json", "--pid", &curl.id().to_string()]).unwrap();
    curl.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(curl.wait().unwrap().success());
    let heard = watch.stop().unwrap();
    let asked = of(&heard, "GET");
    let [call] = asked.as_slice() else { panic!("{:#?}", heard.exchanges) };
    assert_eq!((&call["server.address"], &call["server.port"]), (&json!("127.0.0.1"), &json!(server.port)));
    assert_eq!(call["process.pid"], curl.id(), "it is the client's own call: {call}");
    assert_eq!(heard.exchanges.len(), 2, "and the tunnel: {:#?}", heard.exchanges);
}

/// Of the client no plaintext is heard, its socket is: who answers says who asked, and that is not the proxy.
#[test]
fn who_asks_through_a_tunnel_is_known_without_its_plaintext() {
    let (server, proxy) = (Server::start_tls(Kind::Python).unwrap(), Proxy::start().unwrap());
    let ports = [server.port, proxy.port].map(|port| port.to_string());
    let options = ["--json", "--port", &ports[0], "--port", &ports[1], "--no-tls-for", "libgnutls.so.30"];
    let watch = Watch::start(&options).unwrap();
    let mut wget = Command::new(program("wget").unwrap());
    wget.args(["--quiet", "--no-check-certificate", "--output-document", "/dev/null"])
        .env("https_proxy", format!("http://127.0.0.1:{}", proxy.port))
        .args((0..3).map(|number| format!("https://127.0.0.1:{}/items?n={number}", server.port)));
    let mut wget = wget.spawn().unwrap();
    assert!(wget.wait().unwrap().success());
    let heard = watch.stop().unwrap();
    calls(&heard).into_iter().for_each(|call| is_between(call, wget.id(), &server, server.port));
}

/// A relay that nobody asks for anything, and many connections over it at once: each call once, and which is whose is certain.
#[test]
fn many_calls_at_once_over_a_port_that_is_passed_on_are_told_once() {
    const CALLS: usize = 24;
    let (server, port) = (Server::start_tls(Kind::Python).unwrap(), free_port().unwrap());
    let relay = Path::new(env!("CARGO_MANIFEST_DIR")).join("sealed/relay.py");
    let mut relay = Command::new(program("python3").unwrap())
        .arg(relay)
        .args([port, server.port].map(|port| port.to_string()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the relay does not accept connections");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ports = [server.port, port].map(|port| port.to_string());
    let watch = Watch::start(&["--json", "--port", &ports[0], "--port", &ports[1]]).unwrap();
    let mut curl = Command::new(program("curl").unwrap());
    curl.args(["--silent", "--insecure", "--parallel", "--parallel-immediate", "--parallel-max", "24"]);
    curl.stderr(Stdio::null());
    for number in 0..CALLS {
        curl.args(["--output", "/dev/null"]).arg(format!("https://127.0.0.1:{port}/items?n={number}"));
    }
    let mut curl = curl.spawn().unwrap();
    let succeeded = curl.wait().unwrap().success();
    let heard = watch.stop().unwrap();
    relay.kill().unwrap();
    relay.wait().unwrap();
    assert!(succeeded);
    let asked = |call: &Value| call["url.query"].as_str().map(str::to_owned);
    let mut queries: Vec<_> = heard.exchanges.iter().filter_map(asked).collect();
    queries.sort_unstable();
    let mut expected: Vec<_> = (0..CALLS).map(|number| format!("n={number}")).collect();
    expected.sort_unstable();
    assert_eq!(queries, expected, "{:#?}", heard.exchanges);
    heard.exchanges.iter().for_each(|call| is_between(call, curl.id(), &server, port));
    assert_eq!(heard.statistics["lost"], json!({}), "{}", heard.statistics);
}

/// Nobody's plaintext is heard: what is in the tunnel is told as encrypted, and how much it was.
#[test]
fn what_a_proxy_passes_on_is_counted() {
    let (server, proxy) = (Server::start_tls(Kind::Python).unwrap(), Proxy::start().unwrap());
    let watch = Watch::start(&["--json", "--pid", &proxy.child.id().to_string()]).unwrap();
    let url = |number: u32| format!("https://127.0.0.1:{}/sized/{number}?status=200&size=40000", server.port);
    let urls: Vec<String> = (0..50).map(url).collect();
    through(&proxy, &urls).unwrap();
    // How much is told once a second, and at the end of the connections.
    drop(proxy);
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.exchanges);
    assert_eq!(heard.exchanges[0]["http.request.method"], "CONNECT");
    // The kernel says how much it moved: some two megabytes each way in, as much out.
    let rows = heard.statistics["unreadable_programs"].as_array().cloned().unwrap_or_default();
    let moved = |key: &str| rows.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
    assert!(moved("received") > 2_000_000 && moved("sent") > 2_000_000, "{rows:#?}");
    assert_eq!(heard.statistics["lost"], json!({}), "{}", heard.statistics);
}

/// Mail says its first words in the clear, and none of it is HTTP.
#[test]
fn mail_that_is_encrypted_half_way_invents_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sealed/smtp.py");
    let mut mail = Command::new(program("python3").unwrap())
        .arg(script)
        .arg(port.to_string())
        .args(certificate(folder.path()).unwrap())
        .env("PYTHONPATH", cache().join("sealed"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(mail.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let watch = Watch::start(&["--json", "--port", &port.to_string()]).unwrap();
    mail.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(mail.wait().unwrap().success());
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges, Vec::<Value>::new());
    assert_eq!(heard.statistics["lost"], json!({}), "{}", heard.statistics);
    assert_eq!(heard.statistics["unreadable"], json!({"smtp": 3}), "{}", heard.statistics);
}
