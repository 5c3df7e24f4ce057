//! Waiting for keys without getting stuck when the terminal goes away.
//!
//! crossterm's reader does not return from a terminal that hung up: it reads nothing, for ever, at full speed. So the
//! wait is our own, and crossterm is asked only when there is something to read.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, IsTerminal, stdin},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

/// Where keys come from: standard input if it is a terminal, else the controlling terminal, as crossterm has it.
pub(crate) struct Keyboard(Option<File>);

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// There may be some, or the time is over.
    Perhaps,
    /// The terminal is gone.
    Gone,
}

impl Keyboard {
    pub(crate) fn open() -> io::Result<Self> {
        if stdin().is_terminal() { Ok(Self(None)) } else { File::open("/dev/tty").map(|tty| Self(Some(tty))) }
    }

    /// Waits for a key, a signal or the end of the time.
    pub(crate) fn wait(&self, longest: Duration) -> io::Result<Keys> {
        match &self.0 {
            None => wait_on(stdin().as_fd(), longest),
            Some(tty) => wait_on(tty.as_fd(), longest),
        }
    }
}

fn wait_on(terminal: BorrowedFd<'_>, longest: Duration) -> io::Result<Keys> {
    let timeout = Timespec::try_from(longest).map_err(io::Error::other)?;
    let mut keys = [PollFd::from_borrowed_fd(terminal, PollFlags::IN)];
    match poll(&mut keys, Some(&timeout)) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Keys::Perhaps),
        Err(errno) => return Err(errno.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(if keys.iter().any(|fd| fd.revents().intersects(gone)) { Keys::Gone } else { Keys::Perhaps })
}

#[cfg(test)]
mod tests {
    use super::{Keys, wait_on};
    use std::{os::fd::AsFd, os::unix::net::UnixStream, time::Duration};

    #[test]
    fn a_terminal_that_hangs_up_is_gone() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let shortly = Duration::from_millis(1);
        assert_eq!(wait_on(ours.as_fd(), shortly).unwrap(), Keys::Perhaps);
        drop(theirs);
        assert_eq!(wait_on(ours.as_fd(), shortly).unwrap(), Keys::Gone);
    }
}
