//! Chunkers, gap injectors and capture writers for the tests of the other crates.
//!
//! A protocol's tests need three things from here: conversations as text files ([`Transcript`]), the
//! [`properties`] that every protocol has to hold, and [`render()`] for snapshots of what was heard.

pub mod damage;
pub mod http2;
pub mod pcap;
mod programs;
pub mod properties;
mod render;
mod sample;
mod transcript;

pub use programs::copy_program;
pub use render::{full_identity, identity, render};
pub use sample::exchange;
pub use transcript::{Event, Malformed, Step, Transcript};
