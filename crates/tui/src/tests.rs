//! Views as pictures, and keys as a user presses them.

use crate::{
    app::{App, Flow},
    asking::Told,
    data::Data,
    fixture::{self, Fake, NOW, busy},
    theme::{Colour, Theme},
    views,
};
use jiff::tz::TimeZone;
use overhear_exchange::{Cipher, Direction, LossReason, Unread, UnreadKey, UnreadReason};
use overhear_query::{
    LiveSource,
    monitor::{Asked, History},
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::{Color, Modifier},
};
use std::time::Duration;

/// The program without its terminal.
struct Session {
    app: App,
    data: Data,
    source: Fake,
    terminal: Terminal<TestBackend>,
}

impl Session {
    fn new(source: Fake, width: u16, height: u16) -> Self {
        let mut app = App::new("port 8080", Theme::new(Colour::Always), TimeZone::UTC);
        app.page = Some("http://127.0.0.1:4327/?token=0123456789abcdef0123456789abcdef".to_owned());
        let terminal = Terminal::new(TestBackend::new(width, height)).expect("in memory");
        let mut session = Self { app, data: Data::default(), source, terminal };
        session.refresh();
        session
    }

    fn refresh(&mut self) {
        self.data.rows = self.source.rows();
        self.data.statistics = self.source.statistics();
        self.data.now = NOW;
        self.data.elapsed = Duration::from_secs(43);
        self.draw();
    }

    fn draw(&mut self) {
        self.data.look_at(&self.source, self.app.endpoint());
        self.data.listen(&self.source, self.app.listens());
        self.data.take(Told::Map(self.source.map(Asked::default())));
        self.data.take(Told::Health(self.source.health()));
        let size = self.terminal.size().expect("in memory");
        self.app.fit(size, &self.data);
        self.terminal.draw(|frame| views::render(&self.app, &self.data, frame)).expect("in memory");
    }

    fn press(&mut self, code: KeyCode) -> Flow {
        let flow = self.app.key(KeyEvent::new(code, KeyModifiers::NONE), &self.data);
        self.draw();
        flow
    }

    /// `\n` is enter, `\x1b` escape.
    fn keys(&mut self, keys: &str) -> &mut Self {
        for c in keys.chars() {
            self.press(match c {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                '\x08' => KeyCode::Backspace,
                c => KeyCode::Char(c),
            });
        }
        self
    }

    fn picture(&self) -> String {
        self.terminal.backend().to_string()
    }

    fn has(&self, text: &str) -> bool {
        self.picture().contains(text)
    }

    /// The row that is shown reversed.
    fn selected(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        (0..buffer.area.height)
            .filter(|y| buffer[(1, *y)].modifier.contains(Modifier::REVERSED))
            .map(|y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>())
            .collect()
    }

    /// Colour of the first cell of `text`.
    fn colour(&self, text: &str) -> Option<Color> {
        let buffer = self.terminal.backend().buffer();
        for y in 0..buffer.area.height {
            let cells: Vec<&str> = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
            let line = cells.concat();
            if let Some(at) = line.find(text) {
                let x = line.get(..at).map_or(0, |before| before.chars().count());
                return Some(buffer[(u16::try_from(x).expect("on screen"), y)].fg);
            }
        }
        None
    }
}

#[test]
fn open_streams_are_counted_where_there_are_any() {
    let picture = |fake: Fake| Session::new(fake, 140, 20).picture();
    let heading =
        |picture: &str| picture.lines().find(|line| line.contains("route")).unwrap_or_default().to_owned();
    assert!(!heading(&picture(busy())).contains("open"));
    let mut fake = busy();
    fake.rows[4].open = 17;
    let with_open = picture(fake);
    assert!(heading(&with_open).contains("open"), "{with_open}");
    let row = with_open.lines().find(|line| line.contains("/products ")).unwrap_or_default();
    assert!(row.split_whitespace().any(|word| word == "17"), "{with_open}");
}

#[test]
fn empty() {
    insta::assert_snapshot!(Session::new(Fake::default(), 100, 16).picture());
}

#[test]
fn empty_but_for_what_cannot_be_read() {
    let mut source = Fake::default();
    source.statistics.unreadable.insert("tls", 12);
    assert!(Session::new(source, 100, 16).has("There is traffic, but: 12 TLS unreadable."));
}

#[test]
fn table() {
    insta::assert_snapshot!(Session::new(busy(), 140, 20).picture());
}

#[test]
fn table_on_80_columns() {
    insta::assert_snapshot!(Session::new(busy(), 80, 16).picture());
}

#[test]
fn table_on_60_columns() {
    insta::assert_snapshot!(Session::new(busy(), 60, 16).picture());
}

#[test]
fn lost() {
    let mut source = busy();
    source.statistics.lose(LossReason::RingFull, 1_200, 5_000_000);
    source.statistics.lose(LossReason::OverCap, 30, 100);
    source.statistics.lose(LossReason::Guarded, 2, 0);
    source.statistics.lose(LossReason::Fault, 1, 0);
    let session = Session::new(source, 140, 16);
    insta::assert_snapshot!(session.picture());
    assert_eq!(session.colour("LOST"), Some(Color::Red));
}

#[test]
fn filter_while_typing() {
    let mut session = Session::new(busy(), 120, 14);
    insta::assert_snapshot!(session.keys("/get orders").picture());
}

#[test]
fn help() {
    insta::assert_snapshot!(Session::new(busy(), 120, 28).keys("?").picture());
}

#[test]
fn endpoint() {
    insta::assert_snapshot!(Session::new(busy(), 140, 36).keys("/get {orderid}\n\n").picture());
}

#[test]
fn endpoint_on_80_columns() {
    insta::assert_snapshot!(Session::new(busy(), 80, 24).keys("E\n").picture());
}

#[test]
fn exchange() {
    insta::assert_snapshot!(Session::new(busy(), 120, 40).keys("jjj\n\n").picture());
}

#[test]
fn failed_exchange_on_60_columns() {
    insta::assert_snapshot!(Session::new(busy(), 60, 24).keys("\njjjj\n").picture());
}

#[test]
fn map() {
    insta::assert_snapshot!(Session::new(busy(), 120, 20).keys("mj").picture());
}

#[test]
fn map_on_80_columns() {
    insta::assert_snapshot!(Session::new(busy(), 80, 18).keys("m").picture());
}

#[test]
fn map_on_60_columns() {
    insta::assert_snapshot!(Session::new(busy(), 60, 18).keys(":map\n").picture());
}

#[test]
fn a_map_without_calls_says_so() {
    assert!(Session::new(Fake::default(), 80, 18).keys("m").has("Nobody called anybody"));
}

#[test]
fn from_the_map_to_the_endpoints_of_who_is_called() {
    let mut session = Session::new(busy(), 120, 20);
    let called = session.keys("mG").selected();
    assert!(called.contains("203.0.113.7"), "{called}");
    session.keys("k");
    assert!(session.selected().contains("api.payments.example"), "{}", session.selected());
    session.keys("\n");
    assert!(session.has("1 of 8") && session.has("/charges"));
}

fn with_losses() -> Fake {
    let mut source = busy();
    source.statistics.lose(LossReason::RingFull, 1_200, 5_000_000);
    source.statistics.lose(LossReason::OverCap, 30, 100);
    source.statistics.unreadable.insert("unknown", 3);
    source
}

#[test]
fn health() {
    insta::assert_snapshot!(Session::new(with_losses(), 120, 30).keys("h").picture());
}

#[test]
fn health_names_programs_that_cannot_be_read() {
    let mut source = with_losses();
    let key = UnreadKey {
        program: "ledger\u{1b}[31m".into(),
        executable: Some("java".into()),
        direction: Direction::Outbound,
        cipher: Cipher::Tls,
        reason: UnreadReason::Java,
    };
    let mut what = Unread { connections: 12, sent: 81_000, received: 2_400_000, ..Unread::default() };
    what.names.add(&"api.bank.example".into(), 9);
    source.statistics.unread.add(key, &what);
    let mut session = Session::new(source, 160, 40);
    session.keys("h");
    assert!(session.has("(java) unreadable: Java encrypts in code"), "{}", session.picture());
    assert!(session.has("to api.bank.example (9) · 81 kB sent, 2.4 MB received"), "{}", session.picture());
    assert!(!session.picture().contains('\u{1b}'));
}

#[test]
fn health_on_60_columns_scrolls() {
    let mut session = Session::new(with_losses(), 60, 24);
    insta::assert_snapshot!(session.keys("hG").picture());
}

#[test]
fn live() {
    insta::assert_snapshot!(Session::new(busy(), 120, 14).keys("lj").picture());
}

#[test]
fn from_live_to_an_exchange_and_back() {
    let mut session = Session::new(busy(), 100, 30);
    assert!(session.keys("l\n").has("── response ──"));
    assert!(session.keys("\x1b").has("newest first"));
    assert!(session.keys("\x1b").has("8 endpoints"));
    assert!(session.keys("he").has("8 endpoints"));
}

#[test]
fn red_only_where_something_failed() {
    let session = Session::new(busy(), 140, 20);
    assert_eq!(session.colour("58   20 %"), Some(Color::Red));
    let mut fine = busy();
    fine.rows.retain(|row| row.row.errors == 0);
    let session = Session::new(fine, 140, 20);
    let buffer = session.terminal.backend().buffer();
    assert!(buffer.content.iter().all(|cell| cell.fg != Color::Red));
}

#[test]
fn without_colour_there_is_none() {
    let mut session = Session::new(busy(), 140, 36);
    session.app.theme = Theme::new(Colour::Never);
    for keys in ["", "\n", "\n", "?"] {
        session.keys(keys).draw();
        let buffer = session.terminal.backend().buffer();
        assert!(
            buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset),
            "{keys}"
        );
    }
}

#[test]
fn selection_stays_with_its_endpoint() {
    let mut session = Session::new(busy(), 140, 20);
    session.keys("jj");
    assert!(session.selected().contains("/orders/{orderId} "), "{}", session.selected());
    session.source.rows[0].rate = 1_000.0;
    session.refresh();
    assert!(session.selected().contains("1000"), "{}", session.selected());
    session.keys("N");
    assert!(session.selected().contains("1000"), "{}", session.selected());
}

#[test]
fn sorting_and_its_reverse() {
    let mut session = Session::new(busy(), 140, 20);
    let first = |session: &Session| session.picture().lines().nth(2).map(str::to_owned).unwrap_or_default();
    assert!(first(session.keys("P")).contains("/charges"));
    assert!(session.has("p95↓"));
    assert!(first(session.keys("P")).contains("/kv/{table}/{key}"));
    assert!(session.has("p95↑"));
    assert!(first(session.keys("N")).contains("/charges"));
    assert!(first(session.keys(":sort calls\n")).contains("/kv/{table}/{key}"));
    assert!(first(session.keys("E")).contains("/charges"));
}

#[test]
fn filter_is_kept_cancelled_and_cleared() {
    let mut session = Session::new(busy(), 140, 20);
    session.keys("/users\n");
    assert!(session.has("1 of 8") && !session.has("/products"));
    session.keys("/zzz");
    assert!(session.has("No endpoint matches `userszzz`."));
    session.keys("\x1b");
    assert!(session.has("1 of 8"));
    session.keys("\x1b");
    assert!(session.has("8 endpoints") && session.has("/products"));
    session.keys(":filter CATALOG\n");
    assert!(session.has("2 of 8"));
}

#[test]
fn wrong_commands_are_answered() {
    let mut session = Session::new(busy(), 140, 20);
    assert!(session.keys(":frob\n").has("no command `frob`"));
    assert!(!session.keys("j").has("no command"));
}

#[test]
fn quitting() {
    let quits = [
        (vec![], KeyCode::Char('q'), KeyModifiers::NONE),
        (vec![], KeyCode::Char('c'), KeyModifiers::CONTROL),
        (vec!['/'], KeyCode::Char('c'), KeyModifiers::CONTROL),
        (vec!['?'], KeyCode::Char('q'), KeyModifiers::NONE),
        (vec![':', 'q'], KeyCode::Enter, KeyModifiers::NONE),
    ];
    for (before, code, modifiers) in quits {
        let mut session = Session::new(busy(), 140, 20);
        session.keys(&before.iter().collect::<String>());
        assert_eq!(
            session.app.key(KeyEvent::new(code, modifiers), &session.data),
            Flow::Quit,
            "{before:?} {code:?}"
        );
    }
    let mut session = Session::new(busy(), 140, 20);
    session.keys("/");
    assert_eq!(session.press(KeyCode::Char('q')), Flow::Continue);
}

#[test]
fn down_two_levels_and_back() {
    let mut session = Session::new(busy(), 140, 36);
    session.keys("\n");
    assert!(session.has("last calls"));
    session.keys("\n\n");
    assert!(session.has("── response ──"));
    session.keys("\x1b");
    assert!(session.has("last calls"));
    session.keys("\x1b");
    assert!(session.has("8 endpoints") && !session.has("last calls"));
}

#[test]
fn an_endpoint_that_is_forgotten_meanwhile() {
    let mut session = Session::new(busy(), 140, 36);
    session.keys("\n");
    session.source.rows.clear();
    session.refresh();
    assert!(session.has("Nothing is known of it any more."));
    session.keys("\njG\x1b");
    assert!(session.has("Nothing heard yet on port 8080."));
}

#[test]
fn hostile_text_is_seen_and_not_obeyed() {
    let mut source = busy();
    source.rows = vec![fixture::row(
        "evil\x1b]0;title\x07",
        "GE\x1bT",
        "/a\x1b[2J\u{202e}\u{9b}1m/{x}\u{200d}\u{301}\u{301}\u{301}\u{301}/漢字漢字/👩‍👩‍👧",
        5.0,
        (10, 0),
        0.1,
    )];
    let mut session = Session::new(source, 120, 40);
    for keys in ["", "\n", "\n"] {
        session.keys(keys);
        let bad = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}');
        let buffer = session.terminal.backend().buffer();
        assert!(buffer.content.iter().all(|cell| !cell.symbol().chars().any(bad)), "{keys:?}");
    }
}

#[test]
fn every_size_is_drawn() {
    for (width, height) in [(0, 0), (1, 1), (3, 3), (10, 4), (20, 8), (40, 12), (59, 17), (300, 80)] {
        let mut session = Session::new(busy(), width, height);
        session.keys("G?\x1b\nGg\nGgG\x1b\x1b/o\n:x\n mGgjk\x1bhGgjk\x1blGgjk\nG\x1b\x1b");
    }
}
