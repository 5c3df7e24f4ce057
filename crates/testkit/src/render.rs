//! Exchanges as text, for snapshots and for comparing them.

use overhear_exchange::{Body, Detail, Headers, Http, observation::Observation};
use std::fmt::Write;

/// Everything an observation says, a few lines of text.
pub fn render(observation: &Observation) -> String {
    let Detail::Http(http) = &observation.detail;
    let mut text = format!("{}\n", identity(observation));
    let millis = |d: std::time::Duration| format!("{:?}", d);
    let _ = write!(
        text,
        "  at {:.3}s by {:?}, first byte {}, duration {}",
        observation.time.as_nanos() as f64 / 1e9,
        observation.client,
        observation.time_to_first_byte.map_or("-".into(), millis),
        observation.duration.map_or("-".into(), millis),
    );
    let _ = match observation.error {
        Some(error) => writeln!(text, ", error {error}"),
        None => writeln!(text),
    };
    body(&mut text, "request", &http.request_headers, &http.request_body);
    body(&mut text, "response", &http.response_headers, &http.response_body);
    if !http.anomalies.is_empty() {
        let _ = writeln!(text, "  anomalies {:?}", http.anomalies);
    }
    text
}

/// What makes an exchange that exchange, whatever was missed of its bodies and times.
pub fn identity(observation: &Observation) -> String {
    let Detail::Http(http) = &observation.detail;
    let Http { method, scheme, authority, path, query, version, status, .. } = &**http;
    format!(
        "{method} {}://{} {path}{}{} HTTP/{} -> {}",
        scheme.as_str(),
        authority.as_deref().unwrap_or("-"),
        if query.is_some() { "?" } else { "" },
        query.as_deref().unwrap_or_default(),
        version.as_str(),
        status.map_or("-".into(), |status| status.to_string()),
    )
}

/// [`identity`] with all header fields and the sizes of the bodies.
pub fn full_identity(observation: &Observation, sizes: bool) -> String {
    let Detail::Http(http) = &observation.detail;
    let mut text = identity(observation);
    for headers in [&http.request_headers, &http.response_headers] {
        for (name, value) in headers.iter() {
            let _ = write!(text, "\n{}: {}", name.escape_ascii(), value.escape_ascii());
        }
        text.push_str("\n--");
    }
    if sizes {
        let _ = write!(text, "\n{} {}", http.request_body.size, http.response_body.size);
    }
    text
}

fn body(text: &mut String, what: &str, headers: &Headers, body: &Body) {
    let captured = body.captured.expose();
    let shown = captured.get(..60).unwrap_or(captured).escape_ascii();
    let _ = write!(text, "  {what}: {} fields, {} bytes", headers.len(), body.size);
    if !captured.is_empty() {
        let _ = write!(text, ", {} kept", captured.len());
    }
    if !body.complete {
        text.push_str(", incomplete");
    }
    if !body.codings.is_empty() {
        let _ = write!(text, " {:?}", body.codings);
    }
    let _ = if captured.is_empty() { writeln!(text) } else { writeln!(text, " \"{shown}\"") };
    for (name, value) in headers.iter() {
        let (name, value) = (name.escape_ascii(), value.get(..60).unwrap_or(value).escape_ascii());
        let _ = writeln!(text, "    {name}: {value}");
    }
}
