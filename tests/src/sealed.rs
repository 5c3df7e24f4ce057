//! Programs that encrypt where nobody can look (`tests/sealed`), and what is told of them.

use crate::{
    Result,
    program::{Watch, run},
    server::{cache, program},
};
use serde_json::Value;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Ends with the test.
#[derive(Debug)]
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of the scripts, with what it imports.
pub fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(program("python3")?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sealed").join(script));
    command.env("PYTHONPATH", cache().join("sealed")).stdin(Stdio::null());
    Ok(command)
}

/// What the statistics say of what is not read, by program.
pub fn rows(statistics: &Value) -> Vec<Value> {
    statistics["unreadable_programs"].as_array().cloned().unwrap_or_default()
}

/// The first of them of which this is true.
///
/// # Panics
/// When there is none.
#[expect(clippy::panic, reason = "a test that cannot go on fails")]
pub fn row<'a>(rows: &'a [Value], key: &str, value: &str) -> &'a Value {
    let found = rows.iter().find(|row| row[key] == value);
    found.unwrap_or_else(|| panic!("no {key} {value} in {rows:#?}"))
}

/// What a running watch says of itself to `doctor`, as soon as this is in it.
///
/// # Panics
/// When it does not come.
pub fn doctor(watch: &Watch, what: &str) -> String {
    let (socket, begun) = (watch.socket(), Instant::now());
    loop {
        let arguments = ["doctor".as_ref(), "--socket".as_ref(), socket.as_os_str()];
        let said = run(&arguments).map_or_else(|error| error.to_string(), |said| said.out);
        if said.contains(what) {
            return said;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} is not in: {said}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
