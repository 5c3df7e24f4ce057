//! How soon the first exchange shows, and what listening to nothing takes.

use crate::{Effort, Figure, Result, listener::Listener, median, overhead::Nginx, process};

pub(crate) fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let nginx = Nginx::start()?;
    let (mut attached, mut first, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.pairs.max(3) {
        let mut listener = Listener::start(nginx.port)?;
        attached.push(listener.attached.as_secs_f64());
        resident.push(process::memory(listener.pid(), "VmRSS").ok_or("no VmRSS")? as f64 / 1e6);
        nginx.load(1, 1, None)?;
        first.push(listener.first_exchange()?.as_secs_f64());
        listener.stop()?;
    }
    // The load begins when it listens and takes a second; the first exchange is written within it.
    Ok(vec![
        Figure::new(
            "`watch`: from its start until it listens",
            format!("{:.0} ms", median(&attached) * 1e3),
            "≤ 300 ms",
        ),
        Figure::new("resident when it listens", format!("{:.0} MB", median(&resident)), "< 64 MB"),
        Figure::new(
            "from its start until the first exchange is written (load of one second)",
            format!("{:.2} s", median(&first)),
            "≤ 1 s",
        ),
    ])
}
