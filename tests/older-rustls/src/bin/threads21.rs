//! rustls 0.21, and threads.

use rustls21 as rustls;

#[path = "../common.rs"]
mod common;
#[path = "../bytes.rs"]
mod config;
#[path = "../threads.rs"]
mod threads;

fn main() -> common::Result<()> {
    threads::run()
}
