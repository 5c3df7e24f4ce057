//! How soon the first exchange shows, and what listening takes from the start.

use crate::{
    Effort, Figure, Result,
    listener::Listener,
    median,
    overhead::{Answers, Nginx},
    process,
};
use std::thread;

/// A light load: one connection that waits this long between two requests.
const PAUSE_MILLISECONDS: u32 = 5;
const LOAD_SECONDS: u64 = 4;

pub(crate) fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let nginx = Nginx::start(Answers::Text)?;
    let (mut attached, mut first, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.pairs.max(3) {
        let one = once(&nginx)?;
        attached.push(one.attached);
        first.push(one.first);
        resident.push(one.resident);
    }
    Ok(vec![
        Figure::new(
            "`watch`: from its start until it listens",
            format!("{:.0} ms", median(&attached) * 1e3),
            "≤ 300 ms",
        ),
        Figure::new(
            "from its start until the first exchange is written, the server under light load",
            format!("{:.2} s", median(&first)),
            "≤ 1 s",
        ),
        Figure::new("resident at the first exchange", format!("{:.0} MB", median(&resident)), "< 64 MB"),
    ])
}

/// One start: seconds until it listens, until it tells of the first exchange, and megabytes resident then.
struct Start {
    attached: f64,
    first: f64,
    resident: f64,
}

fn once(nginx: &Nginx) -> Result<Start> {
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            nginx.load(1, LOAD_SECONDS, Some(PAUSE_MILLISECONDS)).map_err(|error| error.to_string())
        });
        let mut listener = Listener::start(nginx.port)?;
        let attached = listener.attached.as_secs_f64();
        let first = listener.first_exchange()?.as_secs_f64();
        let resident = process::memory(listener.pid(), "VmRSS").ok_or("no VmRSS")? as f64 / 1e6;
        listener.stop()?;
        load.join().map_err(|_| "the load panicked")??;
        Ok(Start { attached, first, resident })
    })
}
