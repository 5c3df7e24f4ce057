//! The line being typed: a filter or a command.

use crate::{text, theme::Theme};
use ratatui::text::{Line, Span};

/// Longest line taken.
const MAX: usize = 200;

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromptKind {
    Filter,
    Command,
}

/// A line being typed.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) kind: PromptKind,
    pub(crate) text: String,
    /// What to go back to when it is cancelled.
    pub(crate) before: String,
}

impl Prompt {
    pub(crate) fn new(kind: PromptKind, text: &str) -> Self {
        Self { kind, text: text.to_owned(), before: text.to_owned() }
    }

    pub(crate) fn insert(&mut self, c: char) {
        if self.text.chars().count() < MAX && !c.is_control() {
            self.text.push(c);
        }
    }

    pub(crate) fn erase(&mut self) {
        self.text.pop();
    }

    pub(crate) fn line(&self, theme: Theme, width: usize) -> Line<'static> {
        let mark = match self.kind {
            PromptKind::Filter => "/",
            PromptKind::Command => ":",
        };
        let text = text::shorten(&text::clean(&self.text), width.saturating_sub(4));
        Line::from(vec![
            Span::styled(format!(" {mark}"), theme.accent),
            Span::styled(text, theme.strong),
            Span::styled(" ", theme.selected),
        ])
    }
}
