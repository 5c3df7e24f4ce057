//! Every command as a user would type it.

use overhear_tests::{
    captures::folder,
    program::{Watch, run},
    server::{Client, Kind, Server, calls, make_calls},
};
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, Instant},
};

fn capture(name: &str) -> String {
    folder().join(name).display().to_string()
}

#[test]
fn help_names_every_command_and_no_more() {
    let said = run(&["--help"]).unwrap();
    assert_eq!(said.code, Some(0));
    for command in
        ["watch", "run", "read", "requests", "endpoints", "show", "doctor", "demo", "completions", "man"]
    {
        assert!(said.out.lines().any(|line| line.trim().starts_with(command)), "{command}: {}", said.out);
    }
    assert!(!said.out.contains("demo-process"), "{}", said.out);
}

#[test]
fn completions_and_man_page() {
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&["completions", shell]).unwrap();
        assert!(said.code == Some(0) && said.out.contains("endpoints"), "{shell}: {}", said.err);
    }
    let said = run(&["man"]).unwrap();
    assert!(said.out.lines().any(|line| line.starts_with(".TH")), "{} {}", said.out, said.err);
    assert!(said.out.contains("watch"));
}

/// What was saved answers like the capture it was learned from, and two saved models add up.
#[test]
fn saved_models_answer_like_their_captures() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model").display().to_string();
    let (a, b) = (capture("keep_alive_100.pcap"), capture("server_error.pcap"));
    let said = run(&["read", &a, &b, "--save", &model]).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let from_captures = run(&["endpoints", "--json", "--from", &a, &b]).unwrap().document().unwrap();
    let from_model = run(&["endpoints", "--json", "--from", &model]).unwrap().document().unwrap();
    assert!(from_captures.as_array().is_some_and(|rows| rows.len() >= 3), "{from_captures}");
    assert_eq!(from_model, from_captures);
    let twice = run(&["endpoints", "--json", "--from", &model, &model]).unwrap().document().unwrap();
    let total: u64 = twice.as_array().unwrap().iter().filter_map(|row| row["requests"].as_u64()).sum();
    assert_eq!(total, 2 * 102);
}

#[test]
fn endpoints_have_every_key_of_the_contract() {
    let said = run(&["endpoints", "--json", "--from", &capture("simple.pcap")]).unwrap();
    let document = said.document().unwrap();
    let row = document[0].as_object().unwrap();
    let keys = [
        "service",
        "direction",
        "protocol",
        "method",
        "route",
        "requests",
        "errors",
        "errors_hidden",
        "p50",
        "p90",
        "p95",
        "p99",
        "bytes_in",
        "bytes_out",
        "first_seen",
        "last_seen",
    ];
    let mut got: Vec<_> = row.keys().map(String::as_str).collect();
    let mut expected = keys.to_vec();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected);
    assert_eq!((&row["method"], &row["route"]), (&"GET".into(), &"/hello".into()));
    // One exchange of 5.01 ms: within a bucket of the sketch.
    let p50 = row["p50"].as_f64().unwrap();
    assert!((p50 - 0.00501).abs() < 0.0005, "{p50}");
}

#[test]
fn routes_use_placeholders() {
    let said = run(&["endpoints", "--json", "--from", &capture("interleaved.pcap")]).unwrap();
    let document = said.document().unwrap();
    let rows = document.as_array().unwrap();
    assert_eq!(rows.len(), 1, "{document}");
    let route = rows[0]["route"].as_str().unwrap();
    assert!(route.starts_with("/clients/{") && route.ends_with('}'), "{route}");
}

#[test]
fn show_tells_one_endpoint_and_suggests_near_ones() {
    let file = capture("server_error.pcap");
    let said = run(&["show", "GET /fails", "--from", &file]).unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("500") && said.out.contains("/fails") && !said.out.contains("/busy"),
        "{}",
        said.out
    );
    let said = run(&["show", "GET /fail", "--from", &file]).unwrap();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("/fails"), "{}", said.err);
}

#[test]
fn doctor_says_what_it_can_hear() {
    let said = run(&["doctor"]).unwrap();
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    for word in ["kernel", "BTF", "reads what sendfile, splice and io_uring move on TCP, out of packets"] {
        assert!(said.out.to_lowercase().contains(&word.to_lowercase()), "{word}: {}", said.out);
    }
    assert!(run(&["doctor", "--json"]).unwrap().document().unwrap().is_object());
}

/// What `watch` tells at its end, `doctor` tells while it runs: what was captured, and what was lost by reason.
#[test]
fn doctor_tells_what_the_running_watch_captures_and_loses() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("live.sock").display().to_string();
    let said = run(&["doctor", "--json", "--socket", &nobody]).unwrap();
    assert_eq!((said.code, said.document().unwrap().get("statistics")), (Some(0), None));

    let server = Server::start(Kind::Nginx).unwrap();
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    let socket = watch.socket().display().to_string();
    // nginx has the kernel send a file: its length is seen, its bytes are not.
    let url = format!("http://127.0.0.1:{}/files/large", server.port);
    let curl = Command::new("curl").args(["--silent", "--output", "/dev/null", &url]).status().unwrap();
    assert!(curl.success());
    let begun = Instant::now();
    let mut told = Value::Null;
    while told["captured"]["exchanges"] != 1 && begun.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(100));
        let said = run(&["doctor", "--json", "--socket", &socket]).unwrap();
        assert_eq!(said.code, Some(0), "{}", said.err);
        told = said.document().unwrap()["statistics"].take();
    }
    assert_eq!(told["lost"]["not_in_user_buffer"]["bytes"], 300_000, "{told}");
    let said = run(&["doctor", "--socket", &socket]).unwrap();
    assert!(said.out.contains("lost: not in user buffer: "), "{}", said.out);
    assert!(said.out.contains(": 1 exchange\n"), "{}", said.out);
    let heard = watch.stop().unwrap();
    assert_eq!(told, heard.statistics, "both tell the same");
    assert!(heard.err.contains("lost: not in user buffer: "), "{}", heard.err);
}

/// `requests` without `--from` asks the `watch` that runs, and says so where none does.
#[test]
fn requests_ask_the_running_watch() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("live.sock").display().to_string();
    let nobody = run(&["requests", "--json", "--socket", &socket]).unwrap();
    assert_eq!(nobody.code, Some(2), "{}", nobody.out);
    assert!(nobody.err.contains("watch"), "{}", nobody.err);

    let server = Server::start(Kind::Python).unwrap();
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    let socket = watch.socket().display().to_string();
    make_calls(Client::Curl, server.port).unwrap();
    let expected = calls(Kind::Python).len();
    let begun = Instant::now();
    let mut lines = 0;
    while lines < expected && begun.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(100));
        let said = run(&["requests", "--json", "--socket", &socket]).unwrap();
        assert_eq!(said.code, Some(0), "{}", said.err);
        lines = said.lines().unwrap().len();
    }
    assert_eq!(lines, expected);
    assert_eq!(watch.stop().unwrap().exchanges.len(), expected);
}
