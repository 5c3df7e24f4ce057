//! What a service offers, as an API description needs it.

use crate::EndpointId;
use overhear_exchange::{Direction, Timestamp};
use overhear_model::shape::schema::{Operation, Schema};
use std::sync::Arc;

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
