//! Styles by meaning. Without colour the same meanings are carried by weight, slant and reversal.

use ratatui::style::{Color, Modifier, Style};

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Unless `NO_COLOR` is set to something (<https://no-color.org>) or the terminal is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// One style per meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    /// Secondary: labels, units, hints.
    pub(crate) dim: Style,
    /// Headings and what is looked at.
    pub(crate) strong: Style,
    /// A path parameter, as against a literal.
    pub(crate) parameter: Style,
    /// The program's name, the sorted column, JSON keys.
    pub(crate) accent: Style,
    /// Something failed or was lost.
    pub(crate) error: Style,
    /// It fails just now.
    pub(crate) alarm: Style,
    /// Worth a look, not a failure: 4xx, errors hidden in a 200.
    pub(crate) warn: Style,
    /// Bars and sparklines.
    pub(crate) bar: Style,
    /// The selected row.
    pub(crate) selected: Style,
}

impl Theme {
    /// As wished, and as the environment allows.
    pub(crate) fn new(colour: Colour) -> Self {
        match colour {
            Colour::Always => Self::coloured(),
            Colour::Never => Self::plain(),
            Colour::Auto if environment_allows() => Self::coloured(),
            Colour::Auto => Self::plain(),
        }
    }

    fn coloured() -> Self {
        let style = Style::new();
        Self {
            dim: style.fg(Color::DarkGray),
            strong: style.add_modifier(Modifier::BOLD),
            parameter: style.fg(Color::Cyan).add_modifier(Modifier::ITALIC),
            accent: style.fg(Color::Cyan),
            error: style.fg(Color::Red),
            alarm: style.fg(Color::Red).add_modifier(Modifier::BOLD),
            warn: style.fg(Color::Yellow),
            bar: style.fg(Color::Cyan),
            selected: style.add_modifier(Modifier::REVERSED),
        }
    }

    fn plain() -> Self {
        let style = Style::new();
        Self {
            dim: style.add_modifier(Modifier::DIM),
            strong: style.add_modifier(Modifier::BOLD),
            parameter: style.add_modifier(Modifier::ITALIC),
            accent: style,
            error: style.add_modifier(Modifier::BOLD),
            alarm: style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            warn: style,
            bar: style,
            selected: style.add_modifier(Modifier::REVERSED),
        }
    }

    /// The style of a status code; `None` is no response.
    pub(crate) fn status(&self, status: Option<u16>) -> Style {
        match status {
            None | Some(500..) => self.error,
            Some(400..500) => self.warn,
            Some(_) => Style::new(),
        }
    }
}

fn environment_allows() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
