//! Counts that only ever grow, for those who ask again and again and look at the difference (`/metrics`).

use crate::EndpointId;
use overhear_exchange::{ErrorType, Timestamp};
use overhear_model::{Count, Counted, Ending, OTHER, RouteIndex, Series, Way};
use std::{collections::HashMap, sync::Arc};

/// The calls of one endpoint that ended alike, since listening began.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The endpoint; with method and route [`OTHER`] for what was beyond the bounds.
    pub id: EndpointId,
    /// Response status, or its class beyond the bounds; none without a response.
    pub status: Option<u16>,
    /// Why they count as errors, where they do.
    pub error: Option<ErrorType>,
    /// How many. Those without a complete response have no latency.
    pub count: Count,
    /// Of those: answers that say 2xx and whose body says error.
    pub errors_hidden: u64,
    /// When the first was counted, to ten seconds.
    pub since: Timestamp,
}

/// How often it is asked before what no route is known of is told of as [`OTHER`]: counts may be ahead of the routes.
const PATIENCE: u32 = 20;

/// Adds up what a model counted by time ([`overhear_model::Model::take_counted`]).
///
/// What it tells of an endpoint never becomes less. So a call stays with the route that was known when it was first told
/// of: when `/users/42` turns out to be one of `/users/{userId}`, the count of the former stops and that of the latter
/// goes on. The sum over all is the number of calls; those of which no route is known yet are told of a little later.
///
/// It tells of at most [`Bounds::told`] endings of endpoints apart. Those who came first stay; what follows is counted as
/// [`OTHER`] of its service, at most as many again, and then as [`OTHER`] of no service.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    bounds: Bounds,
    /// Not yet told of, so that its routes are decided as late as they can be.
    waiting: HashMap<(Series, Ending), Waits>,
    told: HashMap<(EndpointId, Told), Sum>,
}

/// How much an [`Accumulator`] keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Endpoints by status and error. Each is 21 lines of Prometheus' text.
    pub told: usize,
    /// Endings of series since it was last asked.
    pub waiting: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { told: 2_000, waiting: 32_768 }
    }
}

/// What is told apart of an ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Told {
    status: Option<u16>,
    error: Option<ErrorType>,
}

/// What has not been told of an endpoint.
#[derive(Clone, Debug)]
struct Waits {
    sum: Sum,
    /// How often it was asked for while no route was like it.
    asked: u32,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    count: Count,
    errors_hidden: u64,
    since: Option<Timestamp>,
}

impl Accumulator {
    /// An empty one with bounds of its own.
    pub fn with_bounds(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// Adds what was counted since the last time, in any order.
    pub fn add<'a>(&mut self, counted: impl IntoIterator<Item = &'a Counted>) {
        for one in counted {
            for (_, ending, count) in one.tally.cells() {
                let more = Sum {
                    count: count.clone(),
                    errors_hidden: if ending.hidden_error { count.requests } else { 0 },
                    since: Some(one.slot.start()),
                };
                self.wait(&one.series, ending, &more);
            }
        }
    }

    fn wait(&mut self, series: &Series, ending: Ending, more: &Sum) {
        // The key of a map is owned; a series is a few shared texts.
        let key = (series.clone(), ending);
        let has_room = self.waiting.len() < self.bounds.waiting;
        match self.waiting.get_mut(&key) {
            Some(waits) => waits.sum.merge(more),
            None if has_room => {
                self.waiting.insert(key, Waits { sum: more.clone(), asked: 0 });
            }
            None => self.tell(other(&series.service, &series.way), Told::of(ending), more),
        }
    }

    /// All there is so far, by endpoint, status and error. `routes` are those that hold now.
    pub fn metrics(&mut self, routes: &RouteIndex) -> Vec<Metric> {
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        // Who comes first stays: that must not depend on a hash.
        waiting.sort_unstable_by(|((a, x), _), ((b, y), _)| (a, x).cmp(&(b, y)));
        for ((series, ending), mut waits) in waiting {
            match routes.found(&series) {
                Some(id) => self.tell(id, Told::of(ending), &waits.sum),
                None if waits.asked < PATIENCE => {
                    waits.asked += 1;
                    self.waiting.insert((series, ending), waits);
                }
                None => self.tell(other(&series.service, &series.way), Told::of(ending), &waits.sum),
            }
        }
        let mut metrics: Vec<_> = self.told.iter().map(|((id, told), sum)| sum.metric(id, *told)).collect();
        metrics.sort_unstable_by(|a, b| (&a.id, a.status, a.error).cmp(&(&b.id, b.status, b.error)));
        metrics
    }

    fn tell(&mut self, id: EndpointId, told: Told, more: &Sum) {
        let bound = self.bounds.told;
        let places = [
            (id.clone(), told, bound),
            (other(&id.service, &id.way), told.coarse(), bound.saturating_mul(2)),
        ];
        for (id, told, most) in places {
            let has_room = self.told.len() < most;
            match self.told.get_mut(&(id.clone(), told)) {
                Some(sum) => return sum.merge(more),
                None if has_room => {
                    self.told.insert((id, told), more.clone());
                    return;
                }
                None => {}
            }
        }
        let way = id.way.server().map_or(Way::Inbound, |_| Way::Outbound(OTHER.into()));
        self.told.entry((other(&OTHER.into(), &way), told.coarse())).or_default().merge(more);
    }
}

impl Sum {
    fn merge(&mut self, more: &Self) {
        self.count.merge(&more.count);
        self.errors_hidden = self.errors_hidden.saturating_add(more.errors_hidden);
        self.since = self.since.into_iter().chain(more.since).min();
    }

    fn metric(&self, id: &EndpointId, told: Told) -> Metric {
        Metric {
            id: id.clone(),
            status: told.status,
            error: told.error,
            count: self.count.clone(),
            errors_hidden: self.errors_hidden,
            since: self.since.unwrap_or_default(),
        }
    }
}

impl Told {
    fn of(ending: Ending) -> Self {
        Self { status: ending.status, error: ending.error }
    }

    /// No more than the class of its status: statuses come from strangers.
    fn coarse(self) -> Self {
        let Ending { status, error, .. } =
            Ending { status: self.status, error: self.error, hidden_error: false }.coarse();
        Self { status, error }
    }
}

/// Where calls of a service are counted that are not kept apart.
fn other(service: &Arc<str>, way: &Way) -> EndpointId {
    EndpointId {
        service: Arc::clone(service),
        way: way.clone(),
        protocol: "http",
        method: OTHER.into(),
        route: OTHER.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Accumulator, Bounds, Metric, PATIENCE};
    use crate::sample;
    use overhear_exchange::ErrorType;
    use overhear_model::{Model, OTHER};
    use std::collections::HashMap;

    fn model() -> Model {
        let mut model = Model::new(1);
        model.record_times();
        model
    }

    fn call(model: &mut Model, path: &str, status: u16) {
        model.learn(&sample::exchange("GET", path, Some(status)));
    }

    fn requests(metrics: &[Metric]) -> u64 {
        metrics.iter().map(|metric| metric.count.requests).sum()
    }

    #[test]
    fn calls_that_end_alike_are_counted_together() {
        let (mut model, mut sums) = (model(), Accumulator::default());
        for status in [200, 500, 200] {
            call(&mut model, "/orders", status);
            sums.add(&model.take_counted());
        }
        let metrics = sums.metrics(&model.route_index());
        let told: Vec<_> = metrics.iter().map(|m| (m.status, m.error, m.count.requests)).collect();
        assert_eq!(told, [(Some(200), None, 2), (Some(500), Some(ErrorType::Status(500)), 1)]);
        assert_eq!(metrics[0].count.latency.count(), 2);
        assert_eq!(metrics[0].since.as_nanos() / 10_000_000_000, sample::TIME / 10_000_000_000);
    }

    const WORDS: [&str; 24] = [
        "spring", "summer", "autumn", "winter", "rain", "snow", "wind", "cloud", "river", "lake", "forest",
        "hill", "valley", "desert", "ocean", "island", "meadow", "garden", "bridge", "castle", "harbour",
        "village", "market", "station",
    ];

    /// While routes are found, split and renamed, nothing that was told becomes less and nothing is lost.
    #[test]
    fn what_was_told_never_becomes_less() {
        let (mut model, mut sums) = (model(), Accumulator::default());
        let mut before = HashMap::new();
        let mut routes = std::collections::BTreeSet::new();
        for n in 0..400_u32 {
            let path = match n % 7 {
                0 => "/users/me".to_owned(),
                1 => format!("/users/{n}/orders"),
                _ => format!("/posts/{}", WORDS[n as usize / 3 % WORDS.len()]),
            };
            call(&mut model, &path, if n % 11 == 0 { 503 } else { 200 });
            sums.add(&model.take_counted());
            if n % 13 != 0 {
                continue;
            }
            let metrics = sums.metrics(&model.route_index());
            assert_eq!(requests(&metrics), u64::from(n) + 1);
            let mut now = HashMap::new();
            for metric in metrics {
                routes.insert(metric.id.route.clone());
                now.insert((metric.id.clone(), metric.status, metric.error), metric.count);
            }
            for (key, count) in &before {
                let more: &overhear_model::Count = &now[key];
                let less: &overhear_model::Count = count;
                assert!(more.requests >= less.requests, "{key:?}");
                assert!(more.latency.sum() >= less.latency.sum(), "{key:?}");
            }
            before = now;
        }
        let last: std::collections::BTreeSet<_> =
            model.endpoints().iter().map(|(id, _)| id.route.clone()).collect();
        assert!(routes.iter().any(|route| !last.contains(route)), "no route changed on the way: {routes:?}");
    }

    #[test]
    fn what_is_counted_before_its_route_is_known_waits_for_it() {
        let (mut model, empty) = (model(), model().route_index());
        call(&mut model, "/orders", 200);
        let counted = model.take_counted();
        let mut sums = Accumulator::default();
        sums.add(&counted);
        assert_eq!(requests(&sums.metrics(&empty)), 0);
        let metrics = sums.metrics(&model.route_index());
        assert_eq!((requests(&metrics), &*metrics[0].id.route), (1, "/orders"));
        // What never gets one is told all the same.
        let mut sums = Accumulator::default();
        sums.add(&counted);
        let told = (0..=PATIENCE).map(|_| sums.metrics(&empty)).last().unwrap();
        assert_eq!((requests(&told), &*told[0].id.route), (1, OTHER));
    }

    #[test]
    fn a_crowd_is_bounded_and_nothing_is_lost() {
        for bounds in [Bounds { told: 4, waiting: 1_000 }, Bounds { told: 4, waiting: 5 }] {
            let (mut model, mut sums) = (model(), Accumulator::with_bounds(bounds));
            let mut calls = 0;
            for service in 0..20 {
                for (path, status) in [("/a", 200), ("/b", 201), ("/b", 404), ("/c", 503), ("/d", 599)] {
                    let mut exchange = sample::exchange("GET", path, Some(status));
                    exchange.service = format!("s{service}").into();
                    model.learn(&exchange);
                    model.learn(&sample::asked(exchange, &format!("s{service}"), &format!("h{path}.test")));
                    calls += 2;
                }
                sums.add(&model.take_counted());
            }
            let metrics = sums.metrics(&model.route_index());
            assert_eq!(requests(&metrics), calls);
            assert!(metrics.len() <= 2 * 4 + 2 * 4, "{}", metrics.len());
            assert!(metrics.iter().any(|metric| &*metric.id.service == OTHER && &*metric.id.route == OTHER));
        }
    }
}
