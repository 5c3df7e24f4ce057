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

fn through(proxy: &Proxy, urls: &[String]) -> Result<()> {
    let mut curl = Command::new(program("curl")?);
    curl.args(["--silent", "--insecure", "--proxy", &format!("http://127.0.0.1:{}", proxy.port)]);
    for url in urls {
        curl.args(["--output", "/dev/null"]).arg(url);
    }
    let status = curl.status()?;
    if status.success() { Ok(()) } else { Err(format!("curl: {status}").into()) }
}

fn of<'a>(heard: &'a Heard, method: &str) -> Vec<&'a Value> {
    heard.exchanges.iter().filter(|exchange| exchange["http.request.method"] == method).collect()
}

/// The tunnel is a call of its own, and its server tells each call through it once. The client's end tells them too, as calls
/// of whom it is connected with (docs/status.md): that is not asserted either way.
#[test]
fn a_tunnel_and_the_calls_through_it_are_heard() {
    for kind in [Kind::Python, Kind::Node] {
        let (server, proxy) = (Server::start_tls(kind).unwrap(), Proxy::start().unwrap());
        let ports = [server.port, proxy.port].map(|port| port.to_string());
        let watch = Watch::start(&["--json", "--port", &ports[0], "--port", &ports[1]]).unwrap();
        let url = |number: u32| format!("https://127.0.0.1:{}/items?n={number}", server.port);
        through(&proxy, &[url(0), url(1), url(2)]).unwrap();
        let heard = watch.stop().unwrap();
        let tunnels = of(&heard, "CONNECT");
        assert_eq!(tunnels.len(), 1, "{kind:?} {:#?}", heard.exchanges);
        assert_eq!(tunnels[0]["http.response.status_code"], 200, "{}", tunnels[0]);
        // It says whom it wants to be led to, and by whom.
        assert_eq!(tunnels[0]["server.port"], server.port, "{}", tunnels[0]);
        assert_eq!(tunnels[0]["service.name"], "tinyproxy", "{}", tunnels[0]);
        let pids = server.pids();
        let answered = |call: &&Value| pids.iter().any(|pid| call["process.pid"] == *pid);
        let calls: Vec<_> = of(&heard, "GET").into_iter().filter(answered).collect();
        let queries: Vec<_> = calls.iter().filter_map(|call| call["url.query"].as_str()).collect();
        assert_eq!(queries, ["n=0", "n=1", "n=2"], "{kind:?} {:#?}", heard.exchanges);
        for call in calls {
            assert_eq!(call["server.port"], server.port, "{call}");
            assert_eq!(
                (&call["url.scheme"], &call["url.path"]),
                (&json!("https"), &json!("/items")),
                "{call}"
            );
            assert_eq!(call["http.response.body.size"], 7, "{call}");
        }
        assert_eq!(heard.statistics["lost"], json!({}), "{}", heard.statistics);
    }
}

/// Nobody's plaintext is heard: what is in the tunnel is told as encrypted, and how much it was.
#[test]
fn what_a_proxy_passes_on_is_counted() {
    let (server, proxy) = (Server::start_tls(Kind::Python).unwrap(), Proxy::start().unwrap());
    let watch = Watch::start(&["--json", "--pid", &proxy.child.id().to_string()]).unwrap();
    let url = |number: u32| format!("https://127.0.0.1:{}/sized/{number}?status=200&size=40000", server.port);
    let urls: Vec<String> = (0..50).map(url).collect();
    through(&proxy, &urls).unwrap();
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
