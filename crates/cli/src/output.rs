//! Standard output and standard error: where, how wide, in colour or not.

use crate::fault::Fault;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    path::Path,
};

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

/// Writes a file so that it is either whole or as it was before. What is no regular file, such as a pipe or a device, is
/// written to as it is: it must not be replaced.
pub(crate) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), Fault> {
    let failed = |error: &dyn std::fmt::Display| {
        Fault::new(format_args!("{}: cannot be written: {error}", path.display()))
    };
    let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let mut name = path.as_os_str().to_owned();
    name.push(if special { "" } else { ".new" });
    let target = Path::new(&name);
    let file = if special { OpenOptions::new().write(true).open(target) } else { File::create(target) };
    let mut file = BufWriter::new(file.map_err(|error| failed(&error))?);
    let written = write(&mut file).and_then(|()| Ok(file.flush()?));
    let written = match (written, special) {
        (Ok(()), false) => {
            file.get_ref().sync_all().and_then(|()| fs::rename(target, path)).map_err(Into::into)
        }
        (written, _) => written,
    };
    written.map_err(|error| {
        if !special {
            // Half a file is of no use; when even that fails there is nothing to add.
            let _ = fs::remove_file(target);
        }
        failed(&error)
    })
}

/// Replaces the line that was shown before on a terminal.
pub(crate) fn overwrite(text: &str) {
    let _ = write!(io::stderr(), "\r\u{1b}[K{text}");
}
