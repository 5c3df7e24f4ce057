//! What a listener may still do once it has attached. As root only, and never skipped.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use overhear_testkit::copy_program;
use overhear_tests::{
    program::{Watch, overhear, run, signal},
    server::{Client, Kind, Server, free_port, make_calls},
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
    time::Duration,
};

const SYS_PTRACE: u64 = 1 << 19;
const DAC_READ_SEARCH: u64 = 1 << 2;

/// A line of `/proc/PID/task/*/status`, as every thread has it.
fn status(pid: u32, key: &str) -> BTreeSet<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok());
    texts
        .filter_map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

fn has_only(pid: u32, rights: u64) {
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(status(pid, set), BTreeSet::from([format!("{rights:016x}")]), "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(status(pid, set), BTreeSet::from([format!("{:016x}", 0)]), "{set}");
    }
}

#[test]
fn as_another_user_it_hears_names_and_keeps() {
    let folder = tempfile::tempdir().unwrap();
    // Everybody may pass, only root may write.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let store = folder.path().join("own/store.db");
    let (store, socket) = (store.to_str().unwrap(), folder.path().join("run/live.sock"));
    let socket = socket.to_str().unwrap();
    let port = free_port().unwrap();
    let only = port.to_string();
    let arguments = ["--json", "--user", "nobody", "--store", store, "--socket", socket, "--port", &only];
    let watch = Watch::start(&arguments).unwrap();
    let nobody = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = nobody.lines().find(|line| line.starts_with("nobody:")).unwrap().to_owned();
    let ids: Vec<&str> = nobody.split(':').skip(2).take(2).collect();
    assert_eq!(status(watch.pid(), "Uid"), BTreeSet::from([[ids[0]; 4].join(" ")]));
    assert_eq!(status(watch.pid(), "Gid"), BTreeSet::from([[ids[1]; 4].join(" ")]));
    assert_eq!(status(watch.pid(), "Groups"), BTreeSet::from([String::new()]));
    has_only(watch.pid(), SYS_PTRACE | DAC_READ_SEARCH);

    // Started later, as root. What it calls itself is in its environment, which is nobody else's to read.
    let mut server = Command::new("python3")
        .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
        .current_dir(folder.path())
        .env("OTEL_SERVICE_NAME", "told-by-environment")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = format!("http://127.0.0.1:{port}/here");
    for _ in 0..3 {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", &address]);
        curl.stdout(Stdio::null()).status().unwrap();
    }
    std::thread::sleep(Duration::from_secs(1));
    let asked = run(&["requests", "--json", "--socket", socket]).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(asked.code == Some(0) && asked.out.contains("told-by-environment"), "{asked:?}");
    let heard = watch.stop().unwrap();
    let named = heard.exchanges.iter().filter(|exchange| {
        exchange["server.port"] == port
            && exchange["service.name"] == "told-by-environment"
            && exchange["client.process.pid"].is_u64()
    });
    assert_eq!(named.count(), 3, "{:?}", heard.exchanges);
    assert_eq!(fs::metadata(store).unwrap().uid().to_string(), ids[0]);
    let kept = run(&["endpoints", "--json", "--store", store]).unwrap();
    assert!(kept.out.contains("told-by-environment"), "{kept:?}");
}

#[test]
fn root_keeps_only_what_it_needs() {
    let watch = Watch::start(&["--json", "--port", "9"]).unwrap();
    has_only(watch.pid(), SYS_PTRACE | DAC_READ_SEARCH);
    signal(watch.pid(), "TERM").unwrap();
    assert!(watch.heard().is_ok());
}

#[test]
fn a_quiet_one_shows_no_exchanges_but_sums_up() {
    // Built before the time runs.
    overhear().unwrap();
    let server = Server::start(Kind::Python).unwrap();
    let port = server.port.to_string();
    let seconds = std::thread::spawn(move || run(&["watch", "--quiet", "--port", &port, "--for", "5s"]));
    std::thread::sleep(Duration::from_secs(3));
    make_calls(Client::Curl, server.port).unwrap();
    let said = seconds.join().unwrap().unwrap();
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.err.contains("listening on port") && said.err.contains("/items"), "{said:?}");
}

#[test]
fn a_user_that_is_not_there_is_told_before_anything_is_attached() {
    let said = run(&["watch", "--user", "nobody-of-that-name"]).unwrap();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no such user") && !said.err.contains("listening"), "{said:?}");
}

/// As the unit of the package starts it, as far as that goes without systemd.
#[test]
fn with_the_rights_of_the_unit_it_attaches_and_gives_up_two() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("overhear");
    copy_program(overhear().unwrap(), &binary).unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let rights = "-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search";
    let sets = ["--inh-caps", "--ambient-caps", "--bounding-set"].map(|set| format!("{set}={rights}"));
    let server = Server::start(Kind::Nginx).unwrap();
    let watch = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
        .args(sets)
        .arg(&binary)
        .args(["watch", "--quiet", "--no-page", "--for", "6s", "--port", &server.port.to_string()])
        .env("STATE_DIRECTORY", folder.path())
        .env("OVERHEAR_SOCKET", folder.path().join("live.sock"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    make_calls(Client::Curl, server.port).unwrap();
    for set in ["CapEff", "CapPrm"] {
        let left = format!("{:016x}", SYS_PTRACE | DAC_READ_SEARCH);
        assert_eq!(status(watch.id(), set), BTreeSet::from([left]), "{set}");
    }
    let said = watch.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
    assert!(said.status.success() && out.is_empty() && err.contains("nginx"), "{out}{err}");
    assert!(folder.path().join("overhear.db").is_file());
}
