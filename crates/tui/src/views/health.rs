//! How the listening goes: what is captured, lost, not readable and kept, and where the page is.

use super::{endpoint::time_of_day, pieces};
use crate::{action::Move, app::App, cursor, data::Data, text, theme::Theme, units};
use overhear_exchange::LossReason;
use overhear_query::{
    monitor::{Health, StoreHealth},
    unread_names, unread_sentence,
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Widget},
};
use std::time::Duration;

/// Width of what stands before a fact.
const NAME: usize = 14;
/// Programs whose connections cannot be read that are named.
const PROGRAMS: usize = 50;

/// How far it is scrolled.
#[derive(Debug, Default)]
pub(crate) struct HealthState {
    offset: usize,
}

impl HealthState {
    pub(crate) fn settle(&mut self, lines: usize, page: usize) {
        self.offset = self.offset.min(lines.saturating_sub(page));
    }

    pub(crate) fn go(&mut self, to: Move, lines: usize, page: usize) {
        self.offset = cursor::moved(self.offset, to, lines.saturating_sub(page), page);
    }
}

/// Draws it.
pub(crate) fn render(app: &App, state: &HealthState, data: &Data, area: Rect, buffer: &mut Buffer) {
    let lines = lines(app, data, usize::from(area.width));
    let shown: Vec<_> = lines.into_iter().skip(state.offset).take(usize::from(area.height)).collect();
    Paragraph::new(shown).render(area, buffer);
}

/// All lines of it.
pub(crate) fn lines(app: &App, data: &Data, width: usize) -> Vec<Line<'static>> {
    let mut page = Page { theme: app.theme, width, lines: vec![Line::default()] };
    let trouble = data.health.as_ref().and_then(|health| health.trouble.as_deref());
    if let Some(trouble) = trouble {
        page.fact("trouble", text::clean(trouble), app.theme.alarm);
        page.gap();
    }
    captured(&mut page, app, data);
    page.gap();
    lost(&mut page, data);
    page.gap();
    unreadable(&mut page, data);
    page.gap();
    kept(&mut page, app, data);
    page.gap();
    match &app.page {
        Some(url) => page.fact("page", url.clone(), app.theme.accent),
        None => page.fact("page", "none is served".to_owned(), app.theme.dim),
    }
    page.more("what cannot be heard on this machine, and why: `overhear doctor`", app.theme.dim);
    page.lines
}

fn captured(page: &mut Page, app: &App, data: &Data) {
    let statistics = &data.statistics;
    let exchanges = units::plural(statistics.exchanges, "exchange");
    page.fact("captured", exchanges, page.theme.strong);
    page.more(
        &format!(
            "{} · {} · {} of payload",
            units::plural(statistics.connections, "connection"),
            units::plural(statistics.events, "event"),
            units::bytes(statistics.bytes)
        ),
        Style::new(),
    );
    let since = data.health.as_ref().and_then(|health| health.started);
    let since = since.map(|at| format!("since {} · ", time_of_day(at, &app.zone, false))).unwrap_or_default();
    page.more(&format!("{since}for {}", units::clock(data.elapsed)), page.theme.dim);
}

fn lost(page: &mut Page, data: &Data) {
    let mut reasons: Vec<_> = data.statistics.lost.iter().filter(|(_, loss)| loss.events > 0).collect();
    if reasons.is_empty() {
        return page.fact("lost", "nothing".to_owned(), page.theme.dim);
    }
    reasons.sort_by_key(|(reason, loss)| (std::cmp::Reverse(loss.events), **reason));
    let (events, bytes) = reasons.iter().fold((0_u64, 0_u64), |(events, bytes), (_, loss)| {
        (events.saturating_add(loss.events), bytes.saturating_add(loss.bytes))
    });
    page.fact("lost", format!("{} events, {}", units::count(events), units::bytes(bytes)), page.theme.alarm);
    for (reason, loss) in reasons {
        let amount = format!("{}, {}", units::count(loss.events), units::bytes(loss.bytes));
        page.reason(reason.as_str(), &amount, why(*reason));
    }
}

fn unreadable(page: &mut Page, data: &Data) {
    let kinds: Vec<_> = data.statistics.unreadable.iter().filter(|(_, count)| **count > 0).collect();
    if kinds.is_empty() {
        return page.fact("not readable", "no connection".to_owned(), page.theme.dim);
    }
    let all: u64 = kinds.iter().map(|(_, count)| **count).sum();
    page.fact("not readable", units::plural(all, "connection"), page.theme.warn);
    for (what, count) in kinds {
        let why = match *what {
            "tls" => "encrypted",
            "unknown" => "looks like nothing that is read",
            _ => "recognised, but not read yet",
        };
        page.reason(what, &units::count(*count), why);
    }
    for (key, what) in data.statistics.unread.rows().into_iter().take(PROGRAMS) {
        page.more(&text::clean(&unread_sentence(key, what)), Style::new());
        let names =
            unread_names(key, what).map_or_else(String::new, |names| format!("{} · ", text::clean(&names)));
        let (sent, received) = (units::bytes(what.sent), units::bytes(what.received));
        let lasted = units::age(what.duration);
        page.more(&format!("  {names}{sent} sent, {received} received, {lasted} in all"), page.theme.dim);
    }
}

fn kept(page: &mut Page, app: &App, data: &Data) {
    let Some(Health { store, resident, .. }) = &data.health else {
        return page.fact("kept", "asking …".to_owned(), page.theme.dim);
    };
    match store {
        Some(store) => of_store(page, app, store, data),
        None => page.fact("kept", "nothing beyond the end of this run".to_owned(), page.theme.dim),
    }
    page.gap();
    let resident = resident.map_or_else(|| "–".to_owned(), units::bytes);
    page.fact("memory", format!("{resident} of this process"), Style::new());
}

fn of_store(page: &mut Page, app: &App, store: &StoreHealth, data: &Data) {
    page.fact("kept", text::clean(&store.path), Style::new());
    let bar = pieces::bar(store.bytes, store.most_bytes, 20);
    let size = format!("{} of {}  ", units::bytes(store.bytes), units::bytes(store.most_bytes));
    let mut line = page.indented(&size, Style::new());
    line.push_span(Span::styled(bar, app.theme.bar));
    page.lines.push(line);
    let [fine, minutes, hours] = store.kept.map(span);
    let oldest = store.oldest.map(|at| format!(" · oldest call {} ago", units::age(data.now.since(at))));
    let oldest = oldest.unwrap_or_default();
    page.more(
        &format!("by ten seconds {fine}, by minute {minutes}, by hour {hours}{oldest}"),
        page.theme.dim,
    );
}

/// `2 hours`, `90 days`.
fn span(length: Duration) -> String {
    match length.as_secs() {
        s if s >= 2 * 86_400 => format!("{} days", s / 86_400),
        s if s >= 2 * 3_600 => format!("{} hours", s / 3_600),
        s => format!("{} minutes", s / 60),
    }
}

const fn why(reason: LossReason) -> &'static str {
    match reason {
        LossReason::RingFull => "the kernel made events faster than they were read",
        LossReason::OverCap => "of long messages only the beginning is copied; sizes and times are right",
        LossReason::NotInUserBuffer => "never was in the program's memory: sendfile, splice",
        LossReason::Guarded => "the program's memory was not to be read at that moment",
        LossReason::Fault => "the memory was not there when it was read",
        LossReason::Shed => "the listener fell behind: only beginnings were copied",
        LossReason::Undecided => "it was never clear what these connections speak",
        LossReason::MissingSegment => "packets that the recording does not have",
        LossReason::Malformed => "packets that cannot be read",
        LossReason::TooManyConnections => "more connections at once than are followed",
        LossReason::ReassemblyFull => "too much was out of order at once",
        LossReason::OutputSlow => "who reads the output did not keep up",
    }
}

/// Lines as they are put together.
struct Page {
    theme: Theme,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Page {
    fn gap(&mut self) {
        self.lines.push(Line::default());
    }

    fn fact(&mut self, name: &str, value: String, style: Style) {
        let mut rest = cut(&value, self.room()).into_iter();
        let first = rest.next().unwrap_or_default();
        let name = Span::styled(format!(" {}", pieces::left(name, NAME)), self.theme.dim);
        self.lines.push(Line::from(vec![name, Span::styled(first, style)]));
        for part in rest {
            let line = self.indented(&part, style);
            self.lines.push(line);
        }
    }

    fn more(&mut self, value: &str, style: Style) {
        for part in cut(value, self.room()) {
            let line = self.indented(&part, style);
            self.lines.push(line);
        }
    }

    fn reason(&mut self, name: &str, amount: &str, why: &str) {
        let mut line = self.indented(&pieces::left(name, 22), Style::new());
        line.push_span(Span::raw(amount.to_owned()));
        let room = self.width.saturating_sub(line.width() + 3);
        if text::width(why) <= room {
            line.push_span(Span::styled(format!("   {why}"), self.theme.dim));
            self.lines.push(line);
        } else {
            self.lines.push(line);
            self.more(&format!("  {why}"), self.theme.dim);
        }
    }

    fn indented(&self, value: &str, style: Style) -> Line<'static> {
        Line::from(vec![Span::raw(" ".repeat(NAME + 1)), Span::styled(value.to_owned(), style)])
    }

    fn room(&self) -> usize {
        self.width.saturating_sub(NAME + 2).max(10)
    }
}

/// Nothing is left out: what is longer goes on in the next line, between words where there are any.
fn cut(value: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in value.split_inclusive(' ') {
        let used = lines.last().map_or(0, |line| text::width(line));
        if used > 0 && used + text::width(word.trim_end()) > room {
            lines.push(String::new());
        }
        for c in word.chars() {
            let full = lines.last().is_some_and(|line| text::width(line) + text::char_width(c) > room);
            if full && c == ' ' {
                continue;
            }
            if full {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn long_facts_go_on_in_the_next_line() {
        assert_eq!(cut("one two three", 8), ["one two ", "three"]);
        assert_eq!(cut("http://127.0.0.1/?token=abc", 10), ["http://127", ".0.0.1/?to", "ken=abc"]);
        assert_eq!(cut("", 8), [""]);
    }
}
