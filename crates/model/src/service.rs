use crate::{
    Endpoint, EndpointId, Hints, OTHER,
    route::{build::View, segment::Segment, view::Routes},
    tree::{BothBounds, Part, Tree, place::Place},
    verb::Verb,
};
use overhear_exchange::Direction;
use rustc_hash::FxHashMap;
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// What one service answered and asked.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    inbound: Way,
    outbound: Way,
}

/// One direction of a service.
#[derive(Clone, Debug, Default)]
struct Way {
    tree: Tree,
    live: Live,
}

/// The text of a verb, and the endpoint it makes at a node.
type Named = (Box<str>, Arc<EndpointId>);

/// The routes as they were last decided, so that each exchange gets its name at once.
#[derive(Clone, Debug, Default)]
struct Live {
    routes: Routes,
    /// By node, with the text of the verb.
    ids: FxHashMap<usize, Vec<Named>>,
    other: Option<Arc<EndpointId>>,
    /// Exchanges learned…
    learned: u64,
    /// …and how many of them make the routes worth another look.
    next: u64,
}

impl Service {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self { name, inbound: Way::default(), outbound: Way::default() }
    }

    pub(crate) fn trees(&self) -> [(Direction, &Tree); 2] {
        [(Direction::Inbound, &self.inbound.tree), (Direction::Outbound, &self.outbound.tree)]
    }

    pub(crate) fn tree(&self, direction: Direction) -> &Tree {
        match direction {
            Direction::Inbound => &self.inbound.tree,
            Direction::Outbound => &self.outbound.tree,
        }
    }

    pub(crate) fn tree_mut(&mut self, direction: Direction) -> &mut Tree {
        &mut self.way(direction).tree
    }

    /// The endpoint of a call that was just learned, by the routes as they are known now.
    pub(crate) fn identify(&mut self, call: &Call<'_>, hints: &Hints) -> Arc<EndpointId> {
        let name = Arc::clone(&self.name);
        let Way { tree, live } = self.way(call.direction);
        live.learned += 1;
        if live.learned > live.next {
            live.settle(tree, hints);
        }
        let found = match (call.part, call.segments) {
            _ if call.lost => None,
            (Part::Odd, [form, ..]) => Some(live.routes.find_or_add_odd(form)),
            (_, segments) => live.routes.find_or_add(segments),
        };
        let id = |text: &str, route: &str| Arc::new(identity(&name, call.direction, text, route));
        let Some((at, node)) = found.and_then(|at| Some((at, live.routes.node(at)?))) else {
            return Arc::clone(live.other.get_or_insert_with(|| id(OTHER, OTHER)));
        };
        let ids = live.ids.entry(at).or_default();
        match ids.iter().find(|(verb, _)| &**verb == call.verb) {
            Some((_, known)) => Arc::clone(known),
            None => {
                let new = id(call.verb, &node.route);
                ids.push((call.verb.into(), Arc::clone(&new)));
                new
            }
        }
    }

    /// Decides the routes anew.
    pub(crate) fn settle(&mut self, hints: &Hints) {
        for way in [&mut self.inbound, &mut self.outbound] {
            way.live.settle(&way.tree, hints);
        }
    }

    /// By the routes that were decided last.
    pub(crate) fn route_of(
        &self,
        direction: Direction,
        part: Part,
        segments: &[Segment<'_>],
    ) -> Option<Arc<str>> {
        let way = match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        };
        let routes = &way.live.routes;
        let at = match (part, segments) {
            (Part::Odd, [form, ..]) => routes.find_odd(form),
            (_, segments) => routes.find(segments),
        };
        routes.node(at?).map(|node| Arc::clone(&node.route))
    }

    /// The routes are to be decided anew.
    pub(crate) fn forget_routes(&mut self) {
        self.inbound.live = Live::default();
        self.outbound.live = Live::default();
    }

    pub(crate) fn merge(&mut self, bounds: &mut BothBounds, more: &Self) {
        self.inbound.tree.merge(bounds, &more.inbound.tree);
        self.outbound.tree.merge(bounds, &more.outbound.tree);
        self.forget_routes();
    }

    /// Adds all of a service to what is beyond the bounds of this one.
    pub(crate) fn fold(&mut self, key: u64, more: &Self) {
        self.inbound.tree.fold(key, &more.inbound.tree);
        self.outbound.tree.fold(key, &more.outbound.tree);
    }

    fn way(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }
}

impl Live {
    fn settle(&mut self, tree: &Tree, hints: &Hints) {
        self.next = self.learned + self.learned / 4;
        self.routes = View::of(tree, hints).routes;
        self.ids.clear();
    }
}

impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.trees() == other.trees()
    }
}

/// A call that was learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) direction: Direction,
    pub(crate) part: Part,
    pub(crate) segments: &'a [Segment<'a>],
    pub(crate) verb: &'a str,
    /// It is beyond the bounds.
    pub(crate) lost: bool,
}

/// An endpoint, its node in the routes (none for [`OTHER`]), and what is known of it.
pub(crate) type Found<'a> = (EndpointId, Option<usize>, Cow<'a, Endpoint>);

/// The endpoints of one direction, in no particular order.
pub(crate) fn endpoints<'a>(
    key: u64,
    service: &'a Service,
    direction: Direction,
    view: &View<'a>,
) -> Vec<Found<'a>> {
    let id = |text: &str, route: &str| identity(&service.name, direction, text, route);
    let mut sums: BTreeMap<(usize, &str), Cow<'a, Endpoint>> = BTreeMap::new();
    for (at, place) in &view.places {
        add(key, sums.entry((*at, &*place.method)), place);
    }
    let mut all: Vec<Found<'a>> = sums
        .into_iter()
        .filter_map(|((at, method), sum)| Some((id(method, &view.routes.node(at)?.route), Some(at), sum)))
        .collect();
    let other = service.tree(direction).other.as_deref();
    let mut beyond = other.map(Cow::Borrowed);
    for node in &view.beyond {
        node.total(key, beyond.get_or_insert_default().to_mut());
    }
    all.extend(beyond.filter(|sum| sum.requests > 0).map(|sum| (id(OTHER, OTHER), None, sum)));
    all
}

fn add<'a, K: Ord>(
    key: u64,
    entry: std::collections::btree_map::Entry<'_, K, Cow<'a, Endpoint>>,
    place: &'a Place,
) {
    entry
        .and_modify(|sum| sum.to_mut().merge(key, &place.endpoint))
        .or_insert(Cow::Borrowed(&place.endpoint));
}

/// The name of an endpoint: `text` is that of its [`Verb`].
fn identity(service: &Arc<str>, direction: Direction, text: &str, route: &str) -> EndpointId {
    let verb = Verb::parse(text);
    EndpointId {
        service: Arc::clone(service),
        direction,
        protocol: verb.protocol(),
        method: verb.method.into(),
        route: verb.route(route).into(),
    }
}
