//! From the paths of calls to the routes they belong to.
//!
//! Routes are a view: the tree of segments (`tree/`) keeps counts, and which of its texts are values of a parameter is
//! decided from all of them when it is asked ([`build`]). With one path alone to go by, a segment is a parameter when
//! its text is of a class that names *one* thing ([`ValueClass`]): that is [`template`].
//!
//! What text is of which class: `class.rs`. What speaks for a parameter, and how much: `weights.rs`. What parameters
//! are called: `name.rs`.

pub(crate) mod build;
mod class;
mod decide;
mod fit;
pub(crate) mod hints;
mod name;
mod noun;
mod parameter;
mod profile;
pub(crate) mod segment;
mod template;
pub(crate) mod view;
mod weights;
pub(crate) mod word;

#[cfg(test)]
mod tests;

pub use class::{ValueClass, classify};
pub use decide::Why;
pub use hints::Hints;
pub(crate) use template::procedure;
pub use template::{Template, template, template_of, write_template};
