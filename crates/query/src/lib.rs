//! Questions into plain data: the one API of every front end.

mod api;
mod attributes;
mod endpoints;
pub mod filter;
pub mod live;
mod metric;
pub mod monitor;
mod near;
mod outline;
pub mod redact;
mod rows;
#[cfg(test)]
mod sample;
mod service;
mod source;
mod unread;

pub use api::{
    Api, ApiOperation, ApiProcedure, Owner, PathParameter, Procedures, apis, placeholders, procedures,
    unnamed,
};
pub use attributes::{Attribute, Value, attributes};
pub use endpoints::{Selection, endpoint, endpoints, find_endpoint, near_endpoints};
pub use filter::{EndpointFilter, Filter};
pub use metric::{Accumulator, Bounds, Metric};
pub use outline::{OutlineRow, outline, outline_of_messages};
pub use overhear_exchange::{Authority, Direction};
/// Shapes of requests and responses, as they are told.
pub use overhear_model::shape::schema as shape;
pub use overhear_model::{Descriptors, Way};
pub use rows::{
    CallerRow, EndpointDetail, EndpointId, EndpointRow, LatencyBucket, Link, Links, LiveRow, OpenStream,
    Percentiles, RouteReason,
};
pub use service::{ServiceSeen, services};
pub use source::LiveSource;
pub use unread::{TOLD, unread_names, unread_sentence};
