//! What is counted by time, and which endpoint it belongs to: a series is kept under the finest key there is, and finds
//! its route when it is asked for. So a route that is found, said or split later holds for the past as well.

use crate::{
    Endpoint, EndpointId, Model, Names, OTHER, Way,
    route::{
        segment::segments,
        view::Routes,
        word::{Look, Word},
    },
    service::identity,
    shape::Shapes,
    tally::{Slot, Tally},
    tree::{Only, Part, Tree, node::Node, place::Place},
};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Calls of one service, one way, at one place of the tree of its paths, with one method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    /// `service.name`.
    pub service: Arc<str>,
    /// Answered by that service, or asked of which server.
    pub way: Way,
    /// Where; none for what is beyond the bounds.
    place: Option<At>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct At {
    /// The target is no path.
    odd: bool,
    steps: Vec<Step>,
    /// The text of its verb.
    pub(crate) verb: Arc<str>,
}

impl At {
    /// The route of it.
    pub(crate) fn node(&self, routes: &Routes) -> Option<usize> {
        match (self.odd, self.steps.as_slice()) {
            (true, [form, ..]) => routes.odd(form.hash?),
            (_, steps) => routes.follow(steps),
        }
    }
}

impl Series {
    /// The same where several names are one.
    pub fn called(&self, names: &Names) -> Cow<'_, Self> {
        let service = names.get(&self.service);
        let server = self.way.server().and_then(|server| names.get(server));
        if service.is_none() && server.is_none() {
            return Cow::Borrowed(self);
        }
        let way = server.map_or_else(|| self.way.clone(), |server| Way::Outbound(Arc::clone(server)));
        let service = Arc::clone(service.unwrap_or(&self.service));
        Cow::Owned(Self { service, way, place: self.place.clone() })
    }
}

/// A segment as far as it is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Keyed hash of its text, where that is kept apart from others of its class.
    pub(crate) hash: Option<u64>,
    /// The empty segment of a trailing slash: never the value of a parameter.
    pub(crate) is_empty: bool,
    /// What it ends in.
    pub(crate) suffix: Arc<str>,
}

impl Series {
    /// All calls of its service that go its way, whatever their paths: what the edges of a map are counted under.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { service: Arc::clone(&self.service), way: self.way.clone(), place: None }
    }
}

/// What was counted of a series within a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// Where it belongs.
    pub series: Series,
    /// When.
    pub slot: Slot,
    /// How much.
    pub tally: Tally,
}

/// What the calls of a series looked like that ended within one hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaped {
    /// Where it belongs.
    pub series: Series,
    /// The first slot of the hour.
    pub hour: Slot,
    /// What they looked like.
    pub shapes: Shapes,
}

/// Endpoints by series, by the routes as they were known when it was made.
#[derive(Debug, Default)]
pub struct RouteIndex {
    routes: HashMap<(Arc<str>, Way), Routes>,
    /// Names of series that are one.
    names: Names,
}

impl RouteIndex {
    /// The endpoint that a series is part of; that of [`OTHER`] when no route is like it.
    pub fn endpoint(&self, series: &Series) -> EndpointId {
        let series = series.called(&self.names);
        let (verb, route) = self.place(&series).unwrap_or((OTHER, OTHER));
        identity(&series.service, &series.way, verb, route)
    }

    /// The same; nothing when no route is like it, though it has a place.
    pub fn found(&self, series: &Series) -> Option<EndpointId> {
        let has_route = series.place.is_none() || self.place(&series.called(&self.names)).is_some();
        has_route.then(|| self.endpoint(series))
    }

    fn place<'a>(&'a self, series: &'a Series) -> Option<(&'a str, &'a str)> {
        let place = series.place.as_ref()?;
        // The key of the map is owned on both sides; questions are asked once per series.
        let routes = self.routes.get(&(Arc::clone(&series.service), series.way.clone()))?;
        Some((&*place.verb, &*routes.node(place.node(routes)?)?.route))
    }

    /// What an endpoint is today that was told of when no route was found yet, and its path stood for it. `key` is the
    /// model's.
    pub fn today(&self, key: u64, id: &Arc<EndpointId>) -> Arc<EndpointId> {
        let is_path = !id.route.contains(['{', '#']);
        let found = || {
            let routes = self.routes.get(&(Arc::clone(&id.service), id.way.clone()))?;
            let route = &routes.node(routes.find(&segments(key, &id.route))?)?.route;
            Some(Arc::new(EndpointId { route: Arc::from(&**route), ..EndpointId::clone(id) }))
        };
        is_path.then(found).flatten().unwrap_or_else(|| Arc::clone(id))
    }

    /// Of a model in which these names were joined: series that were counted before are those of the joined ones.
    #[must_use]
    pub fn joined(mut self, names: Names) -> Self {
        self.names = names;
        self
    }
}

impl Model {
    /// From now on counts are also kept by time, to be taken out with [`Self::take_counted`] before they grow large.
    pub fn record_times(&mut self) {
        self.records_times = true;
    }

    /// Takes out what was counted since this was last asked, in no particular order.
    pub fn take_counted(&mut self) -> Vec<Counted> {
        let mut all = BTreeMap::<Series, Vec<(Slot, Tally)>>::new();
        let key = self.key();
        self.each_series(&mut |endpoint, series| {
            let counted = endpoint.recent.take();
            if !counted.is_empty() {
                all.entry(series()).or_default().extend(counted);
            }
        });
        let mut counted: Vec<Counted> = Vec::new();
        for (series, tallies) in all {
            let mut sums = BTreeMap::<Slot, Tally>::new();
            tallies.iter().for_each(|(slot, tally)| sums.entry(*slot).or_default().merge(key, tally));
            counted.extend(sums.into_iter().map(|(slot, tally)| Counted {
                series: series.clone(),
                slot,
                tally,
            }));
        }
        counted
    }

    /// What calls looked like, by the hours in which they ended, of those that were learned since
    /// [`Self::close_shapes`]; where times are recorded. In no particular order.
    pub fn open_shapes(&mut self) -> Vec<Shaped> {
        let key = self.key();
        let mut all = BTreeMap::<(Series, Slot), Shapes>::new();
        self.each_series(&mut |endpoint, series| {
            for (hour, shapes) in endpoint.shapes.recent() {
                all.entry((series(), hour)).or_default().merge(key, &shapes);
            }
        });
        all.into_iter().map(|((series, hour), shapes)| Shaped { series, hour, shapes }).collect()
    }

    /// From now on other calls are told by [`Self::open_shapes`].
    pub fn close_shapes(&mut self) {
        let key = self.key();
        self.each_series(&mut |endpoint, _| endpoint.shapes.take_in(key));
    }

    /// What is asked is from now on told of these calls alone; routes are as all that was learned says, and shapes too
    /// where the calls have none of their own. No part of the sum: neither merged nor saved.
    pub fn tell_only(&mut self, calls: impl IntoIterator<Item = (Series, Endpoint)>, have_shapes: bool) {
        let none = || Only { calls: Vec::new(), shaped_as_all: !have_shapes };
        self.trees_mut().for_each(|(_, _, tree)| tree.only = Some(none()));
        for (series, endpoint) in calls {
            let name = if self.knows_service(&series.service) { &series.service } else { OTHER };
            if let Some((service, _)) = self.service_mut(name) {
                let tree = &mut service.branch_mut(series.way.as_deref()).tree;
                tree.only.get_or_insert_with(none).calls.push((series.place, endpoint));
            }
        }
    }

    fn each_series(&mut self, visit: &mut dyn FnMut(&mut Endpoint, &dyn Fn() -> Series)) {
        for (service, way, tree) in self.trees_mut() {
            let series = |place| Series { service: Arc::clone(service), way: way.clone(), place };
            each_place(tree, &mut |endpoint, place| visit(endpoint, &|| series(place())));
        }
    }

    /// Which endpoint each series is part of, by what is known now.
    pub fn route_index(&self) -> RouteIndex {
        let routes = self.branches().map(|(service, branch)| {
            let routes = self.view(&[&branch.tree]).routes;
            ((Arc::clone(&service.name), branch.way.clone()), routes)
        });
        RouteIndex { routes: routes.collect(), names: Names::new() }
    }
}

type Visit<'a> = dyn FnMut(&mut Endpoint, &dyn Fn() -> Option<At>) + 'a;

fn each_place(tree: &mut Tree, visit: &mut Visit<'_>) {
    if let Some(other) = &mut tree.other {
        visit(other, &|| None);
    }
    for part in Part::ALL {
        each_below(tree.part_mut(part), part == Part::Odd, &mut Vec::new(), visit);
    }
}

fn each_below(node: &mut Node, odd: bool, steps: &mut Vec<Step>, visit: &mut Visit<'_>) {
    for Place { endpoint, method, .. } in &mut node.places {
        visit(endpoint, &|| Some(At { odd, steps: steps.clone(), verb: Arc::clone(method) }));
    }
    for (hash, child) in &mut node.named {
        let is_empty = child.look == Look::Word(Word::Empty);
        steps.push(Step { hash: Some(*hash), is_empty, suffix: Arc::clone(&child.suffix) });
        each_below(&mut child.node, odd, steps, visit);
        steps.pop();
    }
    for folded in &mut node.folded {
        steps.push(Step { hash: None, is_empty: false, suffix: Arc::clone(&folded.suffix) });
        each_below(&mut folded.node, odd, steps, visit);
        steps.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::Counted;
    use crate::{Count, EndpointId, Model, model::tests::exchange};
    use overhear_exchange::Timestamp;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, time::Duration};

    fn by_endpoint(model: &Model, counted: &[Counted]) -> BTreeMap<EndpointId, Count> {
        let index = model.route_index();
        let mut sums = BTreeMap::<EndpointId, Count>::new();
        for one in counted {
            let sum = sums.entry(index.endpoint(&one.series)).or_default();
            one.tally.cells().for_each(|(.., count)| sum.merge(count));
        }
        sums
    }

    #[test]
    fn what_is_not_asked_for_is_not_kept() {
        let mut model = Model::new(1);
        model.learn(&exchange("GET", "/a", Some(200)));
        assert!(model.take_counted().is_empty());
    }

    #[test]
    fn a_call_counts_when_it_ended() {
        let mut model = Model::new(1);
        model.record_times();
        let mut call = exchange("GET", "/a", Some(200));
        call.time = Timestamp::from_nanos(1_714_557_609_900_000_000);
        call.duration = Some(Duration::from_millis(200));
        model.learn(&call);
        assert_eq!(model.take_counted().first().map(|counted| counted.slot.0), Some(171_455_761));
        assert!(model.take_counted().is_empty(), "it was taken out");
    }

    proptest! {
        /// Whatever was taken out early, under finer keys than are kept later, belongs where the routes of today say.
        #[test]
        fn all_that_was_counted_belongs_to_an_endpoint_of_today(
            paths in prop::collection::vec("/(users|orders|me)(/[0-9]{1,3}|/[a-z]{1,6}|/)?(/[a-z]{1,3}\\.json)?", 1..80),
            statuses in prop::collection::vec(prop::sample::select(vec![200, 404, 500]), 80),
            every in 1usize..40,
        ) {
            let mut model = Model::new(3);
            model.record_times();
            let mut counted = Vec::new();
            for (at, (path, status)) in paths.iter().zip(&statuses).enumerate() {
                model.learn(&exchange("GET", path, Some(*status)));
                if at % every == 0 {
                    counted.extend(model.take_counted());
                }
            }
            counted.extend(model.take_counted());
            let expected: BTreeMap<EndpointId, Count> = model.endpoints().into_iter().map(|(id, endpoint)| {
                let count = Count {
                    requests: endpoint.requests,
                    bytes_in: endpoint.bytes_in,
                    bytes_out: endpoint.bytes_out,
                    latency: endpoint.latency.clone(),
                };
                (id.as_ref().clone(), count)
            }).collect();
            prop_assert_eq!(by_endpoint(&model, &counted), expected);
        }
    }
}
