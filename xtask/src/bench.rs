//! The figures of `docs/performance.md`.

use crate::shell::{Result, cargo, run as execute};

pub(crate) fn run(options: &[&str]) -> Result<()> {
    execute(&mut cargo(&["build", "--release", "--package", "overhear"]))?;
    let bench = ["run", "--release", "--quiet", "--package", "overhear-benches", "--"];
    execute(cargo(&bench).args(options))
}
