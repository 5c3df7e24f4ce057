//! A virtual machine that boots from memory.

use super::{processor::Processor, session::Session, tls};
use crate::shell::{Error, Result, at, command, output, run as execute};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// What runs there as process 1.
const SCRIPT: &str = include_str!("init.sh");
/// Modules of the kernel that the tests of the probes need, each after those that it needs.
const MODULES: [&str; 5] = [
    "drivers/block/nbd.ko",
    "lib/libcrc32c.ko",
    "net/dns_resolver/dns_resolver.ko",
    "net/ceph/libceph.ko",
    "drivers/block/rbd.ko",
];
/// And those that encrypt what is sent by TLS, from 6.3 on.
const MODULES_OF_TLS: [&str; 5] = [
    "lib/crypto/gf128mul.ko",
    "crypto/ghash-generic.ko",
    "crypto/crypto_null.ko",
    "crypto/gcm.ko",
    "net/tls/tls.ko",
];
/// Tests of the probes, and those that need sockets to tell what moves.
const TESTS: [&str; 1] = ["live"];
const TESTS_OF_SOCKETS: [&str; 2] = ["packets", "datagrams"];
/// What they listen to.
const PEERS: [&str; 3] = ["peer", "peer-32", "datagrams-peer"];
/// Seconds until a machine that does not end is given up.
const PATIENCE: &str = "1500";

/// What is tried in the machines of one kind of processor.
pub(super) struct Programs {
    folder: TempDir,
    processor: Processor,
}

impl Programs {
    /// Builds `overhear`, the tests of the probes, and the programs they listen to.
    pub(super) fn build(processor: Processor) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(at(Path::new("temporary folder")))?;
        let programs = Self { folder, processor };
        programs.keep(&built(processor, &["build", "--package", "overhear"])?, "overhear")?;
        for name in TESTS.into_iter().chain(TESTS_OF_SOCKETS) {
            let test = ["test", "--no-run", "--package", "overhear-capture", "--test", name];
            programs.keep(&built(processor, &test)?, name)?;
        }
        programs.compile(processor.compiler(), "peer.c", "peer")?;
        programs.compile(processor.compiler(), "datagrams.c", "datagrams-peer")?;
        let compiler = processor.compiler_32();
        compiler.map_or(Ok(()), |compiler| programs.compile(compiler, "peer.c", "peer-32"))?;
        Ok(programs)
    }

    fn compile(&self, mut compiler: Command, source: &str, name: &str) -> Result<()> {
        let source = Path::new("crates/capture/tests").join(source);
        execute(compiler.arg("-static").arg(source).arg("-o").arg(self.path(name)))
    }

    /// What the tests need in a machine, and those that only some can pass.
    fn tests(&self, of_sockets: bool) -> impl Iterator<Item = PathBuf> {
        let more = TESTS_OF_SOCKETS.into_iter().filter(move |_| of_sockets);
        let names = TESTS.into_iter().chain(PEERS).chain(more);
        names.map(|name| self.path(name)).filter(|program| program.exists())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Without what only a debugger reads: all of it is loaded into memory.
    fn keep(&self, binary: &Path, name: &str) -> Result<()> {
        execute(self.processor.strip().arg("-o").arg(self.path(name)).arg(binary))
    }
}

/// The executable that cargo makes.
fn built(processor: Processor, arguments: &[&str]) -> Result<PathBuf> {
    let messages =
        output(processor.cargo(arguments)?.args(["--quiet", "--message-format", "json-render-diagnostics"]))?;
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.ok_or_else(|| Error::Refused(format!("cargo {} made no program", arguments.join(" "))))
}

/// How a machine is booted.
pub(super) struct Machine<'a> {
    /// The kernel's image; its modules are in the same folders as in the package.
    pub(super) kernel: &'a Path,
    /// What is added to its command line.
    pub(super) options: &'a str,
    /// The tests of the probes run there too.
    pub(super) probes: bool,
    /// Sockets tell what moves (6.3 and later): packets and QUIC are tested there too, and TLS is spoken.
    pub(super) sockets: bool,
}

impl Machine<'_> {
    /// Boots it, and listens to it until it powers off.
    pub(super) fn boot(&self, programs: &Programs) -> Result<Session> {
        let folder = tempfile::tempdir().map_err(at(Path::new("temporary folder")))?;
        let memory = self.memory(programs, folder.path())?;
        let processor = programs.processor;
        let line = format!("console={} quiet loglevel=0 panic=-1 {}", processor.console(), self.options);
        let (emulator, _) = processor.emulator();
        // Emulated: it boots in seconds, the same everywhere; not every KVM inside a virtual machine gets that far.
        let qemu = ["-accel", "tcg", "-smp", "2", "-m", "1024", "-no-reboot"];
        let quiet = ["-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none"];
        let mut machine = command("timeout", &[PATIENCE, emulator]);
        machine.args(processor.board()).args(qemu).args(quiet);
        machine.arg("-kernel").arg(self.kernel).arg("-initrd").arg(memory);
        let ran = machine.args(["-append", &line]).output();
        let ran = ran.map_err(|source| Error::Start { command: emulator.to_owned(), source })?;
        if ran.stdout.is_empty() {
            let complaint = String::from_utf8_lossy(&ran.stderr).into_owned();
            return Err(Error::Refused(format!("the machine says nothing: {complaint}")));
        }
        Ok(Session::new(&ran.stdout))
    }

    /// The file system it boots with, as an archive.
    fn memory(&self, programs: &Programs, folder: &Path) -> Result<PathBuf> {
        let tree = folder.join("tree");
        for name in ["bin", "dev", "modules", "proc", "run", "sys", "tmp", "www"] {
            let place = tree.join(name);
            fs::create_dir_all(&place).map_err(at(&place))?;
        }
        let install = |program: &Path| install(programs.processor, program, &tree);
        install(&programs.processor.busybox()?)?;
        install(&programs.path("overhear"))?;
        if self.sockets {
            for program in tls::programs(programs.processor)? {
                install(&program)?;
            }
            tls::certificate(&tree.join("tls"))?;
            self.modules(&MODULES_OF_TLS, &tree.join("modules/tls"))?;
        }
        if self.probes {
            for program in programs.tests(self.sockets) {
                install(&program)?;
            }
            self.modules(&MODULES, &tree.join("modules/probes"))?;
        }
        let init = tree.join("init");
        fs::write(&init, SCRIPT).map_err(at(&init))?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).map_err(at(&init))?;
        let archive = folder.join("memory");
        let pack = "find . | busybox cpio -o -H newc 2>/dev/null > \"$1\"";
        execute(Command::new("sh").args(["-c", pack, "sh"]).arg(&archive).current_dir(&tree))?;
        Ok(archive)
    }

    /// Unpacks modules of the kernel, to be loaded in this order when it has booted.
    fn modules(&self, paths: &[&str], folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        paths.iter().enumerate().try_for_each(|(at, path)| self.module(path, &folder.join(at.to_string())))
    }

    fn module(&self, path: &str, place: &Path) -> Result<()> {
        let package = self.kernel.ancestors().nth(2).unwrap_or(self.kernel);
        let unpack = "cd \"$1\"/lib/modules/*/kernel && { test ! -f \"$2\".xz || xz --decompress --keep --stdout \"$2\".xz; test ! -f \"$2\" || cat \"$2\"; } > \"$3\"";
        let mut shell = command("sh", &["-c", unpack, "sh"]);
        execute(shell.arg(package).arg(path).arg(place))
    }
}

/// Copies a program to `/bin`, and the libraries it needs to where it looks for them.
fn install(processor: Processor, program: &Path, tree: &Path) -> Result<()> {
    let place = tree.join("bin").join(program.file_name().unwrap_or_default());
    fs::copy(program, &place).map_err(at(program))?;
    for (library, place) in processor.libraries(program)? {
        let place = tree.join(place.trim_start_matches('/'));
        let folder = place.parent().unwrap_or(tree);
        fs::create_dir_all(folder).map_err(at(folder))?;
        fs::copy(&library, &place).map_err(at(&library))?;
    }
    Ok(())
}
