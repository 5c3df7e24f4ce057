//! Listening that goes on: one thread owns the source and feeds a [`Session`] and whoever subscribed.

use crate::{DecodedBodies, Deploys, Kernel, keep::now};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use overhear_exchange::{Detail, Direction, Exchange, LossReason, Statistics};
use overhear_model::{Counted, Learned, Model, Shaped};
use overhear_query::{
    EndpointDetail, EndpointId, Links, LiveRow, LiveSource, OpenStream,
    live::{Retention, Session},
    monitor::Deploy,
};
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Where exchanges come from while they happen.
pub trait Source: Send {
    /// Adds what came since the last call, and how far streams are that go on. Waits a little (at most a tenth of a second) when nothing did.
    ///
    /// # Errors
    /// When no more can come; what was added still counts.
    fn poll(&mut self, out: &mut Vec<Exchange>) -> Result<Progress, SourceError>;

    /// What was captured, lost and unreadable so far.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn statistics(&mut self) -> Result<Statistics, SourceError>;

    /// Adds what is still held back, at the end.
    ///
    /// # Errors
    /// As [`Self::poll`].
    fn finish(&mut self, out: &mut Vec<Exchange>) -> Result<(), SourceError>;
}

impl Source for Kernel {
    fn poll(&mut self, out: &mut Vec<Exchange>) -> Result<Progress, SourceError> {
        Self::poll(self, &mut |exchange| out.push(exchange))?;
        Ok(Progress::Going)
    }

    fn statistics(&mut self) -> Result<Statistics, SourceError> {
        Ok(Self::statistics(self)?)
    }

    fn finish(&mut self, out: &mut Vec<Exchange>) -> Result<(), SourceError> {
        Ok(Self::finish(self, &mut |exchange| out.push(exchange))?)
    }
}

/// Whether a source goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More may come.
    Going,
    /// It is over.
    Over,
}

/// Why a source broke off.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The kernel's part failed.
    #[error(transparent)]
    Kernel(#[from] overhear_capture::live::Error),
    /// A recording could not be read.
    #[error(transparent)]
    Recording(#[from] crate::ReadError),
}

/// An exchange with the endpoint it was counted to.
#[derive(Debug)]
pub struct Heard {
    /// What was said, as it was said: secrets are not masked.
    pub exchange: Exchange,
    /// Where it counts.
    pub learned: Learned,
}

/// The picture a running listener keeps, shared with front ends. Clones show the same picture.
#[derive(Clone, Debug)]
pub struct Picture {
    session: Arc<Mutex<Session>>,
    deploys: Arc<Mutex<Deploys>>,
}

/// Counts are also kept by time, and have to be taken out: see [`crate::Keeper`].
#[derive(Clone, Debug, Default)]
pub struct Counting {
    /// The key of the store's models.
    pub key: u64,
    /// The last deploy of each service that the store knows.
    pub deploys: Vec<Deploy>,
}

impl Picture {
    /// A copy of what was learned.
    pub fn model(&self) -> Model {
        self.session().model().clone()
    }

    /// The route of an exchange, by the routes as they are known now.
    pub fn route_of(&self, exchange: &Exchange) -> Option<Arc<str>> {
        self.session().model().route_of(exchange)
    }

    /// Takes out what was counted by time since it was last asked.
    pub(crate) fn take_counted(&self) -> Vec<Counted> {
        self.session().take_counted()
    }

    /// Whether something was learned of streams that go on since this was last asked.
    pub(crate) fn take_told_underway(&self) -> bool {
        self.session().take_told_underway()
    }

    /// What calls looked like by the hour, of those that were heard since it was last said that this is over.
    pub(crate) fn open_shapes(&self, is_over: bool) -> Vec<Shaped> {
        self.session().open_shapes(is_over)
    }

    /// The build that each service runs, and since when.
    pub(crate) fn running(&self) -> Vec<Deploy> {
        self.deploys().running().cloned().collect()
    }

    fn deploys(&self) -> MutexGuard<'_, Deploys> {
        self.deploys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        // A front end that panicked while it read leaves the session whole.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveSource for Picture {
    fn rows(&self) -> Vec<LiveRow> {
        self.session().rows()
    }

    fn endpoint(&self, id: &EndpointId) -> Option<EndpointDetail> {
        self.session().endpoint(id)
    }

    fn recent(&self, id: Option<&EndpointId>, limit: usize) -> Vec<Arc<Exchange>> {
        self.session().recent(id, limit)
    }

    fn open(&self) -> Vec<OpenStream> {
        self.session().open()
    }

    fn route(&self, exchange: &Exchange) -> Option<Arc<str>> {
        self.route_of(exchange)
    }

    fn links(&self, id: &EndpointId) -> Option<Links> {
        self.session().links(id)
    }

    fn statistics(&self) -> Statistics {
        self.session().statistics()
    }
}

/// Gets every exchange from now on. One that lags behind by more than its capacity misses some; they are counted.
struct Subscriber {
    heard: Sender<Arc<Heard>>,
    /// Where what it misses is counted, when that is no loss of the listening.
    missed: Option<Arc<AtomicU64>>,
}

/// A listener in its thread. Dropping it stops it.
pub struct Listener {
    picture: Picture,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), SourceError>>>,
}

impl Listener {
    /// Listens until stopped or until the source is over, to what `keep` says yes to.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        source: Box<dyn Source>,
        keep: Keep,
        subscribers: Vec<Subscription>,
        counting: Option<Counting>,
    ) -> io::Result<Self> {
        let mut model = Model::new(counting.as_ref().map_or(0, |counting| counting.key));
        let mut deploys = Deploys::default();
        let counts = counting.is_some();
        if let Some(counting) = counting {
            model.record_times();
            counting.deploys.into_iter().for_each(|last| deploys.remember(last));
        }
        let session = Session::new(model, Retention::default());
        let picture =
            Picture { session: Arc::new(Mutex::new(session)), deploys: Arc::new(Mutex::new(deploys)) };
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            source,
            keep,
            picture: picture.clone(),
            counts,
            stop: Arc::clone(&stop),
            subscribers: subscribers.into_iter().map(|subscription| subscription.0).collect(),
            batch: Vec::new(),
            missed: Statistics::default(),
        };
        let thread = thread::Builder::new().name("listen".to_owned()).spawn(move || work.run())?;
        Ok(Self { picture, stop, thread: Some(thread) })
    }

    /// What it has learned so far, and goes on learning.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// True when the source is over or failed.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops, with everything that was held back delivered. The picture stays.
    ///
    /// # Errors
    /// The source's, if that is why it was over.
    pub fn stop(mut self) -> Result<(), SourceError> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            // The panic has been reported by the panic hook; there is nothing to add.
            Some(Err(_)) | None => Ok(()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Says which exchanges are of interest; the others are counted only.
pub type Keep = Box<dyn Fn(&Exchange) -> bool + Send>;

/// A wish to get every exchange, to be given to [`Listener::start`].
pub struct Subscription(Subscriber);

/// A subscription that may lag `capacity` exchanges behind, and where they come out. The receiver ends with the
/// listener.
pub fn subscription(capacity: usize) -> (Subscription, Receiver<Arc<Heard>>) {
    let (heard, receiver) = bounded(capacity);
    (Subscription(Subscriber { heard, missed: None }), receiver)
}

/// One on the side: what it misses is counted in `missed`, and is no loss of the listening.
pub fn subscription_aside(capacity: usize, missed: Arc<AtomicU64>) -> (Subscription, Receiver<Arc<Heard>>) {
    let (heard, receiver) = bounded(capacity);
    (Subscription(Subscriber { heard, missed: Some(missed) }), receiver)
}

struct Work {
    source: Box<dyn Source>,
    keep: Keep,
    picture: Picture,
    /// Somebody keeps what is counted.
    counts: bool,
    stop: Arc<AtomicBool>,
    subscribers: Vec<Subscriber>,
    batch: Vec<Exchange>,
    missed: Statistics,
}

/// Which build answered.
fn notice(deploys: &mut Deploys, exchange: &Exchange) {
    if let (Direction::Inbound, Some(process)) = (exchange.direction, &exchange.server.process) {
        // What runs is asked for where it is kept.
        let _ = deploys.see(&exchange.service, process);
    }
}

impl Work {
    fn run(mut self) -> Result<(), SourceError> {
        let result = loop {
            let polled = self.source.poll(&mut self.batch);
            match self.take_in().and(polled) {
                Ok(Progress::Going) if !self.stop.load(Ordering::Relaxed) => {}
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let finished = self.source.finish(&mut self.batch);
        result.and(finished).and(self.take_in())
    }

    /// One batch under one lock: everybody who looks sees whole batches. Bodies are decoded before it is taken.
    fn take_in(&mut self) -> Result<(), SourceError> {
        let (kept, passed_over): (Vec<_>, Vec<_>) =
            self.batch.drain(..).partition(|exchange| (self.keep)(exchange));
        let (underway, over): (Vec<_>, Vec<_>) = kept.into_iter().partition(Exchange::is_underway);
        let decoded: Vec<_> =
            over.into_iter().map(|exchange| (DecodedBodies::of(&exchange), exchange)).collect();
        if self.counts {
            let mut deploys = self.picture.deploys();
            decoded.iter().for_each(|(_, exchange)| notice(&mut deploys, exchange));
        }
        let mut told = Vec::new();
        let subscribed = !self.subscribers.is_empty();
        let mut session = self.picture.session();
        // What goes on is told before its end, and a batch may hold both.
        underway.iter().for_each(|exchange| session.observe_underway(exchange));
        passed_over.iter().for_each(|exchange| session.pass_over(exchange));
        for (bodies, exchange) in decoded {
            let Detail::Http(http) = &exchange.detail;
            let learned = session.observe_decoded(&exchange, bodies.with(http), bodies.response());
            told.extend(subscribed.then(|| Arc::new(Heard { exchange, learned })));
        }
        drop(session);
        self.tell(&told);
        let mut statistics = self.source.statistics()?;
        statistics.merge(&self.missed);
        let mut session = self.picture.session();
        session.advance(now());
        session.set_statistics(statistics);
        Ok(())
    }

    fn tell(&mut self, told: &[Arc<Heard>]) {
        let mut lost = 0;
        self.subscribers.retain(|subscriber| {
            for heard in told {
                match (subscriber.heard.try_send(Arc::clone(heard)), &subscriber.missed) {
                    (Ok(()), _) => {}
                    (Err(TrySendError::Full(_)), None) => lost += 1,
                    (Err(TrySendError::Full(_)), Some(missed)) => {
                        missed.fetch_add(1, Ordering::Relaxed);
                    }
                    (Err(TrySendError::Disconnected(_)), _) => return false,
                }
            }
            true
        });
        if lost > 0 {
            self.missed.lose(LossReason::OutputSlow, lost, 0);
        }
    }
}
