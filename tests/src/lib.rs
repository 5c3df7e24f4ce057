//! The whole program against real servers and recorded captures: what the tests in `tests/` share.

pub mod captures;
pub mod compiled;
pub mod har;
pub mod judge;
pub mod otlp;
pub mod page;
pub mod program;
pub mod script;
pub mod sealed;
pub mod server;
pub mod truth;

/// A test only wants to know what went wrong.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
