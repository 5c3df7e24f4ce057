use crate::{
    arguments::{Endpoints, Question},
    ask,
    choice::Choice,
    fault::Fault,
    from::{self, Answer},
    json, output, summary,
};
use overhear_exchange::Statistics;
use overhear_query::{EndpointRow, endpoints};
use serde_json::Value;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Endpoints) -> Result<i32, Fault> {
    let answer = learn(&arguments.question)?;
    write(&endpoints(&answer.model, &answer.selection), arguments.json)?;
    summary::coverage(&mut io::stderr(), &answer.statistics, output::error_style())?;
    answer.finish()
}

/// The table, or an array.
pub(crate) fn write(rows: &[EndpointRow], as_json: bool) -> Result<(), Fault> {
    let mut out = output::stdout();
    if as_json {
        writeln!(out, "{}", Value::Array(rows.iter().map(json::endpoint).collect()))?;
    } else {
        summary::endpoints(&mut out, rows, output::style())?;
    }
    Ok(out.flush()?)
}

/// What files or the running `watch` know of endpoints.
pub(crate) fn learn(question: &Question) -> Result<Answer, Fault> {
    let choice = Choice::new(&question.scope, question.period)?;
    if !question.from.is_empty() {
        return Ok(from::learn(&question.from, &choice));
    }
    let selection = choice.selection()?;
    let model = ask::model(&question.socket)?;
    Ok(Answer { model, selection, statistics: Statistics::default(), fault: None })
}
