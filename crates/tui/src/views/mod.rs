//! What is on the screen: a header, one view, the state of the capture, and the keys.

pub(crate) mod calls;
pub(crate) mod endpoint;
pub(crate) mod exchange;
pub(crate) mod health;
mod help;
mod live;
pub(crate) mod map;
pub(crate) mod pieces;
pub(crate) mod prompt;
mod status;
pub(crate) mod table;

use crate::{
    app::{App, Screen},
    data::Data,
    text,
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect, Size},
    text::{Line, Span},
};

/// Lines around the view: header, state of the capture, keys.
const CHROME: u16 = 3;

/// Lines the view has for itself.
pub(crate) fn body_height(size: Size) -> usize {
    usize::from(size.height.saturating_sub(CHROME))
}

/// Draws everything.
pub(crate) fn render(app: &App, data: &Data, frame: &mut Frame<'_>) {
    let [header, body, status, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header_line(app, data, usize::from(header.width)), header);
    match &app.screen {
        Screen::Table => table::render(app, data, body, frame.buffer_mut()),
        Screen::Endpoint(state) => endpoint::render(app, state, data, body, frame.buffer_mut()),
        Screen::Exchange(_, state) | Screen::LiveExchange(_, state) => {
            exchange::render(state, app, data, body, frame.buffer_mut());
        }
        Screen::Live(state) => live::render(app, state, data, body, frame.buffer_mut()),
        Screen::Map(state) => map::render(app, state, data, body, frame.buffer_mut()),
        Screen::Health(state) => health::render(app, state, data, body, frame.buffer_mut()),
    }
    frame.render_widget(status::line(data, app.theme, usize::from(status.width)), status);
    frame.render_widget(bottom_line(app, keys), keys);
    if app.help {
        help::render(app.theme, body, frame.buffer_mut());
    }
}

fn bottom_line(app: &App, area: Rect) -> Line<'static> {
    let width = usize::from(area.width);
    match (&app.prompt, &app.notice) {
        (Some(prompt), _) => prompt.line(app.theme, width),
        (None, Some(notice)) => {
            Line::styled(format!(" {}", text::shorten(notice, width.saturating_sub(2))), app.theme.warn)
        }
        (None, None) => help::hints(app.theme, width),
    }
}

fn header_line(app: &App, data: &Data, width: usize) -> Line<'static> {
    let theme = app.theme;
    let mut right = Vec::new();
    if app.paused {
        right.push(Span::styled(" PAUSED ", theme.selected));
        right.push(Span::raw(" "));
    }
    let summary = match &app.screen {
        Screen::Table | Screen::Endpoint(_) | Screen::Exchange(..) => app.table.summary(data),
        Screen::Live(_) | Screen::LiveExchange(..) => "live · newest first".to_owned(),
        Screen::Map(_) => map::summary(data),
        Screen::Health(_) => "health".to_owned(),
    };
    right.push(Span::styled(summary, theme.dim));
    right.push(Span::raw(" "));
    let right_width: usize = right.iter().map(Span::width).sum();
    let name = " overhear ";
    let room = width.saturating_sub(right_width + name.len() + 1);
    let mut spans = vec![
        Span::styled(name, theme.strong),
        Span::raw(pieces::left(&format!("listening to {}", app.listening_to), room)),
        Span::raw(" "),
    ];
    spans.extend(right);
    Line::from(spans)
}
