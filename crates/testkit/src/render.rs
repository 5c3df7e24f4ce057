//! Exchanges as text, for snapshots and for comparing them.

use overhear_exchange::{
    Body, Counts, Detail, GenAi, Headers, Http, Sender, Stage, Stream, StreamKind, observation::Observation,
};
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
    if let Some(told) = &http.stream {
        stream(&mut text, told);
    }
    if let Some(call) = &http.gen_ai {
        model(&mut text, call);
    }
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

/// What went over it: totals, and each message that was not told before.
fn stream(text: &mut String, stream: &Stream) {
    let stage = match stream.stage {
        Stage::Underway => "underway",
        Stage::Over => "over",
    };
    let _ = write!(text, "  {} {stage}", stream.kind.as_str());
    if let StreamKind::WebSocket(agreed) = &stream.kind {
        let _ = write!(text, ", subprotocol {}", agreed.subprotocol.as_deref().unwrap_or("-"));
        let _ = write!(text, ", deflate {}", agreed.deflate);
        let _ = write!(text, ", close {}", agreed.close_code.map_or("-".into(), |code| code.to_string()));
    }
    let first = stream.time_to_first_message.map_or("-".into(), |first| format!("{first:?}"));
    let _ = writeln!(text, ", first message {first}");
    counts(text, "client", stream.client.total);
    counts(text, "server", stream.server.total);
    for message in &stream.fresh {
        let sender = match message.sender {
            Sender::Client => ">",
            Sender::Server => "<",
        };
        let content = message.content.expose();
        let shown = content.get(..60).unwrap_or(content).escape_ascii();
        let name = message.name.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        let kind = if message.is_text { "" } else { " binary" };
        let cut = if message.complete { "" } else { " incomplete" };
        let _ = writeln!(text, "    {sender} {name}\"{shown}\" {}{kind}{cut}", content.len());
    }
}

fn counts(text: &mut String, who: &str, counts: Counts) {
    if counts != Counts::default() {
        let Counts { messages, bytes, unread, gaps } = counts;
        let _ = writeln!(text, "    {who}: {messages} messages, {bytes} bytes, {unread} unread, {gaps} gaps");
    }
}

fn model(text: &mut String, call: &GenAi) {
    let name = |name: &Option<Box<str>>| name.as_deref().unwrap_or("-").to_owned();
    let number = |count: Option<u64>| count.map_or("-".into(), |count| count.to_string());
    let _ = writeln!(
        text,
        "  {} {} asked {} answered {}, tokens {} in {} out, first {}",
        call.provider,
        call.operation.as_str(),
        name(&call.request_model),
        name(&call.response_model),
        number(call.input_tokens),
        number(call.output_tokens),
        call.time_to_first_token.map_or("-".into(), |first| format!("{first:?}")),
    );
}
