//! How fast HTTP/2 is heard: streams a second of one core, from bytes to exchanges.

use crate::{Figure, Result, median, process::cpu};
use overhear_exchange::{Side, Timestamp};
use overhear_protocol::{Connection, Hint, Limits};
use overhear_testkit::http2::talks::load;

const RUNS: usize = 7;
const STREAMS: u32 = 200_000;
/// Streams that are under way at once.
const BATCH: u32 = 10;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (what, indexed) in [("the same path again and again", true), ("a new path each time", false)] {
        let talk = load(STREAMS, BATCH, indexed);
        let rates: Vec<f64> = (0..RUNS).map(|_| run(&talk)).collect::<Result<_>>()?;
        let value = format!("{:.0} streams/s", median(&rates));
        figures.push(Figure::new(format!("hearing HTTP/2 on one core, {what}"), value, "150 000 streams/s"));
    }
    Ok(figures)
}

fn run(talk: &[(Side, Vec<u8>)]) -> Result<f64> {
    let mut connection = Connection::new(Limits::default(), Hint { opener_known: true, tls: false });
    let (mut out, mut heard) = (Vec::new(), 0);
    let before = cpu(std::process::id())?;
    for (now, (from, bytes)) in (0..).zip(talk) {
        connection.data(*from, Timestamp::from_nanos(now * 1000), bytes, &mut out);
        heard += out.len();
        out.clear();
    }
    let seconds = (cpu(std::process::id())? - before) as f64 / 1e9;
    if heard != STREAMS as usize {
        return Err(format!("{heard} exchanges of {STREAMS} were heard").into());
    }
    Ok(f64::from(STREAMS) / seconds)
}
