//! The terminal, borrowed: whatever ends the program, it is given back as it was.

use ratatui::{
    Terminal as Screen,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use std::{
    io::{self, Stdout, stdout},
    panic::{self, PanicHookInfo},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

type Hook = Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// Raw mode and the alternate screen, until dropped.
pub(crate) struct Terminal {
    pub(crate) screen: Screen<CrosstermBackend<Stdout>>,
    panicked: Arc<AtomicBool>,
    previous: Hook,
}

impl Terminal {
    /// Takes the terminal. From here on a panic on any thread gives it back before its message is printed.
    pub(crate) fn take() -> io::Result<Self> {
        let previous: Hook = panic::take_hook().into();
        let panicked = Arc::new(AtomicBool::new(false));
        let (flag, hook) = (Arc::clone(&panicked), Arc::clone(&previous));
        panic::set_hook(Box::new(move |info| {
            flag.store(true, Ordering::SeqCst);
            give_back();
            hook(info);
        }));
        match enter() {
            Ok(screen) => Ok(Self { screen, panicked, previous }),
            Err(error) => {
                give_back();
                restore_hook(previous);
                Err(error)
            }
        }
    }

    /// Some other thread panicked and the terminal is given back already: draw no more.
    pub(crate) fn panicked(&self) -> bool {
        self.panicked.load(Ordering::SeqCst)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
        if !std::thread::panicking() {
            restore_hook(Arc::clone(&self.previous));
        }
    }
}

fn enter() -> io::Result<Screen<CrosstermBackend<Stdout>>> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen)?;
    let mut screen = Screen::new(CrosstermBackend::new(stdout()))?;
    screen.clear()?;
    Ok(screen)
}

/// As well as it can be done: on the way out there is nobody left to tell.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

fn restore_hook(previous: Hook) {
    panic::set_hook(Box::new(move |info| previous(info)));
}
