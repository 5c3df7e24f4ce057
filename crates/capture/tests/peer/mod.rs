//! peer.c, which moves bytes in one particular way, and what was heard of it.

#![allow(dead_code, reason = "each test uses a part of it")]

use overhear_capture::live::{Live, Options, Plan, Types};
use overhear_probe::record::Record;
use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Byte `n` of a direction, as peer.c sends it.
pub(crate) fn pattern(n: u64) -> u8 {
    ((n * 31 + 7 + (n >> 8)) & 0x7f) as u8
}

pub(crate) fn peer() -> &'static PathBuf {
    static PEER: OnceLock<PathBuf> = OnceLock::new();
    PEER.get_or_init(|| {
        if let Some(built) = std::env::var_os("OVERHEAR_PEER") {
            return built.into();
        }
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("overhear-peer");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer.c");
        let compiled = Command::new("cc").args(["-O1", "-pthread", "-o"]).arg(&built).arg(source).status();
        assert!(compiled.expect("a C compiler").success(), "peer.c does not compile");
        built
    })
}

/// By the plan that `OVERHEAR_PLAN` names, where it names one.
pub(crate) fn usual() -> Options {
    let name = std::env::var("OVERHEAR_PLAN").ok();
    let plan =
        name.map(|name| Plan::ALL.into_iter().find(|plan| plan.name() == name).expect("a plan's name"));
    Options { plan, ..Options::default() }
}

/// The plan that is tested.
pub(crate) fn plan() -> Plan {
    let types = Types::read().expect("a kernel with BTF");
    usual().plan.unwrap_or_else(|| Plan::choose(|name| types.name(name)).expect("a plan"))
}

pub(crate) fn start(scene: &str, family: &str) -> Child {
    start_by(Command::new(peer()), scene, family)
}

/// By a program that becomes it, whose arguments so far are there.
pub(crate) fn start_by(mut command: Command, scene: &str, family: &str) -> Child {
    command.args([scene, family]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("peer starts")
}

/// Plays a scene; both functions are given the peer's process id.
pub(crate) fn listen(
    scene: &str,
    family: &str,
    options: impl FnOnce(u32) -> Options,
    hear: impl FnMut(u32, Record<'_>),
) -> Option<[u64; 2]> {
    listen_to(start(scene, family), scene, options, hear)
}

pub(crate) fn listen_to(
    mut child: Child,
    scene: &str,
    options: impl FnOnce(u32) -> Options,
    mut hear: impl FnMut(u32, Record<'_>),
) -> Option<[u64; 2]> {
    let peer = child.id();
    let mut live = Live::attach(options(peer)).expect("probes attach: root and Linux 5.8 are needed");
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let began = Instant::now();
    let mut quiet = 0;
    while quiet < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "{scene} does not end");
        let count = live.poll(&mut |record| hear(peer, record)).unwrap();
        let over = child.try_wait().unwrap().is_some();
        quiet = if over && count == 0 { quiet + 1 } else { 0 };
    }
    assert!(child.wait().unwrap().success(), "{scene} failed");
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    if said.starts_with("unavailable") {
        let _ = writeln!(std::io::stderr(), "{scene}: {said}");
        return None;
    }
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [sent, received] = numbers.try_into().expect("sent N received M");
    Some([sent, received])
}
