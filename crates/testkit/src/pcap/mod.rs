//! Packet captures made from a script: TCP conversations, the mishaps of networks, and the files that record them.
//!
//! ```
//! use overhear_exchange::Side;
//! use overhear_testkit::pcap::{Capture, Conversation};
//! use std::time::Duration;
//!
//! let mut talk = Conversation::new("10.0.0.1:40000".parse()?, "10.0.0.2:80".parse()?);
//! talk.open().send(Side::A, b"GET / HTTP/1.1\r\n\r\n").wait(Duration::from_millis(5));
//! talk.send(Side::B, b"HTTP/1.1 204 No Content\r\n\r\n").close();
//! let mut capture = Capture::new();
//! capture.add(&talk);
//! let (pcap, pcapng) = (capture.pcap(), capture.pcapng());
//! # assert!(pcap.len() > 24 && pcapng.len() > 28);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod container;
mod conversation;
mod frame;

pub use container::Capture;
pub use conversation::{Conversation, Packet};
pub use frame::Link;
