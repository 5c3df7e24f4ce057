//! Bytes that are in no buffer of a call, under the real kernel: they come by packets, after the first time.
//!
//! As `live.rs`; only where the kernel has the tracepoints of sockets.

#![expect(
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod peer;

use overhear_capture::live::{Options, Plan};
use overhear_probe::record::{Cookie, Way, What};
use peer::{listen_to, pattern, peer, plan, start, start_by, usual};
use std::{
    collections::BTreeMap,
    process::{Child, Command},
};

/// Bytes of a packet at most that are not copied.
const BEYOND: u64 = 128;

/// One direction of one socket.
#[derive(Debug, Default)]
struct Direction {
    /// TCP's number of the byte at offset 0, once packets are copied.
    first: Option<u32>,
    /// What packets brought, by offset.
    brought: BTreeMap<u64, u64>,
    /// Bytes that packets had beyond what was copied of them.
    beyond: u64,
    /// Of what packets brought of gaps that come: how much came after the gap was told.
    late: u64,
    /// From and to, of gaps that are said to come, and of those that are not.
    comes: Vec<(u64, u64)>,
    lost: Vec<(u64, u64)>,
}

impl Direction {
    /// Bytes of the gaps that come, and of those how many a packet has brought.
    fn covered(&self) -> (u64, u64) {
        let brought = |from, to| {
            let mut at = from;
            let mut count = 0;
            for (begin, end) in &self.brought {
                let (begin, end) = ((*begin).max(at), (*end).min(to));
                if begin < end {
                    count += end - begin;
                    at = end;
                }
            }
            count
        };
        let sum = |part: &dyn Fn(u64, u64) -> u64| self.comes.iter().map(|(from, to)| part(*from, *to)).sum();
        (sum(&|from, to| to - from), sum(&brought))
    }
}

type Heard = BTreeMap<u64, [Direction; 2]>;

/// Plays a scene; every byte that a packet brings is compared with what was sent.
fn play(scene: &str, family: &str) -> Option<Heard> {
    play_by(start(scene, family), scene)
}

fn play_by(peer: Child, scene: &str) -> Option<Heard> {
    assert_eq!(plan(), Plan::Sockets, "packets are for the plan by sockets");
    let mut heard = Heard::new();
    let options = |peer| Options { pids: Some(vec![peer]), undecided: u32::MAX, ring: 64 << 20, ..usual() };
    listen_to(peer, scene, options, |_, record| note(&mut heard, record.what))?;
    Some(heard)
}

fn direction(heard: &mut Heard, socket: Cookie, way: Way) -> &mut Direction {
    let [sent, received] = heard.entry(socket.0).or_default();
    if way == Way::Sent { sent } else { received }
}

fn note(heard: &mut Heard, what: What<'_>) {
    match what {
        What::ByPackets { socket, way, offset, sequence } => {
            direction(heard, socket, way).first = Some(sequence.wrapping_sub(offset as u32));
        }
        What::Packet { socket, way, sequence, size, bytes } => {
            let direction = direction(heard, socket, way);
            let from = u64::from(sequence.wrapping_sub(direction.first.expect("its numbers are known")));
            for (byte, at) in bytes.iter().zip(from..) {
                assert_eq!(*byte, pattern(at), "a wrong byte at {at} of {way:?} of {socket:?}");
            }
            // What a loopback packet of full size has beyond 64 KiB with its head is never copied.
            assert!(u64::from(size) - bytes.len() as u64 <= BEYOND, "{size} {}", bytes.len());
            let before = direction.covered().1;
            // What comes again may be shorter.
            let end = direction.brought.entry(from).or_default();
            *end = (*end).max(from + bytes.len() as u64);
            direction.late += direction.covered().1 - before;
            direction.beyond += u64::from(size) - bytes.len() as u64;
        }
        What::Data { socket, way, offset, size, bytes, comes, .. } if bytes.len() < size as usize => {
            let gap = (offset + bytes.len() as u64, offset + u64::from(size));
            let direction = direction(heard, socket, way);
            if comes { direction.comes.push(gap) } else { direction.lost.push(gap) }
        }
        _ => {}
    }
}

fn whole(direction: &Direction) {
    let (comes, brought) = direction.covered();
    assert!(
        comes > 0 && comes == brought + direction.beyond,
        "{comes} come, {brought} were brought: {direction:?}"
    );
}

/// What had gone its way already when packets came to be copied is said to come, where that was in the midst of the first
/// gaps: it does not, and `stream` tells it as a gap at once.
fn whole_from_the_first_packet(direction: &Direction) {
    let first = direction.brought.keys().next().copied().unwrap_or(u64::MAX);
    let comes = direction.comes.iter().filter(|(from, _)| *from >= first).copied().collect();
    let (brought, beyond) = (direction.brought.clone(), direction.beyond);
    whole(&Direction { comes, brought, beyond, ..Direction::default() });
}

#[test]
fn sendfile_and_splice_come_by_packets_after_the_first_time() {
    for family in ["inet", "inet6"] {
        let heard = play("packets", family).unwrap();
        let [sent, received] = heard.values().find(|ways| !ways[0].comes.is_empty()).unwrap();
        whole_from_the_first_packet(sent);
        whole_from_the_first_packet(received);
        // Of three rounds the first may be gone.
        assert!(sent.covered().1 + sent.beyond >= 2 * 108_000, "{sent:?}");
        assert!(received.covered().1 + received.beyond >= 2 * 60_064, "{received:?}");
        assert_eq!(received.late, 0, "what is received came by before it is told: {received:?}");
    }
}

/// What `stream` goes by, to tell a gap at once: no packet brings what was received before packets were copied, nor later
/// what it brings of the rest; and what is sent behind bytes that waited is brought, behind packets of those.
#[test]
fn what_waited_in_a_socket_comes_by_no_packet_and_what_follows_does() {
    for family in ["inet", "inet6"] {
        let heard = play("packets-waiting", family).unwrap();
        let [sent, received] = heard.values().find(|ways| !ways[0].comes.is_empty()).unwrap();
        assert_eq!(received.covered(), (22_000, 3_000), "{received:?}");
        assert_eq!((received.brought.keys().next(), received.late), (Some(&20_000), 0), "{received:?}");
        let waited = sent.lost.iter().map(|(_, to)| *to).max().unwrap();
        let first = *sent.brought.keys().next().unwrap();
        assert!((1..waited).contains(&first), "{sent:?}");
        whole(sent);
        assert!(sent.covered().0 >= 5_000, "{sent:?}");
    }
}

#[test]
fn io_uring_comes_by_packets_after_the_first_time() {
    let Some(heard) = play("packets-io_uring", "inet") else { return };
    let [sent, received] = heard.values().find(|ways| !ways[0].comes.is_empty()).unwrap();
    whole(sent);
    whole(received);
    assert_eq!((sent.covered().0, received.covered().0), (100_000, 4_000), "{heard:?}");
}

/// What a new connection says first is heard too, once its server is known for this.
#[test]
fn new_connections_of_a_server_come_by_packets_from_the_first_byte() {
    for family in ["inet", "inet6"] {
        let heard = play("packets-new", family).unwrap();
        let sent: Vec<&Direction> = heard
            .values()
            .map(|ways| &ways[0])
            .filter(|sent| !sent.comes.is_empty() || !sent.lost.is_empty())
            .collect();
        let (lost, later): (Vec<_>, Vec<_>) = sent.into_iter().partition(|sent| sent.comes.is_empty());
        assert_eq!((lost.len(), later.len()), (1, 2), "{heard:?}");
        for sent in later {
            whole(sent);
            assert_eq!(sent.covered().0, 5_000);
        }
    }
}

/// On a line that is too slow and keeps too little, so that what does not fit is lost and comes again, later than what
/// was behind it.
#[test]
fn packets_that_are_lost_and_come_again_are_laid_where_they_belong() {
    let name = format!("overhear{}", std::process::id());
    let ip = |words: &str| {
        let status = Command::new("ip").args(words.split_whitespace()).status().unwrap();
        assert!(status.success(), "ip {words}");
    };
    ip(&format!("netns add {name}"));
    ip(&format!("-n {name} link set lo up mtu 1500"));
    ip(&format!("netns exec {name} tc qdisc add dev lo root tbf rate 40mbit burst 10kb limit 15kb"));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &name]).arg(peer());
    let heard = play_by(start_by(command, "packets", "inet"), "packets");
    let counters =
        Command::new("ip").args(["netns", "exec", &name, "cat", "/proc/net/snmp"]).output().unwrap();
    ip(&format!("netns del {name}"));
    let heard = heard.unwrap();
    let [sent, received] = heard.values().find(|ways| !ways[0].comes.is_empty()).unwrap();
    // Every byte was compared already. Where much is lost not everything is brought: what is sent again counts, too, against
    // what is copied at most.
    for direction in [sent, received] {
        let (comes, brought) = direction.covered();
        assert!(
            comes > 0 && brought >= comes / 10 * 9,
            "{comes} come, {brought} were brought: {direction:?}"
        );
        assert_eq!(direction.beyond, 0);
    }
    let counters = String::from_utf8(counters.stdout).unwrap();
    let mut tcp = counters.lines().filter_map(|line| line.strip_prefix("Tcp: ")).map(|line| line.split(' '));
    let (names, values) = (tcp.next().unwrap(), tcp.next().unwrap());
    let again = names.zip(values).find(|(name, _)| *name == "RetransSegs").unwrap().1;
    assert_ne!(again, "0", "nothing was lost on the way");
}
