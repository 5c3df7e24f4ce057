//! Every test of the workspace.

use crate::{
    setup,
    shell::{Error, Result, at, cargo, command, output, root, run as execute},
};
use std::{fmt::Write as _, fs, process::Command};

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What every change must pass.
    Usual,
    /// The long tests and the figures too.
    All,
}

/// How long the soak test runs in [`Scope::All`].
const SOAK_SECONDS: &str = "300";

/// Times that a watch is killed.
const KILLS: &str = "100";
/// Times that each server is started anew beside a watch.
const RESTARTS: &str = "100";
/// How many connections the pipeline's tests of them play in [`Scope::All`].
const MANY_CONNECTIONS: &str = "1000000";

pub(crate) fn run(scope: Scope) -> Result<()> {
    setup::run()?;
    // The whole-program tests run this binary; building it first keeps them from waiting for one another.
    execute(&mut cargo(&["build", "--package", "overhear"]))?;
    match scope {
        Scope::Usual => execute(&mut cargo(&["test", "--workspace"])),
        Scope::All => {
            setup::programs()?;
            execute(&mut cargo(&["build", "--release", "--package", "overhear"]))?;
            let mut soak = cargo(&["test", "--package", "overhear-tests", "--test", "live", "soak"]);
            soak.env("OVERHEAR_SOAK_SECONDS", SOAK_SECONDS);
            let mut many = cargo(&["test", "--package", "overhear-pipeline", "--lib", "connections"]);
            many.env("OVERHEAR_CONNECTIONS", MANY_CONNECTIONS);
            let benches = ["run", "--release", "--quiet", "--package", "overhear-benches", "--"];
            let parts = ["read", "http2", "learn", "start", "page", "overhead"];
            let figures = cargo(&[&benches[..], &parts].concat());
            // A whole day takes half an hour; two hours tell nearly the same.
            let store = cargo(&[&benches[..], &["--quick", "store"]].concat());
            let kernels = cargo(&["run", "--quiet", "--package", "xtask", "--", "kernel-test"]);
            let mut real =
                cargo(&["test", "--package", "overhear-tests", "--test", "real", "--", "--nocapture"]);
            real.env("OVERHEAR_REAL_PROGRAMS", "all");
            let mut accuracy =
                cargo(&["test", "--package", "overhear-tests", "--test", "specbench", "--", "--nocapture"]);
            accuracy.env("OVERHEAR_ACCURACY", "all");
            let mut runtimes =
                cargo(&["test", "--package", "overhear-tests", "--test", "runtimes", "--", "--nocapture"]);
            runtimes.env("OVERHEAR_RUNTIMES", "all");
            let mut restarts = cargo(&["test", "--package", "overhear-tests", "--test", "restarts"]);
            restarts.env("OVERHEAR_RESTARTS", RESTARTS);
            let mut kills = cargo(&["test", "--package", "overhear-tests", "--test", "store", "kill"]);
            kills.env("OVERHEAR_KILLS", KILLS);
            let systemd =
                cargo(&["test", "--package", "overhear-tests", "--test", "systemd", "--", "--ignored"]);
            let unnamed =
                cargo(&["test", "--package", "overhear-tests", "--test", "unnamed", "--", "--ignored"]);
            let container =
                cargo(&["test", "--package", "overhear-tests", "--test", "container", "--", "--ignored"]);
            recorded(&mut [
                cargo(&["test", "--workspace", "--no-fail-fast"]),
                figures,
                store,
                kernels,
                systemd,
                container,
                soak,
                kills,
                restarts,
                runtimes,
                unnamed,
                many,
                accuracy,
                real,
            ])
        }
    }
}

/// Runs all the commands, failing or not, and keeps what they say in a file named after the day.
fn recorded(commands: &mut [Command]) -> Result<()> {
    let day = output(&mut command("date", &["--utc", "+%Y-%m-%d"]))?;
    let folder = root().join("docs/test-runs");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let file = folder.join(format!("{}.md", day.trim()));
    let mut report = format!("# Test run of {}\n", day.trim());
    let mut outcome = Ok(());
    for wanted in commands {
        let words: Vec<_> = wanted.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let shown = format!("cargo {}", words.join(" "));
        println!("$ {shown}");
        let ran = wanted.output().map_err(|source| Error::Start { command: shown.clone(), source })?;
        let mut text = String::from_utf8_lossy(&ran.stdout).into_owned();
        if !ran.status.success() {
            text.push_str(&String::from_utf8_lossy(&ran.stderr));
            outcome = outcome.and(Err(Error::Failed { command: shown.clone(), status: ran.status }));
        }
        println!("{text}");
        let _ = write!(report, "\n## `{shown}`\n\n```text\n{}\n```\n", essence(&text));
        // At once: what comes next may be cut short.
        fs::write(&file, &report).map_err(at(&file))?;
    }
    println!("kept in docs/test-runs/{}.md", day.trim());
    outcome
}

/// What is worth keeping: everything but the names of the tests that passed, and where folders are on this machine.
fn essence(text: &str) -> String {
    let mut folders = vec![(root().display().to_string(), ".")];
    folders.extend(std::env::var("CARGO_TARGET_DIR").ok().map(|folder| (folder, "target")));
    folders.extend(std::env::var("HOME").ok().map(|folder| (folder, "~")));
    let lines = text.lines().filter(|line| !(line.starts_with("test ") && line.ends_with("... ok")));
    let lines = lines.filter(|line| !line.trim().is_empty() && !line.starts_with("running "));
    let anywhere =
        |line: &str| folders.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
    lines.map(anywhere).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::essence;

    #[test]
    fn keeps_failures_and_closing_lines() {
        let text =
            "\nrunning 2 tests\ntest a ... ok\ntest b ... FAILED\n\ntest result: FAILED. 1 passed; 1 failed";
        assert_eq!(essence(text), "test b ... FAILED\ntest result: FAILED. 1 passed; 1 failed");
    }
}
