//! What is left behind, and who is listened to. As root only, and never skipped.

use aya::programs::loaded_programs;
use overhear_tests::{
    program::{Watch, signal},
    server::{Client, Kind, Server, make_calls},
};
use std::{
    collections::BTreeSet,
    process::Command,
    time::{Duration, Instant},
};

/// The kernel programs a process holds.
fn held_programs(pid: u32) -> BTreeSet<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts
        .filter_map(|text| text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok()))
        .collect()
}

fn loaded(ids: &BTreeSet<u32>) -> usize {
    loaded_programs().filter_map(Result::ok).filter(|program| ids.contains(&program.id())).count()
}

/// The kernel lets go of a program a moment after its last holder.
fn all_gone(ids: &BTreeSet<u32>) -> bool {
    let began = Instant::now();
    while loaded(ids) > 0 {
        if began.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn nothing_stays_attached_however_it_ends() {
    let server = Server::start(Kind::Nginx).unwrap();
    for name in ["KILL", "TERM", "INT"] {
        let watch = Watch::start(&["--json", "--port", &server.port.to_string()]).unwrap();
        let pid = watch.pid();
        // A file that the kernel sends by itself: from then on packets are copied.
        let file = format!("http://127.0.0.1:{}/files/large", server.port);
        for _ in 0..2 {
            Command::new("curl").args(["--silent", "--output", "/dev/null", &file]).status().unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
        let ids = held_programs(pid);
        assert!(ids.len() >= 6 && loaded(&ids) == ids.len(), "{ids:?}");
        signal(pid, name).unwrap();
        // Killed, it cannot say anything any more; else it says its statistics.
        assert_eq!(watch.heard().is_ok(), name != "KILL", "{name}");
        assert!(all_gone(&ids), "{name} leaves programs attached");
    }
}

#[test]
fn a_pid_is_heard_and_nobody_else() {
    let (wanted, other) = (Server::start(Kind::Python).unwrap(), Server::start(Kind::Python).unwrap());
    let pid = wanted.pids()[0].to_string();
    let watch = Watch::start(&["--json", "--pid", &pid]).unwrap();
    make_calls(Client::Curl, other.port).unwrap();
    make_calls(Client::Curl, wanted.port).unwrap();
    let heard = watch.stop().unwrap();
    assert!(!heard.exchanges.is_empty());
    let strangers: Vec<_> =
        heard.exchanges.iter().filter(|exchange| exchange["server.port"] != wanted.port).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[test]
fn a_service_is_heard_and_nobody_else() {
    let (wanted, other) = (Server::start(Kind::Nginx).unwrap(), Server::start(Kind::Python).unwrap());
    let ports = [wanted.port.to_string(), other.port.to_string()];
    let watch =
        Watch::start(&["--json", "--service", "nginx", "--port", &ports[0], "--port", &ports[1]]).unwrap();
    make_calls(Client::Curl, other.port).unwrap();
    make_calls(Client::Curl, wanted.port).unwrap();
    let heard = watch.stop().unwrap();
    assert!(!heard.exchanges.is_empty());
    let strangers: Vec<_> =
        heard.exchanges.iter().filter(|exchange| exchange["service.name"] != "nginx").collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}
