//! Every call as it comes, newest first.

use super::calls;
use crate::{app::App, data::Data};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Paragraph, Widget},
};

/// Draws it.
pub(crate) fn render(app: &App, state: &calls::CallsState, data: &Data, area: Rect, buffer: &mut Buffer) {
    let mut lines = calls::lines(app, state, &data.recent, area, true);
    if data.recent.is_empty() {
        lines.push(Line::raw(" No call yet: make one, and it appears here."));
    }
    Paragraph::new(lines).render(area, buffer);
}
