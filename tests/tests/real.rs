//! Programs that publish their own OpenAPI document, used by real clients, heard by the real probes: is the document made
//! of the traffic the one their makers wrote?
//!
//! `cargo xtask test --all` installs the programs and runs this; by itself it does nothing unless `OVERHEAR_REAL_PROGRAMS` is
//! `all` or names some of them (`pdns,kinto`). `OVERHEAR_REAL_KEEP` names a folder for the documents and all differences.

use overhear_tests::{
    Result, judge,
    program::{Watch, run},
    server::{cache, free_port},
};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// In the order of the table.
const PROGRAMS: [Program; 6] = [
    Program { name: "pdns", libraries: "programs", missed: 3, wrong: 24, unplaced: 0 },
    Program { name: "kinto", libraries: "programs", missed: 0, wrong: 4, unplaced: 0 },
    Program { name: "httpbin", libraries: "programs", missed: 0, wrong: 0, unplaced: 0 },
    Program { name: "jupyter", libraries: "programs", missed: 2, wrong: 10, unplaced: 0 },
    Program { name: "todo", libraries: "programs", missed: 0, wrong: 0, unplaced: 0 },
    // Its short links are made up anew each time, and some look like words.
    Program { name: "lnbits", libraries: "lnbits", missed: 1, wrong: 2, unplaced: 0 },
];

struct Program {
    /// Of its script in `tests/real`, without `_api.py`.
    name: &'static str,
    /// A folder in the cache of `cargo xtask setup --all`.
    libraries: &'static str,
    /// Most operations that may be missed. The reasons are in `docs/accuracy.md`, here and below.
    missed: u64,
    /// Most operations that may be there and are none.
    wrong: u64,
    /// Most calls that no operation of the document is meant for, beyond those it says are elsewhere.
    unplaced: u64,
}

/// Shown of each program, in this order (see `compare.py`).
const COLUMNS: [&str; 24] = [
    "calls",
    "operations published",
    "operations exercised",
    "operations found",
    "operations found but for a constant",
    "operations beyond OpenAPI",
    "operations missed",
    "operations wrong",
    "operations undocumented",
    "path parameters",
    "path parameter names",
    "path parameter types",
    "query parameters found",
    "query parameters missed",
    "query parameters extra",
    "query parameters invented",
    "bodies missed",
    "fields found",
    "fields missed",
    "fields invented",
    "fields undocumented",
    "fields left open",
    "types right",
    "types wrong",
];

#[test]
fn real_programs_and_what_they_publish() {
    let wanted = std::env::var("OVERHEAR_REAL_PROGRAMS").unwrap_or_default();
    let chosen =
        PROGRAMS.iter().filter(|one| wanted == "all" || wanted.split(',').any(|name| name == one.name));
    let mut compared = Vec::new();
    let mut wrong = String::new();
    for program in chosen {
        match compare(program) {
            Ok((counts, complaints)) => {
                compared.push((program.name, counts));
                wrong.push_str(&complaints);
            }
            Err(error) => drop(writeln!(wrong, "{}: {error}", program.name)),
        }
    }
    println!("{}", table(&compared));
    assert!(wrong.is_empty(), "{wrong}");
}

/// The figures of one program, and what is wrong whatever the figures say.
fn compare(program: &Program) -> Result<(Value, String)> {
    let folder = TempDir::new()?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let statistics = capture(program, folder.path())?;
    let document = file("inferred.json");
    let model = file("model.overhear");
    let said = run(&["spec", "--format", "json", "--from", &model, "--output", &document])?;
    if said.code != Some(0) {
        return Err(said.err.into());
    }
    let compared = judge::python_script(
        &script("compare.py"),
        [file("published.json"), document.clone(), file("traffic.har")],
    )?;
    fs::write(file("compared.json"), &compared)?;
    let counts = serde_json::from_str::<Value>(&compared)?["counts"].clone();
    let mut complaints = String::new();
    let mut complain = |what: &str, outcome: Result<()>| {
        if let Err(error) = outcome {
            let _ = writeln!(complaints, "{}: {what}: {error}", program.name);
        }
    };
    complain("no valid document", judge::is_valid_openapi(Path::new(&document)));
    let satisfies = Path::new(env!("CARGO_MANIFEST_DIR")).join("judges/satisfies.py");
    let satisfied = judge::python_script(&satisfies, [file("traffic.har"), document]);
    fs::write(file("satisfies.txt"), satisfied.as_ref().map_or_else(ToString::to_string, Clone::clone))?;
    complain("the traffic does not satisfy the document", satisfies_but_for(program, satisfied));
    complain("what was heard", whole(&counts, &statistics));
    complain("what was found", as_good_as_ever(program, &counts));
    keep(program, folder.path())?;
    Ok((counts, complaints))
}

/// Nothing is lost at this pace, so every call of the client is heard.
fn whole(counts: &Value, statistics: &Value) -> Result<()> {
    let lost = statistics["lost"].as_object().is_some_and(|lost| !lost.is_empty());
    if statistics["captured"]["exchanges"] == counts["calls"] && !lost {
        return Ok(());
    }
    Err(format!("{} calls, {statistics}", counts["calls"]).into())
}

/// What the judge of schemas says, but for the calls that are known to have no place.
fn satisfies_but_for(program: &Program, judged: Result<String>) -> Result<()> {
    let Err(error) = judged else { return Ok(()) };
    let text = error.to_string();
    let last = text.lines().rfind(|line| line.contains("exchanges checked")).unwrap_or_default();
    let number = |before: &str| {
        let word = last.split(before).next()?.rsplit([' ', '(']).next()?;
        word.parse::<u64>().ok()
    };
    match (number(" violations"), number(" elsewhere"), number(" told")) {
        (Some(0), Some(elsewhere), Some(told)) if elsewhere <= told + program.unplaced => Ok(()),
        _ => Err(text.into()),
    }
}

/// Shapes are found whole; of routes no more are wrong than are known to be.
fn as_good_as_ever(program: &Program, counts: &Value) -> Result<()> {
    let most = [
        ("operations missed", program.missed),
        ("operations wrong", program.wrong),
        ("query parameters missed", 1), // what says that it is a token may be a page
        ("query parameters invented", 0),
        ("bodies missed", 0),
        ("fields missed", 0),
        ("fields missed, not published", 0),
        ("fields invented", 0),
        ("types wrong", 0),
    ];
    let worse = most.iter().filter_map(|(name, most)| {
        let count = counts[name].as_u64().unwrap_or_default();
        (count > *most).then(|| format!("{name}: {count}, at most {most}"))
    });
    let worse: Vec<String> = worse.collect();
    if worse.is_empty() { Ok(()) } else { Err(worse.join(", ").into()) }
}

/// Starts the program, listens to its port, uses it, and stops it.
fn capture(program: &Program, folder: &Path) -> Result<Value> {
    let port = free_port()?.to_string();
    let _server = Running(task(program, "serve", folder, &port).process_group(0).spawn()?);
    finished(task(program, "publish", folder, &port))?;
    let model = folder.join("model.overhear");
    let arguments = ["--json", "--port", &port, "--for", "10m", "--save", &model.to_string_lossy()];
    let watch = Watch::start(&arguments)?;
    finished(task(program, "exercise", folder, &port))?;
    let heard = watch.stop()?;
    if heard.code != Some(0) {
        return Err(heard.err.into());
    }
    Ok(heard.statistics)
}

fn task(program: &Program, task: &str, folder: &Path, port: &str) -> Command {
    let libraries = cache().join(program.libraries);
    let node = cache().join("programs-node");
    let mut command = Command::new("python3");
    command
        .arg(script(&format!("{}_api.py", program.name)))
        .arg(task)
        .arg(folder)
        .arg(port)
        .env("PYTHONPATH", libraries)
        .env("REAL_NODE", node)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn finished(mut command: Command) -> Result<()> {
    let output = command.stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// A server and all it started; they end together.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        for name in ["-TERM", "-KILL"] {
            let _ = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        let _ = self.0.wait();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("real").join(name)
}

/// For whoever wants to read why.
fn keep(program: &Program, folder: &Path) -> Result<()> {
    let Some(kept) = std::env::var_os("OVERHEAR_REAL_KEEP") else { return Ok(()) };
    let kept = PathBuf::from(kept).join(program.name);
    fs::create_dir_all(&kept)?;
    for name in
        ["published.json", "inferred.json", "traffic.har", "compared.json", "model.overhear", "satisfies.txt"]
    {
        fs::copy(folder.join(name), kept.join(name))?;
    }
    Ok(())
}

/// A row for each figure, a column for each program.
fn table(compared: &[(&str, Value)]) -> String {
    let names: Vec<&str> = compared.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| | {} |\n| --- |{}", names.join(" | "), " --- |".repeat(names.len()));
    for column in COLUMNS {
        let cells =
            compared.iter().map(|(_, counts)| counts[column].as_u64().unwrap_or_default().to_string());
        let _ = write!(text, "\n| {column} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    text
}
