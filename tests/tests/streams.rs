//! WebSockets, server-sent events, models and tools, live: real servers and clients beside a `watch`. As root only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_tests::{
    page::until,
    program::{Heard, Watch, run},
    script::{Script, assert_is_the_conversation, assert_says, client, script},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

fn only(heard: &Heard) -> &Value {
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.exchanges);
    &heard.exchanges[0]
}

/// One conversation: two subscriptions with three ticks each, a message in fragments, one of 200 000 bytes, the end.
fn talks(server: &str, with: &str, compression: &str, end: &str) {
    let server = Script::start(server, &[compression]).unwrap();
    let watch = server.watch(&[]).unwrap();
    client(with, &server, &[compression, end]).unwrap();
    let heard = watch.stop().unwrap();
    let exchange = only(&heard);
    assert_is_the_conversation(exchange, compression, end);
    assert_says(
        exchange,
        &[("http.request.method", json!("GET")), ("http.response.status_code", json!(101))],
    );
}

macro_rules! web_sockets {
    ($($name:ident: $server:literal with $client:literal, $compression:literal, $end:literal;)*) => {$(
        #[test]
        fn $name() {
            talks($server, $client, $compression, $end);
        }
    )*};
}

web_sockets! {
    python_plain: "ws_server.py" with "ws_client.py", "plain", "bye";
    python_deflate: "ws_server.py" with "ws_client.py", "deflate", "bye";
    node_plain: "ws_server.js" with "ws_client.js", "plain", "fail";
    node_deflate: "ws_server.js" with "ws_client.js", "deflate", "bye";
    node_asks_python_deflate: "ws_server.py" with "ws_client.js", "deflate", "fail";
    python_asks_node_deflate: "ws_server.js" with "ws_client.py", "deflate", "fail";
}

/// What was said is learned by direction and kind, though every message was compressed with those before it.
#[test]
fn messages_of_a_web_socket_have_shapes() {
    let server = Script::start("ws_server.py", &["deflate"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model").display().to_string();
    let watch = server.watch(&["--save", &model]).unwrap();
    for _ in 0..3 {
        client("ws_client.py", &server, &["deflate", "bye"]).unwrap();
    }
    assert_eq!(watch.stop().unwrap().exchanges.len(), 3);
    let shown = run(&["show", "GET /live/prices", "--json", "--from", &model]).unwrap();
    let messages = &shown.document().unwrap()["messages"];
    let kinds = |who: &str| -> Vec<(String, u64)> {
        let kinds = messages[who]["kinds"].as_array().unwrap().iter();
        kinds.map(|k| (k["kind"].as_str().unwrap().to_owned(), k["messages"].as_u64().unwrap())).collect()
    };
    let named = |all: &[(&str, u64)]| all.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(kinds("client"), named(&[("type = subscribe", 6), ("binary", 3), ("text", 3)]));
    assert_eq!(kinds("server"), named(&[("type = tick", 18), ("binary", 3), ("text", 3)]));
    let fields = messages["server"]["kinds"][0]["fields"].as_array().unwrap();
    let field = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap();
    assert_eq!((&field("price")["type"], &field("symbol")["required"]), (&json!("number"), &json!(true)));
    assert_eq!(messages["closed"], json!([{"websocket.close.code": 1000, "streams": 3}]));
    let text = run(&["show", "GET /live/prices", "--from", &model]).unwrap().out;
    for words in ["Messages from the server", "type = tick", "price", "1000 normal", "ticks.v1"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// Open streams are seen while they are open, with what they carried so far, and not after.
#[test]
fn what_has_not_ended_is_seen() {
    let sockets = Script::start("ws_server.py", &["deflate"]).unwrap();
    let events = Script::start("sse_server.js", &[]).unwrap();
    let ports = [sockets.port, events.port].map(|port| port.to_string());
    let watch =
        Watch::start(&["--json", "--listen", "127.0.0.1:0", "--port", &ports[0], "--port", &ports[1]])
            .unwrap();
    let page = watch.told("the page is ").unwrap();
    let mut talking = script("ws_client.py", sockets.port)
        .unwrap()
        .args(["deflate", "wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(talking.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert_eq!(ready, "open\n");
    let url = format!("http://127.0.0.1:{}/endless", events.port);
    let mut listening = Command::new("curl")
        .args(["--silent", "--no-buffer", "--output", "/dev/null", &url])
        .spawn()
        .unwrap();

    let ours = |answer: &Value| answer["streams"].as_array().unwrap().clone();
    let open = until(&page, "open", |answer| {
        let streams = ours(answer);
        streams.len() == 2
            && streams
                .iter()
                .any(|one| one["stream.server.messages"].as_u64() > Some(3) && one["url.path"] == "/endless")
    });
    let streams = ours(&open);
    let of = |path: &str| streams.iter().find(|one| one["url.path"] == path).unwrap();
    assert_says(
        of("/live/prices"),
        &[("stream.kind", json!("websocket")), ("endpoint", of("/live/prices")["endpoint"].clone())],
    );
    assert!(of("/live/prices").get("duration").is_none() && of("/endless").get("duration").is_none());
    assert!(of("/endless")["stream.time_to_first_message"].as_f64() >= Some(0.1), "{open}");

    // What went over it is learned before it ends.
    let described = until(&page, &format!("describe?{}", endpoint(of("/endless"))), |answer| {
        answer["messages"]["server"]["messages"].as_u64() > Some(3)
    });
    assert_eq!(described["requests"], 0, "{described}");
    assert_eq!(described["messages"]["server"]["kinds"][0]["media_type"], "price", "{described}");

    listening.kill().unwrap();
    listening.wait().unwrap();
    talking.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(talking.wait().unwrap().success());
    until(&page, "open", |answer| ours(answer).is_empty());
    let heard = watch.stop().unwrap();
    let ended: Vec<_> = heard.exchanges.iter().filter(|e| e.get("stream.kind").is_some()).collect();
    assert_eq!(ended.len(), 2, "{:?}", heard.exchanges);
    // That the client leaves is how such a stream ends.
    let endless = ended.iter().find(|e| e["url.path"] == "/endless").unwrap();
    assert!(endless.get("error.type").is_none() && endless.get("duration").is_none(), "{endless}");
}

/// The parameters of a question about an endpoint.
fn endpoint(stream: &Value) -> String {
    let id = &stream["endpoint"];
    ["service", "way", "method", "route"]
        .map(|name| format!("{name}={}", id[name].as_str().unwrap().replace('/', "%2F").replace(' ', "%20")))
        .join("&")
}

#[test]
fn server_sent_events() {
    let server = Script::start("sse_server.js", &[]).unwrap();
    let watch = server.watch(&[]).unwrap();
    for path in ["events", "gzip"] {
        let url = format!("http://127.0.0.1:{}/{path}", server.port);
        let curl = ["--silent", "--no-buffer", "--compressed", "--output", "/dev/null", &url];
        assert!(Command::new("curl").args(curl).status().unwrap().success());
    }
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 2, "{:?}", heard.exchanges);
    for exchange in &heard.exchanges {
        assert_says(
            exchange,
            &[
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

/// The clients that their makers publish, against answers as they are documented.
#[test]
fn calls_of_models() {
    let server = Script::start("models.py", &[]).unwrap();
    let watch = server.watch(&[]).unwrap();
    client("models_client.py", &server, &[]).unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 4, "{:?}", heard.exchanges);
    let told = |path: &str, streamed: bool| {
        let is_it = |e: &&Value| e["url.path"] == path && e.get("stream.kind").is_some() == streamed;
        heard.exchanges.iter().find(is_it).unwrap_or_else(|| panic!("{path}: {:?}", heard.exchanges))
    };
    for streamed in [false, true] {
        let chat = told("/v1/chat/completions", streamed);
        assert_says(
            chat,
            &[
                ("gen_ai.operation.name", json!("chat")),
                ("gen_ai.provider.name", json!("openai")),
                ("gen_ai.request.model", json!("gpt-4o")),
                ("gen_ai.response.model", json!("gpt-4o-2026-01-01")),
                ("gen_ai.usage.input_tokens", json!(9)),
                ("gen_ai.usage.output_tokens", json!(2)),
            ],
        );
        let messages = told("/v1/messages", streamed);
        assert_says(
            messages,
            &[
                ("gen_ai.provider.name", json!("anthropic")),
                ("gen_ai.request.model", json!("claude-x")),
                ("gen_ai.response.model", json!("claude-x-1")),
                ("gen_ai.usage.input_tokens", json!(25)),
                ("gen_ai.usage.output_tokens", json!(15)),
            ],
        );
        for call in [chat, messages] {
            let first = call.get("gen_ai.server.time_to_first_token").and_then(Value::as_f64);
            assert_eq!(first.is_some(), streamed, "{call}");
            // The server thinks for so long before it says anything.
            assert!(first.is_none_or(|first| (0.15..1.5).contains(&first)), "{call}");
        }
    }
}

/// What else there is: the interface, its calls (whole, then streamed), and what each says of itself.
#[test]
fn responses_gemini_and_ollama() {
    let server = Script::start("models.py", &[]).unwrap();
    let watch = server.watch(&[]).unwrap();
    client("models_more.py", &server, &[]).unwrap();
    let heard = watch.stop().unwrap();
    let mut calls = heard.exchanges.clone();
    calls.sort_by_key(|call| call["time"].as_str().map(str::to_owned));
    let keys = ["provider.name", "operation.name", "request.model", "response.model"];
    let told: Vec<String> = calls
        .iter()
        .map(|call| {
            let text = |key: &str| call[&format!("gen_ai.{key}")].as_str().unwrap_or("-").to_owned();
            let number = |key: &str| call[&format!("gen_ai.usage.{key}_tokens")].to_string();
            let first = call.get("gen_ai.server.time_to_first_token").and_then(Value::as_f64);
            assert_eq!(first.is_some(), call.get("stream.kind").is_some(), "{call}");
            assert!(first.is_none_or(|first| (0.15..1.5).contains(&first)), "{call}");
            let streamed = if first.is_some() { "streamed" } else { "whole" };
            let words = keys.map(text).join(" ");
            format!("{words} {} {} {streamed}", number("input"), number("output"))
        })
        .collect();
    let expected = [
        "openai chat gpt-5 gpt-5-2026-01-01 36 87 whole",
        "openai chat gpt-5 gpt-5-2026-01-01 36 87 streamed",
        "openai embeddings e5 e5 8 null whole",
        "gcp.gemini generate_content gemini-2.5-flash gemini-2.5-flash-001 4 11 whole",
        "gcp.gemini generate_content gemini-2.5-flash gemini-2.5-flash-001 4 11 streamed",
        "gcp.gemini embeddings gemini-embedding-001 - null null whole",
        "ollama chat llama3.2 llama3.2 26 298 whole",
        "ollama chat llama3.2 llama3.2 26 298 streamed",
        "ollama text_completion llama3.2 llama3.2 26 298 whole",
        "ollama text_completion llama3.2 llama3.2 26 298 streamed",
        "ollama embeddings llama3.2 llama3.2 8 null whole",
    ];
    assert_eq!(told, expected, "{}", heard.err);
}

#[test]
fn tools_of_the_model_context_protocol() {
    let server = Script::start("mcp_server.py", &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model").display().to_string();
    let watch = server.watch(&["--save", &model]).unwrap();
    client("mcp_client.py", &server, &[]).unwrap();
    let heard = watch.stop().unwrap();
    let tools: Vec<&Value> = heard.exchanges.iter().filter(|e| e.get("gen_ai.tool.name").is_some()).collect();
    let names: Vec<_> = tools.iter().map(|call| call["gen_ai.tool.name"].as_str().unwrap()).collect();
    assert_eq!(names, ["add", "add", "add", "divide"], "{:?}", heard.exchanges);
    for call in tools {
        assert_says(
            call,
            &[
                ("mcp.method.name", json!("tools/call")),
                ("gen_ai.operation.name", json!("execute_tool")),
                ("rpc.system.name", json!("jsonrpc")),
                ("http.route", json!("/mcp")),
            ],
        );
        assert!(call["mcp.protocol.version"].is_string(), "{call}");
    }
    let rows = run(&["endpoints", "--json", "--from", &model]).unwrap().document().unwrap();
    let of = |route: &str| rows.as_array().unwrap().iter().find(|row| row["route"] == route).unwrap();
    let add = of("/mcp#tools/call add");
    assert_eq!((&add["protocol"], &add["requests"]), (&json!("mcp"), &json!(3)), "{rows}");
    assert_eq!(of("/mcp#tools/call divide")["errors_hidden"], 1, "{rows}");
    let shown = run(&["show", "POST /mcp#tools/call add", "--from", &model]).unwrap();
    assert!(shown.code == Some(0) && shown.out.contains("tools/call add"), "{}{}", shown.out, shown.err);
}

/// An upload that asks first and comes slowly: what is measured begins with its last byte.
#[test]
fn an_upload_that_waits_for_100_continue() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let watch = Watch::start(&["--json", "--port", &port.to_string()]).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut read = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while read.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        read.read_exact(&mut [0; 3000]).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nfi").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(b"ne").unwrap();
    });
    let curl = Command::new("curl")
        .args([
            "--silent",
            "--output",
            "/dev/null",
            "--limit-rate",
            "2000",
            "--header",
            "Expect: 100-continue",
        ])
        .args(["--data-binary", &"x".repeat(3000), &format!("http://127.0.0.1:{port}/upload")])
        .status()
        .unwrap();
    assert!(curl.success());
    server.join().unwrap();
    let heard = watch.stop().unwrap();
    let exchange = only(&heard);
    assert_says(
        exchange,
        &[("http.response.status_code", json!(201)), ("http.request.body.size", json!(3000))],
    );
    let (first, duration) =
        (exchange["time_to_first_byte"].as_f64().unwrap(), exchange["duration"].as_f64().unwrap());
    // Neither the wait for 100 nor the upload is in it.
    assert!((0.2..0.6).contains(&first) && (0.5..1.0).contains(&duration), "{exchange}");
}
