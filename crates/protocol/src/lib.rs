//! Bytes into exchanges: pure observers of both directions of a connection.
//!
//! A [`Connection`] takes what was seen of one connection, in stream order per sender, and yields an
//! [`Observation`](overhear_exchange::observation::Observation) for each exchange. It starts by finding out what
//! is spoken; from then on one protocol's observer does the work. A protocol is a folder with the same files in each:
//!
//! * `detect` — do these first bytes speak it, and which role do they play?
//! * `frame` — bytes of one direction into frames (with `head` and `body` where messages have them);
//! * `pair` — frames of both directions into exchanges;
//! * `resync` — where a message starts after a loss, or when joined mid-stream.
//!
//! Nothing here does I/O, reads a clock, panics on input, or logs what it reads.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod call;
mod connection;
pub mod content;
mod detect;
pub mod dns;
mod gen_ai;
mod held;
mod http1;
mod http2;
mod incoming;
mod observer;
mod parting;
pub mod quic;
pub mod rpc;
mod stream;
pub mod tls;
mod websocket;

pub use connection::{Connection, Hint, Limits, Verdict};
pub use observer::Skipped;
