//! What `streams` holds of HTTP/1.1, over HTTP/2, with TLS and without: real servers and clients beside a `watch`. As root
//! only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_tests::{
    page::until,
    program::{Heard, Watch, run},
    script::{Script, assert_is_the_conversation, assert_says, client, script},
    server::{certificate, program},
};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A certificate that nobody knows, and its key.
struct Secrets {
    _folder: TempDir,
    files: [String; 2],
}

impl Secrets {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = certificate(folder.path()).unwrap().map(|file| file.display().to_string());
        Self { _folder: folder, files }
    }

    /// Starts a server that has them.
    fn serve(&self, name: &str, more: &[&str]) -> Script {
        let [certificate, key] = &self.files;
        Script::start(name, &[more, &[certificate, key]].concat()).unwrap()
    }
}

fn curl(server: &Script, scheme: &str, path: &str) -> Command {
    let mut command = Command::new(program("curl").unwrap());
    let version = if scheme == "https" { "--http2" } else { "--http2-prior-knowledge" };
    command.args(["--silent", "--insecure", "--no-buffer", "--compressed", version, "--output", "/dev/null"]);
    command.arg(format!("{scheme}://127.0.0.1:{}/{path}", server.port));
    command
}

fn of_path<'a>(heard: &'a Heard, path: &str) -> Vec<&'a Value> {
    heard.exchanges.iter().filter(|exchange| exchange["url.path"] == path).collect()
}

fn only<'a>(heard: &'a Heard, path: &str) -> &'a Value {
    let found = of_path(heard, path);
    assert_eq!(found.len(), 1, "{path}: {:?}\n{}", heard.exchanges, heard.err);
    found[0]
}

fn events(server: &Script, scheme: &str) {
    let watch = server.watch(&[]).unwrap();
    for path in ["events", "gzip"] {
        assert!(curl(server, scheme, path).status().unwrap().success());
    }
    let heard = watch.stop().unwrap();
    for path in ["/events", "/gzip"] {
        let exchange = only(&heard, path);
        assert_says(
            exchange,
            &[
                ("network.protocol.version", json!("2")),
                ("url.scheme", json!(scheme)),
                ("http.response.status_code", json!(200)),
                ("stream.kind", json!("events")),
                ("stream.server.messages", json!(5)),
                ("stream.server.bytes", json!(5 * 28)),
            ],
        );
        let first = exchange["stream.time_to_first_message"].as_f64().unwrap();
        let duration = exchange["duration"].as_f64().unwrap();
        // The first comes after 110 ms, four more 160 ms apart; a busy machine takes longer.
        assert!((0.1..duration - 0.5).contains(&first), "{exchange}");
    }
}

#[test]
fn server_sent_events_by_tls() {
    let secrets = Secrets::make();
    events(&secrets.serve("sse_server.js", &[]), "https");
}

#[test]
fn server_sent_events_without_tls() {
    events(&Script::start("sse_server.js", &["h2c"]).unwrap(), "http");
}

/// Open streams are seen while they are open, with what they carried so far, and not after: events by TLS and without, a
/// call of gRPC with messages both ways.
#[test]
fn what_has_not_ended_is_seen() {
    let secrets = Secrets::make();
    let by_tls = secrets.serve("sse_server.js", &[]);
    let plain = Script::start("sse_server.js", &["h2c"]).unwrap();
    let calls = Script::start("../servers/grpc_server.py", &[]).unwrap();
    let ports = [&by_tls, &plain, &calls].map(|server| server.port.to_string());
    let theirs = ports.iter().flat_map(|port| ["--port", port]);
    let arguments: Vec<&str> = ["--json", "--listen", "127.0.0.1:0"].into_iter().chain(theirs).collect();
    let watch = Watch::start(&arguments).unwrap();
    let page = watch.told("the page is ").unwrap();
    let mut listening =
        [(&by_tls, "https"), (&plain, "http")].map(|(s, scheme)| curl(s, scheme, "endless").spawn().unwrap());
    let mut talking = script("../clients/grpc_client.py", calls.port)
        .unwrap()
        .arg("--talk")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();

    let ours = |answer: &Value| answer["streams"].as_array().unwrap().clone();
    let open = until(&page, "open", |answer| {
        let streams = ours(answer);
        streams.len() == 3 && streams.iter().all(|one| one["stream.server.messages"].as_u64() > Some(3))
    });
    let streams = ours(&open);
    for (server, kind) in [&by_tls, &plain, &calls].iter().zip(["events", "events", "messages"]) {
        let stream = streams.iter().find(|one| one["server.port"] == server.port).unwrap();
        assert_says(stream, &[("stream.kind", json!(kind)), ("network.protocol.version", json!("2"))]);
        assert!(stream.get("duration").is_none(), "{stream}");
        assert!(stream["stream.time_to_first_message"].as_f64().is_some(), "{stream}");
    }
    let talk = streams.iter().find(|one| one["stream.kind"] == "messages").unwrap();
    assert_says(talk, &[("rpc.method", json!("shop.v1.Orders/Chat"))]);
    let count = talk["stream.client.messages"].as_u64().unwrap();
    // It is told again, with more.
    until(&page, "open", |answer| {
        ours(answer).iter().any(|one| one["stream.client.messages"].as_u64() > Some(count + 2))
    });

    for client in &mut listening {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    talking.stdin.take().unwrap().write_all(b"enough\n").unwrap();
    assert!(talking.wait().unwrap().success());
    until(&page, "open", |answer| ours(answer).is_empty());
    let heard = watch.stop().unwrap();
    let ended: Vec<_> = of_path(&heard, "/endless");
    assert_eq!(ended.len(), 2, "{:?}", heard.exchanges);
    // That the client leaves is how such a stream ends.
    for exchange in ended {
        assert!(exchange.get("error.type").is_none() && exchange.get("duration").is_none(), "{exchange}");
    }
    let talk = only(&heard, "/shop.v1.Orders/Chat");
    assert_says(talk, &[("rpc.response.status_code", json!("OK"))]);
    assert!(
        talk["rpc.requests_per_rpc"].as_u64() > Some(count) && talk.get("stream.kind").is_none(),
        "{talk}"
    );
    assert_eq!(talk["rpc.requests_per_rpc"], talk["rpc.responses_per_rpc"]);
}

/// The same conversation as over HTTP/1.1.
fn talks(heard: &Heard, (scheme, compression, end): (&str, &str, &str)) {
    let exchange = only(heard, "/live/prices");
    assert_is_the_conversation(exchange, compression, end);
    assert_says(
        exchange,
        &[
            ("network.protocol.version", json!("2")),
            ("url.scheme", json!(scheme)),
            ("http.request.method", json!("CONNECT")),
            ("http.response.status_code", json!(200)),
        ],
    );
}

/// Python's `h2` and `wsproto`, by TLS. On the same connection it asks something else before and after.
fn python_asks(server: &Script, compression: &str, end: &str) {
    let watch = server.watch(&[]).unwrap();
    client("ws_h2_client.py", server, &[compression, end]).unwrap();
    let heard = watch.stop().unwrap();
    talks(&heard, ("https", compression, end));
    for path in ["/before", "/after"] {
        let beside = only(&heard, path);
        assert!(beside.get("stream.kind").is_none() && beside["http.request.method"] == "GET", "{beside}");
    }
}

#[test]
fn web_sockets_of_node_by_tls() {
    let secrets = Secrets::make();
    python_asks(&secrets.serve("ws_server.js", &["deflate"]), "deflate", "bye");
    python_asks(&secrets.serve("ws_server.js", &["plain"]), "plain", "fail");
}

#[test]
fn web_sockets_of_hypercorn_by_tls() {
    let secrets = Secrets::make();
    python_asks(&secrets.serve("hypercorn_server.py", &["ws"]), "deflate", "bye");
}

#[test]
fn web_sockets_of_node_without_tls() {
    let server = Script::start("ws_server.js", &["plain", "h2c"]).unwrap();
    let watch = server.watch(&[]).unwrap();
    client("ws_client.js", &server, &["plain", "bye", "h2c"]).unwrap();
    talks(&watch.stop().unwrap(), ("http", "plain", "bye"));
}

/// One endpoint, whichever version carries it, and what is said there is learned.
#[test]
fn a_web_socket_is_the_same_endpoint_over_either_version() {
    let secrets = Secrets::make();
    let (new, old) =
        (secrets.serve("ws_server.js", &["deflate"]), Script::start("ws_server.js", &["plain"]).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model").display().to_string();
    let ports = [new.port, old.port].map(|port| port.to_string());
    let watch =
        Watch::start(&["--json", "--port", &ports[0], "--port", &ports[1], "--save", &model]).unwrap();
    client("ws_h2_client.py", &new, &["deflate", "bye"]).unwrap();
    client("ws_client.js", &old, &["plain", "bye"]).unwrap();
    watch.stop().unwrap();
    let shown = run(&["show", "GET /live/prices", "--json", "--from", &model]).unwrap();
    let shown = shown.document().unwrap();
    let kinds = shown["messages"]["server"]["kinds"].as_array().unwrap();
    let ticks = kinds.iter().find(|kind| kind["kind"] == "type = tick").unwrap();
    assert_eq!(ticks["messages"], 12, "{shown}");
}

/// The clients that their makers publish, against answers as they are documented.
#[test]
fn calls_of_models() {
    let secrets = Secrets::make();
    let server = secrets.serve("hypercorn_server.py", &["models"]);
    let watch = server.watch(&[]).unwrap();
    client("models_client.py", &server, &["h2"]).unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 4, "{:?}", heard.exchanges);
    for (path, provider, asked, answered, tokens) in [
        ("/v1/chat/completions", "openai", "gpt-4o", "gpt-4o-2026-01-01", (9, 2)),
        ("/v1/messages", "anthropic", "claude-x", "claude-x-1", (25, 15)),
    ] {
        let calls = of_path(&heard, path);
        assert_eq!(calls.len(), 2, "{path}");
        for call in calls {
            assert_says(
                call,
                &[
                    ("network.protocol.version", json!("2")),
                    ("gen_ai.operation.name", json!("chat")),
                    ("gen_ai.provider.name", json!(provider)),
                    ("gen_ai.request.model", json!(asked)),
                    ("gen_ai.response.model", json!(answered)),
                    ("gen_ai.usage.input_tokens", json!(tokens.0)),
                    ("gen_ai.usage.output_tokens", json!(tokens.1)),
                ],
            );
            let first = call.get("gen_ai.server.time_to_first_token").and_then(Value::as_f64);
            assert_eq!(first.is_some(), call.get("stream.kind").is_some(), "{call}");
            // The server thinks for so long before it says anything.
            assert!(first.is_none_or(|first| (0.15..1.5).contains(&first)), "{call}");
        }
        let streamed = of_path(&heard, path).iter().filter(|call| call["stream.kind"] == "events").count();
        assert_eq!(streamed, 1, "{path}");
    }
}

#[test]
fn tools_of_the_model_context_protocol() {
    let secrets = Secrets::make();
    let server = secrets.serve("hypercorn_server.py", &["mcp"]);
    let watch = server.watch(&[]).unwrap();
    client("mcp_client.py", &server, &["h2"]).unwrap();
    let heard = watch.stop().unwrap();
    let tools: Vec<&Value> = heard.exchanges.iter().filter(|e| e.get("gen_ai.tool.name").is_some()).collect();
    let names: Vec<_> = tools.iter().map(|call| call["gen_ai.tool.name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add", "add", "add", "divide"], "{:?}", heard.exchanges);
    for call in tools {
        assert_says(
            call,
            &[
                ("network.protocol.version", json!("2")),
                ("mcp.method.name", json!("tools/call")),
                ("gen_ai.operation.name", json!("execute_tool")),
                ("http.route", json!("/mcp")),
            ],
        );
        assert!(call["mcp.protocol.version"].is_string(), "{call}");
    }
}
