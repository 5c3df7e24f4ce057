//! The probes under the real kernel: every form of call is heard byte for byte, and no byte that is not the socket's.
//!
//! Needs root, a kernel of 5.8 or later with BTF, and a C compiler (or `OVERHEAR_PEER`, where peer.c is compiled already);
//! fails without them. `OVERHEAR_PLAN=syscalls` tests what older kernels get. What this kernel does not have (io_uring, 32-bit calls, block devices) is said and left out;
//! `cargo xtask kernel-test` has it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

mod peer;

use overhear_capture::live::{Live, Options, Plan};
use overhear_probe::record::{Ends, Loss, Verdict, Way, What};
use peer::{listen, pattern, plan, start, usual};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    process::{Command, Stdio},
};

/// What was heard of one direction of one socket.
#[derive(Debug, Default)]
struct Heard {
    /// Bytes moved.
    size: u64,
    /// Of those, copied.
    copied: u64,
    losses: BTreeMap<Loss, u64>,
    ended: bool,
    /// Bytes that were told last, in a gap: nothing was told of the socket since.
    gap: u64,
    /// As many of them as the socket was closed with.
    rest: u64,
}

type Sockets = BTreeMap<u64, [Heard; 2]>;

/// Plays a scene and returns what was heard, by socket, and what the peer says it did; `None` where this kernel has no
/// such thing. Every byte that was copied is compared with what was sent.
fn play(scene: &str, family: &str, cap: u32) -> Option<(Sockets, [u64; 2])> {
    let mut sockets = Sockets::new();
    // Undecided without limit, so that a scene's first bytes are not cut short by the wait for a verdict.
    let options =
        |peer| Options { pids: Some(vec![peer]), cap, undecided: u32::MAX, ring: 64 << 20, ..usual() };
    let moved = listen(scene, family, options, |_, record| note(&mut sockets, record.what))?;
    Some((sockets, moved))
}

fn note(sockets: &mut Sockets, what: What<'_>) {
    let index = |way: Way| usize::from(way == Way::Received);
    if let What::End { socket, way } = what {
        sockets.entry(socket.0).or_default()[index(way)].ended = true;
    }
    if let What::Close { socket, .. } = what {
        let ways = sockets.entry(socket.0).or_default();
        ways.iter_mut().for_each(|heard| heard.rest = heard.gap);
    }
    let What::Data { socket, way, offset, size, bytes, loss, comes: _ } = what else { return };
    for (n, byte) in bytes.iter().enumerate() {
        let at = offset + n as u64;
        assert_eq!(*byte, pattern(at), "a wrong byte at {at} of {way:?} of {socket:?}");
    }
    let ways = sockets.entry(socket.0).or_default();
    ways.iter_mut().for_each(|heard| heard.gap = 0);
    let heard = &mut ways[index(way)];
    assert!(!heard.ended, "{way:?} of {socket:?} goes on after its end");
    assert_eq!(offset, heard.size, "records of one direction follow on each other");
    heard.size += u64::from(size);
    heard.copied += bytes.len() as u64;
    heard.gap = if bytes.is_empty() { size.into() } else { 0 };
    if let Some(loss) = loss {
        *heard.losses.entry(loss).or_default() += u64::from(size) - bytes.len() as u64;
    }
}

/// The socket that moved this much each way.
fn under_test(sockets: &Sockets, moved: [u64; 2]) -> &[Heard; 2] {
    let found = sockets.values().find(|ways| ways[0].size == moved[0] && ways[1].size == moved[1]);
    found.unwrap_or_else(|| panic!("no socket moved {moved:?}: {sockets:?}"))
}

fn whole(heard: &Heard) {
    assert_eq!((heard.copied, &heard.losses), (heard.size, &BTreeMap::new()));
}

#[test]
fn every_form_of_call_is_heard_byte_for_byte() {
    for family in ["inet", "inet6", "unix"] {
        for scene in ["forms", "small-forms"] {
            let (sockets, moved) = play(scene, family, 1 << 20).unwrap();
            assert!(moved[0] > 0 && moved[1] > 0);
            under_test(&sockets, moved).iter().for_each(whole);
        }
    }
}

/// Without the look at what was to be sent, the second call's bytes are taken from the second message.
#[test]
fn a_message_sent_in_part_ends_its_call() {
    let (sockets, moved) = play("messages-cut", "inet", 100_000).unwrap();
    let [sent, _] = under_test(&sockets, moved);
    assert_eq!(sent.copied, 3 * 100_000, "{sent:?}");
}

/// So many vectors are not added up. Without a mark that the place in the call is lost, the second call's bytes are taken
/// from the second message. Where the call has ended, it has said how much it was.
#[test]
fn a_message_of_many_vectors_is_a_gap() {
    let (sockets, moved) = play("messages-cut-vectors", "inet", 100_000).unwrap();
    let [sent, _] = under_test(&sockets, moved);
    if plan() == Plan::Syscalls {
        assert_eq!(
            (sent.copied, &sent.losses),
            (3 * 100_000, &BTreeMap::from([(Loss::OverCap, sent.size - 300_000)]))
        );
        return;
    }
    assert_eq!((sent.copied, &sent.losses), (0, &BTreeMap::from([(Loss::Guarded, sent.size)])));
}

/// Without the guard on its time limit, the second call's bytes are taken from the second message. Where the call has
/// ended, it has said how many messages it was.
#[test]
fn messages_received_up_to_a_time_are_a_gap() {
    let (sockets, moved) = play("messages-late", "inet", 1 << 20).unwrap();
    let [_, received] = under_test(&sockets, moved);
    if plan() == Plan::Syscalls {
        return whole(received);
    }
    assert_eq!((received.copied, &received.losses), (0, &BTreeMap::from([(Loss::Guarded, 300)])));
}

/// Without a look at what failed, the second call's bytes are taken from the second message.
#[test]
fn a_message_that_fails_ends_its_call() {
    let (sockets, moved) = play("messages-few", "inet", 1 << 20).unwrap();
    under_test(&sockets, moved).iter().for_each(whole);
}

/// Without a comparison of all that tells one call from another, bytes are taken from the second message of the next. The
/// calls themselves tell nothing but that they failed: there the kernel's own count of the socket's bytes tells.
#[test]
fn a_call_that_ends_without_a_sign_does_not_go_on_in_another() {
    let (sockets, moved) = play("messages-faulty", "inet", 1 << 20).unwrap();
    if plan() == Plan::Syscalls {
        let [sent, _] = under_test(&sockets, moved);
        assert_eq!((sent.copied, &sent.losses), (0, &BTreeMap::from([(Loss::Guarded, sent.size)])));
        return;
    }
    under_test(&sockets, moved).iter().for_each(whole);
}

/// Without a count of the empty one, the message after it is read from its buffer; and a receive of no bytes is no end.
#[test]
fn an_empty_message_is_one_of_its_call_and_an_empty_receive_no_end() {
    let (sockets, moved) = play("messages-empty", "inet", 1 << 20).unwrap();
    under_test(&sockets, moved).iter().for_each(whole);
}

#[test]
fn random_vectors_are_heard_byte_for_byte() {
    let (sockets, moved) = play("vectors", "inet", 1 << 20).unwrap();
    under_test(&sockets, moved).iter().for_each(whole);
}

#[test]
fn a_peek_is_not_counted() {
    let (sockets, moved) = play("peek", "inet", 1 << 20).unwrap();
    assert_eq!(moved, [0, 100]);
    under_test(&sockets, moved).iter().for_each(whole);
}

#[test]
fn an_urgent_byte_is_not_counted() {
    let (sockets, moved) = play("urgent", "inet", 1 << 20).unwrap();
    assert_eq!(moved, [0, 100]);
    under_test(&sockets, moved).iter().for_each(whole);
}

#[test]
fn sendfile_and_splice_are_gaps_of_their_length() {
    let (sockets, moved) = play("unbuffered", "inet", 1 << 20).unwrap();
    let [sent, _] = under_test(&sockets, moved);
    assert_eq!((sent.size, sent.copied), (10_000, 2_000));
    assert_eq!(sent.losses, BTreeMap::from([(Loss::NoBuffer, 8_000)]));
}

/// What is thrown away, or moved to a pipe.
#[test]
fn what_is_received_into_no_buffer_is_a_gap() {
    for scene in ["truncated", "spliced"] {
        let (sockets, moved) = play(scene, "inet", 1 << 20).unwrap();
        let [_, received] = under_test(&sockets, moved);
        assert_eq!(
            (received.copied, &received.losses),
            (64, &BTreeMap::from([(Loss::NoBuffer, 64)])),
            "{scene}"
        );
    }
}

/// Without a look at what threads were at when the probes came, the second message is taken from where the first one was.
/// Where calls are told of when they end, the whole of this one is.
#[test]
fn messages_of_a_call_that_was_under_way_are_a_gap() {
    if plan() == Plan::Syscalls {
        return;
    }
    let (sockets, moved) = play("messages-begun", "inet", 1 << 20).unwrap();
    let [_, received] = under_test(&sockets, moved);
    assert_eq!((received.copied, received.size), (64, 128), "{received:?}");
}

/// Without a look at the flags, its empty receive is the end of the stream.
#[test]
fn what_the_kernel_says_of_sends_is_no_end() {
    let (sockets, moved) = play("noticed", "inet", 1 << 20).unwrap();
    under_test(&sockets, moved).iter().for_each(whole);
}

#[test]
fn io_uring_is_a_gap_of_its_length() {
    let Some((sockets, moved)) = play("io_uring", "inet", 1 << 20) else { return };
    for heard in under_test(&sockets, moved) {
        assert_eq!((heard.size, heard.copied), (2_000, 0));
    }
}

/// Without the guard on the return register this copies the pipe's buffer as the socket's bytes.
#[test]
fn a_receive_that_completes_while_the_thread_reads_a_pipe_copies_nothing_of_the_pipe() {
    let Some((sockets, moved)) = play("io_uring-elsewhere", "inet", 1 << 20) else { return };
    let [_, received] = under_test(&sockets, moved);
    assert_eq!((received.size, received.copied), (640, 0));
}

/// Without the guard on workers it passes for a read that is on its way out, a guarded loss.
#[test]
fn what_a_worker_of_io_uring_moves_is_a_gap() {
    let Some((sockets, moved)) = play("io_uring-worker", "inet", 1 << 20) else { return };
    for heard in under_test(&sockets, moved) {
        assert_eq!((heard.size, heard.copied), (2_000, 0));
        assert_eq!(heard.losses, BTreeMap::from([(Loss::NoBuffer, 2_000)]), "{sockets:?}");
    }
}

/// Without a look at what the descriptor stood for when the call began, bytes of a pipe are taken for the socket's, and the
/// socket's are missed.
#[test]
fn a_descriptor_that_changes_during_the_call_changes_nothing() {
    let (sockets, moved) = play("swapped", "inet", 1 << 20).unwrap();
    under_test(&sockets, moved).iter().for_each(whole);
}

/// A FIN counts as a byte in the kernel's count of a socket's bytes.
///
/// Where calls are heard when they end, a thread that was interrupted on its way out of a read ends it after the other end's FIN
/// has closed the socket: so many bytes were moved, and whatever moved them will not be told. That is a gap, right before the
/// close, of sockets that had said their own end before.
#[test]
fn the_end_of_a_connection_is_no_byte_of_it() {
    for family in ["inet", "inet6", "unix"] {
        let (sockets, moved) = play("closing", family, 1 << 20).unwrap();
        let ends: Vec<_> =
            sockets.values().filter(|ways| ways[0].size == moved[0] && ways[1].size == moved[1]).collect();
        assert!(ends.len() >= 24, "{family}: {sockets:?}");
        let (on_the_way_out, told): (Vec<_>, Vec<_>) =
            sockets.values().flatten().partition(|heard| heard.rest > 0);
        told.into_iter().for_each(whole);
        let may_be = if plan() == Plan::Syscalls && family != "unix" { FIRST_TO_END } else { 0 };
        assert!(on_the_way_out.len() <= may_be, "{family}: {sockets:?}");
        for heard in on_the_way_out {
            let gap = BTreeMap::from([(Loss::NoBuffer, moved[1])]);
            assert_eq!((heard.size, heard.rest, heard.copied, &heard.losses), (moved[1], moved[1], 0, &gap));
        }
    }
}

/// Of the connections of the scene `closing`, those of which the end under test says its own end first.
const FIRST_TO_END: usize = 12;

/// Nobody looked when it began, and other threads have the same files. That the bytes are the socket's shows the kernel's
/// count of them.
#[test]
fn a_call_that_waited_before_is_heard() {
    let (sockets, moved) = play("waiting", "inet", 1 << 20).unwrap();
    under_test(&sockets, moved).iter().for_each(whole);
}

/// Bytes of a request to a network block device, before what is written.
const REQUEST: u64 = 28;
/// Bytes of its reply, before what is read.
const REPLY: u64 = 16;

/// What the kernel sends over a program's socket while the program uses the device on it. None of it is in the buffer
/// that the program names: `play` looks at every byte that is copied.
fn of_the_device(scene: &str) -> Option<Heard> {
    let (sockets, _) = play(scene, "inet", 1 << 20)?;
    if plan() == Plan::Syscalls {
        // Whatever the kernel does with a socket is no call about it.
        assert!(sockets.values().flatten().all(|heard| heard.copied == 0), "{sockets:?}");
        return None;
    }
    let mut spoken = sockets.into_values().map(|[sent, _]| sent).filter(|sent| sent.size > 0);
    let sent = spoken.next().expect("the device sends");
    assert!(spoken.next().is_none() && sent.copied == 0, "{sent:?}");
    Some(sent)
}

/// Without the guard on the direction they are no guarded loss.
#[test]
fn what_a_block_device_sends_for_a_read_is_a_gap() {
    let Some(sent) = of_the_device("block-read") else { return };
    assert_eq!(sent.losses.get(&Loss::Guarded), Some(&(8 * REQUEST)), "{sent:?}");
}

/// Without the guard on the count they are no guarded loss. What is read first, to be written again, is one, too.
#[test]
fn what_a_block_device_sends_for_a_byte_that_is_written_is_a_gap() {
    let Some(sent) = of_the_device("block-write-byte") else { return };
    assert!(sent.losses.get(&Loss::Guarded).is_some_and(|lost| *lost >= 8 * (REQUEST + 4096)), "{sent:?}");
}

/// Without the guard on sockets that the kernel uses the program's buffer is copied as the request.
#[test]
fn what_a_block_device_sends_for_a_write_is_a_gap() {
    let Some(sent) = of_the_device("block-write") else { return };
    assert!(sent.losses.get(&Loss::NoBuffer).is_some_and(|lost| *lost >= 8 * (REQUEST + 4096)), "{sent:?}");
    assert_eq!(sent.losses.get(&Loss::Guarded), None, "{sent:?}");
}

/// A thread of the kernel receives what the device answers. Without the guard on such threads, whose registers are all
/// zero, it passes for a read that is on its way out, a guarded loss.
#[test]
fn what_a_thread_of_the_kernel_receives_is_a_gap() {
    let mut spoken = BTreeSet::new();
    let mut received = BTreeMap::<_, BTreeMap<_, u64>>::new();
    let heard = listen("block-read", "inet", everything, |peer, record| {
        let What::Data { socket, way, size, loss, .. } = record.what else { return };
        if way == Way::Received {
            *received.entry(socket.0).or_default().entry(loss).or_default() += u64::from(size);
        } else if record.thread.is_some_and(|thread| thread.tgid == peer) {
            spoken.insert(socket.0);
        }
    });
    if heard.is_none() {
        return;
    }
    if plan() == Plan::Syscalls {
        return assert_eq!(spoken, BTreeSet::new());
    }
    let [device] = spoken.iter().collect::<Vec<_>>()[..] else { panic!("one socket: {spoken:?}") };
    let received = &received[device];
    assert_eq!(received.keys().collect::<Vec<_>>(), [&Some(Loss::NoBuffer)], "{received:?}");
    assert!(received[&Some(Loss::NoBuffer)] >= 8 * (REPLY + 4096), "{received:?}");
}

/// The kernel says something to the peer over a socket that no program has. Without the guard on such sockets it is heard.
#[test]
fn a_socket_without_a_file_is_not_heard() {
    let mut ends = BTreeMap::new();
    let (mut heard, mut of_peer) = (BTreeSet::new(), BTreeSet::new());
    let moved = listen("unshared", "inet", everything, |peer, record| match record.what {
        What::Open(open) => {
            if let Ends::Ip { local, remote } = open.ends {
                ends.insert(open.socket.0, (local, remote));
            }
        }
        What::Data { socket, way, .. } => {
            heard.insert(socket.0);
            if way == Way::Received && record.thread.is_some_and(|thread| thread.tgid == peer) {
                of_peer.insert(socket.0);
            }
        }
        _ => {}
    });
    if moved.is_none() {
        return;
    }
    let [monitor] = of_peer.iter().collect::<Vec<_>>()[..] else { panic!("one socket: {of_peer:?}") };
    let (here, there) = ends[monitor];
    let kernel = ends.iter().find(|(_, ends)| **ends == (there, here)).map(|(socket, _)| socket);
    assert!(kernel.is_none_or(|socket| !heard.contains(socket)), "{ends:?} {heard:?}");
}

/// All that happens on the machine.
fn everything(_peer: u32) -> Options {
    Options { undecided: u32::MAX, ring: 64 << 20, ..usual() }
}

/// Without the guard on 32-bit calls their numbers are taken for those of other calls, which have no buffer.
#[test]
fn a_32_bit_call_is_a_gap() {
    let Some((sockets, moved)) = play("compat", "inet", 1 << 20) else { return };
    for heard in under_test(&sockets, moved) {
        assert_eq!((heard.copied, &heard.losses), (0, &BTreeMap::from([(Loss::Guarded, heard.size)])));
    }
}

#[test]
fn a_call_beyond_the_cap_is_copied_up_to_it() {
    let (sockets, moved) = play("large", "inet", 100_000).unwrap();
    let [sent, _] = under_test(&sockets, moved);
    assert_eq!((sent.size, sent.copied), (300_000, 100_000));
    assert_eq!(sent.losses, BTreeMap::from([(Loss::OverCap, 200_000)]));
}

#[test]
fn a_socket_nobody_judged_is_copied_up_to_a_limit() {
    let mut child = start("large", "inet");
    let mut live =
        Live::attach(Options { pids: Some(vec![child.id()]), undecided: 10_000, ..usual() }).unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child.wait().unwrap();
    let mut sockets = Sockets::new();
    for _ in 0..10 {
        live.poll(&mut |record| note(&mut sockets, record.what)).unwrap();
    }
    let [sent, _] = under_test(&sockets, [300_000, 0]);
    // One call: up to the limit; a later one would still show its beginning.
    assert_eq!((sent.copied, &sent.losses), (10_000, &BTreeMap::from([(Loss::Undecided, 290_000)])));
}

#[test]
fn a_full_ring_is_counted_and_what_is_heard_stays_right() {
    let mut child = start("vectors", "inet");
    let options = Options { pids: Some(vec![child.id()]), ring: 64 << 10, ..usual() };
    let mut live = Live::attach(options).unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(child.wait().unwrap().success());
    // Nobody read meanwhile. The offsets of what is left are true, so every byte is where it belongs.
    let mut copied = 0;
    let mut wrong = 0;
    for _ in 0..20 {
        live.poll(&mut |record| {
            if let What::Data { offset, bytes, .. } = record.what {
                copied += bytes.len();
                wrong += bytes.iter().zip(offset..).filter(|(byte, at)| **byte != pattern(*at)).count();
            }
        })
        .unwrap();
    }
    assert!(copied > 0 && wrong == 0, "{copied} copied, {wrong} wrong");
    let losses = live.counters().unwrap().losses;
    assert!(
        losses.iter().any(|(loss, events, bytes)| *loss == Loss::RingFull && *events > 0 && *bytes > 0),
        "{losses:?}"
    );
}

#[test]
fn another_network_namespace_and_sockets_that_were_there_before_are_heard() {
    let name = format!("overhear{}", std::process::id());
    let namespace =
        |args: &[&str]| assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
    namespace(&["netns", "add", &name]);
    namespace(&["-n", &name, "link", "set", "lo", "up"]);
    // The server is listening, and the client connected, before the probes are there.
    let script = "import socket,sys\ns=socket.create_server(('127.0.0.1',0))\nc=socket.create_connection(s.getsockname())\na,_=s.accept()\n\
                  print('ready',flush=True)\nsys.stdin.readline()\nc.sendall(b'asked')\na.recv(9)\na.sendall(b'answered')\nc.recv(9)\n";
    let mut child = Command::new("ip")
        .args(["netns", "exec", &name, "python3", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let mut live = Live::attach(Options { pids: Some(vec![child.id()]), ..usual() }).unwrap();
    let of_child =
        live.existing().iter().filter(|socket| socket.tgid == child.id()).cloned().collect::<Vec<_>>();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child.wait().unwrap();
    let (mut heard, mut spaces) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        live.poll(&mut |record| match record.what {
            What::Data { bytes, .. } => heard.push(String::from_utf8_lossy(bytes).into_owned()),
            What::Open(open) => spaces.push(open.netns),
            _ => {}
        })
        .unwrap();
    }
    namespace(&["netns", "del", &name]);
    assert_eq!(of_child.len(), 3, "listener and both ends: {of_child:?}");
    heard.sort();
    assert_eq!(heard, ["answered", "answered", "asked", "asked"]);
    assert!(spaces.iter().all(|space| *space == of_child[0].netns), "{spaces:?} {of_child:?}");
}

#[test]
fn we_never_hear_ourselves() {
    let mut live = Live::attach(Options { pids: Some(vec![std::process::id()]), ..usual() }).unwrap();
    let (mut one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    one.write_all(b"mine").unwrap();
    other.read_exact(&mut [0; 4]).unwrap();
    // Children of this process are heard as they are asked to be: the other tests start some meanwhile.
    let (mut ours, mine) = (0, std::process::id());
    for _ in 0..10 {
        live.poll(&mut |record| ours += u32::from(record.thread.is_some_and(|thread| thread.tgid == mine)))
            .unwrap();
    }
    assert_eq!(ours, 0);
}

#[test]
fn a_silenced_socket_costs_no_record_and_a_verdict_can_be_taken_back() {
    let script = "import socket,sys\na,b=socket.socketpair()\nfor line in sys.stdin:\n  a.sendall(line.encode())\n  b.recv(99)\n  print('.',flush=True)\n";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut live = Live::attach(Options { pids: Some(vec![child.id()]), ..usual() }).unwrap();
    let mut say = |live: &mut Live| {
        child.stdin.as_mut().unwrap().write_all(b"word\n").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
        let mut seen = Vec::new();
        for _ in 0..5 {
            live.poll(&mut |record| {
                if let What::Data { socket, .. } = record.what {
                    seen.push(socket);
                }
            })
            .unwrap();
        }
        seen
    };
    let first = say(&mut live);
    assert_eq!(first.len(), 2);
    live.judge(first.iter().map(|socket| (*socket, Verdict::Full))).unwrap();
    assert_eq!(say(&mut live).len(), 2);
    live.judge([(first[0], Verdict::Ignore)]).unwrap();
    assert_eq!(say(&mut live), [first[1]]);
    child.kill().unwrap();
    child.wait().unwrap();
}
