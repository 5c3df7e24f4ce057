use crate::{
    Callers, Calls, Endpoint, EndpointId, Hints, OTHER, Way,
    bounded::{Bounded, rank},
    route::{build::View, segment::Segment, view::Routes},
    tree::{BothBounds, Part, Tree, place::Place},
    verb::Verb,
};
use rustc_hash::FxHashMap;
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// What one service answered, and what it asked of each server.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    /// Where it answers, for those that are known by the names they are asked for and not by their processes.
    pub(crate) addresses: Callers,
    inbound: Branch,
    outbound: Bounded<Branch>,
    /// What was asked of the servers that are beyond the bounds.
    elsewhere: Branch,
}

/// What went one way.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) way: Way,
    pub(crate) tree: Tree,
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
    /// At most so many servers that it asks are told apart.
    pub(crate) fn new(name: Arc<str>, servers: usize) -> Self {
        Self {
            name,
            addresses: Callers::default(),
            inbound: Branch::new(Way::Inbound),
            outbound: Bounded::new(servers),
            elsewhere: Branch::new(Way::Outbound(OTHER.into())),
        }
    }

    /// All of it, in no particular order.
    pub(crate) fn branches(&self) -> impl Iterator<Item = &Branch> {
        [&self.inbound, &self.elsewhere].into_iter().chain(self.outbound.iter().map(|(_, branch)| branch))
    }

    /// What went this way, if that is counted apart.
    pub(crate) fn branch(&self, way: Way<&str>) -> Option<&Branch> {
        match way {
            Way::Inbound => Some(&self.inbound),
            Way::Outbound(OTHER) => Some(&self.elsewhere),
            Way::Outbound(server) => self.outbound.get(server),
        }
    }

    /// Where to count what goes this way.
    pub(crate) fn branch_mut(&mut self, way: Way<&str>) -> &mut Branch {
        match way {
            Way::Inbound => &mut self.inbound,
            Way::Outbound(server) => self.outbound.get_mut(server).unwrap_or(&mut self.elsewhere),
        }
    }

    /// It answers a call here.
    pub(crate) fn answers_at(&mut self, key: u64, address: &str) {
        self.addresses.add(key, address, Calls { requests: 1, errors: 0 });
    }

    /// Makes a way that is counted apart; true when it is beyond the bounds.
    pub(crate) fn make_way(&mut self, bounds: &mut BothBounds, way: Way<&str>) -> bool {
        let Way::Outbound(server) = way else { return false };
        if server == OTHER {
            return true;
        }
        if self.outbound.contains(server) {
            return false;
        }
        let rank = rank(bounds.served.key, server);
        if !self.outbound.admits(rank, server) {
            return true;
        }
        let name: Arc<str> = server.into();
        let branch = Branch::new(Way::Outbound(Arc::clone(&name)));
        if let Some((_, evicted)) = self.outbound.insert(rank, name, branch) {
            self.elsewhere.tree.fold(bounds.served.key, &evicted.tree);
            self.elsewhere.live = Live::default();
            evicted.tree.release(bounds);
        }
        false
    }

    /// The endpoint of a call that was just learned, by the routes as they are known now.
    pub(crate) fn identify(&mut self, call: &Call<'_>, hints: &Hints) -> Arc<EndpointId> {
        let name = Arc::clone(&self.name);
        let Branch { way, tree, live } = self.branch_mut(call.way);
        live.learned += 1;
        if live.learned > live.next {
            live.settle(tree, hints);
        }
        let found = match (call.part, call.segments) {
            _ if call.lost => None,
            (Part::Odd, [form, ..]) => Some(live.routes.find_or_add_odd(form)),
            (_, segments) => live.routes.find_or_add(segments),
        };
        let id = |text: &str, route: &str| Arc::new(identity(&name, way, text, route));
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
        for branch in self.branches_mut() {
            branch.live.settle(&branch.tree, hints);
        }
    }

    /// By the routes that were decided last.
    pub(crate) fn route_of(&self, way: Way<&str>, part: Part, segments: &[Segment<'_>]) -> Option<Arc<str>> {
        let routes = &self.branch(way)?.live.routes;
        let at = match (part, segments) {
            (Part::Odd, [form, ..]) => routes.find_odd(form),
            (_, segments) => routes.find(segments),
        };
        routes.node(at?).map(|node| Arc::clone(&node.route))
    }

    /// The routes are to be decided anew.
    pub(crate) fn forget_routes(&mut self) {
        self.branches_mut().for_each(|branch| branch.live = Live::default());
    }

    pub(crate) fn merge(&mut self, bounds: &mut BothBounds, more: &Self) {
        self.merge_as(bounds, more, &Way::clone);
    }

    /// Adds all of another service, what it asks as it is called here.
    pub(crate) fn merge_as(&mut self, bounds: &mut BothBounds, more: &Self, called: &dyn Fn(&Way) -> Way) {
        self.addresses.merge(bounds.served.key, &more.addresses);
        let mut branches: Vec<_> = more.branches().collect();
        branches.sort_unstable_by_key(|branch| &branch.way);
        for branch in branches {
            self.merge_tree(bounds, called(&branch.way).as_deref(), &branch.tree);
        }
        self.forget_routes();
    }

    /// Adds what went one way; true when that is beyond the bounds.
    pub(crate) fn merge_tree(&mut self, bounds: &mut BothBounds, way: Way<&str>, tree: &Tree) -> bool {
        let beyond = self.make_way(bounds, way);
        let mine = &mut self.branch_mut(way).tree;
        if beyond {
            mine.fold(bounds.served.key, tree);
        } else {
            mine.merge(bounds, tree);
        }
        beyond
    }

    /// Adds all of a service to what is beyond the bounds of this one.
    pub(crate) fn fold(&mut self, key: u64, more: &Self) {
        for branch in more.branches() {
            self.branch_mut(branch.way.as_deref()).tree.fold(key, &branch.tree);
        }
    }

    /// Its trees, each with its own name and the way it goes.
    pub(crate) fn trees_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &Way, &mut Tree)> {
        let Self { name, inbound, elsewhere, outbound, .. } = self;
        let branches = [inbound, elsewhere].into_iter().chain(outbound.values_mut());
        branches.map(|branch| (&*name, &branch.way, &mut branch.tree))
    }

    fn branches_mut(&mut self) -> impl Iterator<Item = &mut Branch> {
        [&mut self.inbound, &mut self.elsewhere].into_iter().chain(self.outbound.values_mut())
    }
}

impl Branch {
    fn new(way: Way) -> Self {
        Self { way, tree: Tree::default(), live: Live::default() }
    }
}

impl Live {
    fn settle(&mut self, tree: &Tree, hints: &Hints) {
        self.next = self.learned + self.learned / 4;
        self.routes = View::of(&[tree], hints).routes;
        self.ids.clear();
    }
}

impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.addresses == other.addresses
            && self.inbound == other.inbound
            && self.outbound == other.outbound
            && self.elsewhere == other.elsewhere
    }
}

impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        self.way == other.way && self.tree == other.tree
    }
}

/// A call that was learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) way: Way<&'a str>,
    pub(crate) part: Part,
    pub(crate) segments: &'a [Segment<'a>],
    pub(crate) verb: &'a str,
    /// It is beyond the bounds.
    pub(crate) lost: bool,
}

/// What is called at one route, and what is known of it.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The text of its [`Verb`].
    verb: Cow<'a, str>,
    route: Arc<str>,
    /// Its node in the routes; none for [`OTHER`].
    pub(crate) node: Option<usize>,
    pub(crate) endpoint: Cow<'a, Endpoint>,
}

impl Found<'_> {
    /// Protocol, method and route.
    pub(crate) fn name(&self) -> (&'static str, Arc<str>, Arc<str>) {
        name(&self.verb, &self.route)
    }

    /// The endpoint that it is of this service.
    pub(crate) fn id(&self, service: &Arc<str>, way: &Way) -> EndpointId {
        identity(service, way, &self.verb, &self.route)
    }
}

/// The endpoints of the trees that a view was decided from, in no particular order.
pub(crate) fn endpoints<'a>(key: u64, trees: &[&'a Tree], view: &View<'a>) -> Vec<Found<'a>> {
    let mut sums = Sums::new();
    for (at, place) in &view.places {
        add(key, sums.entry((*at, &*place.method)), place);
    }
    let mut beyond = beyond(key, trees, view);
    if trees.iter().any(|tree| tree.only.is_some()) {
        (sums, beyond) = only(key, trees, view, &sums);
    }
    let found = |((at, verb), endpoint): ((usize, &'a str), _)| {
        let route = Arc::clone(&view.routes.node(at)?.route);
        Some(Found { verb: verb.into(), route, node: Some(at), endpoint })
    };
    let mut all: Vec<Found<'a>> = sums.into_iter().filter_map(found).collect();
    all.extend(beyond.map(|endpoint| Found {
        verb: OTHER.into(),
        route: OTHER.into(),
        node: None,
        endpoint,
    }));
    all
}

/// Endpoints by node and text of the verb.
type Sums<'a> = BTreeMap<(usize, &'a str), Cow<'a, Endpoint>>;

/// The calls that are meant instead of all, and those of them that belong to no route. Where they were asked is what it
/// was for all.
fn only<'a>(
    key: u64,
    trees: &[&'a Tree],
    view: &View<'a>,
    all: &Sums<'a>,
) -> (Sums<'a>, Option<Cow<'a, Endpoint>>) {
    let (mut sums, mut beyond) = (Sums::new(), None);
    let only = || trees.iter().filter_map(|tree| tree.only.as_ref());
    for (place, endpoint) in only().flat_map(|only| &only.calls) {
        let found = place.as_ref().and_then(|place| Some((place.node(&view.routes)?, &*place.verb)));
        let sum = match found {
            Some(name) => sums.entry(name).or_default(),
            None => beyond.get_or_insert_default(),
        };
        sum.to_mut().merge(key, endpoint);
    }
    // What calls looked like is known by the hour, so that there may be more of it than of calls.
    sums.retain(|_, sum| sum.requests > 0);
    let shaped_as_all = only().any(|only| only.shaped_as_all);
    for (name, sum) in &mut sums {
        let Some(all) = all.get(name) else { continue };
        let sum = sum.to_mut();
        sum.servers.clone_from(&all.servers);
        if shaped_as_all {
            sum.shapes.clone_from(&all.shapes);
        }
    }
    beyond = beyond.filter(|sum: &Cow<'_, Endpoint>| sum.requests > 0);
    (sums, beyond)
}

/// What belongs to no route, if anything does.
fn beyond<'a>(key: u64, trees: &[&'a Tree], view: &View<'a>) -> Option<Cow<'a, Endpoint>> {
    let mut beyond: Option<Cow<'a, Endpoint>> = None;
    for other in trees.iter().filter_map(|tree| tree.other.as_deref()) {
        match &mut beyond {
            Some(sum) => sum.to_mut().merge(key, other),
            None => beyond = Some(Cow::Borrowed(other)),
        }
    }
    for node in &view.beyond {
        node.total(key, beyond.get_or_insert_default().to_mut());
    }
    beyond.filter(|sum| sum.requests > 0)
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
pub(crate) fn identity(service: &Arc<str>, way: &Way, text: &str, route: &str) -> EndpointId {
    let (protocol, method, route) = name(text, route);
    EndpointId { service: Arc::clone(service), way: way.clone(), protocol, method, route }
}

fn name(text: &str, route: &str) -> (&'static str, Arc<str>, Arc<str>) {
    let verb = Verb::parse(text);
    (verb.protocol(), verb.method.into(), verb.route(route).into())
}
