use crate::{
    arguments::{Endpoints, Question},
    ask,
    choice::Choice,
    fault::Fault,
    from::{self, Answer},
    json,
    knowledge::Knowledge,
    output, summary,
};
use overhear_exchange::Statistics;
use overhear_model::shape::Effort;
use overhear_query::{EndpointRow, endpoints};
use serde_json::Value;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Endpoints) -> Result<i32, Fault> {
    let answer = learn(&arguments.question, Effort::Nothing)?;
    let ignored = answer.knowledge.ignored(&answer.model, &answer.selection);
    let mut rows = endpoints(&answer.model, &answer.selection);
    rows.retain(|row| !ignored.includes(&row.id));
    write(&rows, arguments.json)?;
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
pub(crate) fn learn(question: &Question, effort: Effort) -> Result<Answer, Fault> {
    let knowledge = Knowledge::read(&question.known)?;
    let (hints, said) = (knowledge.hints(), knowledge.names());
    let choice = Choice::new(&question.scope, question.period)?;
    let mut answer = if question.from.is_empty() {
        let selection = choice.selection()?;
        let model = ask::model(&question.socket)?;
        let names = model.names(&said);
        Answer { model, selection, names, statistics: Statistics::default(), fault: None, knowledge }
    } else {
        Answer { knowledge, ..from::learn(&question.from, &choice, (&hints, &said), effort) }
    };
    answer.join();
    answer.model.set_hints(hints);
    Ok(answer)
}
