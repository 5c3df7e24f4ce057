//! What is known in other people's formats.
//!
//! Each format is a pure function from plain data of `query` to text: no I/O, no clock, stable order, so that a diff of
//! two exports shows what changed and nothing else.

pub mod openapi;
pub mod prometheus;
