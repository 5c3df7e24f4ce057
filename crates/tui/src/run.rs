//! The loop: ask the source now and then, draw what changed, wait for keys.

use crate::{
    app::{App, Flow},
    asking::{Asking, Kept, Wanted},
    data::{Answer, Clock, Data},
    keyboard::{Keyboard, Keys},
    terminal::Terminal,
    theme::{Colour, Theme},
    views,
};
use jiff::tz::TimeZone;
use overhear_query::LiveSource;
use ratatui::{
    crossterm::event::{self, Event},
    layout::Size,
};
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Longest wait before `stop` is looked at again.
const STOP_CHECK: Duration = Duration::from_millis(200);
/// Shortest time between two questions to the source.
const MIN_REFRESH: Duration = Duration::from_millis(100);
/// Most keys taken between two pictures.
const MAX_EVENTS: usize = 64;

/// How to show it.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is listened to, as it follows "Nothing heard yet on …": `port 8080`, `every port`, `shop.pcap`.
    pub listening_to: String,
    /// What is said at first, until a key is pressed.
    pub notice: Option<String>,
    /// Where the page is, if there is one.
    pub page: Option<String>,
    /// Whether to use colours.
    pub colour: Colour,
    /// What "2 s ago" is measured from.
    pub clock: Clock,
    /// Time between two questions to the source; at least a tenth of a second.
    pub refresh: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listening_to: "every port".to_owned(),
            notice: None,
            page: None,
            colour: Colour::Auto,
            clock: Clock::Wall,
            refresh: Duration::from_millis(500),
        }
    }
}

/// Why the view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user quit.
    Quit,
    /// `stop` was set.
    Stopped,
}

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The terminal could not be read, written or set up.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// A thread of this process panicked; its message is on the terminal.
    #[error("a part of the program failed")]
    Panicked,
}

/// Takes the terminal and shows `source`, and what `kept` says over time, until the user quits or `stop` is set (within a fifth of a second).
///
/// In raw mode Ctrl-C is a key and quits. For SIGTERM, SIGHUP and the end of `--for` the caller sets `stop`.
/// The terminal is given back on return, on error and on a panic of any thread.
///
/// # Errors
///
/// [`Error::Terminal`] if standard output or input is not a usable terminal, [`Error::Panicked`] if another
/// thread panicked meanwhile.
pub fn run(
    source: &dyn LiveSource,
    kept: Option<Kept>,
    options: &Options,
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let mut terminal = Terminal::take()?;
    let asking = kept.map(Asking::start).transpose()?;
    let mut session = Session::new(source, asking, options, Keyboard::open()?);
    loop {
        if terminal.panicked() {
            return Err(Error::Panicked);
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Stopped);
        }
        session.refresh_if_due();
        session.ask();
        if session.dirty {
            let size = terminal.screen.size()?;
            session.fit(size);
            terminal.screen.draw(|frame| views::render(&session.app, &session.data, frame))?;
            session.dirty = false;
        }
        if session.wait_for_keys()? == Flow::Quit {
            return Ok(Outcome::Quit);
        }
    }
}

struct Session<'a> {
    source: &'a dyn LiveSource,
    asking: Option<Asking>,
    keyboard: Keyboard,
    app: App,
    data: Data,
    clock: Clock,
    refresh: Duration,
    began: Instant,
    asked: Option<Instant>,
    dirty: bool,
}

impl<'a> Session<'a> {
    fn new(
        source: &'a dyn LiveSource,
        asking: Option<Asking>,
        options: &Options,
        keyboard: Keyboard,
    ) -> Self {
        let mut app = App::new(&options.listening_to, Theme::new(options.colour), TimeZone::system());
        app.notice.clone_from(&options.notice);
        app.page.clone_from(&options.page);
        let map = if asking.is_some() { Answer::Awaited } else { Answer::Unknown };
        Self {
            source,
            asking,
            keyboard,
            app,
            data: Data { map, ..Data::default() },
            clock: options.clock,
            refresh: options.refresh.max(MIN_REFRESH),
            began: Instant::now(),
            asked: None,
            dirty: true,
        }
    }

    fn until_due(&self) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| self.refresh.saturating_sub(asked.elapsed()))
    }

    fn refresh_if_due(&mut self) {
        if !self.until_due().is_zero() {
            return;
        }
        self.asked = Some(Instant::now());
        if !self.app.paused {
            self.data.refresh(self.source, self.clock, self.began.elapsed());
            self.data.look_at(self.source, self.app.endpoint());
            self.data.listen(self.source, self.app.listens());
            self.dirty = true;
        }
    }

    /// Takes in what was answered, and asks for what is on screen.
    fn ask(&mut self) {
        let Some(asking) = &mut self.asking else { return };
        if let Some(told) = asking.take() {
            self.data.take(told);
            self.dirty = true;
        }
        // A frozen picture needs its data once.
        let is_there = match self.app.wants() {
            None => return,
            Some(Wanted::Map) => matches!(self.data.map, Answer::Told(_)),
            Some(Wanted::Health) => self.data.health.is_some(),
        };
        if let Some(wanted) = self.app.wants().filter(|_| !self.app.paused || !is_there) {
            asking.want(wanted);
        }
    }

    fn fit(&mut self, size: Size) {
        self.app.fit(size, &self.data);
    }

    fn wait_for_keys(&mut self) -> Result<Flow, Error> {
        if self.keyboard.wait(self.until_due().min(STOP_CHECK))? == Keys::Gone {
            return Ok(Flow::Quit);
        }
        if !event::poll(Duration::ZERO)? {
            return Ok(Flow::Continue);
        }
        for _ in 0..MAX_EVENTS {
            if self.take(&event::read()?) == Flow::Quit {
                return Ok(Flow::Quit);
            }
            if !event::poll(Duration::ZERO)? {
                break;
            }
        }
        Ok(Flow::Continue)
    }

    fn take(&mut self, event: &Event) -> Flow {
        self.dirty = true;
        let Some(key) = event.as_key_press_event().or_else(|| event.as_key_repeat_event()) else {
            return Flow::Continue;
        };
        let flow = self.app.key(key, &self.data);
        // A view that was just opened needs its data at once, even while the picture is frozen.
        if self.app.endpoint().is_some_and(|id| !self.data.shows(id)) {
            self.data.look_at(self.source, self.app.endpoint());
        }
        if self.app.listens() && self.data.recent.is_empty() {
            self.data.listen(self.source, true);
        }
        flow
    }
}
