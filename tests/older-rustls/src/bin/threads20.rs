//! rustls 0.20, and threads.

use rustls20 as rustls;

#[path = "../common.rs"]
mod common;
#[path = "../bytes.rs"]
mod config;
#[path = "../threads.rs"]
mod threads;

fn main() -> common::Result<()> {
    threads::run()
}
