//! Processes that have a library mapped.

use super::program::library;
use crate::tls::{Function, Mapped, Scanner, find};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A process that has loaded a library, until it is dropped.
struct Loaded(Child);

impl Loaded {
    fn new(library: &Path) -> Self {
        let script =
            "import ctypes, sys, time; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); time.sleep(60)";
        Self::start(Command::new("python3").args(["-c", script]).arg(library))
    }

    /// In a mount namespace of its own, in which the library is at a place that is empty for everybody else.
    fn elsewhere(original: &Path, folder: &Path) -> Self {
        let script = "mount -t tmpfs tmpfs \"$2\" && cp \"$1\" \"$2/libssl.so.3\" && exec python3 -c \
            \"import ctypes, sys, time; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); time.sleep(60)\" \"$2/libssl.so.3\"";
        let arguments = ["--mount", "--propagation", "private", "sh", "-c", script, "sh"];
        Self::start(Command::new("unshare").args(arguments).arg(original).arg(folder))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "needs python3, and root for namespaces");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn copied(folder: &TempDir) -> PathBuf {
    let copy = folder.path().join("libssl.so.3");
    fs::copy(library("libssl.so.3"), &copy).unwrap();
    copy
}

/// What is told of a process, less what it has loaded beside.
fn told(scanner: &mut Scanner, pid: u32, folder: &TempDir) -> Vec<Mapped> {
    let mut found = scanner.look(pid);
    found.retain(|mapped| mapped.name.starts_with(folder.path()) && mapped.pid == Some(pid));
    found
}

#[test]
fn a_file_is_told_once() {
    let folder = TempDir::new().unwrap();
    let copy = copied(&folder);
    let (first, second) = (Loaded::new(&copy), Loaded::new(&copy));
    let mut scanner = Scanner::new(Vec::new());
    let found = told(&mut scanner, first.pid(), &folder);
    assert_eq!(found.iter().map(|mapped| &mapped.name).collect::<Vec<_>>(), [&copy]);
    assert!(found[0].found.sites.iter().any(|site| site.function == Function::SslRead));
    assert_eq!(fs::metadata(found[0].path()).unwrap().ino(), fs::metadata(&copy).unwrap().ino());
    assert!(
        told(&mut scanner, first.pid(), &folder).is_empty()
            && told(&mut scanner, second.pid(), &folder).is_empty()
    );
    assert!(scanner.program(&copy).is_none(), "nor as a program");
    let everything = scanner.scan().unwrap();
    assert!(everything.iter().all(|mapped| !mapped.name.starts_with(folder.path())));
}

/// A program that loads its library late, as interpreters do, is looked at again; one that does nothing is not.
#[test]
fn what_is_loaded_later_is_found() {
    let folder = TempDir::new().unwrap();
    let copy = copied(&folder);
    let script = "import ctypes, sys, time; print('ready', flush=True); sys.stdin.readline(); \
        ctypes.CDLL(sys.argv[1]); time.sleep(60)";
    let mut command = Command::new("python3");
    let mut late = Loaded::start(command.args(["-c", script]).arg(&copy).stdin(Stdio::piped()));
    let mut scanner = Scanner::new(Vec::new());
    let here = |found: Vec<Mapped>| found.into_iter().filter(|mapped| mapped.name == copy).count();
    assert_eq!(here(scanner.scan().unwrap()), 0);
    late.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let began = Instant::now();
    while here(scanner.scan().unwrap()) == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "it is not found");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn deleted_and_replaced_files_are_found() {
    let folder = TempDir::new().unwrap();
    let copy = copied(&folder);
    let inode = fs::metadata(&copy).unwrap().ino();
    let old = Loaded::new(&copy);
    fs::remove_file(&copy).unwrap();
    let mut scanner = Scanner::new(Vec::new());
    let gone = told(&mut scanner, old.pid(), &folder);
    assert_eq!(gone.len(), 1, "needs root");
    assert_eq!(fs::metadata(gone[0].path()).unwrap().ino(), inode);

    copied(&folder);
    let new = Loaded::new(&copy);
    let replaced = told(&mut scanner, new.pid(), &folder);
    assert_eq!(replaced.len(), 1);
    assert_ne!(fs::metadata(replaced[0].path()).unwrap().ino(), inode);
    let mut another = Scanner::new(Vec::new());
    assert_eq!(fs::metadata(told(&mut another, old.pid(), &folder)[0].path()).unwrap().ino(), inode);
}

#[test]
fn files_of_other_mount_namespaces_are_found() {
    let folder = TempDir::new().unwrap();
    let other = Loaded::elsewhere(&library("libssl.so.3"), folder.path());
    let found = told(&mut Scanner::new(Vec::new()), other.pid(), &folder);
    assert_eq!(found.len(), 1);
    assert!(!found[0].name.exists(), "it is not in this namespace");
    assert_eq!(find(&found[0].file).unwrap().as_ref(), Some(&*found[0].found));
}

#[test]
fn what_checks_itself_is_never_told() {
    let folder = TempDir::new().unwrap();
    let copy = copied(&folder);
    let loaded = Loaded::new(&copy);
    let mut scanner = Scanner::new(vec![copy.to_string_lossy().into_owned()]);
    assert!(told(&mut scanner, loaded.pid(), &folder).is_empty());
    let known = folder.path().join("clickhouse");
    fs::rename(&copy, &known).unwrap();
    assert!(Scanner::new(Vec::new()).program(&known).is_none());
    fs::rename(&known, folder.path().join("any")).unwrap();
    assert!(Scanner::new(Vec::new()).program(&folder.path().join("any")).is_some());
}

#[test]
fn what_is_installed_is_known_before_it_is_used() {
    let mut scanner = Scanner::new(Vec::new());
    let installed = scanner.installed();
    let names: Vec<_> = installed.iter().filter_map(|mapped| mapped.name.file_name()?.to_str()).collect();
    assert!(names.contains(&"libssl.so.3"), "{names:?}");
    let user = Loaded::new(&library("libssl.so.3"));
    let again = scanner.look(user.pid());
    assert!(again.iter().all(|mapped| mapped.name.file_name().is_none_or(|name| name != "libssl.so.3")));
}
