//! Programs with TLS that no probe finds, live: each is named with its reason and with whom its clients wanted. As root only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use overhear_tests::{
    Result,
    compiled::{Tls, compile, tls},
    program::{Heard, Watch, run},
    server::{cache, certificate, free_port, program, python, rustls},
};
use serde_json::{Value, json};
use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const NAME: &str = "api.shop.example";

/// A server that ends with the test.
struct Running {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts what this makes of a port and a folder, and waits until it accepts connections.
fn start(make: impl FnOnce(u16, &Path) -> Result<Command>) -> Result<Running> {
    let (folder, port) = (tempfile::tempdir()?, free_port()?);
    let mut command = make(port, folder.path())?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut running = Running { child, port, _folder: folder };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = running.child.try_wait()? {
            return Err(format!("{command:?} ended, {status}").into());
        }
        if begun.elapsed() > Duration::from_secs(20) {
            return Err(format!("{command:?} does not accept connections").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(running)
}

fn serves(binary: &Path, port: u16, folder: &Path) -> Result<Command> {
    let mut command = Command::new(binary);
    command.args(["serve", &port.to_string()]).args(certificate(folder)?);
    Ok(command)
}

fn nameless_openssl(port: u16, folder: &Path) -> Result<Command> {
    serves(&tls(Tls::NamelessOpenSsl)?, port, folder)
}

/// As it is released with `strip = true`.
fn nameless_rustls(port: u16, folder: &Path) -> Result<Command> {
    let stripped = folder.join("nameless");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(rustls()?).status()?;
    if !status.success() {
        return Err(format!("strip: {status}").into());
    }
    serves(&stripped, port, folder)
}

/// As a compiler leaves it that puts a function into those that call it: without its name.
fn inlined_rustls(port: u16, folder: &Path) -> Result<Command> {
    let binary = folder.join("inlined");
    let mut command = Command::new("objcopy");
    command.args(["--wildcard", "--strip-symbol=*take_received_plaintext*"]).arg(rustls()?).arg(&binary);
    let status = command.status()?;
    if !status.success() {
        return Err(format!("objcopy: {status}").into());
    }
    serves(&binary, port, folder)
}

/// The server that NSS brings to test itself.
fn nss(port: u16, folder: &Path) -> Result<Command> {
    let [certificate, key] = certificate(folder)?;
    let database = format!("sql:{}", folder.display());
    let both = folder.join("both.p12");
    let run = |command: &mut Command| -> Result<()> {
        let output = command.output()?;
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said()).into()) }
    };
    run(Command::new(program("certutil")?).args(["-N", "--empty-password", "-d", &database]))?;
    let mut pack = Command::new(program("openssl")?);
    pack.args(["pkcs12", "-export", "-passout", "pass:", "-name", "server", "-in"]).arg(certificate);
    run(pack.arg("-inkey").arg(key).arg("-out").arg(&both))?;
    let mut import = Command::new(program("pk12util")?);
    run(import.arg("-i").arg(both).args(["-d", &database, "-W", "", "-K", ""]))?;
    let mut command = Command::new(program("selfserv")?);
    command.args(["-n", "server", "-p", &port.to_string(), "-d", &database]);
    Ok(command)
}

fn ask(port: u16) -> Result<()> {
    let (url, resolve) = (format!("https://{NAME}:{port}/items"), format!("{NAME}:{port}:127.0.0.1"));
    let mut curl = Command::new(program("curl")?);
    let quiet = ["--silent", "--insecure", "--http1.1", "--output", "/dev/null", "--resolve"];
    let status = curl.args(quiet).args([&resolve, &url]).status()?;
    if status.success() { Ok(()) } else { Err(format!("curl: {status}").into()) }
}

fn rows(heard: &Heard) -> Vec<Value> {
    heard.statistics["unreadable_programs"].as_array().cloned().unwrap_or_default()
}

/// Only the server is heard, and its client made one call.
fn check(make: fn(u16, &Path) -> Result<Command>, reason: &str, why: &str) {
    let server = start(make).unwrap();
    let watch = Watch::start(&["--json", "--pid", &server.child.id().to_string()]).unwrap();
    ask(server.port).unwrap();
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges, Vec::<Value>::new());
    let rows = rows(&heard);
    let [row] = rows.as_slice() else { panic!("{rows:#?}") };
    assert_eq!((&row["reason"], &row["direction"]), (&json!(reason), &json!("inbound")), "{row}");
    assert_eq!(row["names"], json!([{"server.address": NAME, "connections": 1}]), "{row}");
    assert_eq!((&row["connections"], &row["open"]), (&json!(1), &json!(0)), "{row}");
    assert!(row["received"].as_u64() > Some(300) && row["sent"].as_u64() > Some(500), "{row}");
    assert!(heard.err.contains(why), "{}", heard.err);
}

#[test]
fn openssl_without_names() {
    check(nameless_openssl, "no_symbols", "OpenSSL is linked into it without symbols");
}

#[test]
fn rustls_without_names() {
    check(nameless_rustls, "no_symbols", "rustls is linked into it without symbols");
}

#[test]
fn rustls_whose_functions_were_inlined() {
    check(inlined_rustls, "inlined", "rustls 0.23 is in it, whose functions were inlined");
}

#[test]
fn nss_has_no_probes() {
    check(nss, "no_probes", "there are no probes for NSS");
}

/// A client that a Go before 1.17 built: Debian's `hey` of bullseye.
#[test]
#[ignore = "needs what only `cargo xtask setup --all` installs"]
fn a_program_of_an_old_go() {
    let server = start(nameless_openssl).unwrap();
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    let url = format!("https://localhost:{}/items", server.port);
    let hey = cache().join("old-go/usr/bin/hey");
    let output = Command::new(hey).args(["-n", "4", "-c", "2", "-host", NAME, &url]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("[200]\t4 responses"), "{output:?}");
    let heard = watch.stop().unwrap();
    let rows = rows(&heard);
    let row = rows.iter().find(|row| row["process.executable.name"] == "hey");
    let row = row.unwrap_or_else(|| panic!("{rows:#?}"));
    assert_eq!((&row["reason"], &row["connections"]), (&json!("old_go"), &json!(2)), "{row}");
    assert_eq!(row["names"], json!([{"server.address": NAME, "connections": 2}]), "{row}");
    assert!(heard.err.contains("it was built with a Go before 1.17"), "{}", heard.err);
}

/// An extension of Python with a library of its own inside: PyPI `primp`, rustls without names.
#[test]
#[ignore = "needs what only `cargo xtask setup --all` installs"]
fn an_extension_with_a_library_of_its_own() {
    let server = start(nameless_openssl).unwrap();
    let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
    let script = "import primp, sys; print(primp.Client(verify=False).get(sys.argv[1]).text)";
    let url = format!("https://localhost:{}/items", server.port);
    let mut client = python().unwrap();
    client.env("PYTHONPATH", cache().join("runtimes-more")).args(["-c", script, &url]);
    let output = client.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("[1,2,3]"), "{output:?}");
    let heard = watch.stop().unwrap();
    let rows = rows(&heard);
    let row = rows.iter().find(|row| row["direction"] == "outbound");
    let row = row.unwrap_or_else(|| panic!("{rows:#?}"));
    assert_eq!(row["reason"], "no_symbols", "{row}");
    assert!(heard.err.contains("rustls is linked into it without symbols"), "{}", heard.err);
}

/// Programs that only hold the texts by which libraries are known, as this one does.
#[test]
fn who_only_holds_the_texts_is_not_unreadable() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/marks.c");
    let server = start(|port, folder| {
        let binary: PathBuf = folder.join("marks");
        compile(&source, &binary, &[])?;
        let mut command = Command::new(binary);
        command.arg(port.to_string());
        Ok(command)
    })
    .unwrap();
    let watch =
        Watch::start(&["--json", "--listen", "127.0.0.1:0", "--port", &server.port.to_string()]).unwrap();
    let url = format!("http://127.0.0.1:{}/plain", server.port);
    let asked = Command::new(program("curl").unwrap()).args(["--silent", &url]).output().unwrap();
    assert_eq!(asked.stdout, b"mark");
    let told = run(&["doctor", "--json"]).unwrap().document().unwrap();
    let ours = told["processes"].as_array().unwrap().iter().find(|it| it["process.pid"] == watch.pid());
    assert!(!ours.unwrap()["obstacles"].to_string().contains("OpenSSL"), "{}", ours.unwrap());
    let heard = watch.stop().unwrap();
    assert_eq!(heard.exchanges.len(), 1, "{:?}", heard.exchanges);
    assert_eq!(heard.statistics["unreadable"], json!({}), "{}", heard.statistics);
    assert_eq!(rows(&heard), Vec::<Value>::new());
}
