//! Prints the raw records of one port for ten seconds: `records PORT`. For looking at what the probes say; run as root.
#![expect(clippy::print_stdout, reason = "an example is a program")]

use overhear_capture::live::{Live, Options};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).ok_or("usage: records PORT")?.parse()?;
    let started = Instant::now();
    let mut live = Live::attach(Options { ports: vec![port], ..Options::default() })?;
    println!("attached in {:?}, {} sockets exist", started.elapsed(), live.existing().len());
    while started.elapsed() < Duration::from_secs(10) {
        live.poll(&mut |record| println!("{record:?}"))?;
    }
    println!("{:?}", live.counters()?);
    Ok(())
}
