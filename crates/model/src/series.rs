//! What is counted by time, and which endpoint it belongs to: a series is kept under the finest key there is, and finds
//! its route when it is asked for. So a route that is found, said or split later holds for the past as well.

use crate::{
    EndpointId, Model, OTHER, Way,
    route::{
        view::Routes,
        word::{Look, Word},
    },
    service::identity,
    tally::{Slot, Tally},
    tree::{Part, Tree, node::Node},
};
use serde::{Deserialize, Serialize};
use std::{
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
struct At {
    /// The target is no path.
    odd: bool,
    steps: Vec<Step>,
    /// The text of its verb.
    verb: Arc<str>,
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

/// Endpoints by series, by the routes as they were known when it was made.
#[derive(Debug, Default)]
pub struct RouteIndex {
    routes: HashMap<(Arc<str>, Way), Routes>,
}

impl RouteIndex {
    /// The endpoint that a series is part of; that of [`OTHER`] when no route is like it.
    pub fn endpoint(&self, series: &Series) -> EndpointId {
        let found = series.place.as_ref().and_then(|place| {
            // The key of the map is owned on both sides; questions are asked once per series.
            let routes = self.routes.get(&(Arc::clone(&series.service), series.way.clone()))?;
            let at = match (place.odd, place.steps.as_slice()) {
                (true, [form, ..]) => routes.odd(form.hash?),
                (_, steps) => routes.follow(steps),
            };
            Some((&*place.verb, &*routes.node(at?)?.route))
        });
        let (verb, route) = found.unwrap_or((OTHER, OTHER));
        identity(&series.service, &series.way, verb, route)
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
        for (service, way, tree) in self.trees_mut() {
            let mut take = |place: Option<At>, counted: Vec<(Slot, Tally)>| {
                if !counted.is_empty() {
                    let series = Series { service: Arc::clone(service), way: way.clone(), place };
                    all.entry(series).or_default().extend(counted);
                }
            };
            drain_tree(tree, &mut take);
        }
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

    /// Which endpoint each series is part of, by what is known now.
    pub fn route_index(&self) -> RouteIndex {
        let routes = self.branches().map(|(service, branch)| {
            let routes = self.view(&[&branch.tree]).routes;
            ((Arc::clone(&service.name), branch.way.clone()), routes)
        });
        RouteIndex { routes: routes.collect() }
    }
}

type Take<'a> = dyn FnMut(Option<At>, Vec<(Slot, Tally)>) + 'a;

fn drain_tree(tree: &mut Tree, take: &mut Take<'_>) {
    if let Some(other) = &mut tree.other {
        take(None, other.recent.take());
    }
    for part in Part::ALL {
        drain_node(tree.part_mut(part), part == Part::Odd, &mut Vec::new(), take);
    }
}

fn drain_node(node: &mut Node, odd: bool, steps: &mut Vec<Step>, take: &mut Take<'_>) {
    for place in &mut node.places {
        let counted = place.endpoint.recent.take();
        if !counted.is_empty() {
            take(Some(At { odd, steps: steps.clone(), verb: Arc::clone(&place.method) }), counted);
        }
    }
    for (hash, child) in &mut node.named {
        let is_empty = child.look == Look::Word(Word::Empty);
        steps.push(Step { hash: Some(*hash), is_empty, suffix: Arc::clone(&child.suffix) });
        drain_node(&mut child.node, odd, steps, take);
        steps.pop();
    }
    for folded in &mut node.folded {
        steps.push(Step { hash: None, is_empty: false, suffix: Arc::clone(&folded.suffix) });
        drain_node(&mut folded.node, odd, steps, take);
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
