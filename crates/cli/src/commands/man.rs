use crate::{arguments::Arguments, fault::Fault, output};
use clap::CommandFactory;
use clap_mangen::Man;
use std::io::Write;

/// One page: the program, then each command with its options.
pub(crate) fn run() -> Result<i32, Fault> {
    let mut command = Arguments::command();
    command.build();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let man = Man::new(sub.clone());
        let name = sub.get_name().to_uppercase();
        writeln!(page, ".SH \"OVERHEAR {name}\"")?;
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    let mut out = output::stdout();
    out.write_all(&page)?;
    out.flush()?;
    Ok(0)
}
