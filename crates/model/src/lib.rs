//! What is learned from exchanges: routes, counts, latencies, callers; everything merges.
//!
//! A [`Model`] is a commutative, associative sum: the same exchanges in any order and any partition give the same
//! model, and the same bytes when saved. Beyond its bounds what is not kept apart is counted by the class of its texts,
//! or under [`OTHER`]. Which exchanges stay apart depends on names alone (see `bounded.rs` and `tree/node.rs`), never on
//! who came first; only once the room that all paths share is used up, what is there stays and nothing new is kept apart.
//! The error is then this: an endpoint that is kept apart may be told to have had fewer calls than it had, where models
//! were merged, and never more; what it is short of is in [`OTHER`], and all sums are exact.

mod bodies;
mod bounded;
mod bytes;
mod callers;
mod described;
pub mod descriptors;
mod endpoint;
mod file;
mod histogram;
mod model;
mod open;
pub mod route;
mod series;
mod server;
mod service;
pub mod shape;
mod sum;
mod tally;
mod tree;
mod verb;

pub use bodies::Bodies;
pub use bounded::rank;
pub use callers::{Callers, Calls};
pub use described::{Described, Surface};
pub use descriptors::Descriptors;
pub use endpoint::{Endpoint, EndpointId, Way};
pub use file::{LoadError, SaveError, key};
pub use histogram::Histogram;
pub use model::{Learned, Limits, Model, Names};
pub use route::{Hints, Why};
pub use series::{Counted, RouteIndex, Series, Shaped};
pub use server::server_asked;
pub use sum::{Sum, Total};
pub use tally::{Count, Ending, Slot, Tally};

/// Service, server, method, route and caller of what is beyond the bounds.
pub const OTHER: &str = "~other";
