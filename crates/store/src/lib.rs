//! What is kept over time: counts per series and stretch of time, what was learned of shapes and routes, what ran when.
//!
//! [`Questions`] is all that is ever asked, [`Store`] all that is ever told. [`Sqlite`] is the one that stays,
//! [`Memory`] the reference that says what the answers are; one suite holds both to the same ones (`tests/conformance.rs`).
//!
//! Everything kept is a sum, so answers of a store and of what was not written yet add up.

mod codec;
mod columns;
mod error;
mod evidence;
mod memory;
mod question;
mod retention;
mod rows;
mod sqlite;
mod streams;
mod window;

pub use error::Error;
pub use memory::Memory;
pub use question::{
    About, Deployed, EDGES, Edge, FIRSTS, First, Heard, Lined, Looks, Parts, Questions, Recorded, Session,
    Store, SumLine, Sums, Timeline, Totals, Trait,
};
pub use retention::Retention;
pub use sqlite::{Opened, Sqlite};
pub use window::{Resolution, Window};
