//! Programs for aarch64, built on another processor: static, with Rust's own musl; C code by Debian's cross compiler, which is
//! shown musl's headers in place of its own.

use crate::{
    kernel_test::packages,
    setup,
    shell::{self, Error, Result, command, output, run as execute},
};
use std::{path::Path, process::Command};

pub(crate) const TARGET: &str = "aarch64-unknown-linux-musl";
/// Debian's name of the processor.
pub(crate) const DEBIAN: &str = "arm64";
pub(crate) const CC: &str = "aarch64-linux-gnu-gcc";
/// For its 32-bit programs.
pub(crate) const CC_32: &str = "arm-linux-gnueabihf-gcc";
pub(crate) const STRIP: &str = "aarch64-linux-gnu-strip";
/// What shows that it is there, and the package that brings it.
pub(crate) const TOOLS: [(&str, &str); 5] = [
    (CC, "gcc-aarch64-linux-gnu"),
    (STRIP, "binutils-aarch64-linux-gnu"),
    ("/usr/aarch64-linux-gnu/include/stdio.h", "libc6-dev-arm64-cross"),
    (CC_32, "gcc-arm-linux-gnueabihf"),
    ("/usr/arm-linux-gnueabihf/include/stdio.h", "libc6-dev-armhf-cross"),
];

/// Installs what is missing.
pub(crate) fn prepare() -> Result<()> {
    setup::ensure(&TOOLS)?;
    let there = output(&mut command("rustup", &["target", "list", "--installed"]))?;
    if there.lines().any(|line| line == TARGET) {
        return Ok(());
    }
    execute(&mut command("rustup", &["target", "add", TARGET]))
}

/// The cargo that builds for it: its arguments need [`TARGET`].
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let headers = packages::unpacked_for(DEBIAN, "musl-dev")?.join("usr/include/aarch64-linux-musl");
    let own = output(&mut command(CC, &["-print-file-name=include"]))?;
    let flags = format!("-nostdinc -isystem {} -isystem {}", spelled(&headers)?, own.trim());
    let mut cargo = shell::cargo(arguments);
    cargo
        .env("CC_aarch64_unknown_linux_musl", CC)
        .env("CFLAGS_aarch64_unknown_linux_musl", flags)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", CC);
    Ok(cargo)
}

/// A path within flags, which blanks divide.
fn spelled(path: &Path) -> Result<&str> {
    path.to_str().filter(|path| !path.contains(char::is_whitespace)).ok_or_else(|| {
        Error::Refused(format!("{} has a blank: no compiler's flag can name it", path.display()))
    })
}
