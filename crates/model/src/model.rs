use crate::{
    Bodies, Described, Descriptors, Endpoint, EndpointId, Hints, OTHER, Surface, Way,
    bounded::{Bounded, rank},
    descriptors,
    endpoint::Outcome,
    open::Open,
    route::{
        build::View,
        procedure,
        segment::{Segment, Segments, segments},
    },
    server,
    service::{Branch, Call, Found, Service, endpoints},
    shape::{self, Effort},
    tally::Slot,
    tree::{BothBounds, Bounds, Part, Path, Tree, shape::Answer},
    verb::Verb,
};
use overhear_exchange::{Address, Detail, Direction, ErrorType, Exchange, Http, Timestamp};
use std::{borrow::Cow, collections::BTreeMap, fmt::Write, sync::Arc};

/// How much is kept apart; the rest is counted by the class of its texts, or under [`OTHER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Services…
    pub services: usize,
    /// …and the servers that each of them asks.
    pub servers: usize,
    /// Words that follow one place of a path and stay apart…
    pub words: usize,
    /// …and how many of them, a sample, once there were more.
    pub sampled: usize,
    /// The same for values of one class (integers, UUIDs, …); once there were more only the class is kept.
    pub values: usize,
    /// Places of paths, and methods of these, that were served…
    pub served: usize,
    /// …and that were asked for and not served (redirects, 4xx, no answer).
    pub unserved: usize,
}

impl Default for Limits {
    /// About 150 MB when every one is used up, and 64 KB more for each server whose answers name thousands of things; a
    /// twentieth of that for the largest real host.
    fn default() -> Self {
        Self {
            services: 128,
            servers: 32,
            words: 512,
            sampled: 64,
            values: 4,
            served: 32_768,
            unserved: 4_096,
        }
    }
}

impl Limits {
    fn bounds(self, key: u64) -> BothBounds {
        let served =
            Bounds { key, words: self.words, sampled: self.sampled, values: self.values, room: self.served };
        let unserved = Bounds {
            words: self.words.div_ceil(4),
            sampled: self.sampled.div_ceil(4),
            room: self.unserved,
            ..served
        };
        BothBounds { served, unserved }
    }
}

/// What was learned. See the crate's documentation for what it promises.
#[derive(Clone, Debug)]
pub struct Model {
    key: u64,
    limits: Limits,
    bounds: BothBounds,
    services: Bounded<Service>,
    other: Service,
    hints: Hints,
    /// What servers were heard to say of their own messages.
    pub(crate) descriptors: Descriptors,
    /// Counts are also kept by time.
    pub(crate) records_times: bool,
    open: Open,
    scratch: Scratch,
}

/// What one exchange was counted as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The endpoint, or [`OTHER`].
    pub id: Arc<EndpointId>,
    /// Why it counts as an error, where it does.
    pub error: Option<ErrorType>,
    /// The answer says 2xx and its body says error.
    pub hidden_error: bool,
}

/// Reused between exchanges, so that a known endpoint costs no allocation.
#[derive(Clone, Debug, Default)]
struct Scratch {
    caller: String,
    /// Scheme and authority.
    server: String,
    /// The name of the server, where it is asked by the service.
    asked: String,
    /// Where the service answers, if it is not known by its process.
    at: String,
    answer: Answer,
    shapes: shape::Scratch,
}

/// What was said in one call, and room to learn it in.
struct Said<'a> {
    call: shape::Call<'a>,
    scratch: &'a mut shape::Scratch,
}

impl Model {
    /// An empty model. `key` decides, with the names, what is kept beyond the bounds: models that merge share one.
    pub fn new(key: u64) -> Self {
        Self::with_limits(key, Limits::default())
    }

    /// An empty model with bounds of its own.
    pub fn with_limits(key: u64, limits: Limits) -> Self {
        Self {
            key,
            limits,
            bounds: limits.bounds(key),
            services: Bounded::new(limits.services),
            other: Service::new(OTHER.into(), 0),
            hints: Hints::default(),
            descriptors: Descriptors::default(),
            records_times: false,
            open: Open::default(),
            scratch: Scratch::default(),
        }
    }

    /// Learns an exchange, all of it. Bodies that are content-encoded are not read; whoever has decoded them says so with
    /// [`Self::learn_decoded`].
    pub fn learn(&mut self, exchange: &Exchange) -> Learned {
        let Detail::Http(http) = &exchange.detail;
        self.learn_decoded(exchange, Bodies::of(http), Effort::Whole)
    }

    /// Learns an exchange, given its bodies without content coding. `effort` is about its shape alone: routes, counts and
    /// times are learned of every exchange.
    pub fn learn_decoded(&mut self, exchange: &Exchange, bodies: Bodies<'_>, effort: Effort) -> Learned {
        let response_body = bodies.response.map_or(&[][..], |body| body.bytes);
        let mut scratch = std::mem::take(&mut self.scratch);
        let Detail::Http(http) = &exchange.detail;
        descriptors::learn(&mut self.descriptors, exchange.time, http, response_body);
        scratch.fill(exchange);
        let call = shape::Call::new(http, bodies.request, bodies.response);
        let said = shape::Call { effort, at: exchange.time, ..call };
        let answered = scratch.read(self.key, &said);
        let error = exchange.error.or(http.status.filter(|s| *s >= 500).map(ErrorType::Status));
        let outcome = Outcome {
            status: http.status,
            error,
            hidden_error: hides_error(http, response_body, &scratch.shapes),
            bytes_in: http.request_body.size,
            bytes_out: http.response_body.size,
            caller: caller(exchange).unwrap_or(&scratch.caller),
            server: &scratch.server,
            slot: self.records_times.then(|| Slot::of(ended(exchange))),
        };
        let (part, segments) = self.target(http);
        let path = Path::new(&segments, &scratch.answer.ids);
        let verb = Verb::of(http);
        let verb = verb.text();
        let learnt = Said { call: said, scratch: &mut scratch.shapes };
        let way = way(exchange.direction, &scratch.asked);
        let lost = self.count(
            (exchange, way, &scratch.at),
            &outcome,
            (part, &path, &verb),
            (answered.then_some(&scratch.answer), learnt),
        );
        let call = Call { way, part, segments: &segments, verb: &verb, lost };
        let name = shorten(&exchange.service);
        let id = match self.services.get_mut(name) {
            Some(service) => service.identify(&call, &self.hints),
            None => self.other.identify(&Call { lost: true, ..call }, &self.hints),
        };
        let hidden_error = outcome.hidden_error;
        self.scratch = scratch;
        Learned { id, error, hidden_error }
    }

    /// Learns what is new of a stream that goes on: its messages, and that there is such an endpoint. Everything else is
    /// learned when it is over.
    pub fn learn_underway(&mut self, exchange: &Exchange, effort: Effort) -> Arc<EndpointId> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let Detail::Http(http) = &exchange.detail;
        scratch.fill(exchange);
        let call = shape::Call { effort, at: exchange.time, ..shape::Call::new(http, None, None) };
        let (part, segments) = self.target(http);
        let path = Path::new(&segments, &[]);
        let verb = Verb::of(http);
        let verb = verb.text();
        let way = way(exchange.direction, &scratch.asked);
        let again = self.open.was_told(exchange);
        let key = self.key;
        let beyond = self.make_service(shorten(&exchange.service));
        let Self { services, other, bounds, .. } = self;
        let service = services.get_mut(shorten(&exchange.service)).unwrap_or(other);
        let beyond = service.make_way(bounds, way) || beyond;
        let tree = &mut service.branch_mut(way).tree;
        let place = if beyond { None } else { tree.place_of(bounds, (part, &path, &verb), again) };
        let lost = place.is_none();
        if let Some(place) = place {
            place.endpoint.see(exchange.time, exchange.time);
            let hour = self.records_times.then(|| Slot::of(exchange.time).hour());
            place.endpoint.shapes.learn_messages(key, &call, hour, &mut scratch.shapes);
        }
        let call = Call { way, part, segments: &segments, verb: &verb, lost };
        let id = match self.services.get_mut(shorten(&exchange.service)) {
            Some(service) => service.identify(&call, &self.hints),
            None => self.other.identify(&Call { lost: true, ..call }, &self.hints),
        };
        self.scratch = scratch;
        id
    }

    /// Counts an exchange where it belongs; true when that is beyond the bounds.
    fn count(
        &mut self,
        (exchange, way, at): (&Exchange, Way<&str>, &str),
        outcome: &Outcome<'_>,
        (part, path, verb): (Part, &Path<'_, '_>, &str),
        (answer, said): (Option<&Answer>, Said<'_>),
    ) -> bool {
        let again = self.open.ends(exchange);
        let key = self.key;
        let beyond = self.make_service(shorten(&exchange.service));
        let Self { services, other, bounds, .. } = self;
        let service = services.get_mut(shorten(&exchange.service)).unwrap_or(other);
        if !beyond && !at.is_empty() {
            service.answers_at(key, at);
        }
        let beyond = service.make_way(bounds, way) || beyond;
        let tree = &mut service.branch_mut(way).tree;
        for id in answer.map(|answer| &answer.ids).into_iter().flatten().filter(|_| !beyond) {
            tree.ids.add(*id, 1);
        }
        let place = if beyond { None } else { tree.place_of(bounds, (part, path, verb), again) };
        match place {
            Some(place) => {
                place.endpoint.learn(key, exchange, *outcome);
                let hour = outcome.slot.map(Slot::hour);
                place.endpoint.shapes.learn_read(key, &said.call, hour, said.scratch);
                if let Some(answer) = answer {
                    place.shape.learn(answer);
                }
                false
            }
            None => {
                tree.other_mut().learn(key, exchange, *outcome);
                true
            }
        }
    }

    /// A stream is over that was told of with [`Self::learn_underway`], and is not to be learned.
    pub fn forget_underway(&mut self, exchange: &Exchange) {
        self.open.ends(exchange);
    }

    /// Adds all of another model. Beyond the bounds the sum is exact only when both have the same key.
    pub fn merge(&mut self, other: &Self) {
        let mut services: Vec<_> = other.services.iter().collect();
        services.sort_unstable_by_key(|(name, _)| *name);
        for (name, service) in services {
            if self.make_service(name) {
                self.other.fold(self.key, service);
            } else if let Some(mine) = self.services.get_mut(name) {
                mine.merge(&mut self.bounds, service);
            }
        }
        self.other.fold(self.key, &other.other);
        self.descriptors.merge(&other.descriptors);
    }

    /// Decides the routes anew from all that was learned, for [`Self::route_of`] and for what is learned from now on.
    pub fn settle(&mut self) {
        let hints = &self.hints;
        self.services.values_mut().for_each(|service| service.settle(hints));
    }

    /// The route of an exchange by the routes that were decided last; absent when none is like it.
    pub fn route_of(&self, exchange: &Exchange) -> Option<Arc<str>> {
        let Detail::Http(http) = &exchange.detail;
        let (part, segments) = self.target(http);
        let asked = server::server_asked(exchange);
        let way = asked.as_deref().map_or(Way::Inbound, Way::Outbound);
        self.services.get(shorten(&exchange.service))?.route_of(way, part, &segments)
    }

    /// What a person or a document says of routes: it holds for what was learned already as well. No part of the sum:
    /// it is neither merged nor saved.
    pub fn set_hints(&mut self, hints: Hints) {
        self.hints = hints;
        self.services.values_mut().for_each(Service::forget_routes);
    }

    /// Every endpoint, by service, way, route and method, with [`OTHER`] where something was beyond the bounds.
    pub fn endpoints(&self) -> Vec<(Arc<EndpointId>, Cow<'_, Endpoint>)> {
        let found = self.branches().flat_map(|(service, branch)| {
            let found = endpoints(self.key, &[&branch.tree], &self.view(&[&branch.tree]));
            found.into_iter().map(|found| (Arc::new(found.id(&service.name, &branch.way)), found.endpoint))
        });
        let mut all: Vec<_> = found.collect();
        all.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        all
    }

    /// Those of [`Self::endpoints`] whose messages may hold something new since then, and their neighbours.
    pub fn endpoints_with_news(&self, since: Timestamp) -> Vec<(Arc<EndpointId>, Cow<'_, Endpoint>)> {
        let found = self.branches().filter(|(_, branch)| branch.tree.may_have_news(since));
        let found = found.flat_map(|(service, branch)| {
            let found = endpoints(self.key, &[&branch.tree], &self.view(&[&branch.tree]));
            found.into_iter().map(|found| (Arc::new(found.id(&service.name, &branch.way)), found.endpoint))
        });
        found.collect()
    }

    /// One endpoint.
    pub fn endpoint(&self, id: &EndpointId) -> Option<Cow<'_, Endpoint>> {
        self.find(id).map(|(found, _)| found.endpoint)
    }

    /// The endpoints that a call of this path belongs to, of every service and method.
    pub fn endpoints_of(&self, path: &str) -> Vec<Arc<EndpointId>> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let segments = segments(self.key, path);
        let mut all = Vec::new();
        for (service, branch) in self.branches() {
            let view = self.view(&[&branch.tree]);
            let Some(at) = view.routes.find(&segments) else { continue };
            let found = endpoints(self.key, &[&branch.tree], &view).into_iter();
            let found = found.filter(|found| found.node == Some(at));
            all.extend(found.map(|found| Arc::new(found.id(&service.name, &branch.way))));
        }
        all.sort_unstable();
        all
    }

    /// One endpoint with how its route was decided.
    pub fn describe(&self, id: &EndpointId) -> Option<Described<'_>> {
        self.find(id).map(|(found, view)| Described::new(found, &view))
    }

    /// Every API with its endpoints, as far as they are chosen: what each service answers, then what is asked of each
    /// server. The routes of a server are decided from the calls of all that ask it; whoever has no endpoint that is
    /// chosen does not count.
    pub fn surfaces(&self, chosen: &dyn Fn(&EndpointId) -> bool) -> Vec<Surface<'_>> {
        let mut together = BTreeMap::<_, Vec<_>>::new();
        for (service, branch) in self.branches() {
            let answers = (branch.way == Way::Inbound).then_some(&service.name);
            together.entry((&branch.way, answers)).or_default().push((service, branch));
        }
        together.into_iter().map(|((way, _), branches)| self.surface(way, branches, chosen)).collect()
    }

    fn surface<'m>(
        &'m self,
        way: &Way,
        mut branches: Vec<(&'m Service, &'m Branch)>,
        chosen: &dyn Fn(&EndpointId) -> bool,
    ) -> Surface<'m> {
        if branches.len() > 1 {
            branches.retain(|(service, branch)| {
                let found = endpoints(self.key, &[&branch.tree], &self.view(&[&branch.tree]));
                found.iter().any(|found| chosen(&found.id(&service.name, way)))
            });
        }
        let mut services: Vec<_> = branches.iter().map(|(service, _)| Arc::clone(&service.name)).collect();
        services.sort_unstable();
        let trees: Vec<&Tree> = branches.iter().map(|(_, branch)| &branch.tree).collect();
        let view = self.view(&trees);
        let mut found = endpoints(self.key, &trees, &view);
        found.retain(|found| services.iter().any(|service| chosen(&found.id(service, way))));
        let mut endpoints: Vec<_> = found.into_iter().map(|found| Described::new(found, &view)).collect();
        endpoints.sort_by(|a, b| (&a.route, &a.method, a.protocol).cmp(&(&b.route, &b.method, b.protocol)));
        Surface { way: way.clone(), services, endpoints }
    }

    /// Exchanges learned.
    pub fn requests(&self) -> u64 {
        self.branches().map(|(_, branch)| branch.tree.requests()).sum()
    }

    pub(crate) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// What is known of names in protocol buffers.
    pub fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    /// The key given to [`Self::new`].
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The services within the bounds, in no particular order, then [`OTHER`].
    pub(crate) fn all_services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|(_, service)| service).chain([&self.other])
    }

    /// Every tree, with whose it is.
    pub(crate) fn trees_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &Way, &mut Tree)> {
        self.services.values_mut().chain([&mut self.other]).flat_map(Service::trees_mut)
    }

    pub(crate) fn branches(&self) -> impl Iterator<Item = (&Service, &Branch)> {
        self.all_services().flat_map(|service| service.branches().map(move |branch| (service, branch)))
    }

    pub(crate) fn view<'m>(&self, trees: &[&'m Tree]) -> View<'m> {
        View::of(trees, &self.hints)
    }

    fn find(&self, id: &EndpointId) -> Option<(Found<'_>, View<'_>)> {
        let service = self.all_services().find(|service| service.name == id.service)?;
        let trees = [&service.branch(id.way.as_deref())?.tree];
        let view = self.view(&trees);
        let mut found = endpoints(self.key, &trees, &view).into_iter();
        Some((found.find(|found| found.id(&service.name, &id.way) == *id)?, view))
    }

    /// Makes a service that is counted apart; true when it is beyond the bounds.
    pub(crate) fn make_service(&mut self, name: &str) -> bool {
        if name == OTHER {
            return true;
        }
        if self.services.contains(name) {
            return false;
        }
        let rank = rank(self.key, name);
        if !self.services.admits(rank, name) {
            return true;
        }
        let name: Arc<str> = name.into();
        if let Some((_, evicted)) =
            self.services.insert(rank, Arc::clone(&name), Service::new(name, self.limits.servers))
        {
            self.other.fold(self.key, &evicted);
            evicted.branches().for_each(|branch| branch.tree.release(&mut self.bounds));
        }
        false
    }

    /// Whether a service of this name is counted apart.
    pub(crate) fn knows_service(&self, name: &str) -> bool {
        self.services.contains(name)
    }

    /// Where all services that are not counted apart are.
    pub(crate) fn service_mut(&mut self, name: &str) -> Option<(&mut Service, &mut BothBounds)> {
        let service = if name == OTHER { Some(&mut self.other) } else { self.services.get_mut(name) };
        Some((service?, &mut self.bounds))
    }

    /// Whether the target is a path, and its segments.
    fn target<'a>(&self, http: &'a Http) -> (Part, Segments<'a>) {
        let form = match (http.endpoint_method().as_str(), &*http.path) {
            ("CONNECT", _) => "{authority}",
            (_, path) if path.starts_with("{?") => "{unknown}",
            (_, "*") => "*",
            (_, path) if path.is_empty() || path.starts_with('/') => match procedure(http) {
                // Methods are named by whoever wrote the service: what looks like a value is none.
                Some(name) => name,
                None => return (Part::of(http), segments(self.key, path)),
            },
            _ => "{target}",
        };
        (Part::Odd, [Segment::word(self.key, form)].into_iter().collect())
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new(0)
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.services == other.services && self.other == other.other
    }
}

impl Scratch {
    /// Reads the response, once for routes and shapes; true where it tells something of routes.
    fn read(&mut self, key: u64, call: &shape::Call<'_>) -> bool {
        self.answer.clear();
        self.shapes.read_response(call.response_headers.get("content-type"), call.response_body);
        let source = call.response_body.map_or(&[][..], |body| body.bytes);
        let members = self.shapes.response_members(key, source);
        let members = members.filter(|_| matches!(call.status, Some(200..=299)));
        members.map(|members| self.answer.read(key, members)).is_some()
    }

    fn fill(&mut self, exchange: &Exchange) {
        self.caller.clear();
        self.server.clear();
        self.asked.clear();
        self.at.clear();
        match (exchange.direction, &exchange.server.process) {
            (Direction::Outbound, _) => server::write_name(exchange, &mut self.asked),
            (Direction::Inbound, None) => server::write_address(exchange, &mut self.at),
            (Direction::Inbound, Some(_)) => {}
        }
        let Detail::Http(http) = &exchange.detail;
        // Writing to a String does not fail.
        let _ = match (&http.authority, &exchange.server.address) {
            (Some(authority), _) => write!(self.server, "{}://{authority}", http.scheme.as_str()),
            (None, Address::Ip(address)) => write!(self.server, "{}://{address}", http.scheme.as_str()),
            (None, _) => Ok(()),
        };
        if let Address::Ip(address) = &exchange.client.address {
            // Writing to a String does not fail.
            let _ = write!(self.caller, "{}", address.ip());
        }
    }
}

/// When the answer was there, or the request where none came.
fn ended(exchange: &Exchange) -> Timestamp {
    let duration =
        exchange.duration.map_or(0, |duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    Timestamp::from_nanos(exchange.time.as_nanos().saturating_add(duration))
}

fn way(direction: Direction, asked: &str) -> Way<&str> {
    match direction {
        Direction::Inbound => Way::Inbound,
        Direction::Outbound => Way::Outbound(asked),
    }
}

fn order(id: &EndpointId) -> impl Ord + '_ {
    (&id.service, &id.way, &id.route, &id.method, id.protocol)
}

/// Longest name of a service, server or caller, in bytes.
const MAX_NAME: usize = 128;

pub(crate) fn shorten(name: &str) -> &str {
    let end = (0..=MAX_NAME.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}

/// A name for the caller that needs no formatting; an IP address does.
fn caller(exchange: &Exchange) -> Option<&str> {
    if let Some(process) = &exchange.client.process {
        return Some(shorten(&process.service));
    }
    match &exchange.client.address {
        Address::Ip(_) => None,
        Address::Unix(Some(path)) => Some(shorten(path)),
        Address::Unix(None) => Some("unix"),
        Address::Name(host, _) => Some(shorten(host)),
        Address::Unknown => Some("unknown"),
    }
}

fn hides_error(http: &Http, body: &[u8], read: &shape::Scratch) -> bool {
    let is_json = |value: &[u8]| memchr::memmem::find(value, b"json").is_some();
    matches!(http.status, Some(200..=299))
        && read.response_says_error(body)
        && http.response_headers.get("content-type").is_none_or(is_json)
}

mod join;
#[cfg(test)]
pub(crate) mod tests;

pub use join::Names;
