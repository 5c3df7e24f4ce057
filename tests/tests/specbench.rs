//! Accuracy on synthetic traffic of public API descriptions, with the truth beside it.
//!
//! `specbench` is a folder beside this repository (or `OVERHEAR_SPECBENCH`): descriptions, a generator of traffic and a
//! score. Usually a few descriptions are tried and held to figures a little below what was reached, so that a
//! regression fails; `OVERHEAR_ACCURACY=all` tries all of them, holds the means to the aims, and prints the table.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test only wants to know what went wrong")]

use overhear_tests::{Result, judge, program::run};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// What is scored (see `score.py`), with the least mean over all descriptions, dense and sparse.
const AIMS: [(&str, f64, f64); 8] = [
    ("templates_f1", 0.95, 0.94),
    ("collapsed", 0.01, 0.01), // most: share of the templates
    ("requests", 0.97, 0.97),
    ("query_f1", 0.98, 0.98),
    ("fields_f1", 0.98, 0.98),
    ("types", 0.98, 0.98),
    ("required", 0.95, 0.95),
    ("formats", 0.97, 0.97),
];

/// Descriptions of different kinds, tried every time.
const SAMPLE: [&str; 4] = ["spotify.com", "pocketsmith.com", "lufthansa.com", "webflow.com"];

#[test]
fn dense_traffic() {
    judge_all("dense");
}

#[test]
fn sparse_traffic() {
    judge_all("sparse");
}

fn judge_all(mode: &str) {
    let Some(bench) = specbench() else {
        println!("specbench is not beside this repository: name it in OVERHEAR_SPECBENCH");
        assert!(std::env::var_os("CI").is_none(), "CI needs it");
        return;
    };
    let all = std::env::var("OVERHEAR_ACCURACY").is_ok_and(|which| which == "all");
    let specs: Vec<PathBuf> = if all {
        let mut specs: Vec<_> =
            fs::read_dir(bench.join("specs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        specs.sort();
        specs
    } else {
        SAMPLE.iter().map(|name| bench.join(format!("specs/{name}.json"))).collect()
    };
    let scores: Vec<(String, Value)> = specs.iter().map(|spec| score(&bench, spec, mode).unwrap()).collect();
    println!("{}", table(mode, &scores));
    for (name, dense, sparse) in AIMS {
        let aim = if mode == "dense" { dense } else { sparse };
        let mean = mean(name, &scores);
        // A sample scatters around the mean of all.
        let slack = if all { 0.0 } else { 0.03 };
        let reached = if name == "collapsed" { mean <= aim + slack } else { mean >= aim - slack };
        assert!(reached, "{mode} {name}: {mean:.3}, aim {aim}");
    }
}

fn specbench() -> Option<PathBuf> {
    let named = std::env::var_os("OVERHEAR_SPECBENCH").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specbench");
    named.or(Some(beside)).filter(|folder| folder.join("score.py").is_file())
}

/// Makes the traffic, infers the document, and lets others judge it: the score, and whether the traffic satisfies it.
fn score(bench: &Path, spec: &Path, mode: &str) -> Result<(String, Value)> {
    let name = spec.file_stem().ok_or("no name")?.to_string_lossy().into_owned();
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let spec = spec.to_string_lossy().into_owned();
    let at = folder.path().to_string_lossy().into_owned();
    judge::python_script(&bench.join("traffic.py"), [&spec, "--out", &at, "--mode", mode, "--seed", "7"])?;
    let said =
        run(&["spec", "--format", "json", "--from", &file("traffic.har"), "--output", &file("spec.json")])?;
    if said.code != Some(0) {
        return Err(format!("{name}: {}", said.err).into());
    }
    if let Some(difference) = difference(&file("traffic.har"), &file("model"))? {
        return Err(format!("{name} {mode}: {difference}").into());
    }
    let satisfies = Path::new(env!("CARGO_MANIFEST_DIR")).join("judges/satisfies.py");
    judge::python_script(&satisfies, [file("traffic.har"), file("spec.json")])
        .map_err(|error| format!("{name} {mode}: {error}"))?;
    let scored = judge::python_script(&bench.join("score.py"), [&at, &file("spec.json"), "--json"])?;
    Ok((name, serde_json::from_str(&scored)?))
}

/// How the endpoints of a capture differ from those of a model saved of it. The capture is asked without learning what
/// calls look like, the model has it: which endpoints there are must not hang on that.
fn difference(capture: &str, model: &str) -> Result<Option<String>> {
    run(&["read", capture, "--save", model])?;
    let endpoints = |from: &str| run(&["endpoints", "--json", "--from", from])?.document();
    let (heard, saved) = (endpoints(capture)?, endpoints(model)?);
    Ok((heard != saved).then(|| format!("endpoints differ once saved:\n{heard}\n{saved}")))
}

/// The mean over the descriptions that have something to score.
fn mean(name: &str, scores: &[(String, Value)]) -> f64 {
    if name == "collapsed" {
        let sum = |key: &str| scores.iter().filter_map(|(_, score)| score[key].as_f64()).sum::<f64>();
        return sum("collapsed") / sum("true").max(1.0);
    }
    let values: Vec<f64> = scores.iter().filter_map(|(_, score)| score[name].as_f64()).collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn table(mode: &str, scores: &[(String, Value)]) -> String {
    let mut text = format!("| {mode} |");
    for (name, ..) in AIMS {
        let _ = write!(text, " {} |", name.replace('_', " "));
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(AIMS.len()));
    for (name, score) in scores {
        let _ = write!(text, "\n| {name} |");
        for (column, ..) in AIMS {
            let value = score[column].as_f64();
            let cell = value.map_or_else(
                || "–".to_owned(),
                |value| if column == "collapsed" { format!("{value}") } else { format!("{value:.3}") },
            );
            let _ = write!(text, " {cell} |");
        }
    }
    text.push_str("\n| **mean** |");
    for (column, ..) in AIMS {
        let _ = write!(text, " **{:.3}** |", mean(column, scores));
    }
    text
}
