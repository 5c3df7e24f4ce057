//! What a service offers, as an API description needs it.

use crate::{EndpointId, Selection};
use overhear_exchange::{Direction, Timestamp};
use overhear_model::{
    Described, Endpoint, Model, OTHER,
    shape::schema::{Operation, Schema},
};
use std::{collections::BTreeMap, sync::Arc};

/// The API of one service, or the part of somebody else's API that a service uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Who answers; for outbound calls the host that was asked.
    pub name: Arc<str>,
    /// Answered or asked by the observed service.
    pub direction: Direction,
    /// Where it was asked: scheme and authority, most frequent first.
    pub servers: Vec<String>,
    /// By path and method.
    pub operations: Vec<ApiOperation>,
    /// Requests to paths that were never served (404 and the like), or beyond the bounds: in no operation.
    pub elsewhere: u64,
}

/// One endpoint with everything that is known of its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiOperation {
    /// Which.
    pub id: EndpointId,
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

/// The APIs that were heard, by direction and name: one for each service that answered, and one for each service that
/// asked others.
pub fn apis(model: &Model, selection: &Selection) -> Vec<Api> {
    let mut found = BTreeMap::<(Direction, Arc<str>), Api>::new();
    let mut servers = BTreeMap::<(Direction, Arc<str>, String), u64>::new();
    for described in model.described().into_iter().filter(|described| selection.includes(&described.id)) {
        let Described { id, endpoint, .. } = &described;
        let key = (id.direction, Arc::clone(&id.service));
        let api = found.entry(key).or_insert_with(|| Api {
            name: Arc::clone(&id.service),
            direction: id.direction,
            servers: Vec::new(),
            operations: Vec::new(),
            elsewhere: 0,
        });
        if is_operation(id, endpoint) {
            for (server, calls) in endpoint.servers.iter().filter(|(server, _)| *server != OTHER) {
                *servers.entry((id.direction, Arc::clone(&id.service), server.to_owned())).or_default() +=
                    calls.requests;
            }
            api.operations.push(operation(&described));
        } else {
            api.elsewhere += endpoint.requests;
        }
    }
    let mut ranked: Vec<_> = servers.into_iter().collect();
    ranked.sort_by(|(a, calls), (b, more)| (more, a).cmp(&(calls, b)));
    for ((direction, service, server), _) in ranked {
        if let Some(api) = found.get_mut(&(direction, service)) {
            api.servers.push(server);
        }
    }
    found.into_values().filter(|api| !api.operations.is_empty()).collect()
}

/// Somebody was served here; what only ever was not found is a stranger's guess.
fn is_operation(id: &EndpointId, endpoint: &Endpoint) -> bool {
    let refused = |status: Option<u16>| matches!(status, Some(401 | 403 | 404 | 405 | 501) | None);
    &*id.route != OTHER && &*id.method != OTHER && !endpoint.statuses().all(|(status, _)| refused(status))
}

fn operation(described: &Described<'_>) -> ApiOperation {
    let Described { id, endpoint, .. } = described;
    let (first_seen, last_seen) = endpoint.seen.unwrap_or_default();
    ApiOperation {
        id: (**id).clone(),
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
    let names = placeholders(&described.id.route);
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
