//! What others say of our documents: tools that `cargo xtask setup` installs.

use crate::{Result, server::cache};
use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output},
};

/// `openapi-spec-validator`: the schemas of the specification.
pub fn is_valid_openapi(document: &Path) -> Result<()> {
    said("openapi-spec-validator", &python("openapi_spec_validator", [document])?)
}

/// `kubernetes-validate`: the schemas of Kubernetes, nothing beyond them.
pub fn is_valid_kubernetes(manifest: &Path) -> Result<()> {
    said(
        "kubernetes-validate",
        &python("kubernetes_validate", [OsStr::new("--strict"), manifest.as_os_str()])?,
    )
}

/// Redocly's linter with the rules that say that a document is wrong, not that it could be nicer.
pub fn passes_redocly(document: &Path) -> Result<()> {
    let mut lint = node("redocly", "@redocly/cli/bin/cli.js");
    lint.args(["lint", "--extends=spec"]).arg(document).env("REDOCLY_TELEMETRY", "off").env("CI", "true");
    said("redocly", &lint.output()?)
}

/// A TypeScript client's types are made of it, and compile.
pub fn makes_a_client(document: &Path) -> Result<()> {
    let types = document.with_extension("ts");
    let mut make = node("openapi-typescript", "openapi-typescript/bin/cli.js");
    said("openapi-typescript", &make.arg(document).arg("--output").arg(&types).output()?)?;
    let mut compile = node("tsc", "typescript/bin/tsc");
    said("tsc", &compile.args(["--noEmit", "--strict"]).arg(&types).output()?)
}

/// `grafana-foundation-sdk`, Grafana's own types: they know of all that is in a dashboard.
pub fn is_known_to_grafana(dashboard: &Path) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("judges/grafana.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(dashboard).env("PYTHONPATH", cache().join("python"));
    said("grafana-foundation-sdk", &python.output()?)
}

/// Chromium goes through the views of the page: what it saw and what the server said meanwhile. Leaves pictures.
pub fn visits(page: &str, shop: &str, pictures: &Path) -> Result<serde_json::Value> {
    let seen = browse("page.cjs", [OsStr::new(page), OsStr::new(shop), pictures.as_os_str()])?;
    Ok(serde_json::from_str(&seen)?)
}

/// Of the looks of a view: nothing sticks out, what is touched is large enough, and `axe-core` has nothing serious against it.
///
/// # Panics
/// Where it does not look well.
pub fn assert_looks_well(view: &str, looks: &serde_json::Value) {
    let all = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    for (look, told) in looks.as_object().into_iter().flatten() {
        assert_eq!(all(&told["out"]), Vec::<serde_json::Value>::new(), "{view}, {look}: sticks out");
        assert_eq!(all(&told["small"]), Vec::<serde_json::Value>::new(), "{view}, {look}: hard to touch");
        let accused = all(&told["axe"]);
        let serious = accused.iter().filter(|one| one["impact"] == "serious" || one["impact"] == "critical");
        assert_eq!(serious.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new(), "{view}, {look}");
    }
    assert_eq!(looks.as_object().map(serde_json::Map::len), Some(4), "{view}");
}

/// The text of one view of the page, as soon as there is something that the selector finds.
pub fn looks(page: &str, path: &str, ready: &str) -> Result<String> {
    browse("look.cjs", [page, path, ready])
}

/// Runs a script of ours with Chromium, and takes what it says.
pub fn browse<S: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = S>) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let modules = cache().join("browser/node_modules");
    let mut node = Command::new("node");
    node.arg(script).arg("/usr/bin/chromium").args(arguments).env("NODE_PATH", modules);
    let output = node.output()?;
    said("the browser", &output)?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a script with the Python tools at hand.
pub fn python_script<S: AsRef<OsStr>>(
    script: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String> {
    let output = Command::new("python3")
        .arg(script)
        .args(arguments)
        .env("PYTHONPATH", cache().join("python"))
        .output()?;
    said(&script.display().to_string(), &output)?;
    Ok(String::from_utf8(output.stdout)?)
}

fn python<S: AsRef<OsStr>>(module: &str, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
    let mut command = Command::new("python3");
    command.arg("-m").arg(module).args(arguments).env("PYTHONPATH", cache().join("python"));
    Ok(command.output()?)
}

fn node(name: &str, script: &str) -> Command {
    let script = cache().join("node/node_modules").join(script);
    debug_assert!(script.exists(), "{name} is missing: run `cargo xtask setup`");
    let mut command = Command::new("node");
    command.arg(script).env("NO_COLOR", "1");
    command
}

fn said(name: &str, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{name}: {}{}", text(&output.stdout), text(&output.stderr)).into())
}

/// `promtool` of Prometheus: `arguments`, then these files.
pub fn promtool<S: AsRef<OsStr>>(arguments: &[&str], files: impl IntoIterator<Item = S>) -> Result<String> {
    let output = Command::new("promtool").args(arguments).args(files).output()?;
    said("promtool", &output)?;
    Ok(String::from_utf8(output.stdout)?)
}
