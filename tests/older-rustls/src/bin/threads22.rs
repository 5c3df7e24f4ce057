//! rustls 0.22, and threads.

use rustls22 as rustls;

#[path = "../common.rs"]
mod common;
#[path = "../types.rs"]
mod config;
#[path = "../threads.rs"]
mod threads;

fn main() -> common::Result<()> {
    threads::run()
}
