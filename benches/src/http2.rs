//! How fast HTTP/2 is heard: streams a second of one core, from bytes to exchanges.

use crate::{Figure, Result, median, process::cpu};
use overhear_exchange::{Side, Timestamp};
use overhear_protocol::{Connection, Hint, Limits};
use overhear_testkit::http2::{Encoder, PREFACE, data, settings};

const RUNS: usize = 7;
const STREAMS: u32 = 200_000;
/// Streams that are under way at once.
const BATCH: u32 = 10;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (what, indexed) in [("the same path again and again", true), ("a new path each time", false)] {
        let talk = talk(indexed);
        let rates: Vec<f64> = (0..RUNS).map(|_| run(&talk)).collect::<Result<_>>()?;
        let value = format!("{:.0} streams/s", median(&rates));
        figures.push(Figure::new(format!("hearing HTTP/2 on one core, {what}"), value, "150 000 streams/s"));
    }
    Ok(figures)
}

/// As a client like `h2load` speaks: several requests in one write, and the same for the answers.
fn talk(indexed: bool) -> Vec<(Side, Vec<u8>)> {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut talk = vec![(Side::A, [PREFACE, &settings()].concat()), (Side::B, settings())];
    let content = b"{\"id\":12345,\"name\":\"Lamp\",\"price\":9.5,\"tags\":[\"a\",\"b\"]}";
    for batch in 0..STREAMS / BATCH {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for n in 0..BATCH {
            let number = batch * BATCH + n;
            let stream = 2 * number + 1;
            let path = if indexed { "/api/items?page=1".to_owned() } else { format!("/api/items/{number}") };
            asked.extend(client.headers(
                stream,
                true,
                &[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":authority", "shop.example:8080"),
                    (":path", &path),
                    ("user-agent", "h2load nghttp2/1.52.0"),
                    ("accept", "application/json"),
                    ("x-request-source", "bench"),
                ],
            ));
            let length = content.len().to_string();
            let head =
                [(":status", "200"), ("content-type", "application/json"), ("content-length", &length), ("server", "x")];
            answered.extend(server.headers(stream, false, &head));
            answered.extend(data(stream, true, content));
        }
        talk.extend([(Side::A, asked), (Side::B, answered)]);
    }
    talk
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
