//! QUIC, live: whose flows there are, whom their clients want, and every byte of their datagrams. As root only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_tests::{
    Result,
    program::{Heard, Watch},
    sealed::{Process, doctor, python, row, rows},
    server::{cache, certificate, free_port, program},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

/// A program that begins, goes on or ends with a line.
struct Peer {
    process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) =
            (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
        Ok(Self { process: Process(child), input, output: BufReader::new(output) })
    }

    fn quic<const N: usize>(arguments: [&str; N]) -> Result<Self> {
        let mut command = python("quic.py")?;
        command.args(arguments);
        Self::start(command)
    }

    fn pid(&self) -> String {
        self.process.0.id().to_string()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    fn go(&mut self) -> Result<()> {
        Ok(self.input.write_all(b"go\n")?)
    }

    /// Lets it go, and says what it said at its end.
    fn end(mut self) -> Result<String> {
        self.go()?;
        let mut said = String::new();
        self.output.read_to_string(&mut said)?;
        let status = self.process.0.wait()?;
        if status.success() { Ok(said) } else { Err(format!("{status}: {said}").into()) }
    }

    /// Bytes of datagrams, by its own count.
    fn counts(self) -> Result<[u64; 2]> {
        let said: Value = serde_json::from_str(self.end()?.lines().last().ok_or("it said nothing")?)?;
        Ok(["sent", "received"].map(|key| said[key].as_u64().unwrap_or_default()))
    }
}

struct Scene {
    server: Peer,
    port: String,
    _folder: TempDir,
}

impl Scene {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [certificate, key] = certificate(folder.path())?.map(text);
        let port = free_port()?.to_string();
        let mut server = Peer::quic(["serve", &port, &certificate, &key, "50000"])?;
        assert_eq!(server.line()?, "ready\n", "run `cargo xtask setup`");
        Ok(Self { server, port, _folder: folder })
    }

    fn client(&self, names: &str, version: &str) -> Result<Peer> {
        Peer::quic(["ask", &self.port, names, "50000", version])
    }
}

fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

fn watch(filter: &str, value: &str) -> Watch {
    Watch::start(&["--json", "--no-tls", filter, value]).unwrap()
}

/// So many flows with these names, which moved so much, and are over.
fn assert_row(row: &Value, direction: &str, names: &[(&str, u64)], [sent, received]: [u64; 2]) {
    let connections: u64 = names.iter().map(|(_, count)| count).sum();
    assert_eq!((&row["direction"], &row["reason"]), (&json!(direction), &json!("quic")), "{row}");
    assert_eq!(row["network.protocol.name"], "quic", "{row}");
    assert_eq!((&row["connections"], &row["open"]), (&json!(connections), &json!(0)), "{row}");
    let name = |(name, count): &(&str, u64)| json!({"server.address": name, "connections": count});
    assert_eq!(row["names"], json!(names.iter().map(name).collect::<Vec<_>>()), "{row}");
    assert_eq!(row["protocols"], json!([{"tls.next_protocol": "h3", "connections": connections}]), "{row}");
    assert_eq!((&row["sent"], &row["received"]), (&json!(sent), &json!(received)), "{row}");
    let seconds = row["duration"].as_f64().unwrap();
    assert!(seconds > 0.001 && seconds < 60.0 * connections as f64, "{row}");
    assert!(row["process.executable.name"].as_str().is_some_and(|name| name.starts_with("python3")), "{row}");
}

fn unreadable(heard: &Heard) -> &Value {
    assert_eq!((heard.exchanges.len(), &heard.statistics["lost"]), (0, &json!({})), "{}", heard.statistics);
    &heard.statistics["unreadable"]
}

/// Flows of both versions over one socket of a server, from sockets of two clients: each once, at both of its ends.
#[test]
fn flows_are_counted_once_and_told_at_both_ends() {
    let scene = Scene::start().unwrap();
    let watch = watch("--port", &scene.port);
    let one = scene.client("api.example,media.example,media.example", "1").unwrap();
    let other = scene.client("api.example", "2").unwrap();
    let counts = [one.counts().unwrap(), other.counts().unwrap()];
    let told = doctor(&watch, "! 4 QUIC connections of quic (python3");
    assert!(told.contains("    as api.example, media.example · "), "{told}");
    let server = scene.server.counts().unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!(unreadable(&heard), &json!({"quic": 4}));
    let rows = rows(&heard.statistics);
    let names = [("api.example", 2), ("media.example", 2)];
    assert_row(row(&rows, "direction", "inbound"), "inbound", &names, server);
    let clients = [0, 1].map(|way| counts[0][way] + counts[1][way]);
    assert_row(row(&rows, "direction", "outbound"), "outbound", &names, clients);
    assert!(heard.err.contains("    as api.example (2), media.example (2) · "), "{}", heard.err);
}

#[test]
fn either_end_alone_is_told() {
    for end in ["inbound", "outbound"] {
        let scene = Scene::start().unwrap();
        let client = scene.client("api.example,media.example", "1").unwrap();
        let watch = watch("--pid", &if end == "inbound" { scene.server.pid() } else { client.pid() });
        let client = client.counts().unwrap();
        let server = scene.server.counts().unwrap();
        let heard = watch.stop().unwrap();
        assert_eq!(unreadable(&heard), &json!({"quic": 2}));
        let rows = rows(&heard.statistics);
        assert_eq!(rows.len(), 1, "{rows:#?}");
        let names = [("api.example", 1), ("media.example", 1)];
        assert_row(&rows[0], end, &names, if end == "inbound" { server } else { client });
    }
}

/// At the port of HTTP/3, in a network of its own: it had begun before anybody listened.
#[test]
fn what_began_before_is_counted_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = certificate(folder.path()).unwrap().map(text);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sealed/quic.py");
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    command.arg(program("python3").unwrap()).arg(script);
    command.args(["pause", "443", &certificate, &key, "api.example", "50000"]);
    command.env("PYTHONPATH", cache().join("sealed"));
    let mut peer = Peer::start(command).unwrap();
    assert_eq!(peer.line().unwrap(), "asked\n");
    let watch = watch("--pid", &peer.pid());
    peer.counts().unwrap();
    let heard = watch.stop().unwrap();
    let rows = rows(&heard.statistics);
    let [server, client] =
        ["inbound", "outbound"].map(|direction| row(&rows, "direction", direction).clone());
    assert_eq!((&server["connections"], &client["connections"]), (&json!(1), &json!(1)), "{rows:#?}");
    assert_eq!(client["names"], json!([{"server.address": "127.0.0.1:443", "connections": 1}]), "{client}");
    assert!(client["received"].as_u64().is_some_and(|bytes| bytes > 50_000 && bytes < 60_000), "{client}");
    assert_eq!((&server["sent"], &server["received"]), (&client["received"], &client["sent"]), "{rows:#?}");
}

/// Others make QUIC otherwise: Caddy has that of Go, with many datagrams to a call; libcurl ngtcp2, with a socket that is connected.
#[test]
fn caddy_and_libcurl() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = certificate(folder.path()).unwrap().map(text);
    let port = free_port().unwrap().to_string();
    std::fs::write(folder.path().join("large"), vec![b'x'; 300_000]).unwrap();
    let root = folder.path().display();
    let text = format!(
        "{{\nadmin off\nauto_https off\n}}\nhttps://media.example:{port} {{\ntls {certificate} {key}\nroot * {root}\nfile_server\n}}\n"
    );
    let file = folder.path().join("Caddyfile");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(cache().join("quic/bin/caddy"));
    command.args(["run", "--config"]).arg(file).env("HOME", folder.path());
    let caddy = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut caddy = Process(caddy);
    let mut says = BufReader::new(caddy.0.stderr.take().unwrap()).lines();
    assert!(
        says.any(|line| line.unwrap().contains("serving initial configuration")),
        "run `cargo xtask setup`"
    );
    let watch = watch("--port", &port);
    let mut command = python("http3.py").unwrap();
    command.env("PYTHONPATH", cache().join("quic"));
    command.args([&port, "media.example", "large", "large", "large"]);
    let said = Peer::start(command).unwrap().end().unwrap();
    assert_eq!(said, "200 300000\n".repeat(3));
    let heard = watch.stop().unwrap();
    assert_eq!(unreadable(&heard), &json!({"quic": 1}));
    let rows = rows(&heard.statistics);
    let (server, client) = (row(&rows, "service.name", "caddy"), row(&rows, "direction", "outbound"));
    for row in [server, client] {
        assert_eq!(row["names"], json!([{"server.address": "media.example", "connections": 1}]), "{row}");
    }
    assert_eq!(server["process.executable.name"], "caddy", "{server}");
    assert_eq!(server["received"], client["sent"], "{rows:#?}");
    // What does not fit into its socket's buffer is lost, and sent again; what comes after it has what it wanted it does not read.
    let [sent, received] = [&server["sent"], &client["received"]].map(|bytes| bytes.as_u64().unwrap());
    assert!(received > 900_000 && received < 1_100_000, "{rows:#?}");
    assert!(received <= sent && sent < 2 * received, "{rows:#?}");
}
