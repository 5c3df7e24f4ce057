//! What a listener counts and learns goes into a store while it listens, in a thread of its own.

use crate::Picture;
use overhear_exchange::Timestamp;
use overhear_model::{Counted, RouteIndex, Series, Shaped, Slot};
use overhear_query::{Accumulator, LiveSource, Metric, monitor::Deploy};
use overhear_store::{Deployed, Error, Store};
use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Counts are written so often: what is lost at most when the process is killed.
const FLUSH: Duration = Duration::from_secs(1);
/// What was learned is written so often, …
const LEARN: Duration = Duration::from_secs(5);
/// … or rarer, so that it takes at most this share of the time.
const LEARN_SHARE: u32 = 20;
/// What calls look like by the hour is written so often.
const LOOK: Duration = Duration::from_secs(60);
const TIDY: Duration = Duration::from_secs(60);

/// Keeps what a listener counts. Dropping it stops it, with all written.
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: Mutex<bool>,
    wake: Condvar,
    trouble: Mutex<Option<String>>,
    metrics: Mutex<Accumulator>,
}

/// How the keeping goes.
#[derive(Clone, Default)]
pub struct KeeperHandle(Arc<Shared>);

impl KeeperHandle {
    /// A sentence, while something is wrong.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.0.trouble).clone()
    }

    /// What was counted since it began, by the routes that hold now.
    pub(crate) fn metrics(&self, routes: &RouteIndex) -> Vec<Metric> {
        lock(&self.0.metrics).metrics(routes)
    }
}

/// Says once, to people, that something is wrong.
pub type Report = Box<dyn Fn(&str) + Send>;

impl Keeper {
    /// Writes into `store` what the listener behind `picture` counts; it has to count by time.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(store: Box<dyn Store + Send>, picture: Picture, report: Report) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let mut work = Work {
            store,
            picture,
            report,
            shared: Arc::clone(&shared),
            known: HashSet::new(),
            unlearned: false,
            told: HashMap::new(),
            learned: Instant::now(),
            took: Duration::ZERO,
            tidied: None,
            looks: Looks::default(),
        };
        let thread = thread::Builder::new().name("keep".to_owned()).spawn(move || work.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What is wrong, now and later.
    pub fn handle(&self) -> KeeperHandle {
        KeeperHandle(Arc::clone(&self.shared))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *lock(&self.shared.stop) = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

struct Work {
    store: Box<dyn Store + Send>,
    picture: Picture,
    report: Report,
    shared: Arc<Shared>,
    /// Series that what is in the store about routes has a place for.
    known: HashSet<Series>,
    /// There is something that was counted and is not learned yet.
    unlearned: bool,
    /// Deploys that are in the store, the last of each service.
    told: HashMap<Arc<str>, Deployed>,
    learned: Instant,
    took: Duration,
    tidied: Option<Instant>,
    looks: Looks,
}

/// What calls look like by the hour, as far as the store has been told.
#[derive(Default)]
struct Looks {
    told: Option<Instant>,
    /// In which it was told last.
    hour: Slot,
    /// Of hours that are over: could not be written yet.
    unwritten: Vec<Shaped>,
}

impl Work {
    fn run(&mut self) {
        while !self.wait() {
            self.write(false);
        }
        self.write(true);
    }

    /// Until it is time again; true when it is over.
    fn wait(&self) -> bool {
        let stop = lock(&self.shared.stop);
        let waited = self.shared.wake.wait_timeout_while(stop, FLUSH, |stop| !*stop);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn write(&mut self, last: bool) {
        let written = self.write_all(last);
        let mut trouble = lock(&self.shared.trouble);
        let now = written.err().map(|error| error.to_string());
        if let Some(sentence) = now.as_ref().filter(|_| trouble.is_none()) {
            (self.report)(sentence);
        }
        *trouble = now;
    }

    fn write_all(&mut self, last: bool) -> Result<(), Error> {
        let counted = self.picture.take_counted();
        lock(&self.shared.metrics).add(&counted);
        // Routes first: counts of a series that no route is known for would be counted as others.
        let learned = self.learn(&counted, last);
        let appended = self.store.append(&counted);
        let now = now();
        let looked = self.look(now, last);
        let told = self.tell_deploys();
        let said = self.store.session(now, &self.picture.statistics());
        let tidied = if self.tidied.is_none_or(|at| at.elapsed() >= TIDY) && !last {
            self.tidied = Some(Instant::now());
            self.store.tidy(now)
        } else {
            Ok(())
        };
        learned.and(appended).and(looked).and(told).and(said).and(tidied)
    }

    fn tell_deploys(&mut self) -> Result<(), Error> {
        for Deploy { service, at, version } in self.picture.running() {
            let deployed = Deployed { service, at, version };
            if self.told.get(&deployed.service) != Some(&deployed) {
                self.store.deploy(&deployed)?;
                self.told.insert(Arc::clone(&deployed.service), deployed);
            }
        }
        Ok(())
    }

    fn look(&mut self, now: Timestamp, last: bool) -> Result<(), Error> {
        let hour = Slot::of(now).hour();
        let began = std::mem::replace(&mut self.looks.hour, hour);
        let is_over = last || (began != hour && self.looks.told.is_some());
        if !is_over && self.looks.told.is_some_and(|told| told.elapsed() < LOOK) {
            return Ok(());
        }
        self.looks.told = Some(Instant::now());
        let shaped = self.picture.open_shapes(is_over);
        if !is_over && self.looks.unwritten.is_empty() {
            return self.store.look(&shaped, false);
        }
        self.looks.unwritten.extend(shaped.into_iter().filter(|_| is_over));
        self.store.look(&self.looks.unwritten, true)?;
        self.looks.unwritten.clear();
        Ok(())
    }

    fn learn(&mut self, counted: &[Counted], last: bool) -> Result<(), Error> {
        self.unlearned |= !counted.is_empty() || self.picture.take_told_underway();
        let is_new = counted.iter().any(|counted| !self.known.contains(&counted.series));
        let since = self.learned.elapsed();
        let due = (is_new || since >= LEARN) && since >= self.took * LEARN_SHARE;
        if !self.unlearned || !(due || last) {
            return Ok(());
        }
        let began = Instant::now();
        let written = self.store.learn(&self.picture.model());
        (self.learned, self.took) = (Instant::now(), began.elapsed());
        if written.is_ok() {
            self.unlearned = false;
            self.known.extend(counted.iter().map(|counted| counted.series.clone()));
        }
        written
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
