//! Programs in C that the tests compile.

use crate::{Result, server::cache};
use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// What `tests/servers/tls.c` is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tls {
    /// The shared library of Debian's `android-libboringssl`.
    BoringSsl,
    /// OpenSSL's archives, and then without any name, as some programs are released.
    NamelessOpenSsl,
}

/// Compiles it, once for each text of the source, and keeps it in the cache.
pub fn tls(with: Tls) -> Result<PathBuf> {
    static COMPILING: Mutex<()> = Mutex::new(());
    let _alone = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/tls.c");
    let mut text = DefaultHasher::new();
    (fs::read(&source)?, with).hash(&mut text);
    let binary = cache().join(format!("c-test-tls-{:016x}", text.finish()));
    if !binary.is_file() {
        // Another test may run the one that is there.
        let fresh = binary.with_extension(std::process::id().to_string());
        compile(&source, &fresh, &linked(with)?)?;
        fs::rename(fresh, &binary)?;
    }
    Ok(binary)
}

fn linked(with: Tls) -> Result<Vec<String>> {
    Ok(match with {
        Tls::BoringSsl => {
            let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
            let folder = format!("/usr/lib/{triplet}/android");
            if !Path::new(&folder).is_dir() {
                return Err(format!("{folder} is missing: run `cargo xtask setup`").into());
            }
            let libraries = ["ssl", "crypto"].map(|name| format!("{folder}/lib{name}.so.0"));
            let places = ["-I/usr/include/android".to_owned(), format!("-Wl,-rpath,{folder}")];
            [places, libraries].concat()
        }
        Tls::NamelessOpenSsl => ["-l:libssl.a", "-l:libcrypto.a", "-ldl", "-s"].map(str::to_owned).to_vec(),
    })
}

/// Compiles one file with the system's compiler.
pub fn compile(source: &Path, binary: &Path, more: &[String]) -> Result<()> {
    let mut compiler = Command::new("cc");
    compiler.args(["-D_GNU_SOURCE", "-O1", "-Wall", "-pthread", "-o"]).arg(binary).arg(source).args(more);
    let status = compiler.status()?;
    if status.success() { Ok(()) } else { Err(format!("cc {}: {status}", source.display()).into()) }
}
