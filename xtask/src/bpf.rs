//! Compiles the kernel programs into the objects that are committed and embedded.

use crate::shell::{Error, Result, at, command, find, output, root, run as execute};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What to do with the compiled objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Put them into the repository.
    Write,
    /// Compare them with those of the repository.
    Check,
}

/// Another version compiles to other bytes.
pub(crate) const CLANG: &str = "clang-19";
pub(crate) const STRIP: &str = "llvm-strip-19";

/// clang runs in this folder: the names of the sources in the objects are relative to it.
const CRATE: &str = "crates/probe";
const SOURCES: &str = "src/bpf";
const OBJECTS: &str = "objects";
/// clang's name of the architecture in `bpf_tracing.h`, and Rust's.
const ARCHITECTURES: [(&str, &str); 2] = [("x86", "x86_64"), ("arm64", "aarch64")];

pub(crate) fn run(mode: Mode) -> Result<()> {
    for tool in [CLANG, STRIP] {
        if find(tool).is_none() {
            return Err(Error::Refused(format!("{tool} is missing: run `cargo xtask setup`")));
        }
    }
    let temporary = tempfile::tempdir().map_err(at(Path::new("temporary folder")))?;
    let mut different = Vec::new();
    for source in sources()? {
        for (clang_name, rust_name) in ARCHITECTURES {
            let object = format!("{rust_name}/{}.o", source.trim_end_matches(".c"));
            let built = temporary.path().join(rust_name).join(object.rsplit('/').next().unwrap_or_default());
            compile(&source, clang_name, &built)?;
            let kept = root().join(CRATE).join(OBJECTS).join(&object);
            match mode {
                Mode::Write => install(&built, &kept)?,
                Mode::Check if same(&built, &kept)? => println!("{object}: as committed"),
                Mode::Check => different.push(object),
            }
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    let version = output(&mut command(CLANG, &["--version"]))?;
    Err(Error::Refused(format!(
        "not what their source compiles to: {} (with {}); run `cargo xtask bpf` and commit",
        different.join(", "),
        version.lines().next().unwrap_or(CLANG),
    )))
}

fn sources() -> Result<Vec<String>> {
    let folder = root().join(CRATE).join(SOURCES);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .map_err(at(&folder))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".bpf.c"))
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(Error::Refused(format!("no kernel programs in {CRATE}/{SOURCES}")));
    }
    Ok(names)
}

fn compile(source: &str, architecture: &str, object: &Path) -> Result<()> {
    if let Some(folder) = object.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let folder = root().join(CRATE);
    let here = folder.canonicalize().map_err(at(&folder))?;
    let mut clang = command(CLANG, &["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3"]);
    clang
        .current_dir(&here)
        .arg(format!("-D__TARGET_ARCH_{architecture}"))
        .arg(format!("-ffile-prefix-map={}=.", here.display()))
        .args(["-I", "/usr/include", "-c"])
        .arg(PathBuf::from(SOURCES).join(source))
        .arg("-o")
        .arg(object);
    execute(&mut clang)?;
    execute(command(STRIP, &["-g"]).arg(object))
}

fn install(built: &Path, kept: &Path) -> Result<()> {
    if let Some(folder) = kept.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    fs::copy(built, kept).map_err(at(kept))?;
    println!("wrote {}", kept.strip_prefix(root()).unwrap_or(kept).display());
    Ok(())
}

/// An object that is not there yet is a different one.
fn same(built: &Path, kept: &Path) -> Result<bool> {
    let new = fs::read(built).map_err(at(built))?;
    Ok(fs::read(kept).is_ok_and(|old| old == new))
}
