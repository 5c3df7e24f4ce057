//! What people know goes in as files under their version control, and is never rewritten.
//!
//! An [`Overlay`] (Overlay Specification 1.1.0) says how the inferred document is to be completed, and which routes there
//! are; a [`Prior`] is an OpenAPI document that exists already. Both are hints to the model, applied when something is
//! shown, so they hold for the past as well.

mod apply;
mod document;
mod edit;
mod error;
mod prior;
mod propose;
mod template;
mod yaml;

pub use apply::{Applied, Unmatched};
pub use document::{Action, Alias, Change, Overlay, Promise, RouteHints};
pub use edit::{Entry, Kind, Line, Proposal, Refused};
pub use error::Error;
pub use prior::Prior;
pub use propose::propose;
pub use template::Template;

/// The file that is read from the working directory.
pub const FILE_NAME: &str = "overhear.overlay.yaml";
