//! How soon the page is there, what travels for it, and how soon a call that has ended is in its number under load: in
//! Chromium, over a real `watch`.

use crate::{
    Effort, Figure, Result,
    listener::Listener,
    median,
    overhead::{Answers, Nginx},
    quantile,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Connections that pause two milliseconds between requests: about 5 000 a second.
const CONNECTIONS: u32 = 11;
const PAUSE_MILLISECONDS: u32 = 2;
/// Seconds of load between two looks at whether it is over.
const LOAD_SECONDS: u64 = 5;

pub(crate) fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let rounds = effort.pairs.max(5);
    let nginx = Nginx::start(Answers::Text)?;
    let listener = Listener::start(nginx.port)?;
    let page = listener.page()?;
    let over = AtomicBool::new(false);
    let (rates, seen) = thread::scope(|scope| {
        let load = scope.spawn(|| load(&nginx, &over).map_err(|error| error.to_string()));
        let seen = visit(&page, nginx.port, rounds);
        over.store(true, Ordering::Relaxed);
        let rates = load.join().map_err(|_| "the load panicked")??;
        Ok::<_, Box<dyn std::error::Error>>((rates, seen?))
    })?;
    let told = listener.stop()?;
    let number = |name: &str| seen[name].as_f64().unwrap_or(f64::NAN);
    let lags: Vec<f64> = seen["lags"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let rate = median(&rates);
    Ok(vec![
        Figure::new(
            format!(
                "page: from the end of a call to its number in Chromium, {} calls while {rate:.0} a second are heard ({} lost)",
                lags.len(),
                told.lost
            ),
            format!("{:.2} s; longest {:.2} s", median(&lags) / 1e3, quantile(&lags, 1.0) / 1e3),
            "≤ 2 s",
        ),
        Figure::new(
            "page: first contentful paint, nothing cached, the same load",
            format!("{:.0} ms", number("painted")),
            "< 1 s",
        ),
        Figure::new("page: Home with its first answer", format!("{:.0} ms", number("answered")), ""),
        Figure::new(
            "page: what travels until then",
            format!("{:.0} kB", number("transfer") / 1e3),
            "< 300 kB",
        ),
    ])
}

/// Keeps the load up; gives the requests a second.
fn load(nginx: &Nginx, over: &AtomicBool) -> Result<Vec<f64>> {
    let mut rates = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let made = nginx.load(CONNECTIONS, LOAD_SECONDS, Some(PAUSE_MILLISECONDS))?;
        rates.push(made as f64 / LOAD_SECONDS as f64);
    }
    Ok(rates)
}

/// What the browser says.
fn visit(page: &str, port: u16, rounds: usize) -> Result<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/paint.cjs");
    let mut node = Command::new("node");
    node.arg(script).arg("/usr/bin/chromium").arg(page).arg(format!("http://127.0.0.1:{port}"));
    node.args(["nginx", &rounds.to_string()]).env("NODE_PATH", cache().join("browser/node_modules"));
    let said = node.output()?;
    if !said.status.success() {
        return Err(String::from_utf8_lossy(&said.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&said.stdout)?)
}

/// Where `cargo xtask setup` keeps the browser's driver.
fn cache() -> PathBuf {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("overhear")
}
