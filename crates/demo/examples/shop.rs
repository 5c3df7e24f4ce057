//! The shop on its own: `shop [--port BASE] [--for SECONDS] [--pace STEPS_PER_SECOND]`.

#![expect(clippy::print_stdout, reason = "an example that is looked at by hand")]

use overhear_demo::{Options, SUBCOMMAND, Shop, serve};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == SUBCOMMAND).is_some() {
        return Ok(serve(arguments)?);
    }
    let mut options = Options::default();
    let mut time = Duration::from_secs(600);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or("a flag without a value")?;
        match flag.as_str() {
            "--port" => options.base_port = Some(value.parse()?),
            "--pace" => options.pace = value.parse()?,
            "--for" => time = Duration::from_secs(value.parse()?),
            _ => return Err(format!("no flag {flag}").into()),
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let shop = Shop::start(&std::env::current_exe()?, options)?;
    for (role, port) in shop.ports() {
        println!("{:<16} {port}", role.service());
    }
    let began = Instant::now();
    while began.elapsed() < time && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
