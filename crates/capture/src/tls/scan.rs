use super::Found;
use std::{fs::File, io, path::PathBuf, sync::Arc};

/// A file that holds TLS, and is mapped or may be soon.
#[derive(Debug)]
pub struct Mapped {
    /// A process that has it mapped, if there is one. A probe of the file holds for every process, now and later.
    pub pid: Option<u32>,
    /// What the process calls it; for people.
    pub name: PathBuf,
    /// The file itself, however deleted, replaced or hidden in a mount namespace it is.
    pub file: File,
    /// What was found.
    pub found: Arc<Found>,
}

impl Mapped {
    /// A path that opens the file as long as `self` lives, for those who attach by path (`/proc/self/fd/N`).
    pub fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

/// Follows `/proc`, and tells of every file that holds TLS once per device and inode. Whoever attaches a probe to it
/// must keep it attached: the kernel holds the inode as long, so that its number stays its own.
#[derive(Debug)]
pub struct Scanner {}

impl Scanner {
    /// Reads `/proc`. Files of these names (the last part of a path, or a whole path) are never told: programs that
    /// check their own code stop when it is probed.
    pub fn new(_never: Vec<String>) -> Self {
        Self {}
    }

    /// The libraries of this machine that nobody may have mapped yet: what is started next is heard from its first
    /// call.
    pub fn installed(&mut self) -> Vec<Mapped> {
        Vec::new()
    }

    /// Looks at every process there is. What was told before is not told again.
    ///
    /// # Errors
    ///
    /// When `/proc` itself cannot be listed.
    pub fn scan(&mut self) -> io::Result<Vec<Mapped>> {
        Ok(Vec::new())
    }

    /// Looks at one process: it started a program, was heard for the first time, or speaks TLS that is not read.
    pub fn look(&mut self, _pid: u32) -> Vec<Mapped> {
        Vec::new()
    }

    /// Looks at one file, such as the program that is about to be started.
    pub fn program(&mut self, _path: &std::path::Path) -> Option<Mapped> {
        None
    }
}
