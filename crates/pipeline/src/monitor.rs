//! Questions over time: what a store says, put together by the routes as they are known now.

mod known;
mod news;

use crate::{Picture, keep, keep::KeeperHandle, since_deploy};
use known::Known;
use overhear_exchange::{Exchange, Statistics, Timestamp};
use overhear_model::{Hints, Names, Series, Slot, Sum, Tally};
use overhear_query::{
    Api, EndpointDetail, EndpointId, Links, LiveRow, LiveSource, Metric, OpenStream, Selection, apis,
    endpoint,
    monitor::{
        Asked, Beside, Change, Counts, Covered, Deploy, Depth, Edges, EndpointFigures, EndpointHistory,
        Health, History, Map, ServiceFigures, StoreHealth, Unanswered, changes,
    },
};
use overhear_store::{Error, Lined, Parts, Questions, Resolution, Session, Window};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What is asked about where nobody says: an hour.
const USUAL: Duration = Duration::from_secs(60 * 60);
/// Reading what was learned takes at most this share of the time while it changes all the time.
const READ_SHARE: u32 = 10;

/// Answers questions about services and endpoints over time, from a store.
pub struct Monitor {
    questions: Mutex<Box<dyn Questions + Send>>,
    known: Mutex<Option<Arc<Known>>>,
    hints: Mutex<Hints>,
    /// Names that people say are one.
    said: Names,
    /// Who listens in this process.
    picture: Option<Picture>,
    keeper: KeeperHandle,
    path: Option<PathBuf>,
    started: Option<Timestamp>,
    /// All the time there is, where it is over.
    whole: Option<(Timestamp, Timestamp)>,
}

impl Monitor {
    /// Asks this store; `hints` are what people know of routes.
    pub fn new(questions: Box<dyn Questions + Send>, hints: Hints) -> Self {
        Self {
            questions: Mutex::new(questions),
            known: Mutex::default(),
            hints: Mutex::new(hints),
            said: Names::new(),
            picture: None,
            keeper: KeeperHandle::default(),
            path: None,
            started: None,
            whole: None,
        }
    }

    /// With what is just heard in this process, and what is wrong with the writing of it.
    #[must_use]
    pub fn listening(mut self, picture: Picture, keeper: KeeperHandle) -> Self {
        (self.picture, self.keeper, self.started) = (Some(picture), keeper, Some(keep::now()));
        self
    }

    /// People say that these names are one.
    #[must_use]
    pub fn saying(mut self, said: Names) -> Self {
        self.said = said;
        self
    }

    /// The store is this file.
    #[must_use]
    pub fn at(mut self, path: PathBuf) -> Self {
        self.path = Some(path);
        self
    }

    /// Nothing comes any more: who does not say which time asks about all of it.
    #[must_use]
    pub fn over(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.whole = Some((from, until));
        self
    }

    fn known(&self, questions: &dyn Questions) -> Result<Arc<Known>, Error> {
        let mut known = lock(&self.known);
        let version = questions.evidence_version()?;
        if let Some(known) = &*known
            && (known.version == version || known.read.elapsed() < known.took * READ_SHARE)
        {
            return Ok(Arc::clone(known));
        }
        let began = Instant::now();
        let (mut model, names) = questions.evidence()?.join(&self.said);
        model.set_hints(lock(&self.hints).clone());
        let index = model.route_index().joined(names.clone());
        let read = Known {
            version,
            read: Instant::now(),
            took: began.elapsed(),
            model,
            names,
            index,
            found: Mutex::default(),
        };
        Ok(Arc::clone(known.insert(Arc::new(read))))
    }

    fn with<T>(
        &self,
        ask: impl FnOnce(&dyn Questions, &Arc<Known>) -> Result<T, Error>,
    ) -> Result<T, Unanswered> {
        let questions = lock(&self.questions);
        let answer = self.known(&**questions).and_then(|known| ask(&**questions, &known));
        answer.map_err(|error| Unanswered(error.to_string()))
    }

    /// What was counted of all endpoints over the time that is asked about, and over the one it is compared with: those that
    /// were deployed each apart, then all others.
    fn count(
        &self,
        questions: &dyn Questions,
        known: &Known,
        asked: Asked,
        points: usize,
    ) -> Result<(Vec<Counts>, Vec<Span>), Error> {
        let (split, mut spans) = self.split(questions, known, asked)?;
        let of = |series: &Series| Some(split.part(known, series));
        let windows: Vec<Window> = spans.iter().map(|span| span.window).collect();
        let now = Parts { windows: &windows, of: &of };
        let steps = windows.iter().map(|window| step_of_all(*window, points)).collect::<Vec<_>>();
        let (sums, lines) = if points == 0 {
            (questions.sums_of(now)?, Vec::new())
        } else {
            let both = questions.sum_lines(now, &steps)?.into_iter();
            both.map(|Lined { sums, line }| (sums, line)).unzip()
        };
        let listened: Vec<Option<f64>> = spans.iter().map(|span| self.listened_before(span)).collect();
        let earlier: Vec<Window> = earlier(&spans, &listened);
        let before = questions.sums_of(Parts { windows: &earlier, of: &of })?;
        let mut lines = lines.into_iter();
        let mut counts = Vec::new();
        for ((span, sums), (before, listened)) in spans.iter_mut().zip(sums).zip(before.iter().zip(listened))
        {
            let mut part = Counts {
                seconds: self.seconds(&span.sessions, sums.window),
                now: known.sum(&sums.what),
                before: listened.map(|seconds| (known.sum(&before.what), seconds)),
                ..Counts::default()
            };
            if let Some(line) = lines.next() {
                span.step = line.resolution;
                part.step = seconds_in(line.resolution);
                part.steps = known.steps(line.what);
            }
            span.window = sums.window;
            counts.push(part);
        }
        Ok((counts, spans))
    }

    /// The same of one endpoint, by caller and ending.
    fn count_one(
        &self,
        questions: &dyn Questions,
        known: &Known,
        asked: Asked,
        points: usize,
        id: &EndpointId,
    ) -> Result<(Depth, Span), Error> {
        let mut span = self.span(questions, asked, Some(&id.service))?;
        let key = questions.key();
        let mut of = questions.series()?;
        of.retain(|series| *known.called(&series.service) == id.service && *known.endpoint(series) == *id);
        let of: Vec<Series> = of.iter().map(|series| (**series).clone()).collect();
        let total = |window| -> Result<_, Error> {
            let totals = questions.totals(window, Some(&of))?;
            let mut sum = Tally::default();
            totals.what.iter().for_each(|(_, tally)| sum.merge(key, tally));
            Ok((sum, totals.window))
        };
        let (now, window) = total(span.window)?;
        let before = match self.listened_before(&span) {
            Some(seconds) => Some((total(span.before)?.0, seconds)),
            None => None,
        };
        let line = questions.timeline(span.window, step(span.window, points), Some(&of))?;
        let mut steps = BTreeMap::<Slot, Sum>::new();
        for (slot, tally) in line.what.iter().flat_map(|(_, line)| line) {
            steps.entry(*slot).or_default().merge(&tally.into());
        }
        span.step = line.resolution;
        span.window = window;
        let seconds = self.seconds(&span.sessions, window);
        Ok((Depth { seconds, now, before, steps, step: seconds_in(line.resolution) }, span))
    }

    /// What was counted between any two, in the parts of [`Self::count`].
    fn count_edges(
        &self,
        questions: &dyn Questions,
        known: &Known,
        asked: Asked,
    ) -> Result<(Vec<Edges>, Vec<Span>), Error> {
        let (split, mut spans) = self.split(questions, known, asked)?;
        let of = |series: &Series| Some(split.part(known, series));
        let windows: Vec<Window> = spans.iter().map(|span| span.window).collect();
        let now = questions.edges_of(Parts { windows: &windows, of: &of })?;
        let listened: Vec<Option<f64>> = spans.iter().map(|span| self.listened_before(span)).collect();
        let earlier: Vec<Window> = earlier(&spans, &listened);
        let before = questions.edges_of(Parts { windows: &earlier, of: &of })?;
        let mut counts = Vec::new();
        for ((span, now), (before, listened)) in spans.iter_mut().zip(now).zip(before.iter().zip(listened)) {
            let asks = now.what.iter().map(|edge| edge.whole.called(&known.names));
            let outside = asks.filter_map(|whole| whole.way.server().map(str::to_owned));
            counts.push(Edges {
                seconds: self.seconds(&span.sessions, now.window),
                outside: outside.map(Arc::from).collect(),
                now: known.by_ends(&now.what),
                before: listened.map(|seconds| (known.by_ends(&before.what), seconds)),
            });
            span.window = now.window;
        }
        Ok((counts, spans))
    }

    /// Services by what each is compared with, and the time of each part.
    fn split(
        &self,
        questions: &dyn Questions,
        known: &Known,
        asked: Asked,
    ) -> Result<(Split, Vec<Span>), Error> {
        let mut deployed = self.deployed(questions, asked)?;
        // What is another name of something is counted with that.
        deployed.retain(|name| !known.names.contains_key(name));
        let split = Split { deployed };
        let spans = split.parts().map(|of| self.span(questions, asked, of)).collect::<Result<_, _>>()?;
        Ok((split, spans))
    }

    /// The services that are looked at from their last deploy on.
    fn deployed(&self, questions: &dyn Questions, asked: Asked) -> Result<Vec<Arc<str>>, Error> {
        match asked.beside {
            Beside::WindowBefore => Ok(Vec::new()),
            Beside::DeployBefore => since_deploy::deployed(questions, self.until(asked)),
        }
    }

    fn until(&self, asked: Asked) -> Timestamp {
        asked.until.unwrap_or_else(|| self.whole.map_or_else(keep::now, |(_, until)| until))
    }

    fn span(&self, questions: &dyn Questions, asked: Asked, service: Option<&str>) -> Result<Span, Error> {
        let (from, until) = (self.whole.map(|(from, _)| from), self.until(asked));
        let usual = u64::try_from(USUAL.as_nanos()).unwrap_or(u64::MAX);
        let since = asked.since.or(from);
        let since = since.unwrap_or_else(|| Timestamp::from_nanos(until.as_nanos().saturating_sub(usual)));
        let mut window = Window::between(since.min(until), until);
        let mut before = window.before();
        let mut since = None;
        if asked.beside == Beside::DeployBefore
            && let Some(service) = service
            && let Some(last) = since_deploy::last(questions, service, until)?
        {
            (before, window) = last.windows(questions.about()?.retention, until);
            since = Some(last.deploy);
        }
        let sessions = questions.sessions(Window { from: before.from, until: window.until })?;
        Ok(Span { window, before, sessions, step: Resolution::TenSeconds, since })
    }

    /// How much of a window somebody listened, in seconds; `None` where that is not known.
    fn listened(&self, sessions: &[Session], window: Window) -> Option<f64> {
        if let Some((from, until)) = self.whole {
            return Some(overlap(window, from, until));
        }
        let now = keep::now();
        let heard = sessions.iter().map(|session| {
            // The one that listens now has not ended when it wrote last.
            let is_current = self.started.is_some_and(|started| started <= session.last);
            overlap(window, session.started, if is_current { now } else { session.last })
        });
        (!sessions.is_empty()).then(|| heard.sum())
    }

    /// How much of the window that is asked about somebody listened, in seconds.
    fn seconds(&self, sessions: &[Session], window: Window) -> f64 {
        self.listened(sessions, window).unwrap_or_else(|| seconds_of(window))
    }

    /// The same of the time it is compared with; `None` when nobody did.
    fn listened_before(&self, span: &Span) -> Option<f64> {
        self.listened(&span.sessions, span.before).filter(|seconds| *seconds > 0.0)
    }

    fn covered<T>(questions: &dyn Questions, spans: &[Span], what: T) -> Result<Covered<T>, Error> {
        let windows = || spans.iter().map(|span| span.window);
        let from = windows().map(|window| window.from).min().unwrap_or_default();
        let until = windows().map(|window| window.until).max().unwrap_or_default();
        let step = spans.iter().map(|span| span.step.seconds()).max().unwrap_or_default();
        let sessions = spans.iter().flat_map(|span| &span.sessions).map(|session| session.started);
        Ok(Covered {
            what,
            from: from.start(),
            until: until.start(),
            listened_from: sessions.min().unwrap_or_default().max(from.start()).min(until.start()),
            step: Duration::from_secs(step),
            deploys: questions.deploys(Window { from, until })?.into_iter().map(since_deploy::told).collect(),
            since: spans.iter().filter_map(|span| span.since.clone()).collect(),
        })
    }
}

/// The time an answer is about.
struct Span {
    window: Window,
    before: Window,
    sessions: Vec<Session>,
    step: Resolution,
    /// The deploy that it begins with.
    since: Option<Deploy>,
}

/// Services in parts: those that were deployed each apart, then all others.
struct Split {
    deployed: Vec<Arc<str>>,
}

impl Split {
    /// Whom each is about; the last is about no service alone.
    fn parts(&self) -> impl Iterator<Item = Option<&str>> {
        self.deployed.iter().map(|name| Some(&**name)).chain([None])
    }

    /// The part that counts what a series answers and asks.
    fn part(&self, known: &Known, series: &Series) -> usize {
        self.of(known.called(&series.service))
    }

    fn of(&self, service: &str) -> usize {
        self.deployed.iter().position(|name| **name == *service).unwrap_or(self.deployed.len())
    }
}

/// What each part is compared with; nothing where nobody listened.
fn earlier(spans: &[Span], listened: &[Option<f64>]) -> Vec<Window> {
    let window = |(span, listened): (&Span, &Option<f64>)| match listened {
        Some(_) => span.before,
        None => Window { from: span.before.from, until: span.before.from },
    };
    spans.iter().zip(listened).map(window).collect()
}

impl History for Monitor {
    fn endpoints(&self, asked: Asked, points: usize) -> Result<Covered<Vec<EndpointFigures>>, Unanswered> {
        self.with(|questions, known| {
            let (counts, spans) = self.count(questions, known, asked, points)?;
            Self::covered(questions, &spans, counts.iter().flat_map(Counts::endpoints).collect())
        })
    }

    fn services(&self, asked: Asked, points: usize) -> Result<Covered<Vec<ServiceFigures>>, Unanswered> {
        self.with(|questions, known| {
            let (counts, spans) = self.count(questions, known, asked, points)?;
            Self::covered(questions, &spans, counts.iter().flat_map(Counts::services).collect())
        })
    }

    fn endpoint(
        &self,
        id: &EndpointId,
        asked: Asked,
        points: usize,
    ) -> Result<Option<Covered<EndpointHistory>>, Unanswered> {
        self.with(|questions, known| {
            if known.model.endpoint(id).is_none() {
                return Ok(None);
            }
            let (depth, span) = self.count_one(questions, known, asked, points, id)?;
            Self::covered(questions, &[span], depth.history(id)).map(Some)
        })
    }

    fn map(&self, asked: Asked) -> Result<Covered<Map>, Unanswered> {
        self.with(|questions, known| {
            let (edges, spans) = self.count_edges(questions, known, asked)?;
            Self::covered(questions, &spans, Map::of_all(edges.iter().map(Edges::map)))
        })
    }

    fn changes(&self, asked: Asked) -> Result<Covered<Vec<Change>>, Unanswered> {
        self.with(|questions, known| {
            let firsts = known.firsts(questions.firsts()?);
            let first_seen = |id: &EndpointId| {
                known.model.endpoint(id).and_then(|endpoint| endpoint.seen).map(|(first, _)| first)
            };
            let (split, spans) = self.split(questions, known, asked)?;
            // What is called for the first time while a deploy goes on is of it.
            let from = |span: &Span| if span.since.is_some() { span.before.until } else { span.window.from };
            let windows = spans.iter().map(|span| Window { from: from(span), until: span.window.until });
            let windows: Vec<Window> = windows.collect();
            let window_of = |id: &EndpointId| windows.get(split.of(&id.service)).copied();
            let mut all = news::within(&known.model, &firsts, &windows, window_of);
            for (part, window) in windows.iter().enumerate() {
                let mine = firsts.iter().filter(|(id, _)| split.of(&id.service) == part);
                all.extend(changes(mine, (window.from, window.until), &first_seen));
            }
            all.sort_by(Change::newest_first);
            Self::covered(questions, &spans, all)
        })
    }

    fn health(&self) -> Health {
        let about = lock(&self.questions).about();
        let (about, broken) = match about {
            Ok(about) => (Some(about), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let store = self.path.as_ref().zip(about).map(|(path, about)| {
            let kept = [about.retention.ten_seconds, about.retention.minutes, about.retention.hours];
            StoreHealth {
                path: path.display().to_string(),
                bytes: about.bytes,
                most_bytes: about.retention.bytes,
                kept: kept.map(Duration::from_secs),
                oldest: about.oldest,
            }
        });
        Health {
            statistics: self.statistics(),
            store,
            trouble: self.keeper.trouble().or(broken),
            resident: resident(),
            started: self.started,
        }
    }

    fn metrics(&self) -> Vec<Metric> {
        let metrics = self.with(|_, known| Ok(self.keeper.metrics(&known.index)));
        metrics.unwrap_or_default()
    }

    fn running(&self) -> Vec<Deploy> {
        self.picture.as_ref().map(Picture::running).unwrap_or_default()
    }

    fn describe(&self, id: &EndpointId) -> Result<Option<EndpointDetail>, Unanswered> {
        Ok(self.with(|_, known| Ok(endpoint(&known.model, id)))?.or_else(|| LiveSource::endpoint(self, id)))
    }

    fn apis(&self, service: &str, hints: Hints) -> Result<Vec<Api>, Unanswered> {
        let known = self.with(|_, known| Ok(Arc::clone(known)))?;
        let selection = Selection { service: Some(service.to_owned()), ..Selection::default() };
        if *lock(&self.hints) == hints {
            return Ok(apis(&known.model, &selection));
        }
        let mut model = known.model.clone();
        model.set_hints(hints);
        Ok(apis(&model, &selection))
    }

    fn know(&self, hints: Hints) {
        *lock(&self.hints) = hints;
        *lock(&self.known) = None;
    }
}

impl LiveSource for Monitor {
    fn rows(&self) -> Vec<LiveRow> {
        self.picture.as_ref().map(LiveSource::rows).unwrap_or_default()
    }

    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail> {
        self.picture.as_ref()?.endpoint(id)
    }

    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>> {
        self.picture.as_ref().map(|picture| picture.recent(id, limit)).unwrap_or_default()
    }

    fn open(&self) -> Vec<OpenStream> {
        self.picture.as_ref().map(LiveSource::open).unwrap_or_default()
    }

    fn route(&self, exchange: &Exchange) -> Option<Arc<str>> {
        self.picture.as_ref()?.route(exchange)
    }

    fn links(&self, id: &EndpointId) -> Option<Links> {
        self.picture.as_ref()?.links(id)
    }

    fn statistics(&self) -> Statistics {
        self.picture.as_ref().map(LiveSource::statistics).unwrap_or_default()
    }
}

/// The steps of all endpoints at once: by ten seconds only for minutes, as those are many counts.
fn step_of_all(window: Window, points: usize) -> Resolution {
    const MINUTES: u32 = 5 * Resolution::Minute.slots();
    let finest = if window.slots() > MINUTES { Resolution::Minute } else { Resolution::TenSeconds };
    step(window, points).max(finest)
}

/// The finest steps that are not many more than `points`.
fn step(window: Window, points: usize) -> Resolution {
    let fits =
        |resolution: &Resolution| (window.slots() / resolution.slots()) as usize <= points.saturating_mul(2);
    Resolution::ALL.into_iter().find(fits).unwrap_or(Resolution::Week)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 seconds")]
fn seconds_of(window: Window) -> f64 {
    window.seconds() as f64
}

#[expect(clippy::cast_precision_loss, reason = "a day at most")]
fn seconds_in(step: Resolution) -> f64 {
    step.seconds() as f64
}

/// Seconds that a window has in common with the time between two points.
fn overlap(window: Window, from: Timestamp, until: Timestamp) -> f64 {
    let from = window.from.start().max(from).as_nanos();
    let until = window.until.start().min(until).as_nanos();
    Duration::from_nanos(until.saturating_sub(from)).as_secs_f64()
}

/// Resident memory of this process, in bytes (`/proc/self/statm`, proc(5): pages).
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Monitor>();
};
