use crate::{
    arguments::{Endpoints, Period, Question},
    ask,
    choice::Choice,
    fault::Fault,
    from::{self, Answer},
    json, keeping,
    knowledge::Knowledge,
    output, over_time, summary,
};
use overhear_model::{Model, shape::Effort};
use overhear_pipeline::Within;
use overhear_query::{EndpointRow, endpoints, monitor::History};
use overhear_store::Questions;
use serde_json::Value;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Endpoints) -> Result<i32, Fault> {
    if over_time::is_asked(&arguments.question) {
        return over(arguments);
    }
    let answer = learn(&arguments.question, Effort::Nothing)?;
    let ignored = answer.knowledge.ignored(&answer.model, &answer.selection);
    let mut rows = endpoints(&answer.model, &answer.selection);
    rows.retain(|row| !ignored.includes(&row.id));
    write(&rows, arguments.json)?;
    summary::coverage(&mut io::stderr(), &answer.statistics, output::error_style())?;
    answer.finish()
}

/// Steps by which first and last calls are told.
const STEPS: usize = 360;

/// Of a stretch of time, out of the store.
fn over(arguments: &Endpoints) -> Result<i32, Fault> {
    let answering = over_time::answering(&arguments.question)?;
    let selection = Choice::new(&arguments.question.scope, Period::default())?.selection()?;
    let covered = History::endpoints(&answering.monitor, answering.asked, STEPS).map_err(Fault::new)?;
    let step = u64::try_from(covered.step.as_nanos()).unwrap_or(u64::MAX);
    let called = covered.what.into_iter().filter(|row| row.now.requests > 0 && selection.includes(&row.id));
    let mut rows: Vec<_> = called.map(|row| row.total(step, covered.until)).collect();
    let place = |row: &EndpointRow| {
        let id = row.id.clone();
        (id.service, id.way, id.route, id.method)
    };
    rows.sort_by_cached_key(place);
    write(&rows, arguments.json)?;
    answering.finish()
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

/// What was learned in all time: from the store, or from a running `watch` that is named or has none.
fn heard(question: &Question) -> Result<Model, Fault> {
    let store = keeping::existing(&question.at).filter(|_| question.socket.socket.is_none());
    match store {
        Some(path) => keeping::reader(&path)?.evidence().map_err(Fault::new),
        None => ask::model(&question.socket),
    }
}

/// What files, the store or the running `watch` know of endpoints.
pub(crate) fn learn(question: &Question, effort: Effort) -> Result<Answer, Fault> {
    let knowledge = Knowledge::read(&question.known)?;
    let (hints, said) = (knowledge.hints(), knowledge.names());
    let choice = Choice::new(&question.scope, question.period)?;
    let mut answer = if question.from.is_empty() {
        let of_a_time = over_time::is_asked(question);
        let period = if of_a_time { Period::default() } else { question.period };
        let selection = Choice::new(&question.scope, period)?.selection()?;
        if of_a_time {
            // Its names are joined already.
            let Within { model, names, .. } = over_time::model(question, &knowledge)?;
            return Ok(Answer { model, selection, names, ..Answer::nothing(knowledge) });
        }
        let model = heard(question)?;
        let names = model.names(&said);
        Answer { model, selection, names, ..Answer::nothing(knowledge) }
    } else {
        Answer { knowledge, ..from::learn(&question.from, &choice, (&hints, &said), effort) }
    };
    answer.join();
    answer.model.set_hints(hints);
    Ok(answer)
}
