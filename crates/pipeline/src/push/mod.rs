//! What is heard is pushed by OTLP (<https://opentelemetry.io/docs/specs/otlp/>), in a thread of its own: counts from time
//! to time, and each exchange that matters. Listening never waits for it.

mod grpc;
mod http;
mod queue;
mod tls;

pub use tls::Trust;

use crate::{Heard, Monitor, Report, keep::now};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use overhear_export::otlp::{self, Event, Trace, Why};
use overhear_model::{EndpointId, Histogram};
use overhear_query::monitor::History;
use queue::{Line, Queue, Way};
use rustc_hash::FxHashMap;
use std::{
    hash::{BuildHasher, RandomState},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Endpoints that are told apart; of the others only failures matter.
const ENDPOINTS: usize = 4_096;
/// Calls of an endpoint before one of them can be slow, …
const ENOUGH: u64 = 100;
/// … and how slow it has to be.
const SLOW: Duration = Duration::from_millis(100);
/// A percentile is at most 1.1 % from the exact one: without this a call as slow as all others could be above it.
const CERTAIN: f64 = 1.011;
const PATIENCE: Duration = Duration::from_secs(5);
/// Between attempts: twice as long each time.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How a receiver is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with protobuf.
    Http,
    /// gRPC.
    Grpc,
}

/// Where to push.
#[derive(Clone)]
pub struct Target {
    /// `http://host:port` or `https://host:port`; by HTTP, `/v1/metrics`, `/v1/logs` and `/v1/traces` are added.
    pub url: String,
    /// How.
    pub protocol: Protocol,
    /// With `https`.
    pub trust: Trust,
    /// What is sent with every request. Secrets: never told.
    pub headers: Vec<(String, String)>,
    /// How often.
    pub every: Duration,
    /// Version of this program.
    pub version: &'static str,
}

impl Target {
    fn is_encrypted(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// Why nothing can be pushed to a target.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A certificate that is no certificate.
    #[error("a certificate cannot be read: {0}")]
    Certificate(String),
    /// A key that is no key.
    #[error("the key of our certificate cannot be read: {0}")]
    Key(String),
    /// No address, or nothing that TLS can be spoken with.
    #[error("the receiver's address cannot be used: {0}")]
    Address(String),
    /// Its value is not told.
    #[error("the header {0} cannot be sent by gRPC")]
    Header(String),
    /// No runtime for gRPC.
    #[error("cannot wait for the network: {0}")]
    Runtime(io::Error),
    /// No thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Pushes until it is dropped, and then what is left.
pub struct Push {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Push {
    /// Pushes what comes out of `heard`, a subscription of which `missed` counts what it missed, and the counts of
    /// `monitor`.
    ///
    /// # Errors
    /// When the target cannot be used, or the thread cannot be started.
    pub fn start(
        target: Target,
        heard: Receiver<Arc<Heard>>,
        missed: Arc<AtomicU64>,
        monitor: Option<Arc<Monitor>>,
        report: Report,
    ) -> Result<Self, Refused> {
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            way: Way { wire: Wire::new(&target)?, target, report },
            metrics: Line::new(Signal::Metrics),
            events: [
                Queue::new(Signal::Logs, otlp::logs),
                Queue::new(Signal::Traces, |events, _, version| otlp::traces(events, version)),
            ],
            heard,
            missed,
            monitor,
            stop: Arc::clone(&stop),
            kinds: Kinds::default(),
            random: RandomState::new(),
            count: 0,
        };
        let thread = thread::Builder::new().name("push".to_owned()).spawn(move || work.run());
        let thread = thread.map_err(Refused::Thread)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

struct Work {
    way: Way,
    metrics: Line,
    /// For logs, and for traces.
    events: [Queue; 2],
    heard: Receiver<Arc<Heard>>,
    missed: Arc<AtomicU64>,
    monitor: Option<Arc<Monitor>>,
    stop: Arc<AtomicBool>,
    kinds: Kinds,
    random: RandomState,
    count: u64,
}

/// What is pushed by itself.
#[derive(Clone, Copy)]
enum Signal {
    Metrics,
    Logs,
    Traces,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
        }
    }

    /// What it is made of.
    const fn items(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "log records",
            Self::Traces => "spans",
        }
    }
}

enum Wire {
    Http(http::Http),
    Grpc(Box<grpc::Grpc>),
}

impl Wire {
    fn new(target: &Target) -> Result<Self, Refused> {
        match target.protocol {
            Protocol::Http => http::Http::new(target).map(Self::Http),
            Protocol::Grpc => grpc::Grpc::new(target).map(|grpc| Self::Grpc(Box::new(grpc))),
        }
    }

    fn send(&mut self, target: &Target, signal: Signal, body: &[u8]) -> Ended {
        match self {
            Self::Http(http) => http.send(target, signal, body),
            Self::Grpc(grpc) => grpc.send(signal, body),
        }
    }
}

/// How a request ended.
enum Ended {
    Taken,
    /// It may go later; the receiver may say when.
    Later(String, Option<Duration>),
    Refused(String),
}

impl Work {
    fn run(mut self) {
        let mut last = Instant::now();
        let mut over = false;
        while !over {
            match self.heard.recv_timeout(Duration::from_millis(100)) {
                Ok(heard) => self.take_in(&heard),
                Err(RecvTimeoutError::Timeout) => over = self.stop.load(Ordering::Relaxed),
                Err(RecvTimeoutError::Disconnected) => {
                    while !self.stop.load(Ordering::Relaxed) && last.elapsed() < self.way.target.every {
                        thread::sleep(Duration::from_millis(20));
                    }
                    over = self.stop.load(Ordering::Relaxed);
                }
            }
            if over || last.elapsed() >= self.way.target.every {
                last = Instant::now();
                self.push();
            }
        }
        self.events.iter_mut().for_each(|queue| queue.end(&self.way));
    }

    fn take_in(&mut self, heard: &Heard) {
        let Heard { exchange, learned } = heard;
        // What is pushed is heard too.
        let own = Some(std::process::id());
        if exchange.client.process.as_ref().map(|process| process.pid) == own {
            return;
        }
        let Some(why) = self.kinds.judge(heard) else { return };
        let trace = Trace::of(exchange, self.random_id(), self.random_span());
        let event = Event::new(exchange, Arc::clone(&learned.id.route), learned.error, why, trace);
        self.events.iter_mut().for_each(|queue| queue.add(event.clone()));
    }

    fn push(&mut self) {
        let (now, missed) = (now(), self.missed.swap(0, Ordering::Relaxed));
        let metrics = self.monitor.as_ref().map(|monitor| monitor.metrics()).unwrap_or_default();
        for body in otlp::metrics(&metrics, now, self.way.target.version) {
            // What is not taken is in the next counts too.
            self.metrics.send(&mut self.way, &body);
        }
        for queue in &mut self.events {
            queue.missed(missed);
            queue.push(&mut self.way, now);
        }
    }

    /// Numbers that nobody can foretell: a keyed hash of a count, the key from the system's random numbers.
    fn random_span(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        self.random.hash_one(self.count).max(1)
    }

    fn random_id(&mut self) -> u128 {
        u128::from(self.random_span()) << 64 | u128::from(self.random_span())
    }
}

/// What is known of endpoints, to see which exchanges matter.
#[derive(Default)]
struct Kinds(FxHashMap<Arc<EndpointId>, Kind>);

#[derive(Default)]
struct Kind {
    latency: Histogram,
    statuses: Vec<Option<u16>>,
}

impl Kinds {
    fn judge(&mut self, heard: &Heard) -> Option<Why> {
        let Heard { exchange, learned } = heard;
        let overhear_exchange::Detail::Http(http) = &exchange.detail;
        let failed = learned.error.is_some() || learned.hidden_error;
        let failed = failed.then_some(Why::Failed);
        if self.0.len() >= ENDPOINTS && !self.0.contains_key(&learned.id) {
            return failed;
        }
        let kind = self.0.entry(Arc::clone(&learned.id)).or_default();
        let slow = exchange.latency().is_some_and(|took| kind.is_slow(took));
        if let Some(took) = exchange.latency() {
            kind.latency.record(took);
        }
        let first = !kind.statuses.contains(&http.status);
        if first {
            kind.statuses.push(http.status);
        }
        failed.or(slow.then_some(Why::Slow)).or(first.then_some(Why::First))
    }
}

impl Kind {
    /// Of those before it, 99 of 100 were faster.
    fn is_slow(&self, took: Duration) -> bool {
        took > SLOW
            && self.latency.count() >= ENOUGH
            && self.latency.percentile(0.99).is_some_and(|usual| took.as_secs_f64() > usual * CERTAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::{ENOUGH, Kind};
    use std::time::Duration;

    #[test]
    fn slow_is_slower_than_nearly_all_before() {
        let (usual, slow) = (Duration::from_millis(200), Duration::from_millis(300));
        let mut kind = Kind::default();
        assert!(!kind.is_slow(slow), "nothing to compare with");
        (0..ENOUGH).for_each(|_| kind.latency.record(usual));
        assert!(kind.is_slow(slow) && !kind.is_slow(usual));
        let mut fast = Kind::default();
        (0..ENOUGH).for_each(|_| fast.latency.record(Duration::from_millis(1)));
        assert!(!fast.is_slow(Duration::from_millis(99)), "a tenth of a second bothers nobody");
    }
}
