//! The state of the screen and how actions change it.

use crate::{
    action::{self, Action, Edit, Move, View},
    asking::Wanted,
    data::Data,
    theme::Theme,
    views::{
        self,
        calls::CallsState,
        endpoint::EndpointState,
        exchange::ExchangeState,
        health::HealthState,
        map::MapState,
        prompt::{Prompt, PromptKind},
        table::TableState,
    },
};
use jiff::tz::TimeZone;
use overhear_query::EndpointId;
use ratatui::{crossterm::event::KeyEvent, layout::Size};

/// Which view fills the screen; deeper ones keep the state of those above.
#[derive(Debug)]
pub(crate) enum Screen {
    Table,
    Endpoint(EndpointState),
    Exchange(EndpointState, ExchangeState),
    Live(CallsState),
    LiveExchange(CallsState, ExchangeState),
    Map(MapState),
    Health(HealthState),
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Quit,
}

/// All state that is not data.
#[derive(Debug)]
pub(crate) struct App {
    /// What is listened to, for the header and the empty table.
    pub(crate) listening_to: String,
    /// Where the page is.
    pub(crate) page: Option<String>,
    pub(crate) theme: Theme,
    pub(crate) zone: TimeZone,
    pub(crate) screen: Screen,
    pub(crate) table: TableState,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) help: bool,
    pub(crate) paused: bool,
    /// Something to say until the next key.
    pub(crate) notice: Option<String>,
    size: Size,
}

impl App {
    pub(crate) fn new(listening_to: &str, theme: Theme, zone: TimeZone) -> Self {
        Self {
            listening_to: crate::text::clean(listening_to),
            page: None,
            theme,
            zone,
            screen: Screen::Table,
            table: TableState::default(),
            prompt: None,
            help: false,
            paused: false,
            notice: None,
            size: Size::new(80, 24),
        }
    }

    /// The endpoint whose details are on screen or one step up.
    pub(crate) fn endpoint(&self) -> Option<&EndpointId> {
        match &self.screen {
            Screen::Endpoint(endpoint) | Screen::Exchange(endpoint, _) => Some(&endpoint.id),
            Screen::Table
            | Screen::Live(_)
            | Screen::LiveExchange(..)
            | Screen::Map(_)
            | Screen::Health(_) => None,
        }
    }

    /// Whether every exchange is looked at.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.screen, Screen::Live(_) | Screen::LiveExchange(..))
    }

    /// What the view needs beside what was just heard.
    pub(crate) fn wants(&self) -> Option<Wanted> {
        match self.screen {
            Screen::Map(_) => Some(Wanted::Map),
            Screen::Health(_) => Some(Wanted::Health),
            Screen::Table
            | Screen::Endpoint(_)
            | Screen::Exchange(..)
            | Screen::Live(_)
            | Screen::LiveExchange(..) => None,
        }
    }

    /// Keeps selections on their items and on screen after the data or the terminal changed.
    pub(crate) fn fit(&mut self, size: Size, data: &Data) {
        self.size = size;
        let page = views::body_height(size);
        self.table.settle(data, views::table::page(page));
        match &mut self.screen {
            Screen::Table => {}
            Screen::Endpoint(endpoint) => endpoint.settle(data, size),
            Screen::Exchange(endpoint, exchange) => {
                endpoint.settle(data, size);
                exchange.settle(size, self.theme, &self.zone, data.now);
            }
            Screen::Live(calls) => calls.settle(&data.recent, views::table::page(page)),
            Screen::LiveExchange(calls, exchange) => {
                calls.settle(&data.recent, views::table::page(page));
                exchange.settle(size, self.theme, &self.zone, data.now);
            }
            Screen::Map(map) => map.settle(data, page),
            Screen::Health(_) => {
                let lines = views::health::lines(self, data, usize::from(size.width)).len();
                if let Screen::Health(health) = &mut self.screen {
                    health.settle(lines, page);
                }
            }
        }
    }

    /// Applies a key.
    pub(crate) fn key(&mut self, key: KeyEvent, data: &Data) -> Flow {
        self.notice = None;
        if self.prompt.is_some() {
            return action::edit(key).map_or(Flow::Continue, |edit| self.edit(edit, data));
        }
        let Some(action) = action::action(key) else { return Flow::Continue };
        self.update(action, data)
    }

    /// Applies an action.
    pub(crate) fn update(&mut self, action: Action, data: &Data) -> Flow {
        let help = std::mem::take(&mut self.help);
        match action {
            Action::Quit => return Flow::Quit,
            Action::Help => self.help = !help,
            Action::Back if help => {}
            Action::Back => self.back(),
            Action::Open => self.open(data),
            Action::Move(to) => self.go(to, data),
            Action::Show(view) => self.show(view),
            Action::Pause => self.paused = !self.paused,
            Action::EditFilter => self.edit_filter(),
            Action::EditCommand => self.prompt = Some(Prompt::new(PromptKind::Command, "")),
            Action::Sort(by) => self.table.sort.press(by),
            Action::SetSort(by, descending) => {
                self.table.sort.by = by;
                self.table.sort.descending = descending;
            }
            Action::SetFilter(filter) => {
                self.screen = Screen::Table;
                self.table.filter = filter;
            }
            Action::Complain(why) => self.notice = Some(crate::text::clean(&why)),
        }
        self.fit(self.size, data);
        Flow::Continue
    }

    fn edit(&mut self, edit: Edit, data: &Data) -> Flow {
        let Some(prompt) = &mut self.prompt else { return Flow::Continue };
        match edit {
            Edit::Quit => return Flow::Quit,
            Edit::Insert(c) => prompt.insert(c),
            Edit::Erase if prompt.text.is_empty() => return self.edit(Edit::Cancel, data),
            Edit::Erase => prompt.erase(),
            Edit::EraseAll => prompt.text.clear(),
            Edit::Submit | Edit::Cancel => return self.end_prompt(&edit, data),
        }
        if prompt.kind == PromptKind::Filter {
            self.table.filter.clone_from(&prompt.text);
            self.fit(self.size, data);
        }
        Flow::Continue
    }

    fn end_prompt(&mut self, edit: &Edit, data: &Data) -> Flow {
        let Some(prompt) = self.prompt.take() else { return Flow::Continue };
        let action = match (prompt.kind, edit) {
            (PromptKind::Command, Edit::Submit) => action::command(&prompt.text),
            (PromptKind::Filter, Edit::Submit) => Some(Action::SetFilter(prompt.text.trim().to_owned())),
            (PromptKind::Filter, _) => Some(Action::SetFilter(prompt.before)),
            (PromptKind::Command, _) => None,
        };
        action.map_or(Flow::Continue, |action| self.update(action, data))
    }

    fn edit_filter(&mut self) {
        self.screen = Screen::Table;
        self.prompt = Some(Prompt::new(PromptKind::Filter, &self.table.filter));
    }

    fn back(&mut self) {
        self.screen = match std::mem::replace(&mut self.screen, Screen::Table) {
            Screen::Exchange(endpoint, _) => Screen::Endpoint(endpoint),
            Screen::LiveExchange(calls, _) => Screen::Live(calls),
            Screen::Endpoint(_) | Screen::Live(_) | Screen::Map(_) | Screen::Health(_) => Screen::Table,
            Screen::Table => {
                self.table.filter.clear();
                Screen::Table
            }
        };
    }

    fn show(&mut self, view: View) {
        self.screen = match view {
            View::Table => Screen::Table,
            View::Live => Screen::Live(CallsState::default()),
            View::Map => Screen::Map(MapState::default()),
            View::Health => Screen::Health(HealthState::default()),
        };
    }

    fn open(&mut self, data: &Data) {
        self.screen = match std::mem::replace(&mut self.screen, Screen::Table) {
            Screen::Table => match self.table.selected(data) {
                Some(id) => Screen::Endpoint(EndpointState::new(id)),
                None => Screen::Table,
            },
            Screen::Endpoint(endpoint) => match endpoint.selected(data) {
                Some(exchange) => Screen::Exchange(endpoint, ExchangeState::new(exchange)),
                None => Screen::Endpoint(endpoint),
            },
            Screen::Live(calls) => match calls.selected(&data.recent) {
                Some(exchange) => Screen::LiveExchange(calls, ExchangeState::new(exchange)),
                None => Screen::Live(calls),
            },
            // The endpoints of who is called.
            Screen::Map(map) => match map.selected(data) {
                Some(called) => {
                    self.table.filter = called.to_string();
                    Screen::Table
                }
                None => Screen::Map(map),
            },
            deepest @ (Screen::Exchange(..) | Screen::LiveExchange(..) | Screen::Health(_)) => deepest,
        };
    }

    fn go(&mut self, to: Move, data: &Data) {
        let page = views::body_height(self.size);
        match &mut self.screen {
            Screen::Table => self.table.go(to, data, views::table::page(page)),
            Screen::Endpoint(endpoint) => endpoint.go(to, data, self.size),
            Screen::Exchange(_, exchange) | Screen::LiveExchange(_, exchange) => exchange.go(to, page),
            Screen::Live(calls) => calls.go(to, &data.recent, views::table::page(page)),
            Screen::Map(map) => map.go(to, data, page),
            Screen::Health(_) => {
                let lines = views::health::lines(self, data, usize::from(self.size.width)).len();
                if let Screen::Health(health) = &mut self.screen {
                    health.go(to, lines, page);
                }
            }
        }
    }
}
