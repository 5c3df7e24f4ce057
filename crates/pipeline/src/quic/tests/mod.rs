//! Flows by their connection ids, out of what the probes tell: both ends, answers, losses, strangers.

mod packets;

use super::{
    Sockets, Told,
    heard::{Counts, MOST_FLOWS, MOST_SOCKETS},
};
use crate::host_names::HostNames;
use overhear_exchange::Direction;
use overhear_probe::{
    datagram::{DatagramKey, Moved, Peer},
    record::{Cookie, Ends, Open, Record, Role, Thread, Way, What},
};
use packets::{Client, answer, initial, retry};
use proptest::prelude::*;
use std::{collections::HashMap, net::SocketAddr};

/// What the probes count, by hand.
#[derive(Default)]
struct Counted(HashMap<DatagramKey, Moved>);

impl Counts for Counted {
    fn moved(&self, key: DatagramKey) -> Option<Moved> {
        self.0.get(&key).copied()
    }

    fn forget(&mut self, key: DatagramKey) {
        self.0.remove(&key);
    }
}

const SECOND: u64 = 1_000_000_000;
/// Processes, which have a socket each.
const SERVER: u32 = 1;
const CLIENT: u32 = 2;

#[derive(Default)]
struct Scene {
    sockets: Sockets,
    counted: Counted,
    now: u64,
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], port))
}

impl Scene {
    fn record(&mut self, pid: u32, what: What<'_>) {
        self.now += 1_000_000;
        self.sockets.record(&Record { time: self.now, thread: Some(Thread { tgid: pid, tid: pid }), what });
    }

    /// A socket, by its process's number; without a peer of its own.
    fn socket(&mut self, pid: u32, local: u16, from_start: bool) {
        let ends = Ends::Ip { local: at(local), remote: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let comm = String::from("program");
        let open = Open { socket: Cookie(pid.into()), ends, netns: 1, role: Role::Unknown, comm };
        self.record(pid, What::Quic { open: Box::new(open), from_start });
    }

    /// Counted, and told.
    fn datagram(&mut self, pid: u32, way: Way, port: Option<u16>, bytes: &[u8]) {
        let (socket, peer) = (Cookie(pid.into()), port.map(|port| Peer::new(at(port))));
        self.moves(pid, way, port, bytes.len() as u64);
        let size = u32::try_from(bytes.len()).unwrap();
        self.record(pid, What::Datagram { socket, way, size, peer, bytes });
    }

    fn moves(&mut self, pid: u32, way: Way, port: Option<u16>, bytes: u64) {
        let key = DatagramKey { socket: Cookie(pid.into()), peer: port.map(|port| Peer::new(at(port))) };
        let moved = self.counted.0.entry(key).or_default();
        moved.bytes[way.index()] += bytes;
        moved.last = self.now;
    }

    /// So much later.
    fn wait(&mut self, seconds: u64) {
        self.now += seconds * SECOND;
        self.sockets.tick(self.now, &mut self.counted, &HostNames::default());
    }

    fn finish(mut self) -> (Vec<Told>, u64) {
        self.sockets.finish(self.now, &mut self.counted, &HostNames::default());
        let mut told: Vec<Told> = self.sockets.take_over().collect();
        told.sort_by_key(|told| (told.end.owner.as_ref().map(|owner| owner.pid), told.direction));
        (told, self.sockets.connections())
    }

    fn exit(&mut self, pid: u32) {
        self.record(pid, What::Exit);
    }
}

fn client(number: u8, name: &str) -> Client {
    Client { destination: vec![number; 8], source: vec![number, 7, 7, 7], name: name.into() }
}

fn names(told: &Told) -> Vec<(String, u64)> {
    let (names, others) = told.what.names.top(10);
    assert_eq!(others, 0);
    names.into_iter().map(|(name, count)| (name.to_string(), count)).collect()
}

#[test]
fn both_ends_are_one_flow_with_two_rows() {
    let mut scene = Scene::default();
    let (hello, back) = (initial(&client(1, "api.example")), answer(&[1, 7, 7, 7], &[9; 4]));
    scene.socket(CLIENT, 5000, true);
    scene.datagram(CLIENT, Way::Sent, Some(443), &hello);
    scene.socket(SERVER, 443, true);
    scene.datagram(SERVER, Way::Received, None, &hello);
    // It was lost, as its client has it.
    scene.datagram(CLIENT, Way::Sent, Some(443), &hello);
    scene.datagram(SERVER, Way::Sent, Some(5000), &back);
    scene.datagram(CLIENT, Way::Received, None, &back);
    scene.now += 3 * SECOND;
    scene.moves(SERVER, Way::Sent, Some(5000), 100_000);
    scene.moves(CLIENT, Way::Received, None, 100_000);
    scene.wait(1);
    let open = scene.sockets.open_ones(&HostNames::default());
    assert!(open.len() == 2 && open.iter().all(|told| told.what.open == 1), "still there");
    let (told, connections) = scene.finish();
    assert_eq!((connections, told.len()), (1, 2));
    for (told, direction) in told.iter().zip([Direction::Inbound, Direction::Outbound]) {
        assert_eq!((told.direction, names(told)), (direction, vec![("api.example".into(), 1)]));
        assert_eq!((told.what.connections, told.what.open, told.what.duration.as_secs()), (1, 0, 3));
    }
    let (size, back) = (hello.len() as u64, back.len() as u64 + 100_000);
    assert_eq!([told[0].what.sent, told[0].what.received], [back, size]);
    assert_eq!([told[1].what.sent, told[1].what.received], [2 * size, back]);
}

/// Many clients at one socket of a server: how long each lasted is known by where answers to it go.
#[test]
fn answers_say_where_a_client_is() {
    let mut scene = Scene::default();
    scene.socket(SERVER, 443, true);
    for number in 1..=3 {
        scene.datagram(SERVER, Way::Received, None, &initial(&client(number, "api.example")));
    }
    for number in [3, 1, 2] {
        let port = 5000 + u16::from(number);
        scene.datagram(SERVER, Way::Sent, Some(port), &answer(&[number, 7, 7, 7], &[9; 4]));
    }
    scene.now += 10 * SECOND;
    scene.moves(SERVER, Way::Sent, Some(5001), 1);
    scene.wait(0);
    let (told, connections) = scene.finish();
    assert_eq!((connections, told.len(), told[0].what.connections), (3, 1, 3));
    assert_eq!(told[0].what.duration.as_secs(), 10, "one of them goes on");
}

#[test]
fn clients_without_ids_are_answered_in_their_order() {
    let mut scene = Scene::default();
    scene.socket(SERVER, 443, true);
    for number in 1..=2 {
        scene.datagram(
            SERVER,
            Way::Received,
            None,
            &initial(&Client { source: Vec::new(), ..client(number, "a") }),
        );
        scene.now += SECOND;
    }
    for _ in 0..3 {
        // Said again to the first: it is not for the second.
        scene.datagram(SERVER, Way::Sent, Some(5001), &answer(&[], &[9; 4]));
    }
    scene.datagram(SERVER, Way::Sent, Some(5002), &answer(&[], &[8; 4]));
    scene.now += 20 * SECOND;
    scene.moves(SERVER, Way::Sent, Some(5002), 1);
    scene.wait(0);
    let (told, connections) = scene.finish();
    assert_eq!((connections, told[0].what.connections), (2, 2));
    assert_eq!(told[0].what.duration.as_secs(), 2 + 21);
}

/// RFC 9000 §8.1.2: the client begins again with the id that it was told.
#[test]
fn a_server_that_wants_an_address_proved_has_one_flow() {
    for source in [vec![7; 5], Vec::new()] {
        let mut scene = Scene::default();
        let first = Client { source: source.clone(), ..client(1, "api.example") };
        let second = Client { destination: vec![66; 12], ..first.clone() };
        let retry = retry(&source, &second.destination);
        scene.socket(SERVER, 443, true);
        scene.socket(CLIENT, 5000, true);
        for hello in [&first, &second] {
            scene.datagram(CLIENT, Way::Sent, Some(443), &initial(hello));
            scene.datagram(SERVER, Way::Received, None, &initial(hello));
            if hello.destination == first.destination {
                scene.datagram(SERVER, Way::Sent, Some(5000), &retry);
                scene.datagram(CLIENT, Way::Received, None, &retry);
            }
        }
        let (told, connections) = scene.finish();
        assert_eq!((connections, told.len()), (1, 2));
        assert!(told.iter().all(|told| names(told) == [("api.example".into(), 1)]));
    }
}

/// What was heard from its first byte on, and began with no beginning that can be proved, is nobody's connection.
#[test]
fn what_is_not_proved_is_not_told() {
    let mut scene = Scene::default();
    scene.socket(SERVER, 8443, true);
    let mut broken = initial(&client(1, "api.example"));
    broken[200] ^= 1;
    scene.datagram(SERVER, Way::Received, None, &broken);
    scene.datagram(SERVER, Way::Received, None, &answer(&[1; 8], &[2; 8]));
    scene.datagram(SERVER, Way::Received, None, b"\xc0\0\0\0\x01\x08");
    scene.moves(SERVER, Way::Received, None, 1_000_000);
    let (told, connections) = scene.finish();
    assert_eq!((told.len(), connections), (0, 0));
}

/// Where nobody saw the beginning, the port says what it is, and each peer is one; later, peers move, and are no new ones.
#[test]
fn what_began_before_is_counted_by_peer_and_nobody_is_made_up() {
    let short = [0x41; 64];
    let mut scene = Scene::default();
    scene.socket(SERVER, 443, false);
    scene.datagram(SERVER, Way::Sent, Some(5001), &short);
    scene.datagram(SERVER, Way::Sent, Some(5002), &short);
    scene.wait(61);
    scene.datagram(SERVER, Way::Sent, Some(5003), &short);
    scene.wait(1);
    assert_eq!(scene.sockets.connections(), 2);
    let (told, connections) = scene.finish();
    assert_eq!((connections, told[0].what.connections, told[0].what.sent), (2, 2, 192));

    let mut scene = Scene::default();
    scene.socket(SERVER, 8443, false);
    scene.datagram(SERVER, Way::Sent, Some(5001), &short);
    assert_eq!(scene.sockets.connections(), 0, "nothing says that it is QUIC");
    scene.datagram(SERVER, Way::Received, None, &initial(&client(1, "api.example")));
    assert_eq!(scene.finish().1, 2, "now something does");
}

/// Sockets that are silent are let go, and told once; should they go on, their bytes count and nobody new does.
#[test]
fn silence_is_an_end_and_what_goes_on_after_it_is_counted() {
    let mut scene = Scene::default();
    scene.socket(CLIENT, 5000, true);
    scene.datagram(CLIENT, Way::Sent, Some(443), &initial(&client(1, "api.example")));
    scene.wait(1);
    scene.wait(118);
    assert!(scene.sockets.take_over().next().is_none());
    scene.wait(2);
    assert_eq!(scene.sockets.take_over().count(), 1);
    assert!(scene.counted.0.is_empty(), "let go");
    scene.socket(CLIENT, 5000, true);
    scene.datagram(CLIENT, Way::Sent, Some(443), &[0x41; 50]);
    scene.exit(CLIENT);
    scene.wait(1);
    let (told, connections) = scene.finish();
    assert_eq!((connections, told[0].what.connections, told[0].what.sent), (1, 0, 50));
    assert_eq!(told[0].direction, Direction::Outbound);
}

/// The probes may push an entry out; what it had counted stays counted.
#[test]
fn entries_that_were_pushed_out_stay_counted() {
    let mut scene = Scene::default();
    scene.socket(SERVER, 443, true);
    scene.datagram(SERVER, Way::Received, None, &initial(&client(1, "api.example")));
    scene.moves(SERVER, Way::Received, None, 1_000);
    scene.wait(1);
    scene.counted.0.clear();
    scene.moves(SERVER, Way::Received, None, 10);
    scene.wait(1);
    scene.counted.0.clear();
    scene.wait(1);
    scene.moves(SERVER, Way::Received, None, 5);
    let (told, _) = scene.finish();
    assert_eq!(told[0].what.received, initial(&client(1, "api.example")).len() as u64 + 1_015);
}

/// Strangers can send what they like: what is held has a bound, and everything is counted.
#[test]
fn a_flood_of_beginnings_is_bounded() {
    let mut scene = Scene::default();
    scene.socket(SERVER, 443, true);
    let many = 3_000_u32;
    for number in 0..many {
        let [a, b, c, d] = number.to_be_bytes();
        let stranger = Client { destination: vec![a, b, c, d, 1, 2, 3, 4], ..client(1, "x.example") };
        scene.datagram(SERVER, Way::Received, None, &initial(&stranger));
    }
    let [flows, waiting, greeting, ids] = scene.sockets.held();
    assert!(flows <= MOST_FLOWS && waiting <= 1024 && greeting <= 1024 && ids <= 2 * MOST_FLOWS);
    let (told, connections) = scene.finish();
    assert_eq!((connections, told[0].what.connections), (many.into(), many.into()));
}

#[test]
fn very_many_sockets_are_bounded() {
    let mut scene = Scene::default();
    let many = u32::try_from(2 * MOST_SOCKETS).unwrap() + 10;
    let hello = initial(&client(1, "api.example"));
    for pid in 1..=many {
        scene.socket(pid, 443, true);
        if pid % 1_000 == 0 {
            scene.datagram(pid, Way::Received, None, &hello);
        }
    }
    assert_eq!(scene.sockets.known(), 2 * MOST_SOCKETS);
    scene.wait(1);
    assert!(scene.sockets.known() <= MOST_SOCKETS, "{}", scene.sockets.known());
}

proptest! {
    /// Whatever is told in whatever order: no panic, and no more connections than beginnings.
    #[test]
    fn any_records_are_fine(steps in prop::collection::vec((0_u8..8, 0_u8..4, any::<bool>(), 0_u16..4, 0_usize..1300), 0..60)) {
        let mut scene = Scene::default();
        let beginnings: std::collections::BTreeSet<u8> =
            steps.iter().filter(|step| step.0 == 0).map(|step| step.1).collect();
        for (kind, number, sent, port, cut) in steps {
            let way = if sent { Way::Sent } else { Way::Received };
            let pid = 1 + u32::from(number % 2);
            let peer = (sent && port > 0).then_some(5000 + port);
            let from = client(number, "api.example");
            let mut bytes = match kind {
                0 => initial(&from),
                1 => answer(&from.source, &[number; 4]),
                2 => retry(&from.source, &[number + 100; 8]),
                3 => vec![0x41; 40],
                4 => { scene.socket(pid, 8443, true); continue }
                5 => { scene.exit(pid); continue }
                6 => { scene.wait(u64::from(port) * 50); continue }
                _ => answer(&[], &[]),
            };
            if kind != 0 {
                bytes.truncate(cut);
            }
            scene.datagram(pid, way, peer, &bytes);
        }
        let (told, connections) = scene.finish();
        // One that was let go may be told again.
        prop_assert!(connections <= 60);
        prop_assert!(connections == 0 || !beginnings.is_empty());
        prop_assert!(told.iter().all(|told| told.what.open == 0));
    }
}
