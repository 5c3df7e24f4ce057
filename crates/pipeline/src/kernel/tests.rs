//! Very many connections, from the probes' records to exchanges: what is kept of them is bounded, whatever they do.
//!
//! `OVERHEAR_CONNECTIONS` says how many; `cargo xtask test --all` a million.

use super::Hearing;
use overhear_exchange::Exchange;
use overhear_probe::record::{Cookie, Ends, Open, Record, Role, Thread, Way, What};
use overhear_protocol::Limits;
use overhear_stream::socket::{self, Assembler};
use std::net::SocketAddr;

fn many() -> u64 {
    std::env::var("OVERHEAR_CONNECTIONS").map_or(50_000, |number| number.parse().unwrap())
}

/// Connections followed at once.
const BOUND: usize = 5_000;

const REQUEST: &[u8] = b"GET /items HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// An identification string (RFC 4253 §4.2).
const SSH: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n";
/// The beginning of a ClientHello (RFC 8446 §4.1.2).
const TLS: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

struct Scene {
    hearing: Hearing,
    now: u64,
    exchanges: u64,
    most: usize,
}

impl Scene {
    fn new() -> Self {
        let limits = socket::Limits { connections: BOUND, ..socket::Limits::default() };
        let hearing = Hearing::new(Assembler::new(limits, 0), Limits::default());
        Self { hearing, now: 1, exchanges: 0, most: 0 }
    }

    fn record(&mut self, what: What<'_>) {
        self.now += 1_000;
        let record = Record { time: self.now, thread: Some(Thread { tgid: 1, tid: 1 }), what };
        let exchanges = &mut self.exchanges;
        self.hearing.record(record, &mut |_: Exchange| *exchanges += 1);
    }

    /// A client connects to the server on this machine.
    fn open(&mut self, number: u64) -> Cookie {
        let socket = Cookie(number + 1);
        let [_, a, b, c] = u32::try_from(number / 50_000).unwrap().to_be_bytes();
        let port = 10_000 + u16::try_from(number % 50_000).unwrap();
        let ends = Ends::Ip {
            local: SocketAddr::from(([10, 0, 0, 1], 80)),
            remote: SocketAddr::from(([11, a, b, c], port)),
        };
        self.record(What::Open(Box::new(Open {
            socket,
            ends,
            netns: 1,
            role: Role::Server,
            comm: "server".into(),
        })));
        socket
    }

    fn data(&mut self, socket: Cookie, way: Way, bytes: &[u8]) {
        let size = u32::try_from(bytes.len()).unwrap();
        self.record(What::Data { socket, way, offset: 0, size, bytes, loss: None, comes: false });
    }

    /// What happens every few milliseconds.
    fn tick(&mut self) {
        let exchanges = &mut self.exchanges;
        self.hearing.tick(self.now, &mut |_: Exchange| *exchanges += 1);
        drop(self.hearing.assembler.take_verdicts());
        self.most = self.most.max(self.hearing.table.followed()).max(self.hearing.assembler.len());
    }

    /// Many connections that each do this.
    fn play(each: impl Fn(&mut Self, Cookie)) -> Self {
        let mut scene = Self::new();
        for number in 0..many() {
            let socket = scene.open(number);
            each(&mut scene, socket);
            if number % 64 == 0 {
                scene.tick();
            }
        }
        scene.tick();
        let sealed = u64::try_from(scene.hearing.assembler.unread_tls()).unwrap();
        assert_eq!(scene.hearing.table.opened() + sealed, many());
        assert!(scene.most <= BOUND, "{} are followed at once", scene.most);
        scene
    }

    fn followed(&self) -> [usize; 2] {
        [self.hearing.assembler.len(), self.hearing.table.followed()]
    }
}

#[test]
fn many_connections_one_after_the_other_leave_nothing() {
    let scene = Scene::play(|scene, socket| {
        scene.data(socket, Way::Received, REQUEST);
        scene.data(socket, Way::Sent, RESPONSE);
        scene.record(What::Close { socket, errno: 0 });
    });
    assert_eq!((scene.exchanges, scene.followed(), scene.hearing.evicted), (many(), [0, 0], 0));
}

#[test]
fn of_many_connections_that_stay_the_idle_are_forgotten_and_counted() {
    let scene = Scene::play(|scene, socket| {
        scene.data(socket, Way::Received, REQUEST);
        scene.data(socket, Way::Sent, RESPONSE);
    });
    assert_eq!((scene.exchanges, scene.followed()), (many(), [BOUND, BOUND]));
    assert_eq!(scene.hearing.evicted, many() - BOUND as u64);
}

/// Each holds a part of a head, as in a slow attack (CWE-400).
#[test]
fn unfinished_heads_of_many_connections_are_held_for_as_many_as_may_be_followed() {
    let scene = Scene::play(|scene, socket| scene.data(socket, Way::Received, REQUEST.split_at(30).0));
    assert_eq!((scene.exchanges, scene.followed()), (0, [BOUND, BOUND]));
    assert_eq!(scene.hearing.evicted, many() - BOUND as u64);
}

#[test]
fn many_connections_that_speak_no_api_are_counted_and_not_kept() {
    let scene = Scene::play(|scene, socket| scene.data(socket, Way::Received, SSH));
    assert_eq!((scene.exchanges, scene.followed(), scene.hearing.evicted), (0, [0, 0], 0));
    assert_eq!(scene.hearing.table.unreadable().get("ssh"), Some(&many()));
}

/// Their plaintext may yet be heard, so as many as may be followed are; they are no loss.
#[test]
fn many_connections_that_speak_tls_are_counted() {
    let scene = Scene::play(|scene, socket| scene.data(socket, Way::Received, TLS));
    assert_eq!((scene.exchanges, scene.followed(), scene.hearing.evicted), (0, [BOUND, 0], 0));
    assert_eq!(scene.hearing.assembler.unread_tls(), many() as i64);
    let mut hearing = scene.hearing;
    hearing.ciphers.finish();
    let rows = hearing.ciphers.table();
    assert_eq!((rows.connections(), rows.rows().len()), (many() - BOUND as u64, 1), "those that are over");
}
