//! Chunkers, gap injectors and capture writers for the tests of the other crates.

pub mod pcap;
mod transcript;

pub use transcript::{Event, Malformed, Step, Transcript};
