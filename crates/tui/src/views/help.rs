//! The help and the hint line, both made from the table of keys.

use super::pieces;
use crate::{action::BINDINGS, text, theme::Theme};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Paragraph, Widget},
};

/// What the columns mean, beyond their names.
const LEGEND: [(&str, &str); 6] = [
    ("→", "a call this service makes to somebody else"),
    ("req/s", "over the last ten seconds"),
    ("errors", "5xx, resets, timeouts; count and share since the start"),
    ("hidden", "answers with 2xx whose body says error"),
    ("p50…p99", "latency since the start"),
    ("last min", "median latency over the last minute; gaps: no traffic"),
];

/// The hints that fit, most useful first.
pub(crate) fn hints(theme: Theme, width: usize) -> Line<'static> {
    let mut spans = Vec::new();
    let mut room = width.saturating_sub(1);
    for binding in BINDINGS.iter().filter(|binding| !binding.hint.is_empty()) {
        let needed = text::width(binding.shown) + text::width(binding.hint) + 4;
        if needed > room {
            break;
        }
        room -= needed;
        spans.push(Span::styled(format!(" {} ", binding.shown), theme.accent));
        spans.push(Span::styled(format!("{} ", binding.hint), theme.dim));
    }
    Line::from(spans)
}

/// A box over the view; the legend stands beside the keys, or below, or is left out where there is no room.
pub(crate) fn render(theme: Theme, area: Rect, buffer: &mut Buffer) {
    let keys = keys(theme);
    let legend = legend(theme);
    let stacked = keys.len() + 1 + legend.len() + 2;
    let lines: Vec<Line<'_>> = if area.width >= 110 {
        beside(keys, legend)
    } else if stacked <= usize::from(area.height) {
        keys.into_iter().chain([Line::default()]).chain(legend).collect()
    } else {
        keys
    };
    let width = lines.iter().map(Line::width).max().unwrap_or(0) + 4;
    let area = centred(area, width, lines.len() + 2);
    Clear.render(area, buffer);
    let frame = Block::bordered().border_type(BorderType::Rounded).border_style(theme.dim).title(" help ");
    Paragraph::new(lines).block(frame).render(area, buffer);
}

fn keys(theme: Theme) -> Vec<Line<'static>> {
    BINDINGS
        .iter()
        .filter(|binding| !binding.help.is_empty())
        .map(|binding| {
            Line::from(vec![
                Span::styled(format!(" {} ", pieces::left(binding.shown, 6)), theme.accent),
                Span::raw(binding.help),
            ])
        })
        .collect()
}

fn legend(theme: Theme) -> Vec<Line<'static>> {
    LEGEND
        .iter()
        .map(|(what, meaning)| {
            Line::from(vec![
                Span::styled(format!(" {} ", pieces::left(what, 8)), theme.strong),
                Span::raw(*meaning),
            ])
        })
        .collect()
}

fn beside(left: Vec<Line<'static>>, right: Vec<Line<'static>>) -> Vec<Line<'static>> {
    let width = left.iter().map(Line::width).max().unwrap_or(0) + 3;
    let mut right = right.into_iter();
    left.into_iter()
        .map(|mut line| {
            if let Some(other) = right.next() {
                line.push_span(Span::raw(" ".repeat(width - line.width())));
                line.spans.extend(other.spans);
            }
            line
        })
        .collect()
}

fn centred(area: Rect, width: usize, height: usize) -> Rect {
    let width = u16::try_from(width).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(height).unwrap_or(u16::MAX).min(area.height);
    Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height)
}
