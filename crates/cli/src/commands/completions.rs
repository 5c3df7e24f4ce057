use crate::{
    arguments::{Arguments, Completions},
    fault::Fault,
    output,
};
use clap::CommandFactory;
use std::io::Write;

pub(crate) fn run(arguments: &Completions) -> Result<i32, Fault> {
    // The generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "overhear", &mut script);
    let mut out = output::stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(0)
}
