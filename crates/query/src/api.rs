//! What a service offers, as an API description needs it.

use crate::{EndpointId, Selection};
use overhear_exchange::{Direction, Timestamp};
use overhear_model::{
    Described, Model, OTHER, Surface, Way,
    shape::schema::{Operation, Procedure, Schema},
};
use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

/// The API of one service, or the part of somebody else's API that services use.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Whose it is.
    pub owner: Owner,
    /// Where it was asked: scheme and authority, most frequent first.
    pub servers: Vec<String>,
    /// By path and method.
    pub operations: Vec<ApiOperation>,
    /// Requests to paths that were never served (404 and the like), or beyond the bounds: in no operation.
    pub elsewhere: u64,
}

/// Whose API it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This observed service answers.
    Service(Arc<str>),
    /// A server that observed services ask.
    Server {
        /// As it is asked for: [`Way::Outbound`].
        name: Arc<str>,
        /// The services that ask, by name.
        callers: Vec<Arc<str>>,
    },
}

impl Owner {
    /// Who answers.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Service(name) | Self::Server { name, .. } => name,
        }
    }

    /// Whether the endpoint is of this API.
    pub fn has(&self, id: &EndpointId) -> bool {
        match (self, &id.way) {
            (Self::Service(name), Way::Inbound) => *name == id.service,
            (Self::Server { name, .. }, Way::Outbound(server)) => name == server,
            (Self::Service(_), Way::Outbound(_)) | (Self::Server { .. }, Way::Inbound) => false,
        }
    }

    /// Answered or asked by observed services.
    pub const fn direction(&self) -> Direction {
        match self {
            Self::Service(_) => Direction::Inbound,
            Self::Server { .. } => Direction::Outbound,
        }
    }
}

/// One endpoint with everything that is known of its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiOperation {
    /// Request method.
    pub method: Arc<str>,
    /// Route template with `{name}` placeholders.
    pub route: Arc<str>,
    /// Exchanges.
    pub requests: u64,
    /// Time of the first exchange.
    pub first_seen: Timestamp,
    /// Time of the last exchange.
    pub last_seen: Timestamp,
    /// How sure the route is, 0..=1.
    pub confidence: f64,
    /// The placeholders of the route, in its order.
    pub path: Vec<PathParameter>,
    /// Parameters, bodies, security.
    pub shape: Operation,
}

/// One placeholder of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct PathParameter {
    /// As it stands in the route, without braces.
    pub name: String,
    /// What its values look like.
    pub schema: Schema,
}

/// The APIs that were heard: one for each service that answered, by name, then one for each server that was asked, by
/// whomever.
pub fn apis(model: &Model, selection: &Selection) -> Vec<Api> {
    let surfaces = model.surfaces(&|id| selection.includes(id)).into_iter();
    surfaces.filter_map(api).filter(|api| !api.operations.is_empty()).collect()
}

fn api(surface: Surface<'_>) -> Option<Api> {
    let owner = owner(surface.way, surface.services)?;
    let mut api = Api { owner, servers: Vec::new(), operations: Vec::new(), elsewhere: 0 };
    let mut servers = BTreeMap::<&str, u64>::new();
    for described in &surface.endpoints {
        let endpoint = &described.endpoint;
        if is_operation(described) {
            for (server, calls) in endpoint.servers.iter().filter(|(server, _)| *server != OTHER) {
                *servers.entry(server).or_default() += calls.requests;
            }
            api.operations.push(operation(described));
        } else {
            api.elsewhere += endpoint.requests;
        }
    }
    let mut servers: Vec<_> = servers.into_iter().collect();
    servers.sort_by_key(|(server, calls)| (Reverse(*calls), *server));
    api.servers = servers.into_iter().map(|(server, _)| server.to_owned()).collect();
    Some(api)
}

fn owner(way: Way, services: Vec<Arc<str>>) -> Option<Owner> {
    Some(match way {
        Way::Inbound => Owner::Service(services.into_iter().next()?),
        Way::Outbound(name) => Owner::Server { name, callers: services },
    })
}

/// Somebody was served here; what only ever was not found is a stranger's guess.
fn is_operation(Described { protocol, method, route, endpoint, .. }: &Described<'_>) -> bool {
    if is_procedure(protocol) {
        return false;
    }
    let refused = |status: Option<u16>| matches!(status, Some(401 | 403 | 404 | 405 | 501) | None);
    &**route != OTHER && &**method != OTHER && !endpoint.statuses().all(|(status, _)| refused(status))
}

/// Remote procedures are described by other means.
fn is_procedure(protocol: &str) -> bool {
    matches!(protocol, "grpc" | "connectrpc")
}

/// One remote procedure with what is known of its messages.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiProcedure {
    /// `package.Service/Method`.
    pub name: Arc<str>,
    /// What it takes and gives.
    pub procedure: Procedure,
}

/// The remote procedures that one service answers, or that are asked of one server, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Procedures {
    /// Whose they are.
    pub owner: Owner,
    /// By name.
    pub all: Vec<ApiProcedure>,
}

/// The remote procedures that were heard, by whose they are; of each only what somebody was answered.
pub fn procedures(model: &Model, selection: &Selection) -> Vec<Procedures> {
    let surfaces = model.surfaces(&|id| selection.includes(id)).into_iter();
    let of = |surface: Surface<'_>| {
        let mut all = BTreeMap::<Arc<str>, Procedure>::new();
        for described in surface.endpoints.iter().filter(|described| is_procedure(described.protocol)) {
            // A name may be called by gRPC and by Connect: what is known of the messages most is told.
            let Some(procedure) = described.endpoint.shapes.operation().procedure else { continue };
            let known = all.entry(Arc::clone(&described.route)).or_default();
            if procedure.request.seen + procedure.response.seen > known.request.seen + known.response.seen {
                *known = procedure;
            }
        }
        let owner = owner(surface.way, surface.services)?;
        let all: Vec<_> = all.into_iter().map(|(name, procedure)| ApiProcedure { name, procedure }).collect();
        (!all.is_empty()).then_some(Procedures { owner, all })
    };
    surfaces.filter_map(of).collect()
}

fn operation(described: &Described<'_>) -> ApiOperation {
    let Described { method, route, endpoint, .. } = described;
    let (first_seen, last_seen) = endpoint.seen.unwrap_or_default();
    ApiOperation {
        method: Arc::clone(method),
        route: Arc::clone(route),
        requests: endpoint.requests,
        first_seen,
        last_seen,
        confidence: described.confidence(),
        path: path(described),
        shape: endpoint.shapes.operation(),
    }
}

/// The placeholders of an endpoint's route.
pub(crate) fn path(described: &Described<'_>) -> Vec<PathParameter> {
    let names = placeholders(&described.route);
    let schemas = described.parameters.iter().map(|parameter| parameter.schema.clone());
    let schemas = schemas.chain(std::iter::repeat_with(Schema::default));
    names.zip(schemas).map(|(name, schema)| PathParameter { name: name.to_owned(), schema }).collect()
}

/// The names of the placeholders of a route, in its order.
pub fn placeholders(route: &str) -> impl Iterator<Item = &str> {
    route.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// A route with every placeholder written `{}`.
pub fn unnamed(route: &str) -> String {
    let mut parts = route.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("{}");
        text.push_str(part.split_once('}').map_or("", |(_, after)| after));
    }
    text
}
