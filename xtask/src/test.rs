//! Every test of the workspace.

use crate::{
    setup,
    shell::{Error, Result, at, cargo, command, output, root, run as execute},
};
use std::{fmt::Write as _, fs, process::Command};

/// How long the soak test runs in [`all`].
const SOAK_SECONDS: &str = "300";

/// Times that a watch is killed.
const KILLS: &str = "100";
/// Times that each server is started anew beside a watch.
const RESTARTS: &str = "100";
/// How many connections the pipeline's tests of them play in [`all`].
const MANY_CONNECTIONS: &str = "1000000";

/// What every change must pass.
pub(crate) fn usual() -> Result<()> {
    setup::run()?;
    build_program()?;
    execute(&mut cargo(&["test", "--workspace"]))
}

/// The long tests and the figures too, or some parts of them, in this order. What was run of it on the same day stays in the
/// record.
pub(crate) fn all(names: &[&str]) -> Result<()> {
    let known: Vec<_> = parts().into_iter().map(|(name, _)| name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(Error::Refused(format!("{name}: not one of {}", known.join(", "))));
    }
    let is_wanted = |name: &str| names.is_empty() || names.contains(&name);
    setup::run()?;
    setup::programs()?;
    build_program()?;
    execute(&mut cargo(&["build", "--release", "--package", "overhear"]))?;
    let wanted = parts().into_iter().filter(|(name, _)| is_wanted(name)).map(|(_, command)| command);
    recorded(wanted, names.is_empty())
}

/// The whole-program tests run this binary; building it first keeps them from waiting for one another.
fn build_program() -> Result<()> {
    execute(&mut cargo(&["build", "--package", "overhear"]))
}

/// All there is, by name.
fn parts() -> Vec<(&'static str, Command)> {
    let of_crate =
        |package: &'static str, rest: &[&str]| cargo(&[&["test", "--package", package], rest].concat());
    let test =
        |name: &'static str, rest: &[&str]| of_crate("overhear-tests", &[&["--test", name], rest].concat());
    let with = |mut command: Command, name: &str, value: &str| {
        command.env(name, value);
        command
    };
    let bench = |parts: &[&str]| {
        cargo(&[&["run", "--release", "--quiet", "--package", "overhear-benches", "--"], parts].concat())
    };
    vec![
        ("workspace", cargo(&["test", "--workspace", "--no-fail-fast"])),
        ("figures", bench(&["read", "http2", "learn", "start", "page", "overhead"])),
        // A whole day takes half an hour; two hours tell nearly the same.
        ("store", bench(&["--quick", "store"])),
        ("kernels", cargo(&["run", "--quiet", "--package", "xtask", "--", "kernel-test"])),
        ("systemd", test("systemd", &["--", "--ignored"])),
        ("container", test("container", &["--", "--ignored"])),
        ("soak", with(test("live", &["soak"]), "OVERHEAR_SOAK_SECONDS", SOAK_SECONDS)),
        ("kills", with(test("store", &["kill"]), "OVERHEAR_KILLS", KILLS)),
        ("restarts", with(test("restarts", &[]), "OVERHEAR_RESTARTS", RESTARTS)),
        ("runtimes", with(test("runtimes", &["--", "--nocapture"]), "OVERHEAR_RUNTIMES", "all")),
        ("unnamed", test("unnamed", &["--", "--ignored"])),
        (
            "many",
            with(
                of_crate("overhear-pipeline", &["--lib", "connections"]),
                "OVERHEAR_CONNECTIONS",
                MANY_CONNECTIONS,
            ),
        ),
        ("accuracy", with(test("specbench", &["--", "--nocapture"]), "OVERHEAR_ACCURACY", "all")),
        ("real", with(test("real", &["--", "--nocapture"]), "OVERHEAR_REAL_PROGRAMS", "all")),
    ]
}

/// Runs all the commands, failing or not, and keeps what they say in a file named after the day: a new one, or behind what is
/// there.
fn recorded(commands: impl Iterator<Item = Command>, anew: bool) -> Result<()> {
    let day = output(&mut command("date", &["--utc", "+%Y-%m-%d"]))?;
    let folder = root().join("docs/test-runs");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let file = folder.join(format!("{}.md", day.trim()));
    let known = if anew { None } else { fs::read_to_string(&file).ok() };
    let mut report = known.unwrap_or_else(|| format!("# Test run of {}\n", day.trim()));
    let mut outcome = Ok(());
    for mut wanted in commands {
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
