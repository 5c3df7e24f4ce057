use std::{io, path::PathBuf};

/// Why something was not kept or not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else writes here.
    #[error("another overhear writes to {0}")]
    Busy(PathBuf),
    /// It was begun with another key.
    #[error("the store {0} was begun with another model key, under which all that was learned is kept")]
    OtherKey(PathBuf),
    /// There is none.
    #[error("there is no store at {0}: `overhear watch` writes one as it listens")]
    Missing(PathBuf),
    /// A store is a file.
    #[error("{} is a folder: name the file of a store in it, such as {}", .0.display(), .0.join("overhear.db").display())]
    Folder(PathBuf),
    /// Somebody's file, which stays as it is.
    #[error("{0} is no store of overhear, and is left alone: name another place with --store")]
    Foreign(PathBuf),
    /// It was written by a later version of this program.
    #[error(
        "the store {path} has version {version}; this program reads version {known}: use a newer overhear"
    )]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// Ours.
        known: i64,
    },
    /// What is there is no store, or no longer.
    #[error("the store {path} is damaged: {why}")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The system refused: full, read-only, no permission.
    #[error("the store {path} cannot be {done}: {why}")]
    Refused {
        /// Where.
        path: PathBuf,
        /// What was tried: opened, written, read.
        done: &'static str,
        /// What was said.
        why: String,
    },
}

impl Error {
    pub(crate) fn io(path: &std::path::Path, done: &'static str, error: &io::Error) -> Self {
        Self::Refused { path: path.to_owned(), done, why: error.to_string() }
    }
}
