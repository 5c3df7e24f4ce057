//! How fast captures are read, beside tshark on the same file in the same run.

use crate::{
    Effort, Figure, Result, median, overhear,
    process::{Cost, run},
    traffic, yardstick,
};
use std::{fs, path::Path, process::Command};

const RUNS: usize = 3;

pub(crate) fn measure(effort: Effort) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("traffic.pcap");
    let exchanges = traffic::write(&file, effort.capture)?;
    let megabytes = megabytes(&file)?;
    check(&file, exchanges)?;
    let ours = read(&file, RUNS, None)?;
    let saved = folder.path().join("model");
    let learning = read(&file, RUNS, Some(&saved))?;
    let theirs = run(&mut tshark(&file))?;
    fs::remove_file(&file)?;
    traffic::write(&file, effort.large_capture)?;
    let large_megabytes = self::megabytes(&file)?;
    let [large] = read(&file, 1, Some(&saved))?[..] else { return Err("one run expected".into()) };

    let cpu = |costs: &[Cost]| median(&costs.iter().map(|cost| cost.cpu).collect::<Vec<_>>());
    let wall = median(&ours.iter().map(|cost| cost.wall).collect::<Vec<_>>());
    let (cpu, learning) = (cpu(&ours), cpu(&learning));
    Ok(vec![
        Figure::new(
            format!("`read`, {megabytes:.0} MB of pcap, {exchanges} exchanges, per second of CPU"),
            format!("{:.0} MB/s", megabytes / cpu),
            "≥ 250 MB/s",
        ),
        Figure::new(
            "the same with `--save`: what calls look like is learned too",
            format!("{:.0} MB/s", megabytes / learning),
            "≥ 250 MB/s",
        ),
        yardstick::figure(&traffic::bodies())?,
        Figure::new("`read`, per second of wall time", format!("{:.0} MB/s", megabytes / wall), ""),
        Figure::new(
            "tshark on the same file takes, in CPU time",
            format!("{:.0} times as long", theirs.cpu / cpu),
            "≥ 30",
        ),
        Figure::new("beside `--save`", format!("{:.0} times as long", theirs.cpu / learning), "≥ 30"),
        Figure::new("the same in wall time", format!("{:.0} times as long", theirs.wall / wall), ""),
        Figure::new(
            format!("most memory for a file of {large_megabytes:.0} MB, with `--save`"),
            format!("{:.0} MB", large.peak as f64 / 1e6),
            "< 200 MB",
        ),
    ])
}

/// A reader that skipped exchanges would be fast: all of them must be there.
fn check(file: &Path, exchanges: u64) -> Result<()> {
    let output = Command::new(overhear()?).args(["endpoints", "--json", "--from"]).arg(file).output()?;
    let endpoints: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let rows = endpoints.as_array().ok_or("endpoints is no array")?;
    let found: u64 = rows.iter().filter_map(|row| row["requests"].as_u64()).sum();
    if found == exchanges { Ok(()) } else { Err(format!("{found} exchanges found of {exchanges}").into()) }
}

fn read(file: &Path, times: usize, save: Option<&Path>) -> Result<Vec<Cost>> {
    let save = save.map(|model| [Path::new("--save"), model]);
    (0..times)
        .map(|_| {
            run(Command::new(overhear()?).args(["read", "--no-store"]).arg(file).args(save.iter().flatten()))
        })
        .collect()
}

fn tshark(file: &Path) -> Command {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-Y", "http", "-T", "fields"]);
    for field in ["http.request.method", "http.request.uri", "http.response.code", "http.time"] {
        command.args(["-e", field]);
    }
    command
}

fn megabytes(file: &Path) -> Result<f64> {
    Ok(fs::metadata(file)?.len() as f64 / 1e6)
}
