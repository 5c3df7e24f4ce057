//! What is heard is pushed by OTLP (<https://opentelemetry.io/docs/specs/otlp/>), in a thread of its own: counts from time
//! to time, and each exchange that matters. Listening never waits for it.

mod grpc;
mod http;
mod tls;

pub use tls::Trust;

use crate::{Heard, Monitor, Report, keep::now};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use overhear_export::otlp::{self, Event, Trace, Why};
use overhear_model::{EndpointId, Histogram};
use overhear_query::monitor::History;
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

/// Exchanges that wait to be pushed; what comes then is dropped, and counted.
const WAITING: usize = 2_048;
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
            wire: Wire::new(&target)?,
            lines: Signal::ALL.map(Line::new),
            target,
            heard,
            missed,
            monitor,
            report,
            stop: Arc::clone(&stop),
            kinds: Kinds::default(),
            waiting: [Vec::new(), Vec::new()],
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
    target: Target,
    wire: Wire,
    heard: Receiver<Arc<Heard>>,
    missed: Arc<AtomicU64>,
    monitor: Option<Arc<Monitor>>,
    report: Report,
    stop: Arc<AtomicBool>,
    lines: [Line; 3],
    kinds: Kinds,
    /// For logs, and for traces.
    waiting: [Vec<Event>; 2],
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
    const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Traces];

    const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
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

/// How the pushing of a signal goes.
struct Line {
    signal: Signal,
    failing: bool,
    pause: Duration,
    not_before: Option<Instant>,
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
                    while !self.stop.load(Ordering::Relaxed) && last.elapsed() < self.target.every {
                        thread::sleep(Duration::from_millis(20));
                    }
                    over = self.stop.load(Ordering::Relaxed);
                }
            }
            if over || last.elapsed() >= self.target.every {
                last = Instant::now();
                self.push();
            }
        }
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
        for waiting in &mut self.waiting {
            if waiting.len() < WAITING {
                waiting.push(event.clone());
            } else {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn push(&mut self) {
        let (now, version) = (now(), self.target.version);
        let metrics = self.monitor.as_ref().map(|monitor| monitor.metrics()).unwrap_or_default();
        let metrics = otlp::metrics(&metrics, now, version);
        let [logs, spans] = &self.waiting;
        let logs = (!logs.is_empty()).then(|| otlp::logs(logs, now, version));
        let traces = (!spans.is_empty()).then(|| otlp::traces(spans, version));
        for (at, body) in [metrics, logs, traces].into_iter().enumerate() {
            if body.is_some_and(|body| self.send(at, &body)) && at > 0 {
                // Taken or refused for good.
                self.waiting.get_mut(at - 1).map(Vec::clear);
            }
        }
    }

    /// True when it needs no second attempt.
    fn send(&mut self, at: usize, body: &[u8]) -> bool {
        let Some(line) = self.lines.get_mut(at) else { return true };
        if line.not_before.is_some_and(|time| Instant::now() < time) {
            return false;
        }
        let (name, url) = (line.signal.name(), &self.target.url);
        match self.wire.send(&self.target, line.signal, body) {
            Ended::Taken => {
                if line.failing {
                    let missed = match self.missed.swap(0, Ordering::Relaxed) {
                        0 => String::new(),
                        missed => format!("; {missed} were dropped in the meantime"),
                    };
                    (self.report)(&format!("{name} are pushed to {url} again{missed}"));
                }
                *line = Line::new(line.signal);
                true
            }
            Ended::Later(why, after) => {
                line.fails(&self.report, &format!("{name} cannot be pushed to {url} now: {why}"));
                line.not_before = Some(Instant::now() + after.unwrap_or(line.pause).min(RETRY.1));
                line.pause = (line.pause * 2).min(RETRY.1);
                false
            }
            Ended::Refused(why) => {
                line.fails(&self.report, &format!("{name} are not taken by {url}: {why}"));
                true
            }
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

impl Line {
    const fn new(signal: Signal) -> Self {
        Self { signal, failing: false, pause: RETRY.0, not_before: None }
    }

    /// Says so, the first time.
    fn fails(&mut self, report: &Report, sentence: &str) {
        if !self.failing {
            report(sentence);
        }
        self.failing = true;
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
