//! "Before and after" a deploy, through the whole program: real services in git repositories are restarted with another
//! commit while `watch` keeps what it hears; the page says what that changed. As root only: real probes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use overhear_tests::{judge, program::Watch, server::free_port};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// Answers `/sales`; how slow and how badly is what a commit changes.
const SERVER: &str = r#"
import http.server, sys, time
PAUSE, FAILS = 0, 0
calls = 0

class Till(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global calls
        calls += 1
        time.sleep(PAUSE)
        body = b'{"total": 12}'
        self.send_response(500 if FAILS and calls % FAILS == 0 else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Till).serve_forever()
"#;
const CALLS: u64 = 40;

/// A service in a git repository of its own.
struct Service {
    name: &'static str,
    folder: TempDir,
    port: u16,
    running: Option<Child>,
}

impl Service {
    fn new(name: &'static str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
        git(folder.path(), &["init", "-q"]);
        Self { name, folder, port, running: None }
    }

    /// Commits this source, ends what runs and starts it anew. Says which commit that is.
    fn deploy(&mut self, source: &str) -> String {
        let script = format!("{}.py", self.name);
        fs::write(self.folder.path().join(&script), source).unwrap();
        git(self.folder.path(), &["add", "--all"]);
        git(self.folder.path(), &["commit", "-q", "--allow-empty", "-m", "another"]);
        self.end();
        let mut command = Command::new("python3");
        command.arg(script).arg(self.port.to_string()).current_dir(self.folder.path());
        command.env_remove("OTEL_SERVICE_NAME").env_remove("OTEL_RESOURCE_ATTRIBUTES");
        self.running = Some(command.spawn().unwrap());
        git(self.folder.path(), &["rev-parse", "--short=12", "HEAD"])
    }

    fn call(&self, times: u64) {
        for _ in 0..times {
            let mut stream = self.connect();
            write!(stream, "GET /sales HTTP/1.1\r\nHost: {}.example\r\nConnection: close\r\n\r\n", self.name)
                .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        }
    }

    fn connect(&self) -> TcpStream {
        let began = Instant::now();
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => return stream,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let who = ["-c", "user.name=n", "-c", "user.email=n@example.com"];
    let said = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// Steps of ten seconds: what is called in one that a deploy is in belongs to neither side.
fn next_step() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let left = 10_000 - now % 10_000;
    thread::sleep(Duration::from_millis(u64::try_from(left).unwrap() + 50));
}

/// A question to the page, asked until the answer is as it should be.
fn asked(page: &str, path: &str, ready: impl Fn(&Value) -> bool) -> Value {
    let (origin, token) = page.split_once("/?token=").unwrap();
    let began = Instant::now();
    loop {
        let said = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "10", "--header"])
            .arg(format!("Authorization: Bearer {token}"))
            .arg(format!("{origin}{path}"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text:?} {said:?}"));
        if ready(&answer) {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{path}: {answer:#}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn named<'a>(rows: &'a Value, name: &str) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_deploy_is_marked_and_compared_with_what_ran_before_it() {
    let (mut till, mut desk) = (Service::new("till"), Service::new("desk"));
    let kept = tempfile::tempdir().unwrap();
    let store = kept.path().join("store.db").display().to_string();
    let ports = format!("{},{}", till.port, desk.port);
    let arguments = ["--json", "--port", &ports, "--store", &store, "--listen", "127.0.0.1:0"];
    let watch = Watch::start_keeping(&arguments, |_| false).unwrap();
    let page = watch.told("the page is ").unwrap();

    let first = till.deploy(SERVER);
    desk.deploy(SERVER);
    till.call(CALLS);
    desk.call(CALLS);
    next_step();
    let slower = SERVER.replace("PAUSE, FAILS = 0, 0", "PAUSE, FAILS = 0.06, 2");
    let second = till.deploy(&slower);
    assert_ne!(first, second);
    drop(till.connect());
    next_step();
    till.call(CALLS);
    desk.call(CALLS);
    next_step();
    // Another service is deployed after it: that is no news of this one.
    let other = desk.deploy(&SERVER.replace("total", "sum"));
    drop(desk.connect());
    next_step();
    desk.call(CALLS / 2);

    let endpoint = "/api/endpoint?service=till&method=GET&route=/sales&beside=deploy";
    let answer = asked(&page, endpoint, |answer| number(&answer["endpoint"]["now"]["requests"]) >= CALLS);
    let (now, before) = (&answer["endpoint"]["now"], &answer["endpoint"]["before"]);
    assert_eq!((number(&now["requests"]), number(&now["errors"])), (CALLS, CALLS / 2), "{answer:#}");
    assert_eq!((number(&before["requests"]), number(&before["errors"])), (CALLS, 0), "{answer:#}");
    let median = |figures: &Value| figures["latency"]["p50"].as_f64().unwrap();
    assert!(median(now) >= 0.06 && median(now) > median(before), "{answer:#}");
    assert_eq!(answer["endpoint"]["worse"]["what"], "errors");
    let since = &answer["since"];
    assert_eq!((&since[0]["service"], &since[0]["version"]), (&"till".into(), &second.as_str().into()));
    assert_eq!(since.as_array().unwrap().len(), 1, "of the service that is looked at: {since}");

    // Of all services each is beside its own.
    let desk_since = |answer: &Value| {
        let asked = number(&named(&answer["services"], "desk")["now"]["requests"]);
        answer["since"].as_array().unwrap().len() == 2 && asked >= CALLS / 2
    };
    let services = asked(&page, "/api/services?beside=deploy", desk_since);
    for (name, now, before) in [("till", CALLS, CALLS), ("desk", CALLS / 2, 2 * CALLS)] {
        let row = named(&services["services"], name);
        let counts = (number(&row["now"]["requests"]), number(&row["before"]["requests"]));
        assert_eq!(counts, (now, before), "{name}: {services:#}");
    }
    let versions: Vec<_> = services["since"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!(versions, [other.as_str(), second.as_str()], "the last first");

    // Both are on the axis of time, and an error is new since.
    let changes = asked(&page, "/api/changes?since=1h", |_| true);
    let marked: Vec<_> = changes["deploys"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert!(marked.contains(&&second.as_str().into()) && marked.contains(&&other.as_str().into()));
    let new = asked(&page, "/api/changes?beside=deploy", |_| true);
    let statuses = new["changes"].as_array().unwrap().iter().filter(|one| one["kind"] == "status");
    let statuses: Vec<_> = statuses.map(|one| (&one["endpoint"]["service"], &one["detail"])).collect();
    assert_eq!(statuses, [(&"till".into(), &500.into())], "{new:#}");

    let seen = judge::looks(&page, &endpoint.replace("/api", ""), ".note b").unwrap();
    assert!(seen.contains("Errors went from none to 50"), "{seen}");
    assert!(seen.contains(&second) && seen.contains("since that deploy"), "{seen}");
    let seen = judge::looks(&page, "/endpoints?beside=deploy", ".grid .body .row").unwrap();
    assert!(seen.contains(&format!("till {second} at")) && seen.contains("its own last deploy"), "{seen}");
    watch.stop().unwrap();
}
