//! Programs that speak TLS to one another in a machine: Go's own, and Debian's OpenSSL.

use super::{
    Checked, exchanges_are,
    processor::Processor,
    session::{Said, Session},
    told,
};
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

/// The program at both ends, where the kernel encrypts.
pub(super) const IN_KERNEL: &str = "ktls";
/// What the script has them say there: method, path, status, bytes of the request's body and of the answer's.
const CALLS_IN_KERNEL: [(&str, &str, u64, u64, u64); 9] = [
    ("GET", "/items", 200, 0, 7),
    ("GET", "/items", 200, 0, 7),
    ("GET", "/items", 200, 0, 7),
    ("POST", "/orders", 201, 9, 8),
    ("GET", "/missing", 404, 0, 7),
    ("GET", "/fails", 500, 0, 4),
    ("GET", "/slow", 200, 0, 4),
    ("GET", "/sized/large", 200, 0, 80_000),
    ("GET", "/sized/small", 203, 0, 34),
];
/// Bytes of those that are sent out of a file.
const OUT_OF_FILES: u64 = 80_034;

/// Their executables.
pub(super) fn programs(processor: Processor) -> Result<[PathBuf; 4]> {
    let folder = cache().join(processor.debian());
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let server = go(processor, "tests/servers/server.go", &folder)?;
    let client = go(processor, "tests/clients/client.go", &folder)?;
    Ok([server, client, processor.openssl()?, in_kernel(processor, &folder)?])
}

fn in_kernel(processor: Processor, folder: &Path) -> Result<PathBuf> {
    let binary = folder.join(IN_KERNEL);
    let mut compiler = processor.compiler();
    compiler.args(["-D_GNU_SOURCE", "-DKTLS", "tests/servers/tls.c", "-o"]).arg(&binary);
    execute(compiler.args(processor.with_openssl()?))?;
    Ok(binary)
}

/// What the programs write is heard, at both ends and at the server's alone, and what is sent out of files is a gap of its
/// length; and it is the kernel that encrypts it.
pub(super) fn hears_what_the_kernel_encrypts(session: &Session) -> Checked {
    hears_in_kernel(&session.said("ktls")?)?;
    hears_in_kernel(&session.said("ktls-server")?)?;
    let counts = session.said("ktls-kernel")?;
    // Each end of both connections.
    match counts.text.lines().find_map(|line| line.strip_prefix("TlsTxSw")) {
        Some(sockets) if sockets.trim() == "4" => Ok(()),
        sockets => Err(format!("the kernel encrypts what 4 sockets send, not {sockets:?}")),
    }
}

fn hears_in_kernel(watch: &Said<'_>) -> Checked {
    watch.ends_with(0)?;
    exchanges_are(watch, &CALLS_IN_KERNEL.map(|(_, path, status, ..)| (path, status)))?;
    let (exchanges, last) = told(watch);
    for (exchange, (method, path, _, request, answer)) in exchanges.iter().zip(CALLS_IN_KERNEL) {
        let size = |of| exchange[format!("http.{of}.body.size")].as_u64().unwrap_or_default();
        let sizes = (size("request"), size("response"));
        if exchange["http.request.method"] != method || sizes != (request, answer) {
            return Err(format!(
                "{method} {path} with bodies of {request} and {answer} bytes is not {exchange}"
            ));
        }
    }
    let gaps: Vec<_> = last.iter().map(|last| &last["statistics"]["lost"]).collect();
    match gaps.as_slice() {
        [lost] if lost["not_in_user_buffer"]["bytes"] == OUT_OF_FILES => Ok(()),
        lost => Err(format!("{OUT_OF_FILES} bytes are sent out of files, and lost is {lost:?}")),
    }
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
