//! What is heard is pushed by OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>), in a thread of its
//! own: counts from time to time, and each exchange that matters. Listening never waits for it.

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
use ureq::Agent;

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

/// Where to push.
#[derive(Clone)]
pub struct Target {
    /// `http://host:port`, to which `/v1/metrics`, `/v1/logs` and `/v1/traces` are added.
    pub url: String,
    /// What is sent with every request. Secrets: never told.
    pub headers: Vec<(String, String)>,
    /// How often.
    pub every: Duration,
    /// Version of this program.
    pub version: &'static str,
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
    /// When the thread cannot be started.
    pub fn start(
        target: Target,
        heard: Receiver<Arc<Heard>>,
        missed: Arc<AtomicU64>,
        monitor: Option<Arc<Monitor>>,
        report: Report,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(format!("overhear/{}", target.version))
            .build();
        let work = Work {
            agent: config.into(),
            signals: ["metrics", "logs", "traces"].map(Signal::new),
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
        let thread = thread::Builder::new().name("push".to_owned()).spawn(move || work.run())?;
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
    agent: Agent,
    heard: Receiver<Arc<Heard>>,
    missed: Arc<AtomicU64>,
    monitor: Option<Arc<Monitor>>,
    report: Report,
    stop: Arc<AtomicBool>,
    signals: [Signal; 3],
    kinds: Kinds,
    /// For logs, and for traces.
    waiting: [Vec<Event>; 2],
    random: RandomState,
    count: u64,
}

/// `/v1/metrics` and its like.
struct Signal {
    name: &'static str,
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
        let Some(signal) = self.signals.get_mut(at) else { return true };
        if signal.not_before.is_some_and(|time| Instant::now() < time) {
            return false;
        }
        let (agent, target) = (&self.agent, &self.target);
        let (name, url) = (signal.name, &target.url);
        match request(agent, target, name, body) {
            Ended::Taken => {
                if signal.failing {
                    let missed = match self.missed.swap(0, Ordering::Relaxed) {
                        0 => String::new(),
                        missed => format!("; {missed} were dropped in the meantime"),
                    };
                    (self.report)(&format!("{name} are pushed to {url} again{missed}"));
                }
                *signal = Signal::new(name);
                true
            }
            Ended::Later(why, after) => {
                signal.fails(&self.report, &format!("{name} cannot be pushed to {url} now: {why}"));
                signal.not_before = Some(Instant::now() + after.unwrap_or(signal.pause).min(RETRY.1));
                signal.pause = (signal.pause * 2).min(RETRY.1);
                false
            }
            Ended::Refused(why) => {
                signal.fails(&self.report, &format!("{name} are not taken by {url}: {why}"));
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

fn request(agent: &Agent, target: &Target, name: &str, body: &[u8]) -> Ended {
    let url = format!("{}/v1/{name}", target.url.trim_end_matches('/'));
    let mut request = agent.post(url).header("content-type", "application/x-protobuf");
    for (name, value) in &target.headers {
        request = request.header(name, value);
    }
    match request.send(body) {
        Err(error) => Ended::Later(error.to_string(), None),
        Ok(answer) => {
            let status = answer.status().as_u16();
            let after =
                answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            match status {
                200..=299 => Ended::Taken,
                // OTLP, "Retryable Response Codes"
                429 | 502..=504 => {
                    Ended::Later(format!("it answers {status}"), after.map(Duration::from_secs))
                }
                _ => Ended::Refused(format!("it answers {status}")),
            }
        }
    }
}

impl Signal {
    const fn new(name: &'static str) -> Self {
        Self { name, failing: false, pause: RETRY.0, not_before: None }
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
