//! Recorded captures through the whole program: `requests` and `endpoints` agree with the truth about each.

use overhear_tests::{
    Result,
    captures::Fixture,
    program::{Said, run, run_with_input},
    truth::Truth,
};
use serde_json::Value;

/// Checks every fixture and names all that fail, not only the first.
fn each(check: impl Fn(&Fixture, &Truth) -> Result<Vec<String>>) {
    let mut failures = Vec::new();
    for fixture in Fixture::all() {
        let checked = Truth::read(&fixture.truth()).and_then(|truth| check(&fixture, &truth));
        match checked {
            Ok(differences) => {
                failures.extend(differences.into_iter().map(|d| format!("{}: {d}", fixture.name)))
            }
            Err(error) => failures.push(format!("{}: {error}", fixture.name)),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn exit_code(said: &Said, truth: &Truth) -> Vec<String> {
    let mut differences = Vec::new();
    if said.code != Some(truth.exit) {
        differences.push(format!("exit code {:?}, not {}: {}", said.code, truth.exit, said.err.trim()));
    }
    if truth.exit != 0 && said.err.trim().is_empty() {
        differences.push("says nothing about the damage".into());
    }
    differences
}

#[test]
fn requests_agree_with_the_truth() {
    each(|fixture, truth| {
        let said =
            run(&["requests".as_ref(), "--json".as_ref(), "--from".as_ref(), fixture.file().as_os_str()])?;
        let mut differences = exit_code(&said, truth);
        differences.extend(truth.differences(&said.lines()?));
        Ok(differences)
    });
}

#[test]
fn endpoints_agree_with_the_truth() {
    each(|fixture, truth| {
        let said =
            run(&["endpoints".as_ref(), "--json".as_ref(), "--from".as_ref(), fixture.file().as_os_str()])?;
        let mut differences = exit_code(&said, truth);
        let document = said.document()?;
        let endpoints = document.as_array().ok_or("endpoints is no array")?;
        let expected = [
            ("requests", Some(truth.exchanges.len() as u64)),
            ("errors", Some(truth.exchanges.iter().filter(|e| e.contains_key("error.type")).count() as u64)),
            ("bytes_in", sum(truth, "http.request.body.size")),
            ("bytes_out", sum(truth, "http.response.body.size")),
        ];
        for (key, expected) in expected {
            let got: u64 = endpoints.iter().filter_map(|endpoint| endpoint[key].as_u64()).sum();
            if expected.is_some_and(|expected| expected != got) {
                differences.push(format!("{key} add up to {got}, not {expected:?}"));
            }
        }
        Ok(differences)
    });
}

/// Unknown as soon as one of them is.
fn sum(truth: &Truth, key: &str) -> Option<u64> {
    truth.exchanges.iter().map(|exchange| exchange.get(key).map_or(Some(0), Value::as_u64)).sum()
}

#[test]
fn captures_stream_from_standard_input() {
    each(|fixture, truth| {
        if fixture.extension == "har" || truth.exit != 0 {
            return Ok(Vec::new());
        }
        let said = run_with_input(&["requests", "--json", "--from", "-"], std::fs::read(fixture.file())?)?;
        Ok([exit_code(&said, truth), truth.differences(&said.lines()?)].concat())
    });
}

#[test]
fn losses_are_told_with_their_reason() {
    each(|fixture, truth| {
        let said = run(&["read".as_ref(), fixture.file().as_os_str()])?;
        let all = format!("{}{}", said.out, said.err);
        let mut differences = exit_code(&said, truth);
        let untold = truth
            .lost
            .iter()
            .filter(|reason| !all.contains(reason.as_str()) && !all.contains(&reason.replace('_', " ")));
        differences.extend(untold.map(|reason| format!("{reason} is not told: {all}")));
        Ok(differences)
    });
}

/// Several files are one capture: counts add up.
#[test]
fn several_files_at_once() {
    let files = ["simple", "pipelined"].map(|name| {
        Fixture::all().find(|fixture| fixture.name == name).map(|fixture| fixture.file()).unwrap()
    });
    let [simple, pipelined] = files.each_ref().map(|file| file.as_os_str());
    let said = run(&["requests".as_ref(), "--json".as_ref(), "--from".as_ref(), simple, pipelined]).unwrap();
    assert_eq!((said.code, said.out.lines().count()), (Some(0), 4), "{}", said.err);
}
