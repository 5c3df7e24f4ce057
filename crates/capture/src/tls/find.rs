use super::{Found, Library};
use std::fs::File;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the executable: {0}")]
    Io(#[from] std::io::Error),
}

/// Why TLS that is known to be in a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreadable {
    /// Java has its own TLS, in code that is compiled while it runs.
    Java,
    /// The library is linked into the program, which names no functions any more.
    NoSymbols(Library),
    /// NSS: its functions are those of every file.
    NotProbed(Library),
}

/// Looks for TLS functions in an ELF file (elf(5)) of 64 bits for this machine. `None`: there are none.
///
/// # Errors
///
/// When it cannot be read. Whatever is broken in it is not found, and no error.
pub fn find(_file: &File) -> Result<Option<Found>, Error> {
    Ok(None)
}

/// Of a file in which [`find`] finds nothing: the reason, if it holds TLS all the same. Reads most of the file; for
/// `doctor`, not for every library of a machine.
pub fn unreadable(_file: &File) -> Option<Unreadable> {
    None
}
