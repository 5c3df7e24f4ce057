//! What was learned of one stretch of time, out of a store.

use overhear_exchange::Timestamp;
use overhear_model::{Endpoint, Hints, Model, Names, Series, Slot, Tally, shape::Shapes};
use overhear_store::{Error, Questions, Resolution, Window};
use std::collections::BTreeMap;

/// A model that tells of one stretch of time, by the routes as all time shows them.
#[derive(Debug)]
pub struct Within {
    /// The model.
    pub model: Model,
    /// Names that are one in it.
    pub names: Names,
    /// Of when its counts are: as asked for, or more.
    pub counted: (Timestamp, Timestamp),
    /// Of when its shapes are; none: of all time, since they are not kept apart that far back.
    pub shaped: Option<(Timestamp, Timestamp)>,
}

/// Steps by which the first and the last call are told.
const STEPS: u32 = 720;

/// What is known of a series within the time.
#[derive(Default)]
struct Part {
    tally: Tally,
    seen: Option<(Timestamp, Timestamp)>,
    shapes: Shapes,
}

/// What was learned between two points in time. `said`: names that people say are one.
///
/// # Errors
/// When the store cannot be read.
pub fn within(
    questions: &dyn Questions,
    (said, hints): (&Names, &Hints),
    (since, until): (Timestamp, Timestamp),
) -> Result<Within, Error> {
    let asked = Window::between(since.min(until), until);
    let totals = questions.totals(asked, None)?;
    let looks = questions.looks(asked)?;
    let oldest = questions.about()?.oldest.map_or(asked.from, Slot::of);
    let is_apart = looks.window.from <= totals.window.from.max(oldest);
    let mut parts = BTreeMap::<Series, Part>::new();
    for (series, tally) in totals.what {
        parts.entry((*series).clone()).or_default().tally = tally;
    }
    for (series, seen) in seen(questions, totals.window)? {
        if let Some(part) = parts.get_mut(&series) {
            part.seen = Some(seen);
        }
    }
    for (series, shapes) in looks.what.into_iter().filter(|_| is_apart) {
        parts.entry((*series).clone()).or_default().shapes = shapes;
    }
    let (mut model, names) = questions.evidence()?.join(said);
    let key = model.key();
    let calls = parts.into_iter().map(|(series, Part { tally, seen, shapes })| {
        (series.called(&names).into_owned(), Endpoint::of(key, &tally, seen, shapes))
    });
    model.tell_only(calls, is_apart);
    model.set_hints(hints.clone());
    Ok(Within { model, names, counted: ends(totals.window), shaped: is_apart.then(|| ends(looks.window)) })
}

/// When each series was called first and last, as fine as is known.
fn seen(
    questions: &dyn Questions,
    window: Window,
) -> Result<impl Iterator<Item = (Series, (Timestamp, Timestamp))>, Error> {
    let fits = |step: &Resolution| window.slots() / step.slots() <= STEPS;
    let step = Resolution::ALL.into_iter().find(fits).unwrap_or(Resolution::Week);
    let timeline = questions.timeline(window, step, None)?;
    let (from, until) = ends(window);
    let length = timeline.resolution.slots();
    let ends = move |(series, steps): (std::sync::Arc<Series>, Vec<(Slot, Tally)>)| {
        let (first, last) = (steps.first()?.0, steps.last()?.0);
        let last = Slot(last.0.saturating_add(length)).start();
        Some(((*series).clone(), (first.start().max(from), last.min(until))))
    };
    Ok(timeline.what.into_iter().filter_map(ends))
}

fn ends(window: Window) -> (Timestamp, Timestamp) {
    (window.from.start(), window.until.start())
}
