//! The shapes of what an endpoint takes and gives.
//!
//! [`Shapes`] holds the evidence: mergeable counts and bounded sketches. [`schema`] is what front ends and exporters
//! read: plain data, derived when it is asked for.
//!
//! A message is read into a [`tape`] of tokens, whatever it is written in. The tape is learned into a [`tree`] of
//! [`node`]s, one per place; or, where its structure is [`known`], only counted.

mod aside;
mod call;
mod derive;
mod fields;
mod firsts;
mod format;
mod headers;
mod hidden;
mod json;
mod known;
mod learn;
mod maps;
mod members;
mod models;
mod multipart;
mod news;
mod node;
mod objects;
mod payloads;
pub mod proto;
pub(crate) use proto::envelopes;
mod read;
mod recursion;
mod saved;
mod scalar;
pub mod schema;
mod scratch;
mod security;
mod shapes;
mod sketch;
mod tags;
mod talk;
mod tape;
mod tree;
mod unions;
mod words;

pub(crate) use members::Members;

pub use call::{Call, Content, Effort};
pub use news::{New, News, Spot};
pub use scratch::Scratch;
pub use shapes::Shapes;

#[cfg(test)]
mod tests;
