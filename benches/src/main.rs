//! The figures of `docs/performance.md`, measured anew: `cargo xtask bench` builds what it needs and prints Markdown.
//!
//! CPU time and ratios, because wall time says more about the machine than about us.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a front end: it prints")]

mod http2;
mod learn;
mod listener;
mod machine;
mod overhead;
mod page;
mod process;
mod read;
mod start;
mod store;
mod traffic;
mod yardstick;

use std::{path::PathBuf, process::ExitCode};

/// A measurement only wants to know what went wrong.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long and how large.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Megabytes of the capture that tshark reads too.
    capture: u64,
    /// Megabytes of the capture that shows that memory is bounded.
    large_capture: u64,
    /// Pairs of runs with and without `watch`.
    pairs: usize,
    /// Seconds of load in each run.
    seconds: u64,
}

const FULL: Effort = Effort { capture: 256, large_capture: 2_048, pairs: 21, seconds: 2 };
const QUICK: Effort = Effort { capture: 32, large_capture: 128, pairs: 2, seconds: 2 };

/// One line of the table: what, how much, and the aim it is held against.
#[derive(Clone, Debug)]
struct Figure {
    what: String,
    value: String,
    aim: String,
}

impl Figure {
    fn new(what: impl Into<String>, value: impl Into<String>, aim: impl Into<String>) -> Self {
        Self { what: what.into(), value: value.into(), aim: aim.into() }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let (mut effort, mut parts) = (FULL, Vec::new());
    for word in words {
        match word.as_str() {
            "--quick" => effort = QUICK,
            "read" | "http2" | "learn" | "overhead" | "page" | "start" | "store" => {
                parts.push(word.as_str());
            }
            other => {
                return Err(format!(
                    "{other}: not one of --quick, read, http2, learn, overhead, page, start, store"
                )
                .into());
            }
        }
    }
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    println!("{}\n\n| figure | measured | aim |\n| --- | --- | --- |", machine::describe()?);
    if wanted("read") {
        show(read::measure(effort)?);
    }
    if wanted("http2") {
        show(http2::measure()?);
    }
    if wanted("learn") {
        show(learn::measure(effort)?);
    }
    if wanted("store") {
        show(store::measure(effort)?);
    }
    if wanted("start") {
        show(start::measure(effort)?);
    }
    if wanted("page") {
        show(page::measure(effort)?);
    }
    if wanted("overhead") {
        show(overhead::measure(effort)?);
    }
    Ok(())
}

fn show(figures: Vec<Figure>) {
    for Figure { what, value, aim } in figures {
        println!("| {what} | {value} | {aim} |");
    }
}

/// The release binary beside this one.
fn overhear() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("overhear");
    if binary.is_file() {
        Ok(binary)
    } else {
        Err("no release binary of overhear: run `cargo xtask bench`".into())
    }
}

/// The middle value; the mean of the two middle ones of an even number.
fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this part of the values lies, between two of them in proportion (R's type 7).
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = part * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (sorted.get(place.floor() as usize), sorted.get(place.ceil() as usize));
    below.zip(above).map_or(f64::NAN, |(below, above)| below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25), 2.0);
        assert!(median(&[]).is_nan());
    }
}
