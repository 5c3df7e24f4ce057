use super::Found;
use std::fs::File;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the executable: {0}")]
    Io(#[from] std::io::Error),
}

/// Looks for TLS functions in an ELF file (elf(5)) of 64 bits for this machine. `None`: there are none.
///
/// # Errors
///
/// When it cannot be read. Whatever is broken in it is not found, and no error.
pub fn find(_file: &File) -> Result<Option<Found>, Error> {
    Ok(None)
}
