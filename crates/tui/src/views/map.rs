//! Who calls whom, how often and how well; who is not of this machine apart.

use super::pieces;
use crate::{
    action::Move,
    app::App,
    cursor::Cursor,
    data::{Answer, Data},
    text,
    theme::Theme,
    units,
    views::table::error_share,
};
use overhear_query::monitor::{Figures, Map, MapEdge};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Widget, Wrap},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Who calls, and who is called.
type Key = (Arc<str>, Arc<str>);

/// A 95th percentile that grew by less, in seconds or by this factor, is not worth a colour.
const LITTLE: f64 = 0.005;
const MUCH: f64 = 1.3;

/// Which connection is looked at.
#[derive(Debug, Default)]
pub(crate) struct MapState(Cursor<Key>);

impl MapState {
    pub(crate) fn settle(&mut self, data: &Data, height: usize) {
        let keys = keys(data);
        self.0.settle(&keys.iter().collect::<Vec<_>>(), height);
    }

    pub(crate) fn go(&mut self, to: Move, data: &Data, height: usize) {
        let keys = keys(data);
        self.0.go(to, &keys.iter().collect::<Vec<_>>(), height);
    }

    /// Who is called on the line that is chosen.
    pub(crate) fn selected(&self, data: &Data) -> Option<Arc<str>> {
        keys(data).into_iter().nth(self.0.index()).map(|(_, to)| to)
    }
}

fn keys(data: &Data) -> Vec<Key> {
    let Answer::Told(map) = &data.map else { return Vec::new() };
    let sections = sections(&map.what);
    let edges = sections.iter().flat_map(|section| &section.edges);
    edges.map(|edge| (Arc::clone(&edge.from), Arc::clone(&edge.to))).collect()
}

/// Connections that belong together, those of the busiest caller first.
struct Section<'a> {
    title: &'static str,
    edges: Vec<&'a MapEdge>,
}

fn sections(map: &Map) -> [Section<'_>; 3] {
    let outside: BTreeSet<&str> =
        map.nodes.iter().filter(|node| node.is_external).map(|node| &*node.name).collect();
    let is_out = |name: &str| outside.contains(name);
    let mut sections = [
        Section { title: "between programs of this machine", edges: Vec::new() },
        Section { title: "from here to others", edges: Vec::new() },
        Section { title: "from others to here", edges: Vec::new() },
    ];
    let [within, out, incoming] = &mut sections;
    for edge in &map.edges {
        let section = match (is_out(&edge.from), is_out(&edge.to)) {
            (_, true) => &mut *out,
            (true, false) => &mut *incoming,
            (false, false) => &mut *within,
        };
        section.edges.push(edge);
    }
    for section in &mut sections {
        sort(&mut section.edges);
    }
    sections
}

fn sort(edges: &mut [&MapEdge]) {
    let mut callers = BTreeMap::<&str, u64>::new();
    for edge in &*edges {
        *callers.entry(&edge.from).or_default() += edge.now.requests;
    }
    let calls = |edge: &MapEdge| callers.get(&*edge.from).copied().unwrap_or(0);
    edges.sort_by(|a, b| {
        let by_caller = calls(b).cmp(&calls(a)).then_with(|| a.from.cmp(&b.from));
        let busier = b.now.requests.cmp(&a.now.requests).then_with(|| a.to.cmp(&b.to));
        if by_caller == Ordering::Equal { busier } else { by_caller }
    });
}

/// For the header.
pub(crate) fn summary(data: &Data) -> String {
    let Answer::Told(map) = &data.map else { return "map".to_owned() };
    let plural = if map.what.edges.len() == 1 { "" } else { "s" };
    format!("map · last hour · {} connection{plural}", map.what.edges.len())
}

/// Draws it, or says why it cannot.
pub(crate) fn render(app: &App, state: &MapState, data: &Data, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme;
    let says = match &data.map {
        Answer::Told(map) if map.what.edges.is_empty() => {
            "Nobody called anybody in the last hour.".to_owned()
        }
        Answer::Told(map) => {
            let (lines, selected) = lines(&map.what, state, theme, usize::from(area.width));
            return Paragraph::new(around(lines, selected, usize::from(area.height))).render(area, buffer);
        }
        Answer::Awaited => "Asking who calls whom …".to_owned(),
        Answer::Unknown => {
            "Nothing is kept over time by this one, so there is no map: start it with a store.".to_owned()
        }
        Answer::Refused(why) => text::clean(why),
    };
    let lines = vec![Line::default(), Line::styled(format!(" {says}"), theme.strong)];
    Paragraph::new(lines).wrap(Wrap { trim: false }).render(area, buffer);
}

/// All lines, and which of them is chosen.
fn lines(map: &Map, state: &MapState, theme: Theme, width: usize) -> (Vec<Line<'static>>, usize) {
    let columns = Columns::new(map, width);
    let mut lines = vec![columns.heading(theme)];
    let (mut selected, mut number) = (0, 0);
    for section in sections(map).iter().filter(|section| !section.edges.is_empty()) {
        if lines.len() > 1 {
            lines.push(Line::default());
        }
        lines.push(Line::styled(format!(" {}", section.title), theme.dim));
        let mut caller = None;
        for edge in &section.edges {
            let is_selected = number == state.0.index();
            // Whoever is chosen is named, wherever it stands among its calls.
            let named = caller.replace(&*edge.from) != Some(&*edge.from) || is_selected;
            let line = columns.line(edge, named, theme);
            if is_selected {
                selected = lines.len();
                lines.push(line.patch_style(theme.selected));
            } else {
                lines.push(line);
            }
            number += 1;
        }
    }
    (lines, selected)
}

/// The first line stays; of the others as many as there is room for, with the chosen one among them.
fn around(mut lines: Vec<Line<'static>>, selected: usize, height: usize) -> Vec<Line<'static>> {
    let page = height.saturating_sub(1);
    let last = lines.len().saturating_sub(1 + page);
    let offset = selected.saturating_sub(1 + page / 2).min(last);
    lines.drain(1.min(lines.len())..(1 + offset).min(lines.len()));
    lines.truncate(height);
    lines
}

/// Widths of the two names, and what there is room for beside the rate, the errors and the 95th percentile.
struct Columns {
    from: usize,
    to: usize,
    p50: bool,
    before: bool,
}

const NUMBER: usize = 8;

impl Columns {
    fn new(map: &Map, width: usize) -> Self {
        let longest = |name: fn(&MapEdge) -> &str| {
            map.edges.iter().map(|edge| text::width(&text::clean(name(edge)))).max().unwrap_or(0)
        };
        let (from, to) = (longest(|edge| &edge.from), longest(|edge| &edge.to));
        let (p50, before) = (width >= 72, width >= 84);
        let numbers = NUMBER * (3 + usize::from(p50)) + if before { NUMBER + 4 } else { 0 };
        let room = width.saturating_sub(numbers + 5);
        // The shorter name leaves its room to the other.
        let (from, to) = (from.max(8), to.max(8));
        let from = from.min(room.saturating_sub(to.min(room / 2)));
        Self { from, to: to.min(room.saturating_sub(from)), p50, before }
    }

    fn heading(&self, theme: Theme) -> Line<'static> {
        let mut text =
            format!(" {}   {}", pieces::left("caller", self.from), pieces::left("called", self.to));
        for name in ["req/s", "errors"] {
            text.push_str(&pieces::right(name, NUMBER));
        }
        if self.p50 {
            text.push_str(&pieces::right("p50   ", NUMBER));
        }
        text.push_str(&pieces::right("p95   ", NUMBER));
        if self.before {
            text.push_str("  p95 before");
        }
        Line::styled(text, theme.dim)
    }

    fn line(&self, edge: &MapEdge, named: bool, theme: Theme) -> Line<'static> {
        let from = if named { text::clean(&edge.from) } else { String::new() };
        let mut spans = vec![
            Span::raw(format!(" {}", pieces::left(&from, self.from))),
            Span::styled(" → ", theme.dim),
            Span::raw(pieces::left(&text::clean(&edge.to), self.to)),
            Span::raw(pieces::right(&units::rate(per_second(&edge.now)), NUMBER)),
            errors(&edge.now, theme),
        ];
        if self.p50 {
            spans.push(latency(edge.now.latency.map(|latency| latency.p50), theme.dim));
        }
        let p95 = |figures: &Figures| figures.latency.map(|latency| latency.p95);
        let (now, before) = (p95(&edge.now), edge.before.as_ref().and_then(p95));
        let is_worse =
            now.zip(before).is_some_and(|(now, before)| now > before * MUCH && now - before > LITTLE);
        spans.push(latency(now, if is_worse { theme.warn } else { Style::new() }));
        if self.before {
            spans.push(match (&edge.before, before) {
                (None, _) => Span::raw(String::new()),
                (Some(earlier), _) if earlier.requests == 0 => Span::styled("    new", theme.accent),
                (Some(_), before) => latency(before, theme.dim),
            });
        }
        Line::from(spans)
    }
}

fn latency(seconds: Option<f64>, style: Style) -> Span<'static> {
    let text = seconds.map_or_else(|| "–   ".to_owned(), units::latency);
    Span::styled(pieces::right(&text, NUMBER), style)
}

fn errors(figures: &Figures, theme: Theme) -> Span<'static> {
    let share = error_share(figures.errors, figures.requests);
    let style = if figures.errors == 0 { theme.dim } else { theme.error };
    Span::styled(pieces::right(&units::share(share), NUMBER), style)
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn per_second(figures: &Figures) -> f64 {
    if figures.seconds > 0.0 { figures.requests as f64 / figures.seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{Columns, Map, MapEdge, around};
    use crate::text;
    use overhear_query::monitor::Figures;
    use ratatui::text::Line;

    #[test]
    fn the_chosen_line_is_on_screen_and_the_heading_stays() {
        let all = || (0..30).map(|n| Line::raw(n.to_string())).collect::<Vec<_>>();
        for (selected, height) in [(1, 10), (15, 10), (29, 10), (29, 40), (5, 2), (5, 1), (5, 0)] {
            let shown = around(all(), selected, height);
            assert!(shown.len() <= height);
            if height > 1 {
                assert!(shown.contains(&Line::raw(selected.to_string())), "{selected} in {height}");
                assert_eq!(shown.first(), Some(&Line::raw("0")));
            }
        }
    }

    #[test]
    fn names_of_any_length_leave_room_for_the_numbers() {
        for (from, to) in
            [("a", "b"), ("gateway", "a.very.long.name.of.a.server.somewhere.example"), ("x", "")]
        {
            let (long, now) = (from.repeat(30), Figures::default());
            for from in [from, &long] {
                let edge = MapEdge { from: from.into(), to: to.into(), now: now.clone(), before: None };
                let map = Map { nodes: Vec::new(), edges: vec![edge] };
                for width in [60, 80, 120] {
                    let columns = Columns::new(&map, width);
                    let line =
                        columns.line(&map.edges[0], true, crate::theme::Theme::new(crate::Colour::Never));
                    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
                    assert!(text::width(text.trim_end()) <= width, "{width}: {text:?}");
                }
            }
        }
    }
}
