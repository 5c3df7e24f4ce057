//! What TLS says before it encrypts: whom a client wants to talk to, and what it wants to speak (RFC 8446 §4.1.2).
//!
//! The rest is not read. The plaintext of programs whose library is probed comes as a connection of its own.

mod hello;
#[cfg(test)]
mod tests;

pub use hello::{ClientHello, LONGEST, Reading, client_hello, of_records};
