//! The figures of `docs/performance.md`.

use crate::shell::{Result, cargo, run as execute};

/// Parts that are measured in the process of the bench itself.
const ALONE: [&str; 2] = ["http2", "learn"];

pub(crate) fn run(options: &[&str]) -> Result<()> {
    let mut parts = options.iter().filter(|option| !option.starts_with("--")).peekable();
    let needs_program = parts.peek().is_none() || parts.any(|part| !ALONE.contains(part));
    if needs_program {
        execute(&mut cargo(&["build", "--release", "--package", "overhear"]))?;
    }
    let bench = ["run", "--release", "--quiet", "--package", "overhear-benches", "--"];
    execute(cargo(&bench).args(options))
}
