use crate::{
    arguments::Read,
    choice::Choice,
    commands::endpoints,
    fault::Fault,
    from::{self, Answer},
    keeping::{self, Place},
    listen, output, summary,
};
use overhear_model::{Hints, Names, shape::Effort};
use overhear_query::endpoints as rows_of;
use overhear_store::Store;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Read) -> Result<i32, Fault> {
    let choice = Choice::new(&arguments.scope, arguments.period)?;
    let answer = learn(arguments, &choice)?;
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

/// Learns into the store, where there is one to be had.
fn learn(arguments: &Read, choice: &Choice) -> Result<Answer, Fault> {
    let said = (&Hints::default(), &Names::new());
    let place = keeping::path(&arguments.keeping.at).and_then(|_| Place::open(&arguments.keeping));
    let Some(place) = place.filter(Place::stays) else {
        // The summary tells nothing of shapes; what is saved does.
        let effort = if arguments.save.is_some() { Effort::Whole } else { Effort::Nothing };
        let key = arguments.keeping.model_key.or_else(|| from::key(&arguments.files));
        let key = key.unwrap_or_else(overhear_store::random_key);
        return Ok(from::learn_keyed(&arguments.files, choice, said, effort, key));
    };
    let key = place.key();
    let mut store = place.into_store();
    let mut take = |counted: Vec<_>, shaped: Vec<_>| {
        store.append(&counted).and_then(|()| store.look(&shaped, true)).map_err(Fault::new)
    };
    let keep = from::Keep { key, take: Some(&mut take) };
    let mut answer = from::learn_keeping(&arguments.files, choice, said, Effort::Whole, keep);
    let now = keeping::now();
    let learned = store.learn(&answer.model);
    let kept = learned.and_then(|()| store.session(now, &answer.statistics)).and_then(|()| store.tidy(now));
    if let Err(error) = kept {
        answer.fault.get_or_insert(Fault::new(error));
    }
    Ok(answer)
}
