//! QUIC under the real kernel: what opens a connection is told once and whole in every form of call, all else is counted and
//! no record. Needs root, a kernel with the tracepoints of sockets (6.3 or later) and a C compiler (or `OVERHEAR_DATAGRAMS`, where
//! datagrams.c is compiled already); fails without them.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use overhear_capture::live::{Live, Options, Plan};
use overhear_probe::{
    datagram::{DatagramKey, Peer},
    record::{Cookie, Ends, Record, Way, What},
};
use std::{
    collections::{BTreeMap, HashSet},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

fn peer() -> &'static PathBuf {
    static PEER: OnceLock<PathBuf> = OnceLock::new();
    PEER.get_or_init(|| {
        if let Some(built) = std::env::var_os("OVERHEAR_DATAGRAMS") {
            return built.into();
        }
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("overhear-datagrams");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/datagrams.c");
        let compiled = Command::new("cc").args(["-O1", "-o"]).arg(&built).arg(source).status();
        assert!(compiled.expect("a C compiler").success(), "datagrams.c does not compile");
        built
    })
}

/// Plays a scene, and says what the peer says it sent and received.
fn listen(scene: &str, ports: Vec<u16>, hear: &mut dyn FnMut(Record<'_>)) -> (Live, [u64; 2]) {
    let mut command = Command::new(peer());
    let mut child = command.arg(scene).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let options =
        Options { pids: Some(vec![child.id()]), ports, plan: Some(Plan::Sockets), ..Options::default() };
    let mut live = Live::attach(options).expect("probes attach: root and Linux 6.3 are needed");
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let (began, mut quiet) = (Instant::now(), 0);
    while quiet < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "{scene} does not end");
        let count = live.poll(hear).unwrap();
        quiet = if child.try_wait().unwrap().is_some() && count == 0 { quiet + 1 } else { 0 };
    }
    assert!(child.wait().unwrap().success(), "{scene} failed");
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    (live, numbers.try_into().expect("sent N received M"))
}

/// An Initial packet's head, then its number, as datagrams.c makes it.
fn assert_opening(bytes: &[u8], number: u8) {
    assert_eq!(&bytes[..6], b"\xc3\0\0\0\x01\x08");
    assert!(bytes[6..].iter().all(|byte| *byte == number), "{number}");
}

#[test]
fn every_form_of_call_is_told_and_counted() {
    let (mut keys, mut told) = (HashSet::new(), BTreeMap::<_, Vec<(u8, u32)>>::new());
    let (mut sockets, mut peers) = (BTreeMap::new(), HashSet::new());
    let (live, [sent, received]) = listen("forms", Vec::new(), &mut |record| match record.what {
        What::Quic { open, from_start } => {
            assert!(from_start);
            keys.insert(DatagramKey { socket: open.socket, peer: None });
            sockets.insert(open.socket.0, open);
        }
        What::Datagram { socket, way, size, peer, bytes } => {
            keys.insert(DatagramKey { socket, peer });
            peers.extend(peer);
            let number = bytes[6];
            let segments = if number == 6 && way == Way::Sent { 3 } else { 1 };
            assert_eq!(bytes.len(), size as usize, "whole");
            bytes.chunks(bytes.len() / segments).for_each(|one| assert_opening(one, number));
            told.entry((socket.0, way.index())).or_default().push((number, size));
        }
        What::Exit | What::Exec { .. } => {}
        other => panic!("{other:?}"),
    });
    // The socket that sends was connected in between: that is an entry of its own.
    let opened = |size_of_six: u32| {
        let one = |number: u8| (number, if number == 6 { size_of_six } else { 1200 + u32::from(number) });
        (1..=7).map(one).collect::<Vec<_>>()
    };
    let mut into: Vec<_> = opened(1200);
    into.splice(5..5, [(6, 1200), (6, 1200)]);
    let (out, into) = (opened(3600), into);
    let by_way = |way: usize| {
        told.iter().filter(|((_, of), _)| *of == way).map(|(_, told)| told.clone()).collect::<Vec<_>>()
    };
    assert_eq!((by_way(0), by_way(1)), (vec![out], vec![into]));
    let local = |way: usize| {
        let (socket, _) = told.keys().find(|(_, of)| *of == way).unwrap();
        let Ends::Ip { local, .. } = sockets[socket].ends else { panic!("no address") };
        local
    };
    // It is bound to an address only by sending.
    assert_eq!(peers.into_iter().map(|peer: Peer| peer.address()).collect::<Vec<_>>(), [local(1)]);
    let sum = |way: Way| {
        keys.iter().filter_map(|key| live.moved(*key)).map(|moved| moved.bytes[way.index()]).sum::<u64>()
    };
    assert_eq!((sum(Way::Sent), sum(Way::Received)), (sent, received));
    assert!(sent > 100_000);
}

#[test]
fn what_is_no_quic_costs_no_record() {
    let mut told = Vec::new();
    let (_, [sent, received]) = listen("others", Vec::new(), &mut |record| match record.what {
        What::Exec { .. } => {}
        other => told.push(format!("{other:?}")),
    });
    assert_eq!((told, sent), (Vec::<String>::new(), received));
}

/// Neither socket has that port, nor is anything sent there.
#[test]
fn other_ports_are_not_heard() {
    let mut sockets = HashSet::<Cookie>::new();
    listen("forms", vec![1], &mut |record| {
        if let What::Quic { open, .. } = record.what {
            sockets.insert(open.socket);
        }
    });
    assert_eq!(sockets, HashSet::new());
}

/// What a datagram costs, with and without us: on sockets of QUIC, and on others. `--ignored --nocapture` prints it.
#[test]
#[ignore = "prints a figure"]
fn what_a_datagram_costs() {
    let said = |scene: &str, heard: bool| -> u64 {
        let mut command = Command::new(peer());
        let mut child = command.arg(scene).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let options =
            Options { pids: Some(vec![child.id()]), plan: Some(Plan::Sockets), ..Options::default() };
        let mut live = heard.then(|| Live::attach(options).unwrap());
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        while child.try_wait().unwrap().is_none() {
            if let Some(live) = &mut live {
                live.poll(&mut |_| {}).unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        said.split_whitespace().next().unwrap().parse().unwrap()
    };
    for scene in ["rate-other", "rate-quic"] {
        let least = |heard: bool| (0..5).map(|_| said(scene, heard)).min().unwrap();
        let (without, with) = (least(false), least(true));
        let _ = writeln!(std::io::stderr(), "{scene}: {without} ns of CPU per datagram, {with} with us");
    }
}
