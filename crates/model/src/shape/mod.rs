//! The shapes of what an endpoint takes and gives.
//!
//! [`schema`] is what front ends and exporters read: plain data, derived when it is asked for.

pub mod schema;
