//! Reading what `--from` names.

use crate::{
    choice::{self, Choice, Routes},
    fault::Fault,
    knowledge::Knowledge,
    output, units,
};
use overhear_exchange::{Detail, Exchange, Statistics};
use overhear_model::{Counted, Hints, Model, Names, Shaped, shape::Effort};
use overhear_pipeline::{Consumer, DecodedBodies, Input, read};
use overhear_query::Selection;
use std::{
    fs::File,
    io::{self, IsTerminal},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What files said, put together.
pub(crate) struct Answer {
    pub(crate) model: Model,
    /// What of the model is meant: a saved one holds more than was asked for.
    pub(crate) selection: Selection,
    /// Services of the model that are one under several names.
    pub(crate) names: Names,
    pub(crate) statistics: Statistics,
    /// What went wrong, to be told after everything else.
    pub(crate) fault: Option<Fault>,
    /// What people know of it.
    pub(crate) knowledge: Knowledge,
}

impl Answer {
    /// Nothing was heard.
    pub(crate) fn nothing(knowledge: Knowledge) -> Self {
        Self {
            model: Model::default(),
            selection: Selection::default(),
            names: Names::new(),
            statistics: Statistics::default(),
            fault: None,
            knowledge,
        }
    }

    /// Puts together what is one.
    pub(crate) fn join(&mut self) {
        if !self.names.is_empty() {
            self.model = self.model.joined(&self.names);
        }
    }

    /// Reports what went wrong, if anything did.
    pub(crate) fn finish(self) -> Result<i32, Fault> {
        self.fault.map_or(Ok(0), Err)
    }
}

/// Learns from the files. What was whole counts even where a file is damaged.
/// `effort`: what of the shapes is learned, which takes half of the time.
pub(crate) fn learn(files: &[PathBuf], choice: &Choice, said: (&Hints, &Names), effort: Effort) -> Answer {
    learn_keyed(files, choice, said, effort, key(files).unwrap_or_default())
}

/// As [`learn`], with this key.
pub(crate) fn learn_keyed(
    files: &[PathBuf],
    choice: &Choice,
    (hints, said): (&Hints, &Names),
    effort: Effort,
    key: u64,
) -> Answer {
    if !choice.asks_for_all() {
        let answer = learn_all(files, choice, &Known::default(), effort, Keep::nothing(key));
        return Answer { names: answer.model.names(said), ..answer };
    }
    let known = Known::of(files, hints, said);
    let answer = learn_all(files, choice, &known, effort, Keep::nothing(key));
    Answer { names: known.names.clone(), ..answer }
}

/// Counts by time are handed on while files are read, so that they need no room.
pub(crate) struct Keep<'a> {
    /// Of the models.
    pub(crate) key: u64,
    pub(crate) take: Option<Take<'a>>,
}

type Take<'a> = &'a mut dyn FnMut(Vec<Counted>, Vec<Shaped>) -> Result<(), Fault>;

impl Keep<'_> {
    const fn nothing(key: u64) -> Self {
        Self { key, take: None }
    }
}

/// The key of the first saved model among files: what is learned of the others has it too, so that they add up.
pub(crate) fn key(files: &[PathBuf]) -> Option<u64> {
    files.iter().filter(|path| path.is_file()).find_map(|path| Model::key_of(File::open(path).ok()?))
}

/// Exchanges after which counts are handed on.
const HAND_ON: u32 = 1 << 16;

/// As [`learn`], with counts by time handed on to `keep`.
pub(crate) fn learn_keeping(
    files: &[PathBuf],
    choice: &Choice,
    (hints, said): (&Hints, &Names),
    effort: Effort,
    keep: Keep<'_>,
) -> Answer {
    let known = if choice.asks_for_all() { Known::of(files, hints, said) } else { Known::default() };
    learn_all(files, choice, &known, effort, keep)
}

/// What only shows at the end of files.
#[derive(Default)]
struct Known {
    /// Where routes are looked up.
    model: Option<Model>,
    names: Names,
}

impl Known {
    /// Where the files can be read but once, routes are what single paths look like, and names are as people say.
    fn of(files: &[PathBuf], hints: &Hints, said: &Names) -> Self {
        if !files.iter().all(|file| file.is_file()) {
            return Self { model: None, names: said.clone() };
        }
        let model =
            learn(files, &Choice::default(), (&Hints::default(), &Names::new()), Effort::Nothing).model;
        let names = model.names(said);
        let mut model = if names.is_empty() { model } else { model.joined(&names) };
        model.set_hints(hints.clone());
        model.settle();
        Self { model: Some(model), names }
    }

    fn route_of(&self, exchange: &Exchange) -> Option<Arc<str>> {
        self.model.as_ref()?.route_of(exchange)
    }

    fn rename(&self, exchange: &mut Exchange) {
        if let Some(name) = self.names.get(&exchange.service) {
            exchange.service = Arc::clone(name);
        }
    }
}

fn learn_all(files: &[PathBuf], choice: &Choice, known: &Known, effort: Effort, keep: Keep<'_>) -> Answer {
    let mut model = Model::new(keep.key);
    let keep = keep.take;
    if keep.is_some() {
        model.record_times();
    }
    let mut learning =
        Learning { choice, known, effort, model, keep, counted: 0, selection: None, refused: None };
    let (statistics, faults) = read_all(files, &mut learning);
    learning.hand_on();
    let Learning { model, selection, refused, .. } = learning;
    let fault = refused.or_else(|| together(faults));
    Answer {
        model,
        selection: selection.unwrap_or_default(),
        names: Names::new(),
        statistics,
        fault,
        knowledge: Knowledge::default(),
    }
}

/// Takes an exchange and its route.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Exchange, &str) -> Result<(), Fault>;

/// Hands every exchange that is meant to `sink`, in the order of the files. A fault of `sink` ends it.
pub(crate) fn each(
    files: &[PathBuf],
    choice: &Choice,
    knowledge: &Knowledge,
    sink: Sink<'_>,
) -> Result<(), Fault> {
    let known = Known::of(files, &knowledge.hints(), &knowledge.names());
    let mut listing = Listing { choice, known: &known, sink, ended: None };
    let (_, faults) = read_all(files, &mut listing);
    listing.ended.or_else(|| together(faults)).map_or(Ok(()), Err)
}

fn read_all(files: &[PathBuf], consumer: &mut dyn Stoppable) -> (Statistics, Vec<String>) {
    let (mut statistics, mut faults) = (Statistics::default(), Vec::new());
    for file in files {
        let input = input(file);
        let progress = Arc::new(AtomicU64::new(0));
        let mut shown = Progress::new(&input, Arc::clone(&progress), consumer);
        let reading = read(&input, Some(progress), &mut shown);
        shown.clear();
        statistics.merge(&reading.statistics);
        faults.extend(reading.damage.map(|damage| format!("overhear: {input} {damage}")));
        if consumer.is_done() {
            break;
        }
    }
    (statistics, faults)
}

fn input(path: &Path) -> Input {
    if path == Path::new("-") { Input::Stdin } else { Input::File(path.to_owned()) }
}

fn together(faults: Vec<String>) -> Option<Fault> {
    (!faults.is_empty()).then(|| Fault::Said(faults.join("\n")))
}

/// A consumer that may have enough before the files end.
trait Stoppable: Consumer {
    fn is_done(&self) -> bool;
}

struct Learning<'a, 'k> {
    choice: &'a Choice,
    known: &'a Known,
    effort: Effort,
    model: Model,
    keep: Option<Take<'k>>,
    /// Exchanges since counts were handed on.
    counted: u32,
    selection: Option<Selection>,
    refused: Option<Fault>,
}

impl Consumer for Learning<'_, '_> {
    fn exchange(&mut self, mut exchange: Exchange) -> ControlFlow<()> {
        self.known.rename(&mut exchange);
        if self.choice.includes(&exchange, &|exchange| self.known.route_of(exchange)) {
            let Detail::Http(http) = &exchange.detail;
            let bodies = DecodedBodies::of(&exchange);
            self.model.learn_decoded(&exchange, bodies.with(http), self.effort);
            self.counted += 1;
        }
        if self.counted >= HAND_ON {
            self.hand_on();
        }
        if self.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn underway(&mut self, mut exchange: Exchange) -> ControlFlow<()> {
        self.known.rename(&mut exchange);
        if self.choice.includes(&exchange, &|exchange| self.known.route_of(exchange)) {
            self.model.learn_underway(&exchange, self.effort);
        }
        ControlFlow::Continue(())
    }

    fn model(&mut self, model: Model) -> ControlFlow<()> {
        if !self.choice.is_all() {
            match self.choice.selection() {
                Ok(selection) => self.selection = Some(selection),
                Err(fault) => {
                    self.refused = Some(fault);
                    return ControlFlow::Break(());
                }
            }
        }
        if model.key() == self.model.key() {
            self.model.merge(&model);
        } else if self.keep.is_none() && self.model.requests() == 0 {
            self.model = model;
        } else {
            self.refused = Some(self.other_key());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Learning<'_, '_> {
    fn other_key(&self) -> Fault {
        Fault::new(if self.keep.is_some() {
            "this saved model cannot be added to the store, whose names are hashed with another key: ask the model \
             itself with --from, read it with --no-store, or give both the same --model-key when they are begun"
        } else {
            "these models cannot be added up, since their names are hashed with different keys: save those that are \
             to be added up with the same --model-key"
        })
    }

    fn hand_on(&mut self) {
        self.counted = 0;
        if let Some(take) = &mut self.keep {
            let (counted, shaped) = (self.model.take_counted(), self.model.open_shapes());
            self.model.close_shapes();
            if let Err(fault) = take(counted, shaped) {
                self.refused.get_or_insert(fault);
            }
        }
    }
}

impl Stoppable for Learning<'_, '_> {
    fn is_done(&self) -> bool {
        self.refused.is_some()
    }
}

struct Listing<'a> {
    choice: &'a Choice,
    known: &'a Known,
    sink: Sink<'a>,
    ended: Option<Fault>,
}

impl Consumer for Listing<'_> {
    fn exchange(&mut self, mut exchange: Exchange) -> ControlFlow<()> {
        self.known.rename(&mut exchange);
        let routes: Routes<'_> = &|exchange| self.known.route_of(exchange);
        if !self.choice.includes(&exchange, routes) {
            return ControlFlow::Continue(());
        }
        let route = choice::of(&exchange, routes);
        match (self.sink)(exchange, &route) {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => {
                self.ended = Some(fault);
                ControlFlow::Break(())
            }
        }
    }

    fn model(&mut self, _: Model) -> ControlFlow<()> {
        self.ended = Some(Fault::new(
            "a saved model holds no single exchanges: ask it with `overhear endpoints --from`",
        ));
        ControlFlow::Break(())
    }
}

impl Stoppable for Listing<'_> {
    fn is_done(&self) -> bool {
        self.ended.is_some()
    }
}

/// Says on a terminal how far a long reading is.
struct Progress<'a> {
    inner: &'a mut dyn Stoppable,
    input: String,
    bytes: Arc<AtomicU64>,
    exchanges: u64,
    next: Instant,
    shown: bool,
    wanted: bool,
}

const SHOW_EVERY: Duration = Duration::from_secs(1);

impl<'a> Progress<'a> {
    fn new(input: &Input, bytes: Arc<AtomicU64>, inner: &'a mut dyn Stoppable) -> Self {
        // Where the answer itself goes to the terminal it is progress enough.
        let wanted = io::stderr().is_terminal() && !io::stdout().is_terminal();
        let next = Instant::now() + SHOW_EVERY;
        Self { inner, input: input.to_string(), bytes, exchanges: 0, next, shown: false, wanted }
    }

    fn show(&mut self) {
        self.exchanges += 1;
        if !self.wanted || !self.exchanges.is_multiple_of(1024) || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + SHOW_EVERY;
        self.shown = true;
        let read = units::bytes(self.bytes.load(Ordering::Relaxed));
        output::overwrite(&format!("{}: {read}, {}", self.input, units::plural(self.exchanges, "exchange")));
    }

    fn clear(&mut self) {
        if self.shown {
            output::overwrite("");
        }
    }
}

impl Consumer for Progress<'_> {
    fn exchange(&mut self, exchange: Exchange) -> ControlFlow<()> {
        self.show();
        self.inner.exchange(exchange)
    }

    fn underway(&mut self, exchange: Exchange) -> ControlFlow<()> {
        self.inner.underway(exchange)
    }

    fn model(&mut self, model: Model) -> ControlFlow<()> {
        self.inner.model(model)
    }
}
