//! One endpoint: how it answers, how fast, to whom, and what it did lately.

use super::{
    calls::{self, CallsState},
    pieces,
    table::error_share,
};
use crate::{
    action::Move,
    app::App,
    data::{Data, Endpoint},
    histogram::Histogram,
    text,
    theme::Theme,
    units,
    views::body_height,
};
use jiff::{Timestamp as Instant, tz::TimeZone};
use overhear_exchange::{Address, Exchange, Peer, Timestamp};
use overhear_query::{CallerRow, EndpointDetail, EndpointId, Links, Percentiles};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect, Size},
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Widget},
};
use std::sync::Arc;

/// Lines above the blocks: what it is, and its numbers.
const HEAD: u16 = 3;
/// Width of the blocks beside the histogram.
const SIDE: u16 = 30;
/// From this width on, callers stand beside the histogram.
const WIDE: u16 = 100;

/// Which endpoint is looked at.
#[derive(Debug)]
pub(crate) struct EndpointState {
    pub(crate) id: EndpointId,
    calls: CallsState,
}

impl EndpointState {
    pub(crate) fn new(id: EndpointId) -> Self {
        Self { id, calls: CallsState::default() }
    }

    pub(crate) fn settle(&mut self, data: &Data, size: Size) {
        let (calls, page) = (self.recent(data).to_vec(), page(size));
        self.calls.settle(&calls, page);
    }

    pub(crate) fn go(&mut self, to: Move, data: &Data, size: Size) {
        let (calls, page) = (self.recent(data).to_vec(), page(size));
        self.calls.go(to, &calls, page);
    }

    pub(crate) fn selected(&self, data: &Data) -> Option<Arc<Exchange>> {
        self.calls.selected(self.recent(data))
    }

    fn recent<'a>(&self, data: &'a Data) -> &'a [Arc<Exchange>] {
        self.data(data).map_or([].as_slice(), |endpoint| &endpoint.recent)
    }

    /// What is known of it, once the source was asked for this one.
    fn data<'a>(&self, data: &'a Data) -> Option<&'a Endpoint> {
        data.endpoint.as_ref().filter(|endpoint| endpoint.detail.row.id == self.id)
    }
}

/// Rows of the list of exchanges.
fn page(size: Size) -> usize {
    let body = u16::try_from(body_height(size)).unwrap_or(u16::MAX);
    calls::page(areas(Rect::new(0, 0, size.width, body)).recent.height)
}

struct Areas {
    head: Rect,
    answers: Rect,
    latency: Rect,
    callers: Rect,
    recent: Rect,
}

fn areas(area: Rect) -> Areas {
    let blocks = match area.height {
        0..=15 => 0,
        16..=24 => 7,
        _ => 10,
    };
    let wide = area.width >= WIDE;
    let callers = if blocks == 0 || wide { 0 } else { 4 };
    let [head, middle, below, recent] = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Length(blocks),
        Constraint::Length(callers),
        Constraint::Min(0),
    ])
    .areas(area);
    let side = if wide { SIDE } else { 0 };
    let [answers, latency, beside] =
        Layout::horizontal([Constraint::Length(SIDE), Constraint::Min(0), Constraint::Length(side)])
            .areas(middle);
    Areas { head, answers, latency, callers: if wide { beside } else { below }, recent }
}

/// Draws it.
pub(crate) fn render(app: &App, state: &EndpointState, data: &Data, area: Rect, buffer: &mut Buffer) {
    let areas = areas(area);
    let Some(endpoint) = state.data(data) else {
        let title = title(&state.id, app.theme, usize::from(area.width));
        return Paragraph::new(vec![title, Line::raw(" Nothing is known of it any more.")])
            .render(area, buffer);
    };
    let detail = &endpoint.detail;
    Paragraph::new(head(app, detail, data, usize::from(area.width))).render(areas.head, buffer);
    Paragraph::new(answers(detail, app.theme, areas.answers)).render(areas.answers, buffer);
    Paragraph::new(latency(detail, app.theme, areas.latency)).render(areas.latency, buffer);
    let mut around = callers(&detail.callers, app.theme, areas.callers.width);
    around.extend(endpoint.links.iter().flat_map(|links| calls_made(links, app.theme, areas.callers.width)));
    Paragraph::new(cap(around, areas.callers, app.theme)).render(areas.callers, buffer);
    let recent = calls::lines(app, &state.calls, &endpoint.recent, areas.recent, false);
    Paragraph::new(recent).render(areas.recent, buffer);
}

fn title(id: &EndpointId, theme: Theme, width: usize) -> Line<'static> {
    let method = text::clean(&id.method);
    let room = width.saturating_sub(text::width(&method) + 3);
    let mut line = Line::from(vec![Span::raw(" "), Span::styled(method, theme.strong), Span::raw(" ")]);
    line.spans.extend(pieces::route(&id.route, theme, room));
    line
}

fn head(app: &App, detail: &EndpointDetail, data: &Data, width: usize) -> Vec<Line<'static>> {
    let (row, theme) = (&detail.row, app.theme);
    let seen = units::age(data.now.since(row.last_seen));
    let first = time_of_day(row.first_seen, &app.zone, false);
    let mut about = vec![
        format!(" {}", text::clean(&row.id.service)),
        match row.id.way.server() {
            None => format!("{} inbound", row.id.protocol),
            Some(server) => format!("{} asks {}", row.id.protocol, text::clean(server)),
        },
        format!("last {seen} ago"),
        format!("{} in", units::bytes(row.bytes_in)),
        format!("{} out", units::bytes(row.bytes_out)),
        format!("first {first}"),
    ];
    while about.len() > 1 && text::width(&about.join(" · ")) > width {
        about.pop();
    }
    let about = about.join(" · ");
    vec![
        title(&row.id, theme, width),
        Line::styled(text::shorten(&about, width), theme.dim),
        numbers(detail, data, theme),
    ]
}

fn numbers(detail: &EndpointDetail, data: &Data, theme: Theme) -> Line<'static> {
    let row = &detail.row;
    let live = data.rows.iter().find(|live| live.row.id == row.id);
    let (rate, open) = live.map_or((0.0, 0), |live| (live.rate, live.open));
    let mut spans = vec![
        Span::raw(format!(" {} calls  {}/s   ", units::count(row.requests), units::rate(rate))),
        if row.errors == 0 {
            Span::styled("no errors   ", theme.dim)
        } else {
            let share = units::share(error_share(row.errors, row.requests));
            Span::styled(format!("{} errors {share}   ", units::count(row.errors)), theme.error)
        },
    ];
    if open > 0 {
        spans.push(Span::styled(format!("{} open   ", units::count(open)), theme.accent));
    }
    if let Some(told) = &detail.shape.messages {
        let (client, server) = (told.client.messages, told.server.messages);
        let sent = if client > 0 { format!("{} messages up, ", units::count(client)) } else { String::new() };
        spans.push(Span::raw(format!("{sent}{} messages down   ", units::count(server))));
    }
    if row.errors_hidden > 0 {
        spans.push(Span::styled(format!("{} hidden   ", units::count(row.errors_hidden)), theme.warn));
    }
    if let Some(Percentiles { p50, p90, p95, p99 }) = row.latency {
        for (name, value) in [("p50", p50), ("p90", p90), ("p95", p95), ("p99", p99)] {
            spans.push(Span::styled(format!("{name} "), theme.dim));
            spans.push(Span::raw(format!("{}  ", units::latency_text(value))));
        }
    }
    Line::from(spans)
}

/// Statuses with bars, then what else went wrong.
fn answers(detail: &EndpointDetail, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    let total: u64 = detail.statuses.iter().map(|(_, count)| count).sum();
    let width = usize::from(area.width);
    let mut lines = vec![Line::styled(" answers", theme.dim)];
    for (status, count) in &detail.statuses {
        let name = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let bar = pieces::bar(*count, total, width.saturating_sub(16));
        lines.push(Line::from(vec![
            Span::styled(format!(" {name:<4}"), theme.status(*status)),
            Span::raw(pieces::right(&units::short_count(*count), 7)),
            Span::styled(format!("  {bar}"), theme.status(*status).patch(no_weight(theme))),
        ]));
    }
    for (error, count) in detail.errors.iter().filter(|(error, _)| !is_status(*error)) {
        let name = pieces::left(&error.to_string(), width.saturating_sub(10));
        let count = pieces::right(&units::short_count(*count), 7);
        lines.push(Line::styled(format!(" {name}{count}"), theme.error));
    }
    cap(lines, area, theme)
}

/// Bars in plain mode are not bold.
fn no_weight(theme: Theme) -> Style {
    if theme.bar == Style::new() { Style::new().not_bold() } else { Style::new() }
}

fn is_status(error: overhear_exchange::ErrorType) -> bool {
    matches!(error, overhear_exchange::ErrorType::Status(_))
}

/// The histogram with both its axes.
fn latency(detail: &EndpointDetail, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    const GUTTER: usize = 8;
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let columns = width.saturating_sub(GUTTER + 3).min(80);
    let title = Line::styled(" latency, calls per column (▲ p50 p95 p99)", theme.dim);
    let Some(histogram) = Histogram::new(&detail.latency, columns).filter(|_| height >= 5) else {
        return vec![title, Line::raw(" no complete answer yet")];
    };
    let bars = histogram.bars(height.saturating_sub(4));
    let mut lines = vec![title];
    for (i, bar) in bars.into_iter().enumerate() {
        let label = if i == 0 { format!("{:.0} ", histogram.peak()) } else { String::new() };
        let tick = if i == 0 { "┤" } else { "│" };
        lines.push(Line::from(vec![
            Span::styled(format!("{}{tick}", pieces::right(&label, GUTTER - 1)), theme.dim),
            Span::styled(bar, theme.bar),
        ]));
    }
    let (ticks, labels) = histogram.axis();
    let corner = format!("{}└", pieces::right("0 ", GUTTER - 1));
    lines.push(Line::from(vec![Span::styled(corner + &ticks, theme.dim)]));
    lines.push(Line::styled(format!("{}{labels}", " ".repeat(GUTTER)), theme.dim));
    lines.push(Line::raw(format!("{}{}", " ".repeat(GUTTER), markers(&histogram, detail, columns))));
    lines
}

fn markers(histogram: &Histogram, detail: &EndpointDetail, columns: usize) -> String {
    let mut places = vec![' '; columns];
    if let Some(Percentiles { p50, p95, p99, .. }) = detail.row.latency {
        for column in [p50, p95, p99].into_iter().filter_map(|seconds| histogram.column(seconds)) {
            if let Some(place) = places.get_mut(column) {
                *place = '▲';
            }
        }
    }
    places.into_iter().collect()
}

fn callers(callers: &[CallerRow], theme: Theme, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width.min(60));
    let mut lines = vec![Line::styled(" callers", theme.dim)];
    for caller in callers {
        let name = pieces::left(&text::clean(&caller.name), width.saturating_sub(18));
        let calls = pieces::right(&units::short_count(caller.requests), 7);
        let mut line = Line::from(vec![Span::raw(format!(" {name} {calls}"))]);
        if caller.errors > 0 {
            let share = units::share(error_share(caller.errors, caller.requests));
            line.push_span(Span::styled(pieces::right(&share, 8), theme.error));
        }
        lines.push(line);
    }
    lines
}

/// What its calls make, and how often each of them does.
fn calls_made(links: &Links, theme: Theme, width: u16) -> Vec<Line<'static>> {
    if links.calls.is_empty() {
        return Vec::new();
    }
    let width = usize::from(width.min(60));
    let mut lines = vec![Line::styled(" calls it makes, per call", theme.dim)];
    for link in &links.calls {
        let name = format!("{} {}", text::clean(&link.id.method), text::clean(&link.id.route));
        let each = link.each.map_or_else(String::new, |each| format!("{each:.1}"));
        let text = format!(" {} {}", pieces::left(&name, width.saturating_sub(9)), pieces::right(&each, 6));
        lines.push(if link.errors > 0 { Line::styled(text, theme.error) } else { Line::raw(text) });
    }
    lines
}

/// Says how many lines there is no room for.
fn cap(mut lines: Vec<Line<'static>>, area: Rect, theme: Theme) -> Vec<Line<'static>> {
    let height = usize::from(area.height);
    if lines.len() > height && height > 0 {
        let more = lines.len() - height + 1;
        lines.truncate(height - 1);
        lines.push(Line::styled(format!(" {more} more"), theme.dim));
    }
    lines
}

/// The process's name, else the address.
pub(crate) fn who(peer: &Peer) -> String {
    peer.process.as_ref().map_or_else(|| address(&peer.address), |process| text::clean(&process.service))
}

/// As it is written.
pub(crate) fn address(address: &Address) -> String {
    match address {
        Address::Unknown => "unknown".to_owned(),
        Address::Ip(address) => address.to_string(),
        Address::Unix(None) => "unix socket".to_owned(),
        Address::Unix(Some(path)) => format!("unix:{}", text::clean(path)),
        Address::Name(name, port) => format!("{}:{port}", text::clean(name)),
    }
}

/// `12:03:11`, with milliseconds if wished.
pub(crate) fn time_of_day(time: Timestamp, zone: &TimeZone, milliseconds: bool) -> String {
    let nanos = i128::from(time.as_nanos());
    let Ok(instant) = Instant::from_nanosecond(nanos) else { return "?".to_owned() };
    let format = if milliseconds { "%H:%M:%S%.3f" } else { "%H:%M:%S" };
    instant.to_zoned(zone.clone()).strftime(format).to_string()
}
