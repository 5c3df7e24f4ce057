//! rustls 0.20, and tasks.

use rustls20 as rustls;
use tokio_rustls20 as tokio_rustls;

#[path = "../common.rs"]
mod common;
#[path = "../bytes.rs"]
mod config;
#[path = "../tasks.rs"]
mod tasks;

fn main() -> common::Result<()> {
    tasks::run()
}
