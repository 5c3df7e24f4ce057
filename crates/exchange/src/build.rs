use crate::Timestamp;
use std::sync::{Arc, OnceLock};

/// Which build of its program a process runs, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// When the process started.
    pub started: Timestamp,
    /// The topmost process above it that is the same service (the master of workers, a wrapper), or itself.
    pub family: Family,
    /// What distinguishes programs that share a service's name: the file name of the executable.
    pub program: Arc<str>,
    /// What a person would call the build: a version the program announces, a git commit, an image, a build id.
    pub version: Option<Arc<str>>,
    /// When the process ended; set by who hears of it, for all who hold this.
    pub ended: OnceLock<Timestamp>,
}

/// A process and all that it started under the same service name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// Its first process.
    pub pid: u32,
    /// When that started: with the pid it names the process for good.
    pub started: Timestamp,
}
