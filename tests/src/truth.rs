//! Comparing what was printed with what is true.

use crate::Result;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::path::Path;

/// What a truth says of a value it does not decide.
const ANY: &str = "<any>";

/// Keys that an exchange has only where the truth names them: silence is part of the truth.
const SILENT: [&str; 12] = [
    "http.response.status_code",
    "http.response.body.size",
    "error.type",
    "url.query",
    "stream.kind",
    "stream.unread",
    "stream.gaps",
    "websocket.close.code",
    "websocket.subprotocol",
    "gen_ai.operation.name",
    "gen_ai.server.time_to_first_token",
    "mcp.method.name",
];

/// What is true of one capture.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The exit code of commands that read it.
    pub exit: i32,
    /// The reasons of loss that must be told.
    pub lost: Vec<String>,
    /// Every exchange in it, with the keys that are known.
    pub exchanges: Vec<Map<String, Value>>,
}

impl Truth {
    /// Reads the truth from its file; an entry with `times` stands for that many exchanges.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let truth: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let exit = truth["exit"].as_i64().and_then(|exit| i32::try_from(exit).ok()).ok_or("no exit")?;
        let lost =
            truth["lost"].as_array().ok_or("no lost")?.iter().filter_map(|l| Some(l.as_str()?.to_owned()));
        let mut exchanges = Vec::new();
        for entry in truth["exchanges"].as_array().ok_or("no exchanges")? {
            let mut entry = entry.as_object().ok_or("an exchange is an object")?.clone();
            let times = entry.remove("times").and_then(|times| times.as_u64()).unwrap_or(1);
            exchanges.extend((0..times).map(|_| entry.clone()));
        }
        Ok(Self { exit, lost: lost.collect(), exchanges })
    }

    /// What differs between the truth and the exchanges that were printed; in order of time, so that the order of
    /// printing does not matter.
    pub fn differences(&self, printed: &[Value]) -> Vec<String> {
        let mut printed: Vec<&Value> = printed.iter().collect();
        printed.sort_by_key(|exchange| instant(&exchange["time"]));
        let mut differences = Vec::new();
        if printed.len() != self.exchanges.len() {
            differences.push(format!("{} exchanges where there are {}", printed.len(), self.exchanges.len()));
        }
        for (index, (expected, got)) in self.exchanges.iter().zip(printed).enumerate() {
            differences
                .extend(compare(expected, got).map(|difference| format!("exchange {index}: {difference}")));
        }
        differences
    }
}

/// What differs in one exchange.
pub fn compare<'a>(expected: &'a Map<String, Value>, got: &'a Value) -> impl Iterator<Item = String> + 'a {
    let named = expected.iter().filter(|(key, want)| !agree(key, want, got.get(key.as_str())));
    let named = named.map(|(key, want)| format!("{key} is {}, not {want}", shown(got.get(key))));
    let silent = SILENT.iter().filter(|key| !expected.contains_key(**key) && got.get(**key).is_some());
    named.chain(silent.map(|key| format!("{key} is {}, not absent", shown(got.get(*key)))))
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".into(), ToString::to_string)
}

fn agree(key: &str, want: &Value, got: Option<&Value>) -> bool {
    if want == ANY {
        return true;
    }
    let Some(got) = got else { return false };
    match key {
        "time" => instant(want).is_some() && instant(want) == instant(got),
        // A microsecond of tolerance: files keep no more.
        "duration" | "time_to_first_byte" => match (want.as_f64(), got.as_f64()) {
            (Some(want), Some(got)) => (want - got).abs() < 1e-6,
            _ => false,
        },
        _ => want == got,
    }
}

fn instant(time: &Value) -> Option<Timestamp> {
    time.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Truth, compare};
    use serde_json::{Value, json};

    fn differences(expected: &Value, got: &Value) -> usize {
        compare(expected.as_object().unwrap(), got).count()
    }

    #[test]
    fn what_is_wrong_is_found() {
        let truth = json!({"url.path": "/a", "duration": 0.5, "time": "2026-01-01T00:00:00Z", "x": "<any>"});
        let right = json!({"url.path": "/a", "duration": 0.500_000_5, "time": "2026-01-01T00:00:00.000Z"});
        assert_eq!(differences(&truth, &right), 0);
        for (key, value) in [
            ("url.path", json!("/b")),
            ("duration", json!(0.6)),
            ("time", json!("2026-01-01T00:00:01Z")),
            ("error.type", json!("timeout")),
            ("http.response.status_code", json!(200)),
        ] {
            let mut wrong = right.clone();
            wrong[key] = value;
            assert_eq!(differences(&truth, &wrong), 1, "{key}");
        }
        assert_eq!(differences(&truth, &json!({})), 3);
    }

    #[test]
    fn one_too_many_and_one_too_few_are_found() {
        let exchange = json!({"url.path": "/a", "time": "2026-01-01T00:00:00Z"});
        let truth = Truth { exit: 0, lost: vec![], exchanges: vec![exchange.as_object().unwrap().clone()] };
        assert_eq!(truth.differences(&[]).len(), 1);
        assert_eq!(truth.differences(std::slice::from_ref(&exchange)), Vec::<String>::new());
        assert_eq!(truth.differences(&[exchange.clone(), exchange]).len(), 1);
    }
}
