//! Building and running the real `overhear`.

use crate::Result;
use serde_json::Value;
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long `watch` may take to attach on a machine that is busy with other tests.
const ATTACH: Duration = Duration::from_secs(40);

/// The binary of this workspace, built when it is not up to date. `OVERHEAR_BINARY` names another.
pub fn overhear() -> Result<&'static Path> {
    static BINARY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BINARY
        .get_or_init(|| named_or_built().map_err(|error| error.to_string()))
        .as_deref()
        .map_err(|error| error.clone().into())
}

fn named_or_built() -> Result<PathBuf> {
    match std::env::var_os("OVERHEAR_BINARY") {
        Some(binary) => Ok(binary.into()),
        None => build(&["--package", "overhear"]),
    }
}

/// A binary that needs no library: `OVERHEAR_BINARY` where that is one, else built.
pub fn static_overhear() -> Result<PathBuf> {
    const TARGET: &str = "x86_64-unknown-linux-musl";
    let named = std::env::var_os("OVERHEAR_BINARY").map(PathBuf::from);
    match named.filter(|binary| !asks_for_libraries(binary)) {
        Some(binary) => Ok(binary),
        None => build(&["--package", "overhear", "--target", TARGET]),
    }
}

fn asks_for_libraries(binary: &Path) -> bool {
    let listed = Command::new("ldd").arg(binary).output();
    listed
        .is_ok_and(|listed| listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("=>"))
}

/// Builds one program of this workspace.
pub(crate) fn build(what: &[&str]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--quiet", "--message-format", "json"];
    let built = Command::new(cargo).args(arguments).args(what).stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        return Err(format!("cargo build {} failed", what.join(" ")).into());
    }
    let messages = String::from_utf8(built.stdout)?;
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(message.get("executable")?.as_str()?.to_owned())
    });
    Ok(executable.ok_or("cargo named no executable")?.into())
}

/// What a finished run of `overhear` said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Its exit code; absent when a signal ended it.
    pub code: Option<i32>,
}

impl Said {
    /// Every line of standard output as JSON.
    pub fn lines(&self) -> Result<Vec<Value>> {
        let parsed = self.out.lines().map(|line| {
            serde_json::from_str(line)
                .map_err(|error| format!("{error} in line {line:?}; {}", self.err).into())
        });
        parsed.collect()
    }

    /// Standard output as one JSON document.
    pub fn document(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.out)
            .map_err(|error| format!("{error} in {:?}; {}", self.out, self.err))?)
    }
}

/// Runs `overhear` to its end. It neither sees the user's settings nor leaves any.
pub fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Result<Said> {
    finish(command(arguments)?.spawn()?)
}

/// Runs `overhear` to its end with this on its standard input.
pub fn run_with_input<S: AsRef<OsStr>>(arguments: &[S], input: Vec<u8>) -> Result<Said> {
    use std::io::Write as _;
    let mut command = command(arguments)?;
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().ok_or("no standard input")?;
    // It may stop reading before the end, which is its right.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let said = finish(child);
    writer.join().map_err(|_| "writer panicked")?;
    said
}

fn command<S: AsRef<OsStr>>(arguments: &[S]) -> Result<Command> {
    let mut command = Command::new(overhear()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OVERHEAR_")) {
        command.env_remove(name);
    }
    // The machine's own store is none of a test's business; tests of stores name theirs.
    if !arguments.iter().any(|argument| argument.as_ref() == "--store") {
        command.env("OVERHEAR_NO_STORE", "true");
    }
    if !arguments.iter().any(|argument| argument.as_ref() == "--listen") {
        command.env("OVERHEAR_NO_PAGE", "true");
    }
    Ok(command)
}

fn finish(child: Child) -> Result<Said> {
    let output = child.wait_with_output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() })
}

/// A `watch` that listens.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    folder: TempDir,
    out: Option<JoinHandle<std::result::Result<Lines, String>>>,
    err: Arc<Mutex<String>>,
    err_reader: JoinHandle<()>,
    /// From the start of the process until it said that it listens.
    pub attached_in: Duration,
}

impl Watch {
    /// Starts `overhear watch` and waits until it says `listening` on standard error.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_keeping(arguments, |_| true)
    }

    /// Like [`Watch::start`]; keeps only the exchanges that are wanted, so that a long run needs no more memory than a
    /// short one.
    pub fn start_keeping(
        arguments: &[&str],
        wanted: impl FnMut(&Value) -> bool + Send + 'static,
    ) -> Result<Self> {
        Self::spawn("watch", arguments, &[], wanted)
    }

    /// The same for another command that listens: `demo`.
    pub fn start_as(
        listener: &str,
        arguments: &[&str],
        wanted: impl FnMut(&Value) -> bool + Send + 'static,
    ) -> Result<Self> {
        Self::spawn(listener, arguments, &[], wanted)
    }

    /// The same, with variables of the environment.
    pub fn start_with(
        arguments: &[&str],
        variables: &[(&str, &str)],
        wanted: impl FnMut(&Value) -> bool + Send + 'static,
    ) -> Result<Self> {
        Self::spawn("watch", arguments, variables, wanted)
    }

    fn spawn(
        listener: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        wanted: impl FnMut(&Value) -> bool + Send + 'static,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = command(&[&[listener], arguments].concat())?;
        let begun = Instant::now(); // after the program was built, should it have had to be
        command.envs(variables.iter().copied());
        // Several tests watch at once; none may answer for another.
        let mut child = command.env("OVERHEAR_SOCKET", folder.path().join("live.sock")).spawn()?;
        let out = child.stdout.take().ok_or("no standard output")?;
        let err = child.stderr.take().ok_or("no standard error")?;
        let out = std::thread::spawn(move || Lines::read(BufReader::new(out), wanted));
        let said = Arc::new(Mutex::new(String::new()));
        let told = Arc::clone(&said);
        let err_reader = std::thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(std::result::Result::ok) {
                if let Ok(mut told) = told.lock() {
                    told.push_str(&line);
                    told.push('\n');
                }
            }
        });
        let attached_in = Duration::ZERO;
        let mut watch = Self { child, folder, out: Some(out), err: said, err_reader, attached_in };
        watch.wait_until_listening(begun)?;
        Ok(watch)
    }

    /// Where it answers other commands.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("live.sock")
    }

    /// The word that follows this on standard error, as soon as it is there.
    pub fn told(&self, before: &str) -> Result<String> {
        let begun = Instant::now();
        while begun.elapsed() < ATTACH {
            // Only whole lines are kept.
            if let Some((_, after)) = self.complaints().split_once(before) {
                return Ok(after.split_whitespace().next().unwrap_or_default().to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("nothing follows {before:?}: {}", self.complaints()).into())
    }

    /// The process id of `overhear`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as Ctrl-C does, and takes what it said.
    pub fn stop(self) -> Result<Heard> {
        signal(self.pid(), "INT")?;
        self.heard()
    }

    /// Waits for its own end (`--for`) and takes what it said.
    pub fn heard(mut self) -> Result<Heard> {
        let status = self.wait(Duration::from_secs(60))?;
        let lines = self.out.take().ok_or("already taken")?.join().map_err(|_| "reader panicked")??;
        // Its last words may be on their way; who inherited its standard error may keep that open.
        let ended = Instant::now();
        while !self.err_reader.is_finished() && ended.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let err = self.complaints();
        let last = lines.last.ok_or_else(|| format!("nothing on standard output: {err}"))?;
        let statistics = last.get("statistics").cloned().ok_or("the last line holds no statistics")?;
        Ok(Heard { exchanges: lines.kept, statistics, err, code: status.code() })
    }

    fn wait_until_listening(&mut self, begun: Instant) -> Result<()> {
        while begun.elapsed() < ATTACH {
            if self.complaints().contains("listening") {
                self.attached_in = begun.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                std::thread::sleep(Duration::from_millis(100)); // for the last of its words
                return Err(format!("watch ended before it listened, {status}: {}", self.complaints()).into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(format!("watch does not listen after {ATTACH:?}: {}", self.complaints()).into())
    }

    fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("watch does not end: {}", self.complaints()).into())
    }

    fn complaints(&self) -> String {
        self.err.lock().map(|text| text.clone()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `watch --json` writes, taken as it comes.
#[derive(Debug, Default)]
struct Lines {
    kept: Vec<Value>,
    last: Option<Value>,
}

impl Lines {
    fn read(out: impl BufRead, mut wanted: impl FnMut(&Value) -> bool) -> std::result::Result<Self, String> {
        let mut lines = Self::default();
        for line in out.lines() {
            let line = line.map_err(|error| error.to_string())?;
            let value = serde_json::from_str(&line).map_err(|error| format!("{error} in line {line:?}"))?;
            // The last line is no exchange; which one it is shows when the next does not come.
            if let Some(exchange) = lines.last.replace(value).filter(&mut wanted) {
                lines.kept.push(exchange);
            }
        }
        Ok(lines)
    }
}

/// What a `watch --json` told.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Each line but the last, if it was wanted.
    pub exchanges: Vec<Value>,
    /// What the last line holds.
    pub statistics: Value,
    /// Standard error.
    pub err: String,
    /// Its exit code; absent when a signal ended it.
    pub code: Option<i32>,
}

/// Sends a signal by name.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(format!("kill -{name} {pid}: {status}").into()) }
}

/// What a command says that has to succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(out.into_owned())
    } else {
        Err(format!("{command:?}: {out}{err}").into())
    }
}
