//! How much of TLS is heard, of each runtime: real servers, real clients, many connections at once, and every request looked
//! for by its name. As root only, and never skipped.
//!
//! `OVERHEAR_RUNTIMES=all`, or the names of some, makes 10 000 requests over 64 connections with each and prints a table of
//! docs/performance.md; else a few runtimes are asked a thousand times.

use overhear_tests::{
    Result,
    program::{Heard, Watch},
    server::{
        Kind,
        OlderRustls::{self, Tasks, Threads},
        SIZES, Server, cache, go, node_16, older_rustls, program, python, rustls,
    },
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// At least so many of a thousand are told once and right, and with the connection that they were made on.
const RIGHT: usize = 999;
const ATTRIBUTED: usize = 990;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// `http.client` of Python, a thread for each connection.
    Python,
    /// asyncio.
    Httpx,
    CurlOpenSsl,
    CurlGnuTls,
    Node,
    Node16,
    Go,
    Rustls,
    OlderRustls(OlderRustls),
    /// PyPI `curl_cffi`: curl and BoringSSL in one library, which names its functions.
    CurlBoringSsl,
}

/// Whose plaintext is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Server,
    Client,
    Both,
}

/// `SERVER` answers `CLIENT`, and one of them or both are heard.
#[derive(Clone, Copy, Debug)]
struct Row(&'static str, Kind, Caller, End);

const ROWS: [Row; 33] = [
    Row("nginx", Kind::Nginx, Caller::Go, End::Server),
    Row("Python sync server", Kind::Python, Caller::Go, End::Server),
    Row("uvicorn (asyncio)", Kind::Uvicorn, Caller::Go, End::Server),
    Row("uvicorn (uvloop)", Kind::UvicornUvloop, Caller::Go, End::Server),
    Row("Node server", Kind::Node, Caller::Go, End::Server),
    Row("Go server", Kind::Go, Caller::Node, End::Server),
    Row("rustls server", Kind::Rustls, Caller::Go, End::Server),
    Row("BoringSSL server", Kind::BoringSsl, Caller::Go, End::Server),
    Row("Node 16 server (OpenSSL 1.1)", Kind::Node16, Caller::Go, End::Server),
    Row("curl by OpenSSL", Kind::Go, Caller::CurlOpenSsl, End::Client),
    Row("curl by GnuTLS", Kind::Go, Caller::CurlGnuTls, End::Client),
    Row("Python sync client", Kind::Go, Caller::Python, End::Client),
    Row("httpx client (asyncio)", Kind::Go, Caller::Httpx, End::Client),
    Row("Node client", Kind::Go, Caller::Node, End::Client),
    Row("Go client", Kind::Nginx, Caller::Go, End::Client),
    Row("rustls client", Kind::Go, Caller::Rustls, End::Client),
    Row("curl by BoringSSL inside it", Kind::Go, Caller::CurlBoringSsl, End::Client),
    Row("Node 16 client (OpenSSL 1.1)", Kind::Go, Caller::Node16, End::Client),
    Row("nginx and curl by OpenSSL", Kind::Nginx, Caller::CurlOpenSsl, End::Both),
    Row("Node and Node", Kind::Node, Caller::Node, End::Both),
    Row("rustls and rustls", Kind::Rustls, Caller::Rustls, End::Both),
    Row("rustls 0.20 server (threads)", Kind::OlderRustls(Threads(20)), Caller::Go, End::Server),
    Row("rustls 0.20 client (threads)", Kind::Go, Caller::OlderRustls(Threads(20)), End::Client),
    Row("rustls 0.20 server (tokio)", Kind::OlderRustls(Tasks(20)), Caller::Go, End::Server),
    Row("rustls 0.20 client (tokio)", Kind::Go, Caller::OlderRustls(Tasks(20)), End::Client),
    Row("rustls 0.21 server (threads)", Kind::OlderRustls(Threads(21)), Caller::Go, End::Server),
    Row("rustls 0.21 client (threads)", Kind::Go, Caller::OlderRustls(Threads(21)), End::Client),
    Row("rustls 0.21 server (tokio)", Kind::OlderRustls(Tasks(21)), Caller::Go, End::Server),
    Row("rustls 0.21 client (tokio)", Kind::Go, Caller::OlderRustls(Tasks(21)), End::Client),
    Row("rustls 0.22 server (threads)", Kind::OlderRustls(Threads(22)), Caller::Go, End::Server),
    Row("rustls 0.22 client (threads)", Kind::Go, Caller::OlderRustls(Threads(22)), End::Client),
    Row("rustls 0.22 server (tokio)", Kind::OlderRustls(Tasks(22)), Caller::Go, End::Server),
    Row("rustls 0.22 client (tokio)", Kind::Go, Caller::OlderRustls(Tasks(22)), End::Client),
];

/// Those that are asked in the usual tests.
const FEW: [&str; 5] =
    ["uvicorn (asyncio)", "uvicorn (uvloop)", "curl by GnuTLS", "rustls client", "rustls and rustls"];

/// A request and what it is answered.
#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    path: String,
    query: String,
    sent: usize,
    status: u64,
    received: usize,
}

/// Every call has a name of its own, and its lengths are no neighbour's.
fn plan(server: Kind, connections: usize, each: usize) -> Vec<Vec<Call>> {
    let call = |connection: usize, number: usize| {
        let mix = connection * 31 + number;
        let size = |at: usize| SIZES[at % SIZES.len()];
        let posts = mix.is_multiple_of(3);
        let asked = ([200, 200, 404, 201][mix % 4], size(mix / 3));
        let (status, received) = match (server, posts) {
            // It has files of these sizes, and answers what is posted with one sentence.
            (Kind::Nginx, true) => (201, 8),
            (Kind::Nginx, false) => (200, asked.1),
            _ => asked,
        };
        Call {
            method: if posts { "POST" } else { "GET" },
            path: format!("/sized/{connection}.{number}"),
            query: format!("status={}&size={}", asked.0, asked.1),
            sent: if posts { size(mix) } else { 0 },
            status,
            received,
        }
    };
    (0..connections).map(|connection| (0..each).map(|number| call(connection, number)).collect()).collect()
}

fn caller(caller: Caller, port: u16, plan: &Path) -> Result<Command> {
    let script = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(name);
    let port = port.to_string();
    let by_python = |how: &str| {
        let mut command = python()?;
        command.arg(script("planned.py")).args([how, &port]).arg(plan);
        Ok(command)
    };
    let (program, first) = match caller {
        Caller::Python => return by_python("http"),
        Caller::Httpx => return by_python("httpx"),
        Caller::CurlOpenSsl => return by_python("libcurl.so.4"),
        Caller::CurlGnuTls => return by_python("libcurl-gnutls.so.4"),
        Caller::CurlBoringSsl => {
            let mut command = by_python("curl_cffi")?;
            command.env("PYTHONPATH", cache().join("runtimes-more"));
            return Ok(command);
        }
        Caller::Node => (program("node")?, vec![script("planned.js").into_os_string(), port.into()]),
        Caller::Node16 => (node_16()?, vec![script("planned.js").into_os_string(), port.into()]),
        Caller::Go => (go("client")?, vec![port.into(), "--planned".into()]),
        Caller::OlderRustls(which) => (older_rustls(which)?, vec!["ask".into(), port.into()]),
        Caller::Rustls => (rustls()?.to_owned(), vec!["ask".into(), port.into()]),
    };
    let mut command = Command::new(program);
    command.args(first).arg(plan);
    Ok(command)
}

/// What came of the calls of a row.
#[derive(Debug, Default)]
struct Figures {
    made: usize,
    /// Told once, with the right method, path, query, status and sizes.
    right: usize,
    /// Of those, with the ports of the connection.
    attributed: usize,
    /// Told, and never made, or told again.
    invented: usize,
    lost: String,
    /// Some of what is wrong.
    wrong: Vec<String>,
}

impl Figures {
    fn are_good(&self) -> bool {
        let of_thousand = |number: usize| number * 1000 / self.made.max(1);
        of_thousand(self.right) >= RIGHT && of_thousand(self.attributed) >= ATTRIBUTED && self.invented == 0
    }
}

fn ask(Row(_, kind, client, end): Row, connections: usize, each: usize) -> Result<Figures> {
    let server = Server::start_tls(kind)?;
    let plan = plan(kind, connections, each);
    let file = tempfile::NamedTempFile::new()?;
    let lines: Vec<Vec<Value>> = plan
        .iter()
        .map(|calls| {
            let line = |call: &Call| {
                serde_json::json!([call.method, format!("{}?{}", call.path, call.query), call.sent])
            };
            calls.iter().map(line).collect()
        })
        .collect();
    serde_json::to_writer(file.as_file(), &lines)?;
    let mut child = caller(client, server.port, file.path())?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut out = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    out.read_line(&mut line)?;
    let pids: Vec<String> = server.pids().iter().map(ToString::to_string).collect();
    let whom = match end {
        End::Server => ["--pid".to_owned(), pids.join(",")],
        End::Client => ["--pid".to_owned(), child.id().to_string()],
        End::Both => ["--port".to_owned(), server.port.to_string()],
    };
    let watch = Watch::start(&["--json", &whom[0], &whom[1]])?;
    child.stdin.take().ok_or("no input")?.write_all(b"go\n")?;
    let mut told = String::new();
    out.read_to_string(&mut told)?;
    let status = child.wait()?;
    let heard = watch.stop()?;
    if !status.success() {
        return Err(format!("a call failed: {status}").into());
    }
    let told: Vec<Vec<[u64; 3]>> = serde_json::from_str(&told)?;
    compare(&plan, &told, server.port, &heard)
}

fn compare(plan: &[Vec<Call>], told: &[Vec<[u64; 3]>], port: u16, heard: &Heard) -> Result<Figures> {
    let mut figures = Figures { lost: heard.statistics["lost"].to_string(), ..Figures::default() };
    let mut made = BTreeMap::new();
    for (calls, answers) in plan.iter().zip(told) {
        figures.made += calls.len();
        for (call, [local, status, received]) in calls.iter().zip(answers) {
            // Nothing breaks in who is heard.
            if (call.status, call.received as u64) != (*status, *received) {
                return Err(format!("{call:?} was answered {status} and {received} bytes").into());
            }
            made.insert(call.path.as_str(), (call, *local));
        }
    }
    if made.len() != figures.made {
        return Err(format!("{} of {} calls were made", made.len(), figures.made).into());
    }
    for exchange in &heard.exchanges {
        let Some((call, local)) = exchange["url.path"].as_str().and_then(|path| made.remove(path)) else {
            figures.invented += 1;
            figures.wrong.push(format!("invented: {exchange}"));
            continue;
        };
        let right = exchange["http.request.method"] == call.method
            && exchange["url.query"] == call.query
            && exchange["http.response.status_code"] == call.status
            && exchange["http.request.body.size"] == call.sent
            && exchange["http.response.body.size"] == call.received;
        let attributed = exchange["client.port"] == local && exchange["server.port"] == port;
        figures.right += usize::from(right);
        figures.attributed += usize::from(right && attributed);
        if !right || !attributed {
            figures.wrong.push(format!("not {call:?} from {local}: {exchange}"));
        }
    }
    figures.wrong.extend(made.keys().map(|path| format!("not told: {path}")));
    Ok(figures)
}

#[test]
fn runtimes() {
    let asked = std::env::var("OVERHEAR_RUNTIMES").ok();
    let (connections, each) = if asked.is_some() { (64, 157) } else { (16, 63) };
    let mut table = String::from(
        "| runtime | heard | requests | once and right | right connection | invented | lost |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut bad = String::new();
    let wanted = |Row(name, ..): &Row| match asked.as_deref() {
        Some("all") => true,
        Some(names) => names.split(',').any(|asked| asked == *name),
        None => FEW.contains(name),
    };
    for row @ Row(name, _, _, end) in ROWS.into_iter().filter(wanted) {
        let figures = match ask(row, connections, each) {
            Ok(figures) => figures,
            Err(error) => {
                let _ = writeln!(bad, "{name}: {error}");
                continue;
            }
        };
        let Figures { made, right, attributed, invented, lost, .. } = &figures;
        let _ =
            writeln!(table, "| {name} | {end:?} | {made} | {right} | {attributed} | {invented} | {lost} |");
        if let Some(wrong) = figures.wrong.first() {
            println!("{name}: {} wrong, the first: {wrong}", figures.wrong.len());
        }
        if !figures.are_good() {
            let some: Vec<&String> = figures.wrong.iter().take(8).collect();
            let _ = writeln!(bad, "{name}: of {made}, {} are wrong: {some:#?}", figures.wrong.len());
        }
    }
    println!("{table}");
    assert!(bad.is_empty(), "{table}\n{bad}");
}
