//! An OTLP receiver that says what came, and what of it is asked.

use crate::{Result, server::cache};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver as Lines},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// How a receiver receives; without TLS, at a free port, at once, if nothing else is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receiving<'a> {
    /// By gRPC, else by HTTP.
    pub grpc: bool,
    /// It is too busy for so many requests first.
    pub busy: u32,
    /// A file with a certificate and its key: by TLS.
    pub pem: Option<&'a Path>,
    /// A file with the certificates of those who vouch for clients: who shows none is not let in.
    pub clients: Option<&'a Path>,
    /// Where.
    pub port: Option<u16>,
}

/// A receiver that reads with OpenTelemetry's own messages, until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    child: Child,
    lines: Lines<Value>,
    /// Where it receives.
    pub url: String,
}

impl Receiver {
    /// Starts it.
    pub fn start(how: Receiving<'_>) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("judges/otlp_receiver.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(if how.grpc { "grpc" } else { "http" });
        command.args(["--busy", &how.busy.to_string(), "--port", &how.port.unwrap_or(0).to_string()]);
        for (option, file) in [("--pem", how.pem), ("--clients", how.clients)] {
            command.args(file.into_iter().flat_map(|file| [Path::new(option), file]));
        }
        let mut child = command.env("PYTHONPATH", cache().join("python")).stdout(Stdio::piped()).spawn()?;
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
            url: format!(
                "{}://127.0.0.1:{}",
                if how.pem.is_some() { "https" } else { "http" },
                first["port"]
            ),
        })
    }

    /// What came so far, and was not taken yet.
    pub fn came(&self) -> Vec<Value> {
        self.lines.try_iter().collect()
    }

    /// What came until that is all.
    pub fn until(&self, is_all: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
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
pub fn attribute(of: &Value, name: &str) -> String {
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

/// All metrics that came.
pub fn metrics(lines: &[Value]) -> Vec<&Value> {
    inner(lines, "/v1/metrics", ["resourceMetrics", "scopeMetrics", "metrics"])
}

/// All log records that came.
pub fn records(lines: &[Value]) -> Vec<&Value> {
    inner(lines, "/v1/logs", ["resourceLogs", "scopeLogs", "logRecords"])
}

/// All spans that came.
pub fn spans(lines: &[Value]) -> Vec<&Value> {
    inner(lines, "/v1/traces", ["resourceSpans", "scopeSpans", "spans"])
}

/// The last count of each route.
///
/// # Panics
/// When a histogram does not add up.
pub fn durations(lines: &[Value]) -> BTreeMap<String, u64> {
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
