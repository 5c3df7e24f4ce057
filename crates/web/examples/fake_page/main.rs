#![expect(clippy::print_stdout, reason = "an example that is looked at by hand")]
//! The page over a made-up shop that moves, to look at it without a kernel: `cargo run -p overhear-web --example fake_page`.
//! `--many` has ten thousand endpoints, `--empty` none; a number is the port.

mod world;

use overhear_web::People;
use std::{error::Error, sync::Arc};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let endpoints = match arguments.iter().map(String::as_str).find(|one| one.starts_with("--")) {
        Some("--many") => 10_000,
        Some("--empty") => 0,
        _ => 200,
    };
    let port = arguments.iter().find_map(|one| one.parse().ok()).unwrap_or(7700);
    let world = Arc::new(world::World::new(endpoints));
    let server =
        overhear_web::start(([127, 0, 0, 1], port).into(), world, Some("fake".into()), People::default())?;
    println!("http://{}/?token=fake", server.address());
    loop {
        std::thread::park();
    }
}
