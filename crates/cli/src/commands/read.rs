use crate::{
    arguments::Read, choice::Choice, commands::endpoints, fault::Fault, from, listen, output, summary,
};
use overhear_model::{Hints, Names, shape::Effort};
use overhear_query::endpoints as rows_of;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Read) -> Result<i32, Fault> {
    let choice = Choice::new(&arguments.scope, arguments.period)?;
    // The summary tells nothing of shapes; what is saved does.
    let effort = if arguments.save.is_some() { Effort::Whole } else { Effort::Nothing };
    let answer = from::learn(&arguments.files, &choice, (&Hints::default(), &Names::new()), effort);
    // What is saved is what was heard; whoever asks it may know better what is one.
    let joined = (!answer.names.is_empty()).then(|| answer.model.joined(&answer.names));
    let rows = rows_of(joined.as_ref().unwrap_or(&answer.model), &answer.selection);
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
