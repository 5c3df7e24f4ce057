//! Questions over time: what a store says, put together by the routes as they are known now.

use crate::{Picture, keep, keep::KeeperHandle};
use overhear_exchange::{Exchange, Statistics, Timestamp};
use overhear_model::{Hints, Model, Names, RouteIndex, Series, Tally};
use overhear_query::{
    EndpointDetail, EndpointId, LiveRow, LiveSource, Metric, endpoint,
    monitor::{
        Asked, Beside, ByEndpoint, Change, Counts, Covered, Deploy, EndpointFigures, EndpointHistory, Health,
        History, Map, ServiceFigures, StoreHealth, Unanswered,
    },
};
use overhear_store::{Error, Questions, Resolution, Session, Totals, Window};
use rustc_hash::FxHashMap;
use std::{
    collections::btree_map::Entry,
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
    hints: Hints,
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

/// What was learned, as it was read last.
struct Known {
    version: u64,
    read: Instant,
    took: Duration,
    model: Model,
    /// Names that are one in it.
    names: Names,
    index: RouteIndex,
    /// Endpoints that were looked up.
    found: Mutex<FxHashMap<Arc<Series>, Arc<EndpointId>>>,
}

impl Monitor {
    /// Asks this store; `hints` are what people know of routes.
    pub fn new(questions: Box<dyn Questions + Send>, hints: Hints) -> Self {
        Self {
            questions: Mutex::new(questions),
            known: Mutex::default(),
            hints,
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
        let mut model = questions.evidence()?;
        let names = model.names(&self.said);
        if !names.is_empty() {
            model = model.joined(&names);
        }
        model.set_hints(self.hints.clone());
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

    /// What was counted over the window that is asked about, and over the one it is compared with.
    fn count(
        &self,
        questions: &dyn Questions,
        known: &Known,
        asked: Asked,
        points: usize,
        one: Option<&EndpointId>,
    ) -> Result<(Counts, Span), Error> {
        let mut span = self.span(questions, asked)?;
        let mut totals = questions.totals(span.window)?;
        if let Some(one) = one {
            totals.what.retain(|(series, _)| *known.endpoint(series) == *one);
        }
        let seconds = self.listened(&span.sessions, totals.window);
        let before = self.listened(&span.sessions, span.before).filter(|seconds| *seconds > 0.0);
        let before = match before {
            Some(seconds) => Some((known.sum(&questions.totals(span.before)?.what), seconds)),
            None => None,
        };
        let mut counts = Counts {
            key: questions.key(),
            seconds: seconds.unwrap_or_else(|| seconds_of(totals.window)),
            now: known.sum(&totals.what),
            before,
            names: known.names.clone(),
            ..Counts::default()
        };
        if points > 0 {
            let series: Vec<Series> = match one {
                Some(_) => totals.what.iter().map(|(series, _)| (**series).clone()).collect(),
                None => Vec::new(),
            };
            let of = one.map(|_| series.as_slice());
            let timeline = questions.timeline(span.window, step(span.window, points), of)?;
            span.step = timeline.resolution;
            #[expect(clippy::cast_precision_loss, reason = "a day at most")]
            let step = timeline.resolution.seconds() as f64;
            counts.step = step;
            for (series, tallies) in timeline.what {
                let steps = counts.steps.entry(known.endpoint(&series)).or_default();
                for (slot, tally) in tallies {
                    // Mostly an endpoint is one series: nothing to add up.
                    match steps.entry(slot) {
                        Entry::Vacant(entry) => drop(entry.insert(tally)),
                        Entry::Occupied(mut entry) => entry.get_mut().merge(counts.key, &tally),
                    }
                }
            }
        }
        span.window = totals.window;
        Ok((counts, span))
    }

    fn span(&self, questions: &dyn Questions, asked: Asked) -> Result<Span, Error> {
        let (from, until) = self.whole.map_or((None, keep::now()), |(from, until)| (Some(from), until));
        let until = asked.until.unwrap_or(until);
        let usual = u64::try_from(USUAL.as_nanos()).unwrap_or(u64::MAX);
        let since = asked.since.or(from);
        let since = since.unwrap_or_else(|| Timestamp::from_nanos(until.as_nanos().saturating_sub(usual)));
        let mut window = Window::between(since.min(until), until);
        let mut before = window.before();
        if asked.beside == Beside::DeployBefore
            && let Some((earlier, last)) = last_deploy(questions, until)?
        {
            window = Window::between(last, until);
            before = Window { from: Window::between(earlier, last).from, until: window.from };
        }
        let sessions = questions.sessions(Window { from: before.from, until: window.until })?;
        Ok(Span { window, before, sessions, step: Resolution::TenSeconds })
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

    fn covered<T>(questions: &dyn Questions, span: &Span, what: T) -> Result<Covered<T>, Error> {
        let deploys = questions.deploys(span.window)?.into_iter().map(|deployed| Deploy {
            service: deployed.service,
            at: deployed.at,
            version: deployed.version,
        });
        Ok(Covered {
            what,
            from: span.window.from.start(),
            until: span.window.until.start(),
            step: Duration::from_secs(span.step.seconds()),
            deploys: deploys.collect(),
        })
    }
}

/// The time an answer is about.
struct Span {
    window: Window,
    before: Window,
    sessions: Vec<Session>,
    step: Resolution,
}

impl History for Monitor {
    fn endpoints(&self, asked: Asked, points: usize) -> Result<Covered<Vec<EndpointFigures>>, Unanswered> {
        self.with(|questions, known| {
            let (counts, span) = self.count(questions, known, asked, points, None)?;
            Self::covered(questions, &span, counts.endpoints())
        })
    }

    fn services(&self, asked: Asked, points: usize) -> Result<Covered<Vec<ServiceFigures>>, Unanswered> {
        self.with(|questions, known| {
            let (counts, span) = self.count(questions, known, asked, points, None)?;
            Self::covered(questions, &span, counts.services())
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
            let (counts, span) = self.count(questions, known, asked, points, Some(id))?;
            Self::covered(questions, &span, counts.history(&Arc::new(id.clone()))).map(Some)
        })
    }

    fn map(&self, asked: Asked) -> Result<Covered<Map>, Unanswered> {
        self.with(|questions, known| {
            let (counts, span) = self.count(questions, known, asked, 0, None)?;
            Self::covered(questions, &span, counts.map())
        })
    }

    fn changes(&self, asked: Asked) -> Result<Covered<Vec<Change>>, Unanswered> {
        self.with(|questions, known| {
            let (counts, span) = self.count(questions, known, asked, CHANGE_POINTS, None)?;
            let earlier = Window { from: Window::ALL.from, until: span.window.from };
            let earlier = known.sum(&questions.totals(earlier)?.what);
            let first = |id: &EndpointId| {
                known.model.endpoint(id).and_then(|endpoint| endpoint.seen).map(|(first, _)| first)
            };
            let mut changes = counts.changes(&earlier, &first);
            changes.extend(known.news(&counts.now, &earlier, span.window));
            changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.endpoint.cmp(&b.endpoint)));
            Self::covered(questions, &span, changes)
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
        self.with(|_, known| Ok(endpoint(&known.model, id)))
    }
}

/// Steps that changes are dated by.
const CHANGE_POINTS: usize = 60;

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

    fn route(&self, exchange: &Exchange) -> Option<Arc<str>> {
        self.picture.as_ref()?.route(exchange)
    }

    fn statistics(&self) -> Statistics {
        self.picture.as_ref().map(LiveSource::statistics).unwrap_or_default()
    }
}

impl Known {
    fn endpoint(&self, series: &Arc<Series>) -> Arc<EndpointId> {
        let mut found = lock(&self.found);
        if let Some(id) = found.get(series) {
            return Arc::clone(id);
        }
        let id = Arc::new(self.index.endpoint(series));
        found.insert(Arc::clone(series), Arc::clone(&id));
        id
    }

    /// What is new in the messages of endpoints that were known before a window and called in it.
    fn news(&self, now: &ByEndpoint, earlier: &ByEndpoint, window: Window) -> Vec<Change> {
        let (since, until) = (window.from.start(), window.until.start());
        let endpoints = self.model.endpoints().into_iter();
        let known = endpoints.filter(|(id, _)| now.contains_key(id) && earlier.contains_key(id));
        let news = known.flat_map(|(id, endpoint)| {
            let news = endpoint.shapes.news(since, until).into_iter();
            news.map(move |new| Change::of((*id).clone(), new))
        });
        news.collect()
    }

    fn sum(&self, totals: &Totals) -> ByEndpoint {
        let mut sums = ByEndpoint::new();
        for (series, tally) in totals {
            let sum: &mut Tally = sums.entry(self.endpoint(series)).or_default();
            sum.merge(self.model.key(), tally);
        }
        sums
    }
}

/// The last deploy before a time that followed another of its service: when that other was, and when it was.
fn last_deploy(questions: &dyn Questions, until: Timestamp) -> Result<Option<(Timestamp, Timestamp)>, Error> {
    let deploys = questions.deploys(Window::between(Timestamp::from_nanos(0), until))?;
    let pair = deploys.iter().enumerate().rev().find_map(|(at, last)| {
        let earlier = deploys.iter().take(at).rev().find(|earlier| earlier.service == last.service)?;
        Some((earlier.at, last.at))
    });
    Ok(pair)
}

/// The finest steps that are not many more than `points`.
fn step(window: Window, points: usize) -> Resolution {
    let fits =
        |resolution: &Resolution| (window.slots() / resolution.slots()) as usize <= points.saturating_mul(2);
    Resolution::ALL.into_iter().find(fits).unwrap_or(Resolution::Day)
}

fn seconds_of(window: Window) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 seconds")]
    let seconds = window.seconds() as f64;
    seconds
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
