//! The state of the capture: how much was heard, and what was not.

use crate::{data::Data, text, theme::Theme, units};
use overhear_exchange::Statistics;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

/// Reasons named before the rest is summed up.
const REASONS: usize = 3;

/// One part, and how soon it is left out where there is no room; 0 stays.
struct Part {
    rank: u8,
    text: String,
    style: Style,
}

/// One line.
pub(crate) fn line(data: &Data, theme: Theme, width: usize) -> Line<'static> {
    let mut parts = parts(data, theme);
    let mut room = width.saturating_sub(1);
    while parts.iter().map(|part| text::width(&part.text) + 3).sum::<usize>() > room {
        let Some(last) = parts.iter().map(|part| part.rank).max().filter(|rank| *rank > 0) else { break };
        parts.retain(|part| part.rank != last);
    }
    let mut spans = vec![Span::raw(" ")];
    for (i, part) in parts.into_iter().enumerate() {
        if i > 0 {
            spans.push(Span::styled(" · ", theme.dim));
            room = room.saturating_sub(3);
        }
        let shown = text::shorten(&part.text, room);
        room = room.saturating_sub(text::width(&shown));
        spans.push(Span::styled(shown, part.style));
    }
    Line::from(spans)
}

fn parts(data: &Data, theme: Theme) -> Vec<Part> {
    let statistics = &data.statistics;
    let heard =
        format!("{}  {}/s", units::plural(statistics.exchanges, "exchange"), units::rate(data.rate()));
    let mut parts = vec![
        Part { rank: 0, text: heard, style: Style::new() },
        Part { rank: 4, text: units::plural(statistics.connections, "connection"), style: Style::new() },
        lost(statistics, theme),
    ];
    if let Some(text) = unreadable(statistics) {
        parts.push(Part { rank: 2, text, style: theme.warn });
    }
    parts.push(Part { rank: 3, text: units::clock(data.elapsed), style: theme.dim });
    parts
}

fn lost(statistics: &Statistics, theme: Theme) -> Part {
    let mut reasons: Vec<_> = statistics.lost.iter().filter(|(_, loss)| loss.events > 0).collect();
    if reasons.is_empty() {
        return Part { rank: 1, text: "lost 0".to_owned(), style: theme.dim };
    }
    reasons.sort_by_key(|(reason, loss)| (std::cmp::Reverse(loss.events), **reason));
    let total = reasons.iter().fold(0u64, |sum, (_, loss)| sum.saturating_add(loss.events));
    let mut named: Vec<String> = reasons
        .iter()
        .take(REASONS)
        .map(|(reason, loss)| format!("{} {}", reason.as_str(), units::count(loss.events)))
        .collect();
    if reasons.len() > REASONS {
        named.push(format!("{} more", reasons.len() - REASONS));
    }
    Part { rank: 0, text: format!("LOST {} ({})", units::count(total), named.join(", ")), style: theme.alarm }
}

/// `12 TLS, 3 unknown unreadable`; nothing where all could be read.
pub(crate) fn unreadable(statistics: &Statistics) -> Option<String> {
    let kinds: Vec<String> = statistics
        .unreadable
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(what, count)| {
            let what = if *what == "tls" { "TLS" } else { what };
            format!("{} {what}", units::count(*count))
        })
        .collect();
    (!kinds.is_empty()).then(|| format!("{} unreadable", kinds.join(", ")))
}
