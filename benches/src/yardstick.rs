//! What the machine can do in this very run: `serde_json` parses the same bodies into values. A figure beside it says
//! something on machines whose speed changes from hour to hour.

use crate::{Figure, Result, median, process::cpu};

const RUNS: usize = 5;
/// Bytes parsed in each run.
const BYTES: usize = 64_000_000;

/// Megabytes per second of CPU that become values, as a figure without an aim.
pub(crate) fn figure(bodies: &[String]) -> Result<Figure> {
    let rates = (0..RUNS).map(|_| rate(bodies)).collect::<Result<Vec<_>>>()?;
    let name = "beside it: `serde_json` makes values of the same bodies alone, per second of CPU";
    Ok(Figure::new(name, format!("{:.0} MB/s", median(&rates)), ""))
}

fn rate(bodies: &[String]) -> Result<f64> {
    let (mut parsed, before) = (0, cpu(std::process::id())?);
    for body in bodies.iter().cycle() {
        std::hint::black_box(serde_json::from_str::<serde_json::Value>(body)?);
        parsed += body.len();
        if parsed >= BYTES {
            break;
        }
    }
    let seconds = (cpu(std::process::id())? - before) as f64 / 1e9;
    Ok(parsed as f64 / 1e6 / seconds)
}
