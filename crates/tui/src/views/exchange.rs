//! One exchange: who, when, what was asked and what was answered.

use super::endpoint::{address, time_of_day};
use crate::{
    action::Move,
    app::App,
    body::{self, Preview},
    cursor,
    data::Data,
    json::JsonLine,
    text,
    theme::Theme,
    units,
    views::body_height,
};
use jiff::tz::TimeZone;
use overhear_exchange::{
    Body, Call, ContentCoding, Detail, Direction, Exchange, Headers, Http, HttpAnomaly, Peer, RpcStatus,
    Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Widget},
};
use std::sync::Arc;

/// The exchange on screen; it stays while others come in.
#[derive(Debug)]
pub(crate) struct ExchangeState {
    exchange: Arc<Exchange>,
    offset: usize,
    /// Lines at the width last drawn.
    lines: usize,
}

impl ExchangeState {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, offset: 0, lines: usize::MAX }
    }

    pub(crate) fn settle(&mut self, size: Size, theme: Theme, zone: &TimeZone, now: Timestamp) {
        self.lines = lines(&self.exchange, theme, zone, now, usize::from(size.width)).len();
        self.offset = self.offset.min(self.lines.saturating_sub(body_height(size)));
    }

    pub(crate) fn go(&mut self, to: Move, page: usize) {
        self.offset = cursor::moved(self.offset, to, self.lines.saturating_sub(page), page);
    }
}

/// Draws it.
pub(crate) fn render(state: &ExchangeState, app: &App, data: &Data, area: Rect, buffer: &mut Buffer) {
    let lines = lines(&state.exchange, app.theme, &app.zone, data.now, usize::from(area.width));
    let height = usize::from(area.height);
    let shown: Vec<_> = lines.into_iter().skip(state.offset).take(height).collect();
    Paragraph::new(shown).render(area, buffer);
}

fn lines(
    exchange: &Exchange,
    theme: Theme,
    zone: &TimeZone,
    now: Timestamp,
    width: usize,
) -> Vec<Line<'static>> {
    let Detail::Http(http) = &exchange.detail;
    let mut lines = vec![title(exchange, http, theme), Line::default()];
    lines.extend(facts(exchange, http, theme, zone, now));
    lines.push(Line::default());
    lines.push(section("request", &http.request_body, theme));
    lines.push(Line::styled(format!(" {}", request_line(http)), theme.strong));
    lines.extend(message(&http.request_headers, &http.request_body, theme));
    lines.push(Line::default());
    lines.push(section("response", &http.response_body, theme));
    if let Some(status) = http.status {
        let line = format!(" HTTP/{} {status}", http.version.as_str());
        lines.push(Line::styled(line, theme.status(http.status).patch(theme.strong)));
        lines.extend(message(&http.response_headers, &http.response_body, theme));
        if !http.trailers.is_empty() {
            lines.push(Line::styled(" after it", theme.dim));
            lines.extend(message(&http.trailers, &Body { complete: true, ..Body::default() }, theme));
        }
    } else {
        lines.push(Line::styled(" There was none.", theme.error));
    }
    lines.into_iter().flat_map(|line| wrap(line, width)).collect()
}

fn title(exchange: &Exchange, http: &Http, theme: Theme) -> Line<'static> {
    let outcome = match (http.status, exchange.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.to_string(),
        (None, None) => "no answer".to_owned(),
    };
    let took = exchange.duration.map(|d| format!("  {}", units::latency_text(d.as_secs_f64())));
    Line::from(vec![
        Span::styled(format!(" {} ", text::clean(http.method.as_str())), theme.strong),
        Span::raw(text::clean(&http.path)),
        Span::styled("  →  ", theme.dim),
        Span::styled(outcome, theme.status(http.status).patch(theme.strong)),
        Span::raw(took.unwrap_or_default()),
    ])
}

fn facts(
    exchange: &Exchange,
    http: &Http,
    theme: Theme,
    zone: &TimeZone,
    now: Timestamp,
) -> Vec<Line<'static>> {
    let time = time_of_day(exchange.time, zone, true);
    let ago = units::age(now.since(exchange.time));
    let mut lines = vec![
        fact("when", &format!("{time}  ({ago} ago)"), theme.dim),
        fact("took", &timing(exchange), theme.dim),
        fact("client", &peer(&exchange.client), theme.dim),
        fact("server", &peer(&exchange.server), theme.dim),
        fact("service", &service(exchange), theme.dim),
        fact("connection", &exchange.connection.0.to_string(), theme.dim),
    ];
    lines.extend(http.call.as_deref().and_then(called).map(|call| fact("call", &call, theme.dim)));
    if let Some(error) = exchange.error {
        let mut line = fact("error", &error.to_string(), theme.dim);
        line = line.patch_style(theme.error);
        lines.push(line);
    }
    lines.extend(
        http.anomalies.iter().map(|odd| fact("odd", anomaly(*odd), theme.dim).patch_style(theme.warn)),
    );
    lines
}

fn fact(name: &str, value: &str, label: Style) -> Line<'static> {
    Line::from(vec![Span::styled(format!(" {name:<11}"), label), Span::raw(value.to_owned())])
}

fn timing(exchange: &Exchange) -> String {
    let text = |d: std::time::Duration| units::latency_text(d.as_secs_f64());
    match (exchange.time_to_first_byte, exchange.duration) {
        (Some(first), Some(all)) => format!("{} to the first byte, {} to the last", text(first), text(all)),
        (Some(first), None) => format!("{} to the first byte; the answer is not complete", text(first)),
        (None, Some(all)) => format!("{} to the last byte", text(all)),
        (None, None) => "no complete answer".to_owned(),
    }
}

fn peer(peer: &Peer) -> String {
    let address = address(&peer.address);
    match &peer.process {
        Some(process) => format!("{} (pid {}) at {address}", text::clean(&process.service), process.pid),
        None => format!("{address}, not a process known here"),
    }
}

fn service(exchange: &Exchange) -> String {
    let role = match exchange.direction {
        Direction::Inbound => "answers",
        Direction::Outbound => "asks",
    };
    format!("{} ({role})", text::clean(&exchange.service))
}

/// How a remote procedure call went.
fn called(call: &Call) -> Option<String> {
    let rpc = call.rpc.as_ref()?;
    let status = rpc.status.map_or("no status", RpcStatus::as_str);
    Some(format!(
        "{}: {status}, {} messages sent, {} received",
        text::clean(&call.name),
        rpc.sent.count,
        rpc.received.count
    ))
}

fn anomaly(anomaly: HttpAnomaly) -> &'static str {
    match anomaly {
        HttpAnomaly::AmbiguousFraming => "its framing can be read in two ways",
        HttpAnomaly::ObsoleteFolding => "a header was folded over lines",
        HttpAnomaly::BareLineFeed => "lines ended in a bare line feed",
        HttpAnomaly::Unsolicited => "a response to no request that was seen",
        HttpAnomaly::Pushed => "pushed by the server, nobody asked",
        HttpAnomaly::UnknownFields => "some header fields are from before we listened",
    }
}

fn request_line(http: &Http) -> String {
    let query = http.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{} {}{query}", http.method.as_str(), http.path);
    format!("{} HTTP/{}", text::clean(&target), http.version.as_str())
}

/// `── response ── 1.2 kB, gzip, only the first 512 B kept`.
fn section(name: &str, body: &Body, theme: Theme) -> Line<'static> {
    let mut about = if body.size == 0 { "no body".to_owned() } else { units::bytes(body.size) };
    for coding in &body.codings {
        about.push_str(", ");
        about.push_str(coding_name(*coding));
    }
    if !body.complete && body.size > 0 {
        let kept = units::bytes(body.captured.expose().len() as u64);
        about.push_str(&format!(", only the first {kept} kept"));
    }
    Line::from(vec![Span::styled(format!(" ── {name} ── "), theme.accent), Span::styled(about, theme.dim)])
}

fn coding_name(coding: ContentCoding) -> &'static str {
    match coding {
        ContentCoding::Gzip => "gzip",
        ContentCoding::Deflate => "deflate",
        ContentCoding::Brotli => "br",
        ContentCoding::Zstd => "zstd",
        ContentCoding::Unknown => "unknown coding",
    }
}

fn message(headers: &Headers, body: &Body, theme: Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'_>> = headers
        .iter()
        .map(|(name, value)| {
            Line::from(vec![
                Span::styled(format!(" {}: ", text::clean_bytes(name)), theme.dim),
                Span::raw(text::clean_bytes(value)),
            ])
        })
        .collect();
    let preview = preview_lines(body::preview(body), theme);
    if !preview.is_empty() {
        lines.push(Line::default());
        lines.extend(preview);
    }
    lines
}

fn preview_lines(preview: Preview, theme: Theme) -> Vec<Line<'static>> {
    match preview {
        Preview::Empty => Vec::new(),
        Preview::NotCaptured => vec![Line::styled(" (its bytes were not kept)", theme.dim)],
        Preview::Encoded => vec![Line::styled(" (encoded; not shown here)", theme.dim)],
        Preview::Json(lines) => lines.into_iter().map(|line| json_line(line, theme)).collect(),
        Preview::Text(lines) => lines.into_iter().map(|line| Line::raw(format!(" {line}"))).collect(),
        Preview::Bytes(lines) => {
            lines.into_iter().map(|line| Line::styled(format!(" {line}"), theme.dim)).collect()
        }
    }
}

fn json_line(line: JsonLine, theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::raw(" ".repeat(1 + 2 * line.depth))];
    if let Some(key) = line.key {
        spans.push(Span::styled(text::clean(&key), theme.accent));
    }
    spans.push(Span::raw(text::clean(&line.rest)));
    Line::from(spans)
}

/// Continues a long line on the next ones, one column in.
fn wrap(line: Line<'static>, width: usize) -> Vec<Line<'static>> {
    if line.width() <= width || width < 4 {
        return vec![line];
    }
    let style = line.style;
    let mut lines = vec![Vec::new()];
    let mut used = 0;
    for span in line.spans {
        let mut piece = String::new();
        for c in span.content.chars() {
            let wide = text::char_width(c);
            if used + wide > width {
                push(&mut lines, std::mem::take(&mut piece), span.style);
                lines.push(vec![Span::raw("   ")]);
                used = 3;
            }
            piece.push(c);
            used += wide;
        }
        push(&mut lines, piece, span.style);
    }
    lines.into_iter().map(|spans| Line::from(spans).style(style)).collect()
}

fn push(lines: &mut [Vec<Span<'static>>], piece: String, style: Style) {
    if let Some(last) = lines.last_mut().filter(|_| !piece.is_empty()) {
        last.push(Span::styled(piece, style));
    }
}
