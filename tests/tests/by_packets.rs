//! Bytes that are in no buffer of a call, heard by packets: nginx with sendfile, a server by io_uring. As root only, and
//! never skipped.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use overhear_tests::{
    program::{Heard, Watch, run},
    server::{Kind, Server, free_port},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

/// In which the listener sees what was.
const AWHILE: Duration = Duration::from_millis(300);

/// nginx with a JSON file of about a kilobyte and one of 300.
fn static_files() -> Server {
    let server = Server::start(Kind::Nginx).unwrap();
    let socket = server.socket();
    let files = socket.parent().unwrap().join("files");
    let item = |id: usize| json!({"id": id, "name": format!("item {id}"), "price": 1.5, "tags": ["a", "b"]});
    let write = |name: &str, value: &Value| fs::write(files.join(name), value.to_string()).unwrap();
    write("small.json", &json!({"total": 12, "items": (0..15).map(item).collect::<Vec<_>>()}));
    write("big.json", &json!((0..5500).map(item).collect::<Vec<_>>()));
    server
}

/// Asks on one connection, each time some time after the answer before.
fn ask(port: u16, paths: &[&str]) -> Vec<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let answer = |path: &&str| {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: files.test\r\n\r\n").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap();
        let length: u64 = length.parse().unwrap();
        std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).unwrap();
        std::thread::sleep(AWHILE);
        length
    };
    paths.iter().map(answer).collect()
}

fn sizes(heard: &Heard) -> Vec<u64> {
    heard.exchanges.iter().map(|exchange| exchange["http.response.body.size"].as_u64().unwrap()).collect()
}

/// What was learned of the answers to this path.
fn learned(saved: &Path, path: &str) -> Value {
    let said = run(&["spec", "--from", saved.to_str().unwrap(), "--json"]).unwrap();
    let document = said.document().unwrap();
    let mut schema =
        document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
    while let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/schemas/"))
    {
        schema = document["components"]["schemas"][name].clone();
    }
    schema
}

fn bytes_lost(heard: &Heard) -> u64 {
    heard.statistics["lost"]["not_in_user_buffer"]["bytes"].as_u64().unwrap_or_default()
}

/// By nobody, who has no right to attach anything any more.
#[test]
fn a_file_of_a_kilobyte_is_read_from_the_second_answer_on_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let saved = folder.path().join("saved");
    let server = static_files();
    let (port, save) = (server.port.to_string(), saved.to_str().unwrap().to_owned());
    let watch = Watch::start(&["--json", "--user", "nobody", "--port", &port, "--save", &save]).unwrap();
    let sent = ask(server.port, &["/files/small.json"; 4]);
    let heard = watch.stop().unwrap();
    assert_eq!(sizes(&heard), sent, "{:?}", heard.exchanges);
    // The first answer is gone by the time that it is known to be in no buffer.
    assert_eq!(bytes_lost(&heard), sent[0], "{}", heard.statistics);
    let schema = learned(&saved, "/files/small.json");
    assert_eq!(schema["properties"]["total"]["type"], "integer", "{schema}");
    assert_eq!(schema["properties"]["items"]["type"], "array", "{schema}");
}

#[test]
fn a_file_of_300_kilobytes_is_read_on_new_connections() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let server = static_files();
    let (port, save) = (server.port.to_string(), saved.to_str().unwrap().to_owned());
    let watch = Watch::start(&["--json", "--port", &port, "--save", &save]).unwrap();
    let sent: Vec<u64> = (0..4).flat_map(|_| ask(server.port, &["/files/big.json"])).collect();
    assert!(sent[0] > 300_000, "{sent:?}");
    let heard = watch.stop().unwrap();
    assert_eq!(sizes(&heard), sent, "{:?}", heard.exchanges);
    let schema = learned(&saved, "/files/big.json");
    assert_eq!(schema["type"], "array", "{schema}");
    // Of a connection that nobody has judged yet, 64 KiB are copied.
    let read = sent.iter().sum::<u64>() - bytes_lost(&heard);
    assert!(read >= 3 * 65_000, "{read} {}", heard.statistics);
}

/// Nothing is copied of a server that another process has.
#[test]
fn packets_of_others_are_not_heard() {
    let (wanted, other) = (static_files(), static_files());
    let port = wanted.port.to_string();
    let watch = Watch::start(&["--json", "--port", &port]).unwrap();
    ask(wanted.port, &["/files/small.json"; 2]);
    ask(other.port, &["/files/small.json"; 2]);
    let heard = watch.stop().unwrap();
    let strangers: Vec<_> =
        heard.exchanges.iter().filter(|exchange| exchange["server.port"] != wanted.port).collect();
    assert!(heard.exchanges.len() == 2 && strangers.is_empty(), "{:?}", heard.exchanges);
}

/// A server that moves every byte by io_uring, ended with the test.
struct Uring(Child, u16);

impl Uring {
    fn start(folder: &Path) -> Self {
        let (binary, port) = (folder.join("uring"), free_port().unwrap());
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/uring.c");
        assert!(Command::new("cc").arg("-o").arg(&binary).arg(source).status().unwrap().success());
        let server = Self(Command::new(binary).arg(port.to_string()).spawn().unwrap(), port);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the server does not accept connections");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Heard at its own end alone: there is no other whose buffers would tell.
#[test]
fn a_server_by_io_uring_is_read_from_the_second_call_on() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let server = Uring::start(folder.path());
    let (pid, save) = (server.0.id().to_string(), saved.to_str().unwrap().to_owned());
    let watch = Watch::start(&["--json", "--pid", &pid, "--save", &save]).unwrap();
    let sent = ask(server.1, &["/things"; 5]);
    let heard = watch.stop().unwrap();
    let whole =
        |exchange: &&Value| exchange["url.path"] == "/things" && exchange["http.response.status_code"] == 200;
    let calls = heard.exchanges.iter().filter(whole).count();
    assert!(calls >= 4, "{calls} {:?}", heard.exchanges);
    assert!(sizes(&heard).iter().all(|size| *size == sent[0]), "{:?}", heard.exchanges);
    let schema = learned(&saved, "/things");
    assert_eq!(schema["properties"]["name"]["type"], "string", "{schema}");
}
