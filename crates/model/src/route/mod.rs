//! From a path to the route it belongs to.
//!
//! A pure function of one path: a segment is a parameter when its text is of a class that names *one* thing
//! ([`ValueClass`]), else it is literal. The table that decides is in `class.rs`; naming is in `template.rs`.

mod class;
mod noun;
mod template;

pub use class::{ValueClass, classify};
pub(crate) mod segment;
pub(crate) mod word;

pub use template::{Template, template, write_template};
