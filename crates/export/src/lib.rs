//! What is known in other people's formats.
//!
//! Each format is a pure function from plain data of `query` to text: no I/O, no clock, stable order, so that a diff of
//! two exports shows what changed and nothing else.

pub mod grafana;
pub mod map;
pub mod objective;
pub mod openapi;
pub mod otlp;
pub mod prometheus;
pub mod proto;
pub mod rules;
mod sli;
pub mod slo;
mod yaml;

pub use sli::Histograms;
pub use yaml::YamlError;
