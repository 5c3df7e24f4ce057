//! rustls 0.22, and tasks.

use rustls22 as rustls;
use tokio_rustls22 as tokio_rustls;

#[path = "../common.rs"]
mod common;
#[path = "../types.rs"]
mod config;
#[path = "../tasks.rs"]
mod tasks;

fn main() -> common::Result<()> {
    tasks::run()
}
