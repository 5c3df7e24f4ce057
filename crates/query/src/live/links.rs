//! Which endpoint's calls make which: what a process asks while it answers a call is asked for that one.
//!
//! Several calls may be answered at once. Those that carry the same trace belong together; else it is known only where all
//! that are being answered are of one endpoint. What is not known is counted apart, and never guessed.

use super::after;
use crate::{EndpointId, Link, Links};
use overhear_exchange::{Detail, Exchange, Headers, Timestamp};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, hash_map::Entry},
    hash::BuildHasher as _,
    sync::Arc,
    time::Duration,
};

/// A call is heard of when it ends, and those that were made for it before. So moments are looked at in their order, this
/// long after; of answers that take longer, what was asked early is not theirs.
const LATE: Duration = Duration::from_secs(30);
/// Moments that wait. When there are more, the earliest are looked at without waiting for others.
pub(super) const MOST_WAITING: usize = 1 << 13;
/// Processes that are known to ask. When there are more, all are forgotten but those that ask again.
const MOST_ASKING: usize = 1 << 14;
/// Calls of a process, without an answer of it, that show that it is a client.
const MANY: u32 = 1000;
/// Endpoints that one answer is known to ask.
const MOST_ASKED: usize = 64;
/// Endpoints and pairs of them that are told of.
const MOST_TOLD: usize = 1 << 12;
/// Where a trace or a request has its name (W3C Trace Context, B3, and what proxies and frameworks add).
const TRACES: [(&str, std::ops::Range<usize>); 4] = [
    ("traceparent", 3..35),
    ("x-b3-traceid", 0..usize::MAX),
    ("x-request-id", 0..usize::MAX),
    ("x-correlation-id", 0..usize::MAX),
];

/// What was found out so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Causes {
    waiting: BinaryHeap<Reverse<Moment>>,
    /// Moments so far: what happens at once stays in the order it came.
    ordinal: u64,
    /// Processes that asked something: of all others it does not matter what they are answering when.
    asking: FxHashMap<u32, Asks>,
    /// By process: what it is answering.
    answering: FxHashMap<u32, Vec<Answering>>,
    /// How many calls of an endpoint were answered.
    answered: FxHashMap<Arc<EndpointId>, Counted>,
    pairs: FxHashMap<(Arc<EndpointId>, Arc<EndpointId>), Made>,
}

/// A process that asks.
#[derive(Clone, Copy, Debug)]
enum Asks {
    /// So many times, and was not seen to answer.
    Only(u32),
    AndAnswers,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    calls: u64,
    /// Of those: all that was asked meanwhile is known to be of this endpoint.
    sure: u64,
    /// Calls that were made while it was answered, and may have been made for another.
    unsure: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Made {
    calls: u64,
    errors: u64,
    took: Duration,
    /// Of those: made for answers of which all is known.
    sure: u64,
}

#[derive(Clone, Debug)]
struct Answering {
    /// Which begin and which end belong together.
    call: u64,
    id: Arc<EndpointId>,
    trace: Option<u64>,
    /// What was asked for it, or for another of its endpoint.
    asked: Vec<(Arc<EndpointId>, u64)>,
    is_sure: bool,
}

/// Something that happened in a process.
#[derive(Clone, Debug)]
struct Moment {
    at: (Timestamp, u64),
    pid: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Begins(Answering),
    Ends(u64),
    Asks { id: Arc<EndpointId>, trace: Option<u64>, made: Made },
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Causes {
    /// Takes in an exchange that counts to this endpoint.
    pub(super) fn observe(&mut self, exchange: &Exchange, id: &Arc<EndpointId>, failed: bool) {
        let (asks, answers) = (&exchange.client.process, &exchange.server.process);
        let Detail::Http(http) = &exchange.detail;
        let took = exchange.latency().unwrap_or_default();
        // Asked before it is answered: a process that asks itself does not do so for that very call.
        if let Some(process) = asks.as_deref().filter(|process| self.may_ask_for_another(process.pid)) {
            let made = Made { calls: 1, errors: u64::from(failed), took, sure: 0 };
            let what = What::Asks { id: Arc::clone(id), trace: trace(&http.request_headers), made };
            self.push(exchange.time, process.pid, what);
        }
        let Some(process) = answers else { return };
        let Some(asks) = self.asking.get_mut(&process.pid) else {
            return count(&mut self.answered, Arc::clone(id), |counted| {
                counted.calls += 1;
                counted.sure += 1;
            });
        };
        *asks = Asks::AndAnswers;
        let trace = trace(&http.request_headers);
        let (call, id, asked) = (self.ordinal, Arc::clone(id), Vec::new());
        self.push(
            exchange.time,
            process.pid,
            What::Begins(Answering { call, id, trace, asked, is_sure: true }),
        );
        self.push(after(exchange.time, took), process.pid, What::Ends(call));
    }

    /// Notes that it asks. Whoever asked often and never answered is a client, and asks for nobody else.
    fn may_ask_for_another(&mut self, pid: u32) -> bool {
        if self.asking.len() >= MOST_ASKING {
            self.asking.clear();
        }
        match self.asking.entry(pid).or_insert(Asks::Only(0)) {
            Asks::AndAnswers => true,
            Asks::Only(times) => {
                *times = times.saturating_add(1);
                *times <= MANY
            }
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// It is this late.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while self.waiting.peek().is_some_and(|Reverse(next)| after(next.at.0, LATE) < now) {
            self.look_at_next();
        }
    }

    /// What is known of an endpoint; `current` gives the one that another, of before a route was found, is today.
    pub(super) fn of(&self, id: &EndpointId, current: &dyn Fn(&Arc<EndpointId>) -> Arc<EndpointId>) -> Links {
        let mut all = self.clone();
        // Of what still waits, as far as it is known already.
        while !all.waiting.is_empty() {
            all.look_at_next();
        }
        let mut links = Links::default();
        let mut sure = FxHashMap::default();
        let mut today = FxHashMap::default();
        let mut is_it = |one: &Arc<EndpointId>| {
            let today = today.entry(Arc::clone(one)).or_insert_with(|| current(one));
            (**today == *id, Arc::clone(today))
        };
        for (one, counted) in &all.answered {
            let (is_it, today) = is_it(one);
            *sure.entry(today).or_default() += counted.sure;
            if is_it {
                links.answered += counted.calls;
                links.unsure += counted.unsure;
            }
        }
        let (mut calls, mut callers) = (FxHashMap::default(), FxHashMap::default());
        for ((cause, effect), made) in &all.pairs {
            let ((is_cause, cause), (is_effect, effect)) = (is_it(cause), is_it(effect));
            if is_effect {
                add(&mut callers, cause, *made);
            }
            if is_cause {
                add(&mut calls, effect, *made);
            }
        }
        let sure = |id: &EndpointId| sure.get(id).copied().unwrap_or(0);
        let own = sure(id);
        (links.calls, links.callers) = (told(calls, &|_| own), told(callers, &sure));
        links
    }

    fn push(&mut self, at: Timestamp, pid: u32, what: What) {
        self.waiting.push(Reverse(Moment { at: (at, self.ordinal), pid, what }));
        self.ordinal += 1;
        if self.waiting.len() > MOST_WAITING {
            self.look_at_next();
        }
    }

    fn look_at_next(&mut self) {
        let Some(Reverse(Moment { pid, what, .. })) = self.waiting.pop() else { return };
        match what {
            What::Begins(call) => self.answering.entry(pid).or_default().push(call),
            What::Ends(call) => self.ends(pid, call),
            What::Asks { id, trace, made } => self.asks(pid, id, trace, made),
        }
    }

    fn ends(&mut self, pid: u32, call: u64) {
        let Entry::Occupied(mut answering) = self.answering.entry(pid) else { return };
        let Some(at) = answering.get().iter().position(|one| one.call == call) else { return };
        let ended = answering.get_mut().swap_remove(at);
        if answering.get().is_empty() {
            answering.remove();
        }
        count(&mut self.answered, Arc::clone(&ended.id), |counted| {
            counted.calls += 1;
            counted.sure += u64::from(ended.is_sure);
        });
        for (id, asked) in ended.asked.into_iter().filter(|_| ended.is_sure) {
            count(&mut self.pairs, (Arc::clone(&ended.id), id), |made| made.sure += asked);
        }
    }

    fn asks(&mut self, pid: u32, id: Arc<EndpointId>, trace: Option<u64>, made: Made) {
        let Some(answering) = self.answering.get_mut(&pid) else { return };
        let same_trace = |one: &Answering| trace.is_some() && one.trace == trace;
        let has_trace = answering.iter().any(same_trace);
        let mut causes: Vec<_> = answering.iter_mut().filter(|one| !has_trace || same_trace(one)).collect();
        let Some((first, others)) = causes.split_first_mut() else { return };
        if others.iter().all(|one| one.id == first.id) {
            first.asks(&id);
            let cause = Arc::clone(&first.id);
            return count(&mut self.pairs, (cause, id), |known| known.add(made));
        }
        causes.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        causes.iter_mut().for_each(|one| one.is_sure = false);
        causes.dedup_by(|a, b| a.id == b.id);
        for cause in causes {
            count(&mut self.answered, Arc::clone(&cause.id), |counted| counted.unsure += 1);
        }
    }
}

impl Answering {
    fn asks(&mut self, id: &Arc<EndpointId>) {
        if let Some((_, times)) = self.asked.iter_mut().find(|(known, _)| known == id) {
            *times += 1;
        } else if self.asked.len() < MOST_ASKED {
            self.asked.push((Arc::clone(id), 1));
        }
    }
}

impl Made {
    fn add(&mut self, more: Self) {
        self.calls += more.calls;
        self.errors += more.errors;
        self.took = self.took.saturating_add(more.took);
        self.sure += more.sure;
    }
}

fn count<K: Eq + std::hash::Hash, V: Default>(
    counts: &mut FxHashMap<K, V>,
    key: K,
    add: impl FnOnce(&mut V),
) {
    if counts.len() < MOST_TOLD || counts.contains_key(&key) {
        add(counts.entry(key).or_default());
    }
}

fn add(sums: &mut FxHashMap<Arc<EndpointId>, Made>, id: Arc<EndpointId>, made: Made) {
    sums.entry(id).or_default().add(made);
}

/// The most frequent first. `answers`: of which endpoint how many there are, where all is known that they make.
fn told(sums: FxHashMap<Arc<EndpointId>, Made>, answers: &dyn Fn(&EndpointId) -> u64) -> Vec<Link> {
    let link = |(id, Made { calls, errors, took, sure }): (Arc<EndpointId>, Made)| {
        let mean = took.div_f64(calls.max(1) as f64);
        let each = match answers(&id) {
            0 => None,
            answers => Some(sure as f64 / answers as f64),
        };
        Link { id, calls, errors, mean, each }
    };
    let mut all: Vec<_> = sums.into_iter().map(link).collect();
    all.sort_unstable_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.id.cmp(&b.id)));
    all
}

/// Of the name that its trace has, where it has one, a hash.
fn trace(headers: &Headers) -> Option<u64> {
    TRACES.iter().enumerate().find_map(|(kind, (name, part))| {
        let value = headers.get(name)?;
        let value = value.get(part.start..part.end.min(value.len()))?;
        (!value.is_empty()).then(|| FxBuildHasher.hash_one((kind, value)))
    })
}
