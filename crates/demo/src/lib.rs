//! A small shop of real processes to listen to, on loopback only.
//!
//! `gateway` takes the calls of `shopper` and passes them on to `orders`, `catalog`, `users` and `payments`;
//! those keep their data in `inventory`, a key-value server over HTTP. The shop has what real ones have: ids of
//! several kinds, slow pages, bursts of errors, errors that hide in a 200, an N+1 loop.
//!
//! [`Shop::start`] runs the given program once per role, as `PROGRAM demo-process ROLE …`; that program passes
//! its arguments on to [`serve`].

mod chance;
mod error;
mod process;
mod recording;
mod role;
mod services;
mod shop;
mod shopper;

pub use error::Error;
pub use process::{SUBCOMMAND, serve};
pub use recording::{RECORDED_BASE_PORT, RECORDING, service_of_port};
pub use role::{Role, roles};
pub use shop::{Options, Shop};
