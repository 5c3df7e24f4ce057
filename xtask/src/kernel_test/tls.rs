//! Programs that speak TLS to one another in a machine: Go's own, and Debian's OpenSSL.

use super::processor::Processor;
use crate::{
    setup,
    shell::{Error, Result, at, cache, command, find, run as execute},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What the script has them say: the calls that every test client makes, and one for a file.
pub(super) const CALLS: [(&str, u64); 8] = [
    ("/items", 200),
    ("/items", 200),
    ("/items", 200),
    ("/orders", 201),
    ("/missing", 404),
    ("/fails", 500),
    ("/slow", 200),
    ("/hello", 200),
];

/// Their executables.
pub(super) fn programs(processor: Processor) -> Result<[PathBuf; 3]> {
    let folder = cache().join(processor.debian());
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let server = go(processor, "tests/servers/server.go", &folder)?;
    let client = go(processor, "tests/clients/client.go", &folder)?;
    Ok([server, client, processor.openssl()?])
}

/// Builds a Go program, without C.
fn go(processor: Processor, source: &str, folder: &Path) -> Result<PathBuf> {
    setup::go()?;
    let compiler = find("go").ok_or_else(|| Error::Refused("go is missing".to_owned()))?;
    let binary = folder.join(Path::new(source).file_stem().unwrap_or_default());
    let mut build = command(&compiler.to_string_lossy(), &["build", "-o"]);
    build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "").env("GOCACHE", cache().join("go-build"));
    build.env("CGO_ENABLED", "0").env("GOARCH", processor.go());
    execute(build.arg(&binary).arg(source))?;
    Ok(binary)
}

/// A certificate and its key, in a folder of their own.
pub(super) fn certificate(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"];
    let mut openssl = command("openssl", &["req", "-subj", "/CN=localhost"]);
    openssl.args(kind).arg("-keyout").arg(folder.join("key.pem"));
    execute(openssl.arg("-out").arg(folder.join("certificate.pem")))
}
