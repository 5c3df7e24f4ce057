//! rustls 0.21, and tasks.

use rustls21 as rustls;
use tokio_rustls21 as tokio_rustls;

#[path = "../common.rs"]
mod common;
#[path = "../bytes.rs"]
mod config;
#[path = "../tasks.rs"]
mod tasks;

fn main() -> common::Result<()> {
    tasks::run()
}
