//! Servers and clients of streams: the scripts of `tests/streams`.

use crate::{
    Result,
    program::Watch,
    server::{cache, free_port, program},
};
use serde_json::{Value, json};
use std::{
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server out of `tests/streams` that ends with the test.
pub struct Script {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Script {
    /// Starts it, and waits until it accepts connections.
    pub fn start(name: &str, more: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let mut command = script(name, port)?;
        let child =
            command.args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{name} ended, {status}: run `cargo xtask setup`").into());
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(format!("{name} does not accept connections").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Listens to what is said at its port.
    pub fn watch(&self, more: &[&str]) -> Result<Watch> {
        Watch::start(&[&["--json", "--port", &self.port.to_string()], more].concat())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script out of `tests/streams`, with the packages of `cargo xtask setup`.
pub fn script(name: &str, port: u16) -> Result<Command> {
    let interpreter = if name.ends_with(".js") { "node" } else { "python3" };
    let mut command = Command::new(program(interpreter)?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("streams").join(name)).arg(port.to_string());
    command.env("PYTHONPATH", std::env::join_paths([cache().join("streams"), cache().join("grpc")])?);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("NODE_PATH", cache().join("streams-node/node_modules"));
    Ok(command)
}

/// Runs a client against a server to its end.
pub fn client(name: &str, server: &Script, more: &[&str]) -> Result<()> {
    let status = script(name, server.port)?.args(more).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}").into()) }
}

/// Panics unless an exchange says all of this.
pub fn assert_says(exchange: &Value, expected: &[(&str, Value)]) {
    for (key, value) in expected {
        assert_eq!(&exchange[*key], value, "{key} of {exchange}");
    }
}

/// Panics unless this is the conversation of the WebSocket clients, whatever carried it: two subscriptions with three ticks
/// each, a message in fragments, one of 200 000 bytes, the end.
pub fn assert_is_the_conversation(exchange: &Value, compression: &str, end: &str) {
    let fails = end == "fail";
    assert_says(
        exchange,
        &[
            ("url.path", json!("/live/prices")),
            ("url.query", json!("token=REDACTED")),
            ("stream.kind", json!("websocket")),
            ("websocket.subprotocol", json!("ticks.v1")),
            ("stream.client.messages", json!(if fails { 5 } else { 4 })),
            ("stream.server.messages", json!(8)),
            // The large one, both ways: it is counted, and not kept.
            ("stream.unread", json!(2)),
            ("websocket.close.code", json!(if fails { 1011 } else { 1000 })),
        ],
    );
    assert_eq!(exchange.get("stream.gaps"), None, "{exchange}");
    assert_eq!(exchange.get("websocket.extensions").is_some(), compression == "deflate", "{exchange}");
    let error = exchange.get("error.type").and_then(Value::as_str);
    assert_eq!(error, fails.then_some("websocket_1011"), "{exchange}");
    let bytes = exchange["stream.client.bytes"].as_u64();
    assert_eq!(bytes > Some(200_000), compression == "plain", "{exchange}");
    assert!(exchange["duration"].as_f64() > exchange["time_to_first_byte"].as_f64(), "{exchange}");
    assert!(exchange["stream.time_to_first_message"].as_f64() < exchange["duration"].as_f64(), "{exchange}");
}
