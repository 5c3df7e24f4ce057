//! What can be done, and the keys that do it: one table, from which the help is made too.

use crate::sort::SortBy;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Something the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Help,
    Back,
    Open,
    Move(Move),
    Show(View),
    Pause,
    /// Start typing a filter.
    EditFilter,
    /// Start typing a command.
    EditCommand,
    /// Sort by this; once more turns the order round.
    Sort(SortBy),
    /// Sort by this, in this order.
    SetSort(SortBy, bool),
    SetFilter(String),
    /// A command was not understood: say why.
    Complain(String),
}

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Table,
    Live,
    Map,
    Health,
}

/// Where the selection or the page goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

/// What a key does to the line being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Insert(char),
    Erase,
    EraseAll,
    Submit,
    Cancel,
    Quit,
}

/// Keys that do one thing.
pub(crate) struct Binding {
    keys: &'static [Key],
    /// The keys as the help and the hint line name them.
    pub(crate) shown: &'static str,
    /// What they do, in the help; empty where the line before says it.
    pub(crate) help: &'static str,
    /// What they do, in the hint line; empty keeps them out of it.
    pub(crate) hint: &'static str,
    action: Action,
}

enum Key {
    Code(KeyCode),
    Char(char),
    Control(char),
}

use Key::{Char, Code, Control};

/// Every binding, in the order of the help.
pub(crate) const BINDINGS: &[Binding] = &[
    bind(&[Code(KeyCode::Up), Char('k')], "↑ k", "up", "", Action::Move(Move::Up)),
    bind(&[Code(KeyCode::Down), Char('j')], "↓ j", "down", "", Action::Move(Move::Down)),
    bind(&[Code(KeyCode::PageUp), Control('b')], "PgUp", "a page up", "", Action::Move(Move::PageUp)),
    bind(&[Code(KeyCode::PageDown), Control('f')], "PgDn", "a page down", "", Action::Move(Move::PageDown)),
    bind(&[Code(KeyCode::Home), Char('g')], "g", "to the top", "", Action::Move(Move::Top)),
    bind(&[Code(KeyCode::End), Char('G')], "G", "to the bottom", "", Action::Move(Move::Bottom)),
    bind(&[Code(KeyCode::Enter)], "enter", "open: endpoint, then exchange", "open", Action::Open),
    bind(&[Code(KeyCode::Esc)], "esc", "back; clear the filter", "back", Action::Back),
    bind(&[Char('/')], "/", "filter by service, method, route", "filter", Action::EditFilter),
    bind(&[Char(' ')], "space", "pause: freeze the picture", "pause", Action::Pause),
    bind(&[Char(':')], ":", "command: :q  :map  :sort p95  :filter TEXT", "", Action::EditCommand),
    bind(&[Char('R')], "R E P", "sort by rate, errors, p95", "", Action::Sort(SortBy::Rate)),
    bind(&[Char('E')], "E", "", "", Action::Sort(SortBy::Errors)),
    bind(&[Char('P')], "P", "", "", Action::Sort(SortBy::P95)),
    bind(&[Char('N')], "N S L", "sort by route, service, last seen", "", Action::Sort(SortBy::Route)),
    bind(&[Char('S')], "S", "", "", Action::Sort(SortBy::Service)),
    bind(&[Char('L')], "L", "", "", Action::Sort(SortBy::Seen)),
    bind(&[Char('?')], "?", "this help", "help", Action::Help),
    bind(&[Char('q'), Control('c')], "q", "quit (also Ctrl-C)", "quit", Action::Quit),
    bind(&[Char('e')], "e", "endpoints, where it begins", "", Action::Show(View::Table)),
    bind(&[Char('m')], "m", "map: who calls whom", "map", Action::Show(View::Map)),
    bind(&[Char('h')], "h", "health: captured, lost, kept", "health", Action::Show(View::Health)),
    bind(&[Char('l')], "l", "live: every call as it comes", "live", Action::Show(View::Live)),
];

const fn bind(
    keys: &'static [Key],
    shown: &'static str,
    help: &'static str,
    hint: &'static str,
    action: Action,
) -> Binding {
    Binding { keys, shown, help, hint, action }
}

/// What this key does while nothing is being typed.
pub(crate) fn action(event: KeyEvent) -> Option<Action> {
    let binding = BINDINGS.iter().find(|binding| binding.keys.iter().any(|key| key.is(event)))?;
    Some(binding.action.clone())
}

/// What this key does to a line being typed.
pub(crate) fn edit(event: KeyEvent) -> Option<Edit> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other key does nothing")]
    match event.code {
        KeyCode::Char('c') if control => Some(Edit::Quit),
        KeyCode::Char('u' | 'w') if control => Some(Edit::EraseAll),
        KeyCode::Char(_) if control || event.modifiers.contains(KeyModifiers::ALT) => None,
        KeyCode::Char(c) => Some(Edit::Insert(c)),
        KeyCode::Backspace => Some(Edit::Erase),
        KeyCode::Enter => Some(Edit::Submit),
        KeyCode::Esc => Some(Edit::Cancel),
        _ => None,
    }
}

/// What a line typed after `:` asks for; nothing where it is empty.
pub(crate) fn command(line: &str) -> Option<Action> {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    Some(match name {
        "" => return None,
        "q" | "quit" | "exit" => Action::Quit,
        "help" | "h" => Action::Help,
        "endpoints" | "e" => Action::Show(View::Table),
        "map" | "m" => Action::Show(View::Map),
        "health" => Action::Show(View::Health),
        "live" | "l" => Action::Show(View::Live),
        "pause" => Action::Pause,
        "filter" | "f" => Action::SetFilter(rest.trim().to_owned()),
        "sort" | "s" => sort_command(rest),
        _ => Action::Complain(format!(
            "no command `{name}`: endpoints, live, map, health, sort, filter, pause, help, q"
        )),
    })
}

fn sort_command(rest: &str) -> Action {
    let mut words = rest.split_whitespace();
    let Some(by) = words.next().and_then(SortBy::parse) else {
        return Action::Complain(format!("sort by one of: {}", SortBy::names()));
    };
    match words.next() {
        None => Action::SetSort(by, by.largest_first()),
        Some("asc") => Action::SetSort(by, false),
        Some("desc") => Action::SetSort(by, true),
        Some(_) => Action::Complain("sort COLUMN [asc|desc]".to_owned()),
    }
}

impl Key {
    /// Shift is not compared: terminals differ in whether they report it along with a capital letter.
    fn is(&self, event: KeyEvent) -> bool {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        if event.modifiers.contains(KeyModifiers::ALT) {
            return false;
        }
        match self {
            Code(code) => !control && event.code == *code,
            Char(c) => !control && event.code == KeyCode::Char(*c),
            Control(c) => control && event.code == KeyCode::Char(*c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, BINDINGS, Edit, Move, View, action, command, edit};
    use crate::sort::SortBy;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn key(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn keys_do_what_the_table_says() {
        let cases = [
            (key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Action::Quit)),
            (key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit)),
            (key(KeyCode::Char('c'), KeyModifiers::NONE), None),
            (key(KeyCode::Char('q'), KeyModifiers::ALT), None),
            (key(KeyCode::Char('P'), KeyModifiers::SHIFT), Some(Action::Sort(SortBy::P95))),
            (key(KeyCode::Char('P'), KeyModifiers::NONE), Some(Action::Sort(SortBy::P95))),
            (key(KeyCode::Char('j'), KeyModifiers::NONE), Some(Action::Move(Move::Down))),
            (key(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Action::Move(Move::Bottom))),
            (key(KeyCode::F(5), KeyModifiers::NONE), None),
        ];
        for (event, expected) in cases {
            assert_eq!(action(event), expected, "{event:?}");
        }
    }

    #[test]
    fn no_key_is_bound_twice() {
        for (i, binding) in BINDINGS.iter().enumerate() {
            for key in binding.keys {
                let event = match key {
                    super::Code(code) => KeyEvent::new(*code, KeyModifiers::NONE),
                    super::Char(c) => KeyEvent::new(KeyCode::Char(*c), KeyModifiers::NONE),
                    super::Control(c) => KeyEvent::new(KeyCode::Char(*c), KeyModifiers::CONTROL),
                };
                let first = BINDINGS.iter().position(|b| b.keys.iter().any(|k| k.is(event)));
                assert_eq!(first, Some(i), "{}", binding.shown);
            }
        }
    }

    #[test]
    fn typing_takes_letters_that_are_bound_elsewhere() {
        assert_eq!(edit(key(KeyCode::Char('q'), KeyModifiers::NONE)), Some(Edit::Insert('q')));
        assert_eq!(edit(key(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Edit::Quit));
        assert_eq!(edit(key(KeyCode::Tab, KeyModifiers::NONE)), None);
    }

    #[test]
    fn commands() {
        let cases = [
            ("q", Action::Quit),
            ("sort p95", Action::SetSort(SortBy::P95, true)),
            ("sort route", Action::SetSort(SortBy::Route, false)),
            ("sort p95 asc", Action::SetSort(SortBy::P95, false)),
            ("filter  GET /orders ", Action::SetFilter("GET /orders".into())),
            ("filter", Action::SetFilter(String::new())),
            ("map", Action::Show(View::Map)),
            ("health", Action::Show(View::Health)),
        ];
        for (line, expected) in cases {
            assert_eq!(command(line), Some(expected), "{line}");
        }
        assert_eq!(command("  "), None);
        for wrong in ["frobnicate", "sort colour", "sort p95 up"] {
            assert!(matches!(command(wrong), Some(Action::Complain(_))), "{wrong}");
        }
    }
}
