use crate::{
    Bodies, Endpoint, EndpointId, OTHER,
    bounded::{Bounded, rank},
    endpoint::Outcome,
    hidden,
    route::write_template,
    service::{Entry, Name, Service, Tier},
    shape::{self, Call, Effort},
};
use overhear_exchange::{Address, Detail, ErrorType, Exchange, Http};
use std::{borrow::Cow, collections::BTreeMap, fmt::Write, sync::Arc};

/// `network.protocol.name` of HTTP.
pub(crate) const HTTP: &str = "http";

/// How much is kept apart; the rest is counted under [`OTHER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Services.
    pub services: usize,
    /// Endpoints per service that were served.
    pub endpoints: usize,
    /// Endpoints per service that were asked for and not served (redirects, 4xx, no answer).
    pub unserved: usize,
}

impl Default for Limits {
    /// About 150 MB when every one is used up, and a twentieth of that for the largest real host.
    fn default() -> Self {
        Self { services: 128, endpoints: 1_500, unserved: 400 }
    }
}

/// What was learned. See the crate's documentation for what it promises.
#[derive(Clone, Debug)]
pub struct Model {
    key: u64,
    limits: Limits,
    services: Bounded<Service>,
    other: Service,
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
    route: String,
    name: String,
    caller: String,
    server: String,
    shapes: shape::Scratch,
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
            services: Bounded::new(limits.services),
            other: Service::new(OTHER.into(), 0, 0),
            scratch: Scratch::default(),
        }
    }

    /// Learns an exchange, all of it. Bodies that are content-encoded are not read; whoever has decoded them says so with
    /// [`Self::learn_decoded`].
    pub fn learn(&mut self, exchange: &Exchange) -> Learned {
        let Detail::Http(http) = &exchange.detail;
        self.learn_decoded(exchange, Bodies::of(http), Effort::Whole)
    }

    /// Learns an exchange, given its bodies without content coding.
    pub fn learn_decoded(&mut self, exchange: &Exchange, bodies: Bodies<'_>, effort: Effort) -> Learned {
        let mut scratch = std::mem::take(&mut self.scratch);
        let Detail::Http(http) = &exchange.detail;
        scratch.fill(exchange, http);
        let name = Name {
            direction: exchange.direction,
            protocol: HTTP,
            method: method(http),
            route: &scratch.route,
        };
        let error = exchange.error.or(http.status.filter(|s| *s >= 500).map(ErrorType::Status));
        let outcome = Outcome {
            status: http.status,
            error,
            hidden_error: hides_error(http, bodies.response.map(|body| body.bytes)),
            bytes_in: http.request_body.size,
            bytes_out: http.response_body.size,
            caller: caller(exchange).unwrap_or(&scratch.caller),
            server: &scratch.server,
        };
        let key = self.key;
        let service = self.service_mut(shorten(&exchange.service));
        let entry = service.entry(key, Tier::of(http.status), name, &scratch.name);
        entry.endpoint.learn(key, exchange, outcome);
        let call = Call { effort, ..Call::new(http, bodies.request, bodies.response) };
        entry.endpoint.shapes.learn(key, &call, &mut scratch.shapes);
        let learned = Learned { id: Arc::clone(&entry.id), error, hidden_error: outcome.hidden_error };
        self.scratch = scratch;
        learned
    }

    /// Adds all of another model. Beyond the bounds the sum is exact only when both have the same key.
    pub fn merge(&mut self, other: &Self) {
        let key = self.key;
        for (name, service) in other.services.iter() {
            self.service_mut(name).merge(key, service);
        }
        self.other.merge(key, &other.other);
    }

    /// Every endpoint, by service, route and method, with [`OTHER`] where something was beyond the bounds.
    pub fn endpoints(&self) -> Vec<(Arc<EndpointId>, Cow<'_, Endpoint>)> {
        let mut all = BTreeMap::<_, (Arc<EndpointId>, Cow<'_, Endpoint>)>::new();
        for entry in self.all_services().flat_map(entries) {
            let id = &entry.id;
            all.entry((&id.service, &id.route, &id.method, id.direction, id.protocol))
                .and_modify(|(_, sum)| sum.to_mut().merge(self.key, &entry.endpoint))
                .or_insert_with(|| (Arc::clone(id), Cow::Borrowed(&entry.endpoint)));
        }
        all.into_values().collect()
    }

    /// One endpoint.
    pub fn endpoint(&self, id: &EndpointId) -> Option<Cow<'_, Endpoint>> {
        let service = self.all_services().find(|s| s.name == id.service)?;
        if &*id.route == OTHER {
            let other = service.others().find(|e| e.id.direction == id.direction)?;
            return Some(Cow::Borrowed(&other.endpoint));
        }
        let mut text = String::new();
        let name =
            Name { direction: id.direction, protocol: id.protocol, method: &id.method, route: &id.route };
        name.write(&mut text);
        let mut parts = Tier::ALL.into_iter().filter_map(|tier| service.get(tier, &text));
        let mut sum = Cow::Borrowed(&parts.next()?.endpoint);
        for entry in parts {
            sum.to_mut().merge(self.key, &entry.endpoint);
        }
        Some(sum)
    }

    /// Exchanges learned.
    pub fn requests(&self) -> u64 {
        self.all_services().flat_map(entries).map(|entry| entry.endpoint.requests).sum()
    }

    /// The key given to [`Self::new`].
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The services within the bounds, in no particular order, then [`OTHER`].
    pub(crate) fn all_services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|(_, service)| service).chain([&self.other])
    }

    /// Where a service is counted.
    pub(crate) fn service_mut(&mut self, name: &str) -> &mut Service {
        if name == OTHER {
            return &mut self.other;
        }
        if !self.services.contains(name) {
            let rank = rank(self.key, name);
            if !self.services.admits(rank, name) {
                return &mut self.other;
            }
            let name: Arc<str> = name.into();
            let service = Service::new(Arc::clone(&name), self.limits.endpoints, self.limits.unserved);
            if let Some((_, evicted)) = self.services.insert(rank, name, service) {
                self.other.merge(self.key, &evicted);
            }
        }
        match self.services.get_mut(name) {
            Some(service) => service,
            None => &mut self.other,
        }
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
    fn fill(&mut self, exchange: &Exchange, http: &Http) {
        self.route.clear();
        self.name.clear();
        self.caller.clear();
        self.server.clear();
        // Writing to a String does not fail.
        let _ = match (&http.authority, &exchange.server.address) {
            (Some(authority), _) => write!(self.server, "{}://{authority}", http.scheme.as_str()),
            (None, Address::Ip(address)) => write!(self.server, "{}://{address}", http.scheme.as_str()),
            (None, _) => Ok(()),
        };
        match (method(http), &*http.path) {
            ("CONNECT", _) => self.route.push_str("{authority}"),
            (_, path) => write_template(path, &mut self.route),
        }
        let name =
            Name { direction: exchange.direction, protocol: HTTP, method: method(http), route: &self.route };
        name.write(&mut self.name);
        if let Address::Ip(address) = &exchange.client.address {
            // Writing to a String does not fail.
            let _ = write!(self.caller, "{}", address.ip());
        }
    }
}

fn entries(service: &Service) -> impl Iterator<Item = &Entry> {
    service.entries().map(|(_, entry)| entry).chain(service.others())
}

/// Longest name of a service or caller, in bytes.
const MAX_NAME: usize = 128;

fn shorten(name: &str) -> &str {
    let end = (0..=MAX_NAME.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}

/// The token, or [`OTHER`] for one that no method is like.
fn method(http: &Http) -> &str {
    let token = http.method.as_str();
    let usual =
        token.len() <= 24 && token.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'));
    if usual && !token.is_empty() { token } else { OTHER }
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

fn hides_error(http: &Http, body: Option<&[u8]>) -> bool {
    let is_json = |value: &[u8]| memchr::memmem::find(value, b"json").is_some();
    matches!(http.status, Some(200..=299))
        && body.is_some_and(|body| !body.is_empty())
        && http.response_headers.get("content-type").is_none_or(is_json)
        && body.is_some_and(hidden::says_error)
}

#[cfg(test)]
mod tests;
