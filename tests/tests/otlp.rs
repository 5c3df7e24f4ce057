//! `watch --otlp`: what a receiver that reads with OpenTelemetry's own messages says came.
#![expect(clippy::unwrap_used, reason = "a test")]

use overhear_tests::{
    Result,
    program::Watch,
    server::{Client, Kind, Server, cache, free_port, make_calls},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver as Lines},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// The same in base64, as JSON has bytes of protobuf.
const IN_JSON: [&str; 2] = ["S/kvNXezTaajzpKdDg5HNg==", "APBnqgupArc="];

struct Receiver {
    child: Child,
    lines: Lines<Value>,
    url: String,
}

impl Receiver {
    /// One that is too busy for so many requests first; with a certificate and its key, by TLS.
    fn start(busy: u32, protocol: &str, pem: Option<&Path>) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("judges/otlp_receiver.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args([&busy.to_string(), protocol])
            .args(pem)
            .env("PYTHONPATH", cache().join("python"))
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no standard output")?;
        let (said, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(std::result::Result::ok);
            for line in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        let first: Value = lines.recv_timeout(PATIENCE)?;
        Ok(Self {
            child,
            lines,
            url: format!("{}://127.0.0.1:{}", if pem.is_some() { "https" } else { "http" }, first["port"]),
        })
    }

    /// What came until that is all.
    fn until(&self, is_all: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let (begun, mut all) = (Instant::now(), Vec::new());
        while !is_all(&all) {
            if begun.elapsed() > PATIENCE {
                return Err(format!("only this came: {all:?}").into());
            }
            all.extend(self.lines.recv_timeout(Duration::from_millis(100)));
        }
        Ok(all)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Of an attribute: text, whatever it is.
fn attribute(of: &Value, name: &str) -> String {
    let found = array(&of["attributes"]).find(|one| one["key"] == name);
    let value = found.and_then(|one| one["value"].as_object()?.values().next().cloned());
    value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
}

/// All there are of the innermost, by the names on the way.
fn inner<'a>(lines: &'a [Value], path: &str, names: [&str; 3]) -> Vec<&'a Value> {
    let resources =
        lines.iter().filter(|line| line["path"] == path).flat_map(|line| array(&line["message"][names[0]]));
    resources.flat_map(|one| array(&one[names[1]])).flat_map(|one| array(&one[names[2]])).collect()
}

fn metrics(lines: &[Value]) -> Vec<&Value> {
    inner(lines, "/v1/metrics", ["resourceMetrics", "scopeMetrics", "metrics"])
}

fn records(lines: &[Value]) -> Vec<&Value> {
    inner(lines, "/v1/logs", ["resourceLogs", "scopeLogs", "logRecords"])
}

fn spans(lines: &[Value]) -> Vec<&Value> {
    inner(lines, "/v1/traces", ["resourceSpans", "scopeSpans", "spans"])
}

/// The last count of each route.
fn durations(lines: &[Value]) -> BTreeMap<String, u64> {
    let named = metrics(lines).into_iter().filter(|metric| metric["name"] == "http.server.request.duration");
    let points = named.flat_map(|metric| array(&metric["exponentialHistogram"]["dataPoints"]));
    points
        .map(|point| {
            let count = point["count"].as_str().and_then(|count| count.parse().ok()).unwrap_or(0);
            let buckets = array(&point["positive"]["bucketCounts"]);
            let sum: u64 = buckets.filter_map(|n| n.as_str()?.parse::<u64>().ok()).sum();
            assert_eq!((sum, point["scale"].as_i64()), (count, Some(5)), "{point}");
            (attribute(point, "http.route"), count)
        })
        .collect()
}

/// A certificate for this machine, vouched for by itself, and its key.
fn certificate(folder: &Path) -> Result<PathBuf> {
    let (key, pem) = (folder.join("key.pem"), folder.join("both.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args([Path::new("-keyout"), &key, Path::new("-out"), &pem])
        .output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    let both = fs::read_to_string(&pem)? + &fs::read_to_string(&key)?;
    fs::write(&pem, both)?;
    Ok(pem)
}

#[test]
fn a_receiver_is_told_what_was_called_and_what_failed() {
    told_to_a_receiver("http/protobuf", false);
}

#[test]
fn a_receiver_is_told_by_grpc() {
    told_to_a_receiver("grpc", false);
}

#[test]
fn a_receiver_is_told_by_tls() {
    told_to_a_receiver("http/protobuf", true);
}

#[test]
fn a_receiver_is_told_by_grpc_and_tls() {
    told_to_a_receiver("grpc", true);
}

/// Nobody vouches for this receiver: it is told nothing.
#[test]
fn a_stranger_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pem = certificate(folder.path()).unwrap();
    let server = Server::start(Kind::Python).unwrap();
    for protocol in ["grpc", "http/protobuf"] {
        let receiver = Receiver::start(0, protocol.get(..4).unwrap(), Some(&pem)).unwrap();
        let arguments = ["--json", "--port", &server.port.to_string(), "--otlp", &receiver.url];
        let variables = [("OTEL_METRIC_EXPORT_INTERVAL", "100"), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        let watch = Watch::start_with(&arguments, &variables, |_| true).unwrap();
        make_calls(Client::Python, server.port).unwrap();
        std::thread::sleep(Duration::from_secs(1));
        let heard = watch.stop().unwrap();
        assert_eq!(heard.err.matches("logs cannot be pushed").count(), 1, "{}", heard.err);
        assert!(receiver.lines.try_recv().is_err(), "{protocol}");
    }
}

fn told_to_a_receiver(protocol: &str, encrypted: bool) {
    let certificates = tempfile::tempdir().unwrap();
    let pem = encrypted.then(|| certificate(certificates.path()).unwrap());
    let server = Server::start(Kind::Python).unwrap();
    // Busy first: nothing is lost by that.
    let receiver = Receiver::start(2, protocol.get(..4).unwrap(), pem.as_deref()).unwrap();
    let port = server.port.to_string();
    let variables = [
        ("OTEL_METRIC_EXPORT_INTERVAL", "300"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20letmein"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", pem.as_ref().map_or("", |pem| pem.to_str().unwrap())),
    ];
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("overhear.db").to_string_lossy().into_owned();
    let arguments =
        ["--json", "--port", &port, "--otlp", &receiver.url, "--store", &store, "--listen", "127.0.0.1:0"];
    let watch = Watch::start_with(&arguments, &variables, |_| true).unwrap();
    make_calls(Client::Python, server.port).unwrap();
    let traced = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--header"])
        .args([&format!("traceparent: 00-{TRACE}-{PARENT}-01"), "--header", "authorization: Bearer hunter2"])
        .arg(format!("http://127.0.0.1:{port}/fails?token=hunter2&name=ann"))
        .status()
        .unwrap();
    assert!(traced.success());
    let is_all = |lines: &[Value]| {
        durations(lines).values().sum::<u64>() == 8 && records(lines).len() >= 6 && spans(lines).len() >= 6
    };
    let lines = receiver.until(is_all).unwrap();
    let heard = watch.stop().unwrap();
    for line in &lines {
        assert_eq!(line["whole"], true, "{line}");
        assert_eq!(line["type"], "application/x-protobuf");
        assert_eq!(line["authorization"], "Bearer letmein");
        let text = line["text"].as_str().unwrap_or_default();
        assert!(!text.contains("hunter2") && !text.contains("ann"), "{text}");
    }
    let counted: Vec<_> = durations(&lines).into_iter().collect();
    let made = [("/fails", 2), ("/items", 3), ("/missing", 1), ("/orders", 1), ("/slow", 1)];
    assert_eq!(counted, made.map(|(route, calls)| (route.to_owned(), calls)));
    let (mut of_trace, spans) = (0, spans(&lines));
    for record in records(&lines) {
        let why = attribute(record, "overhear.reason");
        let expected =
            if attribute(record, "url.path") == "/fails" { ("failed", "ERROR") } else { ("first", "INFO") };
        assert_eq!((why.as_str(), record["severityText"].as_str().unwrap()), expected, "{record}");
        let span = spans.iter().find(|span| span["spanId"] == record["spanId"]).unwrap();
        assert_eq!((&span["traceId"], &span["kind"]), (&record["traceId"], &"SPAN_KIND_SERVER".into()));
        of_trace += u32::from([&span["traceId"], &span["parentSpanId"]] == IN_JSON);
    }
    assert_eq!((of_trace, records(&lines).len(), spans.len()), (1, 6, 6));
    assert!(heard.err.contains("503") && heard.err.contains("again"), "{}", heard.err);
    assert!(!heard.err.contains("letmein"), "{}", heard.err);
}

/// A receiver that is not there costs a sentence, and nothing else.
#[test]
fn listening_does_not_wait_for_a_receiver() {
    let server = Server::start(Kind::Python).unwrap();
    let url = format!("http://127.0.0.1:{}", free_port().unwrap());
    let arguments = ["--json", "--port", &server.port.to_string(), "--otlp", &url];
    let variables = [("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    let watch = Watch::start_with(&arguments, &variables, |_| true).unwrap();
    make_calls(Client::Python, server.port).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 7, "{}", heard.err);
    assert_eq!(heard.err.matches("logs cannot be pushed").count(), 1, "{}", heard.err);
    assert_eq!(heard.statistics["lost"].as_object().map_or(0, |lost| lost.len()), 0, "{}", heard.statistics);
}
