//! The program as a user meets it: exit codes, messages, damage, filters. Needs no root; run as root it gives it up.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set fails")]

use overhear_exchange::{Side, Timestamp};
use overhear_testkit::{
    copy_program,
    pcap::{Capture, Conversation},
};
use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

const NOON: u64 = 1_767_268_800_000_000_000;

struct Scene {
    folder: TempDir,
}

struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
    }
}

/// A conversation on a port of its own: a call to `GET path` of `host`, and the answer, a second after the last.
fn call(number: u16, host: &str, path: &str, status: u16) -> Conversation {
    let mut conversation =
        Conversation::new(([10, 0, 0, 1], 40_000 + number).into(), ([10, 0, 0, 2], 80).into());
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\n\r\nok");
    conversation.at(Timestamp::from_nanos(NOON + u64::from(number) * 1_000_000_000)).open();
    conversation.send(Side::A, request.as_bytes()).send(Side::B, response.as_bytes()).close();
    conversation
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Three calls: two of `shop.example`, one of which fails, and one of `bank.example`.
    fn calls(&self) -> String {
        let mut capture = Capture::new();
        capture.add(&call(1, "shop.example", "/orders/17", 200));
        capture.add(&call(2, "shop.example", "/orders/18", 503));
        capture.add(&call(3, "bank.example", "/pay?token=secret1", 200));
        self.file("calls.pcap", &capture.pcap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null());
    // The machine's own store and page are none of a test's business.
    command.envs([("OVERHEAR_NO_STORE", "true"), ("OVERHEAR_NO_PAGE", "true")]);
    command
}

fn run(arguments: &[&str]) -> Said {
    command(Path::new(env!("CARGO_BIN_EXE_overhear")), arguments).output().unwrap().into()
}

/// Runs as nobody, with a copy that nobody may read.
fn run_as_nobody(arguments: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("overhear");
    copy_program(Path::new(env!("CARGO_BIN_EXE_overhear")), &copy).unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = command(&copy, arguments);
    if is_root() {
        command.uid(65_534).gid(65_534);
    }
    command.output().unwrap().into()
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0
}

#[test]
fn filters_keep_what_they_say() {
    let scene = Scene::new();
    let file = scene.calls();
    let cases: &[(&[&str], usize)] = &[
        (&[], 3),
        (&["--where", "http.response.status_code >= 500"], 1),
        (&["--where", "http.route == '/orders/{orderId}'"], 2),
        (&["--service", "bank.example"], 1),
        (&["--since", "2026-01-01T12:00:02Z"], 2),
        (&["--until", "2026-01-01T12:00:02Z"], 1),
        (&["--since", "1h"], 0),
        (&["--service", "nobody"], 0),
    ];
    for (flags, expected) in cases {
        let said = run(&[&["requests", "--json", "--from", &file], *flags].concat());
        assert_eq!((said.out.lines().count(), said.code), (*expected, Some(0)), "{flags:?} {}", said.err);
        let said = run(&[&["endpoints", "--json", "--from", &file], *flags].concat());
        let calls: usize =
            said.out.matches("\"requests\":1").count() + 2 * said.out.matches("\"requests\":2").count();
        assert_eq!(calls, *expected, "{flags:?} {}", said.out);
    }
}

#[test]
fn secrets_are_not_printed() {
    let scene = Scene::new();
    for flags in [&["requests", "--json", "--from"][..], &["requests", "--from"], &["read"]] {
        let said = run(&[flags, &[scene.calls().as_str()]].concat());
        assert!(said.code == Some(0) && said.out.contains("/pay"), "{}", said.err);
        assert!(!said.out.contains("secret1"), "{}", said.out);
    }
}

#[test]
fn a_wrong_expression_is_pointed_at() {
    let said = run(&["requests", "--from", &Scene::new().calls(), "--where", "duration >"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(
        said.err.starts_with("overhear: --where: ") && said.err.contains("  duration >\n"),
        "{}",
        said.err
    );
    assert!(said.err.lines().any(|line| line.trim() == "^"), "{}", said.err);
    let said = run(&["requests", "--from", &Scene::new().calls(), "--where", "durration > 1.0"]);
    assert!(said.code == Some(2) && said.err.contains("duration"), "{}", said.err);
}

#[test]
fn damage_comes_after_what_is_whole() {
    let scene = Scene::new();
    let whole = fs::read(scene.calls()).unwrap();
    let cut = scene.file("cut.pcap", &whole[..whole.len() - 10]);
    for (flags, needle) in
        [(&["requests", "--json"][..], "/orders/17"), (&["endpoints", "--json"], "{orderId}")]
    {
        let said = run(&[flags, &["--from", cut.as_str()]].concat());
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.out.contains(needle), "{}", said.out);
        assert!(said.err.contains("cut.pcap") && said.err.contains("damaged"), "{}", said.err);
    }
    // The other file counts all the same.
    let said = run(&["requests", "--json", "--from", &cut, &scene.calls()]);
    assert_eq!((said.code, said.out.lines().count()), (Some(2), 6), "{}", said.err);
}

#[test]
fn what_cannot_be_read_is_named() {
    let scene = Scene::new();
    let cases = [
        (scene.file("empty.pcap", b""), "is empty"),
        (scene.file("program", b"\x7fELF\x02\x01\x01"), "7f 45 4c 46"),
        (scene.path("missing.pcap"), "cannot be opened"),
        (scene.folder.path().display().to_string(), "cannot be opened"),
    ];
    for (file, expected) in cases {
        let said = run(&["read", &file]);
        assert_eq!(said.code, Some(2), "{file}");
        assert!(said.err.contains(&file) && said.err.contains(expected), "{}", said.err);
        assert!(said.err.starts_with("overhear: "), "{}", said.err);
    }
}

#[test]
fn saved_models_answer_what_they_know() {
    let scene = Scene::new();
    let model = scene.path("model");
    assert_eq!(run(&["read", &scene.calls(), "--save", &model]).code, Some(0));
    let said = run(&["endpoints", "--json", "--from", &model, "--where", "service.name == 'bank.example'"]);
    assert!(
        said.code == Some(0) && said.out.contains("/pay") && !said.out.contains("orders"),
        "{}",
        said.out
    );
    for refused in [
        &["endpoints", "--from", &model, "--where", "duration > 1.0"][..],
        &["endpoints", "--from", &model, "--since", "1h"],
        &["requests", "--from", &model],
    ] {
        let said = run(refused);
        assert_eq!(said.code, Some(2), "{refused:?}");
        assert!(said.err.contains("saved model"), "{}", said.err);
    }
    assert!(!Path::new(&format!("{model}.new")).exists());
}

#[test]
fn show_asks_back_when_several_fit() {
    let scene = Scene::new();
    let mut capture = Capture::new();
    capture.add(&call(1, "shop.example", "/health", 200)).add(&call(2, "bank.example", "/health", 200));
    let file = scene.file("health.pcap", &capture.pcapng());
    let said = run(&["show", "/health", "--from", &file]);
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.err.contains("'shop.example GET /health'"), "{}", said.err);
    let said = run(&["show", "shop.example", "GET", "/health", "--from", &file]);
    assert!(said.code == Some(0) && said.out.contains("10.0.0.1"), "{} {}", said.out, said.err);
    let said = run(&["show", "/health", "--service", "bank.example", "--json", "--from", &file]);
    assert!(said.code == Some(0) && said.out.contains("\"callers\""), "{} {}", said.out, said.err);
}

#[test]
fn a_capture_streams_through_a_pipe() {
    let scene = Scene::new();
    let mut child =
        command(Path::new(env!("CARGO_BIN_EXE_overhear")), &["requests", "--json", "--from", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(scene.calls()).unwrap()).unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!((said.out.lines().count(), said.code), (3, Some(0)));
}

#[test]
fn without_rights_it_says_what_to_do() {
    let said = run_as_nobody(&["watch", "--for", "1s", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("sudo") && said.err.contains("overhear demo"), "{}", said.err);
    let said = run_as_nobody(&["doctor"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("cap_bpf is missing"), "{}", said.out);
    let said = run_as_nobody(&["requests"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("--from"), "{}", said.err);
}

#[test]
fn the_demo_needs_no_rights() {
    let said = run_as_nobody(&["demo", "--for", "2s", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    let (last, calls) = lines.split_last().unwrap();
    assert!(last.starts_with("{\"statistics\":"), "{last}");
    assert!(calls.iter().any(|line| line.contains("\"service.name\":\"shop-")), "{calls:?}");
}

#[test]
fn wrong_times_are_explained() {
    for wrong in [&["watch", "--for", "10"][..], &["requests", "--since", "yesterday"]] {
        let said = run(wrong);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains("such as"), "{}", said.err);
    }
}
