//! What machines of one kind of processor need: how they are emulated, and how programs for them come to be.

use super::{packages, tls};
use crate::{
    cross,
    shell::{Error, Result, cargo, command, find},
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processor {
    /// The one that this runs on: programs are built as always, and its libraries are those of the machine.
    X86_64,
    /// Programs are static.
    Aarch64,
}

impl Processor {
    pub(super) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// What emulates it: what shows that it is there, and the package that brings it.
    pub(super) const fn emulator(self) -> (&'static str, &'static str) {
        match self {
            Self::X86_64 => ("qemu-system-x86_64", "qemu-system-x86"),
            Self::Aarch64 => ("qemu-system-aarch64", "qemu-system-arm"),
        }
    }

    /// The kind of machine. Signed pointers as fast as the emulator can, for nobody is kept out by them.
    pub(super) const fn board(self) -> &'static [&'static str] {
        match self {
            Self::X86_64 => &["-cpu", "max"],
            Self::Aarch64 => &["-machine", "virt", "-cpu", "max,pauth-impdef=on"],
        }
    }

    /// The serial line, as its kernel calls it.
    pub(super) const fn console(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Aarch64 => "ttyAMA0",
        }
    }

    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => packages::OWN,
            Self::Aarch64 => cross::DEBIAN,
        }
    }

    /// Go's name of it.
    pub(super) const fn go(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// Installs what builds programs for it.
    pub(super) fn prepare(self) -> Result<()> {
        match self {
            Self::X86_64 => Ok(()),
            Self::Aarch64 => cross::prepare(),
        }
    }

    pub(super) fn cargo(self, arguments: &[&str]) -> Result<Command> {
        match self {
            Self::X86_64 => Ok(cargo(arguments)),
            Self::Aarch64 => cross::cargo(arguments).map(|mut cargo| {
                cargo.args(["--target", cross::TARGET]);
                cargo
            }),
        }
    }

    /// A compiler of C.
    pub(super) fn compiler(self) -> Command {
        let compiler = match self {
            Self::X86_64 => "cc",
            Self::Aarch64 => cross::CC,
        };
        command(compiler, &["-O1", "-pthread"])
    }

    /// What links a program with OpenSSL, behind its sources.
    pub(super) fn with_openssl(self) -> Result<Vec<OsString>> {
        match self {
            Self::X86_64 => Ok(["-lssl", "-lcrypto"].map(OsString::from).to_vec()),
            Self::Aarch64 => {
                let headers = packages::unpacked_for(self.debian(), "libssl-dev")?.join("usr/include");
                let folders = [headers.join("aarch64-linux-gnu"), headers];
                let folders = folders.into_iter().flat_map(|folder| ["-I".into(), folder.into()]);
                let libraries =
                    packages::unpacked_for(self.debian(), "libssl3")?.join("usr/lib/aarch64-linux-gnu");
                let libraries = ["libssl.so.3", "libcrypto.so.3"].map(|name| libraries.join(name).into());
                Ok(folders.chain(libraries).collect())
            }
        }
    }

    /// A compiler of programs of 32 bits, where those of 64 cannot make their calls.
    pub(super) fn compiler_32(self) -> Option<Command> {
        match self {
            Self::X86_64 => None,
            Self::Aarch64 => Some(command(cross::CC_32, &["-O1", "-pthread"])),
        }
    }

    /// Leaves out what only a debugger reads.
    pub(super) fn strip(self) -> Command {
        let strip = match self {
            Self::X86_64 => "strip",
            Self::Aarch64 => cross::STRIP,
        };
        command(strip, &[])
    }

    pub(super) fn busybox(self) -> Result<PathBuf> {
        self.program("busybox", "busybox-static", "bin/busybox")
    }

    pub(super) fn openssl(self) -> Result<PathBuf> {
        self.program("openssl", "openssl", "usr/bin/openssl")
    }

    /// A program of Debian's: the machine's own, or at this place in its package for the other processor.
    fn program(self, name: &str, package: &str, place: &str) -> Result<PathBuf> {
        match self {
            Self::X86_64 => find(name).ok_or_else(|| Error::Refused(format!("{name} is missing"))),
            Self::Aarch64 => Ok(packages::unpacked_for(self.debian(), package)?.join(place)),
        }
    }

    /// The libraries that a program needs: where each is, and where the program looks for it.
    pub(super) fn libraries(self, program: &Path) -> Result<Vec<(PathBuf, String)>> {
        match self {
            Self::X86_64 => {
                let listed = Command::new("ldd").arg(program).output();
                let listed = listed.map_err(|source| Error::Start { command: "ldd".to_owned(), source })?;
                let listed = String::from_utf8_lossy(&listed.stdout);
                Ok(listed_by_ldd(&listed).into_iter().map(|path| (path.into(), path.to_owned())).collect())
            }
            // No others have any here.
            Self::Aarch64 if program.ends_with("usr/bin/openssl") || program.ends_with(tls::IN_KERNEL) => {
                OPENSSL_ON_AARCH64
                    .iter()
                    .map(|(package, place)| {
                        let folder = packages::unpacked_for(self.debian(), package)?;
                        Ok((folder.join(place), (*place).to_owned()))
                    })
                    .collect()
            }
            Self::Aarch64 => Ok(Vec::new()),
        }
    }
}

/// What `openssl`, and what is linked with it, need of other packages.
const OPENSSL_ON_AARCH64: [(&str, &str); 4] = [
    ("libssl3", "usr/lib/aarch64-linux-gnu/libssl.so.3"),
    ("libssl3", "usr/lib/aarch64-linux-gnu/libcrypto.so.3"),
    ("libc6", "lib/aarch64-linux-gnu/libc.so.6"),
    ("libc6", "lib/ld-linux-aarch64.so.1"),
];

/// The paths `ldd` lists; none for a static program.
fn listed_by_ldd(listed: &str) -> Vec<&str> {
    listed.lines().filter_map(|line| line.trim().split(' ').find(|word| word.starts_with('/'))).collect()
}

#[cfg(test)]
mod tests {
    use super::listed_by_ldd;

    #[test]
    fn reads_what_ldd_lists() {
        let listed = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        assert_eq!(listed_by_ldd(listed), ["/lib/libc.so.6", "/lib64/ld.so.2"]);
        assert!(listed_by_ldd("\tnot a dynamic executable\n").is_empty());
    }
}
