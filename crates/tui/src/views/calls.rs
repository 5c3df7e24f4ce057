//! A list of exchanges, one a line.

use super::{
    endpoint::{time_of_day, who},
    pieces,
};
use crate::{action::Move, app::App, cursor::Cursor, text, units};
use overhear_exchange::{Detail, Exchange, Timestamp, wire::ConnectionId};
use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use std::sync::Arc;

/// Which exchange stays selected while newer ones come in.
type Key = (ConnectionId, Timestamp);

/// The selection.
#[derive(Debug, Default)]
pub(crate) struct CallsState(Cursor<Key>);

impl CallsState {
    pub(crate) fn settle(&mut self, calls: &[Arc<Exchange>], page: usize) {
        self.0.settle(&keys(calls).iter().collect::<Vec<_>>(), page);
    }

    pub(crate) fn go(&mut self, to: Move, calls: &[Arc<Exchange>], page: usize) {
        self.0.go(to, &keys(calls).iter().collect::<Vec<_>>(), page);
    }

    pub(crate) fn selected(&self, calls: &[Arc<Exchange>]) -> Option<Arc<Exchange>> {
        calls.get(self.0.index()).cloned()
    }
}

fn keys(calls: &[Arc<Exchange>]) -> Vec<Key> {
    calls.iter().map(|exchange| (exchange.connection, exchange.time)).collect()
}

/// Rows of the list in so many lines.
pub(crate) fn page(height: u16) -> usize {
    usize::from(height.saturating_sub(1))
}

/// What stands beside the time and the outcome of each.
#[derive(Clone, Copy)]
struct Beside {
    caller: usize,
    /// Where they are of several.
    service: usize,
    method: usize,
}

/// Draws the list; `of_all`: of several endpoints, so who answers and the method are told as well.
pub(crate) fn lines(
    app: &App,
    state: &CallsState,
    calls: &[Arc<Exchange>],
    area: Rect,
    of_all: bool,
) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let beside = Beside {
        caller: if width >= 90 { 20 } else { 0 },
        service: if of_all && width >= 70 { 14 } else { 0 },
        method: if of_all { 6 } else { 0 },
    };
    let mut heading =
        format!(" {} {:<5} {:>7} {:>8}  ", pieces::left("last calls", 12), "", "took   ", "answer");
    for (name, columns) in [("caller", beside.caller), ("service", beside.service), ("method", beside.method)]
    {
        if columns > 0 {
            heading.push_str(&pieces::left(name, columns + 2));
        }
    }
    heading.push_str("path");
    let mut lines = vec![Line::styled(heading, app.theme.dim)];
    let shown = calls.iter().enumerate().skip(state.0.offset()).take(page(area.height));
    for (index, exchange) in shown {
        let line = one(exchange, app, beside, width);
        let is_selected = index == state.0.index();
        lines.push(if is_selected { line.patch_style(app.theme.selected) } else { line });
    }
    lines
}

fn one(exchange: &Exchange, app: &App, beside: Beside, width: usize) -> Line<'static> {
    let Detail::Http(http) = &exchange.detail;
    let took = exchange.duration.map_or_else(|| "–   ".to_owned(), |d| units::latency(d.as_secs_f64()));
    let mut line = Line::from(vec![
        Span::styled(format!(" {} ", time_of_day(exchange.time, &app.zone, true)), app.theme.dim),
        Span::styled(pieces::left(&outcome(exchange, http.status), 5), app.theme.status(http.status)),
        Span::raw(format!(" {}", pieces::right(&took, 7))),
        Span::raw(format!(" {}  ", pieces::right(&units::bytes(http.response_body.size), 8))),
    ]);
    if beside.caller > 0 {
        line.push_span(Span::raw(pieces::left(&who(&exchange.client), beside.caller) + "  "));
    }
    if beside.service > 0 {
        line.push_span(Span::raw(pieces::left(&who(&exchange.server), beside.service) + "  "));
    }
    if beside.method > 0 {
        let method = pieces::left(&text::clean(http.method.as_str()), beside.method);
        line.push_span(Span::styled(method + "  ", app.theme.strong));
    }
    let query = http.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let room = width.saturating_sub(line.width());
    line.push_span(Span::raw(text::shorten(&text::clean(&format!("{}{query}", http.path)), room)));
    line
}

fn outcome(exchange: &Exchange, status: Option<u16>) -> String {
    match (status, exchange.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(_)) => "fail".to_owned(),
        (None, None) => "none".to_owned(),
    }
}
