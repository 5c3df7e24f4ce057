use crate::{
    arguments::Read, choice::Choice, commands::endpoints, fault::Fault, from, listen, output, summary,
};
use overhear_model::Hints;
use overhear_query::endpoints as rows_of;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Read) -> Result<i32, Fault> {
    let choice = Choice::new(&arguments.scope, arguments.period)?;
    let answer = from::learn(&arguments.files, &choice, &Hints::default());
    let rows = rows_of(&answer.model, &answer.selection);
    if arguments.json {
        endpoints::write(&rows, true)?;
        summary::coverage(&mut io::stderr(), &answer.statistics, output::error_style())?;
    } else {
        let mut out = output::stdout();
        summary::write(&mut out, rows, &answer.statistics, output::style())?;
        out.flush()?;
    }
    if let Some(path) = &arguments.save {
        listen::save(&answer.model, path)?;
    }
    answer.finish()
}
