//! What `watch`, `run` and `demo` have in common: a listener, shown live, and the summary at its end.

use crate::{
    arguments::{Page, Socket},
    ask,
    choice::{Choice, NO_ROUTES},
    commands::requests,
    fault::Fault,
    json,
    keeping::{Kept, Place},
    knowledge::Knowledge,
    output::{self, tell},
    page, push,
    stop::Stop,
    summary,
};
use overhear_model::Model;
use overhear_pipeline::{
    Heard, Listener, Monitor, Picture, Receiver, Source, Target, subscription, subscription_aside,
};
use overhear_query::{LiveSource, Selection, endpoints};
use serde_json::json;
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

/// Exchanges that a slow reader of our output may lag behind.
const LAG: usize = 1 << 16;
/// The same for a receiver that is pushed to.
const PUSH_LAG: usize = 1 << 12;

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The live table.
    Table,
    /// A line per exchange.
    Lines,
    /// NDJSON.
    Json,
    /// Nothing but the summary.
    Quiet,
}

impl View {
    /// The table needs a terminal at both ends.
    pub(crate) fn new(json: bool) -> Self {
        if json {
            Self::Json
        } else if io::stdout().is_terminal() && io::stdin().is_terminal() {
            Self::Table
        } else {
            Self::Lines
        }
    }
}

/// What to do with a source.
pub(crate) struct Plan<'a> {
    pub(crate) choice: Choice,
    pub(crate) view: View,
    pub(crate) socket: &'a Socket,
    pub(crate) save: Option<&'a Path>,
    /// Where the page is.
    pub(crate) page: &'a Page,
    /// What people know of what the page shows.
    pub(crate) knowledge: Knowledge,
    /// Where it is kept.
    pub(crate) place: Option<Place>,
    /// As it follows "Nothing heard yet on …".
    pub(crate) listening_to: String,
    /// Where it is pushed to.
    pub(crate) push: Option<Target>,
}

/// Listens until told to stop, then sums up.
pub(crate) fn listen(source: Box<dyn Source>, mut plan: Plan<'_>, stop: &Stop) -> Result<i32, Fault> {
    let place = plan.place.take();
    let plan = &plan;
    let choice = plan.choice.clone();
    let (wish, heard) = subscription(LAG);
    let missed = Arc::<AtomicU64>::default();
    let (aside, pushed) = subscription_aside(PUSH_LAG, Arc::clone(&missed));
    let aside = plan.push.is_some().then_some(aside);
    let wish = matches!(plan.view, View::Lines | View::Json).then_some(wish);
    let listener = Listener::start(
        source,
        Box::new(move |exchange| choice.includes(exchange, NO_ROUTES)),
        wish.into_iter().chain(aside).collect(),
        place.as_ref().map(Place::counting),
    )
    .map_err(|error| Fault::new(format_args!("cannot start a thread: {error}")))?;
    let picture = listener.picture().clone();
    let kept = place
        .map(|place| place.keep(&picture, plan.knowledge.hints(), plan.view == View::Table))
        .transpose()?;
    let monitor = kept.as_ref().map(Kept::monitor);
    let (keeping, page) = kept.map(|kept| kept.serve(plan.page, &plan.knowledge)).unzip();
    let page = page.flatten();
    let push = push::start(plan.push.clone(), pushed, missed, monitor.clone(), plan.view == View::Table)?;
    let control = ask::answer(plan.socket, &picture);
    let shown = match plan.view {
        View::Table => table(&picture, monitor, plan, page.as_ref(), stop),
        View::Lines => lines(&listener, &heard, stop, &mut line),
        View::Json => lines(&listener, &heard, stop, &mut json_line),
        View::Quiet => {
            wait(&listener, stop);
            Ok(())
        }
    };
    let over = listener.stop();
    drop(control);
    drop(page);
    if let Some(trouble) = keeping.and_then(|keeping| keeping.finish().trouble()) {
        tell(&format!("overhear: what was heard last is not kept: {trouble}"));
    }
    // After the keeping: the last counts too.
    drop(push);
    let said = shown.and_then(|()| finish(&picture, &heard, plan));
    let saved = plan.save.map_or(Ok(()), |path| save(&picture.model(), path));
    match (over, said) {
        // What ended the listening matters more than what could not be said of it.
        (Err(error), _) => Err(Fault::new(format_args!("listening ended early: {error}"))),
        (Ok(()), said) => said.and(saved).map(|()| 0),
    }
}

/// Writes a model so that the file is either whole or not there.
pub(crate) fn save(model: &Model, path: &Path) -> Result<(), Fault> {
    output::write_file(path, |out| Ok(model.save(out)?))
}

type Exchanges = Receiver<Arc<Heard>>;

fn table(
    source: &dyn LiveSource,
    monitor: Option<Arc<Monitor>>,
    plan: &Plan<'_>,
    page: Option<&page::Page>,
    stop: &Stop,
) -> Result<(), Fault> {
    let options = overhear_tui::Options {
        listening_to: plan.listening_to.clone(),
        notice: page.map(|page| format!("the page is {}", page.url())),
        page: page.map(page::Page::url),
        ..overhear_tui::Options::default()
    };
    let kept = monitor.map(|monitor| monitor as overhear_tui::Kept);
    overhear_tui::run(source, kept, &options, &stop.flag()).map(|_| ()).map_err(Fault::new)
}

type WriteLine = dyn FnMut(&Heard, &mut Vec<u8>) -> io::Result<()>;

fn line(heard: &Heard, out: &mut Vec<u8>) -> io::Result<()> {
    requests::write_line(out, &heard.exchange, output::style())
}

fn json_line(heard: &Heard, out: &mut Vec<u8>) -> io::Result<()> {
    json::write_exchange(out, &heard.exchange, Some(&heard.learned.id.route))?;
    out.push(b'\n');
    Ok(())
}

/// A line per exchange until the end. Whoever reads them gets them as they come: flushed when none is waiting.
fn lines(listener: &Listener, heard: &Exchanges, stop: &Stop, write: &mut WriteLine) -> Result<(), Fault> {
    let mut out = output::stdout();
    let mut line = Vec::new();
    while !stop.is_set() && !listener.is_over() {
        let Ok(first) = heard.recv_timeout(Duration::from_millis(50)) else { continue };
        for heard in std::iter::once(first).chain(heard.try_iter()) {
            line.clear();
            write(&heard, &mut line)?;
            out.write_all(&line)?;
            if stop.is_set() {
                break;
            }
        }
        out.flush()?;
    }
    Ok(())
}

/// Until the end, of which nobody has to know to the millisecond.
fn wait(listener: &Listener, stop: &Stop) {
    while !stop.is_set() && !listener.is_over() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What was heard before the end and not written yet, then the summary.
fn finish(picture: &Picture, heard: &Exchanges, plan: &Plan<'_>) -> Result<(), Fault> {
    let statistics = picture.statistics();
    let rows = || endpoints(&picture.model(), &Selection::default());
    match plan.view {
        View::Table => Ok(summary::write(&mut output::stdout(), rows(), &statistics, output::style())?),
        View::Lines => {
            rest(heard, &mut line)?;
            Ok(summary::write(&mut io::stderr(), rows(), &statistics, output::error_style())?)
        }
        View::Quiet => Ok(summary::write(&mut io::stderr(), rows(), &statistics, output::error_style())?),
        View::Json => {
            rest(heard, &mut json_line)?;
            let mut out = output::stdout();
            writeln!(out, "{}", json!({"statistics": json::statistics(&statistics)}))?;
            out.flush()?;
            Ok(summary::coverage(&mut io::stderr(), &statistics, output::error_style())?)
        }
    }
}

fn rest(heard: &Exchanges, write: &mut WriteLine) -> Result<(), Fault> {
    let mut out = output::stdout();
    let mut line = Vec::new();
    for heard in heard.try_iter() {
        line.clear();
        write(&heard, &mut line)?;
        out.write_all(&line)?;
    }
    Ok(out.flush()?)
}
