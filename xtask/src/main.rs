//! Development tasks: `cargo xtask <task>`. One file per task; this one only chooses.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a front end: it prints")]

mod bench;
mod bpf;
mod cross;
mod dist;
mod kernel_test;
mod setup;
mod shell;
mod test;
mod tidy;

use shell::{Error, Result};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <task>

  tidy              the rules of this repository that no compiler checks
  setup [--all]     install what the integration tests need, where that is allowed; --all: what the long ones need
  test              setup, then every test
  test --all [PART…]
                    the long ones and the figures too, or parts of them; kept in docs/test-runs/
  bpf [--check]     compile the kernel programs; --check only compares them with the committed objects
  kernel-test [NAME…]
                    other kernels, in virtual machines: what overhear hears there, or says instead
  dist [--binary FILE] [--into FOLDER]
                    a static binary, packed: tarball, Debian package, context of an image; in target/dist
  bench [--quick]   the figures of docs/performance.md, as Markdown (as root)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["tidy"] => tidy::run(),
        ["setup"] => setup::run(),
        ["setup", "--all"] => setup::run().and_then(|()| setup::programs()),
        ["test"] => test::usual(),
        ["test", "--all", parts @ ..] => test::all(parts),
        ["bpf"] => bpf::run(bpf::Mode::Write),
        ["bpf", "--check"] => bpf::run(bpf::Mode::Check),
        ["kernel-test", names @ ..] => kernel_test::run(names),
        ["dist", options @ ..] => dist::run(options),
        ["bench", options @ ..] => bench::run(options),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Error::Usage(USAGE)),
    }
}
