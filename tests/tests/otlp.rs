//! `watch --otlp`: what a receiver that reads with OpenTelemetry's own messages says came.
#![expect(clippy::unwrap_used, reason = "a test")]

use overhear_tests::{
    Result,
    otlp::{Receiver, Receiving, attribute, durations, records, spans},
    program::{Heard, Watch},
    server::{Client, Kind, Server, cache, free_port, make_calls, program},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// The same in base64, as JSON has bytes of protobuf.
const IN_JSON: [&str; 2] = ["S/kvNXezTaajzpKdDg5HNg==", "APBnqgupArc="];

/// A certificate for this machine in this name, vouched for by itself, and its key: one file.
fn certificate(folder: &Path, name: &str) -> Result<PathBuf> {
    let (key, pem) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"])
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

const fn variable(grpc: bool) -> (&'static str, &'static str) {
    ("OTEL_EXPORTER_OTLP_PROTOCOL", if grpc { "grpc" } else { "http/protobuf" })
}

#[test]
fn a_receiver_is_told_what_was_called_and_what_failed() {
    told_to_a_receiver(false, false);
}

#[test]
fn a_receiver_is_told_by_grpc() {
    told_to_a_receiver(true, false);
}

#[test]
fn a_receiver_is_told_by_tls() {
    told_to_a_receiver(false, true);
}

#[test]
fn a_receiver_is_told_by_grpc_and_tls() {
    told_to_a_receiver(true, true);
}

/// Nobody vouches for this receiver: it is told nothing.
#[test]
fn a_stranger_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pem = certificate(folder.path(), "receiver").unwrap();
    let server = Server::start(Kind::Python).unwrap();
    for grpc in [true, false] {
        let receiver = Receiver::start(Receiving { grpc, pem: Some(&pem), ..Receiving::default() }).unwrap();
        let arguments = ["--json", "--port", &server.port.to_string(), "--otlp", &receiver.url];
        let variables = [("OTEL_METRIC_EXPORT_INTERVAL", "100"), variable(grpc)];
        let watch = Watch::start_with(&arguments, &variables, |_| true).unwrap();
        make_calls(Client::Python, server.port).unwrap();
        std::thread::sleep(Duration::from_secs(1));
        let heard = watch.stop().unwrap();
        assert_eq!(heard.err.matches("logs cannot be pushed").count(), 1, "{}", heard.err);
        assert!(receiver.came().is_empty(), "by gRPC: {grpc}");
    }
}

fn told_to_a_receiver(grpc: bool, encrypted: bool) {
    let certificates = tempfile::tempdir().unwrap();
    let pem = encrypted.then(|| certificate(certificates.path(), "receiver").unwrap());
    let server = Server::start(Kind::Python).unwrap();
    // Busy first: nothing is lost by that.
    let how = Receiving { grpc, busy: 2, pem: pem.as_deref(), ..Receiving::default() };
    let receiver = Receiver::start(how).unwrap();
    let port = server.port.to_string();
    let variables = [
        ("OTEL_METRIC_EXPORT_INTERVAL", "300"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20letmein"),
        variable(grpc),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", pem.as_ref().map_or("", |pem| pem.to_str().unwrap())),
    ];
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("overhear.db").to_string_lossy().into_owned();
    let arguments =
        ["--json", "--port", &port, "--otlp", &receiver.url, "--store", &store, "--listen", "127.0.0.1:0"];
    let watch = Watch::start_with(&arguments, &variables, |_| true).unwrap();
    make_all_calls(server.port);
    let lines = receiver.until(is_all).unwrap();
    let heard = watch.stop().unwrap();
    for line in &lines {
        assert_eq!(line["whole"], true, "{line}");
        assert_eq!(line["type"], "application/x-protobuf");
        assert_eq!(line["authorization"], "Bearer letmein");
    }
    tell_what_was_called(&lines);
    assert!(heard.err.contains("503") && heard.err.contains("again"), "{}", heard.err);
    assert!(!heard.err.contains("letmein"), "{}", heard.err);
}

/// Eight, one of which is part of a trace and has secrets.
fn make_all_calls(port: u16) {
    make_calls(Client::Python, port).unwrap();
    let traced = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--header"])
        .args([&format!("traceparent: 00-{TRACE}-{PARENT}-01"), "--header", "authorization: Bearer hunter2"])
        .arg(format!("http://127.0.0.1:{port}/fails?token=hunter2&name=ann"))
        .status()
        .unwrap();
    assert!(traced.success());
}

fn is_all(lines: &[Value]) -> bool {
    durations(lines).values().sum::<u64>() == 8 && records(lines).len() >= 6 && spans(lines).len() >= 6
}

/// Of all calls their number, of those that matter why; no secrets.
fn tell_what_was_called(lines: &[Value]) {
    for text in lines.iter().filter_map(|line| line["text"].as_str()) {
        assert!(!text.contains("hunter2") && !text.contains("ann"), "{text}");
    }
    let counted: Vec<_> = durations(lines).into_iter().collect();
    let made = [("/fails", 2), ("/items", 3), ("/missing", 1), ("/orders", 1), ("/slow", 1)];
    assert_eq!(counted, made.map(|(route, calls)| (route.to_owned(), calls)));
    let (mut of_trace, spans) = (0, spans(lines));
    for record in records(lines) {
        let why = attribute(record, "overhear.reason");
        let expected =
            if attribute(record, "url.path") == "/fails" { ("failed", "ERROR") } else { ("first", "INFO") };
        assert_eq!((why.as_str(), record["severityText"].as_str().unwrap()), expected, "{record}");
        let span = spans.iter().find(|span| span["spanId"] == record["spanId"]).unwrap();
        assert_eq!((&span["traceId"], &span["kind"]), (&record["traceId"], &"SPAN_KIND_SERVER".into()));
        of_trace += u32::from([&span["traceId"], &span["parentSpanId"]] == IN_JSON);
    }
    assert_eq!((of_trace, records(lines).len(), spans.len()), (1, 6, 6));
}

/// A receiver that lets only those in who show a certificate.
struct Guarded {
    receiver: Receiver,
    server: Server,
    folder: TempDir,
    grpc: bool,
}

impl Guarded {
    fn start(grpc: bool) -> Result<Self> {
        let (folder, server) = (tempfile::tempdir()?, Server::start(Kind::Python)?);
        let [pem, clients] = ["receiver", "friend"].map(|name| certificate(folder.path(), name));
        certificate(folder.path(), "foe")?;
        let (pem, clients) = (pem?, clients?);
        let how = Receiving { grpc, pem: Some(&pem), clients: Some(&clients), ..Receiving::default() };
        Ok(Self { receiver: Receiver::start(how)?, server, folder, grpc })
    }

    /// What a `watch` that shows this certificate says; with what came, until that is all.
    fn told_by(
        &self,
        client: Option<&str>,
        is_all: impl Fn(&[Value]) -> bool,
    ) -> Result<(Heard, Vec<Value>)> {
        let file = |name: &str| self.folder.path().join(format!("{name}.pem")).to_string_lossy().into_owned();
        let (vouching, shown) = (file("receiver"), client.map(file).unwrap_or_default());
        let variables = [
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            variable(self.grpc),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &vouching),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &shown),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &shown),
        ];
        let arguments = ["--json", "--port", &self.server.port.to_string(), "--otlp", &self.receiver.url];
        let watch = Watch::start_with(&arguments, &variables, |_| true)?;
        make_calls(Client::Python, self.server.port)?;
        let came = self.receiver.until(is_all)?;
        std::thread::sleep(Duration::from_millis(500));
        Ok((watch.stop()?, came))
    }
}

/// A receiver that wants to know who we are is shown our certificate; who shows another, or none, is told why nothing goes.
fn certificates_are_shown(grpc: bool) {
    let guarded = Guarded::start(grpc).unwrap();
    let (heard, came) = guarded.told_by(Some("friend"), |came| records(came).len() == 5).unwrap();
    assert!(came.iter().all(|line| line["client"] == "friend"), "{came:?}");
    assert!(!heard.err.contains("push"), "{}", heard.err);
    for client in [Some("foe"), None] {
        guarded.receiver.came();
        let (heard, _) = guarded.told_by(client, |_| true).unwrap();
        assert!(guarded.receiver.came().is_empty(), "{client:?} was let in");
        let why = heard.err.lines().find(|line| line.contains("logs cannot be pushed")).unwrap_or_default();
        assert!(why.to_lowercase().contains("certificate"), "{client:?}: {}", heard.err);
        // Every exchange was heard, and what a receiver was not told is counted.
        assert_eq!(heard.exchanges.len(), 7, "{}", heard.err);
        for left in ["5 log records were not pushed", "5 spans were not pushed"] {
            assert!(heard.err.contains(left), "{client:?}: {}", heard.err);
        }
    }
}

#[test]
fn a_certificate_is_shown() {
    certificates_are_shown(false);
}

#[test]
fn a_certificate_is_shown_by_grpc() {
    certificates_are_shown(true);
}

/// Exchanges that matter wait for a receiver that comes later, as many as there is room for; of the others it is said how
/// many there were. Each brings 3 kB: together more than a receiver of gRPC takes at once. Some of the first are not heard: so
/// much is not copied before it is known what a connection speaks.
#[test]
fn what_waits_is_bounded_and_the_rest_is_counted() {
    const CALLS: usize = 3_000;
    const WAITING: usize = 2_048;
    let (server, port) = (Server::start(Kind::Node).unwrap(), free_port().unwrap());
    let url = format!("http://127.0.0.1:{port}");
    let arguments = ["--json", "--port", &server.port.to_string(), "--otlp", &url];
    let variables = [("OTEL_METRIC_EXPORT_INTERVAL", "200"), variable(true)];
    let watch = Watch::start_with(&arguments, &variables, |_| true).unwrap();
    let many = Command::new(program("h2load").unwrap())
        .args(["--h1", "--clients", "4", "--requests", &CALLS.to_string(), "--header"])
        .arg(format!("user-agent: {}", "x".repeat(3_000)))
        .arg(format!("http://127.0.0.1:{}/fails", server.port))
        .output()
        .unwrap();
    assert!(many.status.success(), "{}", String::from_utf8_lossy(&many.stdout));
    watch.told("logs cannot be pushed").unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let how = Receiving { grpc: true, port: Some(port), ..Receiving::default() };
    let receiver = Receiver::start(how).unwrap();
    let is_all = |came: &[Value]| records(came).len() >= WAITING && spans(came).len() >= WAITING;
    let came = receiver.until(is_all).unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!((records(&came).len(), spans(&came).len()), (WAITING, WAITING));
    assert!(came.iter().all(|line| line["size"].as_u64() < Some(4 << 20)));
    for (signal, items) in [("logs", "log records"), ("traces", "spans")] {
        let dropped = heard.exchanges.len() - WAITING;
        let said = format!("{signal} are pushed to {url} again; {dropped} {items} were dropped");
        assert!(heard.err.contains(&said), "{said}: {}", heard.err);
    }
    assert!(heard.exchanges.len() > WAITING + 100, "{}", heard.err);
    let lost = heard.statistics["lost"].as_object().into_iter().flatten();
    assert!(lost.into_iter().all(|(reason, _)| reason == "undecided"), "{}", heard.statistics);
}

/// Streamfold's Rotel, which passes on what it gets: what comes out of it is what was pushed into it.
struct Collector {
    child: Child,
    said: PathBuf,
}

impl Collector {
    /// Receives by gRPC at the first port and by HTTP at the second.
    fn start(ports: [u16; 2], onward: &Receiver, by_grpc: bool, folder: &Path) -> Result<Self> {
        let (agent, said) = (cache().join("collector/rotel/rotel-agent"), folder.join("said"));
        let [grpc, http] = ports.map(|port| format!("127.0.0.1:{port}"));
        let child = Command::new(agent)
            .args(["start", "--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            .args(["--exporter", "otlp", "--otlp-exporter-endpoint", &onward.url])
            .args(["--otlp-exporter-protocol", if by_grpc { "grpc" } else { "http" }])
            .args([Path::new("--pid-file"), &folder.join("pid")])
            .stdin(Stdio::null())
            .stdout(fs::File::create(&said)?)
            .stderr(fs::File::create(folder.join("err"))?)
            .spawn()?;
        Ok(Self { child, said })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Into a collector by one protocol, out of it by the other. It comes when the calls have been made: they wait for it.
fn told_through_a_collector(into_by_grpc: bool) {
    let (server, folder) = (Server::start(Kind::Python).unwrap(), tempfile::tempdir().unwrap());
    let receiver = Receiver::start(Receiving { grpc: !into_by_grpc, ..Receiving::default() }).unwrap();
    let ports = [free_port().unwrap(), free_port().unwrap()];
    let url = format!("http://127.0.0.1:{}", ports[usize::from(!into_by_grpc)]);
    let store = folder.path().join("overhear.db").to_string_lossy().into_owned();
    let port = server.port.to_string();
    let arguments = ["--json", "--port", &port, "--otlp", &url, "--store", &store, "--listen", "127.0.0.1:0"];
    let variables = [("OTEL_METRIC_EXPORT_INTERVAL", "300"), variable(into_by_grpc)];
    let watch = Watch::start_with(&arguments, &variables, |_| true).unwrap();
    make_all_calls(server.port);
    watch.told("logs cannot be pushed").unwrap();
    let collector = Collector::start(ports, &receiver, !into_by_grpc, folder.path()).unwrap();
    let lines = receiver
        .until(is_all)
        .map_err(|error| format!("{error}; {}", fs::read_to_string(&collector.said).unwrap_or_default()))
        .unwrap();
    let heard = watch.stop().unwrap();
    tell_what_was_called(&lines);
    assert!(heard.err.contains("logs are pushed") && !heard.err.contains("dropped"), "{}", heard.err);
    assert_eq!(heard.exchanges.len(), 8);
    // The same times, whoever tells them.
    for exchange in heard.exchanges.iter().filter(|exchange| exchange["url.path"] == "/slow") {
        let slow = spans(&lines).into_iter().find(|span| attribute(span, "url.path") == "/slow").unwrap();
        let [begun, ended] = ["startTimeUnixNano", "endTimeUnixNano"]
            .map(|name| slow[name].as_str().unwrap().parse::<u64>().unwrap());
        assert_eq!((ended - begun) as f64 / 1e9, exchange["duration"].as_f64().unwrap());
    }
    for kind in ["/v1/metrics", "/v1/logs", "/v1/traces"] {
        let of_kind: Vec<_> = lines.iter().filter(|line| line["path"] == kind).collect();
        let told = of_kind.iter().filter_map(|line| line["text"].as_str());
        assert!(told.into_iter().all(|text| text.contains("service.name")), "{kind}");
        assert!(!of_kind.is_empty() && of_kind.iter().all(|line| line["whole"] == true), "{kind}");
    }
}

#[test]
fn a_collector_is_told_by_grpc() {
    told_through_a_collector(true);
}

#[test]
fn a_collector_is_told_by_http() {
    told_through_a_collector(false);
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
