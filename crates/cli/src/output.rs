//! Standard output and standard error: where, how wide, in colour or not.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

/// Standard output, buffered. Whoever writes flushes where somebody waits.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 * 1024, io::stdout().lock())
}

/// Whether standard output is a terminal that understands colours, and the user wants them
/// (<https://no-color.org>).
pub(crate) fn style() -> Style {
    Style { colour: colour_wanted() && io::stdout().is_terminal() }
}

/// The same for standard error.
pub(crate) fn error_style() -> Style {
    Style { colour: colour_wanted() && io::stderr().is_terminal() }
}

/// Tells the person at the terminal something; the answer is on standard output.
pub(crate) fn tell(text: &str) {
    // When even standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Marks text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    pub(crate) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn colour_wanted() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !refused && !dumb
}

/// Replaces the line that was shown before on a terminal.
pub(crate) fn overwrite(text: &str) {
    let _ = write!(io::stderr(), "\r\u{1b}[K{text}");
}
