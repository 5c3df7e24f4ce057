//! Programs that tests run.

use std::{io, path::Path, process::Command};

/// Copies a program to where everyone may run it.
///
/// By a process of its own: a file that this one has open for writing cannot be run (`ETXTBSY`) while a child that another
/// test forked meanwhile holds it open too.
pub fn copy_program(from: &Path, to: &Path) -> io::Result<()> {
    let status = Command::new("install").args(["--mode", "755"]).args([from, to]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("install: {status}"))) }
}
