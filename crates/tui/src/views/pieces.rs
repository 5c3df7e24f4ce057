//! Small pieces that several views are made of.

use crate::{text, theme::Theme};
use ratatui::{style::Style, text::Span};

/// Left-aligned in exactly `width` columns, shortened in the middle where it is longer.
pub(crate) fn left(content: &str, width: usize) -> String {
    let mut out = text::shorten(content, width);
    let used = text::width(&out);
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    out
}

/// Right-aligned in exactly `width` columns.
pub(crate) fn right(content: &str, width: usize) -> String {
    let content = text::shorten(content, width);
    let mut out = " ".repeat(width.saturating_sub(text::width(&content)));
    out.push_str(&content);
    out
}

/// A route in exactly `width` columns, its `{parameters}` set apart from the literals.
pub(crate) fn route(route: &str, theme: Theme, width: usize) -> Vec<Span<'static>> {
    let letters = styled(&text::clean(route), theme);
    let total: usize = letters.iter().map(|(c, _)| text::char_width(*c)).sum();
    let (head, tail) = if total <= width {
        (letters.as_slice(), [].as_slice())
    } else {
        text::ends(&letters, width, |(c, _)| text::char_width(*c))
    };
    let mut spans = Vec::new();
    let mut used = 0;
    let gap = (total > width && width > 0).then_some((text::ELLIPSIS, theme.dim));
    for (c, style) in head.iter().copied().chain(gap).chain(tail.iter().copied()) {
        used += text::char_width(c);
        push(&mut spans, c, style);
    }
    spans.push(Span::raw(" ".repeat(width.saturating_sub(used))));
    spans
}

/// A sparkline of at most `width` columns; a slice without traffic is a gap.
pub(crate) fn sparkline(slices: &[Option<f64>], width: usize) -> String {
    let columns = slices.len().min(width);
    if columns == 0 {
        return String::new();
    }
    let values: Vec<Option<f64>> = (0..columns)
        .map(|column| {
            let (from, to) = (column * slices.len() / columns, (column + 1) * slices.len() / columns);
            slices.get(from..to).unwrap_or_default().iter().flatten().copied().reduce(f64::max)
        })
        .collect();
    let top = values.iter().flatten().copied().fold(0.0, f64::max);
    values.iter().map(|value| value.map_or(' ', |value| block(value, top))).collect()
}

/// A bar of at most `width` columns, in eighths; anything above zero is visible.
#[expect(clippy::cast_precision_loss, reason = "a bar has few columns")]
pub(crate) fn bar(part: u64, whole: u64, width: usize) -> String {
    let eighths = if whole == 0 { 0.0 } else { part as f64 / whole as f64 * width as f64 * 8.0 };
    let eighths = to_index(eighths, width * 8).max(usize::from(part > 0 && width > 0));
    let mut out = "█".repeat(eighths / 8);
    if let Some(rest) = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((eighths % 8).wrapping_sub(1)) {
        out.push(*rest);
    }
    out
}

/// The block of eight heights for a value below `top`.
pub(crate) fn block(value: f64, top: f64) -> char {
    let step = if top > 0.0 { value / top * 7.0 } else { 0.0 };
    ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'].get(to_index(step, 7)).copied().unwrap_or(' ')
}

/// A number of 0..=`most`, whatever comes in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; NaN becomes 0")]
#[expect(clippy::cast_precision_loss, reason = "a screen has few columns")]
pub(crate) fn to_index(value: f64, most: usize) -> usize {
    value.round().clamp(0.0, most as f64) as usize
}

/// Every character with its style: what is between braces is a parameter.
fn styled(route: &str, theme: Theme) -> Vec<(char, Style)> {
    let mut inside = false;
    route
        .chars()
        .map(|c| {
            inside |= c == '{';
            let style = if inside { theme.parameter } else { Style::new() };
            inside &= c != '}';
            (c, style)
        })
        .collect()
}

fn push(spans: &mut Vec<Span<'static>>, c: char, style: Style) {
    match spans.last_mut() {
        Some(last) if last.style == style => last.content.to_mut().push(c),
        _ => spans.push(Span::styled(c.to_string(), style)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparkline_keeps_gaps_and_scales_to_its_own_top() {
        assert_eq!(sparkline(&[Some(0.1), None, Some(0.8), Some(0.4)], 8), "▂ █▅");
        assert_eq!(sparkline(&[Some(0.1), Some(0.8), None, None], 2), "█ ");
        assert_eq!(sparkline(&[Some(0.0), Some(f64::NAN)], 8), "▁▁");
        assert_eq!(sparkline(&[], 8), "");
    }

    #[test]
    fn bars_show_the_smallest_part() {
        assert_eq!(bar(1, 1_000_000, 4), "▏");
        assert_eq!(bar(0, 10, 4), "");
        assert_eq!(bar(5, 10, 4), "██");
        assert_eq!(bar(10, 10, 4), "████");
    }

    #[test]
    fn parameters_keep_their_style_when_the_route_is_cut() {
        let theme = Theme::new(crate::Colour::Always);
        let spans = route("/api/v1/orders/{orderId}/items/{itemId}", theme, 20);
        assert_eq!(spans.iter().map(Span::width).sum::<usize>(), 20);
        let parameter: String =
            spans.iter().filter(|s| s.style == theme.parameter).map(|s| s.content.as_ref()).collect();
        assert_eq!(parameter, "{itemId}");
    }
}
