//! What stays encrypted, live: whose connections, why, whom they go to, and how much they move. As root only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_tests::{
    Result, judge,
    program::{Heard, Watch, output, overhear, run},
    sealed::{Process, doctor, python, row, rows},
    server::{Client, Kind, Server, certificate, free_port, program},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

fn wait_for(port: u16, process: &mut Process) -> Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = process.0.try_wait()? {
            return Err(format!("it ended, {status}: run `cargo xtask setup`").into());
        }
        if begun.elapsed() > Duration::from_secs(30) {
            return Err("it does not accept connections".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A server that encrypts in Python, and in front of it a relay, which counts what it passes on.
struct Scene {
    _server: Process,
    relay: Process,
    port: u16,
    _folder: TempDir,
}

impl Scene {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [certificate, key] = certificate(folder.path())?;
        let (behind, port) = (free_port()?, free_port()?);
        let mut server = python("server.py")?;
        server.arg(behind.to_string()).args([certificate, key]).stderr(Stdio::null());
        let mut server = Process(server.spawn()?);
        wait_for(behind, &mut server)?;
        let mut relay = python("relay.py")?;
        relay.args([port, behind].map(|port| port.to_string())).stdout(Stdio::piped());
        let mut relay = Process(relay.spawn()?);
        wait_for(port, &mut relay)?;
        Ok(Self { _server: server, relay, port, _folder: folder })
    }

    fn python(&self, name: &str, sizes: &[u32]) -> Result<Caller> {
        self.call(python("client.py")?, name, sizes)
    }

    fn java(&self, name: &str, sizes: &[u32]) -> Result<Caller> {
        let mut command = Command::new(program("java")?);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sealed/Client.java"));
        self.call(command, name, sizes)
    }

    fn call(&self, mut command: Command, name: &str, sizes: &[u32]) -> Result<Caller> {
        command.arg(self.port.to_string()).arg(name).args(sizes.iter().map(ToString::to_string));
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        Ok(Caller { child: Process(child), input })
    }

    /// Ends, and says of each connection how many bytes each end sent. The first was that of who looked whether it is there.
    fn counts(mut self) -> Result<Vec<[u64; 2]>> {
        self.relay.0.kill()?;
        let mut text = String::new();
        self.relay.0.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
        let parse = |line: &str| -> Result<[u64; 2]> {
            let value: Value = serde_json::from_str(line)?;
            Ok(["client", "server"].map(|end| value[end].as_u64().unwrap_or_default()))
        };
        text.lines().map(parse).filter(|counts| counts.as_ref().is_ok_and(|[sent, _]| *sent > 0)).collect()
    }
}

/// A client that keeps its connection open until it may go.
struct Caller {
    child: Process,
    input: Option<ChildStdin>,
}

impl Caller {
    fn let_go(mut self) -> Result<()> {
        self.input.take().ok_or("let go already")?.write_all(b"go\n")?;
        let status = self.child.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the client: {status}").into()) }
    }
}

/// One of `reason`, with these names and these bytes: all but what the other end said last, which nobody read.
fn assert_row(row: &Value, reason: &str, name: &str, [sent, received]: [u64; 2]) {
    assert_eq!(row["reason"], reason, "{row}");
    assert_eq!(row["network.protocol.name"], "tls", "{row}");
    assert_eq!((&row["connections"], &row["open"]), (&json!(1), &json!(0)), "{row}");
    assert_eq!(row["names"], json!([{"server.address": name, "connections": 1}]), "{row}");
    assert_eq!(row["protocols"], json!([{"tls.next_protocol": "http/1.1", "connections": 1}]), "{row}");
    let differs = |key: &str, truth: u64| truth.abs_diff(row[key].as_u64().unwrap_or_default());
    assert!(differs("sent", sent) == 0 && differs("received", received) <= ALERT, "{sent} {received} {row}");
    assert!(row["duration"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds < 60.0), "{row}");
}

/// Bytes of a record that says that nothing follows (RFC 8446 §6.1).
const ALERT: u64 = 31;

fn started(port: u16, more: &[&str], variables: &[(&str, &str)]) -> Watch {
    let port = port.to_string();
    Watch::start_with(&[&["--json", "--port", &port], more].concat(), variables, |_| true).unwrap()
}

#[test]
fn java_and_python_that_encrypt_by_themselves_are_named() {
    let scene = Scene::start().unwrap();
    let watch = started(scene.port, &[], &[]);
    let java = scene.java("pay.shop.example", &[10, 200_000]).unwrap();
    let told = doctor(&watch, "connection of java unreadable: Java encrypts in code that it compiles");
    assert!(told.contains("to pay.shop.example · "), "{told}");
    java.let_go().unwrap();
    scene.python("api.shop.example", &[100_000, 5]).unwrap().let_go().unwrap();
    let heard = watch.stop().unwrap();
    let counts = scene.counts().unwrap();
    assert_eq!((heard.exchanges.len(), &heard.statistics["unreadable"]["tls"]), (0, &json!(2)));
    let rows = rows(&heard.statistics);
    let java = row(&rows, "process.executable.name", "java");
    assert_row(java, "java", "pay.shop.example", counts[0]);
    assert_eq!((&java["direction"], &java["service.name"]), (&json!("outbound"), &json!("java")));
    let client = row(&rows, "service.name", "client");
    assert!(client["process.executable.name"].as_str().is_some_and(|name| name.starts_with("python3")));
    assert_eq!(client["direction"], "outbound", "{client}");
    // Python has OpenSSL, too, and does not use it here.
    let reason = client["reason"].as_str().unwrap();
    assert!(matches!(reason, "no_plaintext" | "unknown_library"), "{client}");
    assert_row(client, reason, "api.shop.example", counts[1]);
    let relay = row(&rows, "service.name", "relay");
    assert_eq!(
        (&relay["direction"], &relay["reason"]),
        (&json!("inbound"), &json!("unknown_library")),
        "{relay}"
    );
    assert_eq!(relay["received"], counts[0][0] + counts[1][0], "{relay}");
    let names = relay["names"].as_array().unwrap().len();
    assert_eq!((&relay["connections"], names), (&json!(2), 2), "{relay}");
    assert!(heard.err.contains("1 connection of java unreadable: Java encrypts"), "{}", heard.err);
}

/// A terminal of 140 columns with `watch` in it, where keys are pressed.
struct Terminal(TempDir);

impl Terminal {
    fn watch(port: u16) -> Result<Self> {
        let terminal = Self(tempfile::tempdir()?);
        let socket = terminal.0.path().join("live.sock");
        let command = format!(
            "OVERHEAR_SOCKET='{}' '{}' watch --no-store --listen 127.0.0.1:0 --port {port}",
            socket.display(),
            overhear()?.display(),
        );
        terminal.tmux(&["new-session", "-d", "-x", "140", "-y", "40", &command])?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let server = self.0.path().join("tmux").display().to_string();
        output(Command::new(program("tmux")?).args(["-f", "/dev/null", "-S", &server]).args(arguments))
    }

    /// Waits until there is a text on the screen.
    fn shows(&self, text: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"])?;
            if screen.contains(text) {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(format!("{text:?} is not shown: {screen}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn press(&self, key: &str) -> Result<()> {
        self.tmux(&["send-keys", key]).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended with what ran in it.
        let _ = self.tmux(&["kill-server"]);
    }
}

#[test]
fn the_page_and_the_terminal_say_what_stays_encrypted_and_why() {
    let scene = Scene::start().unwrap();
    let watch = started(scene.port, &["--listen", "127.0.0.1:0"], &[]);
    let terminal = Terminal::watch(scene.port).unwrap();
    terminal.shows("Nothing heard yet").unwrap();
    let client = scene.java("pay.shop.example", &[10, 200_000]).unwrap();
    doctor(&watch, "connection of java unreadable: Java encrypts");
    let page = watch.told("the page is ").unwrap();
    let seen = judge::looks(&page, "/health", ".programs li").unwrap();
    for told in [
        "1 connection of java unreadable: Java encrypts in code that it compiles",
        "pay.shop.example",
        "1 open",
    ] {
        assert!(seen.contains(told), "{told:?}: {seen}");
    }
    terminal.press("h").unwrap();
    terminal.shows("1 connection of java unreadable: Java encrypts").unwrap();
    terminal.shows("pay.shop.example").unwrap();
    client.let_go().unwrap();
    watch.stop().unwrap();
}

/// Kernels before 6.3 are heard by their system calls, without probes in libraries: that is said at once, and of each program.
#[test]
fn where_tls_libraries_are_not_probed_it_is_said_and_their_traffic_still_shows() {
    for (plan, more, reason) in [("syscalls", &[][..], "old_kernel"), ("sockets", &["--no-tls"][..], "off")] {
        let scene = Scene::start().unwrap();
        let watch = started(scene.port, more, &[("OVERHEAR_PLAN", plan)]);
        let python = scene.python("api.shop.example", &[300_000, 5, 5]).unwrap();
        doctor(&watch, "of client (python3");
        python.let_go().unwrap();
        let heard = watch.stop().unwrap();
        let counts = scene.counts().unwrap();
        assert_row(
            row(&rows(&heard.statistics), "service.name", "client"),
            reason,
            "api.shop.example",
            counts[0],
        );
        assert_eq!(heard.statistics["lost"], json!({}), "{}", heard.statistics);
        assert_eq!(
            heard.err.contains("TLS is not read, everything else is:"),
            reason == "old_kernel",
            "{}",
            heard.err
        );
    }
}

/// More calls than anybody waits for plaintext in: after that the probes only count.
#[test]
fn long_connections_are_counted_to_their_end() {
    let scene = Scene::start().unwrap();
    let watch = started(scene.port, &[], &[]);
    scene.python("api.shop.example", &[1000; 400]).unwrap().let_go().unwrap();
    let heard = watch.stop().unwrap();
    let counts = scene.counts().unwrap();
    let rows = rows(&heard.statistics);
    let client = row(&rows, "service.name", "client");
    assert_row(client, client["reason"].as_str().unwrap(), "api.shop.example", counts[0]);
}

/// A file of the name is left alone; others, and what its clients have in their libraries, are heard.
#[test]
fn programs_that_are_to_be_left_alone_are() {
    let (node, nginx) = (Server::start_tls(Kind::Node).unwrap(), Server::start_tls(Kind::Nginx).unwrap());
    let watch = started(node.port, &["--port", &nginx.port.to_string(), "--no-tls-for", "node"], &[]);
    assert_eq!(links(watch.pid(), "/node"), 0);
    assert!(links(watch.pid(), "libssl.so") > 0);
    node.make_calls(Client::Curl).unwrap();
    let calls = overhear_tests::server::calls(Kind::Nginx).len();
    nginx.make_calls(Client::Curl).unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 2 * calls, "{:?}", heard.exchanges);
    let rows = rows(&heard.statistics);
    // curl's library is probed, so what it said to Node is heard there.
    assert_eq!(rows, Vec::<Value>::new());
}

#[test]
fn a_server_that_is_left_alone_and_whose_clients_are_not_heard_is_named() {
    let node = Server::start_tls(Kind::Node).unwrap();
    let pid = node.pids()[0].to_string();
    let watch = Watch::start(&["--json", "--no-tls-for", "node", "--pid", &pid]).unwrap();
    node.make_calls(Client::Curl).unwrap();
    let rows = rows(&watch.stop().unwrap().statistics);
    let left = row(&rows, "process.executable.name", "node");
    assert_eq!((&left["reason"], &left["direction"]), (&json!("left_alone"), &json!("inbound")), "{left}");
}

/// The same for `run`: what its command encrypts by a library that is to be left alone stays so.
#[test]
fn run_leaves_alone_what_it_is_told_to() {
    let server = Server::start_tls(Kind::Python).unwrap();
    let url = format!("https://127.0.0.1:{}/items", server.port);
    let curl = ["--", "curl", "--silent", "--insecure", "--output", "/dev/null", &url];
    let alone = ["--no-tls-for", "libssl.so.3", "--no-tls-for", "libgnutls.so.30"];
    let said = run(&[&["run"][..], &alone, &curl].concat()).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("1 connection of curl unreadable: no probes are put into it"), "{}", said.err);
    let said = run(&[&["run"][..], &curl].concat()).unwrap();
    assert!(said.err.contains("/items") && !said.err.contains("unreadable"), "{}", said.err);
}

/// Links to probes that a process holds, by its open files, of which the kernel says this, too.
fn links(pid: u32, what: &str) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts.filter(|text| text.contains("link_type:") && text.contains(what)).count()
}

/// A name that a client said only while it agreed on keys.
#[test]
fn a_server_that_is_asked_without_a_name_has_the_one_its_client_wanted() {
    let server = Server::start_tls(Kind::Python).unwrap();
    let script = "import socket, ssl, sys\n\
        context = ssl._create_unverified_context()\n\
        tls = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='api.example')\n\
        tls.sendall(b'GET /items HTTP/1.0\\r\\n\\r\\n')\n\
        print('sent', flush=True)\n\
        while tls.recv(4096): pass\n";
    let go = format!("import sys; sys.stdin.readline()\n{script}");
    let mut client = Command::new(program("python3").unwrap())
        .args(["-c", &go, &server.port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let watch = Watch::start(&["--json", "--pid", &client.id().to_string()]).unwrap();
    client.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(client.wait().unwrap().success());
    let Heard { exchanges, .. } = watch.stop().unwrap();
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    assert_eq!(exchanges[0]["server.address"], "api.example", "{}", exchanges[0]);
    assert_eq!(exchanges[0]["server.port"], server.port, "{}", exchanges[0]);
}

/// A program looks a name up, then asks by address: name servers have said whose that is.
#[test]
fn what_name_servers_answer_names_whom_is_asked_by_address() {
    let folder = tempfile::tempdir().unwrap();
    for plan in PLANS {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sealed/names.py");
        let mut world = Command::new("unshare")
            .args(["--net", "--mount", "--"])
            .arg(program("python3").unwrap())
            .args([script.as_os_str(), folder.path().as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        BufReader::new(world.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        let arguments = ["--json", "--pid", pid.trim()];
        let watch = Watch::start_with(&arguments, &[("OVERHEAR_PLAN", plan)], |_| true).unwrap();
        world.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert!(world.wait().unwrap().success());
        let Heard { exchanges, .. } = watch.stop().unwrap();
        assert_eq!(exchanges.len(), 1, "{plan}: {exchanges:?}");
        assert_eq!(exchanges[0]["server.address"], "api.internal.example", "{plan}: {}", exchanges[0]);
        assert_eq!(exchanges[0]["server.port"], 8080, "{plan}: {}", exchanges[0]);
    }
}

/// Those that hear name servers.
const PLANS: [&str; 2] = ["sockets", "syscalls"];

/// What goes over a port of this machine, in a file.
struct Recording {
    tcpdump: Child,
    file: std::path::PathBuf,
}

impl Recording {
    fn start(folder: &TempDir, what: &str, port: u16) -> Result<Self> {
        let file = folder.path().join("packets.pcap");
        let mut tcpdump = Command::new(program("tcpdump")?)
            .args(["-i", "lo", "-U", "--immediate-mode", "-s", "65535", "-B", "65536", "-w"])
            .arg(&file)
            .args([what, "port", &port.to_string()])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut says = BufReader::new(tcpdump.stderr.take().ok_or("no standard error")?);
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            if says.read_line(&mut line)? == 0 {
                return Err("tcpdump ended".into());
            }
        }
        Ok(Self { tcpdump, file })
    }

    /// What `read` says of it.
    fn read(mut self) -> Result<String> {
        std::thread::sleep(Duration::from_millis(500));
        overhear_tests::program::signal(self.tcpdump.id(), "INT")?;
        self.tcpdump.wait()?;
        Ok(run(&["read".as_ref(), self.file.as_os_str()])?.out)
    }
}

/// Packets of a real handshake.
#[test]
fn a_capture_names_whom_its_clients_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_tls(Kind::Nginx).unwrap();
    let recording = Recording::start(&folder, "tcp", server.port).unwrap();
    let url = format!("https://api.shop.example:{}/items", server.port);
    let resolve = format!("api.shop.example:{}:127.0.0.1", server.port);
    for _ in 0..2 {
        let curl = ["--silent", "--insecure", "--output", "/dev/null", "--resolve", &resolve, &url];
        assert!(Command::new("curl").args(curl).status().unwrap().success());
    }
    let told = recording.read().unwrap();
    let expected =
        "2 connections of api.shop.example unreadable: a capture holds no more than was on the wire";
    assert!(told.contains(expected), "{told}");
}

/// QUIC of both versions: whom its client wanted, and every byte of its datagrams.
#[test]
fn flows_of_quic_in_a_capture_are_named_and_counted() {
    for version in ["1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = certificate(folder.path()).unwrap();
        let port = free_port().unwrap();
        let recording = Recording::start(&folder, "udp", port).unwrap();
        let mut quic = python("quic.py").unwrap();
        quic.args(["both", &port.to_string()]).args([certificate, key]).args([
            "media.example",
            "50000",
            version,
        ]);
        let output = quic.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
        let told = recording.read().unwrap();
        assert!(told.contains("1 QUIC connection of media.example unreadable: QUIC is not read"), "{told}");
        assert!(told.contains("not readable: connections: 1 quic"), "{told}");
        let kilobytes = |key: &str| counts[key].as_u64().unwrap() as f64 / 1000.0;
        // What the server says of it: it received what the client sent.
        let moved = format!("{:.0} kB sent, {:.1} kB received", kilobytes("received"), kilobytes("sent"));
        assert!(told.contains(&moved), "{moved}: {told}");
    }
}
