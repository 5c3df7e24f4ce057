//! Counts of series become figures of endpoints, services and the edges between them.

use super::{
    Change, EndpointFigures, EndpointHistory, Figures, Latency, Map, MapEdge, MapNode, Novelty, Point,
    ServiceFigures,
};
use crate::{EndpointId, LatencyBucket};
use overhear_exchange::{Direction, ErrorType, Timestamp};
use overhear_model::{Count, Ending, Histogram, Names, Slot, Tally};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

/// Counts of each endpoint over one stretch of time.
pub type ByEndpoint = BTreeMap<Arc<EndpointId>, Tally>;

/// Counts of each endpoint step by step.
pub type Steps = BTreeMap<Arc<EndpointId>, BTreeMap<Slot, Tally>>;

/// What figures are made of: counts of a window, of what it is compared with, and step by step.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The key of the model they were counted by.
    pub key: u64,
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
    /// Names that are one: callers are told by those of their services.
    pub names: Names,
}

impl Counts {
    /// A row per endpoint that was called in either time.
    pub fn endpoints(&self) -> Vec<EndpointFigures> {
        let earlier = self.before.iter().flat_map(|(before, _)| before.keys());
        let ids: BTreeSet<&Arc<EndpointId>> = self.now.keys().chain(earlier).collect();
        ids.into_iter().map(|id| self.endpoint(id)).collect()
    }

    /// One endpoint.
    pub fn endpoint(&self, id: &Arc<EndpointId>) -> EndpointFigures {
        EndpointFigures {
            id: (**id).clone(),
            now: figures(self.now.get(id), self.seconds),
            before: self.before.as_ref().map(|(before, seconds)| figures(before.get(id), *seconds)),
            points: self.steps.get(id).map_or_else(Vec::new, |steps| self.points(steps)),
        }
    }

    /// A row per service, of what it answers; services that only ask have one without calls.
    pub fn services(&self) -> Vec<ServiceFigures> {
        let earlier = self.before.iter().flat_map(|(before, _)| before.keys());
        let names: BTreeSet<&Arc<str>> = self.now.keys().chain(earlier).map(|id| &id.service).collect();
        names.into_iter().map(|name| self.service(name)).collect()
    }

    fn service(&self, name: &Arc<str>) -> ServiceFigures {
        let mine = |id: &EndpointId| id.service == *name && id.way.direction() == Direction::Inbound;
        let of = |all: &ByEndpoint, seconds| {
            figures(all.iter().filter(|(id, _)| mine(id)).map(|(_, t)| t), seconds)
        };
        let mut steps = BTreeMap::<Slot, Tally>::new();
        for (slot, tally) in self.steps.iter().filter(|(id, _)| mine(id)).flat_map(|(_, steps)| steps) {
            steps.entry(*slot).or_default().merge(self.key, tally);
        }
        ServiceFigures {
            name: Arc::clone(name),
            endpoints: self.now.keys().filter(|id| mine(id)).count() as u64,
            now: of(&self.now, self.seconds),
            before: self.before.as_ref().map(|(before, seconds)| of(before, *seconds)),
            points: self.points(&steps),
        }
    }

    fn points(&self, steps: &BTreeMap<Slot, Tally>) -> Vec<Point> {
        let point =
            |(slot, tally): (&Slot, &Tally)| Point { at: slot.start(), figures: figures([tally], self.step) };
        steps.iter().map(point).collect()
    }

    /// One endpoint in depth.
    pub fn history(&self, id: &Arc<EndpointId>) -> EndpointHistory {
        let empty = Tally::default();
        let now = self.now.get(id).unwrap_or(&empty);
        let before =
            self.before.as_ref().map(|(before, seconds)| (before.get(id).unwrap_or(&empty), *seconds));
        let heat = self.steps.get(id).into_iter().flatten();
        EndpointHistory {
            figures: self.endpoint(id),
            heat: heat.map(|(slot, tally)| (slot.start(), buckets(tally))).collect(),
            statuses: statuses(now, before.map(|(tally, _)| tally)),
            errors: errors(now),
            callers: callers(now, self.seconds, before),
        }
    }

    /// Who calls whom.
    pub fn map(&self) -> Map {
        let now = edges(&self.now, &self.names);
        let before =
            self.before.as_ref().map(|(before, seconds)| (edges(before, &self.names), *seconds));
        let outside: BTreeSet<&str> = self.now.keys().filter_map(|id| id.way.server()).collect();
        let names: BTreeSet<&Arc<str>> = now.keys().flat_map(|(from, to)| [from, to]).collect();
        let node = |name: &Arc<str>| MapNode {
            name: Arc::clone(name),
            is_external: outside.contains(&**name) || name.parse::<IpAddr>().is_ok(),
        };
        let edge = |(ends, cells): (&Ends, &Vec<Cell<'_>>)| MapEdge {
            from: Arc::clone(&ends.0),
            to: Arc::clone(&ends.1),
            now: sum(cells.iter().copied(), self.seconds),
            before: before
                .as_ref()
                .map(|(before, seconds)| sum(before.get(ends).into_iter().flatten().copied(), *seconds)),
        };
        Map { nodes: names.into_iter().map(node).collect(), edges: now.iter().map(edge).collect() }
    }

    /// What is in [`Self::steps`] and was not `known` before, newest first. `first_seen` says when an endpoint was.
    pub fn changes(
        &self,
        known: &ByEndpoint,
        first_seen: &dyn Fn(&EndpointId) -> Option<Timestamp>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (id, steps) in &self.steps {
            let Some(first) = steps.keys().next() else { continue };
            let endpoint = (**id).clone();
            match known.get(id) {
                None => changes.push(Change {
                    at: first_seen(id).unwrap_or_else(|| first.start()).max(first.start()),
                    endpoint,
                    what: Novelty::Endpoint,
                }),
                Some(known) => news(known, steps, &mut |slot, what| {
                    changes.push(Change { at: slot.start(), endpoint: endpoint.clone(), what });
                }),
            }
        }
        changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.endpoint.cmp(&b.endpoint)));
        changes
    }
}

/// How calls ended, and how many.
type Cell<'a> = (Ending, &'a Count);
/// Who calls, and who is called.
type Ends = (Arc<str>, Arc<str>);

/// What some calls come to.
fn figures<'a>(tallies: impl IntoIterator<Item = &'a Tally>, seconds: f64) -> Figures {
    let cells = tallies.into_iter().flat_map(Tally::cells);
    sum(cells.map(|(_, ending, count)| (ending, count)), seconds)
}

fn sum<'a>(cells: impl Iterator<Item = Cell<'a>>, seconds: f64) -> Figures {
    let mut all = Figures { seconds, ..Figures::default() };
    let mut latency = Histogram::default();
    for (ending, count) in cells {
        all.requests += count.requests;
        all.bytes_in = all.bytes_in.saturating_add(count.bytes_in);
        all.bytes_out = all.bytes_out.saturating_add(count.bytes_out);
        all.errors += if ending.error.is_some() { count.requests } else { 0 };
        all.errors_hidden += if ending.hidden_error { count.requests } else { 0 };
        latency.merge(&count.latency);
    }
    all.latency = percentiles(&latency);
    all
}

fn percentiles(latency: &Histogram) -> Option<Latency> {
    let at = |q| latency.percentile(q);
    Some(Latency { p50: at(0.5)?, p90: at(0.9)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
}

fn buckets(tally: &Tally) -> Vec<LatencyBucket> {
    let mut latency = Histogram::default();
    tally.cells().for_each(|(.., count)| latency.merge(&count.latency));
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
    fn of<'a>(tally: &'a Tally, name: &'a str) -> impl Iterator<Item = Cell<'a>> {
        tally.cells().filter(move |(caller, ..)| ***caller == *name).map(|(_, ending, count)| (ending, count))
    }
    let earlier = before.iter().flat_map(|(tally, _)| tally.cells());
    let names: BTreeSet<&Arc<str>> = now.cells().chain(earlier).map(|(caller, ..)| caller).collect();
    let row = |name: &Arc<str>| {
        let before = before.map(|(tally, seconds)| sum(of(tally, name), seconds));
        (Arc::clone(name), sum(of(now, name), seconds), before)
    };
    let mut rows: Vec<_> = names.into_iter().map(row).collect();
    rows.sort_by_key(|(_, now, _)| std::cmp::Reverse(now.requests));
    rows
}

fn edges<'a>(all: &'a ByEndpoint, names: &Names) -> BTreeMap<Ends, Vec<Cell<'a>>> {
    let mut edges = BTreeMap::<Ends, Vec<Cell<'_>>>::new();
    for (id, tally) in all {
        for (caller, ending, count) in tally.cells() {
            let ends = match id.way.server() {
                Some(server) => (Arc::clone(&id.service), Arc::from(server)),
                None => (Arc::clone(names.get(caller).unwrap_or(caller)), Arc::clone(&id.service)),
            };
            edges.entry(ends).or_default().push((ending, count));
        }
    }
    edges
}

/// Statuses and callers that an endpoint had not had before.
fn news(known: &Tally, steps: &BTreeMap<Slot, Tally>, tell: &mut dyn FnMut(Slot, Novelty)) {
    let mut statuses: BTreeSet<Option<u16>> = known.cells().map(|(_, ending, _)| ending.status).collect();
    let mut callers: BTreeSet<&Arc<str>> = known.cells().map(|(caller, ..)| caller).collect();
    for (slot, tally) in steps {
        for (caller, ending, _) in tally.cells() {
            if statuses.insert(ending.status) {
                tell(*slot, Novelty::Status(ending.status));
            }
            if callers.insert(caller) {
                tell(*slot, Novelty::Caller(Arc::clone(caller)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
