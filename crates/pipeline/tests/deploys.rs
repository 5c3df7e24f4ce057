//! A service in a git repository is deployed and restarted, heard by the probes: what is noticed, and what is not.
//!
//! Needs root, a kernel of 6.3 or later with BTF, git and Python; fails without them.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set fails")]

use overhear_capture::live::Options;
use overhear_exchange::{Build, Exchange};
use overhear_pipeline::{Deploys, Kernel};
use overhear_protocol::Limits;
use overhear_query::monitor::Deploy;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A master with two workers, each replaced after three calls.
const SERVER: &str = r#"
import os, signal, socket, sys
workers = set()
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()

def work():
    for _ in range(3):
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        connection.close()
    os._exit(0)

def fork():
    worker = os.fork()
    if worker == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work()
    workers.add(worker)

def end(*_):
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
fork(), fork()
while True:
    ended, _ = os.wait()
    workers.discard(ended)
    fork()
"#;

/// Ends with its workers.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _status = self.0.wait();
    }
}

struct Scene {
    kernel: Kernel,
    deploys: Deploys,
    port: u16,
    told: Vec<Deploy>,
    builds: Vec<Arc<Build>>,
    pids: BTreeSet<u32>,
}

impl Scene {
    /// Calls a few times, and takes in what was heard of it.
    fn ask(&mut self) {
        self.builds.clear();
        let port = self.port;
        let calls = thread::spawn(move || {
            for _ in 0..8 {
                call(port);
                // Who ends at once is not known by more than a number.
                thread::sleep(Duration::from_millis(100));
            }
        });
        let began = Instant::now();
        while self.builds.len() < 8 {
            assert!(began.elapsed() < Duration::from_secs(20), "{} of 8 heard", self.builds.len());
            let Self { kernel, deploys, told, builds, pids, .. } = self;
            kernel
                .poll(&mut |exchange: Exchange| {
                    let process = exchange.server.process.as_ref().unwrap();
                    assert_eq!(&*process.service, "till");
                    pids.insert(process.pid);
                    builds.extend(process.build.clone());
                    told.extend(deploys.see(&process.service, process));
                })
                .unwrap();
        }
        calls.join().unwrap();
    }

    fn versions(&self) -> BTreeSet<&str> {
        self.builds.iter().map(|build| build.version.as_deref().unwrap()).collect()
    }
}

fn call(port: u16) {
    let began = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{error}"),
        }
        thread::sleep(Duration::from_millis(20));
    };
    stream.write_all(b"GET /sales HTTP/1.1\r\nHost: till.example\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok"), "{answer}");
}

fn start(folder: &Path, port: u16) -> Server {
    let mut command = Command::new("python3");
    command.arg("till.py").arg(port.to_string()).current_dir(folder);
    // A name of the place where the tests run is not this program's.
    command.env_remove("OTEL_SERVICE_NAME").env_remove("OTEL_RESOURCE_ATTRIBUTES");
    Server(command.spawn().unwrap())
}

/// Commits all and says which commit that is.
fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "-q", "--allow-empty", "-m", message]);
    git(folder, &["rev-parse", "--short=12", "HEAD"])
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let said = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=n@example.com"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[test]
fn deploys_and_restarts_are_noticed_and_workers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("till.py"), SERVER).unwrap();
    git(folder.path(), &["init", "-q"]);
    let one = commit(folder.path(), "one");

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = Options { ports: vec![port], ..Options::default() };
    let kernel = Kernel::attach(options, Limits::default()).unwrap();
    let mut scene = Scene {
        kernel,
        deploys: Deploys::default(),
        port,
        told: Vec::new(),
        builds: Vec::new(),
        pids: BTreeSet::new(),
    };

    let first = start(folder.path(), port);
    scene.ask();
    let two = commit(folder.path(), "two");
    assert_ne!(one, two);
    // The first workers may have answered before the commit only; later ones were started after it.
    assert_eq!(scene.versions(), BTreeSet::from([one.as_str()]));
    assert!(scene.pids.len() >= 3, "workers were replaced: {:?}", scene.pids);
    assert_eq!(scene.told, [], "where it begins");
    let baseline: Vec<_> = scene.deploys.running().cloned().collect();
    assert_eq!(baseline.len(), 1);
    assert_eq!(
        (baseline[0].version.as_deref(), baseline[0].at),
        (Some(&*one), scene.builds[0].family.started)
    );
    assert!(scene.builds.iter().all(|build| build.family.pid == first.0.id()));

    drop(first);
    let second = start(folder.path(), port);
    scene.ask();
    assert_eq!(scene.versions(), BTreeSet::from([two.as_str()]));
    assert!(scene.builds.iter().all(|build| build.family.pid == second.0.id()));
    let deploy = Deploy {
        service: "till".into(),
        at: scene.builds[0].family.started,
        version: Some(two.as_str().into()),
    };
    assert_eq!(scene.told, std::slice::from_ref(&deploy));
    assert!(deploy.at > baseline[0].at);

    // Restarts are told when they are apart.
    thread::sleep(Duration::from_secs(11));
    scene.ask();
    drop(second);
    let _third = start(folder.path(), port);
    scene.ask();
    scene.ask();
    let restart = Deploy { at: scene.builds[0].family.started, ..deploy.clone() };
    assert_eq!(scene.told, [deploy, restart]);
}
