//! The live table: one row per endpoint.

use super::{pieces, status};
use crate::{
    action::Move,
    app::App,
    cursor::Cursor,
    data::Data,
    sort::{Sort, SortBy},
    text,
    theme::Theme,
    units,
};
use overhear_exchange::Direction;
use overhear_query::{EndpointId, LiveRow, Percentiles, Way};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Widget, Wrap},
};

/// Space between columns.
const GAP: usize = 2;

/// What the table shows and how.
#[derive(Debug)]
pub(crate) struct TableState {
    pub(crate) sort: Sort,
    /// Every word of it must occur in service, server, method and route.
    pub(crate) filter: String,
    cursor: Cursor<EndpointId>,
}

impl Default for TableState {
    fn default() -> Self {
        Self {
            sort: Sort { by: SortBy::Rate, descending: true },
            filter: String::new(),
            cursor: Cursor::default(),
        }
    }
}

/// Rows on screen, given the lines of the view.
pub(crate) fn page(height: usize) -> usize {
    height.saturating_sub(1)
}

impl TableState {
    pub(crate) fn settle(&mut self, data: &Data, page: usize) {
        let rows = self.visible(data);
        self.cursor.settle(&keys(&rows), page);
    }

    pub(crate) fn go(&mut self, to: Move, data: &Data, page: usize) {
        let rows = self.visible(data);
        self.cursor.go(to, &keys(&rows), page);
    }

    pub(crate) fn selected(&self, data: &Data) -> Option<EndpointId> {
        self.visible(data).get(self.cursor.index()).map(|row| row.row.id.clone())
    }

    /// For the header: the order, the filter, how many of how many.
    pub(crate) fn summary(&self, data: &Data) -> String {
        let sort = format!("sort {}{}", self.sort.by.name(), self.sort.arrow());
        if self.filter.is_empty() {
            return format!("{sort} · {} endpoints", units::count(data.rows.len() as u64));
        }
        let filter = text::shorten(&text::clean(&self.filter), 24);
        format!("{sort} · filter {filter} · {} of {}", self.visible(data).len(), data.rows.len())
    }

    /// The rows that pass the filter, in order.
    fn visible<'a>(&self, data: &'a Data) -> Vec<&'a LiveRow> {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let mut rows: Vec<&LiveRow> = data.rows.iter().filter(|row| passes(&row.row.id, &words)).collect();
        self.sort.apply(&mut rows);
        rows
    }
}

fn keys<'a>(rows: &[&'a LiveRow]) -> Vec<&'a EndpointId> {
    rows.iter().map(|row| &row.row.id).collect()
}

fn passes(id: &EndpointId, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let all = format!("{} {} {} {}", caller(id), answers(id), id.method, id.route).to_lowercase();
    words.iter().all(|word| all.contains(word.as_str()))
}

/// Draws the table, or says why it is empty.
pub(crate) fn render(app: &App, data: &Data, area: Rect, buffer: &mut Buffer) {
    let rows = app.table.visible(data);
    if rows.is_empty() {
        return render_empty(app, data, area, buffer);
    }
    let columns = columns(usize::from(area.width), &rows);
    let mut lines = vec![heading(&columns, app.table.sort, app.theme)];
    let page = page(usize::from(area.height));
    let shown = rows.iter().enumerate().skip(app.table.cursor.offset()).take(page);
    for (index, row) in shown {
        let mut line = row_line(row, &columns, data, app.theme);
        if index == app.table.cursor.index() {
            line = line.patch_style(app.theme.selected);
        }
        lines.push(line);
    }
    Paragraph::new(lines).render(area, buffer);
}

fn render_empty(app: &App, data: &Data, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme;
    let mut lines = vec![Line::default()];
    if data.rows.is_empty() {
        lines.push(Line::styled(format!("Nothing heard yet on {}.", app.listening_to), theme.strong));
        lines.push(Line::default());
        if let Some(unreadable) = status::unreadable(&data.statistics) {
            lines.push(Line::styled(format!("There is traffic, but: {unreadable}."), theme.warn));
        }
        lines.push(Line::raw("Make a call, or `overhear doctor` tells what can be heard."));
    } else {
        let filter = text::shorten(&text::clean(&app.table.filter), 40);
        lines.push(Line::styled(format!("No endpoint matches `{filter}`."), theme.strong));
        lines.push(Line::default());
        lines.push(Line::raw("esc clears the filter."));
    }
    let top = area.height / 3;
    let area = Rect { y: area.y + top, height: area.height - top, ..area };
    Paragraph::new(lines).centered().wrap(Wrap { trim: true }).render(area, buffer);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Direction,
    Service,
    Caller,
    Method,
    Route,
    Calls,
    Rate,
    Open,
    Errors,
    Hidden,
    P50,
    P95,
    P99,
    Seen,
    Sparkline,
}

/// What matters most comes first: the rest is left out of narrow terminals, from the end.
const BY_IMPORTANCE: [Column; 15] = [
    Column::Route,
    Column::Method,
    Column::Rate,
    Column::P95,
    Column::Errors,
    Column::Open,
    Column::Direction,
    Column::Service,
    Column::P50,
    Column::Caller,
    Column::Seen,
    Column::Hidden,
    Column::P99,
    Column::Sparkline,
    Column::Calls,
];

/// The columns that fit, in order, with their widths.
fn columns(width: usize, rows: &[&LiveRow]) -> Vec<(Column, usize)> {
    let longest = |text: fn(&EndpointId) -> &str| {
        rows.iter().map(|row| text::width(&text::clean(text(&row.row.id)))).max().unwrap_or(0)
    };
    let route = longest(|id| &id.route);
    let least = route.clamp(5, (width / 5).max(26));
    let mut taken = Vec::new();
    let mut used = 0;
    for column in BY_IMPORTANCE {
        let needed = match column {
            Column::Direction | Column::Caller if rows.iter().all(|row| row.row.id.way == Way::Inbound) => 0,
            Column::Direction => 1,
            Column::Caller => longest(caller).clamp(8, 18),
            Column::Service => longest(answers).clamp(8, (width / 7).clamp(11, 22)),
            Column::Method => longest(|id| &id.method).clamp(6, 8),
            Column::Route => least.min(width.saturating_sub(60).max(12)),
            Column::Errors => 13,
            Column::Hidden if rows.iter().all(|row| row.row.errors_hidden == 0) => 0,
            Column::Open if rows.iter().all(|row| row.open == 0) => 0,
            Column::Open => 5,
            Column::Calls | Column::Rate | Column::Hidden => 6,
            Column::P50 | Column::P95 | Column::P99 => 6,
            Column::Seen => 5,
            Column::Sparkline => rows.iter().map(|row| row.sparkline.len()).max().unwrap_or(0).clamp(8, 20),
        };
        if needed == 0 {
            continue;
        }
        let gap = if taken.is_empty() { 1 } else { GAP };
        if used + gap + needed <= width {
            used += gap + needed;
            taken.push((column, needed));
        }
    }
    let spare = width.saturating_sub(used + 1);
    if let Some((_, width)) = taken.iter_mut().find(|(column, _)| *column == Column::Route) {
        *width = (*width + spare).min(route.max(*width));
    }
    taken.sort_unstable();
    taken
}

fn heading(columns: &[(Column, usize)], sort: Sort, theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for (i, (column, width)) in columns.iter().enumerate() {
        if i > 0 {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        let (name, by) = title(*column);
        let sorted = by == Some(sort.by);
        let name = if sorted { format!("{name}{}", sort.arrow()) } else { name.to_owned() };
        let text = match column {
            Column::Errors => format!("{}{}", pieces::right(&name, 7), " ".repeat(6)),
            Column::P50 | Column::P95 | Column::P99 if sorted => pieces::right(&name, *width),
            Column::P50 | Column::P95 | Column::P99 => pieces::right(&format!("{name}   "), *width),
            Column::Calls | Column::Rate | Column::Open | Column::Hidden | Column::Seen => {
                pieces::right(&name, *width)
            }
            Column::Direction
            | Column::Service
            | Column::Caller
            | Column::Method
            | Column::Route
            | Column::Sparkline => pieces::left(&name, *width),
        };
        spans.push(Span::styled(text, if sorted { theme.accent } else { theme.dim }));
    }
    Line::from(spans)
}

fn title(column: Column) -> (&'static str, Option<SortBy>) {
    match column {
        Column::Service => ("service", Some(SortBy::Service)),
        Column::Direction => ("", None),
        Column::Caller => ("asked by", None),
        Column::Method => ("method", Some(SortBy::Method)),
        Column::Route => ("route", Some(SortBy::Route)),
        Column::Calls => ("calls", Some(SortBy::Calls)),
        Column::Rate => ("req/s", Some(SortBy::Rate)),
        Column::Open => ("open", None),
        Column::Errors => ("errors", Some(SortBy::Errors)),
        Column::Hidden => ("hidden", None),
        Column::P50 => ("p50", Some(SortBy::P50)),
        Column::P95 => ("p95", Some(SortBy::P95)),
        Column::P99 => ("p99", Some(SortBy::P99)),
        Column::Seen => ("seen", Some(SortBy::Seen)),
        Column::Sparkline => ("last min", None),
    }
}

fn row_line(row: &LiveRow, columns: &[(Column, usize)], data: &Data, theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for (i, (column, width)) in columns.iter().enumerate() {
        if i > 0 {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        spans.extend(cell(row, *column, *width, data, theme));
    }
    Line::from(spans)
}

fn cell(row: &LiveRow, column: Column, width: usize, data: &Data, theme: Theme) -> Vec<Span<'static>> {
    let id = &row.row.id;
    let span = match column {
        Column::Route => return pieces::route(&id.route, theme, width),
        Column::Errors => return errors(row, theme).into(),
        Column::Direction => Span::styled(direction_mark(id.way.direction()), theme.warn),
        Column::Caller => Span::styled(pieces::left(&text::clean(caller(id)), width), theme.dim),
        Column::Service => Span::raw(pieces::left(&text::clean(answers(id)), width)),
        Column::Method => Span::styled(pieces::left(&text::clean(&id.method), width), theme.strong),
        Column::Calls => Span::raw(pieces::right(&units::short_count(row.row.requests), width)),
        Column::Rate => {
            let style = if row.rate > 0.0 { Style::new() } else { theme.dim };
            Span::styled(pieces::right(&units::rate(row.rate), width), style)
        }
        Column::Open if row.open == 0 => Span::raw(" ".repeat(width)),
        Column::Open => Span::styled(pieces::right(&units::short_count(row.open), width), theme.accent),
        Column::Hidden if row.row.errors_hidden == 0 => Span::raw(" ".repeat(width)),
        Column::Hidden => {
            Span::styled(pieces::right(&units::short_count(row.row.errors_hidden), width), theme.warn)
        }
        Column::P50 => percentile(row, width, theme, |p| p.p50),
        Column::P95 => percentile(row, width, theme, |p| p.p95),
        Column::P99 => percentile(row, width, theme, |p| p.p99),
        Column::Seen => {
            let age = units::age(data.now.since(row.row.last_seen));
            Span::styled(pieces::right(&age, width), theme.dim)
        }
        Column::Sparkline => {
            Span::styled(pieces::left(&pieces::sparkline(&row.sparkline, width), width), theme.bar)
        }
    };
    vec![span]
}

fn direction_mark(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => " ",
        Direction::Outbound => "→",
    }
}

/// Who answers: the service, or the server that it asks.
pub(crate) fn answers(id: &EndpointId) -> &str {
    id.way.server().unwrap_or(&id.service)
}

/// The service that asks, where it is the one that is observed.
fn caller(id: &EndpointId) -> &str {
    id.way.server().map_or("", |_| &id.service)
}

/// Count and share since the start; louder while the endpoint fails.
fn errors(row: &LiveRow, theme: Theme) -> [Span<'static>; 2] {
    let count = pieces::right(&units::short_count(row.row.errors), 6);
    if row.row.errors == 0 {
        return [Span::styled(count, theme.dim), Span::raw(" ".repeat(7))];
    }
    let style = if row.error_share.is_some_and(|share| share > 0.0) { theme.alarm } else { theme.error };
    let share = units::share(error_share(row.row.errors, row.row.requests));
    [Span::styled(count, style), Span::styled(pieces::right(&share, 7), style)]
}

/// Errors per request, 0..=1.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
pub(crate) fn error_share(errors: u64, requests: u64) -> f64 {
    if requests == 0 { 0.0 } else { (errors as f64 / requests as f64).min(1.0) }
}

fn percentile(row: &LiveRow, width: usize, theme: Theme, which: fn(&Percentiles) -> f64) -> Span<'static> {
    match &row.row.latency {
        Some(latency) => Span::raw(pieces::right(&units::latency(which(latency)), width)),
        None => Span::styled(pieces::right("–   ", width), theme.dim),
    }
}
