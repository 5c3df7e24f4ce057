//! Counts of series become figures of endpoints, services and the edges between them.

use super::{
    Change, EndpointFigures, EndpointHistory, Figures, Latency, Map, MapEdge, MapNode, Novelty, Point,
    ServiceFigures,
};
use crate::{EndpointId, LatencyBucket};
use overhear_exchange::{Direction, ErrorType, Timestamp};
use overhear_model::{Histogram, Slot, Sum, Tally, Total, Way};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

/// Counts of each endpoint over one stretch of time.
pub type ByEndpoint = BTreeMap<Arc<EndpointId>, Sum>;

/// Counts of each endpoint step by step.
pub type Steps = BTreeMap<Arc<EndpointId>, BTreeMap<Slot, Sum>>;

/// What figures of many endpoints are made of: counts of a window, of what it is compared with, and step by step.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Length of the window, in seconds.
    pub seconds: f64,
    /// The window.
    pub now: ByEndpoint,
    /// What it is compared with, and its length in seconds; absent where nothing listened.
    pub before: Option<(ByEndpoint, f64)>,
    /// The window step by step; empty where nobody asked.
    pub steps: Steps,
    /// Length of a step, in seconds.
    pub step: f64,
}

impl Counts {
    /// A row per endpoint that was called in either time.
    pub fn endpoints(&self) -> Vec<EndpointFigures> {
        let earlier = self.before.iter().flat_map(|(before, _)| before.keys());
        let ids: BTreeSet<&Arc<EndpointId>> = self.now.keys().chain(earlier).collect();
        ids.into_iter().map(|id| self.endpoint(id)).collect()
    }

    fn endpoint(&self, id: &Arc<EndpointId>) -> EndpointFigures {
        let of = |all: &ByEndpoint, seconds| {
            all.get(id).map_or_else(|| none(seconds), |sum| figures(sum, seconds))
        };
        EndpointFigures {
            id: (**id).clone(),
            now: of(&self.now, self.seconds),
            before: self.before.as_ref().map(|(before, seconds)| of(before, *seconds)),
            points: self.steps.get(id).map_or_else(Vec::new, |steps| points(steps, self.step)),
        }
    }

    /// A row per service, of what it answers; services that only ask have one without calls.
    pub fn services(&self) -> Vec<ServiceFigures> {
        let now = by_service(&self.now);
        let before = self.before.as_ref().map(|(before, seconds)| (by_service(before), *seconds));
        let mut steps = BTreeMap::<&Arc<str>, BTreeMap<Slot, Total>>::new();
        for (id, sums) in self.steps.iter().filter(|(id, _)| is_answered(id)) {
            let steps = steps.entry(&id.service).or_default();
            sums.iter().for_each(|(slot, sum)| steps.entry(*slot).or_default().add(sum));
        }
        let mut steps: BTreeMap<_, _> = steps
            .into_iter()
            .map(|(name, steps)| {
                (name, steps.into_iter().map(|(slot, total)| (slot, total.into())).collect())
            })
            .collect();
        let earlier = before.iter().flat_map(|(before, _)| before.keys());
        let names: BTreeSet<&Arc<str>> = now.keys().chain(earlier).copied().collect();
        let of = |all: &ByService<'_>, name: &Arc<str>, seconds| {
            all.get(name).map_or_else(|| none(seconds), |(_, sum)| figures(sum, seconds))
        };
        let row = |name: &Arc<str>| ServiceFigures {
            name: Arc::clone(name),
            endpoints: now.get(name).map_or(0, |(endpoints, _)| *endpoints),
            now: of(&now, name, self.seconds),
            before: before.as_ref().map(|(before, seconds)| of(before, name, *seconds)),
            points: steps.remove(name).map_or_else(Vec::new, |steps| points(&steps, self.step)),
        };
        names.into_iter().map(row).collect()
    }
}

/// How many endpoints each service answers, and their calls; none for one that only asks.
type ByService<'a> = BTreeMap<&'a Arc<str>, (u64, Sum)>;

fn by_service(all: &ByEndpoint) -> ByService<'_> {
    let mut services = BTreeMap::<_, (u64, Total)>::new();
    for (id, more) in all {
        let (endpoints, total) = services.entry(&id.service).or_default();
        if is_answered(id) {
            *endpoints += 1;
            total.add(more);
        }
    }
    services.into_iter().map(|(name, (endpoints, total))| (name, (endpoints, total.into()))).collect()
}

fn is_answered(id: &EndpointId) -> bool {
    id.way.direction() == Direction::Inbound
}

/// What is known of one endpoint: by caller and ending too.
#[derive(Clone, Debug, Default)]
pub struct Depth {
    /// Length of the window, in seconds.
    pub seconds: f64,
    /// The window.
    pub now: Tally,
    /// What it is compared with, and its length in seconds; absent where nothing listened.
    pub before: Option<(Tally, f64)>,
    /// The window step by step.
    pub steps: BTreeMap<Slot, Sum>,
    /// Length of a step, in seconds.
    pub step: f64,
}

impl Depth {
    /// One endpoint in depth.
    pub fn history(&self, id: &EndpointId) -> EndpointHistory {
        let of = |tally: &Tally, seconds| figures(&tally.into(), seconds);
        let before = self.before.as_ref().map(|(tally, seconds)| (tally, *seconds));
        EndpointHistory {
            figures: EndpointFigures {
                id: id.clone(),
                now: of(&self.now, self.seconds),
                before: before.map(|(tally, seconds)| of(tally, seconds)),
                points: points(&self.steps, self.step),
            },
            heat: self.steps.iter().map(|(slot, sum)| (slot.start(), buckets(&sum.latency))).collect(),
            statuses: statuses(&self.now, before.map(|(tally, _)| tally)),
            errors: errors(&self.now),
            callers: callers(&self.now, self.seconds, before),
        }
    }
}

/// Who calls, and who is called.
pub type Ends = (Arc<str>, Arc<str>);

/// What was counted between any two.
pub type ByEnds = BTreeMap<Ends, Sum>;

/// Who talks: those who call a service, or the service and whom it asks.
pub fn ends(service: &Arc<str>, way: &Way, caller: &Arc<str>) -> Ends {
    match way.server() {
        Some(server) => (Arc::clone(service), Arc::from(server)),
        None => (Arc::clone(caller), Arc::clone(service)),
    }
}

/// What a map is made of.
#[derive(Clone, Debug, Default)]
pub struct Edges {
    /// Length of the window, in seconds.
    pub seconds: f64,
    /// The window.
    pub now: ByEnds,
    /// What it is compared with, and its length in seconds; absent where nothing listened.
    pub before: Option<(ByEnds, f64)>,
    /// Servers that services ask.
    pub outside: BTreeSet<Arc<str>>,
}

impl Edges {
    /// Who calls whom.
    pub fn map(&self) -> Map {
        let names: BTreeSet<&Arc<str>> = self.now.keys().flat_map(|(from, to)| [from, to]).collect();
        let node = |name: &Arc<str>| MapNode {
            name: Arc::clone(name),
            is_external: self.outside.contains(name) || name.parse::<IpAddr>().is_ok(),
        };
        let before = |ends: &Ends, (before, seconds): &(ByEnds, f64)| {
            before.get(ends).map_or_else(|| none(*seconds), |sum| figures(sum, *seconds))
        };
        let edge = |(ends, sum): (&Ends, &Sum)| MapEdge {
            from: Arc::clone(&ends.0),
            to: Arc::clone(&ends.1),
            now: figures(sum, self.seconds),
            before: self.before.as_ref().map(|all| before(ends, all)),
        };
        Map { nodes: names.into_iter().map(node).collect(), edges: self.now.iter().map(edge).collect() }
    }
}

/// When each endpoint first had something.
pub type Firsts = BTreeMap<Arc<EndpointId>, BTreeMap<Novelty, Slot>>;

/// What was there for the first time within a window, newest first. `first_seen` says when an endpoint was.
pub fn changes<'a>(
    firsts: impl IntoIterator<Item = (&'a Arc<EndpointId>, &'a BTreeMap<Novelty, Slot>)>,
    (from, until): (Slot, Slot),
    first_seen: &dyn Fn(&EndpointId) -> Option<Timestamp>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (id, news) in firsts {
        let Some(begin) = news.values().min().filter(|begin| **begin < until) else { continue };
        let endpoint = (**id).clone();
        if *begin >= from {
            let at = first_seen(id).unwrap_or_else(|| begin.start()).max(begin.start());
            changes.push(Change { at, endpoint, what: Novelty::Endpoint });
            continue;
        }
        for (what, slot) in news.iter().filter(|(_, slot)| from <= **slot && **slot < until) {
            changes.push(Change { at: slot.start(), endpoint: endpoint.clone(), what: what.clone() });
        }
    }
    changes.sort_by(Change::newest_first);
    changes
}

fn points(steps: &BTreeMap<Slot, Sum>, seconds: f64) -> Vec<Point> {
    steps.iter().map(|(slot, sum)| Point { at: slot.start(), figures: figures(sum, seconds) }).collect()
}

/// No calls.
fn none(seconds: f64) -> Figures {
    Figures { seconds, ..Figures::default() }
}

/// What some calls come to.
fn figures(sum: &Sum, seconds: f64) -> Figures {
    let Sum { requests, errors, errors_hidden, bytes_in, bytes_out, ref latency } = *sum;
    let latency = percentiles(latency);
    Figures { requests, errors, errors_hidden, bytes_in, bytes_out, latency, seconds }
}

fn percentiles(latency: &Histogram) -> Option<Latency> {
    let at = |q| latency.percentile(q);
    Some(Latency { p50: at(0.5)?, p90: at(0.9)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
}

fn buckets(latency: &Histogram) -> Vec<LatencyBucket> {
    latency.buckets().map(|(from, to, count)| LatencyBucket { from, to, count }).collect()
}

fn statuses(now: &Tally, before: Option<&Tally>) -> Vec<(Option<u16>, u64, u64)> {
    let mut statuses = BTreeMap::<Option<u16>, (u64, u64)>::new();
    for (_, ending, count) in now.cells() {
        statuses.entry(ending.status).or_default().0 += count.requests;
    }
    for (_, ending, count) in before.into_iter().flat_map(Tally::cells) {
        statuses.entry(ending.status).or_default().1 += count.requests;
    }
    statuses.into_iter().map(|(status, (now, before))| (status, now, before)).collect()
}

fn errors(now: &Tally) -> Vec<(ErrorType, u64)> {
    let mut errors = BTreeMap::<ErrorType, u64>::new();
    for (error, count) in now.cells().filter_map(|(_, ending, count)| Some((ending.error?, count))) {
        *errors.entry(error).or_default() += count.requests;
    }
    let mut errors: Vec<_> = errors.into_iter().collect();
    errors.sort_by_key(|(error, count)| (std::cmp::Reverse(*count), *error));
    errors
}

/// Callers with their figures, now and before.
type CallerFigures = Vec<(Arc<str>, Figures, Option<Figures>)>;

fn callers(now: &Tally, seconds: f64, before: Option<(&Tally, f64)>) -> CallerFigures {
    let (now, before) = (by_caller(now), before.map(|(tally, seconds)| (by_caller(tally), seconds)));
    let earlier = before.iter().flat_map(|(before, _)| before.keys());
    let names: BTreeSet<&Arc<str>> = now.keys().chain(earlier).collect();
    let of = |all: &BTreeMap<Arc<str>, Sum>, name: &Arc<str>, seconds| {
        all.get(name).map_or_else(|| none(seconds), |sum| figures(sum, seconds))
    };
    let row = |name: &Arc<str>| {
        let before = before.as_ref().map(|(before, seconds)| of(before, name, *seconds));
        (Arc::clone(name), of(&now, name, seconds), before)
    };
    let mut rows: Vec<_> = names.into_iter().map(row).collect();
    rows.sort_by_key(|(_, now, _)| std::cmp::Reverse(now.requests));
    rows
}

fn by_caller(tally: &Tally) -> BTreeMap<Arc<str>, Sum> {
    let mut sums = BTreeMap::<Arc<str>, Sum>::new();
    for (caller, ending, count) in tally.cells() {
        sums.entry(Arc::clone(caller)).or_default().add(ending, count);
    }
    sums
}

#[cfg(test)]
mod tests;
