use super::{Found, Library};
use std::{io, path::PathBuf, sync::Arc};

/// A file that is mapped by a process, executable, and holds TLS.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// One of the processes.
    pub pid: u32,
    /// A path that opens the file now, for as long as the process lives: `/proc/PID/root/...`, or
    /// `/proc/PID/map_files/...` if it was deleted or replaced.
    pub path: PathBuf,
    /// What was found.
    pub found: Result<Arc<Found>, Unreadable>,
}

/// Why TLS that is known to be there cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreadable {
    /// Java has its own TLS, in code that is compiled while it runs.
    Java,
    /// The library is linked into the program, which names no functions any more.
    NoSymbols(Library),
    /// The program would notice a probe and stop.
    ChecksItself,
}

/// Follows `/proc`, and tells of every file that holds TLS once per device and inode.
#[derive(Debug)]
pub struct Scanner {}

impl Scanner {
    /// Reads `/proc`.
    pub fn new() -> Self {
        Self {}
    }

    /// Looks at every process there is. What was told before is not told again.
    ///
    /// # Errors
    ///
    /// When `/proc` itself cannot be listed.
    pub fn scan(&mut self) -> io::Result<Vec<Mapped>> {
        Ok(Vec::new())
    }

    /// Looks at one process: it started a program, loaded a library, or was heard for the first time.
    pub fn look(&mut self, _pid: u32) -> Vec<Mapped> {
        Vec::new()
    }
}
