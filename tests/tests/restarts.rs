//! Programs that come, go and are replaced while we listen, and listeners that come and go while programs talk: nothing is left
//! behind, and nothing breaks. As root only, and never skipped.
//!
//! `OVERHEAR_RESTARTS` says how often they are started, 10 times by default.

use overhear_tests::{
    Result,
    program::{Watch, signal},
    server::{Client, Kind, SIZES, Server, calls, free_port, python},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

const KINDS: [Kind; 3] = [Kind::Nginx, Kind::Python, Kind::Go];
/// What a listener may need more at the end than after the first rounds: what allocators keep.
const MORE_MEMORY: u64 = 6 << 20;
/// Files that are opened when they are first needed.
const LAZY: usize = 8;
/// A library that nobody has is let go after ten seconds.
const LET_GO: Duration = Duration::from_secs(40);

fn rounds() -> usize {
    std::env::var("OVERHEAR_RESTARTS").ok().and_then(|number| number.parse().ok()).unwrap_or(10)
}

/// What the kernel says that a process holds: links to probes in these files (Linux 6.17 and later tell; those of others come
/// and go with other tests), programs, maps, and other open files.
fn held(pid: u32, probed: &[&str]) -> [usize; 4] {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten();
    let texts: Vec<String> =
        entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect();
    let count = |what: &str| texts.iter().filter(|text| text.contains(what)).count();
    let ours = |text: &&String| text.contains("link_type:") && probed.iter().any(|file| text.contains(file));
    let links = texts.iter().filter(ours).count();
    [links, count("prog_type:"), count("map_type:"), texts.len() - count("link_type:")]
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    kilobytes.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// Waits until the listener holds no more than it held before.
fn assert_no_more(pid: u32, probed: &[&str], before: [usize; 4]) {
    let began = Instant::now();
    loop {
        let now = held(pid, probed);
        if now.iter().zip(before).zip([0, 0, 0, LAZY]).all(|((now, before), more)| *now <= before + more) {
            return;
        }
        assert!(began.elapsed() < LET_GO, "links, programs, maps, files: {before:?} became {now:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// How often each call was made, or told: by its server's port, method, path and status.
type Counts = BTreeMap<(u64, String, String, u64), usize>;

fn told(exchanges: &[Value]) -> Counts {
    let mut counts = Counts::new();
    for exchange in exchanges {
        let text = |key: &str| exchange[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| exchange[key].as_u64().unwrap_or_default();
        let key = (
            number("server.port"),
            text("http.request.method"),
            text("url.path"),
            number("http.response.status_code"),
        );
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn made(kind: Kind, port: u16, times: usize) -> Counts {
    let mut calls: Vec<Value> = calls(kind).into_iter().map(Value::Object).collect();
    for call in &mut calls {
        call["server.port"] = port.into();
    }
    let mut counts = told(&calls);
    counts.values_mut().for_each(|count| *count *= times);
    counts
}

/// Starts a server anew as often, and asks it: its own clients are all answered.
fn restart(kind: Kind, port: u16, times: usize) -> Result<()> {
    for _ in 0..times {
        Server::start_tls_at(port, kind)?.make_calls(Client::Curl)?;
    }
    Ok(())
}

fn restart_all(ports: &[u16], times: usize) -> Result<()> {
    thread::scope(|scope| {
        let pairs = KINDS.into_iter().zip(ports.iter().copied());
        let all: Vec<_> = pairs.map(|(kind, port)| scope.spawn(move || restart(kind, port, times))).collect();
        all.into_iter().try_for_each(|each| each.join().map_err(|_| "a thread panicked")?)
    })
}

#[test]
fn servers_that_are_started_again_and_again() {
    let ports = KINDS.map(|_| free_port().unwrap());
    let watch = Watch::start(&["--json", "--port", &ports.map(|port| port.to_string()).join(",")]).unwrap();
    // What is there once: the Go program's own probes, threads, buffers.
    restart_all(&ports, 2).unwrap();
    let probed = ["libssl.so", "go-test-server"];
    let (before, memory) = (held(watch.pid(), &probed), resident(watch.pid()));
    assert!(before[0] > 0 && before[2] > 0, "{before:?}");
    restart_all(&ports, rounds()).unwrap();
    assert_no_more(watch.pid(), &probed, before);
    let after = resident(watch.pid());
    assert!(after < memory + MORE_MEMORY, "{memory} bytes of memory became {after}");
    let heard = watch.stop().unwrap();
    let expected: Counts =
        KINDS.into_iter().zip(ports).flat_map(|(kind, port)| made(kind, port, rounds() + 2)).collect();
    assert_eq!(told(&heard.exchanges), expected, "{}", heard.statistics);
    assert_eq!(heard.code, Some(0), "{}", heard.err);
}

fn installed(library: &str) -> Result<PathBuf> {
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"]
        .map(|folder| Path::new(folder).join(library))
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{library} is missing").into())
}

/// As a package manager does it: another file by the same name.
fn replace(library: &str, folder: &Path) -> Result<()> {
    let fresh = folder.join("fresh");
    fs::copy(installed(library)?, &fresh)?;
    Ok(fs::rename(fresh, folder.join(library))?)
}

/// A server goes on with the library that it has, and the next has the new one.
#[test]
fn libraries_that_are_replaced_under_servers() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let port = free_port().unwrap();
    let times = rounds().div_ceil(4);
    let watch = Watch::start(&["--json", "--port", &port.to_string()]).unwrap();
    let probed = [folder.path().to_str().unwrap()];
    let before = held(watch.pid(), &probed);
    for _ in 0..times {
        replace("libssl.so.3", folder.path()).unwrap();
        let server = Server::start_tls_with(port, Kind::Nginx, folder.path()).unwrap();
        thread::sleep(Duration::from_secs(1));
        server.make_calls(Client::Curl).unwrap();
        replace("libssl.so.3", folder.path()).unwrap();
        server.make_calls(Client::Curl).unwrap();
    }
    assert!(held(watch.pid(), &probed)[0] > before[0], "the library of the last is probed");
    assert_no_more(watch.pid(), &probed, before);
    let heard = watch.stop().unwrap();
    assert_eq!(told(&heard.exchanges), made(Kind::Nginx, port, 2 * times), "{}", heard.statistics);
}

/// Whoever listens to them comes, goes, and is killed: each call is answered as it should be.
#[test]
fn programs_notice_nothing() {
    for kind in [Kind::Nginx, Kind::Python, Kind::Node, Kind::Go, Kind::Rustls] {
        let server = Server::start_tls(kind).unwrap();
        let call = |number: usize| {
            let size = SIZES[number % SIZES.len()];
            serde_json::json!(["GET", format!("/sized/{number}?status=200&size={size}"), 0])
        };
        let plan: Vec<Vec<Value>> = (0..8).map(|_| (0..400).map(call).collect()).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        serde_json::to_writer(file.as_file(), &plan).unwrap();
        let mut client = python().unwrap();
        client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/planned.py"));
        client.args(["http", &server.port.to_string()]).arg(file.path());
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(client.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        client.stdin.take().unwrap().write_all(b"go\n").unwrap();
        for name in ["INT", "KILL", "TERM"] {
            let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
            thread::sleep(Duration::from_millis(200));
            signal(watch.pid(), name).unwrap();
            let _killed_says_nothing = watch.heard();
        }
        let mut said = String::new();
        out.read_to_string(&mut said).unwrap();
        assert!(client.wait().unwrap().success(), "{kind:?}");
        let answers: Vec<Vec<[usize; 3]>> = serde_json::from_str(&said).unwrap();
        for answers in answers {
            assert_eq!(answers.len(), 400, "{kind:?}");
            for (number, [_, status, size]) in answers.into_iter().enumerate() {
                assert_eq!((status, size), (200, SIZES[number % SIZES.len()]), "{kind:?}");
            }
        }
    }
}
